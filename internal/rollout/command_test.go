package rollout_test

import (
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/rollout"
)

func TestObey(t *testing.T) {
	halted := func(r *rollout.Rollout) { r.State, r.Members[0].Failed = rollout.Halted, 1 }
	for _, tc := range []struct {
		name   string
		change func(*rollout.Rollout)
		cmd    rollout.Command
		want   rollout.State
		only   string
		err    string
	}{
		{"a running rollout is paused", nil, rollout.Command{Verb: rollout.Pause}, rollout.Paused, "", ""},
		{"a paused one stays so", func(r *rollout.Rollout) { r.State = rollout.Paused }, rollout.Command{Verb: rollout.Pause}, rollout.Paused, "", ""},
		{"a halted one has nothing to pause", halted, rollout.Command{Verb: rollout.Pause}, rollout.Halted, "", "resume or abort it"},
		{"a paused one is resumed", func(r *rollout.Rollout) { r.State = rollout.Paused }, rollout.Command{Verb: rollout.Resume}, rollout.Running, "", ""},
		{"a halted one is resumed without a group", halted, rollout.Command{Verb: rollout.Resume, Skip: []string{"api/a"}}, rollout.Running, "", ""},
		{"a group of no cluster is not taken out", halted, rollout.Command{Verb: rollout.Resume, Skip: []string{"web/a"}}, rollout.Halted, "", "no cluster of the rollout is that of web/a"},
		{"nor one that is no name", halted, rollout.Command{Verb: rollout.Resume, Skip: []string{"api"}}, rollout.Halted, "", "want cluster/group"},
		{"nor one of two clusters", func(r *rollout.Rollout) { halted(r); r.Members[1].ID.Name = "api" }, rollout.Command{Verb: rollout.Resume, Skip: []string{"api/a"}}, rollout.Halted, "", "2 clusters of the rollout have the name"},
		{"one group is tried again", halted, rollout.Command{Verb: rollout.Retry, Group: "api/a"}, rollout.Running, "api/a", ""},
		{"but not while it runs", nil, rollout.Command{Verb: rollout.Retry, Group: "api/a"}, rollout.Running, "", "only when it has halted"},
		{"nor where none has failed", halted, rollout.Command{Verb: rollout.Retry, Group: "cart/a"}, rollout.Halted, "", "no group of the cluster of cart/a has failed"},
		{"any is aborted", halted, rollout.Command{Verb: rollout.Abort}, rollout.Aborted, "", ""},
		{"one that has ended is not", func(r *rollout.Rollout) { r.State = rollout.Completed }, rollout.Command{Verb: rollout.Abort}, rollout.Completed, "", "start another one"},
		{"nor resumed", func(r *rollout.Rollout) { r.State = rollout.Aborted }, rollout.Command{Verb: rollout.Resume}, rollout.Aborted, "", "start another one"},
		{"an unknown word is refused", nil, rollout.Command{Verb: "stop"}, rollout.Running, "", "want pause, resume, abort or retry"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := underWay()
			r.Members[0].NotBefore = begin.Add(time.Hour)
			if tc.change != nil {
				tc.change(&r)
			}
			tc.cmd.By = "ada"
			err := r.Obey(tc.cmd, begin)
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) || r.State != tc.want || r.Only != tc.only {
				t.Fatalf("%s, only %q, %v; want %s, %q, %q", r.State, r.Only, err, tc.want, tc.only, tc.err)
			}
			if err == nil && r.State == rollout.Running && (r.Resumed != begin || !r.Members[0].NotBefore.IsZero()) {
				t.Errorf("%+v, want it to go on at once", r)
			}
			before := r
			if err == nil && (r.Obey(tc.cmd, begin.Add(time.Hour)) != nil || r.State != before.State || r.Resumed != before.Resumed || r.Ended != before.Ended) {
				t.Errorf("the same command again makes %+v of %+v", r, before)
			}
		})
	}
}

func TestApprove(t *testing.T) {
	r := underWay()
	if r.Approve("another", begin) == nil || !r.Approved.IsZero() {
		t.Error("an approval of another plan counts")
	}
	if err := r.Approve("plan", begin); err != nil || r.Approved != begin {
		t.Errorf("%v, approved %s", err, r.Approved)
	}
	if err := r.Approve("plan", begin.Add(time.Hour)); err != nil || r.Approved != begin {
		t.Errorf("a second approval: %v, approved %s", err, r.Approved)
	}
}

func TestNote(t *testing.T) {
	progress := func(revision int, states ...rollout.StepState) rollout.Progress {
		p := rollout.Progress{Revision: revision, Steps: states, Cluster: rollout.ClusterPlan{ID: where.Cluster("api")}}
		for _, name := range []string{"a", "b"} {
			p.Cluster.Steps = append(p.Cluster.Steps, rollout.Step{Group: name})
		}
		return p
	}
	over := func(phase, told rollout.Phase) rollout.StepState {
		return rollout.StepState{Phase: phase, Told: told, Ended: begin, Why: "EKS says so."}
	}
	gating := rollout.StepState{Phase: rollout.Gating, Shut: begin.Add(-time.Hour), Why: "2 nodes are not Ready."}
	for _, tc := range []struct {
		name       string
		progress   rollout.Progress
		state      rollout.State // before
		resumed    time.Time
		want       rollout.State
		done, busy int
		failed     int
	}{
		{name: "groups are counted", progress: progress(1, over(rollout.Done, rollout.Done), rollout.StepState{Phase: rollout.Updating}), want: rollout.Running, done: 1, busy: 1},
		{name: "one that nobody has heard of is not over", progress: progress(1, over(rollout.Done, rollout.Updating), over(rollout.LeftOut, rollout.LeftOut)), want: rollout.Running, done: 1, busy: 1},
		{name: "what is older than what is known is nothing new", progress: progress(-1, over(rollout.Failed, rollout.Failed)), want: rollout.Running},
		{name: "a failure halts", progress: progress(1, over(rollout.Failed, rollout.Failed)), want: rollout.Halted, failed: 1},
		{name: "also what is paused", progress: progress(1, over(rollout.Failed, rollout.Failed)), state: rollout.Paused, want: rollout.Halted, failed: 1},
		{name: "but not what a person aborted", progress: progress(1, over(rollout.Failed, rollout.Failed)), state: rollout.Aborted, want: rollout.Aborted, failed: 1},
		{name: "nor what a person resumed since", progress: progress(1, over(rollout.Failed, rollout.Failed)), resumed: begin.Add(time.Second), want: rollout.Running, failed: 1},
		{name: "a gate that is shut for an hour halts", progress: progress(1, gating), want: rollout.Halted, busy: 1},
		{name: "a person gives it another", progress: progress(1, gating), resumed: begin.Add(-time.Minute), want: rollout.Running, busy: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := underWay()
			r.Resumed = tc.resumed
			if tc.state != "" {
				r.State = tc.state
			}
			r.Note(0, tc.progress, begin)
			if m := r.Members[0]; r.State != tc.want || m.Done != tc.done || m.Busy != tc.busy || m.Failed != tc.failed || tc.want == rollout.Halted && r.Why == "" {
				t.Errorf("%s (%s), %+v", r.State, r.Why, m)
			}
			if r.Note(0, tc.progress, begin) {
				t.Error("the same again is something new")
			}
		})
	}
}

func TestTurn(t *testing.T) {
	for _, tc := range []struct {
		name string
		done [4]int
		wave int
		at   time.Duration
		want rollout.State
		next int
	}{
		{"a wave that is not over goes on", [4]int{2, 1, 2, 0}, 0, time.Hour, rollout.Running, 0},
		{"the next one comes after it", [4]int{2, 2, 2, 0}, 0, time.Hour, rollout.Running, 1},
		{"the last one ends the rollout", [4]int{2, 2, 2, 2}, 1, time.Hour, rollout.Completed, 1},
		{"one that takes too long halts", [4]int{2, 2, 2, 1}, 1, 25 * time.Hour, rollout.Halted, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := underWay()
			r.Wave = tc.wave
			for i, n := range tc.done {
				r.Members[i].Done = n
			}
			r.Members[3].Waiting = "The alarm errors is in ALARM."
			changed := r.Turn(two, begin.Add(tc.at))
			if r.State != tc.want || r.Wave != tc.next || changed == (tc.want == rollout.Running && tc.next == tc.wave) || tc.want == rollout.Halted && !strings.Contains(r.Why, "ALARM") {
				t.Errorf("%v: %s (%s) in wave %d", changed, r.State, r.Why, r.Wave)
			}
		})
	}
}

func TestAClusterIsPutOffForLongerAndLonger(t *testing.T) {
	var m rollout.Member
	for _, want := range []float64{5, 10, 20, 40, 60, 60} {
		if m.PutOff("why", begin); m.NotBefore.Sub(begin).Minutes() != want {
			t.Errorf("after %d tries it waits %s, want %v minutes", m.Tries, m.NotBefore.Sub(begin), want)
		}
	}
}
