package nodefreshness

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// A release is an AMI release that has been read: 1.36.2-20260714 of Amazon Linux,
// 1.36-2026.07.14 of Windows, 1.50.0-ea1b2c3d of Bottlerocket.
type release struct {
	version []int // of Kubernetes, or of Bottlerocket itself
	date    time.Time
	// hash stands in the place of a date: the version is Bottlerocket's.
	hash string
}

func parseRelease(s string) (release, bool) {
	version, rest, ok := strings.Cut(s, "-")
	if !ok || rest == "" {
		return release{}, false
	}
	var r release
	for part := range strings.SplitSeq(version, ".") {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return release{}, false
		}
		r.version = append(r.version, int(n))
	}
	if len(r.version) < 2 {
		return release{}, false
	}
	for _, layout := range []string{"20060102", "2006.01.02"} {
		if date, err := time.Parse(layout, rest); err == nil {
			r.date = date
			return r, true
		}
	}
	r.hash = rest
	return r, true
}

// minor is the Kubernetes version of a release; false where it has none.
func (r release) minor() (fleet.Version, bool) {
	return fleet.Version{Major: r.version[0], Minor: r.version[1]}, r.hash == ""
}

// older reports whether one release is known to be older than another. Releases of
// several formats have no order, and neither have two hashes.
func older(a, b string) bool {
	x, ok := parseRelease(a)
	y, both := parseRelease(b)
	if !ok || !both || (x.hash == "") != (y.hash == "") || len(x.version) != len(y.version) {
		return false
	}
	return cmp.Or(slices.Compare(x.version, y.version), x.date.Compare(y.date)) < 0
}

// Made is the day in the name of an AMI release; false where it has none, as of
// Bottlerocket.
func Made(name string) (time.Time, bool) {
	r, ok := parseRelease(name)
	return r.date, ok && r.hash == ""
}
