package nodefreshness

import (
	"cmp"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

const (
	// remembered is how long releases are kept. MinReleaseAge may be no longer.
	remembered = 90 * 24 * time.Hour
	// mended is the time within which AWS replaces a release that is no good: one
	// that was the newest for less than that is nobody's choice.
	mended = 72 * time.Hour
)

// Remember is what is known of the releases of a region once AWS has named the
// newest ones; seen is what was known before, and newest has at most one of each
// type and version. It is sorted by these. A release that AWS has gone back behind
// was withdrawn, and is forgotten.
func Remember(seen, newest []fleet.AMIRelease) []fleet.AMIRelease {
	all := slices.DeleteFunc(slices.Clone(seen), func(s fleet.AMIRelease) bool {
		return slices.ContainsFunc(newest, func(n fleet.AMIRelease) bool { return sameLine(s, n) })
	})
	for _, n := range newest {
		line := lineOf(n, seen)
		for i, r := range line { // the newest of those that are older than any wait is kept
			if i == len(line)-1 || line[i+1].Published.After(n.Published.Add(-remembered)) {
				all = append(all, r)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b fleet.AMIRelease) int {
		return cmp.Or(cmp.Compare(a.AMIType, b.AMIType), cmp.Compare(a.Version, b.Version))
	})
	return all
}

// WithOlder adds to the newest releases those seen before them: where the newest
// is too young to be trusted, the one before it may be old enough. A release that
// AWS has gone back to is as old as it was.
func WithOlder(newest, seen []fleet.AMIRelease) []fleet.AMIRelease {
	var all []fleet.AMIRelease
	for _, n := range newest {
		line := lineOf(n, seen)
		last := len(line) - 1
		all = append(all, line[last])
		for i, r := range line[:last] {
			if line[i+1].Published.Sub(r.Published) >= mended {
				all = append(all, r)
			}
		}
	}
	return all
}

// lineOf is a release after those of its type and version that were seen before it
// and are older, in the order in which they came.
func lineOf(newest fleet.AMIRelease, seen []fleet.AMIRelease) []fleet.AMIRelease {
	var line []fleet.AMIRelease
	for _, s := range seen {
		switch {
		case !sameLine(s, newest):
		case s.Release == newest.Release && s.Published.Before(newest.Published):
			newest.Published = s.Published
		case older(s.Release, newest.Release):
			line = append(line, s)
		}
	}
	return append(line, newest)
}

// sameLine reports whether one release replaces the other.
func sameLine(a, b fleet.AMIRelease) bool { return a.AMIType == b.AMIType && a.Version == b.Version }
