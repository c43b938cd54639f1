package handler

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/clustercheck"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/settings"
)

// Notices are what AWS Health has announced about clusters.
type Notices interface {
	Notices(ctx context.Context, t fleet.Target) (map[string][]fleet.Notice, error)
	Announce(ctx context.Context, c fleet.ClusterID, n fleet.Notice) error
	Withdraw(ctx context.Context, c fleet.ClusterID, id string) error
}

// The events of AWS Health that are heeded: the end of a version's support, and
// whatever Health calls an issue.
const (
	plannedLifecycle = "AWS_EKS_PLANNED_LIFECYCLE_EVENT"
	issue            = "issue"
	over             = "closed"
)

// heed looks again at the clusters that an AWS Health event is about. What they
// are called in it is only compared with what is listed.
func (h *Handler) heed(ctx context.Context, e *events.Health) ([]slog.Attr, error) {
	if e.TypeCode != plannedLifecycle && e.Category != issue {
		return []slog.Attr{slog.String("skipped", "no check depends on it"), slog.String("type", e.TypeCode)}, nil
	}
	conf, err := settings.Current(ctx, h.Ledger)
	if err != nil {
		return nil, err
	}
	target, ok := conf.Target(e.Account, e.Region)
	if !ok { // an organisation's view receives those of every member account
		return []slog.Attr{slog.String("skipped", "the account and region are no target")}, nil
	}
	listed, err := h.Open(target).Clusters(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the clusters of %s to find those that AWS Health means: %w", target, err)
	}
	all := slices.Concat(e.Entities, e.Resolved)
	named := slices.DeleteFunc(listed, func(name string) bool { return !means(all, target.Cluster(name)) })
	if len(named) == 0 {
		return []slog.Attr{slog.String("skipped", "it names no cluster of the target")}, nil
	}
	if e.TypeCode == plannedLifecycle {
		if err := h.note(ctx, e, target, named); err != nil {
			return nil, err
		}
	}
	return h.scan(ctx, e.Header, clustercheck.Order{Target: target, Clusters: named})
}

// means reports whether one of the entities is the cluster, by its ARN or name.
func means(entities []string, c fleet.ClusterID) bool {
	return slices.ContainsFunc(entities, func(entity string) bool {
		_, arn, _ := strings.Cut(entity, ":eks:")
		return entity == c.Name || arn == c.Region+":"+c.Account+":cluster/"+c.Name
	})
}

// note sets down what is announced, so that every later look knows it too. Health
// sends an event again as what it affects changes: it is withdrawn for a cluster
// that has done what it asked for.
func (h *Handler) note(ctx context.Context, e *events.Health, t fleet.Target, clusters []string) error {
	n := fleet.Notice{ID: e.Notice, TypeCode: e.TypeCode, Start: e.Start, End: e.End, Text: clip(e.Text)}
	for _, name := range clusters {
		write := func() error { return h.Ledger.Announce(ctx, t.Cluster(name), n) }
		if e.Status == over || !means(e.Entities, t.Cluster(name)) {
			write = func() error { return h.Ledger.Withdraw(ctx, t.Cluster(name), n.ID) }
		}
		if err := write(); err != nil {
			return err
		}
	}
	return nil
}

// clip bounds what a text from elsewhere can add to a finding.
func clip(s string) string { return fleet.Clip(s, 1000) }
