package handler_test

import (
	"slices"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/rollout"
	"github.com/eks-steward/eks-steward/internal/sim"
)

func TestPeopleSteerARollout(t *testing.T) {
	b := newBench(t, config.Enforce, old("dev", "blue", "green"))
	b.handle(t, b.plan())
	r := b.active(t)
	b.handle(t, b.command(events.VerbPause))
	if got := b.active(t); got.State != rollout.Paused || got.By != "alice" || got.Why != "because" {
		t.Fatalf("the rollout is %+v", got)
	}
	b.later(t, 3*time.Hour)
	b.wantCalls(t, 1) // the group that was under way went on to its end
	if got := b.active(t); got.Members[0].Done != 1 || got.Members[0].Busy != 0 || !got.AtRest() {
		t.Errorf("the rollout is %+v", got)
	}
	b.handle(t, b.command(events.VerbResume, func(c *events.RolloutCommand) { c.Rollout, c.Skip = r.ID, []string{"dev/green"} }))
	b.later(t, time.Hour)
	b.wantCalls(t, 1)
	b.none(t)
	b.wantHeard(t, b.bus.moves, "opened running", "opened paused", "changed running", "resolved completed")
}

func TestAHaltedRolloutTriesOneGroupAgain(t *testing.T) {
	b := newBench(t, config.Enforce, old("dev", "blue"))
	b.world.FailUpdate(target.Cluster("dev"), sim.Issue{Code: "PodEvictionFailure", Message: "Reached max retries"})
	b.handle(t, b.plan())
	b.later(t, time.Hour)
	r := b.active(t)
	if r.State != rollout.Halted || b.incident(t, r).Finding.Cause != "halted" {
		t.Fatalf("the rollout is %+v", r)
	}
	b.refused(t, b.command(events.VerbRetry, func(c *events.RolloutCommand) { c.Group = "lab/blue" }), "no cluster of the rollout")
	b.handle(t, b.command(events.VerbRetry, func(c *events.RolloutCommand) { c.Group = "dev/blue" }))
	b.wantCalls(t, 2)
	b.later(t, 2*time.Hour)
	b.none(t)
	b.wantHeard(t, b.bus.moves, "opened running", "changed halted", "changed running", "resolved completed")
}

func TestAnAbortIsForGood(t *testing.T) {
	b := newBench(t, config.Enforce, old("dev", "blue"))
	b.refused(t, b.command(events.VerbAbort), "no rollout is active")
	b.handle(t, b.plan())
	r := b.active(t)
	b.refused(t, b.command(events.VerbAbort, func(c *events.RolloutCommand) { c.Rollout = "20201121-1930-4f0c2ab19d3e" }), "is not the active one")
	b.handle(t, b.command(events.VerbAbort))
	b.none(t)
	if got, err := b.records.Rollout(t.Context(), r.ID); err != nil || got.State != rollout.Aborted {
		t.Errorf("the rollout is %+v, %v", got, err)
	}
}

// SQS delivers at least once, and a command whose run died comes again after half
// an hour.
func TestACommandThatComesAgainIsNotObeyedAgain(t *testing.T) {
	b := newBench(t, config.Enforce, old("dev", "blue", "green"))
	b.handle(t, b.plan())
	pause := b.command(events.VerbPause)
	b.handle(t, pause)
	b.now = b.now.Add(time.Minute)
	b.handle(t, b.command(events.VerbResume))
	b.refused(t, pause, "has begun or been resumed since")
	if got := b.active(t); got.State != rollout.Running {
		t.Errorf("the rollout is %s", got.State)
	}
}

func TestAStartThatComesAgainStartsNothing(t *testing.T) {
	b := newBench(t, config.Enforce, old("dev", "blue"))
	force := b.command(events.VerbStart, func(c *events.RolloutCommand) { c.Clusters, c.Forced = []string{"dev"}, []string{"dev/*"} })
	b.handle(t, force)
	b.later(t, 3*time.Hour)
	b.none(t)
	b.wantCalls(t, 1)
	b.handle(t, force)
	b.none(t)
	b.wantCalls(t, 1)
}

func TestAStartTakesTheClustersThatItNames(t *testing.T) {
	fresh := old("fresh", "blue", "green")
	for i := range fresh.Nodegroups {
		fresh.Nodegroups[i].Version, fresh.Nodegroups[i].Release = "1.34", "1.34.2-20261001"
	}
	for name, tt := range map[string]struct {
		edit func(*events.RolloutCommand)
		want []string // cluster/group
	}{
		"all that are old":                {func(*events.RolloutCommand) {}, []string{"dev/blue", "lab/blue"}},
		"one of them":                     {func(c *events.RolloutCommand) { c.Clusters = []string{"lab"} }, []string{"lab/blue"}},
		"one by its full name":            {func(c *events.RolloutCommand) { c.Clusters = []string{account + "/" + region + "/lab"} }, []string{"lab/blue"}},
		"one that is named twice":         {func(c *events.RolloutCommand) { c.Clusters = []string{account + "/" + region + "/lab", "lab"} }, []string{"lab/blue"}},
		"a group that is new, by force":   {func(c *events.RolloutCommand) { c.Clusters, c.Forced = []string{"fresh"}, []string{"fresh/green"} }, []string{"fresh/green"}},
		"a cluster that is new, by force": {func(c *events.RolloutCommand) { c.Clusters, c.Forced = []string{"fresh"}, []string{"fresh/*"} }, []string{"fresh/blue", "fresh/green"}},
		"all that are old, and a group by force": {
			func(c *events.RolloutCommand) { c.Forced = []string{"fresh/green"} },
			[]string{"dev/blue", "fresh/green", "lab/blue"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, config.Enforce, old("dev", "blue"), old("lab", "blue"))
			if err := b.world.Add(account, region, fresh); err != nil {
				t.Fatal(err)
			}
			b.handle(t, b.command(events.VerbStart, tt.edit))
			r := b.active(t)
			all, err := b.records.AllProgress(t.Context(), r.ID)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range all {
				for _, s := range p.Cluster.Steps {
					got = append(got, p.Cluster.ID.Name+"/"+s.Group)
				}
			}
			if !slices.Equal(got, tt.want) || r.By != "alice" {
				t.Errorf("the rollout by %s is of %q, want %q", r.By, got, tt.want)
			}
		})
	}
}

func TestAStartThatCannotBeIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		edit func(*events.RolloutCommand)
		why  string
	}{
		"of a cluster that nobody has":       {func(c *events.RolloutCommand) { c.Clusters = []string{"moon"} }, "no cluster moon was found"},
		"of an account that is no target":    {func(c *events.RolloutCommand) { c.Clusters = []string{"444455556666/eu-west-1/dev"} }, "444455556666/eu-west-1 is no target"},
		"of one cluster, with one by force":  {func(c *events.RolloutCommand) { c.Clusters, c.Forced = []string{"dev"}, []string{"lab/blue"} }, "its cluster is none of those"},
		"of a cluster that may be read only": {func(c *events.RolloutCommand) { c.Clusters = []string{"locked"} }, "its mode is report"},
		"of groups that did not opt in":      {func(c *events.RolloutCommand) { c.Clusters = []string{"shy"} }, "shy/blue: "},
	} {
		t.Run(name, func(t *testing.T) {
			locked, shy := old("locked", "blue"), old("shy", "blue")
			locked.Tags["eks-steward/nodegroup-rollout"] = config.Report
			shy.Nodegroups[0].Tags = nil
			b := newBench(t, config.Enforce, old("dev", "blue"), locked, shy)
			b.refused(t, b.command(events.VerbStart, tt.edit), tt.why)
			b.none(t)
		})
	}
}

func TestAStartDoesNotTakeThePlaceOfARolloutThatHasBegun(t *testing.T) {
	b := newBench(t, config.Enforce, old("dev", "blue"), old("lab", "blue"))
	b.handle(t, b.plan())
	r := b.active(t)
	b.now = b.now.Add(time.Minute)
	b.refused(t, b.command(events.VerbStart, func(c *events.RolloutCommand) { c.Clusters = []string{"lab"} }), "a rollout is under way")
	if got := b.active(t); got.ID != r.ID {
		t.Errorf("the rollout is %s", got.ID)
	}
}

func TestAPlanLeavesTheRolloutOfAPersonAlone(t *testing.T) {
	b := newBench(t, config.Approve, old("dev", "blue"), old("lab", "blue"))
	b.handle(t, b.command(events.VerbStart, func(c *events.RolloutCommand) { c.Clusters = []string{"lab"} }))
	r := b.active(t)
	b.now = b.now.Add(time.Hour)
	if said := b.handle(t, b.plan()); said["skipped"] == nil || b.active(t).ID != r.ID {
		t.Errorf("it was replaced: %v", said)
	}
	if a, err := b.records.Approval(t.Context(), r.Plan); err != nil || a.State != ledger.Waiting {
		t.Errorf("its approval is %+v, %v", a, err)
	}
}
