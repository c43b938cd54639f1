package handler

import (
	"context"
	"errors"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
)

// welcome has new targets looked at, those of the first deployment among them:
// whoever has just added one does not wait for the daily beat to hear of it.
func (h *Handler) welcome(ctx context.Context, tick *events.Tick, fresh []fleet.Target) (int, error) {
	if len(fresh) == 0 {
		return 0, nil
	}
	// First, so that one queue that is down does not have the others' work done over
	// again: a first look that is lost comes with the beats like any other.
	if err := h.Ledger.KnowTargets(ctx, fresh); err != nil {
		return 0, err
	}
	var failures []error
	for function, c := range map[string]events.Cadence{events.EtcdSize: events.Hourly, events.ClusterCheck: events.Daily, events.SecretsEncryption: events.Daily} {
		_, err := h.scanAll(ctx, function, tick, c, fresh)
		failures = append(failures, err)
	}
	return len(fresh), errors.Join(failures...)
}

// leave closes what is open of targets that left the configuration: nobody looks
// there any more, and people would be reminded of it for ever. A look that was on
// its way may open something again, so a target is forgotten when nothing is open.
func (h *Handler) leave(ctx context.Context, gone []fleet.Target) (closed int, err error) {
	var (
		forgotten []fleet.Target
		failures  []error
	)
	for _, t := range gone {
		open, err := h.Ledger.OpenIncidents(ctx, t)
		left := h.left(open)
		switch {
		case err != nil:
			failures = append(failures, err)
		case len(left) == 0:
			forgotten = append(forgotten, t)
			continue
		}
		_, _, err = h.Outbox.Record(ctx, left)
		failures = append(failures, err)
		closed += len(left)
	}
	if len(forgotten) > 0 {
		failures = append(failures, h.Ledger.ForgetTargets(ctx, forgotten))
	}
	return closed, errors.Join(failures...)
}

// causeLeft is of what is closed because its target left the configuration.
const causeLeft = "not-watched"

// left are the findings that close incidents of a target that was left. What is open
// of the hub itself, such as its configuration, is not of a target.
func (h *Handler) left(open []incident.Incident) []fleet.Finding {
	var all []fleet.Finding
	for _, inc := range open {
		f := inc.Finding
		if f.Cluster == h.Hub {
			continue
		}
		what := f.Cluster.Name
		if what == "" {
			what = f.Cluster.Account + "/" + f.Cluster.Region
		}
		all = append(all, fleet.Finding{
			Check: f.Check, Cluster: f.Cluster, Resource: f.Resource, Owner: f.Owner,
			Outcome: fleet.NotApplicable, Cause: causeLeft, At: h.Now(),
			Title:  what + " is not watched any more",
			Reason: "Account " + f.Cluster.Account + " in " + f.Cluster.Region + " left the configuration. What was wrong may still be.",
		})
	}
	return all
}
