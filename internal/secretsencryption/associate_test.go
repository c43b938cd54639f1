package secretsencryption_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/secretsencryption"
)

func TestTheStepsComeInTheirOrder(t *testing.T) {
	w := newWorld()
	d, _ := deps(w)
	out, err := secretsencryption.Associate(t.Context(), d, target, order(w), w.now)
	if want := (secretsencryption.Outcome{Result: secretsencryption.Associating, Update: "update-1"}); err != nil || out != want {
		t.Fatalf("%+v, %v; want %+v", out, err, want)
	}
	want := []string{"ledger read", "switch", "cluster", "key", "ledger read", "ledger write", "associate"}
	if !slices.Equal(w.seen, want) {
		t.Errorf("steps %q, want %q", w.seen, want)
	}
}

func TestEveryStepThatFailsStopsBeforeAnythingIsWritten(t *testing.T) {
	blocked := func(c secretsencryption.Cause) secretsencryption.Outcome {
		return secretsencryption.Outcome{Result: secretsencryption.Blocked, Cause: c}
	}
	for _, c := range []struct {
		name   string
		change func(*world, *secretsencryption.Order)
		want   secretsencryption.Outcome
		last   string // what was asked last
	}{
		{"the kill switch is on", func(w *world, _ *secretsencryption.Order) { w.on = true }, blocked(secretsencryption.KillSwitch), "switch"},
		{"the kill switch cannot be read", func(w *world, _ *secretsencryption.Order) { w.onErr = errors.New("SSM is down") }, blocked(secretsencryption.KillSwitch), "switch"},
		{"FAULT 21 too little time is left", func(w *world, o *secretsencryption.Order) { o.Deadline = w.now.Add(59 * time.Second) }, blocked(secretsencryption.NoTime), "switch"},
		{"FAULT 21 no time is left", func(w *world, o *secretsencryption.Order) { o.Deadline = w.now.Add(-time.Second) }, blocked(secretsencryption.NoTime), "switch"},
		{"the cluster is being created", func(w *world, _ *secretsencryption.Order) { w.cluster.Status = "CREATING" }, blocked(secretsencryption.NotActive), "cluster"},
		{"FAULT 09 the cluster is in a newer state", func(w *world, _ *secretsencryption.Order) { w.cluster.Status = "HIBERNATING" }, blocked(secretsencryption.NotActive), "cluster"},
		{"FAULT 13 the cluster is not run by EKS", func(w *world, _ *secretsencryption.Order) { w.cluster.Kind = fleet.KindConnected }, blocked(secretsencryption.Changed), "cluster"},
		{"the cluster is gone", func(w *world, _ *secretsencryption.Order) { w.cluster.Status = "" }, blocked(secretsencryption.Gone), "cluster"},
		{"the cluster has the key", func(w *world, _ *secretsencryption.Order) { w.cluster.KeyARN = keyARN }, secretsencryption.Outcome{Result: secretsencryption.AlreadyDone}, "cluster"},
		{"FAULT 40 the cluster has another key", func(w *world, _ *secretsencryption.Order) { w.cluster.KeyARN = otherKey }, blocked(secretsencryption.Changed), "cluster"},
		{"FAULT 57 the cluster was upgraded since", func(w *world, _ *secretsencryption.Order) { w.cluster.Version = "1.37" }, blocked(secretsencryption.Changed), "key"},
		{"FAULT 57 the cluster was made anew", func(w *world, _ *secretsencryption.Order) { w.cluster.CreatedAt = w.now }, blocked(secretsencryption.Changed), "key"},
		{"FAULT 57 the cluster is another one of the name", func(w *world, _ *secretsencryption.Order) { w.cluster.ARN += "-2" }, blocked(secretsencryption.Changed), "key"},
		{"FAULT 57 the key answers with another ARN", func(w *world, _ *secretsencryption.Order) { w.keys[keyARN] = good(otherKey) }, blocked(secretsencryption.Changed), "key"},
		{"FAULT 39 the key is disabled since", func(w *world, _ *secretsencryption.Order) {
			k := good(keyARN)
			k.State = "Disabled"
			w.keys[keyARN] = k
		}, blocked(secretsencryption.KeyUnusable), "key"},
		{"FAULT 39 the key may not be read", func(w *world, _ *secretsencryption.Order) {
			w.keyErr = refusal(fleet.Denied, "kms:DescribeKey", "AccessDeniedException")
		}, blocked(secretsencryption.KeyUnusable), "key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			d, m := deps(w)
			o := order(w)
			c.change(w, &o)
			out, err := secretsencryption.Associate(t.Context(), d, target, o, w.now)
			if (out.Why == "") != (c.want.Cause == "") {
				t.Errorf("the outcome %+v and its reason do not fit", out)
			}
			out.Why = ""
			if err != nil || out != c.want {
				t.Errorf("%+v, %v; want %+v", out, err, c.want)
			}
			if got := w.seen[len(w.seen)-1]; got != c.last {
				t.Errorf("the last step was %q, want %q", got, c.last)
			}
			if w.calls != 0 || len(m.records) != 0 {
				t.Errorf("%d calls of EKS and %d records, want none", w.calls, len(m.records))
			}
		})
	}
}

func TestATroubleThatMayPassIsAnErrorAndWritesNothing(t *testing.T) {
	for name, change := range map[string]func(*world, *memory){
		"KMS throttles":                   func(w *world, _ *memory) { w.keyErr = refusal(fleet.Throttled, "kms:DescribeKey", "slow down") },
		"FAULT 33 the ledger is down":     func(_ *world, m *memory) { m.err = ledger.ErrUnavailable },
		"FAULT 32 others write each time": func(_ *world, m *memory) { m.err = ledger.ErrConflict },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			d, m := deps(w)
			change(w, m)
			out, err := secretsencryption.Associate(t.Context(), d, target, order(w), w.now)
			if err == nil || out != (secretsencryption.Outcome{}) || w.calls != 0 {
				t.Errorf("%+v, %v, %d calls; want an error and no call", out, err, w.calls)
			}
		})
	}
}

// look carries the plan out once more at the world's time.
func look(t *testing.T, w *world, d secretsencryption.Deps, approved time.Time) secretsencryption.Outcome {
	t.Helper()
	o := order(w)
	o.Approved = approved
	out, err := secretsencryption.Associate(t.Context(), d, target, o, w.now)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFault_63_WhatEKSRefusesIsNeverTriedAgain(t *testing.T) {
	w := newWorld()
	d, _ := deps(w)
	w.answer = refusal(fleet.Refused, "eks:AssociateEncryptionConfig", "InvalidRequestException: encryption config can only be associated with older clusters")
	first := look(t, w, d, time.Time{})
	w.answer = nil
	for range 3 {
		w.now = w.now.Add(24 * time.Hour)
		again := look(t, w, d, w.now) // an approval changes nothing
		if again != first || first.Result != secretsencryption.Refused || first.Why != "InvalidRequestException: encryption config can only be associated with older clusters." {
			t.Errorf("%+v, then %+v; want what EKS said, both times", first, again)
		}
	}
	if w.calls != 1 {
		t.Errorf("%d calls, want 1", w.calls)
	}
}

func TestAnUpdateThatFailedIsTriedAgainOnlyAfterAnotherApproval(t *testing.T) {
	w := newWorld()
	w.ends = "Failed"
	d, _ := deps(w)
	approved := w.now.Add(-time.Hour)
	look(t, w, d, approved)
	w.now = w.now.Add(duration)
	for range 2 {
		out := look(t, w, d, approved)
		if out.Result != secretsencryption.Failed || out.Why != "EKS says of the update update-1: Failed. AccessDenied: EKS may not use the key." {
			t.Errorf("%+v, want a failure with the words of EKS", out)
		}
	}
	w.now, w.ends = w.now.Add(time.Hour), "Successful"
	if out := look(t, w, d, w.now); out.Update != "update-2" || w.calls != 2 {
		t.Errorf("after a new approval: %+v, %d calls; want a second update", out, w.calls)
	}
}

func TestFault_14_AClusterThatIsBusyIsWaitedFor(t *testing.T) {
	w := newWorld()
	d, _ := deps(w)
	w.answer = refusal(fleet.Busy, "eks:AssociateEncryptionConfig", "ResourceInUseException: busy")
	if out := look(t, w, d, time.Time{}); out.Cause != secretsencryption.Busy {
		t.Errorf("%+v, want it blocked as busy", out)
	}
	w.answer = nil
	if out := look(t, w, d, time.Time{}); out.Result != secretsencryption.Associating || w.calls != 2 {
		t.Errorf("%+v after %d calls, want it associating", out, w.calls)
	}
}

func TestACallThatIsNotAllowedIsToldAndCanBeMadeLater(t *testing.T) {
	for _, kind := range []fleet.TroubleKind{fleet.Denied, fleet.Unreachable, fleet.RegionDisabled} {
		w := newWorld()
		d, _ := deps(w)
		w.answer = refusal(kind, "eks:AssociateEncryptionConfig", "no")
		if out := look(t, w, d, time.Time{}); out.Cause != secretsencryption.Denied {
			t.Errorf("%s: %+v, want it blocked as denied", kind, out)
		}
		w.answer = nil
		if out := look(t, w, d, time.Time{}); out.Result != secretsencryption.Associating {
			t.Errorf("%s: %+v once it is allowed, want it associating", kind, out)
		}
	}
}

func TestFault_20_AnUpdateThatWasNotRecordedIsAdopted(t *testing.T) {
	w := newWorld()
	d, _ := deps(w)
	look(t, w, d, time.Time{})
	w.tokens = map[string]string{}                        // even if EKS forgets what it was asked
	w.updates[0].CreatedAt = w.now.Add(-30 * time.Second) // and its clock is behind
	out, err := secretsencryption.Follow(t.Context(), d, target, order(w), w.now)
	if err != nil || out.Result != secretsencryption.Associating || out.Update != "update-1" {
		t.Errorf("%+v, %v; want the update that is there", out, err)
	}
	w.now, w.ends = w.now.Add(duration), "Failed"
	if out := look(t, w, d, time.Time{}); out.Result != secretsencryption.Failed || w.calls != 1 {
		t.Errorf("%+v after %d calls, want the failure of the one call", out, w.calls)
	}
}

func TestFault_34_AnOldIntentIsHeldAgainstTheStateBeforeItIsGoneOnWith(t *testing.T) {
	w := newWorld()
	d, _ := deps(w)
	p := order(w).Plan
	i, _, err := d.Intents.Begin(t.Context(), p.Hash(), p.Cluster.String(), 0)
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(3 * time.Hour)
	w.cluster.KeyARN = otherKey // somebody was faster
	if out := look(t, w, d, time.Time{}); out.Cause != secretsencryption.Changed || w.calls != 0 {
		t.Errorf("%+v after %d calls, want it blocked as changed", out, w.calls)
	}
	w.cluster.KeyARN = ""
	if out := look(t, w, d, time.Time{}); out.Result != secretsencryption.Associating || w.tokens[i.Token] != out.Update {
		t.Errorf("%+v, want it begun with the token of the intent", out)
	}
}

func TestASuccessThatTheClusterDoesNotShowYetIsNoReasonForASecondCall(t *testing.T) {
	w := newWorld()
	d, _ := deps(w)
	look(t, w, d, time.Time{})
	w.now = w.now.Add(duration)
	for range 2 {
		out := look(t, w, d, w.now)
		w.cluster.KeyARN = ""
		if out.Result != secretsencryption.AlreadyDone || w.calls != 1 {
			t.Errorf("%+v after %d calls, want it done by one", out, w.calls)
		}
	}
}
