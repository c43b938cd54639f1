package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/fanout"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/ledger"
)

// round is one holding of the lease.
type round struct {
	Teller
	touched map[string]time.Time // last call to a place in Slack, by route
	seen    map[string]int       // revision that was looked at, by incident
	report  Report
}

// run looks until nothing new is found: those who wait for the lease rely on it.
func (r *round) run(ctx context.Context, named []string) error {
	fresh, err := r.fresh(ctx, named)
	for len(fresh) > 0 {
		err = errors.Join(err, r.tell(ctx, fresh))
		if err != nil || r.left(ctx) < margin {
			return err
		}
		fresh, err = r.fresh(ctx, nil)
	}
	return err
}

// fresh reads the named and the untold incidents, but those that it has read
// before and that did not move since. The list of the untold may lag behind the
// last holder's writes, so it only names incidents, and each is read by itself.
func (r *round) fresh(ctx context.Context, named []string) ([]incident.Incident, error) {
	untold, listErr := r.Ledger.Untold(ctx)
	ids := slices.Clone(named)
	for _, inc := range untold {
		if inc.Revision > r.seen[inc.ID()] {
			ids = append(ids, inc.ID())
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)

	found := make([]incident.Incident, len(ids))
	readErr := each(len(ids), func(i int) (err error) {
		found[i], err = r.Ledger.Incident(ctx, ids[i])
		if errors.Is(err, ledger.ErrAbsent) {
			return nil // long over and forgotten: the zero incident has no revision
		}
		return err
	})
	fresh := slices.DeleteFunc(found, func(inc incident.Incident) bool { return inc.Revision <= r.seen[inc.ID()] })
	for _, inc := range fresh {
		r.seen[inc.ID()] = inc.Revision
	}
	return fresh, errors.Join(listErr, readErr)
}

// tell brings the routes up to date with incs and settles what is through.
func (r *round) tell(ctx context.Context, incs []incident.Incident) error {
	heard := hearings{}
	for _, route := range r.Slack {
		h, err := r.toSlack(ctx, incs, route)
		if err != nil {
			return err
		}
		heard[route.ID] = h
	}
	if r.SNS != nil {
		h, err := r.toSNS(ctx, incs, heard)
		if err != nil {
			return err
		}
		heard[SNS] = h
	}
	if r.Machines != nil {
		h, err := r.toMachines(ctx, incs)
		if err != nil {
			return err
		}
		heard[Machines] = h
	}
	return r.settle(ctx, incs, heard)
}

// hearing is how far one route got, by incident.
type hearing struct {
	through map[string]bool          // has heard what there is to hear
	told    map[string]incident.Told // what it heard just now
	failed  map[string]string        // did not take news: why, as a sentence for people
	refused map[string]bool          // did not take it, and trying again would not help
}

func newHearing() hearing {
	return hearing{through: map[string]bool{}, told: map[string]incident.Told{}, failed: map[string]string{}, refused: map[string]bool{}}
}

// fail notes what was not taken. New numbers and reminders are no news: they wait
// for the route, and go nowhere else meanwhile.
func (h hearing) fail(why string, deliveries ...Delivery) {
	for _, d := range deliveries {
		for _, n := range d.Message.Notices {
			if d.Act != Refresh && n.Kind != Reminder {
				h.failed[n.Incident.ID()] = why
			}
		}
	}
}

// hearings are those of all routes, by id.
type hearings map[string]hearing

// failedSlack is why a place in Slack did not take news of the incident; empty
// when each did.
func (hs hearings) failedSlack(id string) string {
	for _, route := range slices.Sorted(maps.Keys(hs)) {
		if why := hs[route].failed[id]; why != "" && route != SNS && route != Machines {
			return why
		}
	}
	return ""
}

// instead is an incident as SNS has to hear of it for Slack, and false where it has
// not. The end of what SNS never heard of waits for a place that does not answer;
// where a place refuses it, SNS hears it as that place would have.
func (hs hearings) instead(inc incident.Incident) (incident.Incident, bool) {
	id := inc.ID()
	if inc.State == incident.Open {
		return inc, hs.failedSlack(id) != ""
	}
	for route, h := range hs {
		if h.refused[id] && inc.Told[SNS].Revision < inc.Revision {
			inc.Told = maps.Clone(inc.Told)
			inc.Told[SNS] = inc.Told[route]
			return inc, true
		}
	}
	return inc, false
}

// toSlack says what is to be said in one place, for as long as Slack takes it and
// there is time.
func (r *round) toSlack(ctx context.Context, incs []incident.Incident, route Route) (hearing, error) {
	h := newHearing()
	deliveries, silent := Plan(incs, route, r.Rules, r.Now())
	broken := r.report.SlackDown != ""
	for i, d := range deliveries {
		d, receipt, err := r.deliver(ctx, route, d)
		var (
			busy    *Busy
			refused *Refused
		)
		isRefused := errors.As(err, &refused)
		switch {
		case err == nil, isRefused && d.Act == Refresh: // the thread says what the message does not
			err = r.record(ctx, route, d.Act, d.Message.Notices, receipt, h)
			if err != nil {
				return h, err
			}
		case isRefused:
			h.fail(refusal(route, refused), d)
			for _, n := range d.Message.Notices {
				h.refused[n.Incident.ID()] = true
			}
		case errors.As(err, &busy):
			broken = true // the rest stays untold, and the five-minute tick brings it again
		default:
			broken = true
			h.fail("Slack did not answer, so this comes to you here.", deliveries[i:]...)
		}
		if broken {
			break
		}
	}
	r.pass(h, silent, broken)
	return h, nil
}

// toSNS publishes what people who read SNS have to hear under the rules, and what
// Slack failed to take. The SDK paces and retries by itself.
func (r *round) toSNS(ctx context.Context, incs []incident.Incident, heard hearings) (hearing, error) {
	h := newHearing()
	deliveries, silent := r.planSNS(incs, heard)
	r.pass(h, silent, false)
	for _, d := range deliveries {
		for _, n := range d.Message.Notices {
			d.Message.Note = cmp.Or(heard.failedSlack(n.Incident.ID()), d.Message.Note)
		}
		if _, err := r.SNS.Channel.Post(ctx, d.Message); err != nil {
			r.report.SNSFailed = err.Error()
			h.fail(err.Error(), d)
			continue
		}
		r.report.Posted++
		if err := r.record(ctx, *r.SNS, d.Act, d.Message.Notices, "", h); err != nil {
			return h, err
		}
	}
	return h, nil
}

// refusal says in a message on SNS why it comes there.
func refusal(route Route, refused *Refused) string {
	return "Slack refused this message (" + refused.Reason + "): " + route.ID + " needs somebody."
}

// planSNS lets SNS hear all news that a place in Slack did not take, whatever SNS
// hears else.
func (r *round) planSNS(incs []incident.Incident, heard hearings) ([]Delivery, []Silence) {
	now := r.Now()
	var failed, others []incident.Incident
	for _, inc := range incs {
		if instead, ok := heard.instead(inc); ok {
			failed = append(failed, instead)
		} else {
			others = append(others, inc)
		}
	}
	deliveries, silent := Plan(failed, Route{ID: SNS, Channel: r.SNS.Channel}, r.Rules, now)
	more, quiet := Plan(others, *r.SNS, r.Rules, now)
	return append(deliveries, more...), append(silent, quiet...)
}

// toMachines publishes every revision, several at a time: machines know the order
// from the revisions.
func (r *round) toMachines(ctx context.Context, incs []incident.Incident) (hearing, error) {
	h := newHearing()
	deliveries, silent := Plan(incs, *r.Machines, r.Rules, r.Now())
	r.pass(h, silent, false)
	errs := make([]error, len(deliveries))
	_ = each(len(deliveries), func(i int) error {
		errs[i] = errors.New("no time was left")
		if r.left(ctx) > margin {
			_, errs[i] = r.Machines.Channel.Post(ctx, deliveries[i].Message)
		}
		return nil
	})
	var taken []Notice
	for i, d := range deliveries {
		if errs[i] != nil {
			r.report.SNSFailed = errs[i].Error()
			continue
		}
		taken = append(taken, d.Message.Notices...)
	}
	r.report.Posted += len(taken)
	return h, r.record(ctx, *r.Machines, Post, taken, "", h)
}

// settle closes the books on every incident that each route is through with. News
// that Slack refused and SNS took counts as told there: to try it again would be
// refused again, every five minutes.
func (r *round) settle(ctx context.Context, incs []incident.Incident, heard hearings) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recording)
	defer cancel()
	var settled []incident.Incident
	unheard := map[string]bool{} // reasons
	lost := 0
	for _, inc := range incs {
		id := inc.ID()
		if heard.through(id) {
			settled = append(settled, inc)
		} else {
			r.report.Left++
		}
		if why := heard.nobody(id); len(why) > 0 {
			lost++
			for _, reason := range why {
				unheard[reason] = true
			}
		}
	}
	err := each(len(settled), func(i int) error { return r.close(ctx, settled[i], heard) })
	if err == nil {
		r.report.Settled += len(settled)
	}
	if lost > 0 {
		err = errors.Join(err, fmt.Errorf("%s reached nobody: %q", fleet.Count(lost, "incident"), slices.Sorted(maps.Keys(unheard))))
	}
	return err
}

// through reports whether nothing is left to say of the incident anywhere.
func (hs hearings) through(id string) bool {
	for _, h := range hs {
		if !h.through[id] && !(h.refused[id] && hs[SNS].through[id]) {
			return false
		}
	}
	return true
}

// nobody is why no route that people read took news of the incident; empty when
// one did, or when there were none. What SNS heard at an earlier try counts.
func (hs hearings) nobody(id string) (why []string) {
	for route, h := range hs {
		_, told := h.told[id]
		switch {
		case route == Machines:
		case told, route == SNS && h.through[id]:
			return nil
		case h.failed[id] != "":
			why = append(why, h.failed[id])
		}
	}
	return why
}

// close settles one incident, and says when it is to be looked at again.
func (r *round) close(ctx context.Context, inc incident.Incident, heard hearings) error {
	known := inc
	known.Told = map[string]incident.Told{}
	maps.Copy(known.Told, inc.Told)
	for route, h := range heard {
		told, ok := h.told[inc.ID()]
		if h.refused[inc.ID()] {
			told, ok = after(Notice{Kind: standing(inc), Incident: inc, Before: inc.Told[route]}, Post, "", r.Now()), true
			if err := r.Ledger.Told(ctx, inc.ID(), route, told); err != nil {
				return err
			}
		}
		if ok {
			known.Told[route] = told
		}
	}
	return r.Ledger.Settle(ctx, inc, nextLook(known, r.routes(), r.Rules, r.Now()))
}

// routes are all places that hear of incidents.
func (r *round) routes() []Route {
	all := slices.Clone(r.Slack)
	for _, topic := range []*Route{r.SNS, r.Machines} {
		if topic != nil {
			all = append(all, *topic)
		}
	}
	return all
}

// pass notes the incidents of which a route does not have to hear. As long as it
// takes no messages, those that came and went stay: its next digest counts them.
func (r *round) pass(h hearing, silent []Silence, broken bool) {
	for _, s := range silent {
		h.through[s.Incident.ID()] = !broken || s.Reason != came
		r.report.Silent[s.Reason]++
	}
}

// record notes in the ledger that a route has heard of incidents. It follows each
// delivery at once: a crash in between repeats that message and no other.
func (r *round) record(ctx context.Context, route Route, act Act, notices []Notice, receipt Receipt, h hearing) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recording)
	defer cancel()
	if len(notices) > 1 {
		receipt = "" // a digest is the message of none of them
	}
	for _, n := range notices {
		id := n.Incident.ID()
		h.told[id], h.through[id] = after(n, act, receipt, r.Now()), true
	}
	return each(len(notices), func(i int) error {
		id := notices[i].Incident.ID()
		return r.Ledger.Told(ctx, id, route.ID, h.told[id])
	})
}

// parallel is how many records of the ledger are read or written at a time: a
// digest of 500 incidents must be noted within seconds.
const parallel = 8

// each calls do for 0 to n-1, some at a time, and joins the errors.
func each(n int, do func(i int) error) error {
	errs := make([]error, n)
	fanout.Each(n, parallel, func(i int) { errs[i] = do(i) })
	return errors.Join(errs...)
}
