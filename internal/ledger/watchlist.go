package ledger

import (
	"context"
	"fmt"
	"slices"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// WatchList names the clusters of a target that are looked at every five minutes.
type WatchList struct {
	Target   fleet.Target `json:"target"`
	Clusters []string     `json:"clusters"` // sorted, each once
}

const watch = "watch"

// SetWatchList replaces the watch list of a target; an empty one is none. A list
// of the same clusters, in any order, is not written again.
func (l *Ledger) SetWatchList(ctx context.Context, w WatchList) error {
	w.Clusters = slices.Compact(slices.Sorted(slices.Values(w.Clusters)))
	key := Key{Partition: watch, Sort: w.Target.String()}
	err := revise(ctx, l, key, unplaced, func(known *WatchList) (*WatchList, error) {
		switch {
		case len(w.Clusters) == 0:
			return nil, nil // the list is to go
		case known != nil && known.Target == w.Target && slices.Equal(known.Clusters, w.Clusters):
			return known, nil
		}
		return &w, nil
	})
	if err != nil {
		return fmt.Errorf("set watch list of %s: %w", w.Target, err)
	}
	return nil
}

// WatchLists lists the watch lists of all targets, in their order. Those that
// could be read are returned along with an error about the others.
func (l *Ledger) WatchLists(ctx context.Context) ([]WatchList, error) {
	lists, err := documents[WatchList](l, l.store.Range(ctx, watch, ""))
	if err != nil {
		err = fmt.Errorf("read watch lists: %w", err)
	}
	return lists, err
}
