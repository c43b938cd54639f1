package checks

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"sync"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// addonVersion is the version of an add-on by its numbers: major, minor, patch
// and the build of EKS.
type addonVersion [4]int

var addonVersionForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^v?([0-9]{1,6})\.([0-9]{1,6})\.([0-9]{1,6})(?:-eksbuild\.([0-9]{1,6}))?$`)
})

// parseAddonVersion reads v1.21.1-eksbuild.3; without a build it is build 0.
// Vendors of the marketplace have forms of their own: those are an error, and
// nothing is old or new about them.
func parseAddonVersion(s string) (addonVersion, error) {
	m := addonVersionForm().FindStringSubmatch(s)
	if m == nil {
		return addonVersion{}, fmt.Errorf("%q is not a version of an add-on: want one like v1.21.1-eksbuild.3", clip(s))
	}
	var v addonVersion
	for i := range v {
		v[i], _ = strconv.Atoi(cmp.Or(m[i+1], "0")) // the pattern admits only digits
	}
	return v, nil
}

// compare orders versions by number: eksbuild.9 is before eksbuild.10.
func (v addonVersion) compare(w addonVersion) int { return slices.Compare(v[:], w[:]) }

// offer is what EKS offers of one add-on for one minor version of Kubernetes.
type offer []fleet.AddonRelease

func offerOf(addon string, releases []fleet.AddonRelease) offer {
	var o offer
	for _, r := range releases {
		if r.Name == addon {
			o = append(o, r)
		}
	}
	return o
}

// lists reports whether a version is among them.
func (o offer) lists(version string) bool {
	return slices.ContainsFunc(o, func(r fleet.AddonRelease) bool { return r.Version == version })
}

// standard is the version that EKS installs by itself; empty when it names none.
func (o offer) standard() string {
	for _, r := range o {
		if r.Default {
			return r.Version
		}
	}
	return ""
}

// newest is the highest version whose form is known; empty when there is none.
func (o offer) newest() string {
	var best string
	var high addonVersion
	for _, r := range o {
		if v, err := parseAddonVersion(r.Version); err == nil && (best == "" || v.compare(high) > 0) {
			best, high = r.Version, v
		}
	}
	return best
}

// advised is the version to go to: the one EKS installs by itself, else the
// newest; empty when nothing is offered.
func (o offer) advised() string { return cmp.Or(o.standard(), o.newest()) }
