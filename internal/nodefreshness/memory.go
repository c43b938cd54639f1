package nodefreshness

import (
	"cmp"
	"slices"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// remembered is how many releases of one type and version are kept. AWS brings a
// new one about every week.
const remembered = 10

// Remember is what is known of the releases of a region once AWS has named the
// newest ones; seen is what was known before, and newest has at most one of each
// type and version. It is sorted by these. A release that AWS has gone back behind
// was withdrawn, and is forgotten.
func Remember(seen, newest []fleet.AMIRelease) []fleet.AMIRelease {
	all := slices.DeleteFunc(slices.Clone(seen), func(s fleet.AMIRelease) bool {
		return slices.ContainsFunc(newest, func(n fleet.AMIRelease) bool { return sameLine(s, n) })
	})
	for _, n := range newest {
		line := append(overtaken(seen, n), n)
		all = append(all, line[max(0, len(line)-remembered):]...)
	}
	slices.SortStableFunc(all, func(a, b fleet.AMIRelease) int {
		return cmp.Or(cmp.Compare(a.AMIType, b.AMIType), cmp.Compare(a.Version, b.Version))
	})
	return all
}

// WithOlder adds to the newest releases those seen before them: where the newest
// is too young to be trusted, the one before it may be old enough.
func WithOlder(newest, seen []fleet.AMIRelease) []fleet.AMIRelease {
	all := slices.Clone(newest)
	for _, n := range newest {
		all = append(all, overtaken(seen, n)...)
	}
	return all
}

// overtaken are the releases seen before that are older than the newest of their
// type and version, in the order in which they came.
func overtaken(seen []fleet.AMIRelease, newest fleet.AMIRelease) []fleet.AMIRelease {
	return slices.DeleteFunc(slices.Clone(seen), func(s fleet.AMIRelease) bool {
		return !sameLine(s, newest) || !older(s.Release, newest.Release)
	})
}

// sameLine reports whether one release replaces the other.
func sameLine(a, b fleet.AMIRelease) bool { return a.AMIType == b.AMIType && a.Version == b.Version }
