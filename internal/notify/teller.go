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
	Told(ctx context.Context, id, channel string, told incident.Told) error
	Settle(ctx context.Context, id string, revision int) error
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
}

// Teller brings every channel up to date with the ledger.
type Teller struct {
	Ledger Ledger
	Slack  Channel // nil when not configured
	SNS    Channel // nil when not configured
	Rules  Rules
	Now    func() time.Time
	Sleep  func(ctx context.Context, d time.Duration) error // notify.Sleep but in tests
}

// Report is what one call of Tell came to.
type Report struct {
	Held    bool           // somebody else is telling; the five-minute tick looks again
	Posted  int            // messages
	Settled int            // incidents of which nobody has to hear any more
	Left    int            // incidents left to the five-minute tick
	Silent  map[string]int // incidents that a channel did not hear of, by reason

	SlackRefused string // why Slack refused a message: the channel itself needs somebody
	SlackDown    string // why Slack did not take a message this time
	SNSFailed    string // why SNS did not take a message
}

// Attrs are the report's log attributes.
func (r Report) Attrs() []slog.Attr {
	attrs := []slog.Attr{
		slog.Bool("held", r.Held), slog.Int("posted", r.Posted), slog.Int("settled", r.Settled), slog.Int("left", r.Left),
	}
	for _, a := range []slog.Attr{
		slog.String("slack_refused", r.SlackRefused), slog.String("slack_down", r.SlackDown), slog.String("sns_failed", r.SNSFailed),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	var reasons []string
	for reason, n := range r.Silent {
		reasons = append(reasons, fmt.Sprintf("%s (%d)", reason, n))
	}
	if len(reasons) > 0 {
		slices.Sort(reasons)
		attrs = append(attrs, slog.String("silent", strings.Join(reasons, "; ")))
	}
	return attrs
}

const (
	// interval is the time between two posts to Slack: an incoming webhook takes
	// about one message per second (https://docs.slack.dev/apis/web-api/rate-limits).
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
	if t.Slack == nil && t.SNS == nil {
		return Report{}, errors.New("nobody can be told: configure a Slack webhook or an SNS topic")
	}
	lease, err := t.lease(ctx)
	if errors.Is(err, ledger.ErrHeld) {
		return Report{Held: true}, nil
	}
	if err != nil {
		return Report{}, err
	}
	r := &round{Teller: t, seen: map[string]int{}, report: Report{Silent: map[string]int{}}}
	err = r.run(ctx, named)
	rest := context.WithoutCancel(ctx) // both must be done after the deadline too, and are short
	return r.report, errors.Join(err, r.pace(rest), lease.Release(rest))
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
