// Package handler is the etcdsize function: it looks how full the etcd of every
// cluster of a target is and records what it finds. It writes to nothing but
// the product's own ledger, bus and topic.
package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/etcdsize"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/ledger"
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

// Alarm tells people of critical findings when there is no ledger to record
// them in: one digest for the hour that bucket starts.
type Alarm func(ctx context.Context, critical []fleet.Finding, bucket time.Time, cause error) error

// Handler is the function with everything it needs.
type Handler struct {
	Source etcdsize.Source
	Ledger Ledger
	Leases Lessor
	Outbox outbox.Outbox
	Alarm  Alarm
	Now    func() time.Time

	mu   sync.Mutex
	last *config.File         // the configuration of the last run, for when the ledger is down
	told map[string]time.Time // the hour last told in full by target, likewise
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
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = conf
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

// withoutLedger still looks, and tells what is critical. Only the hourly scan
// does: without a ledger nobody knows what was told, so an hour is the digest's
// bucket and the scan that starts it sends it. Every scan fails all the same, so
// that it comes again and is recorded when the ledger is back.
func (h *Handler) withoutLedger(ctx context.Context, e *events.TargetScan, cause error) ([]slog.Attr, error) {
	bucket := e.Time.Truncate(time.Hour)
	if e.Cadence != events.Hourly || h.toldInFull(bucket, e.Target) {
		return nil, cause
	}
	order := etcdsize.Order{Target: e.Target, Clusters: e.Clusters, Rules: rulesOf(h.lastSettings())}
	report := h.read(ctx, order)
	var critical []fleet.Finding
	for _, f := range report.Findings {
		if f.Severity == fleet.Critical {
			critical = append(critical, f)
		}
	}
	var untold error
	if len(critical) > 0 {
		untold = h.Alarm(ctx, critical, bucket, cause)
	}
	if untold == nil && !report.Passing {
		h.tellNoMore(bucket, e.Target)
	}
	return append(summary(report), slog.Int("critical", len(critical))), errors.Join(cause, untold)
}

func (h *Handler) lastSettings() *config.File {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last != nil {
		return h.last
	}
	return config.Default()
}

func (h *Handler) toldInFull(bucket time.Time, t fleet.Target) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.told[t.String()].Equal(bucket)
}

// tellNoMore keeps redeliveries of one hour's scan from repeating its digest.
func (h *Handler) tellNoMore(bucket time.Time, t fleet.Target) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.told == nil {
		h.told = map[string]time.Time{}
	}
	h.told[t.String()] = bucket
}
