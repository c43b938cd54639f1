package nodegrouprollout

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/rollout"
)

// What a try has come to.
type move int

const (
	stay   move = iota // nothing more in this cluster for now
	onward             // the group is left out: the next one may be tried
	stop               // nothing more in this beat
)

// begin tries the clusters that may have a group begun. Their number is bounded: a
// beat costs what is under way, not what is planned.
func (b *beat) begin(ctx context.Context) error {
	c := rollout.Choose(b.r, b.Waves, b.PolicyFor, b.now())
	b.out.Asks, b.out.Why = c.Asks, c.Why
	var errs []error
	tries := 2 * b.Waves.MaxClusters
	for _, i := range c.Try {
		for next := onward; next == onward && tries > 0; tries-- {
			var err error
			if next, err = b.try(ctx, i); err != nil {
				errs = append(errs, fmt.Errorf("begin a group of %s: %w", b.r.Members[i].ID, err))
				next = stay
			}
			if next == stop {
				return errors.Join(errs...)
			}
		}
	}
	return errors.Join(errs...)
}

// try begins the next group of a cluster, or says why not.
func (b *beat) try(ctx context.Context, i int) (move, error) {
	p, err := b.progress(ctx, i)
	if err != nil {
		return stay, err
	}
	policy := b.PolicyFor(p.Cluster.ID)
	if err := b.leaveOut(ctx, i, &p, policy.Mode); err != nil {
		return stay, err
	}
	if err := b.report(ctx, i, &p); err != nil { // what a run that died did not say
		return stay, err
	}
	if b.r.State != rollout.Running || b.r.Members[i].Over() {
		return stay, nil
	}
	s, ok, why := rollout.NextStep(b.r, p, b.Waves, policy, b.now())
	if !ok {
		return stay, b.putOff(ctx, i, why)
	}
	t := b.task(i, s, &p)
	if why := b.r.Bars(i, t.step.Group, b.Waves); why != "" {
		return stay, nil // those before it took what was free
	}
	m, err := t.attempt(ctx)
	return m, errors.Join(err, b.report(ctx, i, &p))
}

// leaveOut takes out the groups that a person does not want, and all of them when
// nothing may be written to the cluster any more.
func (b *beat) leaveOut(ctx context.Context, i int, p *rollout.Progress, mode rollout.Mode) error {
	none := mode.Within(b.r.Members[i].Mode) == rollout.Report
	for s, st := range p.Steps {
		t := b.task(i, s, p)
		var why string
		switch {
		case st.Phase != rollout.Waiting && st.Phase != rollout.Failed:
			continue
		case b.r.Skips(p.Cluster.ID, t.step.Group):
			why = "A person took the group out."
		case none:
			why = "The mode of the cluster is report by now."
		default:
			continue
		}
		if err := t.put(ctx, t.leftOut(st, why)); err != nil {
			return err
		}
	}
	return nil
}

func (b *beat) putOff(ctx context.Context, i int, why string) error {
	now := b.now()
	b.out.Why = why
	return b.revise(ctx, func(r *rollout.Rollout) bool {
		r.Members[i].PutOff(why, now)
		return true
	})
}

// attempt begins one group: every step that may stop it comes before the one
// write.
func (t task) attempt(ctx context.Context) (move, error) {
	last, adopted, err := t.before(ctx)
	if err != nil || adopted {
		return stay, err
	}
	a, policy := t.around(ctx, Look{Begin: true})
	critical, err := t.EtcdCritical(ctx, t.cluster())
	now := t.now()
	a.EtcdCritical = fleet.Read(critical, err, now)
	if yes, err := t.allowed(ctx, policy); !yes || err != nil {
		return stay, err
	}
	obstacles, warnings := rollout.Preflight(t.step, a, policy, now)
	if len(obstacles) > 0 {
		return t.hindered(ctx, last, a, obstacles)
	}
	if on, err := t.Switch.On(ctx); on || err != nil {
		t.out.Why = "The kill switch is on."
		if err != nil {
			t.out.Why = fmt.Sprintf("The kill switch counts as on: %s.", err)
		}
		return stop, nil
	}
	if left := t.left(); left < needed {
		t.out.Why = fmt.Sprintf("The function has %s left, and a group begins with %s at least.", max(left, 0).Round(0), needed)
		return stop, nil
	}
	before := t.state()
	return stay, t.call(ctx, last, before, rollout.StepState{
		Phase: rollout.Updating, Attempt: ended(last) + 1, Failures: before.Failures, Told: before.Told,
		Claim: t.deadline, Began: now, Before: rollout.BaselineOf(a, now), Warnings: warnings,
	}, policy.Forces(t.cluster().Name+"/"+t.step.Group, before))
}

// before finds out what became of the last attempt at the group, if there was one.
// Whoever does not know whether EKS has begun it must not make another: one that
// EKS knows is followed, and one that it does not is made under the same token.
func (t task) before(ctx context.Context) (last ledger.Intent, adopted bool, err error) {
	i, err := t.Intents.Intent(ctx, t.r.Plan, t.step.ARN)
	switch {
	case errors.Is(err, ledger.ErrAbsent):
		return ledger.Intent{}, false, nil
	case err != nil || !i.Settled.IsZero():
		return i, false, err
	}
	u, found, err := t.last(ctx, i)
	switch {
	case errors.Is(err, fleet.Gone):
		return i, false, nil // the preflight says so
	case err != nil:
		return i, true, t.putOff(ctx, t.i, fmt.Sprintf("It is not known what became of the last attempt: %s.", fleet.TroubleOf(err)))
	case !found:
		return i, false, nil
	case i.Begun.Before(t.r.Started) && over(u):
		// It is of an earlier rollout of the same plan, and told there.
		i.Settled = t.now()
		return i, false, t.Intents.SettleIntent(ctx, i, strings.ToLower(u.Status))
	}
	return i, true, t.adopt(ctx, u, i.Attempt, false)
}

// ended is the number of the last attempt that is known to have ended, 0 for none.
func ended(last ledger.Intent) int {
	if last.Attempt > 0 && last.Settled.IsZero() {
		return last.Attempt - 1
	}
	return last.Attempt
}

// last finds the update that an intent may have begun.
func (t task) last(ctx context.Context, i ledger.Intent) (fleet.Update, bool, error) {
	return t.Surveyor.LastUpdate(ctx, t.target(), t.cluster().Name, t.step.Group, i.Begun.Add(-skew))
}

func over(u fleet.Update) bool {
	return u.Status == "Successful" || u.Status == "Failed" || u.Status == "Cancelled"
}

// adopt follows an update that is there already.
func (t task) adopt(ctx context.Context, u fleet.Update, attempt int, others bool) error {
	st := t.again(t.state())
	st.Phase, st.Attempt, st.Update, st.Adopted, st.Began = rollout.Updating, attempt, u.ID, others, u.CreatedAt
	return t.put(ctx, st)
}

// allowed holds the policy that the tags of the cluster lead to, which may allow
// less than the one by which it was chosen.
func (t task) allowed(ctx context.Context, p rollout.Policy) (bool, error) {
	switch mode := p.Mode.Within(t.r.Members[t.i].Mode); {
	case mode == rollout.Report:
		return false, t.leaveOut(ctx, t.i, t.p, mode)
	case mode == rollout.Approve && t.r.Approved.IsZero():
		t.out.Asks = true // and so do the next beats, without another look
		return false, t.revise(ctx, func(r *rollout.Rollout) bool {
			r.Members[t.i].Mode = mode
			return true
		})
	}
	if fits, why := p.Schedule.Fits(t.now(), t.step.Expected); !fits {
		return false, t.putOff(ctx, t.i, why)
	}
	return true, nil
}

// hindered does what the obstacles of a preflight ask for.
func (t task) hindered(ctx context.Context, last ledger.Intent, a rollout.Around, obstacles []rollout.Obstacle) (move, error) {
	switch o := obstacles[0]; o.Cause {
	case rollout.ObstacleGone, rollout.ObstacleDone, rollout.ObstacleChanged, rollout.ObstacleNotAllowed:
		return onward, t.put(ctx, t.leftOut(t.state(), o.Text))
	case rollout.ObstacleInFlight:
		return stay, t.yield(ctx, last, a.Update.Value)
	case rollout.ObstacleAhead:
		return stay, t.put(ctx, t.failed(t.state(), o.Text))
	}
	texts := make([]string, len(obstacles))
	for k, o := range obstacles {
		texts[k] = o.Text
	}
	return stay, t.putOff(ctx, t.i, strings.Join(texts, " "))
}

// yield follows an update that is in the way. It was none of ours when before
// looked; another run may have begun it since, and what that one does is its own.
func (t task) yield(ctx context.Context, last ledger.Intent, u fleet.Update) error {
	now, adopted, err := t.before(ctx)
	if err != nil || adopted {
		return err
	}
	if open := now.Token != "" && now.Settled.IsZero(); open && now.Token != last.Token {
		return nil
	} else if open { // the next attempt is a new one
		if err := t.Intents.SettleIntent(ctx, now, notBegun); err != nil {
			return err
		}
	}
	return t.adopt(ctx, u, t.state().Attempt, true)
}

// call makes the one write, behind a claim and an intent. The claim says in both
// records that the group is under way before it is, so that whoever reads them
// counts it.
func (t task) call(ctx context.Context, last ledger.Intent, before, claim rollout.StepState, force bool) error {
	revision := t.p.Revision
	if err := t.write(ctx, claim, func(known rollout.Progress) bool { return known.Revision == revision }); err != nil {
		return lost(err)
	}
	barred, err := t.claim(ctx)
	if err != nil {
		return lost(err)
	}
	if barred != "" {
		t.out.Why = barred
		return t.put(ctx, before)
	}
	i, resumed, err := t.Intents.Begin(ctx, t.r.Plan, t.step.ARN, ended(last))
	switch {
	case err != nil:
		return errors.Join(lost(err), t.put(ctx, before)) // no intent, no call
	case resumed && i.Token != last.Token:
		return t.put(ctx, before) // another run has begun the attempt since before looked
	}
	if t.left() < kept {
		t.out.Why = "The records took too long: there is no time left for the call."
		return t.put(ctx, before) // under the same token next time
	}
	update, err := t.Writer.Roll(ctx, t.target(), Order{Cluster: t.cluster().Name, Group: t.step.Group, To: t.step.To, Force: force, Token: i.Token})
	if err == nil {
		t.out.Why = ""
		return t.record(ctx, update)
	}
	return t.declined(ctx, i, resumed, before, err)
}

// claim has the rollout count the group as under way, unless what became of it
// since it was read speaks against that.
func (t task) claim(ctx context.Context) (barred string, err error) {
	now := t.now()
	r, err := t.Store.ReviseRollout(ctx, t.r.ID, func(r *rollout.Rollout) error {
		if barred = r.Bars(t.i, t.step.Group, t.Waves); barred != "" {
			return nil
		}
		if r.Note(t.i, *t.p, now); r.State != rollout.Running {
			barred = r.Why // what has become of the others halts it at this moment
			return nil
		}
		m := &r.Members[t.i]
		m.NotBefore, m.Tries, m.Waiting = zero, 0, ""
		return nil
	})
	if err == nil {
		t.r = r
	}
	return barred, err
}

// record notes the update that EKS began.
func (t task) record(ctx context.Context, update string) error {
	st := t.state()
	st.Update, st.Claim = update, zero
	return t.put(ctx, st)
}

// declined is what becomes of a call without an update.
func (t task) declined(ctx context.Context, i ledger.Intent, resumed bool, before rollout.StepState, answer error) error {
	st := t.state()
	said := fleet.TroubleOf(answer)
	switch said.Kind {
	case fleet.Gone:
		return errors.Join(t.Intents.SettleIntent(ctx, i, overtaken), t.put(ctx, t.leftOut(st, "The group was deleted.")))
	case fleet.Refused:
		return t.decline(ctx, i, fmt.Sprintf("EKS declined the update: %s.", strings.TrimRight(said.Err.Error(), ".")))
	case fleet.Denied, fleet.Unreachable, fleet.RegionDisabled:
		return t.decline(ctx, i, fmt.Sprintf("The call %s was not allowed: %s.", said.Action, strings.TrimRight(said.Err.Error(), ".")))
	case fleet.Busy:
		// Somebody else was faster: the next try finds their update. After a call whose
		// answer was lost it may also be our own.
		if !resumed {
			if err := t.Intents.SettleIntent(ctx, i, notBegun); err != nil {
				return err
			}
		}
		return errors.Join(t.put(ctx, before), t.putOff(ctx, t.i, "EKS is at another change of the group."))
	}
	// Whether EKS has begun it is for the next beat to find out.
	st.Claim = zero
	return errors.Join(answer, t.put(ctx, st))
}

func (t task) decline(ctx context.Context, i ledger.Intent, why string) error {
	if err := t.Intents.SettleIntent(ctx, i, refused+": "+why); err != nil {
		return err
	}
	return t.put(ctx, t.failed(t.state(), why))
}
