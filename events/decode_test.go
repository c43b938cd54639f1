package events_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/testevents"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with a file of testdata.
func golden(t *testing.T, file string, got any) {
	t.Helper()
	b, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, '\n')
	file = filepath.Join("testdata", file)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, want) {
		t.Errorf("%s differs from what was decoded; run with -update and read the difference\n%s", file, firstDifference(string(want), string(b)))
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d\nwant %s\n got %s", i+1, w[i], g[i])
		}
	}
	return fmt.Sprintf("want %d lines, got %d", len(w), len(g))
}

// read is the example of that name.
func read(t testing.TB, c testevents.Case) []byte {
	t.Helper()
	raw, err := testevents.Read(c.Function, c.Name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func refused(err error) bool { return errors.As(err, new(*events.Malformed)) }

func skipped(err error) bool { return errors.As(err, new(*events.Ignored)) }

func TestDecodeUnderstandsEveryExample(t *testing.T) {
	all := map[string]map[string]any{}
	for _, c := range testevents.List() {
		e, err := events.Decode(read(t, c))
		switch {
		case refused(err):
			all[c.String()] = map[string]any{"malformed": err.Error()}
		case skipped(err):
			all[c.String()] = map[string]any{"ignored": err.Error()}
		case err != nil:
			t.Errorf("%s: neither malformed nor ignored: %v", c, err)
		default:
			all[c.String()] = map[string]any{"type": fmt.Sprintf("%T", e), "head": e.Head(), "event": e}
		}
		if refused(err) != (c.Function == testevents.Malformed) || skipped(err) != (c.Function == testevents.Ignored) {
			t.Errorf("%s is in the wrong folder: %v", c, err)
		}
	}
	golden(t, "decode.golden.json", all)
}

// edited is an example with one field replaced, or removed when value is nil.
func edited(t testing.TB, c testevents.Case, path string, value any) []byte {
	t.Helper()
	var e map[string]any
	if err := json.Unmarshal(read(t, c), &e); err != nil {
		t.Fatal(err)
	}
	at, keys := e, strings.Split(path, ".")
	for _, k := range keys[:len(keys)-1] {
		at = at[k].(map[string]any)
	}
	last := keys[len(keys)-1]
	if value == nil {
		delete(at, last)
	} else {
		at[last] = value
	}
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var createCluster = testevents.Case{Function: "etcdsize", Name: "CreateCluster"}

func TestDecodeReadsWhatAWSVaries(t *testing.T) {
	for _, tt := range []struct {
		name, path string
		value      any
		check      func(*events.EKSCall) bool
	}{
		{
			"a user without a session is the principal", "detail.userIdentity",
			map[string]any{"arn": "arn:aws-cn:iam::111122223333:user/ann"},
			func(e *events.EKSCall) bool { return e.Principal == "arn:aws-cn:iam::111122223333:user/ann" },
		},
		{
			"a session is known by its role", "detail.eventVersion", "1.11",
			func(e *events.EKSCall) bool { return e.Principal == "arn:aws:iam::111122223333:role/ExampleRole" },
		},
		{
			"a service has no principal", "detail.userIdentity",
			map[string]any{"type": "AWSService", "invokedBy": "AWS Internal"},
			func(e *events.EKSCall) bool { return e.Principal == "" },
		},
		{
			"no identity at all is no principal", "detail.userIdentity", nil,
			func(e *events.EKSCall) bool { return e.Principal == "" },
		},
		{
			"a name in both spellings is read in today's", "detail.requestParameters",
			map[string]any{"name": "new", "clusterName": "old"},
			func(e *events.EKSCall) bool { return e.Cluster == "new" },
		},
		{
			"a time zone is turned into UTC", "detail.eventTime", "2026-11-20T02:00:01+02:00",
			func(e *events.EKSCall) bool {
				return e.Time.Equal(time.Date(2026, 11, 20, 0, 0, 1, 0, time.UTC)) && e.Time.Location() == time.UTC
			},
		},
		{
			"resources of an EKS record do not matter", "detail.resources",
			[]any{map[string]any{"ARN": "anything"}},
			func(e *events.EKSCall) bool { return e.Cluster == "my-cluster" },
		},
		{
			"unknown fields do not matter", "detail.tlsDetails",
			map[string]any{"tlsVersion": "TLSv1.3"},
			func(e *events.EKSCall) bool { return e.Cluster == "my-cluster" },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := events.Decode(edited(t, createCluster, tt.path, tt.value))
			if err != nil {
				t.Fatal(err)
			}
			if call, ok := e.(*events.EKSCall); !ok || !tt.check(call) {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestOfWhoCalledKMSPeopleLearnWhatTheRecordKnows(t *testing.T) {
	revoke := testevents.Case{Function: "secretsencryption", Name: "kms.RevokeGrant"}
	for _, tt := range []struct {
		name     string
		identity map[string]any
		want     string
	}{
		{"a user", map[string]any{"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/ann", "accountId": "111122223333", "invokedBy": "ebs.amazonaws.com"}, "arn:aws:iam::111122223333:user/ann"},
		{"of a foreign caller the account", map[string]any{"type": "AWSAccount", "principalId": "AROAX:s", "accountId": "444455556666"}, "account 444455556666"},
		{"of a foreign caller the account, whatever service it used", map[string]any{"type": "AWSAccount", "accountId": "444455556666", "invokedBy": "ebs.amazonaws.com"}, "account 444455556666"},
		{"a service", map[string]any{"type": "AWSService", "invokedBy": "autoscaling.amazonaws.com"}, "autoscaling.amazonaws.com"},
		{"KMS itself, of whichever account the key is", map[string]any{"accountId": "111122223333", "invokedBy": "AWS Internal"}, "AWS Internal"},
		{"an account, where that is all", map[string]any{"accountId": "111122223333"}, "account 111122223333"},
		{"no account that is none", map[string]any{"type": "AWSAccount", "accountId": "anonymous"}, ""},
		{"no service that would pass for a principal", map[string]any{"type": "AWSService", "invokedBy": "arn:aws:iam::111122223333:role/steward-encryption-writer"}, ""},
		{"no service that would write to a terminal", map[string]any{"type": "AWSService", "invokedBy": "\x1b[2J"}, ""},
		{"nobody", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := events.Decode(edited(t, revoke, "detail.userIdentity", tt.identity))
			if err != nil || e.(*events.KMSCall).Principal != tt.want {
				t.Errorf("got %+v, %v; want %q", e, err, tt.want)
			}
		})
	}
	if _, err := events.Decode(edited(t, revoke, "detail.userIdentity", map[string]any{"arn": "nobody", "invokedBy": "ebs.amazonaws.com"})); !refused(err) {
		t.Errorf("an ARN that is none: %v, want it refused", err)
	}
}

func TestTheRecordOfAKMSCallReadsBack(t *testing.T) {
	for _, c := range testevents.List() {
		first, _ := events.Decode(read(t, c))
		call, ok := first.(*events.KMSCall)
		if !ok {
			continue
		}
		raw, err := call.Record()
		if err != nil {
			t.Fatalf("%s: %v", c, err)
		}
		if again, err := events.Decode(raw); err != nil || !reflect.DeepEqual(again, first) {
			t.Errorf("%s: %+v, %v; want %+v", c, again, err, first)
		}
	}
	if _, err := (&events.KMSCall{Call: events.DisableKey}).Record(); !refused(err) {
		t.Errorf("a call without account and time: %v, want it refused where the mistake is", err)
	}
}

func TestDecodeReadsRegionsOfEveryPartition(t *testing.T) {
	for _, region := range []string{"eu-west-1", "us-gov-west-1", "cn-north-1", "ap-southeast-7", "us-iso-east-1", "eusc-de-east-1"} {
		raw := bytes.ReplaceAll(read(t, createCluster), []byte("us-east-1"), []byte(region))
		if e, err := events.Decode(raw); err != nil || e.Head().Region != region {
			t.Errorf("%s: %+v, %v", region, e, err)
		}
	}
}

func TestHealthTellsWhatIsResolvedFromWhatIsAffected(t *testing.T) {
	for _, tt := range []struct {
		name     string
		entity   map[string]any
		resolved bool
	}{
		{"not said", map[string]any{}, false},
		{"null", map[string]any{"status": nil}, false},
		{"pending", map[string]any{"status": "PENDING"}, false},
		{"impaired", map[string]any{"status": "IMPAIRED"}, false},
		{"unknown", map[string]any{"status": "UNKNOWN"}, false},
		{"a status that is new", map[string]any{"status": "DEFERRED"}, false},
		{"resolved", map[string]any{"status": "RESOLVED"}, true},
		{"unimpaired", map[string]any{"status": "UNIMPAIRED"}, true},
		{"resolved, as the API calls it", map[string]any{"statusCode": "RESOLVED"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.entity["entityValue"] = "prod"
			e, err := events.Decode(edited(t, testevents.Case{Function: "clustercheck", Name: "health"}, "detail.affectedEntities", []any{tt.entity}))
			if err != nil {
				t.Fatal(err)
			}
			affected, resolved := []string{"prod"}, []string(nil)
			if tt.resolved {
				affected, resolved = resolved, affected
			}
			if h := e.(*events.Health); !slices.Equal(h.Entities, affected) || !slices.Equal(h.Resolved, resolved) {
				t.Errorf("affected %q, resolved %q; want %q and %q", h.Entities, h.Resolved, affected, resolved)
			}
		})
	}
}

func TestDecodeRefusesInOneBoundedSentence(t *testing.T) {
	huge := strings.Repeat("ÿ", 50_000)
	for _, tt := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"nothing", nil, "event is not JSON at byte 0"},
		{"more than the limit", bytes.Repeat([]byte(" "), 300_000), "event has 300000 bytes: want at most 262144"},
		{"a depth bomb", []byte(`{"detail":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`), "event is not JSON at byte"},
		{"two events in one message", append(read(t, createCluster), read(t, createCluster)...), "event is not JSON at byte"},
		{"invalid UTF-8", bytes.ReplaceAll(read(t, createCluster), []byte("my-cluster"), []byte("my-\xff")), "event is not UTF-8"},
		{"a raw NUL", bytes.ReplaceAll(read(t, createCluster), []byte("my-cluster"), []byte("my-\x00")), `event is not JSON at byte`},
		{"a number as long as the message", edited(t, createCluster, "account", json.RawMessage("1"+strings.Repeat("0", 200_000))), "account is a JSON number: want a string"},
		{"a text as long as the message", edited(t, createCluster, "account", huge), `account is "ÿÿÿ`},
		{"a name as long as the message", edited(t, createCluster, "detail.requestParameters.name", huge), `detail.requestParameters.name is "ÿÿÿ`},
		{"a time as long as the message", edited(t, createCluster, "detail.eventTime", huge), `detail.eventTime is "ÿÿÿ`},
		{"an id as long as the message", edited(t, createCluster, "id", huge), `id is "ÿÿÿ`},
		{"a principal as long as the message", edited(t, createCluster, "detail.userIdentity.sessionContext.sessionIssuer.arn", "arn:"+huge), `detail.userIdentity has the ARN "arn:ÿÿÿ`},
		{"a severity as long as the message", edited(t, testevents.Case{Function: "notify", Name: "finding-opened"}, "detail.severity", huge), "detail cannot be read: "},
		{"the wrong type in our own event", edited(t, testevents.Case{Function: "notify", Name: "finding-opened"}, "detail.finding.cluster.account", 1), "detail.finding.cluster.account is a JSON number: want a string"},
		{"a revision in words", edited(t, testevents.Case{Function: "notify", Name: "finding-opened"}, "detail.revision", "one"), "detail.revision is a JSON string: want a whole number"},
		{"a region of one endless word", edited(t, createCluster, "region", "eu-"+strings.Repeat("a", 300)+"-1"), `region is "eu-aaa`},
		{"text that can only be shown escaped", edited(t, createCluster, "source", strings.Repeat("\u200b", 50_000)), `source is "\u200b\u200b`},
		{"text that would write to a terminal", edited(t, createCluster, "source", "\x1b[2J\u202eaws.eks"), `source is "\x1b[2J\u202eaws.eks": want`},
		{"a list in place of an object", edited(t, createCluster, "detail", []any{}), "detail is missing or no object"},
		{"the wrong type deep inside", edited(t, createCluster, "detail.userIdentity.sessionContext", "x"), "detail.userIdentity.sessionContext is a JSON string: want an object"},
		{"readOnly as a word", edited(t, createCluster, "detail.readOnly", "false"), "detail.readOnly is a JSON string: want true or false"},
		{"an unknown message of our own", edited(t, testevents.Case{Function: "dispatch", Name: "tick-hourly"}, "detail-type", "Tock"), `detail-type is "Tock": want a message that eks-steward sends`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := events.Decode(tt.raw)
			if e != nil || !refused(err) {
				t.Fatalf("got %+v, %v", e, err)
			}
			text := err.Error()
			if !strings.HasPrefix(text, tt.want) {
				t.Errorf("got %s\nwant %s...", text, tt.want)
			}
			if n := utf8.RuneCountInString(text); n > 300 || strings.ContainsAny(text, "\n\x1b") {
				t.Errorf("%d runes: %q", n, text)
			}
		})
	}
}

// Of a key that is there twice the last one counts, and it is checked like any
// other: a good one cannot vouch for a bad one.
func TestDecodeChecksTheLastOfDuplicateKeys(t *testing.T) {
	twice := func(with string) []byte {
		return bytes.Replace(read(t, createCluster), []byte(`"name": "my-cluster",`), []byte(`"name": "my-cluster", `+with+`,`), 1)
	}
	if _, err := events.Decode(twice(`"name": "../x"`)); !refused(err) {
		t.Errorf("a bad name behind a good one: %v", err)
	}
	if e, err := events.Decode(twice(`"name": "other"`)); err != nil || e.(*events.EKSCall).Cluster != "other" {
		t.Errorf("got %+v, %v", e, err)
	}
	forged := bytes.Replace(read(t, createCluster), []byte(`"recipientAccountId"`), []byte(`"recipientAccountId": "444455556666", "recipientAccountId"`), 1)
	if e, err := events.Decode(forged); err != nil || e.Head().Account != "111122223333" {
		t.Errorf("got %+v, %v", e, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range testevents.List() {
		f.Add(read(f, c))
	}
	f.Add(edited(f, createCluster, "region", "eu-"+strings.Repeat("a", 400)+"-1"))
	f.Add(edited(f, createCluster, "source", strings.Repeat("\u200b", 60)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := events.Decode(raw)
		if err != nil {
			if n := utf8.RuneCountInString(err.Error()); e != nil || n > 400 || refused(err) == skipped(err) || strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Fatalf("%d runes, event %+v: %v", n, e, err)
			}
			return
		}
		trustworthy(t, e)
		readsBack(t, e)
	})
}

// trustworthy checks what a function may rely on.
func trustworthy(t *testing.T, e events.Event) {
	head := e.Head()
	if head.ID == "" || head.Time.IsZero() || head.Time.Location() != time.UTC {
		t.Fatalf("head %+v", head)
	}
	var clusters []string
	anywhere := false
	switch e := e.(type) {
	case *events.EKSCall:
		clusters = []string{e.Cluster}
	case *events.AddonHealth:
		clusters = []string{e.Cluster}
	case *events.TargetScan:
		clusters = e.Clusters
		if e.Cadence.Interval() == 0 || head.Account != e.Target.Account || head.Region != e.Target.Region {
			t.Fatalf("%+v", e)
		}
	case *events.IncidentMoved:
		clusters = []string{e.Finding.Cluster.Name}
	case *events.PlanApproved:
		clusters = []string{e.Cluster.Name}
	case *events.RolloutMoved:
		clusters, anywhere = []string{e.Cluster.Name}, e.Group == ""
	case *events.RolloutCommand:
		anywhere = true
		for _, name := range slices.Concat(e.Clusters, e.Forced, e.Skip, []string{e.Group}) {
			if strings.ContainsFunc(name, unicode.IsSpace) || strings.Contains(name, "..") || strings.Count(name, "/") > 3 {
				t.Fatalf("name %q", name)
			}
		}
	case *events.Tick, *events.PendingNotices, *events.PlanRollout:
		anywhere = true
	}
	for _, c := range clusters {
		if c != "" && fleet.ValidClusterName(c) != nil {
			t.Fatalf("cluster %q", c)
		}
	}
	if !anywhere && (fleet.ValidAccount(head.Account) != nil || fleet.ValidRegion(head.Region) != nil) {
		t.Fatalf("head %+v", head)
	}
}

// readsBack checks that one of our own events survives being sent on.
func readsBack(t *testing.T, e events.Event) {
	switch e.(type) {
	case *events.Tick, *events.TargetScan, *events.IncidentMoved, *events.PendingNotices, *events.PlanApproved,
		*events.PlanRollout, *events.RolloutCommand, *events.RolloutMoved:
	default:
		return
	}
	first, err := events.Message(e)
	if err != nil && strings.Contains(err.Error(), "want at most") {
		return // escaping can make a message longer than it was
	}
	if err != nil {
		t.Fatal(err)
	}
	again, err := events.Decode(first)
	if err != nil {
		t.Fatal(err)
	}
	second, err := events.Message(again)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) || !reflect.DeepEqual(e.Head(), again.Head()) {
		t.Fatalf("%s\n%s", first, second)
	}
}
