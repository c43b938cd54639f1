package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/snapshot"
	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/clustercheck"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/etcdsize"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/report"
	"github.com/eks-steward/eks-steward/internal/rules"
)

// surveyor reads what the deployed functions would read, and judges it as they
// would, for commands that show it.
type surveyor struct {
	conf     *config.File
	sizes    etcdsize.Source
	open     clustercheck.Open
	now      func() time.Time
	progress func(format string, args ...any)
}

func newSurveyor(f *awsfleet.Fleet, conf *config.File, now func() time.Time, progress func(string, ...any)) surveyor {
	return surveyor{conf: conf, sizes: f, open: openWith(f, now), now: now, progress: progress}
}

// openWith surveys with everything that f can read.
func openWith(f *awsfleet.Fleet, now func() time.Time) clustercheck.Open {
	snapshots := snapshot.New(f, now)
	return func(t fleet.Target) clustercheck.Survey { return snapshots.Survey(t) }
}

// fleet reads the targets one after another. A target that could not be listed
// is among the findings, and makes the whole incomplete.
func (s surveyor) fleet(ctx context.Context, targets []fleet.Target) (all report.Fleet, complete bool) {
	all.At, complete = s.now(), true
	for _, t := range targets {
		s.progress("reading %s", t)
		sizes := etcdsize.Scan(ctx, s.sizes, etcdsize.Order{Target: t, OwnerTag: s.conf.Notify.OwnerTag, Rules: func(id fleet.ClusterID) etcdsize.Rules {
			return etcdsize.Rules(s.conf.EtcdSizeFor(id))
		}}, all.At)
		complete = complete && sizes.Complete
		etcd := map[string]fleet.Finding{}
		var names []string
		for _, f := range sizes.Findings {
			if f.Cluster.Name == "" {
				all.Targets = append(all.Targets, f)
				continue
			}
			etcd[f.Cluster.Name] = f
			names = append(names, f.Cluster.Name)
		}
		read := 0
		for snap := range clustercheck.Snapshots(ctx, s.open(t), names) {
			c := s.judge(snap, all.At)
			c.Findings = append(c.Findings, etcd[snap.ID.Name])
			c.Etcd = headroom(sizes, snap)
			all.Clusters = append(all.Clusters, c)
			read++
			s.progress("reading %s: %d of %d clusters", t, read, len(names))
		}
	}
	s.progress("")
	return all, complete
}

func (s surveyor) judge(snap fleet.Snapshot, now time.Time) report.Cluster {
	r := rules.Checks(s.conf, snap.ID)
	return report.Cluster{Snapshot: snap, Rules: r, Findings: checks.Evaluate(snap, r, now)}
}

// headroom holds a cluster's size against the limit of its own tier.
func headroom(sizes etcdsize.Report, snap fleet.Snapshot) report.Etcd {
	size, seen := sizes.Sizes[snap.ID.Name]
	limit, known := sizes.Limits.Of(snap.Cluster.Value.Tier)
	if !seen || !known || !snap.Cluster.Known() {
		return report.Etcd{}
	}
	return report.Etcd{Bytes: int64(size.Bytes), Limit: limit}
}

// targets are those of the configuration, or the own account's regions.
func (c connection) targets(ctx context.Context, conf *config.File, source *awsfleet.Fleet, cfg aws.Config) ([]fleet.Target, error) {
	if targets := conf.Targets(); len(targets) > 0 {
		return c.within(targets)
	}
	regions, err := c.own(cfg)
	if err != nil {
		return nil, err
	}
	account, _, err := source.Identity(ctx)
	if err != nil {
		return nil, &exitError{exitIncomplete, fmt.Errorf("read which account this is: %w", err)}
	}
	var targets []fleet.Target
	for _, r := range regions {
		targets = append(targets, fleet.Target{Account: account, Region: r})
	}
	return targets, nil
}

// survey connects and reads.
func (c connection) survey(ctx context.Context, now func() time.Time, progress func(string, ...any)) (report.Fleet, bool, error) {
	conf, err := c.configuration()
	if err != nil {
		return report.Fleet{}, false, err
	}
	cfg, err := c.open(ctx)
	if err != nil {
		return report.Fleet{}, false, err
	}
	source := awsfleet.New(cfg)
	targets, err := c.targets(ctx, conf, source, cfg)
	if err != nil {
		return report.Fleet{}, false, err
	}
	all, complete := newSurveyor(source, conf, now, progress).fleet(ctx, targets)
	if err := ctx.Err(); err != nil {
		return all, false, &exitError{exitIncomplete, errors.New("interrupted: nothing was written")}
	}
	return all, complete, nil
}
