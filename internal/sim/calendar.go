package sim

import "time"

// Calendar is the support calendar as AWS had published it on 2026-11-20, in
// https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html
func Calendar() []Version {
	return []Version{
		{Version: "1.30", Released: day("2024-05-23"), EndOfStandardSupport: day("2025-07-23"), EndOfExtendedSupport: day("2026-07-23")},
		{Version: "1.31", Released: day("2024-09-26"), EndOfStandardSupport: day("2025-11-26"), EndOfExtendedSupport: day("2026-11-26")},
		{Version: "1.32", Released: day("2025-01-23"), EndOfStandardSupport: day("2026-03-23"), EndOfExtendedSupport: day("2027-03-23")},
		{Version: "1.33", Released: day("2025-05-29"), EndOfStandardSupport: day("2026-07-29"), EndOfExtendedSupport: day("2027-07-29")},
		{Version: "1.34", Released: day("2025-10-02"), EndOfStandardSupport: day("2026-12-02"), EndOfExtendedSupport: day("2027-12-02")},
		{Version: "1.35", Released: day("2026-01-27"), EndOfStandardSupport: day("2027-03-27"), EndOfExtendedSupport: day("2028-03-27"), Default: true},
		{Version: "1.36", Released: day("2026-06-02"), EndOfStandardSupport: day("2027-08-02"), EndOfExtendedSupport: day("2028-08-02")},
	}
}

// Tiers are the control-plane scaling tiers. Standard is not among them, as in
// what DescribeClusterVersions lists.
func Tiers() []Tier {
	return []Tier{
		{Name: "tier-xl", DatabaseGB: 16},
		{Name: "tier-2xl", DatabaseGB: 16},
		{Name: "tier-4xl", DatabaseGB: 16},
		{Name: "tier-8xl", DatabaseGB: 16},
	}
}

func day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err) // a constant of this file
	}
	return t
}
