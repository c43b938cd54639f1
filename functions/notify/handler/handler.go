// Package handler is the notify function: it brings Slack and SNS up to date
// with the incidents in the ledger. An event only wakes it and names an
// incident to look at first; what is told is what the ledger says.
package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/notify"
	"github.com/eks-steward/eks-steward/internal/settings"
	"github.com/eks-steward/eks-steward/internal/worker"
)

// Check is the id of the finding about Slack itself.
const Check = "slack-delivery"

// Observer records findings as incidents. What this function finds is announced
// by dispatch, which empties the outbox every five minutes.
type Observer interface {
	Observe(ctx context.Context, f fleet.Finding) (incident.Incident, incident.Transition, error)
}

// Ledger is what the function reads and keeps.
type Ledger interface {
	settings.Accepted
	notify.Ledger
	Observer
}

// Handler is the function with everything it needs.
type Handler struct {
	Ledger Ledger
	Slack  notify.Channel // nil: no Slack
	SNS    notify.Channel
	Hub    fleet.ClusterID // the account and region of the deployment
	Now    func() time.Time
	Sleep  func(ctx context.Context, d time.Duration) error
}

// Handle tells once for the whole batch: its events are one reason to look.
func (h *Handler) Handle(ctx context.Context, batch []events.Event) []worker.Result {
	results := make([]worker.Result, len(batch))
	var named []string
	var awake []int // events that are for us
	for i, e := range batch {
		switch e := e.(type) {
		case *events.IncidentMoved:
			named = append(named, e.Incident)
		case *events.PendingNotices:
		default:
			results[i].Err = worker.Permanent(fmt.Errorf("notify has no use for a %T: it takes moves of incidents and reminders; correct the rule that sends it", e))
			continue
		}
		awake = append(awake, i)
	}
	if len(awake) == 0 {
		return results
	}
	attrs, err := h.tell(ctx, named)
	for _, i := range awake {
		results[i] = worker.Result{Attrs: attrs, Err: err}
	}
	return results
}

func (h *Handler) tell(ctx context.Context, named []string) ([]slog.Attr, error) {
	conf, err := settings.Current(ctx, h.Ledger)
	if errors.Is(err, ledger.ErrAbsent) {
		conf, err = config.Default(), nil
	}
	if err != nil {
		return nil, err
	}
	teller, err := h.teller(conf)
	if err != nil {
		return nil, err
	}
	report, err := teller.Tell(ctx, named)
	return report.Attrs(), errors.Join(err, h.noteSlack(ctx, report))
}

func (h *Handler) teller(conf *config.File) (notify.Teller, error) {
	zone, err := conf.Notify.Location()
	if err != nil {
		return notify.Teller{}, err
	}
	t := notify.Teller{
		Ledger: h.Ledger, SNS: h.SNS, Now: h.Now, Sleep: h.Sleep,
		Rules: notify.Rules{
			MinSeverity: conf.Notify.MinSeverity, DigestAbove: conf.Notify.DigestAbove,
			Location: zone, SNS: conf.Notify.SNS,
		},
	}
	if conf.Notify.Slack {
		t.Slack = h.Slack
	}
	return t, nil
}

// noteSlack makes an incident of a Slack that refuses messages: the people who
// read SNS are told, since those who read Slack cannot be.
func (h *Handler) noteSlack(ctx context.Context, r notify.Report) error {
	f := fleet.Finding{
		Check: Check, Cluster: h.Hub, Outcome: fleet.Pass, At: h.Now(),
		Title: "Slack takes messages", Reason: "The last message was taken.", Expected: "Slack takes every message",
	}
	switch {
	case r.SlackRefused != "":
		f.Outcome, f.Severity, f.Cause = fleet.Fail, fleet.Warning, "refused"
		f.Title = "Slack refuses messages"
		f.Reason = "Slack answered: " + r.SlackRefused
		f.Meaning = "Incidents are told over SNS only."
		f.Remedy = "Make a new incoming webhook and put its URL into the secret that the deployment names; it is used at the next message."
	case r.Posted == 0 || r.SlackDown != "" || h.Slack == nil:
		return nil
	}
	_, _, err := h.Ledger.Observe(ctx, f)
	return err
}
