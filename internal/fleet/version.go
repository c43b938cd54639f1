package fleet

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"sync"
)

// Version is a Kubernetes minor version.
type Version struct{ Major, Minor int }

var version = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^v?([0-9]{1,4})\.([0-9]{1,4})(?:[.+-].*)?$`) })

// ParseVersion reads 1.34, v1.34.2-eks-abc or 1.31+. Anything else is an error:
// a version that cannot be read is unknown, not old.
func ParseVersion(s string) (Version, error) {
	m := version().FindStringSubmatch(s)
	if m == nil {
		return Version{}, fmt.Errorf("%q is not a Kubernetes version: want one like 1.34", Clip(s, 40))
	}
	major, _ := strconv.Atoi(m[1]) // the pattern admits only digits
	minor, _ := strconv.Atoi(m[2])
	return Version{major, minor}, nil
}

// Compare orders versions by number: 1.9 is before 1.10.
func (v Version) Compare(w Version) int {
	return cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor))
}

func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }
