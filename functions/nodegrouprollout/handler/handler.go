// Package handler is the nodegrouprollout function: it plans a rollout when nodes
// are old, takes the active one on with every tick, and does what people want of
// it. Package rollout decides, package nodegrouprollout carries out. Whatever an
// event says, what counts is what is read; who approved what is in the ledger.
// It lists no clusters: which have old nodes is found by the check node-freshness.
package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/etcdsize"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/nodegrouprollout"
	"github.com/eks-steward/eks-steward/internal/outbox"
	"github.com/eks-steward/eks-steward/internal/rollout"
	"github.com/eks-steward/eks-steward/internal/rules"
	"github.com/eks-steward/eks-steward/internal/settings"
	"github.com/eks-steward/eks-steward/internal/worker"
)

// Ledger is what the function keeps between runs, besides rollouts and the outbox.
type Ledger interface {
	settings.Accepted
	OpenIncidents(ctx context.Context, t fleet.Target) ([]incident.Incident, error)
	Incident(ctx context.Context, id string) (incident.Incident, error)
	Releases(ctx context.Context, region string) ([]fleet.AMIRelease, error)
}

// Rollouts are the rollouts of the fleet.
type Rollouts interface {
	nodegrouprollout.Store
	Rollout(ctx context.Context, id string) (rollout.Rollout, error)
	Rollouts(ctx context.Context) ([]rollout.Rollout, error)
	AllProgress(ctx context.Context, id string) ([]rollout.Progress, error)
}

// Approvals are what people said of plans.
type Approvals interface {
	Approval(ctx context.Context, plan string) (ledger.Approval, error)
	AskApproval(ctx context.Context, a ledger.Approval) (ledger.Approval, error)
	Void(ctx context.Context, plan, why string) error
}

// Lessor lends the right to take rollouts on.
type Lessor interface {
	Lease(ctx context.Context, name, holder string, ttl time.Duration) (*ledger.Lease, error)
}

// FollowUps are plans at a later time.
type FollowUps interface {
	Schedule(ctx context.Context, f ledger.FollowUp) error
	Finish(ctx context.Context, id string) error
}

// Bus hears of every move of a rollout.
type Bus interface {
	PublishRollout(ctx context.Context, m events.RolloutMoved) error
}

// Queue is the function's own queue.
type Queue interface {
	Send(ctx context.Context, messages ...[]byte) error
}

// Handler is the function with everything it needs.
type Handler struct {
	Surveyor  nodegrouprollout.Surveyor
	Writer    nodegrouprollout.Writer
	Switch    nodegrouprollout.Switch
	Rollouts  Rollouts
	Intents   nodegrouprollout.Intents
	Ledger    Ledger
	Approvals Approvals
	Leases    Lessor
	FollowUps FollowUps
	Outbox    outbox.Outbox
	Bus       Bus
	Queue     Queue

	Hub     fleet.ClusterID // account and region of the deployment, which rollouts are told of
	MaxMode string          // no cluster's mode is higher: config.Report, Approve or Enforce
	Now     func() time.Time
}

// Function is what dispatch calls the function.
const Function = events.NodegroupRollout

// Handle does what the event asks for: late, repeated and reordered events change
// nothing.
func (h *Handler) Handle(ctx context.Context, e events.Event) ([]slog.Attr, error) {
	switch e := e.(type) {
	case *events.Tick:
		if e.Cadence != events.FiveMinutes {
			return nil, worker.Permanent(fmt.Errorf("nodegrouprollout has no use for a tick of %s: dispatch passes on those of %s", e.Cadence, events.FiveMinutes))
		}
		return h.beat(ctx, e.Header)
	case *events.IncidentMoved:
		if e.Finding.Check != events.NodeFreshness || e.Finding.Cluster.Name == "" {
			return skipped("no plan follows from it"), nil
		}
		return nil, h.planSoon(ctx)
	case *events.PlanRollout:
		return h.plan(ctx, e)
	case *events.PlanApproved:
		return h.approved(ctx, e)
	case *events.RolloutCommand:
		return h.obey(ctx, e)
	}
	return nil, worker.Permanent(fmt.Errorf("nodegrouprollout has no use for a %T: it takes ticks, findings, plans, approvals and commands; correct the rule that sends it", e))
}

func skipped(why string) []slog.Attr { return []slog.Attr{slog.String("skipped", why)} }

// refuse ends the message of a person: it is neither brought again nor a failure.
func refuse(format string, args ...any) error {
	return &events.Ignored{Reason: "refused: " + fmt.Sprintf(format, args...)}
}

// beat takes the active rollout on by one run, unless another run is at it.
func (h *Handler) beat(ctx context.Context, head events.Header) ([]slog.Attr, error) {
	deadline := worker.Deadline(ctx, h.Now())
	// One that died holds the lease for no longer than it could have lived.
	lease, err := h.Leases.Lease(ctx, Function, head.ID, deadline.Sub(h.Now())+time.Minute)
	switch {
	case errors.Is(err, ledger.ErrHeld):
		return skipped("another run takes the rollout on"), nil
	case err != nil:
		return nil, fmt.Errorf("lease rollouts: %w", err)
	}
	attrs, err := h.beatLeased(ctx, deadline)
	return attrs, errors.Join(err, lease.Release(context.WithoutCancel(ctx)))
}

func (h *Handler) beatLeased(ctx context.Context, deadline time.Time) ([]slog.Attr, error) {
	conf, err := settings.Current(ctx, h.Ledger)
	if err != nil {
		return nil, err
	}
	engine := h.engine(conf)
	result, err := engine.Beat(ctx, deadline)
	if result.Rollout.ID == "" {
		return skipped("no rollout is active"), err
	}
	attrs := progress(result.Rollout)
	if result.Why != "" {
		attrs = append(attrs, slog.String("rollout_waits", result.Why))
	}
	return attrs, errors.Join(err, h.tell(ctx, engine, result))
}

// progress is how far a rollout is, for the log and the dashboard.
func progress(r rollout.Rollout) []slog.Attr {
	var groups, done, busy, failed int
	for _, m := range r.Members {
		groups, done, busy, failed = groups+m.Groups, done+m.Done, busy+m.Busy, failed+m.Failed
	}
	return []slog.Attr{
		slog.String("rollout", r.ID), slog.String("rollout_state", string(r.State)), slog.Int("rollout_groups", groups),
		slog.Int("rollout_done", done), slog.Int("rollout_busy", busy), slog.Int("rollout_failed", failed),
	}
}

func (h *Handler) engine(conf *config.File) *nodegrouprollout.Engine {
	return &nodegrouprollout.Engine{
		Surveyor: h.Surveyor, Writer: h.Writer, Store: h.Rollouts, Intents: h.Intents, Switch: h.Switch,
		Policy:       func(c fleet.Cluster) rollout.Policy { return rules.Rollout(conf, c, h.MaxMode) },
		PolicyFor:    func(c fleet.ClusterID) rollout.Policy { return h.policyFor(conf, c) },
		Waves:        rules.Waves(conf),
		EtcdCritical: h.etcdCritical,
		Announce:     h.announce,
		Now:          h.Now,
	}
}

// policyFor is what holds for a cluster without regard to its tags, which may only
// lower its mode.
func (h *Handler) policyFor(conf *config.File, c fleet.ClusterID) rollout.Policy {
	return rules.Rollout(conf, fleet.Cluster{ID: c}, h.MaxMode)
}

// etcdCritical reports whether the etcd of a cluster is known to be critically
// full: new nodes add objects to it.
func (h *Handler) etcdCritical(ctx context.Context, c fleet.ClusterID) (bool, error) {
	inc, err := h.Ledger.Incident(ctx, incident.ID(fleet.Finding{Cluster: c, Check: etcdsize.Check}))
	if errors.Is(err, ledger.ErrAbsent) {
		return false, nil
	}
	return inc.State == incident.Open && inc.Finding.Severity >= fleet.Critical, err
}

// wake has the function take the rollout on at once, in a run that has all of its
// time. Without it the next tick does.
func (h *Handler) wake(ctx context.Context, head events.Header) error {
	head.ID += "/tick"
	head.Time = h.Now()
	m, err := events.Message(&events.Tick{Header: head, Cadence: events.FiveMinutes})
	if err != nil {
		return fmt.Errorf("encode the tick after %s: %w", head.ID, err)
	}
	return h.Queue.Send(ctx, m)
}
