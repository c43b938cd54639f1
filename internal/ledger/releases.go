package ledger

import (
	"context"
	"fmt"
	"slices"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
)

// amiReleases are the releases of nodes that were seen in a region. AWS names the
// newest ones only, and nobody else remembers since when the others are out.
const amiReleases = "ami-release"

// Releases are the AMI releases that were seen in a region.
func (l *Ledger) Releases(ctx context.Context, region string) ([]fleet.AMIRelease, error) {
	known, _, err := read[large[[]fleet.AMIRelease]](ctx, l, releasesKey(region))
	if err != nil {
		return nil, fmt.Errorf("read the AMI releases of %s: %w", region, err)
	}
	if known == nil {
		return nil, nil
	}
	return known.doc, nil
}

// NoteReleases sets down the releases that AWS names in a region by now. What is
// known already is not written again.
func (l *Ledger) NoteReleases(ctx context.Context, region string, newest []fleet.AMIRelease) error {
	err := revise(ctx, l, releasesKey(region), unplaced, func(known *large[[]fleet.AMIRelease]) (*large[[]fleet.AMIRelease], error) {
		var seen []fleet.AMIRelease
		if known != nil {
			seen = known.doc
		}
		next := nodefreshness.Remember(seen, newest)
		if slices.EqualFunc(next, seen, fleet.AMIRelease.Equal) {
			return known, nil
		}
		return &large[[]fleet.AMIRelease]{next}, nil
	})
	if err != nil {
		return fmt.Errorf("note the AMI releases of %s: %w", region, err)
	}
	return nil
}

func releasesKey(region string) Key { return Key{Partition: amiReleases, Sort: region} }
