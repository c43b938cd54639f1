package rollout_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/golden"
	"github.com/eks-steward/eks-steward/internal/rollout"
)

var hub = fleet.ClusterID{Account: "999999999999", Region: "eu-west-1"}

// begun is a rollout of the sample, in its second wave.
func begun() (rollout.Rollout, []rollout.Progress) {
	r, all := rollout.Begin(rollout.Make(sample(), waves, evening), "alice", evening)
	r.ID, r.Plan = "20261121-1930-4f0c2ab19d3e", "4f0c2ab19d3e"+strings.Repeat("0", 52)
	r.Wave = 1
	r.Members[0].Done, r.Members[1].Done = 1, 1
	r.Members[2].Done, r.Members[2].Busy = 1, 2
	orders := all[2]
	orders.Steps[0].Phase = rollout.Done
	orders.Steps[1] = rollout.StepState{Phase: rollout.Updating, Update: "u-2", Began: evening.Add(time.Hour), Adopted: true}
	orders.Steps[2] = rollout.StepState{Phase: rollout.Gating, Update: "u-3", Began: evening.Add(30 * time.Minute)}
	return r, []rollout.Progress{orders}
}

func failed(r *rollout.Rollout, active []rollout.Progress) {
	s, st, a, p := stuck()
	v := rollout.Judge(s, st, a, p, evening)
	r.State, r.By, r.Members[2].Failed, r.Members[2].Busy = rollout.Halted, "", 1, 1
	r.Why = "The group batch of 111122223333/eu-west-1/orders failed: " + v.Why
	active[0].Steps[1] = rollout.StepState{Phase: rollout.Failed, Update: "u-2", Began: evening, Ended: evening.Add(time.Hour), Why: v.Why, Blockers: v.Blockers}
}

func TestFindingsOfRollouts(t *testing.T) {
	ask := &fleet.Approval{Plan: "4f0c2ab19d3e" + strings.Repeat("0", 52), Nonce: "NONCE", Text: "Replace the nodes.", Expires: evening.AddDate(0, 0, 7)}
	now := evening.Add(3*time.Hour + 20*time.Minute)
	var page strings.Builder
	for _, c := range []struct {
		name   string
		change func(*rollout.Rollout, []rollout.Progress)
		ask    *fleet.Approval
		want   string
		says   []string
	}{
		{"running", func(*rollout.Rollout, []rollout.Progress) {}, nil, "fail info running", []string{"the wave prod (2 of 3)", "3 of 7 nodegroups done"}},
		{"running, and a gate is shut", func(_ *rollout.Rollout, p []rollout.Progress) { p[0].Steps[2].Why = "1 node is not Ready: node-1." }, nil, "fail info running", []string{"node-1"}},
		{"one group is tried again", func(r *rollout.Rollout, _ []rollout.Progress) { r.Only = "orders/batch" }, nil, "fail info running", []string{"Only the group orders/batch"}},
		{"it asks for approval", func(*rollout.Rollout, []rollout.Progress) {}, ask, "fail warning running:asks:20261128T193000Z", []string{"steward approve 4f0c2ab19d3e.", "neither paused nor cancelled"}},
		{"it has waited for an hour", func(r *rollout.Rollout, _ []rollout.Progress) {
			r.Members[3].Tries, r.Members[3].Waiting = 4, "The change calendar changes is closed."
		}, nil, "fail info running", []string{"stray: The change calendar"}},
		{"it has waited for a day", func(r *rollout.Rollout, _ []rollout.Progress) {
			r.Members[3].Tries, r.Members[3].Waiting = 26, "The change calendar changes is closed."
		}, nil, "fail warning running:waiting", []string{"stray: The change calendar", "--skip"}},
		{"paused", func(r *rollout.Rollout, _ []rollout.Progress) {
			r.State, r.By, r.Why = rollout.Paused, "bob", "the shop is on sale"
		}, nil, "fail warning paused", []string{"by bob: the shop is on sale.", "steward rollout resume"}},
		{"paused without a reason", func(r *rollout.Rollout, _ []rollout.Progress) {
			r.State, r.By = rollout.Paused, "bob"
		}, nil, "fail warning paused", []string{"by bob."}},
		{"FAULT 15 halted by a drain", failed, nil, "fail critical halted", []string{
			"shop/api-1", "node-1", "PodDisruptionBudget shop/api", "batch", "orders",
			"kubectl -n shop get pdb api.", "steward rollout resume", "--skip orders/batch", "steward rollout retry orders/batch", "steward rollout abort",
			"aws eks describe-update --region eu-west-1 --name orders --nodegroup-name batch --update-id u-2",
		}},
		{"FAULT 18 halted by two groups, one pod of which has two budgets", func(r *rollout.Rollout, p []rollout.Progress) {
			failed(r, p)
			p[0].Steps[2] = rollout.StepState{Phase: rollout.Failed, Why: "EKS calls the group DEGRADED.", Blockers: []rollout.Blocker{
				{Pod: "shop/db-0", Node: "node-7", Budget: "shop/db and shop/all"}, {Pod: "shop/bare"},
			}}
		}, nil, "fail critical halted", []string{"The nodegroup web of the cluster 111122223333/eu-west-1/orders: EKS calls the group DEGRADED.", "kubectl -n shop get pdb db all.", "pod shop/bare"}},
		{"halted because it took too long", func(r *rollout.Rollout, _ []rollout.Progress) {
			r.State, r.By, r.Why = rollout.Halted, "", "It has taken 14 days, and the longest is 14 days."
		}, nil, "fail critical halted", []string{"14 days", "CLUSTER/GROUP"}},
		{"completed", func(r *rollout.Rollout, _ []rollout.Progress) {
			r.State, r.Wave, r.Ended, r.Skip = rollout.Completed, 3, evening.Add(3*time.Hour), []string{"orders/db"}
			for i := range r.Members {
				r.Members[i].Done, r.Members[i].Busy = r.Members[i].Groups, 0
			}
		}, nil, "pass info completed", []string{"It took 3h,", "77 nodes", "4 clusters", "orders/db"}},
		{"aborted", func(r *rollout.Rollout, _ []rollout.Progress) {
			r.State, r.By, r.Why = rollout.Aborted, "bob", "A newer plan is there."
		}, nil, "pass info aborted", []string{"by bob: A newer plan is there.", "It took 3h20m"}},
	} {
		r, active := begun()
		c.change(&r, active)
		if r.State == rollout.Completed {
			active = nil
		}
		f := rollout.Finding(hub, r, active, c.ask, now)
		text := render(f)
		fmt.Fprintf(&page, "== %s\n%s\n", c.name, text)
		t.Run(c.name, func(t *testing.T) {
			if got := f.Outcome.String() + " " + f.Severity.String() + " " + strings.TrimSuffix(f.Cause, ":"); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			for _, want := range c.says {
				if !strings.Contains(text, want) {
					t.Errorf("nothing says %q", want)
				}
			}
			if f.Check != rollout.Check || f.Resource != r.ID || f.Cluster != hub || !f.At.Equal(now) || f.Progress == nil || f.Progress.Total != 7 {
				t.Errorf("the finding %+v is about something else", f)
			}
			if f.Outcome == fleet.Fail && (f.Meaning == "" || f.Remedy == "" || f.Reason == "") {
				t.Errorf("the finding says too little: %+v", f)
			}
			if strings.Contains(text, "..") || strings.Contains(text, " \n") {
				t.Error("the texts do not fit each other")
			}
		})
	}
	golden.Check(t, "findings.txt", page.String())
}

func TestFault_57_ANewButtonIsNews(t *testing.T) {
	r, active := begun()
	first := rollout.Finding(hub, r, active, &fleet.Approval{Expires: evening}, evening)
	again := rollout.Finding(hub, r, active, &fleet.Approval{Expires: evening.Add(time.Second)}, evening)
	if first.Cause == again.Cause {
		t.Errorf("asking again has the cause %q too", again.Cause)
	}
}

func TestAFindingStaysReadable(t *testing.T) {
	r, active := begun()
	for i := range r.Members {
		r.Members[i].Tries, r.Members[i].Waiting = 99, "Something is in the way."
	}
	for range 6 {
		r.Members = append(r.Members, r.Members...)
		active = append(active, active...)
	}
	f := rollout.Finding(hub, r, active, nil, evening)
	if len(f.Facts) != 25 || f.Facts[24].Label != "More" || strings.Count(f.Reason, "in the way") != 1+5 {
		t.Errorf("%d facts, the last is %+v: %s", len(f.Facts), f.Facts[len(f.Facts)-1], f.Reason)
	}
	if f = rollout.Finding(hub, rollout.Rollout{}, nil, nil, evening); f.Outcome != fleet.Fail {
		t.Errorf("FAULT 10 a rollout without anything is told as %+v", f)
	}
}

func render(f fleet.Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s check=%s cause=%s resource=%s progress=%d/%d\n", f.Outcome, f.Severity, f.Check, f.Cause, f.Resource, f.Progress.Done, f.Progress.Total)
	for _, line := range []fleet.Fact{
		{Label: "Title", Value: f.Title},
		{Label: "Reason", Value: f.Reason},
		{Label: "Meaning", Value: f.Meaning},
		{Label: "Observed", Value: f.Observed},
		{Label: "Expected", Value: f.Expected},
		{Label: "Remedy", Value: strings.ReplaceAll(f.Remedy, "\n", "\n    ")},
	} {
		if line.Value != "" {
			fmt.Fprintf(&b, "  %s: %s\n", line.Label, line.Value)
		}
	}
	for _, fact := range f.Facts {
		fmt.Fprintf(&b, "  - %s: %s\n", fact.Label, fact.Value)
	}
	if f.Approval != nil {
		fmt.Fprintf(&b, "  Approval: %s, nonce %s, until %s\n    %s\n", f.Approval.Plan, f.Approval.Nonce, f.Approval.Expires.Format(time.RFC3339), f.Approval.Text)
	}
	return b.String()
}
