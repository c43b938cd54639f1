package nodegrouprollout_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
	"github.com/eks-steward/eks-steward/internal/nodegrouprollout"
	"github.com/eks-steward/eks-steward/internal/rollout"
)

// calmWorld is two clusters of two groups each, orders in dev and shop in prod,
// and a rollout of them that runs.
func calmWorld(t *testing.T) *world {
	t.Helper()
	w := emptyWorld(rand.New(rand.NewPCG(1, 2)))
	w.waves = rollout.Waves{MaxClusters: 1, MaxGroups: 1, Bake: time.Hour, Longest: 240 * time.Hour}
	var plan rollout.Plan
	for _, name := range []string{"orders", "shop"} {
		c := &cluster{target: target, name: name, version: "1.36", status: "ACTIVE", mode: rollout.Enforce, open: 24}
		for _, g := range []string{"a", "b"} {
			c.groups = append(c.groups, &group{
				name: g, arn: name + "/" + g, status: "ACTIVE", nodes: 1, rank: rollout.Ordinary,
				has: nodefreshness.Nodes{Version: "1.35", Release: "1.35.1-20260801"},
			})
		}
		w.clusters = append(w.clusters, c)
		plan.Waves = append(plan.Waves, rollout.Wave{Name: "wave-" + name, Clusters: []rollout.ClusterPlan{c.plan()}})
	}
	if _, err := w.engine().Start(t.Context(), plan, "ada"); err != nil {
		t.Fatal(err)
	}
	return w
}

// beats lets so many beats pass, five minutes apart.
func (w *world) beats(t *testing.T, n int) (last nodegrouprollout.Result) {
	t.Helper()
	for range n {
		last, _ = w.beatUntil(t, w.now.Add(5*time.Minute))
		w.now = w.now.Add(5 * time.Minute)
	}
	if w.wrong != "" {
		t.Fatal(w.wrong)
	}
	return last
}

func (w *world) beatUntil(t *testing.T, deadline time.Time) (nodegrouprollout.Result, error) {
	w.run = &run{saw: map[*group]sight{}, deadline: deadline}
	return w.engine().Beat(t.Context(), deadline)
}

func (w *world) first(name string) rollout.StepState {
	for _, c := range w.clusters {
		if c.name == name {
			return w.progress[w.latest().ID+c.id().String()].Steps[0]
		}
	}
	panic("no such cluster")
}

func (w *world) latest() rollout.Rollout {
	if w.header != nil {
		return *w.header
	}
	return w.past[len(w.past)-1]
}

func (w *world) heard() string {
	var all []string
	for _, n := range w.news {
		all = append(all, strings.Trim(string(n.Transition)+" "+n.Cluster.Name+"/"+n.Group, " /"))
	}
	return strings.Join(all, ", ")
}

func TestARolloutGoesThroughItsWaves(t *testing.T) {
	w := calmWorld(t)
	w.beats(t, 60)
	want := "started, group-begun orders/a, group-completed orders/a, group-begun orders/b, group-completed orders/b, " +
		"group-begun shop/a, group-completed shop/a, group-begun shop/b, group-completed shop/b, completed"
	if got := w.heard(); got != want {
		t.Errorf("heard %s\nwant %s", got, want)
	}
	if took := w.usual["shop/b"]; took < 20*time.Minute || took > 30*time.Minute {
		t.Errorf("an update of 20 minutes is noted as %s", took)
	}
}

func TestABeatWithoutARolloutMakesOneRead(t *testing.T) {
	w := emptyWorld(nil)
	w.loud = true
	if r := w.beats(t, 1); r.Rollout.ID != "" || len(w.trace) != 1 {
		t.Errorf("%+v after %q, want nothing after one read", r, w.trace)
	}
}

func TestABeatCostsWhatIsUnderWay(t *testing.T) {
	reads := func(more int) int {
		w := calmWorld(t)
		for range more { // clusters that wait for their wave
			m := w.header.Members[1]
			w.header.Members = append(w.header.Members, m)
		}
		w.beats(t, 1)
		before := w.reads
		w.beats(t, 1)
		return w.reads - before
	}
	if few, many := reads(0), reads(500); few != many || few > 5 {
		t.Errorf("a beat makes %d reads with 2 clusters and %d with 502, want the same few", few, many)
	}
}

func TestFault_2_AClusterThatIsDeletedIsLeftOut(t *testing.T) {
	w := calmWorld(t)
	w.beats(t, 2)
	w.clusters[0].gone = true
	w.beats(t, 60)
	if st := w.first("orders"); st.Phase != rollout.LeftOut || w.latest().State != rollout.Completed || w.first("shop").Phase != rollout.Done {
		t.Errorf("%+v in a rollout that is %s, want it left out and the others done", st, w.latest().State)
	}
}

func TestFault_3_AGroupThatIsDeletedIsLeftOut(t *testing.T) {
	w := calmWorld(t)
	w.clusters[0].groups[0].gone = true
	w.beats(t, 60)
	if st := w.first("orders"); st.Phase != rollout.LeftOut || st.Why != "The group was deleted." || w.latest().State != rollout.Completed {
		t.Errorf("%+v in a rollout that is %s, want it left out and the others done", st, w.latest().State)
	}
}

func TestFault_14_AnUpdateOfOtherHands(t *testing.T) {
	for _, tc := range []struct {
		name    string
		to      nodefreshness.Nodes
		outcome string
		want    rollout.Phase
		calls   int // for the group
	}{
		{"that leads to what is wanted is adopted", nodefreshness.Nodes{Version: "1.36", Release: "1.36.1-20261101"}, "Successful", rollout.Done, 0},
		{"that leads elsewhere leaves the group to the next plan", nodefreshness.Nodes{Version: "1.36", Release: "1.36.1-20260901"}, "Successful", rollout.LeftOut, 0},
		{"that fails is followed by our own", nodefreshness.Nodes{Version: "1.36"}, "Failed", rollout.Done, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := calmWorld(t)
			w.clusters = w.clusters[:1:2]
			g := w.clusters[0].groups[0]
			w.start(g, tc.to, "", nil).outcome = tc.outcome
			w.beats(t, 2)
			if st := w.first("orders"); !st.Adopted || st.Phase != rollout.Updating || w.calls != 0 {
				t.Fatalf("%+v after %d calls, want the running update adopted", st, w.calls)
			}
			w.clusters = w.clusters[:2]
			w.beats(t, 15)
			if st := w.first("orders"); st.Phase != tc.want || len(g.updates)-1 != tc.calls {
				t.Errorf("%+v after %d updates of ours, want %s after %d", st, len(g.updates)-1, tc.want, tc.calls)
			}
		})
	}
}

func TestFault_14_EKSIsBusy(t *testing.T) {
	w := calmWorld(t)
	w.answer = trouble(fleet.Busy, "eks:UpdateNodegroupVersion", "ResourceInUseException: another update")
	w.beats(t, 1)
	if st := w.first("orders"); st.Phase != rollout.Waiting || w.latest().State != rollout.Running {
		t.Errorf("%+v in a rollout that is %s: want another try", st, w.latest().State)
	}
	w.answer = nil
	w.beats(t, 60)
	if w.latest().State != rollout.Completed {
		t.Errorf("at last it is %s", w.latest().State)
	}
}

func TestFault_15_AnEvictionThatFailsHaltsAndNamesPodAndBudget(t *testing.T) {
	w := calmWorld(t)
	w.beats(t, 1)
	g := w.clusters[0].groups[0]
	u := g.updates[0]
	u.outcome, u.errors = "Failed", []fleet.UpdateError{{Code: "PodEvictionFailure", Message: "Reached max retries", Resources: []string{"node-a"}}}
	g.tight = true
	w.beats(t, 6)
	st, r := w.first("orders"), w.latest()
	if r.State != rollout.Halted || len(st.Blockers) != 1 || st.Blockers[0] != (rollout.Blocker{Pod: "shop/cart-1", Node: "node-a", Budget: "shop/cart"}) {
		t.Fatalf("%s, %+v: want it halted with the pod, its node and its budget", r.State, st)
	}
	for _, word := range []string{"orders", "PodEvictionFailure", "shop/cart-1", "node-a", "shop/cart"} {
		if !strings.Contains(r.Why, word) {
			t.Errorf("%q does not name %s", r.Why, word)
		}
	}
	g.tight = false
	if w.beats(t, 10); w.calls != 1 {
		t.Errorf("%d calls, want none before a person resumes it", w.calls)
	}
	w.clusters[0].forceAfter = 2 // it has failed once
	w.obey(t, rollout.Command{Verb: rollout.Resume, By: "ada"})
	w.beats(t, 60)
	if w.latest().State != rollout.Completed || w.forced != 0 {
		t.Errorf("%s with %d forced, want it completed without", w.latest().State, w.forced)
	}
}

func TestForceComesAfterAsManyFailuresAsThePolicySays(t *testing.T) {
	w := calmWorld(t)
	w.clusters[0].forceAfter = 1
	w.beats(t, 1)
	w.clusters[0].groups[0].updates[0].outcome = "Failed"
	w.beats(t, 6)
	w.obey(t, rollout.Command{Verb: rollout.Resume, By: "ada"})
	w.beats(t, 60)
	if w.latest().State != rollout.Completed || w.forced != 1 {
		t.Errorf("%s with %d forced, want one: the second attempt at orders/a", w.latest().State, w.forced)
	}
}

func TestFault_17_AGroupThatIsDegradedAfterItsUpdateHalts(t *testing.T) {
	w := calmWorld(t)
	w.clusters[0].groups[0].degrades = true
	w.beats(t, 20)
	if r := w.latest(); r.State != rollout.Halted || !strings.Contains(r.Why, "DEGRADED") || w.calls != 1 {
		t.Errorf("%s (%s) after %d calls, want it halted after one", r.State, r.Why, w.calls)
	}
}

func TestFault_18_LaterWavesDoNotStartAfterAFailure(t *testing.T) {
	w := calmWorld(t)
	w.beats(t, 1)
	w.clusters[0].groups[0].updates[0].outcome = "Cancelled"
	w.beats(t, 300)
	if r := w.latest(); r.State != rollout.Halted || r.Wave != 0 || w.calls != 1 {
		t.Errorf("%s in wave %d after %d calls, want it halted in the first after one", r.State, r.Wave, w.calls)
	}
}

func TestFault_19_AControlPlaneThatWasRolledBackHalts(t *testing.T) {
	w := calmWorld(t)
	w.clusters[0].version = "1.35"
	w.beats(t, 10)
	if r := w.latest(); r.State != rollout.Halted || !strings.Contains(r.Why, "control plane") || w.calls != 0 {
		t.Errorf("%s (%s) after %d calls, want it halted after none", r.State, r.Why, w.calls)
	}
}

func TestFault_20_AnAnswerThatWasLostIsNoSecondCall(t *testing.T) {
	for _, outcome := range []string{"Successful", "Failed"} {
		t.Run(outcome, func(t *testing.T) {
			w := calmWorld(t)
			w.lost, w.forgets = true, true // so that only what we know stops a second one
			w.beats(t, 1)
			w.lost = false
			w.clusters[0].groups[0].updates[0].outcome = outcome
			w.beats(t, 7)
			if n := len(w.clusters[0].groups[0].updates); n != 1 || w.first("orders").Update != "update-1" {
				t.Errorf("%+v and %d updates, want the one of the one call", w.first("orders"), n)
			}
		})
	}
}

func TestFault_20_AnAttemptOfAnEarlierRun(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status string // of the update that EKS knows of it; empty for none
		again  bool   // the rollout is a later one than the attempt
		update string
		token  bool // of the attempt is used
	}{
		{"that EKS knows is followed", "InProgress", false, "update-1", false},
		{"that EKS has given up is followed too: it was never told", "Failed", false, "update-1", false},
		{"that EKS does not know is made under the same token", "", false, "update-1", true},
		{"of an earlier rollout has been told there", "Failed", true, "update-2", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := calmWorld(t)
			g := w.clusters[0].groups[0]
			begun := w.now
			if tc.again {
				begun = w.now.Add(-time.Hour)
			}
			i := &ledger.Intent{Plan: w.header.Plan, Resource: g.arn, Attempt: 1, Token: "the token", Begun: begun}
			w.intents[i.Plan+i.Resource] = i
			if tc.status != "" {
				u := w.start(g, nodefreshness.Nodes{Version: "1.36", Release: "1.36.1-20261101"}, w.header.ID, nil)
				u.Status, u.CreatedAt, u.outcome = tc.status, begun, "Successful"
				if tc.status != "InProgress" {
					g.status = "ACTIVE"
				}
			}
			w.beats(t, 1)
			if st := w.first("orders"); st.Phase != rollout.Updating || st.Update != tc.update || st.Adopted || (w.tokens["the token"] != "") != tc.token {
				t.Errorf("%+v, want %s; tokens %v", st, tc.update, w.tokens)
			}
		})
	}
}

func TestFault_21_WithoutTimeNothingIsBegun(t *testing.T) {
	w := calmWorld(t)
	r, err := w.beatUntil(t, w.now.Add(59*time.Second))
	if err != nil || w.calls != 0 || len(w.intents) != 0 || !strings.Contains(r.Why, "59s") {
		t.Errorf("%q, %v after %d calls and %d intents, want none and why", r.Why, err, w.calls, len(w.intents))
	}
	if w.beats(t, 1); w.calls != 1 {
		t.Errorf("%d calls of the next beat, want one", w.calls)
	}
}

func TestFault_32_ARaceThatIsLostIsNoError(t *testing.T) {
	w := calmWorld(t)
	w.conflict = true
	if _, err := w.beatUntil(t, w.now.Add(5*time.Minute)); err != nil || w.calls != 0 {
		t.Errorf("%v after %d calls, want neither", err, w.calls)
	}
}

func TestFault_33_WithoutALedgerNoCallIsMade(t *testing.T) {
	for _, down := range []string{"active rollout", "revise rollout", "revise progress", "begin intent", "intent", "progress"} {
		t.Run(down, func(t *testing.T) {
			w := calmWorld(t)
			w.down = down
			_, err := w.beatUntil(t, w.now.Add(5*time.Minute))
			if !errors.Is(err, errDown) || w.calls != 0 {
				t.Errorf("%v after %d calls, want the database's error and none", err, w.calls)
			}
			w.down = ""
			w.now = w.now.Add(10 * time.Minute)
			if w.beats(t, 80); w.latest().State != rollout.Completed {
				t.Errorf("at last it is %s", w.latest().State)
			}
		})
	}
}

func TestFault_34_AClaimEndsWithTheRunThatMadeIt(t *testing.T) {
	w := calmWorld(t)
	r := w.beat(1, w.engine())
	w.run = r
	for w.first("orders").Phase == rollout.Waiting {
		r.resume()
	}
	r.kill()
	deadline := w.now.Add(5 * time.Minute)
	if w.beats(t, 1); w.calls != 0 {
		t.Fatalf("%d calls while the run may be alive, want none", w.calls)
	}
	w.now = deadline
	w.beats(t, 3)
	if st := w.first("orders"); w.calls != 1 || st.Update != "update-1" {
		t.Errorf("%+v after %d calls, want one", st, w.calls)
	}
}

func TestFault_35_OfTwoBeatsAtATimeOneBegins(t *testing.T) {
	w := calmWorld(t)
	e := w.engine()
	runs := []*run{w.beat(1, e), w.beat(2, e)}
	for running := true; running; {
		running = false
		for _, r := range runs {
			w.run = r
			_, more := r.resume()
			running = running || more
		}
	}
	if w.calls != 1 || runs[0].err != nil || runs[1].err != nil || w.wrong != "" {
		t.Errorf("%d calls, errors %v and %v, %s: want one and none", w.calls, runs[0].err, runs[1].err, w.wrong)
	}
}

func TestACallThatIsDeclinedHaltsAndSaysWhy(t *testing.T) {
	for kind, want := range map[fleet.TroubleKind]string{
		fleet.Refused: "EKS declined the update: InvalidParameterException: no such release.",
		fleet.Denied:  "The call eks:UpdateNodegroupVersion was not allowed: InvalidParameterException: no such release.",
	} {
		w := calmWorld(t)
		w.answer = trouble(kind, "eks:UpdateNodegroupVersion", "InvalidParameterException: no such release")
		w.beats(t, 10)
		if r, st := w.latest(), w.first("orders"); r.State != rollout.Halted || st.Why != want || st.Failures != 0 || w.calls != 1 {
			t.Errorf("%s: %s, %+v after %d calls; want it halted after one: %s", kind, r.State, st, w.calls, want)
		}
	}
}

func TestAGateThatStaysShutForAnHourHaltsAndOpensAgain(t *testing.T) {
	w := calmWorld(t)
	w.clusters[0].groups[0].unready = true
	w.beats(t, 30)
	if r := w.latest(); r.State != rollout.Halted || !strings.Contains(r.Why, "not Ready") || w.first("orders").Phase != rollout.Gating {
		t.Fatalf("%s (%s), %+v: want it halted while the gate is watched", r.State, r.Why, w.first("orders"))
	}
	w.clusters[0].groups[0].unready = false
	w.beats(t, 6)
	if r := w.latest(); r.State != rollout.Halted || w.first("orders").Phase != rollout.Done || w.calls != 1 {
		t.Errorf("%s, %+v after %d calls: want the group done, and nothing more without a person", r.State, w.first("orders"), w.calls)
	}
}

func TestAModeThatIsLoweredLeavesTheRestOut(t *testing.T) {
	for _, by := range []string{"the configuration", "a tag"} {
		w := calmWorld(t)
		if by == "a tag" {
			w.clusters[0].tagged = rollout.Report
		} else {
			w.clusters[0].mode = rollout.Report
		}
		w.beats(t, 1)
		if st := w.first("orders"); st.Phase != rollout.LeftOut || !strings.Contains(st.Why, "report") {
			t.Errorf("by %s: %+v, want it left out", by, st)
		}
	}
}

func TestAClusterThatAsksWaitsForItsApproval(t *testing.T) {
	w := calmWorld(t)
	w.clusters[0].tagged = rollout.Approve
	if r := w.beats(t, 30); !r.Asks || w.calls != 0 {
		t.Errorf("%+v after %d calls, want it to ask", r, w.calls)
	}
	w.run = &run{person: true}
	if _, err := w.engine().Approve(t.Context(), "another plan"); err == nil {
		t.Error("an approval of another plan is accepted")
	}
	if _, err := w.engine().Approve(t.Context(), w.header.Plan); err != nil {
		t.Error(err)
	}
	if w.beats(t, 1); w.calls != 1 {
		t.Errorf("%d calls, want one", w.calls)
	}
}

func TestTheKillSwitchStopsEveryCall(t *testing.T) {
	w := calmWorld(t)
	w.on = true
	if r := w.beats(t, 5); w.calls != 0 || r.Why != "The kill switch is on." {
		t.Errorf("%q after %d calls, want none and why", r.Why, w.calls)
	}
}

func TestHaltingDoesNotWaitForTheBus(t *testing.T) {
	w := calmWorld(t)
	w.beats(t, 1)
	w.clusters[0].groups[0].updates[0].outcome = "Failed"
	w.down = "announce"
	w.beats(t, 8)
	if r := w.latest(); r.State != rollout.Halted || r.Told == rollout.Halted {
		t.Errorf("%s, told %s: want it halted and not told", r.State, r.Told)
	}
	w.down = ""
	w.beats(t, 1)
	if got := w.heard(); !strings.HasSuffix(got, "group-failed orders/a, halted") && !strings.HasSuffix(got, "halted, group-failed orders/a") {
		t.Errorf("heard %s", got)
	}
}

func TestRetryTriesOneGroupAndTheRestLater(t *testing.T) {
	w := calmWorld(t)
	w.waves.MaxGroups = 2
	w.beats(t, 2)
	for _, g := range w.clusters[0].groups {
		g.updates[0].outcome = "Failed"
	}
	w.beats(t, 8)
	w.obey(t, rollout.Command{Verb: rollout.Retry, By: "ada", Group: "orders/b"})
	w.beats(t, 20)
	if r := w.latest(); r.State != rollout.Halted || w.first("orders").Phase != rollout.Failed || w.calls != 3 {
		t.Errorf("%s (%s), %+v after %d calls: want orders/b done and it halted again", r.State, r.Why, w.first("orders"), w.calls)
	}
	w.obey(t, rollout.Command{Verb: rollout.Retry, By: "ada", Group: "orders/a"})
	w.beats(t, 80)
	if w.latest().State != rollout.Completed {
		t.Errorf("at last it is %s", w.latest().State)
	}
}

func TestAGroupThatIsSkippedIsNotTriedAgain(t *testing.T) {
	w := calmWorld(t)
	w.beats(t, 1)
	w.clusters[0].groups[0].updates[0].outcome = "Failed"
	w.beats(t, 8)
	w.obey(t, rollout.Command{Verb: rollout.Resume, By: "ada", Skip: []string{"orders/a"}})
	w.beats(t, 80)
	if st := w.first("orders"); w.latest().State != rollout.Completed || st.Phase != rollout.LeftOut || len(w.clusters[0].groups[0].updates) != 1 {
		t.Errorf("%s, %+v: want it left out and the others done", w.latest().State, st)
	}
}

func TestReplace(t *testing.T) {
	newer := func(w *world) rollout.Plan {
		return rollout.Plan{Waves: []rollout.Wave{{Name: "all", Clusters: []rollout.ClusterPlan{w.clusters[1].plan()}}}}
	}
	t.Run("a newer plan takes the place of one in which nothing has begun", func(t *testing.T) {
		w := calmWorld(t)
		old := w.header.ID
		r, err := w.engine().Replace(t.Context(), newer(w), "")
		if err != nil || r.ID == old || w.header.ID != r.ID || len(w.past) != 1 || w.past[0].State != rollout.Aborted {
			t.Errorf("%s, %v; before it %+v", r.ID, err, w.past)
		}
	})
	t.Run("but not of one that is under way", func(t *testing.T) {
		w := calmWorld(t)
		w.beats(t, 1)
		if _, err := w.engine().Replace(t.Context(), newer(w), ""); !errors.Is(err, nodegrouprollout.ErrBegun) || w.header.State != rollout.Running {
			t.Errorf("%v, and the rollout is %s", err, w.header.State)
		}
	})
	t.Run("nor is anything done for the same plan", func(t *testing.T) {
		w := calmWorld(t)
		same := newer(w)
		same.Waves = []rollout.Wave{{Name: "wave-orders", Clusters: []rollout.ClusterPlan{w.clusters[0].plan()}}, {Name: "wave-shop", Clusters: same.Waves[0].Clusters}}
		if r, err := w.engine().Replace(t.Context(), same, ""); err != nil || r.ID != w.header.ID || len(w.past) != 0 {
			t.Errorf("%s, %v", r.ID, err)
		}
	})
}

func (w *world) obey(t *testing.T, c rollout.Command) {
	t.Helper()
	w.run = &run{person: true}
	if _, err := w.engine().Obey(context.WithoutCancel(t.Context()), c); err != nil {
		t.Fatal(err)
	}
}
