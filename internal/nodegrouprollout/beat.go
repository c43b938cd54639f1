package nodegrouprollout

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/rollout"
)

// A Result is what a beat has come to.
type Result struct {
	Rollout rollout.Rollout // as it is by now; zero when none is active
	// Active is the progress of the clusters that were looked at: those with groups
	// under way or failed, and those that were tried.
	Active []rollout.Progress
	// Asks says that a cluster waits for a person to approve the plan.
	Asks bool
	// Why says in a sentence why nothing was begun; empty where something was.
	Why string
}

const (
	// needed is the least time to begin a group with, and kept the least to make the
	// call with: it must not be cut off between EKS's answer and its record.
	needed = 60 * time.Second
	kept   = 30 * time.Second

	// skew is by how much the clock of EKS may be behind ours: an update that it dates
	// before our intent may still be the one that the intent was for.
	skew = time.Minute
)

// errOvertaken says that another run changed a record since it was read. What that
// one did is as good as what this one would have done.
var errOvertaken = errors.New("another run was faster")

// Beat follows what is under way of the active rollout and begins what may begin.
// Without one it makes a single read. deadline is when the function is ended by
// force. An error is a trouble that may pass: the others were looked at all the
// same, and the next beat goes on where this one stopped.
func (e *Engine) Beat(ctx context.Context, deadline time.Time) (Result, error) {
	r, err := e.Store.ActiveRollout(ctx)
	switch {
	case errors.Is(err, ledger.ErrAbsent):
		return Result{}, nil
	case err != nil:
		return Result{}, err
	}
	// As e.now: the deadline is stored, and compared with what was stored.
	b := &beat{Engine: e, r: r, deadline: deadline.UTC().Round(0), seen: map[fleet.ClusterID]rollout.Progress{}}
	err = b.run(ctx)
	b.out.Rollout = b.r
	for _, m := range b.r.Members {
		if p, ok := b.seen[m.ID]; ok {
			b.out.Active = append(b.out.Active, p)
		}
	}
	if err != nil {
		return b.out, fmt.Errorf("carry out rollout %s: %w", r.ID, err)
	}
	return b.out, nil
}

// A beat is one run over the active rollout.
type beat struct {
	*Engine
	r        rollout.Rollout // as it was last read or written
	deadline time.Time
	seen     map[fleet.ClusterID]rollout.Progress
	out      Result
}

func (b *beat) run(ctx context.Context) error {
	told := b.announce(ctx)
	if !b.r.Ended.IsZero() {
		return told
	}
	followed := b.follow(ctx)
	turned := b.turn(ctx)
	var begun error
	if b.r.State == rollout.Running && turned == nil {
		begun = b.begin(ctx)
	}
	return errors.Join(told, followed, turned, begun, b.announce(ctx))
}

func (b *beat) announce(ctx context.Context) error {
	r, err := b.tell(ctx, b.r)
	b.r = r
	return lost(err)
}

// lost takes a race that another run won for what it is: no error. So is a rollout
// that a person has ended meanwhile.
func lost(err error) error {
	if errors.Is(err, errOvertaken) || errors.Is(err, ledger.ErrConflict) || errors.Is(err, ledger.ErrAbsent) {
		return nil
	}
	return err
}

func (b *beat) left() time.Duration { return b.deadline.Sub(b.now()) }

// turn takes the rollout to its next wave or its end, or halts it.
func (b *beat) turn(ctx context.Context) error {
	now := b.now()
	turn := func(r *rollout.Rollout) bool { return r.Turn(b.Waves, now) }
	return b.revise(ctx, turn)
}

// revise changes the rollout as it is stored, if the change makes a difference to
// the one that this beat knows.
func (b *beat) revise(ctx context.Context, change func(*rollout.Rollout) bool) error {
	tried := b.r
	tried.Members = slices.Clone(b.r.Members)
	if !change(&tried) {
		return nil
	}
	r, err := b.Store.ReviseRollout(ctx, b.r.ID, func(r *rollout.Rollout) error {
		change(r)
		return nil
	})
	if err != nil {
		return lost(err)
	}
	b.r = r
	return nil
}

// A task is one group of one cluster in this beat.
type task struct {
	*beat
	i    int // of the member
	s    int // of the step
	p    *rollout.Progress
	step rollout.Step
}

func (b *beat) task(i, s int, p *rollout.Progress) task {
	return task{beat: b, i: i, s: s, p: p, step: p.Cluster.Steps[s]}
}

func (t task) target() fleet.Target     { return t.r.Members[t.i].Target }
func (t task) cluster() fleet.ClusterID { return t.p.Cluster.ID }

// state is the step's as it is stored, as far as this beat knows.
func (t task) state() rollout.StepState { return t.p.Steps[t.s] }

// put stores what has become of the step. Where another run was faster it leaves
// things as they are.
func (t task) put(ctx context.Context, next rollout.StepState) error {
	before := t.state()
	if reflect.DeepEqual(before, next) {
		return nil
	}
	return lost(t.write(ctx, next, func(known rollout.Progress) bool {
		return reflect.DeepEqual(known.Steps[t.s], before)
	}))
}

// write stores the step where what is stored is what was decided upon.
func (t task) write(ctx context.Context, next rollout.StepState, same func(rollout.Progress) bool) error {
	p, err := t.Store.ReviseProgress(ctx, t.r.ID, t.cluster(), func(known *rollout.Progress) error {
		if !same(*known) {
			return errOvertaken
		}
		known.Steps[t.s] = next
		known.Revision++
		return nil
	})
	if err != nil {
		return err
	}
	*t.p = p
	t.seen[p.Cluster.ID] = p
	return nil
}

// progress is that of a member, read once in a beat.
func (b *beat) progress(ctx context.Context, i int) (rollout.Progress, error) {
	if p, ok := b.seen[b.r.Members[i].ID]; ok {
		return p, nil
	}
	p, err := b.Store.RolloutProgress(ctx, b.r.ID, b.r.Members[i].ID)
	if err == nil {
		b.seen[p.Cluster.ID] = p
	}
	return p, err
}

// report has the rollout say what the progress of a member says, and the bus what
// it has not heard. The rollout comes first: to halt must not wait for the bus.
func (b *beat) report(ctx context.Context, i int, p *rollout.Progress) error {
	note := func(r *rollout.Rollout) bool { return r.Note(i, *p, b.now()) }
	if err := b.revise(ctx, note); err != nil {
		return err
	}
	var errs []error
	for s := range p.Steps {
		errs = append(errs, b.task(i, s, p).tell(ctx))
	}
	return errors.Join(append(errs, b.revise(ctx, note))...)
}

// tell announces what has become of the step unless the bus has heard of it.
func (t task) tell(ctx context.Context) error {
	st := t.state()
	what, worth := map[rollout.Phase]Transition{
		rollout.Updating: GroupBegun, rollout.Done: GroupCompleted, rollout.Failed: GroupFailed,
	}[st.Phase]
	if !worth || st.Told == st.Phase || st.Phase == rollout.Updating && st.Update == "" {
		return nil
	}
	news := News{Transition: what, Rollout: t.r, Cluster: t.cluster(), Group: t.step.Group, Why: st.Why, Warnings: st.Warnings}
	if err := t.Announce(ctx, news); err != nil {
		return fmt.Errorf("announce that the group %s of %s is %s: %w", t.step.Group, t.cluster(), st.Phase, err)
	}
	st.Told = st.Phase
	return t.put(ctx, st)
}

// policy is that of the cluster as it was read, or the one without its tags.
func (t task) policy(a rollout.Around) rollout.Policy {
	if a.Cluster.Known() {
		return t.Policy(a.Cluster.Value)
	}
	return t.PolicyFor(t.cluster())
}

// around reads everything around the group, and the policy that the tags of its
// cluster lead to. Where that one names other alarms or another calendar than the
// policy by which it was read, it is read again.
func (t task) around(ctx context.Context, look Look) (rollout.Around, rollout.Policy) {
	read := func(p rollout.Policy) rollout.Around {
		look.Alarms, look.Calendar = p.Alarms, p.Calendar
		return t.Surveyor.Around(ctx, t.target(), t.cluster().Name, t.step.Group, look)
	}
	a := read(t.PolicyFor(t.cluster()))
	p := t.policy(a)
	if !slices.Equal(p.Alarms, look.Alarms) || p.Calendar != look.Calendar {
		a = read(p)
	}
	return a, p
}
