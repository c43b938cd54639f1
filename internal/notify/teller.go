package notify

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/ledger"
)

// Reader finds the incidents that somebody may have to hear of.
type Reader interface {
	Incident(ctx context.Context, id string) (incident.Incident, error)
	Untold(ctx context.Context) ([]incident.Incident, error)
}

// Recorder notes who has heard of what.
type Recorder interface {
	Told(ctx context.Context, id, route string, told incident.Told) error
	Settle(ctx context.Context, read incident.Incident, look time.Time) error
}

// Almanac knows what is open, and on which day each route had its daily digest.
type Almanac interface {
	OpenIncidents(ctx context.Context, t fleet.Target) ([]incident.Incident, error)
	DigestDay(ctx context.Context, route string) (string, error)
	NoteDigest(ctx context.Context, route, day string) error
}

// Lessor lends the right to be the only one who tells.
type Lessor interface {
	Lease(ctx context.Context, name, holder string, ttl time.Duration) (*ledger.Lease, error)
}

// Ledger is what the Teller keeps between runs; *ledger.Ledger is one.
type Ledger interface {
	Reader
	Recorder
	Lessor
	Almanac
}

// Teller brings every route up to date with the ledger.
type Teller struct {
	Ledger   Ledger
	Slack    []Route        // the webhook, or channels of an app; none when not configured
	SNS      *Route         // nil when not configured
	Machines *Route         // nil when not configured
	Targets  []fleet.Target // whose incidents are in daily digests
	Rules    Rules
	Now      func() time.Time
	Sleep    func(ctx context.Context, d time.Duration) error // notify.Sleep but in tests
}

// Report is what one call of Tell came to.
type Report struct {
	Held    bool           // somebody else is telling; the five-minute tick looks again
	Posted  int            // messages that were put up, changed or answered
	Settled int            // incidents of which nobody has to hear any more for now
	Left    int            // incidents left to the five-minute tick
	Silent  map[string]int // incidents that a route did not hear of, by reason

	Took      map[string]bool   // places in Slack that took everything
	Refused   map[string]string // why others refused a message, by route: they need somebody
	SlackDown string            // why Slack did not take a message this time
	SNSFailed string            // why a topic did not take a message
}

// note is about one delivery to Slack.
func (r *Report) note(route string, err error) {
	var (
		refused *Refused
		busy    *Busy
	)
	switch {
	case err == nil:
		r.Posted++
		r.Took[route] = r.Refused[route] == ""
	case errors.As(err, &refused):
		r.Refused[route] = refused.Reason
		delete(r.Took, route)
	case !errors.As(err, &busy):
		r.SlackDown = err.Error()
	}
}

// Attrs are the report's log attributes.
func (r Report) Attrs() []slog.Attr {
	attrs := []slog.Attr{
		slog.Bool("held", r.Held), slog.Int("posted", r.Posted), slog.Int("settled", r.Settled), slog.Int("left", r.Left),
	}
	var refused, silent []string
	for route, why := range r.Refused {
		refused = append(refused, route+": "+why)
	}
	for reason, n := range r.Silent {
		silent = append(silent, fmt.Sprintf("%s (%d)", reason, n))
	}
	slices.Sort(refused)
	slices.Sort(silent)
	for _, a := range []slog.Attr{
		slog.String("slack_refused", strings.Join(refused, "; ")), slog.String("slack_down", r.SlackDown),
		slog.String("sns_failed", r.SNSFailed), slog.String("silent", strings.Join(silent, "; ")),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	return attrs
}

const (
	// interval is the time between two messages to one place in Slack. A channel
	// takes about one message per second, by webhook or by chat.postMessage, and
	// chat.update is called more than 50 times per minute at most
	// (https://docs.slack.dev/apis/web-api/rate-limits).
	interval = time.Second
	// margin is what stays of the time for SNS and the ledger when Slack is slow.
	margin = 5 * time.Second
	// recording bounds the writes to the ledger once a message is out, which the
	// end of the run must not cancel: what is not recorded is told again.
	recording = 4 * time.Second
	// noDeadline stands for the time of a run that has no end of its own.
	noDeadline = 5 * time.Minute

	leaseName  = "notify"
	leaseTries = 3
	leaseWait  = 2 * time.Second
)

// Tell tells what is new of the named incidents and of all untold ones. It
// returns an error when the ledger failed or an incident that is worth telling
// reached nobody; what it did not get to, the next call finds.
func (t Teller) Tell(ctx context.Context, named []string) (Report, error) {
	if len(t.Slack) == 0 && t.SNS == nil && t.Machines == nil {
		return Report{}, errors.New("nobody can be told: configure Slack or an SNS topic")
	}
	if t.SNS != nil && t.Rules.SNS == Fallback {
		behind := *t.SNS
		behind.Behind = t.Slack
		t.SNS = &behind
	}
	lease, err := t.lease(ctx)
	if errors.Is(err, ledger.ErrHeld) {
		return Report{Held: true}, nil
	}
	if err != nil {
		return Report{}, err
	}
	r := &round{Teller: t, seen: map[string]int{}, touched: map[string]time.Time{}, report: Report{
		Silent: map[string]int{}, Took: map[string]bool{}, Refused: map[string]string{},
	}}
	err = errors.Join(r.run(ctx, named), r.daily(ctx))
	after := context.WithoutCancel(ctx) // these must be done after the deadline too, and are short
	for _, route := range t.Slack {
		err = errors.Join(err, r.pace(after, route.ID))
	}
	return r.report, errors.Join(err, lease.Release(after))
}

// lease waits a little for a holder that is about to finish. Whoever holds the
// lease looks for new incidents before giving it back.
func (t Teller) lease(ctx context.Context) (*ledger.Lease, error) {
	holder := "notify-" + rand.Text()
	for try := 1; ; try++ {
		lease, err := t.Ledger.Lease(ctx, leaseName, holder, t.left(ctx)+margin)
		if !errors.Is(err, ledger.ErrHeld) || try == leaseTries || t.left(ctx) < leaseWait+margin {
			return lease, err
		}
		if err := t.Sleep(ctx, leaseWait); err != nil {
			return nil, err
		}
	}
}

// left is the time until the context ends.
func (t Teller) left(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return noDeadline
	}
	return deadline.Sub(t.Now())
}

// Sleep waits for d, or until the context ends.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
