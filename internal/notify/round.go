package notify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/ledger"
)

// round is one holding of the lease.
type round struct {
	Teller
	posted time.Time      // last post to Slack
	seen   map[string]int // revision that was looked at, by incident
	report Report
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

// tell brings the channels up to date with incs and settles what is through.
func (r *round) tell(ctx context.Context, incs []incident.Incident) error {
	slack, err := r.toSlack(ctx, incs)
	if err != nil {
		return err
	}
	sns, err := r.toSNS(ctx, incs, slack)
	if err != nil {
		return err
	}
	return r.settle(ctx, incs, slack, sns)
}

// hearing is how far one channel got, by incident.
type hearing struct {
	through map[string]bool   // has heard what there is to hear
	failed  map[string]string // did not take it: why, as a sentence for people
	refused map[string]bool   // failed, and trying again would not help
}

func newHearing() hearing {
	return hearing{through: map[string]bool{}, failed: map[string]string{}, refused: map[string]bool{}}
}

func (h hearing) fail(why string, messages ...Message) {
	for _, m := range messages {
		for _, n := range m.Notices {
			h.failed[n.Incident.ID()] = why
		}
	}
}

// toSlack posts for as long as Slack takes messages and there is time.
func (r *round) toSlack(ctx context.Context, incs []incident.Incident) (hearing, error) {
	h := newHearing()
	if r.Slack == nil {
		return h, nil
	}
	messages, silent := Plan(incs, Slack, r.Rules)
	r.pass(h, silent)
	for i, m := range messages {
		var (
			err     = r.post(ctx, m)
			busy    *Busy
			refused *Refused
		)
		switch {
		case err == nil:
			if err := r.record(ctx, Slack, m, h); err != nil {
				return h, err
			}
		case errors.As(err, &busy):
			return h, nil // the rest stays untold, and the five-minute tick brings it again
		case errors.As(err, &refused):
			r.report.SlackRefused = refused.Reason
			h.fail("Slack refused this message ("+refused.Reason+"): the webhook needs somebody.", m)
			for _, n := range m.Notices {
				h.refused[n.Incident.ID()] = true
			}
		default: // the next ones would wait as long for the same
			r.report.SlackDown = err.Error()
			h.fail("Slack did not answer, so this comes to you here.", messages[i:]...)
			return h, nil
		}
	}
	return h, nil
}

// toSNS publishes what SNS has to hear under the rules, and what Slack failed to
// take. The SDK paces and retries by itself.
func (r *round) toSNS(ctx context.Context, incs []incident.Incident, slack hearing) (hearing, error) {
	h := newHearing()
	if r.SNS == nil {
		return h, nil
	}
	messages, silent := r.planSNS(incs, slack)
	r.pass(h, silent)
	for _, m := range messages {
		m.Note = note(m, slack)
		if _, err := r.SNS.Post(ctx, m); err != nil {
			r.report.SNSFailed = err.Error()
			h.fail(err.Error(), m)
			continue
		}
		if err := r.record(ctx, SNS, m, h); err != nil {
			return h, err
		}
	}
	return h, nil
}

func (r *round) planSNS(incs []incident.Incident, slack hearing) ([]Message, []Silence) {
	always := r.Rules
	always.SNS = Always
	if r.Rules.SNS != Fallback || r.Slack == nil {
		return Plan(incs, SNS, always)
	}
	var failed, others []incident.Incident
	for _, inc := range incs {
		if _, ok := slack.failed[inc.ID()]; ok {
			failed = append(failed, inc)
		} else {
			others = append(others, inc)
		}
	}
	messages, silent := Plan(failed, SNS, always)
	more, quiet := Plan(others, SNS, r.Rules)
	return append(messages, more...), append(silent, quiet...)
}

// note is what a message on SNS has to say about Slack.
func note(m Message, slack hearing) string {
	for _, n := range m.Notices {
		if why := slack.failed[n.Incident.ID()]; why != "" {
			return why
		}
	}
	return ""
}

// settle closes the books on every incident that each channel is through with.
// A message that Slack refused and SNS took counts as told to Slack: to try it
// again would be refused again, every five minutes.
func (r *round) settle(ctx context.Context, incs []incident.Incident, slack, sns hearing) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recording)
	defer cancel()
	var settled []incident.Incident
	unheard := 0
	for _, inc := range incs {
		id := inc.ID()
		stillSlack := r.Slack != nil && !slack.through[id] && !(slack.refused[id] && sns.through[id])
		if stillSlack || r.SNS != nil && !sns.through[id] {
			r.report.Left++
		} else {
			settled = append(settled, inc)
		}
		_, failedSlack := slack.failed[id]
		_, failedSNS := sns.failed[id]
		if (failedSlack || failedSNS) && !slack.through[id] && !sns.through[id] {
			unheard++
		}
	}
	err := each(len(settled), func(i int) error { return r.close(ctx, settled[i], slack) })
	if err == nil {
		r.report.Settled += len(settled)
	}
	if unheard > 0 {
		reasons := slices.Compact(slices.Sorted(maps.Values(slack.failed)))
		reasons = append(reasons, slices.Compact(slices.Sorted(maps.Values(sns.failed)))...)
		err = errors.Join(err, fmt.Errorf("%s reached nobody: %q", count(unheard, "incident"), reasons))
	}
	return err
}

func (r *round) close(ctx context.Context, inc incident.Incident, slack hearing) error {
	if slack.refused[inc.ID()] {
		if err := r.Ledger.Told(ctx, inc.ID(), Slack, r.told(inc)); err != nil {
			return err
		}
	}
	return r.Ledger.Settle(ctx, inc.ID(), inc.Revision)
}

// pass notes the incidents of which a channel does not have to hear.
func (r *round) pass(h hearing, silent []Silence) {
	for _, s := range silent {
		h.through[s.Incident.ID()] = true
		r.report.Silent[s.Reason]++
	}
}

// record notes in the ledger that a channel has heard a message. It follows each
// post at once: a crash in between repeats that message and no other.
func (r *round) record(ctx context.Context, channel string, m Message, h hearing) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recording)
	defer cancel()
	r.report.Posted++
	err := each(len(m.Notices), func(i int) error {
		inc := m.Notices[i].Incident
		return r.Ledger.Told(ctx, inc.ID(), channel, r.told(inc))
	})
	for _, n := range m.Notices {
		h.through[n.Incident.ID()] = true
	}
	return err
}

func (r *round) told(inc incident.Incident) incident.Told {
	return incident.Told{Revision: inc.Revision, State: inc.State, Fingerprint: inc.Fingerprint(), At: r.Now()}
}

// tries is how often Slack is asked to take one message while it is down.
const tries = 3

// post posts to Slack at its pace, and waits where that may help and there is
// time: as long as a 429 says, a little longer each time when it does not answer.
func (r *round) post(ctx context.Context, m Message) error {
	backoff := interval
	for try := 1; ; try++ {
		if err := r.pace(ctx); err != nil {
			return &Down{Err: err}
		}
		left := r.left(ctx) - margin
		if left <= 0 {
			return &Busy{After: interval}
		}
		err := r.postOnce(ctx, m, left)
		var (
			busy    *Busy
			refused *Refused
			wait    = backoff
		)
		switch {
		case err == nil, errors.As(err, &refused):
			return err
		case errors.As(err, &busy):
			wait = max(busy.After, interval)
			try-- // Slack answers: only time limits how often it may say "later"
		case try == tries:
			return err
		default:
			backoff *= 2
		}
		if wait >= r.left(ctx)-margin || r.Sleep(ctx, wait) != nil {
			return err
		}
	}
}

func (r *round) postOnce(ctx context.Context, m Message, left time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	defer func() { r.posted = r.Now() }()
	_, err := r.Slack.Post(ctx, m)
	return err
}

// pace waits until Slack may be posted to again, by this holder of the lease or
// by the next.
func (r *round) pace(ctx context.Context) error {
	if r.posted.IsZero() {
		return nil
	}
	if wait := interval - r.Now().Sub(r.posted); wait > 0 {
		return r.Sleep(ctx, wait)
	}
	return nil
}

// parallel is how many records of the ledger are read or written at a time: a
// digest of 500 incidents must be noted within seconds.
const parallel = 8

// each calls do for 0 to n-1, some at a time, and joins the errors.
func each(n int, do func(i int) error) error {
	var (
		wg   sync.WaitGroup
		errs = make([]error, n)
		free = make(chan struct{}, parallel)
	)
	for i := range n {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			errs[i] = do(i)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
