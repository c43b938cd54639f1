// Package handler is the secretsencryption function: it looks at the clusters
// that an event or an open incident points to, has package secretsencryption put a
// key on those that need one, and guards the keys that clusters use. Whatever an
// event says, what counts is what is read; who approved what is in the ledger. It
// lists no clusters: which need a key is found by the check encryption-state, and
// key-guard finds what became of a key when no event said so.
package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/keyguard"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/outbox"
	"github.com/eks-steward/eks-steward/internal/secretsencryption"
	"github.com/eks-steward/eks-steward/internal/settings"
	"github.com/eks-steward/eks-steward/internal/worker"
)

// Ledger is what the function keeps between runs, besides the outbox.
type Ledger interface {
	settings.Accepted
	OpenIncidents(ctx context.Context, t fleet.Target) ([]incident.Incident, error)
}

// Lessor lends the right to look at a target.
type Lessor interface {
	Lease(ctx context.Context, name, holder string, ttl time.Duration) (*ledger.Lease, error)
}

// Queue is the function's own queue.
type Queue interface {
	Send(ctx context.Context, messages ...[]byte) error
}

// Handler is the function with everything it needs.
type Handler struct {
	Reader    secretsencryption.Reader
	Writer    secretsencryption.Writer
	Switch    secretsencryption.Switch
	Grants    Grants
	Undo      Undo
	Ledger    Ledger
	Intents   secretsencryption.Intents
	Approvals Approvals
	KeyUses   KeyUses
	Leases    Lessor
	FollowUps FollowUps
	Outbox    outbox.Outbox
	Queue     Queue

	MaxMode     string // no cluster's mode is higher: config.Report, Approve or Enforce
	MaxKeyGuard string // likewise for the guard
	Now         func() time.Time
}

// Function is what dispatch calls the function.
const Function = events.SecretsEncryption

// Handle looks at what the event points to: late, repeated and reordered events
// change nothing.
func (h *Handler) Handle(ctx context.Context, e events.Event) ([]slog.Attr, error) {
	switch e := e.(type) {
	case *events.TargetScan:
		return h.scan(ctx, e)
	case *events.EKSCall:
		return h.called(ctx, e)
	case *events.KMSCall:
		return h.guard(ctx, e)
	case *events.IncidentMoved:
		if !wantsKey(e.Finding) || e.Finding.Cluster.Name == "" {
			return skipped("no key follows from it"), nil
		}
		return h.lookAt(ctx, e.Header, e.Finding.Cluster)
	case *events.PlanApproved:
		attrs, err := h.lookAt(ctx, e.Header, e.Cluster)
		return append(attrs, slog.String("plan", e.Plan), slog.String("via", e.Via)), err
	}
	return nil, worker.Permanent(fmt.Errorf("secretsencryption has no use for a %T: it takes target scans, EKS and KMS calls, findings and approvals; correct the rule that sends it", e))
}

const noTarget = "the account and region are no target"

func skipped(why string) []slog.Attr { return []slog.Attr{slog.String("skipped", why)} }

// called follows a call of the EKS API. Our own comes back too: what became of it
// is followed already.
func (h *Handler) called(ctx context.Context, e *events.EKSCall) ([]slog.Attr, error) {
	if own(e.Account, e.Principal) {
		return skipped("the call was our own"), nil
	}
	return h.lookAt(ctx, e.Header, fleet.ClusterID{Account: e.Account, Region: e.Region, Name: e.Cluster})
}

// own reports whether it was this function's role of an account that made a call.
// Only what begins like an ARN is a principal.
func own(account, principal string) bool {
	return strings.HasPrefix(principal, "arn:") && strings.HasSuffix(principal, ":iam::"+account+":role/"+config.EncryptionWriterRole)
}

// lookAt considers the cluster that an event names, or what is known of the
// target when it names none.
func (h *Handler) lookAt(ctx context.Context, head events.Header, c fleet.ClusterID) ([]slog.Attr, error) {
	conf, err := settings.Current(ctx, h.Ledger)
	if err != nil {
		return nil, err
	}
	target, ok := conf.Target(c.Account, c.Region)
	if !ok {
		return skipped(noTarget), nil
	}
	if c.Name == "" {
		return h.resync(ctx, conf, head, target)
	}
	return h.considerNamed(ctx, head, []string{c.Name}, look{target: target, conf: conf})
}

// scan looks at the clusters that a message of our own names, or at those with an
// open incident.
func (h *Handler) scan(ctx context.Context, e *events.TargetScan) ([]slog.Attr, error) {
	conf, err := settings.Current(ctx, h.Ledger)
	if err != nil {
		return nil, err
	}
	target, ok := conf.Target(e.Target.Account, e.Target.Region) // its role too: this one leads to writes
	if !ok {
		return skipped(noTarget), nil
	}
	if len(e.Clusters) == 0 {
		return h.resync(ctx, conf, e.Header, target)
	}
	l := look{target: target, conf: conf, update: e.Update}
	if len(e.Clusters) == 1 {
		l.since = e.Time
	}
	return h.considerNamed(ctx, e.Header, e.Clusters, l)
}

// leaseTime outlives the function's longest run, Lambda's 15 minutes; a run that
// died holds its target no longer than this.
const leaseTime = 16 * time.Minute

// resync looks again at every cluster of a target that has an incident of ours or
// of encryption-state. That is how an event that never came is made up for.
func (h *Handler) resync(ctx context.Context, conf *config.File, head events.Header, t fleet.Target) ([]slog.Attr, error) {
	lease, err := h.Leases.Lease(ctx, Function+"/"+t.String(), head.ID, leaseTime)
	switch {
	case errors.Is(err, ledger.ErrHeld):
		return skipped("another run looks at this target"), nil
	case err != nil:
		return nil, fmt.Errorf("lease %s: %w", t, err)
	}
	attrs, err := h.resyncLeased(ctx, conf, head, t)
	return attrs, errors.Join(err, lease.Release(context.WithoutCancel(ctx)))
}

func (h *Handler) resyncLeased(ctx context.Context, conf *config.File, head events.Header, t fleet.Target) ([]slog.Attr, error) {
	open, err := h.open(ctx, t)
	if err != nil {
		return nil, err
	}
	delete(open, "") // what is about the target itself
	return h.considerEach(ctx, head, slices.Sorted(maps.Keys(open)), look{target: t, conf: conf, open: open})
}

// wantsKey reports whether a finding may be about a cluster that needs a key. One
// about a part of that, such as the key's rotation, is not.
func wantsKey(f fleet.Finding) bool { return f.Check == events.EncryptionState && f.Resource == "" }

// open are the open findings of a target that are this function's business, by
// the name of the cluster. What is only worth knowing of a key, clustercheck looks
// at again every day.
func (h *Handler) open(ctx context.Context, t fleet.Target) (map[string][]fleet.Finding, error) {
	incidents, err := h.Ledger.OpenIncidents(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("read the open incidents of %s: %w", t, err)
	}
	open := map[string][]fleet.Finding{}
	for _, inc := range incidents {
		f := inc.Finding
		doubt := f.Check == keyguard.Check && f.Severity > fleet.Info
		if doubt || wantsKey(f) || f.Check == secretsencryption.Check {
			open[f.Cluster.Name] = append(open[f.Cluster.Name], f)
		}
	}
	return open, nil
}

// enough is the time that a cluster may take, the 60 seconds included that an
// association wants to have before it begins. With less left, none is begun.
const enough = 90 * time.Second

// considerNamed looks at the clusters that somebody named.
func (h *Handler) considerNamed(ctx context.Context, head events.Header, names []string, l look) ([]slog.Attr, error) {
	var err error
	if l.open, err = h.open(ctx, l.target); err != nil {
		return nil, err
	}
	return h.considerEach(ctx, head, names, l)
}

// considerEach looks at clusters one by one: a write must not compete with another
// for the time that is left. What there is no time for goes to another run.
func (h *Handler) considerEach(ctx context.Context, head events.Header, names []string, l look) ([]slog.Attr, error) {
	var failures []error
	done := 0
	for done < len(names) && (done == 0 || inTime(ctx)) {
		if err := h.consider(ctx, names[done], l); err != nil {
			failures = append(failures, fmt.Errorf("cluster %s: %w", names[done], err))
		}
		done++
	}
	rest := names[done:]
	if len(rest) > 0 {
		failures = append(failures, h.goOn(ctx, head, l.target, rest))
	}
	return []slog.Attr{slog.Int("clusters", done), slog.Int("rest", len(rest))}, errors.Join(failures...)
}

func inTime(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) >= enough)
}

// goOn hands what there was no time for to another run.
func (h *Handler) goOn(ctx context.Context, head events.Header, t fleet.Target, rest []string) error {
	head.ID += "/rest"
	head.Time = h.Now()
	m, err := events.Message(&events.TargetScan{Header: head, Cadence: events.Daily, Target: t, Clusters: rest})
	if err != nil {
		return fmt.Errorf("encode the rest of the look at %s: %w", t, err)
	}
	return h.Queue.Send(ctx, m)
}
