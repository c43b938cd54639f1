package nodegrouprollout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/rollout"
)

// An Engine carries out rollouts. Two of them may be at the same one: every record
// is written on condition that nobody was faster.
type Engine struct {
	Surveyor Surveyor
	Writer   Writer
	Store    Store
	Intents  Intents
	Switch   Switch

	// Policy is that of a cluster as it was read, its tags included; PolicyFor is the
	// one without them, by which clusters are chosen before they are read.
	Policy    func(fleet.Cluster) rollout.Policy
	PolicyFor func(fleet.ClusterID) rollout.Policy
	Waves     rollout.Waves
	// EtcdCritical reports whether an incident about a critically full etcd is open.
	EtcdCritical func(context.Context, fleet.ClusterID) (bool, error)
	// Announce tells the bus. What it failed to tell is told again.
	Announce func(context.Context, News) error
	Now      func() time.Time
}

// News is that a rollout, or a group of it, came to another state.
type News struct {
	Transition Transition
	Rollout    rollout.Rollout // as it is by now
	// Cluster and Group are zero where it is about the rollout itself.
	Cluster  fleet.ClusterID
	Group    string
	Why      string
	Warnings []string // of a group that was begun
}

// Transition is the kind of News.
type Transition string

// The transitions.
const (
	Started        Transition = "started"
	GroupBegun     Transition = "group-begun"
	GroupCompleted Transition = "group-completed"
	GroupFailed    Transition = "group-failed"
	Halted         Transition = "halted"
	Paused         Transition = "paused"
	Resumed        Transition = "resumed"
	Completed      Transition = "completed"
	Aborted        Transition = "aborted"
)

// ErrBegun says that a rollout is too far to be replaced by another plan.
var ErrBegun = errors.New("a rollout is under way")

// Start sets down a rollout of a plan. Nothing is begun before the next beat. The
// error is ledger.ErrConflict when another one is active.
func (e *Engine) Start(ctx context.Context, plan rollout.Plan, by string) (rollout.Rollout, error) {
	r, all := rollout.Begin(plan, by, e.now())
	if len(r.Members) == 0 {
		return rollout.Rollout{}, fmt.Errorf("the plan %s has nothing to carry out: no cluster of it has the mode %s or %s", plan.Short(), rollout.Approve, rollout.Enforce)
	}
	// One that ended and was not told keeps its place until the next one starts.
	last, err := e.Store.ActiveRollout(ctx)
	if err == nil && !last.Ended.IsZero() {
		_, err = e.tell(ctx, last)
	}
	if err != nil && !errors.Is(err, ledger.ErrAbsent) {
		return rollout.Rollout{}, err
	}
	if err := e.Store.StartRollout(ctx, r, all); err != nil {
		return rollout.Rollout{}, err
	}
	return r, nil
}

// Replace starts a rollout of a newer plan in place of the active one, in which
// nothing has begun. An approval that waits for the old plan is the caller's to
// void. Without an active one it is Start; with one of the same plan it returns
// that. The error is ErrBegun when something has begun, or a person has stopped it.
func (e *Engine) Replace(ctx context.Context, plan rollout.Plan, by string) (rollout.Rollout, error) {
	r, err := e.Store.ActiveRollout(ctx)
	switch {
	case errors.Is(err, ledger.ErrAbsent), err == nil && !r.Ended.IsZero():
		return e.Start(ctx, plan, by)
	case err != nil:
		return rollout.Rollout{}, err
	case r.Plan == plan.Hash():
		return r, nil
	}
	if _, err := e.abandon(ctx, r.ID, "A newer plan took its place."); err != nil {
		return rollout.Rollout{}, err
	}
	return e.Start(ctx, plan, by)
}

// Abandon ends the active rollout for good, in which nothing has begun. The error
// is ErrBegun when something has, or a person has stopped it; ledger.ErrAbsent says
// that none is active.
func (e *Engine) Abandon(ctx context.Context, why string) (rollout.Rollout, error) {
	r, err := e.Store.ActiveRollout(ctx)
	if err != nil {
		return rollout.Rollout{}, err
	}
	return e.abandon(ctx, r.ID, why)
}

func (e *Engine) abandon(ctx context.Context, id, why string) (rollout.Rollout, error) {
	now := e.now()
	r, err := e.Store.ReviseRollout(ctx, id, func(r *rollout.Rollout) error {
		if r.Begun() || r.State != rollout.Running {
			return fmt.Errorf("the rollout %s is %s: %w", r.ID, r.State, ErrBegun)
		}
		return r.Obey(rollout.Command{Verb: rollout.Abort, Why: why}, now)
	})
	if err != nil {
		return rollout.Rollout{}, err
	}
	return e.tell(ctx, r)
}

// Obey has the active rollout do what a person wants. The error of one that cannot
// be done is a sentence for that person; ledger.ErrAbsent says that none is active.
func (e *Engine) Obey(ctx context.Context, c rollout.Command) (rollout.Rollout, error) {
	return e.change(ctx, func(r *rollout.Rollout) error { return r.Obey(c, e.now()) })
}

// Approve notes that a person approved the plan of the active rollout.
func (e *Engine) Approve(ctx context.Context, plan string) (rollout.Rollout, error) {
	return e.change(ctx, func(r *rollout.Rollout) error { return r.Approve(plan, e.now()) })
}

func (e *Engine) change(ctx context.Context, change func(*rollout.Rollout) error) (rollout.Rollout, error) {
	r, err := e.Store.ActiveRollout(ctx)
	if err == nil {
		r, err = e.Store.ReviseRollout(ctx, r.ID, change)
	}
	if err != nil {
		return rollout.Rollout{}, err
	}
	return e.tell(ctx, r)
}

// tell announces the state of a rollout unless the bus has heard of it. It is
// marked as told afterwards: whoever dies in between has it told twice, not never.
func (e *Engine) tell(ctx context.Context, r rollout.Rollout) (rollout.Rollout, error) {
	if r.Told == r.State {
		return r, nil
	}
	told := r.State
	if err := e.Announce(ctx, News{Transition: transition(r), Rollout: r, Why: r.Why}); err != nil {
		return r, fmt.Errorf("announce that the rollout %s is %s: %w", r.ID, told, err)
	}
	next, err := e.Store.ReviseRollout(ctx, r.ID, func(r *rollout.Rollout) error {
		r.Told = told
		return nil
	})
	if err != nil {
		return r, err
	}
	return next, nil
}

func transition(r rollout.Rollout) Transition {
	switch {
	case r.State != rollout.Running:
		return Transition(r.State)
	case r.Told == "":
		return Started
	}
	return Resumed
}

// now has no zone and no monotonic part, so that a time is equal to itself after it
// was stored.
func (e *Engine) now() time.Time { return e.Now().UTC().Round(0) }
