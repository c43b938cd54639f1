package keyguard_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/golden"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/keyguard"
)

const keyARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

var (
	noon   = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	orders = fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: "orders"}
)

// using is the cluster orders with a key that works.
func using() keyguard.Use {
	return keyguard.Use{Cluster: orders, ARN: keyARN, Key: fleet.Read(fleet.Key{ARN: keyARN, State: "Enabled"}, nil, noon)}
}

func called(name string) keyguard.Call {
	if name == "" {
		return keyguard.Call{}
	}
	return keyguard.Call{Name: name, Principal: "arn:aws:iam::111122223333:role/cleaner", At: noon.Add(-time.Minute)}
}

func refusal(kind fleet.TroubleKind, action, text string) error {
	return &fleet.Trouble{Kind: kind, Action: action, Err: errors.New(text)}
}

func TestJudge(t *testing.T) {
	state := func(state string) func(*keyguard.Use) {
		return func(u *keyguard.Use) { u.Key.Value.State = state }
	}
	trouble := func(kind fleet.TroubleKind) func(*keyguard.Use) {
		return func(u *keyguard.Use) {
			u.Key = fleet.Read(fleet.Key{}, refusal(kind, "kms:DescribeKey", "KMS says no."), noon)
		}
	}
	leaving := func(at time.Time) func(*keyguard.Use) {
		return func(u *keyguard.Use) { u.Key.Value.State, u.Key.Value.Deletion = "PendingDeletion", at }
	}
	reported := func(code string, change func(*keyguard.Use)) func(*keyguard.Use) {
		return func(u *keyguard.Use) {
			change(u)
			u.Reported = []fleet.Issue{{Code: "Ec2SubnetNotFound"}, {Code: code}}
		}
	}
	rest := func(state string) func(*keyguard.Use) {
		return func(u *keyguard.Use) {
			u.Key = fleet.Read(fleet.Key{ARN: keyARN, State: state}, refusal(fleet.Denied, "kms:ListAliases", "no"), noon)
		}
	}
	same := func(*keyguard.Use) {}
	var page strings.Builder
	for _, c := range []struct {
		name, call string
		change     func(*keyguard.Use)
		want       string
	}{
		{"a key that nobody touched", "", same, "pass info "},
		{"a key whose primary region changes works", "", state("Updating"), "pass info "},
		{"FAULT 24 a key that was mended before anybody looked", "ScheduleKeyDeletion", same, "pass info "},
		{"a key that works, of which the rest could not be read", "", rest("Enabled"), "pass info "},

		{"a key to be deleted in six days", "ScheduleKeyDeletion", leaving(noon.AddDate(0, 0, 6)), "fail critical pending-deletion"},
		{"a key to be deleted within a day", "", leaving(noon.Add(1)), "fail critical pending-deletion"},
		{"FAULT 10 a key to be deleted at an unknown date", "ScheduleKeyDeletion", state("PendingDeletion"), "fail critical pending-deletion"},
		{"a primary that waits for its replicas", "ScheduleKeyDeletion", state("PendingReplicaDeletion"), "fail critical pending-deletion"},
		{"a disabled key", "DisableKey", state("Disabled"), "fail critical disabled"},
		{"a key whose deletion was cancelled is still disabled", "CancelKeyDeletion", state("Disabled"), "fail critical disabled"},
		{"a disabled key of which the rest could not be read", "", rest("Disabled"), "fail critical disabled"},
		{"a disabled key that the cluster names by an alias", "", func(u *keyguard.Use) {
			u.ARN = "arn:aws-us-gov:kms:us-gov-west-1:111122223333:alias/eks"
			u.Key.Value = fleet.Key{ARN: "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/1", State: "Disabled"}
		}, "fail critical disabled"},
		{"a key without material", "DeleteImportedKeyMaterial", state("PendingImport"), "fail critical pending-import"},
		{"a key whose material has expired", "DeleteExpiredKeyMaterial", state("PendingImport"), "fail critical pending-import"},
		{"a key whose material was imported again", "ImportKeyMaterial", same, "pass info "},
		{"a key store that is not connected", "DisconnectCustomKeyStore", state("Unavailable"), "fail critical unavailable"},
		{"a key that is gone", "", trouble(fleet.Gone), "fail critical not-found"},
		{"an alias that is gone", "", func(u *keyguard.Use) {
			trouble(fleet.Gone)(u)
			u.ARN = "arn:aws:kms:eu-west-1:111122223333:alias/eks"
		}, "unknown warning unread"},

		{"EKS reports a disabled key", "", reported("KmsKeyDisabled", trouble(fleet.Denied)), "fail critical disabled"},
		{"EKS reports a disabled key that KMS says is enabled", "", reported("KmsKeyDisabled", same), "pass info "},
		{"EKS does not find a key that KMS says is enabled", "", reported("KmsKeyNotFound", same), "fail critical not-found"},
		{"what KMS says counts more than EKS's report", "", reported("KmsKeyDisabled", leaving(noon.AddDate(0, 0, 6))), "fail critical pending-deletion"},
		{"that KMS knows no key counts more too", "", reported("KmsKeyDisabled", trouble(fleet.Gone)), "fail critical not-found"},
		{"EKS reports a key to be deleted", "", reported("KmsKeyMarkedForDeletion", trouble(fleet.Denied)), "fail critical pending-deletion"},
		{"EKS reports a key that is gone", "", reported("KmsKeyNotFound", trouble(fleet.Denied)), "fail critical not-found"},
		{"EKS reports a key that the cluster does not name", "", reported("KmsKeyDisabled", func(u *keyguard.Use) {
			u.ARN, u.Key = "", fleet.Part[fleet.Key]{}
		}), "fail critical disabled"},
		{"EKS reports its grant, which is another finding", "", reported("KmsGrantRevoked", same), "pass info "},

		{"FAULT 61 a policy that changes nothing for the cluster", "PutKeyPolicy", same, "fail info policy-changed"},
		{"a policy that shuts us out", "PutKeyPolicy", trouble(fleet.Denied), "unknown warning unread"},
		{"FAULT 05 a key that may not be read", "", trouble(fleet.Denied), "unknown warning unread"},
		{"a key that cannot be read after a call that breaks it", "DisableKey", trouble(fleet.Throttled), "unknown critical unread"},
		{"a key that cannot be read after its material has expired", "DeleteExpiredKeyMaterial", trouble(fleet.Throttled), "unknown critical unread"},
		{"FAULT 09 a state that is newer than this version", "", state("Frozen"), "unknown warning state-unknown"},
		{"FAULT 10 a key without a state", "", state(""), "unknown warning state-unknown"},
		{"FAULT 10 a key that nobody read", "", func(u *keyguard.Use) { u.Key = fleet.Part[fleet.Key]{} }, "unknown warning unread"},
	} {
		u := using()
		c.change(&u)
		f := keyguard.Judge(u, called(c.call), noon)
		fmt.Fprintf(&page, "== %s\n%s\n", c.name, render(f))
		t.Run(c.name, func(t *testing.T) { check(t, f, keyguard.Key, c.want) })
	}
	golden.Check(t, "key.txt", page.String())
}

func TestTheNextLookIsNoNewsAndDoesNotForgetTheCall(t *testing.T) {
	disabled, unread := using(), using()
	disabled.Key.Value.State = "Disabled"
	unread.Key = fleet.Read(fleet.Key{}, refusal(fleet.Denied, "kms:DescribeKey", "no"), noon)
	for _, c := range []struct {
		call string
		use  keyguard.Use
	}{{"DisableKey", disabled}, {"DisableKey", unread}, {"PutKeyPolicy", unread}} {
		told, _ := incident.Next(nil, keyguard.Judge(c.use, called(c.call), noon), noon)
		tomorrow := noon.AddDate(0, 0, 1)
		next, turn := incident.Next(&told, keyguard.Judge(c.use, keyguard.Call{}, tomorrow), tomorrow)
		if turn.News() {
			t.Errorf("after %s the same trouble is told again the next day: %s", c.call, turn)
		}
		for _, label := range []string{"Call", "Caller"} {
			if !slices.ContainsFunc(next.Finding.Facts, func(f fleet.Fact) bool { return f.Label == label }) {
				t.Errorf("after %s the next look forgets the %s: %v", c.call, label, next.Finding.Facts)
			}
		}
	}
}

func TestACallThatCannotHaveMadeTheTroubleIsNotBlamed(t *testing.T) {
	key := func(state string, trouble error) func(by keyguard.Call) fleet.Finding {
		return func(by keyguard.Call) fleet.Finding {
			u := using()
			u.Key = fleet.Read(fleet.Key{ARN: keyARN, State: state}, trouble, noon)
			return keyguard.Judge(u, by, noon)
		}
	}
	grant := func(by keyguard.Call) fleet.Finding {
		return keyguard.JudgeGrant(using(), fleet.Read(false, nil, noon), by, "grant-revoked", noon)
	}
	for _, c := range []struct {
		name, call string
		look       func(by keyguard.Call) fleet.Finding
		want       bool
	}{
		{"who disabled a key", "DisableKey", key("Disabled", nil), true},
		{"not who left it disabled when the deletion was cancelled", "CancelKeyDeletion", key("Disabled", nil), false},
		{"not who changed the policy of a disabled key", "PutKeyPolicy", key("Disabled", nil), false},
		{"not who disconnected a key store of others", "DisconnectCustomKeyStore", key("Disabled", nil), false},
		{"who scheduled the deletion of a key", "ScheduleKeyDeletion", key("PendingDeletion", nil), true},
		{"who deleted the material", "DeleteImportedKeyMaterial", key("PendingImport", nil), true},
		{"that the material has expired", "DeleteExpiredKeyMaterial", key("PendingImport", nil), true},
		{"who disconnected the key store", "DisconnectCustomKeyStore", key("Unavailable", nil), true},
		{"not KMS, which ends what somebody began", "DeleteKey", key("", refusal(fleet.Gone, "kms:DescribeKey", "no")), false},
		{"who scheduled the deletion of a key that is gone", "ScheduleKeyDeletion", key("", refusal(fleet.Gone, "kms:DescribeKey", "no")), true},
		{"who shut us out by a policy", "PutKeyPolicy", key("", refusal(fleet.Denied, "kms:DescribeKey", "no")), true},
		{"who disabled a key that cannot be read", "DisableKey", key("", refusal(fleet.Denied, "kms:DescribeKey", "no")), true},
		{"not who enabled a key that cannot be read", "EnableKey", key("", refusal(fleet.Denied, "kms:DescribeKey", "no")), false},
		{"who disabled a key of an unknown state", "DisableKey", key("Frozen", nil), true},
		{"who changed a policy that hurts nobody", "PutKeyPolicy", key("Enabled", nil), true},
		{"who healed a key", "EnableKey", key("Enabled", nil), true},
		{"who revoked a grant", "RevokeGrant", grant, true},
		{"not who touched the key of a grant that is gone", "EnableKey", grant, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := c.look(called(c.call))
			for label, value := range map[string]string{"Call": c.call + " at 2026-11-20T11:59:00Z", "Caller": called(c.call).Principal} {
				if got := slices.Contains(f.Facts, fleet.Fact{Label: label, Value: value, Lasting: true}); got != c.want {
					t.Errorf("the facts %v have the %s: %t, want %t", f.Facts, label, got, c.want)
				}
			}
		})
	}
}

func TestJudgeGrant(t *testing.T) {
	var page strings.Builder
	for _, c := range []struct {
		name, call, was string
		granted         fleet.Part[bool]
		reported        string
		want            string
	}{
		{"the grant of EKS is gone", "RevokeGrant", "", fleet.Read(false, nil, noon), "", "fail critical grant-revoked"},
		{"it stays gone whoever looks", "", "grant-revoked", fleet.Read(false, nil, noon), "", "fail critical grant-revoked"},
		{"FAULT 61 a grant of another service was retired", "RetireGrant", "", fleet.Read(true, nil, noon), "", "pass info "},
		{"FAULT 61 a grant was retired and none is recognised", "RetireGrant", "", fleet.Read(false, nil, noon), "", "unknown warning grant-unread"},
		{"FAULT 61 a later look recognises none either", "", "grant-unread", fleet.Read(false, nil, noon), "", "unknown warning grant-unread"},
		{"FAULT 61 it cannot be told whose grant was retired", "RetireGrant", "", fleet.Read(false, refusal(fleet.Failed, "kms:ListGrants", "EKS has a grant on the key."), noon), "", "unknown warning grant-unread"},
		{"grants that could be read in part prove nothing", "RetireGrant", "", fleet.Read(true, refusal(fleet.Throttled, "kms:ListGrants", "slow down"), noon), "", "unknown warning grant-unread"},
		{"EKS reports that its grant was revoked", "", "", fleet.Part[bool]{}, "KmsGrantRevoked", "fail critical grant-reported"},
		{"EKS reports it although a grant of its form is there", "", "grant-revoked", fleet.Read(true, nil, noon), "KmsGrantRevoked", "fail critical grant-reported"},
		{"EKS reports it no longer, and its grant is not recognised", "", "grant-reported", fleet.Read(false, nil, noon), "", "pass info "},
		{"EKS reports it no longer, and grants cannot be read", "", "grant-reported", fleet.Read(false, refusal(fleet.Denied, "kms:ListGrants", "no"), noon), "", "pass info "},
		{"what was gone stays gone when it cannot be read", "", "grant-revoked", fleet.Read(false, refusal(fleet.Failed, "kms:ListGrants", "no"), noon), "", "fail critical grant-revoked"},
		{"EKS reports another trouble with the key", "", "grant-revoked", fleet.Read(true, nil, noon), "KmsKeyDisabled", "pass info "},
	} {
		u := using()
		u.Reported = []fleet.Issue{{Code: c.reported}}
		f := keyguard.JudgeGrant(u, c.granted, called(c.call), c.was, noon)
		fmt.Fprintf(&page, "== %s\n%s\n", c.name, render(f))
		t.Run(c.name, func(t *testing.T) { check(t, f, keyguard.Grant, c.want) })
	}
	golden.Check(t, "grant.txt", page.String())
}

func TestUndosMakeAKeyWorkAgain(t *testing.T) {
	const cancel, enable = keyguard.CancelKeyDeletion, keyguard.EnableKey
	for state, want := range map[string][]keyguard.Undo{
		"PendingDeletion": {cancel, enable}, "PendingReplicaDeletion": {cancel, enable}, "Disabled": {enable},
		"Enabled": nil, "PendingImport": nil, "Unavailable": nil, "": nil,
	} {
		if got := keyguard.Undos(fleet.Key{State: state}); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", state, got, want)
		}
	}
}

// check holds a finding to its outcome, severity and cause, and to saying enough.
func check(t *testing.T, f fleet.Finding, resource, want string) {
	t.Helper()
	if got := fmt.Sprintf("%s %s %s", f.Outcome, f.Severity, f.Cause); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if f.Check != keyguard.Check || f.Resource != resource || f.Cluster != orders || !f.At.Equal(noon) || !strings.Contains(f.Title, "orders") {
		t.Errorf("the finding %+v is about something else", f)
	}
	if f.Outcome != fleet.Pass && (f.Reason == "" || f.Meaning == "" || f.Remedy == "") {
		t.Errorf("the finding says too little: %+v", f)
	}
}

func render(f fleet.Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s cause=%s resource=%s\n", f.Outcome, f.Severity, f.Cause, f.Resource)
	for _, line := range append([]fleet.Fact{
		{Label: "Title", Value: f.Title},
		{Label: "Reason", Value: f.Reason},
		{Label: "Meaning", Value: f.Meaning},
		{Label: "Observed", Value: f.Observed},
		{Label: "Expected", Value: f.Expected},
		{Label: "Remedy", Value: strings.ReplaceAll(f.Remedy, "\n", "\n    ")},
	}, f.Facts...) {
		if line.Value != "" {
			fmt.Fprintf(&b, "  %s: %s\n", line.Label, line.Value)
		}
	}
	return b.String()
}
