// Package handler is the clustercheck function: it holds the clusters of a
// target to every check and records what it finds. It follows what takes longer
// than a run, an upgrade or a deletion, to its end. It writes to nothing but the
// product's own ledger, bus, queue and topic.
package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/clustercheck"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/outage"
	"github.com/eks-steward/eks-steward/internal/outbox"
	"github.com/eks-steward/eks-steward/internal/rules"
	"github.com/eks-steward/eks-steward/internal/settings"
	"github.com/eks-steward/eks-steward/internal/worker"
)

// Ledger is what the function keeps between runs, besides the outbox.
type Ledger interface {
	settings.Accepted
	OpenIncidents(ctx context.Context, t fleet.Target) ([]incident.Incident, error)
	KeyUses
	Notices
	Releases
}

// KeyUses are which cluster uses which key, for those who guard the keys.
type KeyUses interface {
	NoteKeyUse(ctx context.Context, c fleet.ClusterID, keyARN string) error
}

// Releases are the AMI releases that were seen in a region, for those who wait
// until one is old enough.
type Releases interface {
	Releases(ctx context.Context, region string) ([]fleet.AMIRelease, error)
	NoteReleases(ctx context.Context, region string, newest []fleet.AMIRelease) error
}

// Lessor lends the right to scan a target.
type Lessor interface {
	Lease(ctx context.Context, name, holder string, ttl time.Duration) (*ledger.Lease, error)
}

// Queue is the function's own queue.
type Queue interface {
	Send(ctx context.Context, messages ...[]byte) error
}

// Handler is the function with everything it needs.
type Handler struct {
	Open      clustercheck.Open
	Ledger    Ledger
	Leases    Lessor
	FollowUps FollowUps
	Outbox    outbox.Outbox
	Queue     Queue
	Outage    outage.Watch
	Now       func() time.Time
}

// Handle looks at what the event points to. Whatever the event says, what counts
// is what is read: late, repeated and reordered events change nothing.
func (h *Handler) Handle(ctx context.Context, e events.Event) ([]slog.Attr, error) {
	switch e := e.(type) {
	case *events.TargetScan:
		return h.scanTarget(ctx, e)
	case *events.EKSCall:
		if strings.HasSuffix(e.Principal, ":iam::"+e.Account+":role/"+config.RolloutWriterRole) {
			return []slog.Attr{slog.String("skipped", "the call was our own, and the rollout follows it")}, nil
		}
		update := ""
		if e.Call == events.UpdateClusterVersion { // an update of a nodegroup or an add-on has an id too
			update = e.Update
		}
		return h.lookAgain(ctx, e.Header, e.Cluster, update)
	case *events.AddonHealth:
		return h.lookAgain(ctx, e.Header, e.Cluster, "")
	case *events.Health:
		return h.heed(ctx, e)
	}
	return nil, worker.Permanent(fmt.Errorf("clustercheck has no use for a %T: it takes target scans, EKS calls, add-on events and AWS Health events; correct the rule that sends it", e))
}

// leaseTime outlives the function's longest run, Lambda's 15 minutes; a run that
// died holds its target no longer than this.
const leaseTime = 16 * time.Minute

// scanTarget looks at a whole target once at a time. A look at a few of its
// clusters waits for nobody.
func (h *Handler) scanTarget(ctx context.Context, e *events.TargetScan) ([]slog.Attr, error) {
	order := clustercheck.Order{Target: e.Target, Clusters: e.Clusters, Update: e.Update, Insights: e.Update == ""}
	switch len(e.Clusters) {
	case 0:
	case 1:
		if strings.HasPrefix(e.ID, Function+"/") { // a follow-up of our own
			order.Since = e.Time
		}
		fallthrough
	default:
		return h.scan(ctx, e.Header, order)
	}
	lease, err := h.Leases.Lease(ctx, Function+"/"+e.Target.String(), e.ID, leaseTime)
	switch {
	case errors.Is(err, ledger.ErrHeld):
		return []slog.Attr{slog.String("skipped", "another run scans this target")}, nil
	case errors.Is(err, ledger.ErrUnavailable):
		return h.withoutLedger(ctx, e, err)
	case err != nil:
		return nil, fmt.Errorf("lease %s: %w", e.Target, err)
	}
	attrs, err := h.scan(ctx, e.Header, order)
	return attrs, errors.Join(err, lease.Release(context.WithoutCancel(ctx))) // a run out of time gives it back too
}

// lookAgain follows an event: it names the cluster, the rest is read.
func (h *Handler) lookAgain(ctx context.Context, head events.Header, cluster, update string) ([]slog.Attr, error) {
	conf, err := settings.Current(ctx, h.Ledger)
	if err != nil {
		return nil, err
	}
	target, ok := conf.Target(head.Account, head.Region)
	if !ok {
		return nil, worker.Permanent(fmt.Errorf("account %s in %s is no target of the configuration: add it, or stop forwarding its events", head.Account, head.Region))
	}
	order := clustercheck.Order{Target: target}
	if cluster != "" {
		order.Clusters, order.Update = []string{cluster}, update
	}
	return h.scan(ctx, head, order)
}

// scan collects, evaluates, records and publishes.
func (h *Handler) scan(ctx context.Context, head events.Header, order clustercheck.Order) ([]slog.Attr, error) {
	if err := h.inform(ctx, &order); err != nil {
		return nil, err
	}
	t := tally{}
	report := clustercheck.Scan(ctx, h.Open(order.Target), order, h.Now, func(l clustercheck.Look) {
		t.add(h.keep(ctx, order.Target, l))
		t.count(l)
	})
	t.add(h.conclude(ctx, head, order, report))
	return t.attrs(report), errors.Join(t.failures...)
}

// inform adds to an order what is known: the configuration, what is open, and
// what AWS Health has announced.
func (h *Handler) inform(ctx context.Context, order *clustercheck.Order) error {
	conf, err := settings.Current(ctx, h.Ledger)
	if err != nil {
		return err
	}
	h.Outage.Remember(conf)
	open, err := h.Ledger.OpenIncidents(ctx, order.Target)
	if err != nil {
		return fmt.Errorf("read the open incidents of %s: %w", order.Target, err)
	}
	order.Open = map[string][]fleet.Finding{}
	for _, inc := range open {
		if f := inc.Finding; clustercheck.Holds(f.Check) {
			order.Open[f.Cluster.Name] = append(order.Open[f.Cluster.Name], f)
		}
	}
	if order.Notices, err = h.Ledger.Notices(ctx, order.Target); err != nil {
		return err
	}
	if order.Releases, err = h.Ledger.Releases(ctx, order.Target.Region); err != nil {
		return err
	}
	order.Rules = rulesOf(conf)
	return nil
}

func rulesOf(conf *config.File) func(fleet.ClusterID) checks.Rules {
	return func(c fleet.ClusterID) checks.Rules { return rules.Checks(conf, c) }
}

// keep records what a cluster came to, which key it uses and which AMI releases
// are news, and sees to what is under way in it. Each cluster is recorded before
// the next ones are read: a run that ends early loses none of those behind it.
func (h *Handler) keep(ctx context.Context, t fleet.Target, l clustercheck.Look) (news, unannounced int, err error) {
	news, unannounced, err = h.Outbox.Record(ctx, l.Findings)
	failures := []error{err}
	if l.Key.Known() {
		failures = append(failures, h.Ledger.NoteKeyUse(ctx, l.Cluster, l.Key.Value))
	}
	if len(l.Releases) > 0 {
		failures = append(failures, h.Ledger.NoteReleases(ctx, t.Region, l.Releases))
	}
	for _, w := range l.Waits {
		failures = append(failures, h.follow(ctx, t, l.Cluster, w))
	}
	return news, unannounced, errors.Join(failures...)
}

// conclude does what is left when every cluster was seen, or time ran out.
func (h *Handler) conclude(ctx context.Context, head events.Header, order clustercheck.Order, report clustercheck.Report) (news, unannounced int, err error) {
	if len(order.Clusters) > 0 {
		// Only a whole scan speaks for the target. Here what may pass is asked
		// again, or nobody would hear of it until then.
		err = errors.Join(report.Passing...)
	} else {
		if report.Listing == nil || report.Access.Outcome == fleet.Unknown {
			news, unannounced, err = h.Outbox.Record(ctx, []fleet.Finding{report.Access})
		}
		if t := report.Listing; t != nil && t.Passes() { // of the others target-access tells, every hour
			err = errors.Join(err, t)
		}
	}
	return news, unannounced, errors.Join(err, h.goOn(ctx, head, order, report))
}

// goOn hands what there was no time for to another run.
func (h *Handler) goOn(ctx context.Context, head events.Header, order clustercheck.Order, report clustercheck.Report) error {
	if len(report.Rest) == 0 {
		return nil
	}
	if report.Clusters == 0 {
		return fmt.Errorf("no time for any of %d clusters of %s", len(report.Rest), order.Target)
	}
	head.ID += "/rest"
	head.Time = h.Now() // it is no less worth for coming late
	m, err := events.Message(&events.TargetScan{Header: head, Cadence: events.Daily, Target: order.Target, Clusters: report.Rest})
	if err != nil {
		return fmt.Errorf("encode the rest of the scan of %s: %w", order.Target, err)
	}
	return h.Queue.Send(ctx, m)
}

// tally is what the log says of a run.
type tally struct {
	news, unannounced int
	failing, unknown  int
	failures          []error
}

func (t *tally) add(news, unannounced int, err error) {
	t.news += news
	t.unannounced += unannounced
	t.failures = append(t.failures, err)
}

func (t *tally) count(l clustercheck.Look) {
	for _, f := range l.Findings {
		switch f.Outcome {
		case fleet.Fail:
			t.failing++
		case fleet.Unknown:
			t.unknown++
		}
	}
}

func (t *tally) attrs(r clustercheck.Report) []slog.Attr {
	return []slog.Attr{
		slog.Int("clusters", r.Clusters), slog.Int("rest", len(r.Rest)),
		slog.Int("failing", t.failing), slog.Int("unknown", t.unknown),
		slog.Bool("complete", r.Complete()),
		slog.Int("news", t.news), slog.Int("unannounced", t.unannounced),
	}
}
