package secretsencryption_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/golden"
	"github.com/eks-steward/eks-steward/internal/secretsencryption"
)

func TestFindingsOfPlans(t *testing.T) {
	const (
		associating = secretsencryption.Associating
		done        = secretsencryption.AlreadyDone
		blocked     = secretsencryption.Blocked
		refused     = secretsencryption.Refused
		failed      = secretsencryption.Failed
	)
	plan := secretsencryption.PlanFor(orders(), good(keyARN))
	ask := fleet.Approval{Plan: plan.Hash(), Nonce: "NONCE", Text: plan.Text(), Expires: noon.AddDate(0, 0, 7)}
	unrotated := good(keyARN)
	unrotated.Rotation = fleet.RotationOff
	obstacles := []secretsencryption.Obstacle{
		{Ref: "alias/old", Why: "The key " + otherKey + " is disabled: enable it, or name another key."},
		{Ref: "alias/none", Why: "There is no key alias/none in 111122223333/eu-west-1: correct the configuration or create the key."},
	}
	outcome := func(o secretsencryption.Outcome) fleet.Finding {
		f, told := o.Finding(plan, noon)
		if !told {
			t.Errorf("%+v is told to nobody", o)
		}
		return f
	}
	var page strings.Builder
	for _, c := range []struct {
		name string
		f    fleet.Finding
		want string
	}{
		{"approval wanted", secretsencryption.ApprovalWanted(plan, secretsencryption.Choice{Key: good(keyARN)}, ask, "", noon), "fail warning"},
		{
			"FAULT 57 approval wanted after a plan became void",
			secretsencryption.ApprovalWanted(plan, secretsencryption.Choice{Key: unrotated, Obstacles: obstacles}, ask, "The cluster was upgraded since the plan was made.", noon), "fail warning",
		},
		{"FAULT 39 no key can be used", secretsencryption.NoUsableKey(orders().ID, obstacles, noon), "fail warning"},
		{"associating", outcome(secretsencryption.Outcome{Result: associating, Update: "update-1"}), "fail warning"},
		{"successful", outcome(secretsencryption.Outcome{Result: done, Update: "update-1"}), "pass info"},
		{"failed", outcome(secretsencryption.Outcome{Result: failed, Update: "update-1", Why: "EKS says of the update update-1: Failed. AccessDenied: no."}), "fail critical"},
		{"failed, and the update is not known any more", outcome(secretsencryption.Outcome{Result: failed, Why: "EKS says of the update update-1: Failed. It gives no error."}), "fail critical"},
		{"FAULT 63 refused", outcome(secretsencryption.Outcome{Result: refused, Why: "InvalidRequestException: no."}), "fail warning"},
		{"the kill switch is on", outcome(secretsencryption.Outcome{Result: blocked, Cause: secretsencryption.KillSwitch, Why: "The kill switch is on."}), "fail warning"},
		{"FAULT 39 the key was disabled meanwhile", outcome(secretsencryption.Outcome{Result: blocked, Cause: secretsencryption.KeyUnusable, Why: obstacles[0].Why}), "fail warning"},
		{"the call is not allowed", outcome(secretsencryption.Outcome{Result: blocked, Cause: secretsencryption.Denied, Why: "The call was not allowed: no."}), "fail warning"},
		{"FAULT 14 waited too long", secretsencryption.WaitedTooLong(orders().ID, "EKS calls the cluster UPDATING.", 2*time.Hour, noon), "fail warning"},
		{"nothing is left to do", secretsencryption.Done(orders().ID, "The cluster was deleted.", noon), "pass info"},
	} {
		f := c.f
		fmt.Fprintf(&page, "== %s\n%s\n", c.name, render(f))
		t.Run(c.name, func(t *testing.T) {
			if got := f.Outcome.String() + " " + f.Severity.String(); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if f.Check != secretsencryption.Check || f.Cluster.Name != "orders" || !f.At.Equal(noon) || !strings.Contains(f.Title, "orders") {
				t.Errorf("the finding %+v is about something else", f)
			}
			if f.Outcome == fleet.Fail && (f.Cause == "" || f.Meaning == "" || f.Remedy == "" || f.Reason == "") {
				t.Errorf("the finding says too little: %+v", f)
			}
		})
	}
	golden.Check(t, "findings.txt", page.String())
}

func TestWhatPassesByItselfIsToldToNobody(t *testing.T) {
	plan := secretsencryption.PlanFor(orders(), good(keyARN))
	for _, c := range []secretsencryption.Cause{secretsencryption.NoTime, secretsencryption.NotActive, secretsencryption.Busy, secretsencryption.Changed, secretsencryption.Gone} {
		if f, told := (secretsencryption.Outcome{Result: secretsencryption.Blocked, Cause: c, Why: "So."}).Finding(plan, noon); told {
			t.Errorf("%s: %+v", c, f)
		}
	}
	if _, told := (secretsencryption.Outcome{}).Finding(plan, noon); told {
		t.Error("an outcome of nothing is told")
	}
}

func TestFault_57_ANewButtonIsNews(t *testing.T) {
	plan := secretsencryption.PlanFor(orders(), good(keyARN))
	upgraded := orders()
	upgraded.Version = "1.37"
	seen := map[string]string{}
	for name, f := range map[string]fleet.Finding{
		"first":        secretsencryption.ApprovalWanted(plan, secretsencryption.Choice{}, fleet.Approval{Expires: noon}, "", noon),
		"asked again":  secretsencryption.ApprovalWanted(plan, secretsencryption.Choice{}, fleet.Approval{Expires: noon.Add(time.Second)}, "", noon),
		"another plan": secretsencryption.ApprovalWanted(secretsencryption.PlanFor(upgraded, good(keyARN)), secretsencryption.Choice{}, fleet.Approval{Expires: noon}, "", noon),
	} {
		if other, same := seen[f.Cause]; same || !strings.HasPrefix(f.Cause, secretsencryption.WantsApproval) {
			t.Errorf("%s has the cause %q, as has %q", name, f.Cause, other)
		}
		seen[f.Cause] = name
	}
}
