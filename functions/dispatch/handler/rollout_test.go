package handler_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/functions/dispatch/handler"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/rollout"
)

const rolloutID = "20261120-1155-4f0c2ab19d3e"

// started has an active rollout that was changed in some way since its start.
func (b *bench) started(t *testing.T, change func(*rollout.Rollout)) {
	t.Helper()
	r := rollout.Rollout{ID: rolloutID, State: rollout.Running, Told: rollout.Running, Started: b.now, Members: []rollout.Member{{Groups: 2}}}
	change(&r)
	if err := b.records.StartRollout(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
}

func TestAFiveMinuteTickGoesOnToARolloutThatNeedsIt(t *testing.T) {
	const passedOn = "tick of 12:00:00"
	for _, tt := range []struct {
		name   string
		change func(*rollout.Rollout)
		want   []string
	}{
		{"one that runs", func(*rollout.Rollout) {}, []string{passedOn}},
		{"one that runs and waits for its window or for approval", func(r *rollout.Rollout) { r.Members[0].NotBefore = start.Add(time.Hour) }, []string{passedOn}},
		{"one that halted with a group under way", func(r *rollout.Rollout) {
			r.State, r.Told, r.Members[0].Busy = rollout.Halted, rollout.Halted, 1
		}, []string{passedOn}},
		{"one that was paused with a group under way", func(r *rollout.Rollout) {
			r.State, r.Told, r.Members[0].Busy = rollout.Paused, rollout.Paused, 1
		}, []string{passedOn}},
		{"one that halted, of which nobody has heard", func(r *rollout.Rollout) { r.State = rollout.Halted }, []string{passedOn}},
		{"one that was completed, of which nobody has heard", func(r *rollout.Rollout) { r.State, r.Ended = rollout.Completed, start }, []string{passedOn}},
		{"one that halted and has nothing under way", func(r *rollout.Rollout) { r.State, r.Told = rollout.Halted, rollout.Halted }, nil},
		{"one that was paused and has nothing under way", func(r *rollout.Rollout) { r.State, r.Told = rollout.Paused, rollout.Paused }, nil},
		{"one that has ended", func(r *rollout.Rollout) { r.State, r.Told, r.Ended = rollout.Completed, rollout.Completed, start }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.started(t, tt.change)
			b.handle(t, b.tick(events.FiveMinutes))
			sent(t, b.rollouts, tt.want...)
			b.now = b.now.Add(5 * time.Minute)
			for _, c := range []events.Cadence{events.Hourly, events.Daily} {
				b.handle(t, b.tick(c))
			}
			sent(t, b.rollouts)
		})
	}
	t.Run("none", func(t *testing.T) {
		b := newBench(t)
		b.handle(t, b.tick(events.FiveMinutes))
		sent(t, b.rollouts)
	})
}

// The tick keeps its time on the way, and whoever gets it drops it when the next
// one has come since: beats that piled up during an outage are one.
func TestFault_60_ATickThatIsPassedOnIsAsOldAsItWas(t *testing.T) {
	b := newBench(t)
	b.started(t, func(*rollout.Rollout) {})
	late := b.tick(events.FiveMinutes)
	b.now = b.now.Add(4 * time.Minute)
	b.handle(t, late)
	sent(t, b.rollouts, "tick of 12:00:00")
}

func TestFault_35_OfTwoDispatchersOnePassesTheTickOn(t *testing.T) {
	b := newBench(t)
	b.started(t, func(*rollout.Rollout) {})
	tick := b.tick(events.FiveMinutes)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if _, err := b.Handle(t.Context(), tick); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	sent(t, b.rollouts, "tick of 12:00:00")
}

func TestTheDailyPlanIsAskedForAnHourAfterTheChecks(t *testing.T) {
	b := newBench(t)
	daily := b.tick(events.Daily)
	b.handle(t, daily)
	plan := "plan " + daily.ID + "/plan"
	sent(t, b.rollouts)
	for _, step := range []struct {
		after time.Duration
		want  []string
	}{
		{55 * time.Minute, nil},
		{5 * time.Minute, []string{plan}},
		{5 * time.Minute, []string{plan}}, // nobody has finished it
	} {
		b.now = b.now.Add(step.after)
		b.handle(t, b.tick(events.FiveMinutes))
		sent(t, b.rollouts, step.want...)
	}
	if err := b.records.Finish(t.Context(), daily.ID+"/plan"); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(5 * time.Minute)
	b.handle(t, b.tick(events.FiveMinutes))
	sent(t, b.rollouts)
}

func TestAPlanThatNobodyMakesIsGivenUpBeforeTheNextIsDue(t *testing.T) {
	b := newBench(t)
	b.handle(t, b.tick(events.Daily))
	b.now = b.now.Add(23*time.Hour + 5*time.Minute)
	if _, err := b.Handle(t.Context(), b.tick(events.FiveMinutes)); err == nil {
		t.Error("no error although no plan was made")
	}
	sent(t, b.rollouts)
}

func TestWithoutTheQueueOfRolloutsNothingIsReadOrAskedFor(t *testing.T) {
	b := newBench(t)
	b.started(t, func(*rollout.Rollout) {})
	delete(b.Queues, events.NodegroupRollout)
	b.Rollouts = nil // a call would panic
	b.handle(t, b.tick(events.FiveMinutes))
	b.now = b.now.Add(time.Hour)
	b.handle(t, b.tick(events.Daily))
	due, err := b.records.DueFollowUps(t.Context())
	if err != nil || len(due) > 0 {
		t.Errorf("due are %v, %v", due, err)
	}
}

// unread are rollouts of a ledger that cannot be reached.
type unread struct{ handler.Rollouts }

func (unread) ActiveRollout(context.Context) (rollout.Rollout, error) {
	return rollout.Rollout{}, ledger.ErrUnavailable
}

func (unread) Schedule(context.Context, ledger.FollowUp) error { return ledger.ErrUnavailable }

func TestFault_33_ARolloutThatCannotBeReadIsNotCarriedOnAndKeepsNobodyFromTheirWork(t *testing.T) {
	b := newBench(t)
	b.Rollouts = unread{}
	if err := b.records.SetWatchList(t.Context(), ledger.WatchList{Target: b.conf.Targets()[0], Clusters: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Handle(t.Context(), b.tick(events.FiveMinutes)); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("got %v, want that the ledger cannot be reached", err)
	}
	sent(t, b.rollouts)
	sent(t, b.etcdsize, "scan 111122223333/eu-west-1 a")
	if _, err := b.Handle(t.Context(), b.tick(events.Daily)); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("got %v, want that the ledger cannot be reached", err)
	}
	sent(t, b.checks, "scan 111122223333/eu-west-1", "scan 111122223333/us-east-1")
}
