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

// Slack is what the secret of the deployment opens: one place with the address of
// a webhook, with the token of a bot the channels that the configuration names.
type Slack interface {
	Token(ctx context.Context) (bool, error)
	Webhook() notify.Channel
	Channel(id string) notify.Channel
}

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
	Ledger    Ledger
	Slack     Slack           // nil: no Slack
	SNS       notify.Channel  // for people
	Machines  notify.Channel  // nil: none
	Dashboard string          // its address; empty for none
	Hub       fleet.ClusterID // the account and region of the deployment
	Now       func() time.Time
	Sleep     func(ctx context.Context, d time.Duration) error
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
	zone, err := conf.Notify.Location()
	if err != nil {
		return nil, err
	}
	places, err := h.places(ctx, conf)
	if err != nil {
		return nil, err
	}
	teller := notify.Teller{
		Ledger: h.Ledger, Slack: places.routes, Rules: h.rules(conf, zone), Targets: targets(conf, h.Hub),
		SNS: &notify.Route{ID: notify.SNS, Channel: h.SNS, MinSeverity: conf.Notify.MinSeverity},
		Now: h.Now, Sleep: h.Sleep,
	}
	if h.Machines != nil {
		teller.Machines = &notify.Route{ID: notify.Machines, Channel: h.Machines}
	}
	report, err := teller.Tell(ctx, named)
	return report.Attrs(), errors.Join(err, h.noteSlack(ctx, places, report))
}

func (h *Handler) rules(conf *config.File, zone *time.Location) notify.Rules {
	n := conf.Notify
	return notify.Rules{
		DigestAbove: n.DigestAbove, Location: zone, SNS: n.SNS,
		RemindCritical: n.RemindCritical, RemindWarning: n.RemindWarning,
		Muted: func(f fleet.Finding, now time.Time) (time.Time, string) {
			m, _ := conf.Muted(f.Cluster, f.Check, f.Resource, now)
			return m.Ends(zone), m.Reason
		},
		Mention: n.Mention,
		Links:   notify.Links{Runbooks: n.Runbooks, Dashboard: h.Dashboard},
	}
}

// targets are all accounts and regions with incidents: the watched ones, and that
// of the deployment for what is about itself.
func targets(conf *config.File, hub fleet.ClusterID) []fleet.Target {
	all := conf.Targets()
	if _, watched := conf.Target(hub.Account, hub.Region); !watched {
		all = append(all, fleet.Target{Account: hub.Account, Region: hub.Region})
	}
	return all
}
