package handler

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fanout"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// wanted are the clusters that a start means: those that it names, or else all
// whose nodes are old, with those of the groups to force.
func (h *Handler) wanted(ctx context.Context, conf *config.File, e *events.RolloutCommand) ([]want, error) {
	var all []want
	if len(e.Clusters) == 0 {
		var err error
		if all, err = h.stale(ctx, conf); err != nil {
			return nil, err
		}
	}
	for _, name := range e.Clusters {
		if err := h.include(ctx, conf, &all, name); err != nil {
			return nil, err
		}
	}
	for _, name := range e.Forced {
		cluster, group := path.Split(name)
		cluster = strings.TrimSuffix(cluster, "/")
		if len(e.Clusters) == 0 {
			if err := h.include(ctx, conf, &all, cluster); err != nil {
				return nil, err
			}
		}
		i := slices.IndexFunc(all, func(w want) bool { return w.is(cluster) })
		if i < 0 {
			return nil, refuse("%s is to be forced, and its cluster is none of those to start with", name)
		}
		all[i].forced = append(all[i].forced, group)
	}
	return all, nil
}

// is reports whether a person's name, a cluster's or account/region/cluster, means
// the cluster.
func (w want) is(name string) bool {
	return name == w.name || name == w.target.Cluster(w.name).String()
}

// include adds the cluster that a person's name means, unless it is there.
func (h *Handler) include(ctx context.Context, conf *config.File, all *[]want, name string) error {
	found, err := h.find(ctx, conf, name)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(*all, func(w want) bool { return w.target == found.target && w.name == found.name }) {
		*all = append(*all, found)
	}
	return nil
}

// find is the cluster that a person's name means: it alone has it in all targets.
func (h *Handler) find(ctx context.Context, conf *config.File, name string) (want, error) {
	targets := conf.Targets()
	if part := strings.Split(name, "/"); len(part) == 3 {
		name = part[2]
		targets = slices.DeleteFunc(targets, func(t fleet.Target) bool { return t.Account != part[0] || t.Region != part[1] })
		if len(targets) == 0 {
			return want{}, refuse("%s/%s is no target of the configuration", part[0], part[1])
		}
		return want{target: targets[0], name: name}, nil
	}
	there := make([]bool, len(targets))
	troubles := make([]error, len(targets))
	fanout.Each(len(targets), atOnce, func(i int) {
		c := h.Surveyor.Candidate(ctx, targets[i], name).Cluster
		there[i] = c.Known()
		if passes(c.Trouble) {
			troubles[i] = c.Trouble
		}
	})
	if err := errors.Join(troubles...); err != nil {
		return want{}, err // where it is not may not be where it is
	}
	var found []want
	for i, t := range targets {
		if there[i] {
			found = append(found, want{target: t, name: name})
		}
	}
	switch len(found) {
	case 0:
		return want{}, refuse("no cluster %s was found in the targets of the configuration", name)
	case 1:
		return found[0], nil
	}
	return want{}, refuse("%d clusters have the name %s: want account/region/%s", len(found), name, name)
}
