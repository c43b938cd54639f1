// Package handler is the dispatch function: every beat of a schedule becomes
// messages to the functions that do the work, one for each target or follow-up
// that is due, and one while a rollout is under way. It also keeps what must not
// depend on one run: the configuration in force, the outbox, and what nobody was
// told yet. It looks at no cluster.
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
	"github.com/eks-steward/eks-steward/internal/outbox"
	"github.com/eks-steward/eks-steward/internal/rollout"
	"github.com/eks-steward/eks-steward/internal/worker"
)

// Ledger is what dispatch reads to find work.
type Ledger interface {
	WatchLists(ctx context.Context) ([]ledger.WatchList, error)
	CompareTargets(ctx context.Context, all []fleet.Target) (fresh, gone []fleet.Target, err error)
	KnowTargets(ctx context.Context, some []fleet.Target) error
	ForgetTargets(ctx context.Context, some []fleet.Target) error
	OpenIncidents(ctx context.Context, t fleet.Target) ([]incident.Incident, error)
	Untold(ctx context.Context) ([]incident.Incident, error)
	Lease(ctx context.Context, name, holder string, ttl time.Duration) (*ledger.Lease, error)
}

// FollowUps are looks that somebody asked for at a later time.
type FollowUps interface {
	DueFollowUps(ctx context.Context) ([]ledger.FollowUp, error)
	Postpone(ctx context.Context, f ledger.FollowUp, next time.Time) error
	Finish(ctx context.Context, id string) error
}

// Rollouts are what tells whether one is to be carried on, and where the next plan
// is asked for.
type Rollouts interface {
	ActiveRollout(ctx context.Context) (rollout.Rollout, error)
	Schedule(ctx context.Context, f ledger.FollowUp) error
}

// Queue sends messages to one function.
type Queue interface {
	Send(ctx context.Context, messages ...[]byte) error
}

// Configuration finds the configuration to go by, with the finding about its
// file.
type Configuration func(ctx context.Context) (*config.File, fleet.Finding, error)

// Handler is the function with everything it needs.
type Handler struct {
	Configuration Configuration
	Ledger        Ledger
	FollowUps     FollowUps
	Rollouts      Rollouts
	Outbox        outbox.Outbox
	Queues        map[string]Queue // by function; without nodegrouprollout there are no rollouts
	Hub           fleet.ClusterID  // where the functions run
	Now           func() time.Time
}

// Handle sends what a tick makes due. Two deliveries of one tick do it once.
func (h *Handler) Handle(ctx context.Context, e events.Event) ([]slog.Attr, error) {
	tick, ok := e.(*events.Tick)
	if !ok {
		return nil, worker.Permanent(fmt.Errorf("dispatch has no use for a %T: it takes ticks; correct the schedule that sends it", e))
	}
	lease, err := h.Ledger.Lease(ctx, "tick/"+string(tick.Cadence)+"/"+tick.Time.UTC().Format(time.RFC3339), tick.ID, tick.Cadence.Interval())
	switch {
	case errors.Is(err, ledger.ErrHeld):
		return []slog.Attr{slog.String("skipped", "this tick was dispatched already")}, nil
	case errors.Is(err, ledger.ErrUnavailable): // scans go out all the same: critical findings must be told
	case err != nil:
		return nil, fmt.Errorf("lease the tick: %w", err)
	}
	attrs, err := h.dispatch(ctx, tick)
	if err != nil && lease != nil {
		err = errors.Join(err, lease.Release(context.WithoutCancel(ctx))) // the next delivery may try again
	}
	return attrs, err
}

func (h *Handler) dispatch(ctx context.Context, tick *events.Tick) ([]slog.Attr, error) {
	conf, err := h.configure(ctx)
	if conf == nil {
		return nil, err
	}
	failures := []error{err}
	var attrs []slog.Attr
	do := func(what string, n int, err error) {
		attrs = append(attrs, slog.Int(what, n))
		failures = append(failures, err)
	}
	switch tick.Cadence {
	case events.Hourly:
		n, err := h.scanAll(ctx, events.EtcdSize, tick, tick.Cadence, conf.Targets())
		do("targets", n, err)
	case events.Daily:
		n, err := h.scanAll(ctx, events.ClusterCheck, tick, tick.Cadence, conf.Targets())
		do("targets", n, err)
		if err == nil {
			failures = append(failures, h.Ledger.KnowTargets(ctx, conf.Targets()))
		}
		_, err = h.scanAll(ctx, events.SecretsEncryption, tick, tick.Cadence, conf.Targets())
		failures = append(failures, err, h.askForPlan(ctx, tick))
	case events.FiveMinutes:
		fresh, gone, err := h.Ledger.CompareTargets(ctx, conf.Targets())
		failures = append(failures, err)
		n, err := h.welcome(ctx, tick, fresh)
		do("new_targets", n, err)
		n, err = h.leave(ctx, gone)
		do("left_incidents", n, err)
		n, err = h.scanWatched(ctx, tick, conf)
		do("watched_targets", n, err)
		n, err = h.followUp(ctx)
		do("follow_ups", n, err)
		n, err = h.carryOn(ctx, tick)
		do("rollouts", n, err)
		n, err = h.Outbox.Flush(ctx)
		do("announced", n, err)
		n, err = h.remind(ctx, tick, conf)
		do("untold", n, err)
	}
	return attrs, errors.Join(failures...)
}

// configure finds the configuration to go by and records what there is to say
// of its file. Without any configuration there is nothing to dispatch.
func (h *Handler) configure(ctx context.Context) (*config.File, error) {
	conf, finding, err := h.Configuration(ctx)
	_, _, recorded := h.Outbox.Record(ctx, []fleet.Finding{finding})
	if errors.Is(recorded, ledger.ErrUnavailable) {
		recorded = nil // the next tick says it again; scans must not wait for it
	}
	return conf, errors.Join(err, recorded)
}

func (h *Handler) scanAll(ctx context.Context, function string, tick *events.Tick, c events.Cadence, targets []fleet.Target) (int, error) {
	var scans []*events.TargetScan
	for _, t := range targets {
		scans = append(scans, &events.TargetScan{Cadence: c, Target: t})
	}
	return h.send(ctx, function, tick, scans)
}

// scanWatched looks at the clusters that cannot wait an hour. A target that
// left the configuration is watched no more.
func (h *Handler) scanWatched(ctx context.Context, tick *events.Tick, conf *config.File) (int, error) {
	lists, unread := h.Ledger.WatchLists(ctx)
	var scans []*events.TargetScan
	for _, w := range lists {
		if t, ok := conf.Target(w.Target.Account, w.Target.Region); ok {
			scans = append(scans, &events.TargetScan{Cadence: tick.Cadence, Target: t, Clusters: w.Clusters})
		}
	}
	n, err := h.send(ctx, events.EtcdSize, tick, scans)
	return n, errors.Join(unread, err)
}

func (h *Handler) send(ctx context.Context, function string, tick *events.Tick, scans []*events.TargetScan) (int, error) {
	var messages [][]byte
	for _, s := range scans {
		s.Header = events.Header{ID: tick.ID + "/" + s.Target.String(), Account: s.Target.Account, Region: s.Target.Region, Time: tick.Time}
		m, err := events.Message(s)
		if err != nil {
			return 0, fmt.Errorf("encode the scan of %s: %w", s.Target, err)
		}
		messages = append(messages, m)
	}
	if err := h.Queues[function].Send(ctx, messages...); err != nil {
		return 0, fmt.Errorf("send scans: %w", err)
	}
	return len(messages), nil
}

// retryAfter is when a follow-up is sent again unless its function has finished
// it by then.
const retryAfter = 5 * time.Minute

// followUp sends the looks that are due. Each is put off before it is sent, so
// that a crash in between costs time, not the look.
func (h *Handler) followUp(ctx context.Context) (int, error) {
	due, unread := h.FollowUps.DueFollowUps(ctx)
	failures := []error{unread}
	sent := 0
	for _, f := range due {
		switch err := h.sendOne(ctx, f); {
		case errors.Is(err, ledger.ErrConflict): // another dispatcher took it
		case err != nil:
			failures = append(failures, fmt.Errorf("follow-up %s: %w", f.ID, err))
		default:
			sent++
		}
	}
	return sent, errors.Join(failures...)
}

func (h *Handler) sendOne(ctx context.Context, f ledger.FollowUp) error {
	queue, ok := h.Queues[f.Function]
	if now := h.Now(); !ok || now.After(f.GiveUp) {
		if err := h.FollowUps.Finish(ctx, f.ID); err != nil {
			return err
		}
		return fmt.Errorf("given up after %d attempts: function %q did not finish it by %s", f.Attempt, f.Function, f.GiveUp.UTC().Format(time.RFC3339))
	}
	if err := h.FollowUps.Postpone(ctx, f, h.Now().Add(retryAfter)); err != nil {
		return err
	}
	if err := queue.Send(ctx, f.Message); err != nil || !f.Once {
		return err
	}
	return h.FollowUps.Finish(ctx, f.ID)
}

// remind wakes notify when somebody is still to be told, or when it is time for a
// daily digest.
func (h *Handler) remind(ctx context.Context, tick *events.Tick, conf *config.File) (int, error) {
	untold, unread := h.Ledger.Untold(ctx)
	if len(untold) == 0 && !conf.Notify.DigestDue(tick.Time.Add(-tick.Cadence.Interval()), tick.Time) {
		return 0, unread
	}
	head := tick.Header
	head.ID += "/pending"
	m, err := events.Message(&events.PendingNotices{Header: head})
	if err != nil {
		return 0, errors.Join(unread, err)
	}
	return len(untold), errors.Join(unread, h.Queues[events.Notify].Send(ctx, m))
}

const (
	// planAfter is how long the daily checks get before the plan that rests on what
	// they find.
	planAfter = time.Hour
	// planUntil is when a plan that nobody made is given up: the next one is due.
	planUntil = 23 * time.Hour
)

// askForPlan has nodegrouprollout look, when the daily checks are through, whether
// nodegroups are to be rolled. The function finishes the follow-up, which has the
// id of the message.
func (h *Handler) askForPlan(ctx context.Context, tick *events.Tick) error {
	if h.Queues[events.NodegroupRollout] == nil {
		return nil
	}
	head := tick.Header
	head.ID += "/plan"
	m, err := events.Message(&events.PlanRollout{Header: head})
	if err != nil {
		return err
	}
	return h.Rollouts.Schedule(ctx, ledger.FollowUp{
		ID: head.ID, Function: events.NodegroupRollout, Message: m, Next: tick.Time.Add(planAfter), GiveUp: tick.Time.Add(planUntil),
	})
}

// carryOn passes the tick on while a rollout needs it. Without one, this is all
// that rollouts cost: one read.
func (h *Handler) carryOn(ctx context.Context, tick *events.Tick) (int, error) {
	queue := h.Queues[events.NodegroupRollout]
	if queue == nil {
		return 0, nil
	}
	r, err := h.Rollouts.ActiveRollout(ctx)
	switch {
	case errors.Is(err, ledger.ErrAbsent):
		return 0, nil
	case err != nil:
		return 0, err
	case r.AtRest():
		return 0, nil
	}
	m, err := events.Message(tick)
	if err != nil {
		return 0, err
	}
	if err := queue.Send(ctx, m); err != nil {
		return 0, fmt.Errorf("carry on with rollout %s: %w", r.ID, err)
	}
	return 1, nil
}
