package ledger_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/rollout"
)

const (
	march = "20260301-0900-0123456789ab"
	april = "20260401-0900-0123456789ab"
)

var blue = fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: "blue"}

func running(id string) rollout.Rollout {
	return rollout.Rollout{ID: id, State: rollout.Running, Started: now, Members: []rollout.Member{{ID: blue, Groups: 1}}}
}

func progress(id string) []rollout.Progress {
	return []rollout.Progress{{Rollout: id, Cluster: rollout.ClusterPlan{ID: blue}, Steps: []rollout.StepState{{Phase: rollout.Waiting}}}}
}

func completed(r *rollout.Rollout) error {
	r.State, r.Told, r.Ended = rollout.Completed, rollout.Completed, now
	return nil
}

// mortal stands for a process that dies: it makes so many calls, and no more.
type mortal struct {
	ledger.Store
	left int
}

var errDead = errors.New("the process is dead")

func (m *mortal) lives() bool { m.left--; return m.left >= 0 }

func (m *mortal) Write(ctx context.Context, r ledger.Record) error {
	if !m.lives() {
		return errDead
	}
	return m.Store.Write(ctx, r)
}

func (m *mortal) Delete(ctx context.Context, k ledger.Key, version int64) error {
	if !m.lives() {
		return errDead
	}
	return m.Store.Delete(ctx, k, version)
}

func TestFault_20_ARolloutThatEndsIsNeitherLostNorInTheWayWhereverTheProcessDies(t *testing.T) {
	for calls := range 4 { // the end, the history, and the place; then none is left to die before
		s := store(t)
		l := ledger.New(s, clock)
		if err := l.StartRollout(t.Context(), running(march), progress(march)); err != nil {
			t.Fatal(err)
		}
		_, err := ledger.New(&mortal{s, calls}, clock).ReviseRollout(t.Context(), march, completed)
		if died := errors.Is(err, errDead); died != (calls < 3) {
			t.Fatalf("after %d calls: %v", calls, err)
		}
		if calls == 0 { // nothing was written: whoever comes next ends it
			if _, err := l.ReviseRollout(t.Context(), march, completed); err != nil {
				t.Fatal(err)
			}
		}
		if r, err := l.ActiveRollout(t.Context()); !errors.Is(err, ledger.ErrAbsent) {
			t.Errorf("after %d calls rollout %s is still active, %v", calls, r.ID, err)
		}
		if r, err := l.Rollout(t.Context(), march); err != nil || r.State != rollout.Completed {
			t.Errorf("after %d calls the rollout is %+v, %v", calls, r, err)
		}
		if err := l.StartRollout(t.Context(), running(march), nil); !errors.Is(err, ledger.ErrConflict) {
			t.Errorf("after %d calls the same rollout starts again: %v", calls, err)
		}
		if err := l.StartRollout(t.Context(), running(april), progress(april)); err != nil {
			t.Fatalf("after %d calls the next one: %v", calls, err)
		}
		all, err := l.Rollouts(t.Context())
		if err != nil || len(all) != 2 {
			t.Errorf("after %d calls there are %d rollouts, %v; want 2", calls, len(all), err)
		}
	}
}

func TestFault_20_ARolloutIsActiveOnlyWithItsProgressWhereverTheProcessDies(t *testing.T) {
	for calls := range 3 {
		s := store(t)
		l := ledger.New(s, clock)
		err := ledger.New(&mortal{s, calls}, clock).StartRollout(t.Context(), running(march), progress(march))
		if died := errors.Is(err, errDead); died != (calls < 2) {
			t.Fatalf("after %d calls: %v", calls, err)
		}
		_, err = l.ActiveRollout(t.Context())
		if active := err == nil; active != (calls == 2) {
			t.Errorf("after %d calls: %v", calls, err)
		}
		if err := l.StartRollout(t.Context(), running(march), progress(march)); err != nil {
			t.Errorf("started again after %d calls: %v", calls, err)
		}
		if _, err := l.RolloutProgress(t.Context(), march, blue); err != nil {
			t.Errorf("after %d calls: %v", calls, err)
		}
	}
}

func TestFault_32_APauseThatComesBetweenIsNotLost(t *testing.T) {
	s := store(t)
	person := ledger.New(s, clock)
	if err := person.StartRollout(t.Context(), running(march), nil); err != nil {
		t.Fatal(err)
	}
	c := &contested{Store: s, before: func() {
		if _, err := person.ReviseRollout(t.Context(), march, func(r *rollout.Rollout) error { r.State = rollout.Paused; return nil }); err != nil {
			t.Error(err)
		}
	}}
	var seen []rollout.State
	r, err := ledger.New(c, clock).ReviseRollout(t.Context(), march, func(r *rollout.Rollout) error {
		seen = append(seen, r.State)
		r.Members[0].Busy = 1
		return nil
	})
	if err != nil || r.State != rollout.Paused || r.Members[0].Busy != 1 {
		t.Fatalf("the rollout is %+v, %v", r, err)
	}
	if len(seen) != 2 || seen[1] != rollout.Paused {
		t.Errorf("the change saw %v, want the pause at last", seen)
	}
}

func TestFault_32_ALostRaceForThePlaceStartsNothing(t *testing.T) {
	s := store(t)
	c := &contested{Store: s, before: func() {
		if err := ledger.New(s, clock).StartRollout(t.Context(), running(april), progress(april)); err != nil {
			t.Error(err)
		}
	}}
	err := ledger.New(c, clock).StartRollout(t.Context(), running(march), progress(march))
	if !errors.Is(err, ledger.ErrConflict) || !strings.Contains(err.Error(), april+" is running") {
		t.Fatalf("got %v, want that the other one is active", err)
	}
}

// A start whose answer is lost is sent again, perhaps when the first groups are
// under way.
func TestFault_34_AStartThatComesTwiceLeavesWhatIsUnderWayAlone(t *testing.T) {
	l := ledger.New(&answerLost{Store: store(t), lost: true}, clock)
	if err := l.StartRollout(t.Context(), running(march), progress(march)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.ReviseProgress(t.Context(), march, blue, func(p *rollout.Progress) error { p.Steps[0].Phase = rollout.Updating; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := l.StartRollout(t.Context(), running(march), progress(march)); err != nil {
		t.Fatal(err)
	}
	if p, err := l.RolloutProgress(t.Context(), march, blue); err != nil || p.Steps[0].Phase != rollout.Updating {
		t.Errorf("the progress is %+v, %v; want it as it was", p, err)
	}
}

func TestARolloutWhoseEndNobodyHeardOfMakesPlaceForTheNext(t *testing.T) {
	l := ledger.New(store(t), clock)
	if err := l.StartRollout(t.Context(), running(march), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := l.ReviseRollout(t.Context(), march, func(r *rollout.Rollout) error {
		r.State, r.Ended = rollout.Aborted, now
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := l.StartRollout(t.Context(), running(april), nil); err != nil {
		t.Fatal(err)
	}
	if r, err := l.Rollout(t.Context(), march); err != nil || r.State != rollout.Aborted {
		t.Errorf("the one before is %+v, %v", r, err)
	}
}

func TestAnIdleLookForARolloutIsOneRead(t *testing.T) {
	c := &counting{Store: store(t)}
	if _, err := ledger.New(c, clock).ActiveRollout(t.Context()); !errors.Is(err, ledger.ErrAbsent) || c.reads != 1 {
		t.Fatalf("%d reads and %v, want 1 and ErrAbsent", c.reads, err)
	}
}

// counting counts what a database would be paid for.
type counting struct {
	ledger.Store
	reads int
}

func (c *counting) Read(ctx context.Context, k ledger.Key) (ledger.Record, error) {
	c.reads++
	return c.Store.Read(ctx, k)
}

func TestFault_33_ARolloutThatCannotBeReadIsNotTakenForNone(t *testing.T) {
	s := store(t)
	l := ledger.New(s, clock)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for what, call := range map[string]func() error{
		"active":          func() error { _, err := l.ActiveRollout(ctx); return err },
		"start":           func() error { return l.StartRollout(ctx, running(march), progress(march)) },
		"revise":          func() error { _, err := l.ReviseRollout(ctx, march, completed); return err },
		"list":            func() error { _, err := l.Rollouts(ctx); return err },
		"by id":           func() error { _, err := l.Rollout(ctx, march); return err },
		"progress":        func() error { _, err := l.RolloutProgress(ctx, march, blue); return err },
		"all progress":    func() error { _, err := l.AllProgress(ctx, march); return err },
		"revise progress": func() error { _, err := l.ReviseProgress(ctx, march, blue, nil); return err },
		"durations":       func() error { _, err := l.UsualDurations(ctx, blue); return err },
		"note a duration": func() error { return l.NoteDuration(ctx, blue, "batch", time.Minute) },
	} {
		if err := call(); !errors.Is(err, ledger.ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrUnavailable", what, err)
		}
	}
}
