package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

const targets = "target"

// CompareTargets holds the targets of a configuration against those that are known:
// fresh are those that nobody was sent to look at in full, and gone those that were
// looked at before. The role of a target is not kept, so gone have none.
func (l *Ledger) CompareTargets(ctx context.Context, all []fleet.Target) (fresh, gone []fleet.Target, err error) {
	known, _, err := read[large[[]string]](ctx, l, targetsKey())
	if err != nil {
		return nil, nil, fmt.Errorf("read which targets are known: %w", err)
	}
	if known == nil {
		return all, nil, nil
	}
	left := map[string]bool{}
	for _, name := range known.doc {
		left[name] = true
	}
	for _, t := range all {
		if !left[t.String()] {
			fresh = append(fresh, t)
		}
		delete(left, t.String())
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		account, region, _ := strings.Cut(name, "/")
		gone = append(gone, fleet.Target{Account: account, Region: region})
	}
	return fresh, gone, nil
}

// KnowTargets sets down that somebody was sent to look at these too. What is known
// already is not written.
func (l *Ledger) KnowTargets(ctx context.Context, some []fleet.Target) error {
	return l.reviseTargets(ctx, func(known []string) []string { return append(known, names(some)...) })
}

// ForgetTargets makes targets new again.
func (l *Ledger) ForgetTargets(ctx context.Context, some []fleet.Target) error {
	forgotten := names(some)
	return l.reviseTargets(ctx, func(known []string) []string {
		return slices.DeleteFunc(known, func(name string) bool { return slices.Contains(forgotten, name) })
	})
}

func (l *Ledger) reviseTargets(ctx context.Context, change func(known []string) []string) error {
	err := revise(ctx, l, targetsKey(), unplaced, func(known *large[[]string]) (*large[[]string], error) {
		var before []string
		if known != nil {
			before = known.doc
		}
		after := change(slices.Clone(before))
		slices.Sort(after)
		if after = slices.Compact(after); known != nil && slices.Equal(before, after) {
			return known, nil
		}
		return &large[[]string]{after}, nil
	})
	if err != nil {
		return fmt.Errorf("set down which targets are known: %w", err)
	}
	return nil
}

func names(some []fleet.Target) []string {
	all := make([]string, len(some))
	for i, t := range some {
		all[i] = t.String()
	}
	return all
}

// targetsKey is of one document: the targets in the form account/region, sorted.
func targetsKey() Key { return Key{Partition: targets, Sort: "known"} }
