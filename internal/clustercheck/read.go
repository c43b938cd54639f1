package clustercheck

import (
	"context"
	"iter"

	"github.com/eks-steward/eks-steward/internal/fanout"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// readers is how many clusters are read at once. Their calls share one pace,
// which the SDK learns from the account's answers.
const readers = 8

// Snapshots reads the named clusters and hands over each as it comes, for those
// who want to see them whole: nothing is judged, and nothing is left out.
func Snapshots(ctx context.Context, survey Survey, names []string) iter.Seq[fleet.Snapshot] {
	return several(names, func(n string) fleet.Snapshot { return survey.Snapshot(ctx, n, fleet.Wanted{Insights: true}) })
}

// several does something about each name, a few at a time, and hands over what
// comes of it as it comes. It ends when all is done, even where the caller wants no
// more, and a panic on the way is the caller's.
func several[T any](names []string, do func(name string) T) iter.Seq[T] {
	return func(yield func(T) bool) {
		done := make(chan T)
		var crash any
		go func() {
			defer close(done)
			defer func() { crash = recover() }()
			fanout.Each(len(names), readers, func(i int) { done <- do(names[i]) })
		}()
		more := true
		for t := range done {
			more = more && yield(t)
		}
		if crash != nil {
			panic(crash)
		}
	}
}
