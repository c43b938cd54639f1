// Package handler is the etcdsize function: it looks how full the etcd of every
// cluster of a target is and records what it finds. It writes to nothing but
// the product's own ledger, bus and topic.
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
	"github.com/eks-steward/eks-steward/internal/outage"
	"github.com/eks-steward/eks-steward/internal/outbox"
	"github.com/eks-steward/eks-steward/internal/settings"
	"github.com/eks-steward/eks-steward/internal/worker"
)

// Ledger is what the function keeps between runs.
type Ledger interface {
	settings.Accepted
	OpenIncidents(ctx context.Context, t fleet.Target) ([]incident.Incident, error)
	SetWatchList(ctx context.Context, w ledger.WatchList) error
}

// Lessor lends the right to scan a target.
type Lessor interface {
	Lease(ctx context.Context, name, holder string, ttl time.Duration) (*ledger.Lease, error)
}

// Handler is the function with everything it needs.
type Handler struct {
	Source etcdsize.Source
	Ledger Ledger
	Leases Lessor
	Outbox outbox.Outbox
	Outage outage.Watch
	Now    func() time.Time
}

// Handle looks at what the event points to.
func (h *Handler) Handle(ctx context.Context, e events.Event) ([]slog.Attr, error) {
	switch e := e.(type) {
	case *events.TargetScan:
		return h.scanTarget(ctx, e)
	case *events.EKSCall:
		return h.lookAgain(ctx, e)
	}
	return nil, worker.Permanent(fmt.Errorf("etcdsize has no use for a %T: it takes target scans and EKS calls; correct the rule that sends it", e))
}

// leaseTime outlives the function's longest run; a run that died holds its
// target no longer than this.
const leaseTime = 5 * time.Minute

func (h *Handler) scanTarget(ctx context.Context, e *events.TargetScan) ([]slog.Attr, error) {
	lease, err := h.Leases.Lease(ctx, "etcdsize/"+string(e.Cadence)+"/"+e.Target.String(), e.ID, leaseTime)
	switch {
	case errors.Is(err, ledger.ErrHeld):
		return []slog.Attr{slog.String("skipped", "another run scans this target")}, nil
	case errors.Is(err, ledger.ErrUnavailable):
		return h.withoutLedger(ctx, e, err)
	case err != nil:
		return nil, fmt.Errorf("lease %s: %w", e.Target, err)
	}
	attrs, err := h.scanHeld(ctx, e)
	return attrs, errors.Join(err, lease.Release(context.WithoutCancel(ctx))) // a run out of time gives it back too
}

// scanHeld scans a target whose lease this run has. A write that fails is no
// outage: the scan comes again, and whether it gets the lease tells.
func (h *Handler) scanHeld(ctx context.Context, e *events.TargetScan) ([]slog.Attr, error) {
	order := etcdsize.Order{Target: e.Target, Clusters: e.Clusters}
	err := h.inform(ctx, &order)
	switch {
	case errors.Is(err, ledger.ErrUnavailable):
		return h.withoutLedger(ctx, e, err)
	case err != nil:
		return nil, err
	}
	return h.scan(ctx, order)
}

// lookAgain follows an event: it names the cluster, the rest is read.
func (h *Handler) lookAgain(ctx context.Context, e *events.EKSCall) ([]slog.Attr, error) {
	conf, err := h.settings(ctx)
	if err != nil {
		return nil, err
	}
	target, ok := conf.Target(e.Account, e.Region)
	if !ok {
		return nil, worker.Permanent(fmt.Errorf("account %s in %s is no target of the configuration: add it, or stop forwarding its events", e.Account, e.Region))
	}
	order := etcdsize.Order{Target: target}
	if e.Cluster != "" {
		order.Clusters = []string{e.Cluster}
	}
	if err := h.inform(ctx, &order); err != nil {
		return nil, err
	}
	return h.scan(ctx, order)
}

// inform adds to an order what the ledger knows: the configuration, and what is
// open.
func (h *Handler) inform(ctx context.Context, order *etcdsize.Order) error {
	conf, err := h.settings(ctx)
	if err != nil {
		return err
	}
	open, err := h.Ledger.OpenIncidents(ctx, order.Target)
	if err != nil {
		return fmt.Errorf("read the open incidents of %s: %w", order.Target, err)
	}
	hold(order, open)
	order.Rules, order.OwnerTag = rulesOf(conf), conf.Notify.OwnerTag
	return nil
}

// scan collects, evaluates, records and publishes.
func (h *Handler) scan(ctx context.Context, order etcdsize.Order) ([]slog.Attr, error) {
	report := h.read(ctx, order)
	news, unannounced, err := h.Outbox.Record(ctx, worthRecording(report.Findings, order))
	if err == nil && report.Complete && len(order.Clusters) == 0 {
		err = h.Ledger.SetWatchList(ctx, ledger.WatchList{Target: order.Target, Clusters: report.Watch})
	}
	return append(summary(report), slog.Int("news", news), slog.Int("unannounced", unannounced)), err
}

// recording is the time that is kept for what the scan found: a scan that reads
// until the function's end would have seen everything and said nothing.
const recording = 10 * time.Second

func (h *Handler) read(ctx context.Context, order etcdsize.Order) etcdsize.Report {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-recording))
		defer cancel()
	}
	return etcdsize.Scan(ctx, h.Source, order, h.Now())
}

// settings reads the configuration in force and remembers it.
func (h *Handler) settings(ctx context.Context) (*config.File, error) {
	conf, err := settings.Current(ctx, h.Ledger)
	if err != nil {
		return nil, err
	}
	h.Outage.Remember(conf)
	return conf, nil
}

func rulesOf(conf *config.File) func(fleet.ClusterID) etcdsize.Rules {
	return func(c fleet.ClusterID) etcdsize.Rules { return etcdsize.Rules(conf.EtcdSizeFor(c)) }
}

// hold tells the scan what is open already.
func hold(order *etcdsize.Order, open []incident.Incident) {
	order.Held = map[string]fleet.Severity{}
	for _, inc := range open {
		switch inc.Finding.Check {
		case etcdsize.Check:
			order.Held[inc.Finding.Cluster.Name] = inc.Finding.Severity
		case etcdsize.AccessCheck:
			order.AccessHeld = true
		}
	}
}

// worthRecording leaves out what would change nothing: passes without an open
// incident, and clusters that are unknown only because their target is.
func worthRecording(findings []fleet.Finding, order etcdsize.Order) []fleet.Finding {
	var worth []fleet.Finding
	for _, f := range findings {
		_, held := order.Held[f.Cluster.Name]
		held = held || f.Check == etcdsize.AccessCheck && order.AccessHeld
		trouble := f.Outcome == fleet.Fail || f.Outcome == fleet.Unknown
		if f.Cause != etcdsize.CauseTarget && (trouble || held) {
			worth = append(worth, f)
		}
	}
	return worth
}

func summary(r etcdsize.Report) []slog.Attr {
	count := map[fleet.Outcome]int{}
	for _, f := range r.Findings {
		count[f.Outcome]++
	}
	return []slog.Attr{
		slog.Int("clusters", len(r.Findings)-1),
		slog.Int("failing", count[fleet.Fail]), slog.Int("unknown", count[fleet.Unknown]),
		slog.Int("watched", len(r.Watch)), slog.Bool("complete", r.Complete),
	}
}

// withoutLedger still looks, and tells what is critical: once an hour, so only
// the hourly scan does.
func (h *Handler) withoutLedger(ctx context.Context, e *events.TargetScan, cause error) (said []slog.Attr, err error) {
	if e.Cadence != events.Hourly {
		return nil, cause
	}
	err = h.Outage.Tell(ctx, e.Target, e.Time.Truncate(time.Hour), cause, func(conf *config.File) outage.Sight {
		report := h.read(ctx, etcdsize.Order{Target: e.Target, Clusters: e.Clusters, Rules: rulesOf(conf)})
		var critical []fleet.Finding
		for _, f := range report.Findings {
			if f.Severity == fleet.Critical {
				critical = append(critical, f)
			}
		}
		said = append(summary(report), slog.Int("critical", len(critical)))
		return outage.Sight{Critical: critical, Whole: !report.Passing}
	})
	return said, err
}
