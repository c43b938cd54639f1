package events_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/testevents"
)

func TestFault_22_ADuplicateKeepsItsID(t *testing.T) {
	t.Run("CloudTrail delivers a record in a second envelope", func(t *testing.T) {
		first, err := events.Decode(read(t, createCluster))
		if err != nil {
			t.Fatal(err)
		}
		second, err := events.Decode(edited(t, createCluster, "id", "99999999-0000-4000-8000-000000000000"))
		if err != nil {
			t.Fatal(err)
		}
		if first.Head().ID != second.Head().ID {
			t.Errorf("%s became %s", first.Head().ID, second.Head().ID)
		}
	})
	t.Run("an incident's move is put on the bus twice", func(t *testing.T) {
		move := moved()
		entry, err := move.Entry()
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"first", "second"} {
			e, err := events.Decode(onBus(t, entry, id))
			if err != nil {
				t.Fatal(err)
			}
			if e.Head().ID != move.ID {
				t.Errorf("the bus made %s of %s", e.Head().ID, move.ID)
			}
		}
	})
	t.Run("a queue delivers our own message again", func(t *testing.T) {
		raw := read(t, testevents.Case{Function: "etcdsize", Name: "scan-target"})
		first, err := events.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		if want := "tick/hourly/2026-11-20T12:00:00Z/111122223333/eu-west-1"; first.Head().ID != want {
			t.Errorf("got %s, want %s", first.Head().ID, want)
		}
	})
}

func TestFault_26_AFailedCallIsIgnored(t *testing.T) {
	for _, c := range testevents.List() {
		e, err := events.Decode(read(t, c))
		switch e.(type) {
		case *events.EKSCall, *events.KMSCall:
		default:
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, err := events.Decode(edited(t, c, "detail.errorCode", "AccessDenied")); e != nil || !skipped(err) {
			t.Errorf("%s with an errorCode: %+v, %v", c, e, err)
		}
	}
}

func TestFault_27_WithoutParametersTheWholeRegionIsMeant(t *testing.T) {
	for _, tt := range []struct {
		name  string
		value any
	}{
		{"absent", nil},
		{"null", json.RawMessage(`null`)},
		{"omitted for its size", json.RawMessage(`{"reason":"requestParameters too large","omitted":true,"originalSize":104882}`)},
		{"omitted, with the mark as a string", json.RawMessage(`{"reason":"requestParameters too large","omitted":"true","originalSize":"104882"}`)},
		{"truncated", json.RawMessage(`{"_truncated":"{\"name\":\"my-cl"}`)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := events.Decode(edited(t, createCluster, "detail.requestParameters", tt.value))
			if err != nil {
				t.Fatal(err)
			}
			call := e.(*events.EKSCall)
			if call.Cluster != "" || call.Account != "111122223333" || call.Region != "us-east-1" {
				t.Errorf("got %+v", call)
			}
		})
	}
}

func TestFault_28_AHostileClusterNameIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name       string
		parameters string
	}{
		{"a path", `{"name":"../../secrets"}`},
		{"a path, percent-encoded", `{"name":"..%2F..%2Fsecrets"}`},
		{"a query, percent-encoded", `{"name":"prod%3Fregion=x"}`},
		{"percent-encoded twice", `{"name":"prod%252D1"}`},
		{"a broken percent-encoding", `{"name":"prod%"}`},
		{"a line break", `{"name":"prod\n"}`},
		{"a NUL", `{"name":"prod\u0000"}`},
		{"a lone surrogate", `{"name":"prod\ud800"}`},
		{"letters that only look like ASCII", `{"name":"рrod"}`},
		{"a leading hyphen, which a command line would read as an option", `{"name":"-prod"}`},
		{"101 characters", `{"name":"` + strings.Repeat("a", 101) + `"}`},
		{"100,000 characters", `{"name":"` + strings.Repeat("a", 100_000) + `"}`},
		{"empty", `{"name":""}`},
		{"null", `{"name":null}`},
		{"a number", `{"name":1}`},
		{"a list", `{"name":["prod"]}`},
		{"an object", `{"name":{}}`},
		{"hostile in the spelling of 2018", `{"clusterName":"../x"}`},
		{"parameters without a name", `{"version":"1.35"}`},
		{"parameters that say they are not omitted", `{"omitted":false}`},
		{"parameters that are a text", `"requestParameters too large"`},
		{"parameters that are a number", `0`},
		{"parameters that are a list", `[]`},
		{"parameters that are false", `false`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := events.Decode(edited(t, createCluster, "detail.requestParameters", json.RawMessage(tt.parameters)))
			if e != nil || !refused(err) {
				t.Errorf("got %+v, %v", e, err)
			}
		})
	}
	longest := strings.Repeat("a", 100)
	if e, err := events.Decode(edited(t, createCluster, "detail.requestParameters.name", longest)); err != nil || e.(*events.EKSCall).Cluster != longest {
		t.Errorf("100 characters: %+v, %v", e, err)
	}
}

func TestFault_29_AForgedEventIsRefused(t *testing.T) {
	key := testevents.Case{Function: "secretsencryption", Name: "kms.DisableKey"}
	for _, c := range []testevents.Case{createCluster, key} {
		for _, tt := range []struct {
			name, path string
			value      any
		}{
			{"another account in the record", "detail.recipientAccountId", "444455556666"},
			{"another account in the envelope", "account", "444455556666"},
			{"another region in the record", "detail.awsRegion", "eu-west-3"},
			{"another region in the envelope", "region", "eu-west-3"},
			{"another service's record", "detail.eventSource", "redshift.amazonaws.com"},
			{"a service whose name begins alike", "detail.eventSource", "eks.amazonaws.com.example.org"},
			{"no service", "detail.eventSource", nil},
			{"EKS and KMS exchanged", "source", map[string]string{"etcdsize": "aws.kms", "secretsencryption": "aws.eks"}[c.Function]},
			{"our own name on AWS's record", "source", events.Source},
		} {
			t.Run(c.Name+": "+tt.name, func(t *testing.T) {
				e, err := events.Decode(edited(t, c, tt.path, tt.value))
				if e != nil || !refused(err) {
					t.Errorf("got %+v, %v", e, err)
				}
			})
		}
	}
	t.Run("even a failed or reading call is checked", func(t *testing.T) {
		raw := bytes.Replace(read(t, testevents.Case{Function: testevents.Ignored, Name: "ListClusters.readonly"}),
			[]byte(`"recipientAccountId": "111122223333"`), []byte(`"recipientAccountId": "444455556666"`), 1)
		if _, err := events.Decode(raw); !refused(err) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("what a record leaves out is no forgery", func(t *testing.T) {
		for _, c := range []testevents.Case{createCluster, key} {
			for _, field := range []string{"detail.recipientAccountId", "detail.awsRegion"} {
				e, err := events.Decode(edited(t, c, field, nil))
				if err != nil || e.Head().Account != "111122223333" || e.Head().Region != "us-east-1" {
					t.Errorf("%s without %s: %+v, %v; want the account and region of the envelope", c, field, e, err)
				}
			}
		}
	})
	t.Run("a caller from another account is no forgery", func(t *testing.T) {
		e, err := events.Decode(edited(t, createCluster, "detail.userIdentity.accountId", "444455556666"))
		if err != nil || e.Head().Account != "111122223333" {
			t.Errorf("got %+v, %v", e, err)
		}
	})
	t.Run("a scan cannot send a role into an account that it does not name", func(t *testing.T) {
		e, err := events.Decode(read(t, testevents.Case{Function: testevents.Malformed, Name: "scan-foreign-role"}))
		if e != nil || !refused(err) {
			t.Errorf("got %+v, %v", e, err)
		}
	})
}
