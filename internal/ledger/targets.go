package ledger

import (
	"context"
	"fmt"
	"slices"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

const targets = "target"

// NewTargets are those of the targets that nobody was sent to look at in full.
func (l *Ledger) NewTargets(ctx context.Context, all []fleet.Target) ([]fleet.Target, error) {
	known, _, err := read[large[[]string]](ctx, l, targetsKey())
	if err != nil {
		return nil, fmt.Errorf("read which targets are known: %w", err)
	}
	if known == nil {
		return all, nil
	}
	return slices.DeleteFunc(slices.Clone(all), func(t fleet.Target) bool {
		_, seen := slices.BinarySearch(known.doc, t.String())
		return seen
	}), nil
}

// KnowTargets sets down that somebody was sent to look at these, and at no others.
// The same ones again are not written.
func (l *Ledger) KnowTargets(ctx context.Context, all []fleet.Target) error {
	var names []string
	for _, t := range all {
		names = append(names, t.String())
	}
	slices.Sort(names)
	err := revise(ctx, l, targetsKey(), unplaced, func(known *large[[]string]) (*large[[]string], error) {
		if known != nil && slices.Equal(known.doc, names) {
			return known, nil
		}
		return &large[[]string]{names}, nil
	})
	if err != nil {
		return fmt.Errorf("set down which targets are known: %w", err)
	}
	return nil
}

// targetsKey is of one document: the targets in the form account/region, sorted.
func targetsKey() Key { return Key{Partition: targets, Sort: "known"} }
