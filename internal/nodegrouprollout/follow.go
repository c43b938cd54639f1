package nodegrouprollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/rollout"
)

// How an attempt ended, as its intent says. The reason follows after ": ".
const (
	successful = "successful"
	failed     = "failed"
	refused    = "refused" // EKS or IAM declined
	notBegun   = "not begun"
	overtaken  = "overtaken" // the group is another one, or gone
)

// follow looks at every cluster with groups under way, and at those with failed
// ones, which belong to what is told.
func (b *beat) follow(ctx context.Context) error {
	var errs []error
	for i := range b.r.Members {
		if m := b.r.Members[i]; m.Busy == 0 && m.Failed == 0 {
			continue
		}
		if b.left() < kept {
			break // the next beat follows the rest
		}
		if err := b.visit(ctx, i); err != nil {
			errs = append(errs, fmt.Errorf("follow %s: %w", b.r.Members[i].ID, err))
		}
	}
	return errors.Join(errs...)
}

func (b *beat) visit(ctx context.Context, i int) error {
	p, err := b.progress(ctx, i)
	if err != nil {
		return err
	}
	var errs []error
	for s := range p.Steps {
		t := b.task(i, s, &p)
		next, err := t.advance(ctx)
		if err == nil {
			err = t.put(ctx, next)
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, b.report(ctx, i, &p))...)
}

// advance is what has become of a step that is under way.
func (t task) advance(ctx context.Context) (rollout.StepState, error) {
	st := t.state()
	switch {
	case st.Phase == rollout.Updating && st.Update == "":
		return t.recover(ctx)
	case st.Phase == rollout.Updating:
		return t.pursue(ctx)
	case st.Phase == rollout.Gating:
		return t.watch(ctx)
	}
	return st, nil
}

// pursue asks EKS how the update is getting on.
func (t task) pursue(ctx context.Context) (rollout.StepState, error) {
	st := t.state()
	a := t.Surveyor.Around(ctx, t.target(), t.cluster().Name, t.step.Group, Look{Update: st.Update, Brief: true})
	if why := t.gone(a); why != "" {
		return t.leftOut(st, why), t.settle(ctx, overtaken)
	}
	if no := a.Update.Trouble; no != nil && no.Kind == fleet.Gone {
		why := fmt.Sprintf("EKS no longer knows the update %s.", st.Update)
		return t.failed(st, why), t.settle(ctx, failed+": "+why)
	}
	if !a.Update.Known() {
		return t.unseen(st, fmt.Sprintf("The update %s cannot be read: %s.", st.Update, a.Update.Why())), nil
	}
	switch status := a.Update.Value.Status; status {
	case "InProgress":
		st.Shut, st.Why = zero, ""
		return st, nil
	case "Successful":
		st.Phase, st.Updated, st.Shut, st.Why = rollout.Gating, t.now(), zero, ""
		return st, t.settle(ctx, successful)
	case "Failed", "Cancelled":
		return t.givenUp(ctx, st)
	default:
		return t.unseen(st, fmt.Sprintf("EKS calls the update %s %s, and it is not known what that means.", st.Update, cmp.Or(status, "nothing"))), nil
	}
}

// gone says that the group is no longer there, or that another one is in its place.
func (t task) gone(a rollout.Around) string {
	if a.Group.Known() && a.Group.Value.ARN != t.step.ARN {
		return "The group was deleted and made anew."
	}
	return a.Gone()
}

// givenUp is a step whose update EKS has given up. One that somebody else began
// failed them and not us.
func (t task) givenUp(ctx context.Context, st rollout.StepState) (rollout.StepState, error) {
	if st.Adopted {
		return t.again(st), nil
	}
	a, p := t.around(ctx, Look{Update: st.Update})
	v := rollout.Judge(t.step, st, a, p, t.now())
	why := cmp.Or(v.Why, fmt.Sprintf("EKS gave the update %s up.", st.Update))
	next := t.failed(st, why)
	next.Failures++
	next.Blockers = v.Blockers
	return next, t.settle(ctx, failed+": "+why)
}

// watch holds the gate of a group whose update has ended well.
func (t task) watch(ctx context.Context) (rollout.StepState, error) {
	st := t.state()
	if t.r.Skips(t.cluster(), t.step.Group) {
		return t.leftOut(st, "A person took the group out while its gate was shut."), nil
	}
	a, p := t.around(ctx, Look{Update: st.Update})
	if why := t.gone(a); why != "" {
		return t.leftOut(st, why), nil
	}
	now := t.now()
	v := rollout.Judge(t.step, st, a, p, now)
	switch {
	case st.Adopted && a.Group.Known() && !t.step.Reached(a.Group.Value):
		return t.again(st), nil // it led elsewhere: the preflight says what that means
	case v.Halt:
		next := t.failed(st, v.Why)
		next.Blockers = v.Blockers
		return next, nil
	case !v.Open && a.Group.Known() && !t.step.Reached(a.Group.Value) && !st.Shut.IsZero() && now.Sub(st.Shut) >= rollout.MaxShut:
		return t.failed(st, v.Why), nil // nothing that is under way would change that
	case !v.Open:
		return t.unseen(st, v.Why), nil
	}
	st.Shut, st.Why = zero, ""
	if st.Open.IsZero() {
		st.Open = now
	}
	if now.Sub(st.Open) < p.Bake {
		return st, nil
	}
	st.Phase, st.Ended = rollout.Done, now
	if st.Adopted {
		return st, nil
	}
	return st, t.Store.NoteDuration(ctx, t.cluster(), t.step.Group, st.Updated.Sub(st.Began))
}

// recover finds out what became of a run that was about to make the call.
func (t task) recover(ctx context.Context) (rollout.StepState, error) {
	st := t.state()
	if t.now().Before(st.Claim) {
		return st, nil // it may be alive
	}
	i, err := t.Intents.Intent(ctx, t.r.Plan, t.step.ARN)
	switch {
	case errors.Is(err, ledger.ErrAbsent), err == nil && i.Attempt < st.Attempt:
		return t.again(st), nil // it made no call
	case err != nil:
		return st, err
	case !i.Settled.IsZero():
		if word, why, _ := strings.Cut(i.Outcome, ": "); word == refused {
			return t.failed(st, why), nil
		}
		return t.again(st), nil
	}
	u, found, err := t.last(ctx, i)
	switch {
	case errors.Is(err, fleet.Gone):
		return t.leftOut(st, "The group was deleted."), t.settle(ctx, overtaken)
	case err != nil:
		return t.unseen(st, fmt.Sprintf("It is not known whether EKS has begun the update: %s.", fleet.TroubleOf(err))), nil
	case !found:
		return t.again(st), nil // the intent stands: the same token is used again
	}
	st.Update, st.Shut, st.Why = u.ID, zero, ""
	return st, nil
}

// settle records how the last attempt at the group ended. It comes before the step
// is written: one that has ended must not be taken up again.
func (t task) settle(ctx context.Context, outcome string) error {
	i, err := t.Intents.Intent(ctx, t.r.Plan, t.step.ARN)
	if errors.Is(err, ledger.ErrAbsent) || err == nil && !i.Settled.IsZero() {
		return nil
	}
	if err != nil {
		return err
	}
	return t.Intents.SettleIntent(ctx, i, outcome)
}
