// Package report shows a fleet on one HTML page that needs nothing else: how long
// each version is supported, what staying costs, what stands in the way of an
// upgrade, how full etcd is, and what could not be read. It decides nothing: what
// is wrong is in the findings that it is given.
package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// A Fleet is what a report is about.
type Fleet struct {
	At       time.Time
	Clusters []Cluster
	// Targets are the findings about accounts and regions as a whole: what of them
	// could not be read.
	Targets []fleet.Finding
}

// Findings are all there are: those of the clusters, then those of the targets.
func (f Fleet) Findings() []fleet.Finding {
	var all []fleet.Finding
	for _, c := range f.Clusters {
		all = append(all, c.Findings...)
	}
	return append(all, f.Targets...)
}

// A Cluster is one cluster as it was read and judged.
type Cluster struct {
	Snapshot fleet.Snapshot
	Findings []fleet.Finding // of every check, etcd-size included
	Rules    checks.Rules
	Etcd     Etcd
}

// Etcd is how full a cluster's etcd is. Both are zero when it is not known.
type Etcd struct {
	Bytes int64 // size of the database file
	Limit int64 // of the cluster's own tier
}

// worst orders clusters by what somebody has to do first.
func worst(a, b Cluster) int {
	return cmp.Or(
		cmp.Compare(urgency(b.Findings), urgency(a.Findings)),
		cmp.Compare(a.Snapshot.ID.String(), b.Snapshot.ID.String()),
	)
}

// urgency is 0 for nothing to do, then info, unknown, warning, critical.
func urgency(findings []fleet.Finding) int {
	most := 0
	for _, f := range findings {
		most = max(most, int(standingOf(f)))
	}
	return most
}

// standing is how a finding is shown: its severity where it failed, else its
// outcome.
type standing int

const (
	fine standing = iota
	note
	unseen
	warning
	critical
)

var standingWords = []string{"fine", "note", "unknown", "warning", "critical"}

func (s standing) String() string { return standingWords[s] }

func standingOf(f fleet.Finding) standing {
	switch {
	case f.Outcome == fleet.Unknown:
		return unseen
	case f.Outcome != fleet.Fail:
		return fine
	case f.Severity == fleet.Critical:
		return critical
	case f.Severity == fleet.Warning:
		return warning
	}
	return note
}

// of is the most urgent finding of some checks about a cluster.
func (c Cluster) of(checks ...string) (fleet.Finding, bool) {
	var found []fleet.Finding
	for _, f := range c.Findings {
		if slices.Contains(checks, f.Check) {
			found = append(found, f)
		}
	}
	if len(found) == 0 {
		return fleet.Finding{}, false
	}
	return slices.MaxFunc(found, func(a, b fleet.Finding) int { return cmp.Compare(standingOf(a), standingOf(b)) }), true
}
