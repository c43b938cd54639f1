package rollout_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/rollout"
	"github.com/eks-steward/eks-steward/internal/window"
)

var (
	begin = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	two   = rollout.Waves{MaxClusters: 2, MaxGroups: 2, Bake: time.Hour, Longest: 24 * time.Hour}
	where = fleet.Target{Account: "111122223333", Region: "eu-west-1"}
)

// underWay is a rollout of three clusters in dev and one in prod, of two groups
// each.
func underWay() rollout.Rollout {
	r := rollout.Rollout{ID: "20261120-1200-0123456789ab", Plan: "plan", State: rollout.Running, Started: begin, Waves: []string{"dev", "prod"}}
	for i, name := range []string{"api", "batch", "cart", "shop"} {
		r.Members = append(r.Members, rollout.Member{Target: where, ID: where.Cluster(name), Wave: i / 3, Mode: rollout.Enforce, Groups: 2})
	}
	return r
}

func enforce(fleet.ClusterID) rollout.Policy { return rollout.Policy{Mode: rollout.Enforce} }

func TestChoose(t *testing.T) {
	closed := window.Schedule{Windows: []window.Window{{Cron: "0 22 * * *", Duration: 4 * time.Hour, Zone: "UTC"}}}
	for _, tc := range []struct {
		name   string
		change func(*rollout.Rollout)
		policy rollout.Policy // of api
		want   []int
		slots  int
		asks   bool
		over   bool // the wave is
		why    string
	}{
		{name: "the clusters of the current wave may be tried", want: []int{0, 1, 2}, slots: 2},
		{name: "FAULT 18 none of a later wave", change: func(r *rollout.Rollout) {
			r.Members[0].Done, r.Members[1].Done, r.Members[2].Failed, r.Members[2].Done = 2, 2, 1, 1
		}, want: []int{2}, slots: 2},
		{name: "those that are begun come first", change: func(r *rollout.Rollout) { r.Members[2].Done = 1 }, want: []int{2, 0, 1}, slots: 2},
		{name: "when all places are taken only those that have one", change: func(r *rollout.Rollout) { r.Members[1].Busy, r.Members[2].Busy = 1, 1 }, want: []int{1, 2}},
		{name: "one whose last groups are under way has nothing to begin", change: func(r *rollout.Rollout) { r.Members[0].Busy, r.Members[0].Done = 1, 1 }, want: []int{1, 2}, slots: 1},
		{name: "one that was put off waits", change: func(r *rollout.Rollout) { r.Members[0].NotBefore = begin.Add(time.Second) }, want: []int{1, 2}, slots: 2},
		{name: "one whose window is closed waits", policy: rollout.Policy{Mode: rollout.Enforce, Schedule: closed}, want: []int{1, 2}, slots: 2},
		{name: "but is looked at when nothing may be written to it any more", policy: rollout.Policy{Mode: rollout.Report, Schedule: closed}, want: []int{0, 1, 2}, slots: 2},
		{name: "and when a person took out what failed in it", change: func(r *rollout.Rollout) {
			r.Members[0].Failed, r.Skip = 1, []string{"api/a"}
		}, policy: rollout.Policy{Mode: rollout.Enforce, Schedule: closed}, want: []int{0, 1, 2}, slots: 2},
		{name: "one that needs an approval asks for it", policy: rollout.Policy{Mode: rollout.Approve}, want: []int{1, 2}, slots: 2, asks: true},
		{name: "and goes on with one", change: func(r *rollout.Rollout) { r.Approved = begin }, policy: rollout.Policy{Mode: rollout.Approve}, want: []int{0, 1, 2}, slots: 2},
		{name: "one group is tried again and nothing else", change: func(r *rollout.Rollout) { r.Only = "batch/a" }, want: []int{1}, slots: 2},
		{name: "a wave rests after the one before", change: func(r *rollout.Rollout) {
			r.Wave, r.Rested = 1, begin.Add(-59*time.Minute)
		}, slots: 2, why: "The wave prod begins at 2026-11-20T12:01:00Z."},
		{name: "and begins then", change: func(r *rollout.Rollout) { r.Wave, r.Rested = 1, begin.Add(-time.Hour) }, want: []int{3}, slots: 2},
		{name: "a wave of which all is done is over", change: func(r *rollout.Rollout) {
			for i := range r.Members {
				r.Members[i].Done = 2
			}
		}, slots: 2, over: true},
		{name: "a rollout that is halted begins nothing", change: func(r *rollout.Rollout) { r.State = rollout.Halted }, why: "The rollout is halted."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := underWay()
			if tc.change != nil {
				tc.change(&r)
			}
			got := rollout.Choose(r, two, func(id fleet.ClusterID) rollout.Policy {
				if id.Name == "api" && tc.policy.Mode != "" {
					return tc.policy
				}
				return enforce(id)
			}, begin)
			if !slices.Equal(got.Try, tc.want) || got.Slots != tc.slots || got.Asks != tc.asks || got.WaveOver != tc.over || tc.why != "" && got.Why != tc.why {
				t.Errorf("%+v, want %v of %d, %v, %v, %q", got, tc.want, tc.slots, tc.asks, tc.over, tc.why)
			}
		})
	}
}

func TestNextStep(t *testing.T) {
	const none = -1
	waiting, done, failed := rollout.StepState{Phase: rollout.Waiting}, rollout.StepState{Phase: rollout.Done}, rollout.StepState{Phase: rollout.Failed, Ended: begin}
	updating, left := rollout.StepState{Phase: rollout.Updating}, rollout.StepState{Phase: rollout.LeftOut}
	for _, tc := range []struct {
		name   string
		states [3]rollout.StepState // of a canary, an ordinary and a critical group
		change func(*rollout.Rollout)
		closes time.Duration // from now
		want   int
		why    string
	}{
		{name: "the canary is first", states: [3]rollout.StepState{waiting, waiting, waiting}},
		{name: "and nothing begins before it is over", states: [3]rollout.StepState{updating, waiting, waiting}, want: none, why: "The group b waits for those before it to be done."},
		{name: "then the others", states: [3]rollout.StepState{done, waiting, waiting}, want: 1},
		{name: "and the critical ones when nothing else is under way", states: [3]rollout.StepState{done, updating, waiting}, want: none, why: "The group c waits for those before it to be done."},
		{name: "or left", states: [3]rollout.StepState{left, done, waiting}, want: 2},
		{name: "no more than may be under way", states: [3]rollout.StepState{updating, updating, waiting}, want: none, why: "2 groups are under way and no more may be."},
		{name: "nothing after one that failed", states: [3]rollout.StepState{done, failed, waiting}, want: none, why: "The group b has failed."},
		{name: "which has its turn again when it was resumed", states: [3]rollout.StepState{done, failed, waiting}, change: func(r *rollout.Rollout) { r.Resumed = begin.Add(time.Second) }, want: 1},
		{name: "one that a person took out is passed over", states: [3]rollout.StepState{done, failed, waiting}, change: func(r *rollout.Rollout) { r.Skip = []string{"111122223333/eu-west-1/api/b"} }, want: 2},
		{name: "a person tries one again", states: [3]rollout.StepState{failed, failed, waiting}, change: func(r *rollout.Rollout) { r.Only, r.Resumed = "api/b", begin.Add(time.Second) }, want: 1},
		{name: "but not one that never had its turn", states: [3]rollout.StepState{failed, failed, waiting}, change: func(r *rollout.Rollout) { r.Only, r.Resumed = "api/c", begin.Add(time.Second) }, want: none, why: "No group is left to begin."},
		{name: "nothing that does not fit in the window", states: [3]rollout.StepState{waiting, waiting, waiting}, closes: 30 * time.Minute, want: none, why: "window closes"},
		{name: "what just fits", states: [3]rollout.StepState{waiting, waiting, waiting}, closes: 2 * time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := underWay()
			if tc.change != nil {
				tc.change(&r)
			}
			p := rollout.Progress{Cluster: rollout.ClusterPlan{ID: where.Cluster("api")}, Steps: tc.states[:]}
			for i, name := range []string{"a", "b", "c"} {
				p.Cluster.Steps = append(p.Cluster.Steps, rollout.Step{Group: name, Rank: rollout.Rank(i), Expected: 40 * time.Minute})
			}
			policy := enforce(p.Cluster.ID)
			if tc.closes > 0 {
				policy.Schedule.Windows = []window.Window{{Cron: "0 8 * * *", Duration: 4*time.Hour + tc.closes, Zone: "UTC"}}
			}
			i, ok, why := rollout.NextStep(r, p, two, policy, begin)
			if ok != (tc.want != none) || ok && i != tc.want || !strings.Contains(why, tc.why) {
				t.Errorf("%d, %v, %q; want %d, %q", i, ok, why, tc.want, tc.why)
			}
		})
	}
}

func TestAModeWithinAnotherIsTheLower(t *testing.T) {
	for _, tc := range []struct{ a, b, want rollout.Mode }{
		{rollout.Enforce, rollout.Enforce, rollout.Enforce},
		{rollout.Enforce, rollout.Approve, rollout.Approve},
		{rollout.Report, rollout.Enforce, rollout.Report},
		{"always", rollout.Enforce, rollout.Report},
		{rollout.Enforce, "", rollout.Report},
	} {
		if got := tc.a.Within(tc.b); got != tc.want {
			t.Errorf("%q within %q is %q, want %q", tc.a, tc.b, got, tc.want)
		}
	}
}

func TestForceIsForTheNamedGroupsAfterSoManyFailures(t *testing.T) {
	p := rollout.Policy{ForceAfter: 2, ForceGroups: []string{"*/batch-*"}}
	for _, tc := range []struct {
		group    string
		failures int
		want     bool
	}{{"prod/batch-1", 2, true}, {"prod/batch-1", 1, false}, {"prod/web", 5, false}} {
		if got := p.Forces(tc.group, rollout.StepState{Failures: tc.failures}); got != tc.want {
			t.Errorf("%s after %d failures: %v", tc.group, tc.failures, got)
		}
	}
	if p.ForceAfter = 0; p.Forces("prod/batch-1", rollout.StepState{Failures: 9}) {
		t.Error("a policy that never forces does")
	}
}
