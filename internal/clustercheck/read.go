package clustercheck

import (
	"context"

	"github.com/eks-steward/eks-steward/internal/fanout"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// readers is how many clusters are read at once. Their calls share one pace,
// which the SDK learns from the account's answers.
const readers = 8

// Snapshots reads the named clusters and hands over each as it comes, for those
// who want to see them whole: nothing is judged, and nothing is left out.
func Snapshots(ctx context.Context, survey Survey, names []string) <-chan fleet.Snapshot {
	return several(names, func(n string) fleet.Snapshot { return survey.Snapshot(ctx, n, fleet.Wanted{Insights: true}) })
}

// several does something about each name, a few at a time. The caller has to
// take all that comes.
func several[T any](names []string, do func(name string) T) <-chan T {
	done := make(chan T)
	go func() {
		defer close(done)
		fanout.Each(len(names), readers, func(i int) { done <- do(names[i]) })
	}()
	return done
}
