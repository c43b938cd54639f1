package secretsencryption_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/secretsencryption"
)

func TestGuard(t *testing.T) {
	state := func(state string) func(*secretsencryption.KeyUse) {
		return func(u *secretsencryption.KeyUse) { u.Key.Value.State = state }
	}
	trouble := func(kind fleet.TroubleKind) func(*secretsencryption.KeyUse) {
		return func(u *secretsencryption.KeyUse) {
			u.Key = fleet.Read(fleet.Key{}, refusal(kind, "kms:DescribeKey", "KMS says no."), noon)
		}
	}
	grant := func(there bool, err error) func(*secretsencryption.KeyUse) {
		return func(u *secretsencryption.KeyUse) { u.Grant = fleet.Read(there, err, noon) }
	}
	var page strings.Builder
	for _, c := range []struct {
		name, call string
		change     func(*secretsencryption.KeyUse)
		want       string
	}{
		{"a key to be deleted in six days", "ScheduleKeyDeletion", func(u *secretsencryption.KeyUse) {
			u.Key.Value.State, u.Key.Value.Deletion = "PendingDeletion", noon.AddDate(0, 0, 6)
		}, "fail critical pending-deletion"},
		{"FAULT 10 a key to be deleted at an unknown date", "ScheduleKeyDeletion", state("PendingDeletion"), "fail critical pending-deletion"},
		{"a primary that waits for its replicas", "ScheduleKeyDeletion", state("PendingReplicaDeletion"), "fail critical pending-deletion"},
		{"a disabled key", "DisableKey", state("Disabled"), "fail critical disabled"},
		{"a key whose deletion was cancelled is still disabled", "CancelKeyDeletion", state("Disabled"), "fail critical disabled"},
		{"a key without material", "DeleteImportedKeyMaterial", state("PendingImport"), "fail critical pending-import"},
		{"a key store that is not connected", "DisconnectCustomKeyStore", state("Unavailable"), "fail critical unavailable"},
		{"a key that is gone", "", trouble(fleet.Gone), "fail critical not-found"},
		{"the grant of EKS is gone", "RevokeGrant", grant(false, nil), "fail critical grant-revoked"},
		{"FAULT 61 a grant of another service was retired", "RetireGrant", grant(true, nil), "pass info "},
		{"FAULT 61 a policy that changes nothing for the cluster", "PutKeyPolicy", func(*secretsencryption.KeyUse) {}, "fail info policy-changed"},
		{"FAULT 61 a grant was retired and none is recognised", "RetireGrant", grant(false, nil), "unknown warning grant-unread"},
		{"FAULT 61 a later look recognises none either", "", grant(false, nil), "unknown warning grant-unread"},
		{"FAULT 61 it cannot be told whose grant was retired", "RetireGrant", grant(false, refusal(fleet.Failed, "kms:ListGrants", "EKS has a grant on the key.")), "unknown warning grant-unread"},
		{"grants that could be read in part prove nothing", "RetireGrant", grant(true, refusal(fleet.Throttled, "kms:ListGrants", "slow down")), "unknown warning grant-unread"},
		{"FAULT 24 a key that was mended before anybody looked", "ScheduleKeyDeletion", func(*secretsencryption.KeyUse) {}, "pass info "},
		{"a key that nobody touched", "", func(*secretsencryption.KeyUse) {}, "pass info "},
		{"a key whose primary region changes works", "", state("Updating"), "pass info "},
		{"a policy that shuts us out", "PutKeyPolicy", trouble(fleet.Denied), "unknown warning policy-shuts-out"},
		{"FAULT 05 a key that may not be read", "", trouble(fleet.Denied), "unknown warning unread"},
		{"a key that cannot be read after a call that breaks it", "DisableKey", trouble(fleet.Throttled), "unknown critical unread"},
		{"FAULT 09 a state that is newer than this version", "", state("Frozen"), "unknown warning state-unknown"},
		{"FAULT 10 a key that nobody read", "", func(u *secretsencryption.KeyUse) { u.Key = fleet.Part[fleet.Key]{} }, "unknown warning unread"},
		{"a disabled key of which the rest could not be read", "", func(u *secretsencryption.KeyUse) {
			u.Key = fleet.Read(fleet.Key{State: "Disabled"}, refusal(fleet.Denied, "kms:ListAliases", "no"), noon)
		}, "fail critical disabled"},
		{"a disabled key without a grant is mended first", "RevokeGrant", func(u *secretsencryption.KeyUse) {
			u.Key.Value.State = "Disabled"
			u.Grant = fleet.Read(false, nil, noon)
		}, "fail critical disabled"},
	} {
		u := secretsencryption.KeyUse{Cluster: orders().ID, ARN: keyARN, Key: fleet.Read(good(keyARN), nil, noon)}
		c.change(&u)
		f := secretsencryption.Guard(u, secretsencryption.GuardCause{Call: c.call, Principal: "arn:aws:iam::111122223333:role/cleaner", At: noon.Add(-time.Minute)}, noon)
		fmt.Fprintf(&page, "== %s\n%s\n", c.name, render(f))
		t.Run(c.name, func(t *testing.T) {
			if got := fmt.Sprintf("%s %s %s", f.Outcome, f.Severity, f.Cause); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if f.Check != secretsencryption.GuardCheck || f.Resource != keyARN || !strings.Contains(f.Title, "orders") {
				t.Errorf("the finding %+v is about something else", f)
			}
			if f.Outcome != fleet.Pass && (f.Reason == "" || f.Meaning == "" || f.Remedy == "") {
				t.Errorf("the finding says too little: %+v", f)
			}
		})
	}
	golden(t, "guard.txt", page.String())
}

func TestUndosMakeAKeyWorkAgain(t *testing.T) {
	const cancel, enable = secretsencryption.CancelKeyDeletion, secretsencryption.EnableKey
	for state, want := range map[string][]secretsencryption.Undo{
		"PendingDeletion": {cancel, enable}, "PendingReplicaDeletion": {cancel, enable}, "Disabled": {enable},
		"Enabled": nil, "PendingImport": nil, "Unavailable": nil, "": nil,
	} {
		if got := secretsencryption.Undos(fleet.Key{State: state}); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", state, got, want)
		}
	}
}
