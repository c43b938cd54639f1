// Package clustercheck looks at the clusters of a target one by one: each is read
// once and judged by every check. It decides the order, the pace and where a run
// that is out of time has to go on; what is wrong with a cluster is decided by
// package checks, and it writes nothing.
package clustercheck

import (
	"context"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Open begins to survey a target. What its clusters share, such as the calendar
// of versions, is read once for all of them, and not again in that survey.
type Open func(t fleet.Target) Survey

// A Survey reads the clusters of one target, for several goroutines at a time.
type Survey interface {
	// Clusters lists their names. What was listed before an error is returned
	// with it.
	Clusters(ctx context.Context) ([]string, error)
	// Snapshot reads one cluster. What could not be read says so in its part.
	Snapshot(ctx context.Context, cluster string, want fleet.Wanted) fleet.Snapshot
	// Leftovers lists the ARNs of load balancers and volumes that carry the tags of
	// a cluster.
	Leftovers(ctx context.Context, cluster string) ([]string, error)
}
