package secretsencryption

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
)

// Deps is what carrying out a plan needs.
type Deps struct {
	Reader  Reader
	Writer  Writer
	Intents Intents
	Switch  Switch
}

// An Order is a plan that may be carried out.
type Order struct {
	Plan Plan
	// Approved is when a person approved the plan; zero where the mode asks nobody.
	// A plan that failed is tried again only when it was approved after that.
	Approved time.Time
	// Deadline is when the function is ended by force.
	Deadline time.Time
}

// An Outcome is what became of a plan. The zero Outcome says that nothing was
// tried yet.
type Outcome struct {
	Result Result
	Cause  Cause  // of Blocked
	Why    string // one or more sentences, for Blocked, Refused and Failed
	Update string // id, for Associating and Failed; may be empty for Failed
}

// Result is the kind of an Outcome.
type Result string

// The results. Only Associating and Blocked are worth another look.
const (
	Associating Result = "associating" // EKS is at it: follow the update
	AlreadyDone Result = "done"        // the cluster has a customer key
	Blocked     Result = "blocked"     // nothing was written this time
	Refused     Result = "refused"     // EKS declined: never tried again
	Failed      Result = "failed"      // the update came to nothing: a new attempt needs a new approval
)

// Cause is why nothing was written.
type Cause string

// The causes of Blocked. Those that a person has to end have a finding; the
// others pass by themselves.
const (
	KillSwitch  Cause = "kill-switch"
	NoTime      Cause = "no-time"
	NotActive   Cause = "not-active"
	Busy        Cause = "busy"
	Changed     Cause = "changed" // the plan is void: make another one
	Gone        Cause = "gone"
	KeyUnusable Cause = "key-unusable"
	Denied      Cause = "denied"
)

const (
	// needed is the least time to begin with. The reads before the call may take
	// half of it; the other half is for the call, which must not be cut off
	// between EKS's answer and its record.
	needed = 60 * time.Second
	kept   = 30 * time.Second

	// skew is by how much the clock of EKS may be behind ours: an association that
	// it dates before our intent may still be the one that the intent was for.
	skew = time.Minute
)

// How an attempt ended, as its intent says. The reason follows after ": ".
const (
	successful = "successful"
	failed     = "failed"
	refused    = "refused"
)

// Associate carries out a plan, in the order of docs/design/secretsencryption.md:
// every step that stops it comes before the one write. An error is a trouble that
// may pass, and nothing is lost by asking again: a call whose answer was lost is
// found by its intent.
func Associate(ctx context.Context, d Deps, t fleet.Target, o Order, now time.Time) (Outcome, error) {
	out, err := attempt{d, t, o, now}.run(ctx)
	if err != nil {
		return Outcome{}, fmt.Errorf("associate a key with %s: %w", o.Plan.Cluster, err)
	}
	return out, nil
}

// Follow finds out what became of the last attempt at a plan, and writes nothing
// to AWS. The zero Outcome says that there was none, or that another may be made.
func Follow(ctx context.Context, d Deps, t fleet.Target, o Order, now time.Time) (Outcome, error) {
	out, _, err := attempt{d, t, o, now}.before(ctx)
	if err != nil {
		return Outcome{}, fmt.Errorf("follow the association of %s: %w", o.Plan.Cluster, err)
	}
	return out, nil
}

type attempt struct {
	Deps
	target fleet.Target
	Order
	now time.Time
}

func (a attempt) run(ctx context.Context) (Outcome, error) {
	left := a.Deadline.Sub(a.now)
	reads, cancel := context.WithTimeout(ctx, max(left, needed)-kept)
	defer cancel()
	known, last, err := a.before(reads)
	if err != nil || known.Result != "" {
		return known, err
	}
	if on, err := a.Switch.On(reads); err != nil {
		return blocked(KillSwitch, "The kill switch could not be read, which counts as on: %s.", bare(err)), nil
	} else if on {
		return blocked(KillSwitch, "The kill switch is on."), nil
	}
	if left < needed {
		return blocked(NoTime, "The function has %s left, and a call begins with %s at least.", max(left, 0).Round(time.Second), needed), nil
	}
	if out, err := a.wanted(reads); err != nil || out.Result != "" {
		return out, err
	}
	return a.call(ctx, last)
}

// before finds out what became of the last attempt, and its number.
func (a attempt) before(ctx context.Context) (Outcome, int, error) {
	i, err := a.Intents.Intent(ctx, a.Plan.Hash(), a.Plan.Cluster.String())
	switch {
	case errors.Is(err, ledger.ErrAbsent):
		return Outcome{}, 0, nil
	case err != nil:
		return Outcome{}, 0, err
	case i.Settled.IsZero():
		out, err := a.adopt(ctx, i)
		return out, i.Attempt - 1, err // this one may still be made
	}
	word, why, _ := strings.Cut(i.Outcome, ": ")
	switch {
	case word == successful:
		// EKS may name the key a moment later than it calls the update successful.
		return Outcome{Result: AlreadyDone}, i.Attempt, nil
	case word == refused:
		return Outcome{Result: Refused, Why: why}, i.Attempt, nil
	case a.Approved.After(i.Settled):
		return Outcome{}, i.Attempt, nil
	}
	return Outcome{Result: Failed, Why: why}, i.Attempt, nil
}

// adopt looks for the association that an unsettled intent may have begun. The
// zero Outcome says that there is none.
func (a attempt) adopt(ctx context.Context, i ledger.Intent) (Outcome, error) {
	u, found, err := a.Reader.Association(ctx, a.target, a.Plan.Cluster.Name, i.Begun.Add(-skew))
	switch {
	case errors.Is(err, fleet.Gone):
		return blocked(Gone, "The cluster no longer exists."), nil
	case err != nil:
		return Outcome{}, fmt.Errorf("look for an association that was begun: %w", err)
	case !found:
		return Outcome{}, nil
	}
	switch u.Status {
	case "Successful":
		return Outcome{Result: AlreadyDone, Update: u.ID}, a.Intents.SettleIntent(ctx, i, successful)
	case "Failed", "Cancelled":
		why := failure(u)
		return Outcome{Result: Failed, Update: u.ID, Why: why}, a.Intents.SettleIntent(ctx, i, failed+": "+why)
	}
	return Outcome{Result: Associating, Update: u.ID}, nil
}

// failure is what EKS says of an update that came to nothing.
func failure(u fleet.Update) string {
	said := []string{fmt.Sprintf("EKS says of the update %s: %s.", u.ID, clip(u.Status))}
	for _, e := range u.Errors {
		said = append(said, strings.TrimRight(clip(e.Code+": "+e.Message), ": .")+".")
	}
	if len(u.Errors) == 0 {
		said = append(said, "It gives no error.")
	}
	return strings.Join(said, " ")
}

// wanted reads the cluster and the key again: the plan must still be the one that
// they make.
func (a attempt) wanted(ctx context.Context) (Outcome, error) {
	c, err := a.Reader.Cluster(ctx, a.target, a.Plan.Cluster.Name)
	switch {
	case errors.Is(err, fleet.Gone):
		return blocked(Gone, "The cluster no longer exists."), nil
	case err != nil:
		return Outcome{}, fmt.Errorf("read the cluster again: %w", err)
	case c.KeyARN == a.Plan.Key:
		return Outcome{Result: AlreadyDone}, nil
	case c.KeyARN != "":
		return blocked(Changed, "The cluster has another customer key by now, %s, and EKS cannot change it.", c.KeyARN), nil
	case c.Kind != fleet.KindEKS:
		return blocked(Changed, "The cluster is not run by EKS in the region."), nil
	case c.Status != "ACTIVE":
		return blocked(NotActive, "EKS calls the cluster %s and associates keys with ACTIVE ones only.", clip(c.Status)), nil
	}
	k, err := read(ctx, a.Reader, a.target, a.Plan.Key, a.now)
	if why := unusable(""); errors.As(err, &why) {
		return blocked(KeyUnusable, "%s", why), nil
	}
	if err != nil {
		return Outcome{}, err
	}
	if PlanFor(c, k).Hash() != a.Plan.Hash() {
		return blocked(Changed, "The cluster or its key is no longer what the plan was made from."), nil
	}
	return Outcome{}, nil
}

// call is the one write, behind its intent. last is the number of the attempt
// that is known to have ended.
func (a attempt) call(ctx context.Context, last int) (Outcome, error) {
	i, resumed, err := a.Intents.Begin(ctx, a.Plan.Hash(), a.Plan.Cluster.String(), last)
	if err != nil {
		return Outcome{}, err
	}
	if !i.Settled.IsZero() {
		// Another run made the attempt that was ours to make, and ended it, since
		// before looked.
		return blocked(Busy, "Another run was at the same plan."), nil
	}
	if resumed {
		if out, err := a.adopt(ctx, i); err != nil || out.Result != "" {
			return out, err
		}
	}
	update, err := a.Writer.Associate(ctx, a.target, a.Plan.Cluster.Name, a.Plan.Key, i.Token)
	switch {
	case err == nil:
		return Outcome{Result: Associating, Update: update}, nil
	case errors.Is(err, fleet.Refused):
		why := said(err)
		return Outcome{Result: Refused, Why: why}, a.Intents.SettleIntent(ctx, i, refused+": "+why)
	case errors.Is(err, fleet.Busy):
		return blocked(Busy, "EKS has another change of the cluster under way: %s", said(err)), nil
	case errors.Is(err, fleet.Gone):
		return blocked(Gone, "The cluster no longer exists."), nil
	case errors.Is(err, fleet.Denied), errors.Is(err, fleet.Unreachable), errors.Is(err, fleet.RegionDisabled):
		return blocked(Denied, "The call was not allowed: %s.", bare(err)), nil
	}
	return Outcome{}, err
}

// said is the answer of a service, without our words around it, as a sentence.
func said(err error) string {
	t := fleet.TroubleOf(err)
	return bare(t.Err) + "."
}

func blocked(c Cause, format string, values ...any) Outcome {
	return Outcome{Result: Blocked, Cause: c, Why: fmt.Sprintf(format, values...)}
}
