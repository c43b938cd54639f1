package sim

import (
	"fmt"
	"time"
)

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

// AddonReleases are releases of the add-ons that most clusters have, newest
// first, for the versions of Calendar: two or three for each minor, one of them
// its default. The numbers resemble EKS's; its own list is far longer.
func AddonReleases() []AddonRelease {
	releases := []AddonRelease{
		release("vpc-cni", "v1.22.0-eksbuild.1", 34, 36, 0, 0),
		release("vpc-cni", "v1.21.1-eksbuild.1", 31, 36, 35, 36),
		release("vpc-cni", "v1.20.4-eksbuild.2", 30, 35, 32, 34),
		release("vpc-cni", "v1.19.6-eksbuild.7", 30, 33, 30, 31),
		release("coredns", "v1.14.0-eksbuild.1", 36, 36, 0, 0),
		release("coredns", "v1.13.2-eksbuild.1", 33, 36, 35, 36),
		release("coredns", "v1.12.4-eksbuild.1", 30, 35, 33, 34),
		release("coredns", "v1.11.4-eksbuild.24", 30, 33, 30, 32),
		release("aws-ebs-csi-driver", "v1.55.0-eksbuild.1", 33, 36, 0, 0),
		release("aws-ebs-csi-driver", "v1.53.0-eksbuild.1", 30, 36, 34, 36),
		release("aws-ebs-csi-driver", "v1.48.0-eksbuild.2", 30, 34, 30, 33),
		release("eks-pod-identity-agent", "v1.4.0-eksbuild.1", 34, 36, 0, 0),
		release("eks-pod-identity-agent", "v1.3.10-eksbuild.2", 30, 36, 35, 36),
		release("eks-pod-identity-agent", "v1.3.8-eksbuild.2", 30, 35, 30, 34),
	}
	for minor := 36; minor >= 30; minor-- { // kube-proxy goes with its minor
		releases = append(releases,
			release("kube-proxy", fmt.Sprintf("v1.%d.3-eksbuild.1", minor), minor, minor, 0, 0),
			release("kube-proxy", fmt.Sprintf("v1.%d.1-eksbuild.2", minor), minor, minor, minor, minor))
	}
	return releases
}

// release runs with the minors from first to last, and is the default of those
// from defaultFirst to defaultLast; 0 means of none.
func release(addon, version string, first, last, defaultFirst, defaultLast int) AddonRelease {
	r := AddonRelease{Addon: addon, Version: version}
	for minor := first; minor <= last; minor++ {
		name := fmt.Sprintf("1.%d", minor)
		r.Kubernetes = append(r.Kubernetes, name)
		if defaultFirst <= minor && minor <= defaultLast {
			r.DefaultFor = append(r.DefaultFor, name)
		}
	}
	return r
}

func day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err) // a constant of this file
	}
	return t
}
