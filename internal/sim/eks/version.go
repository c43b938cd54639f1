package eks

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// A Version is one Kubernetes minor of the support calendar.
type Version struct {
	Name                 string // such as 1.34
	Released             time.Time
	EndOfStandardSupport time.Time
	EndOfExtendedSupport time.Time
	Default              bool   // what CreateCluster takes when it is not told
	Platform             string // newest platform version, such as eks.9
	Patch                string // such as 1.34.2
}

// The statuses of a version, as the member versionStatus spells them.
const (
	standardSupport = "STANDARD_SUPPORT"
	extendedSupport = "EXTENDED_SUPPORT"
	unsupported     = "UNSUPPORTED"
)

func (v Version) status(now time.Time) string {
	switch {
	case now.Before(v.EndOfStandardSupport):
		return standardSupport
	case now.Before(v.EndOfExtendedSupport):
		return extendedSupport
	}
	return unsupported
}

// A Tier is a control-plane scaling tier. Sizes are in GB as AWS counts them.
type Tier struct {
	Name              string `json:"tierName"`
	Concurrency       int    `json:"apiRequestConcurrency,omitempty"`
	PodsPerSecond     int    `json:"podSchedulingRatePerSecond,omitempty"`
	DatabaseSizeLimit int    `json:"clusterDatabaseSizeGb,omitempty"`
}

var versionOperations = []operation{
	{name: "DescribeClusterVersions", method: http.MethodGet, path: "/cluster-versions", run: (*Service).describeVersions},
}

type describeVersionsOutput struct {
	ClusterVersions []versionInformation `json:"clusterVersions"`
	NextToken       string               `json:"nextToken,omitempty"`
}

type versionInformation struct {
	ClusterVersion       string `json:"clusterVersion"`
	ClusterType          string `json:"clusterType"`
	PlatformVersion      string `json:"defaultPlatformVersion,omitempty"`
	Default              bool   `json:"defaultVersion"`
	Released             Time   `json:"releaseDate"`
	EndOfStandardSupport Time   `json:"endOfStandardSupportDate"`
	EndOfExtendedSupport Time   `json:"endOfExtendedSupportDate"`
	Status               string `json:"status"` // deprecated in favour of versionStatus, still sent
	VersionStatus        string `json:"versionStatus"`
	Patch                string `json:"kubernetesPatchVersion,omitempty"`
	Tiers                []Tier `json:"controlPlaneScalingTiers,omitempty"`
}

func (s *Service) describeVersions(c edge.Call, r request) (any, error) {
	want, err := filterOf(r)
	if err != nil {
		return nil, err
	}
	now := s.now()
	var found []versionInformation
	for _, v := range s.versions {
		if info := s.information(v, now); want.admits(info) {
			found = append(found, info)
		}
	}
	name := func(v versionInformation) string { return v.ClusterVersion }
	slices.SortFunc(found, func(a, b versionInformation) int { return newestFirst(name(a), name(b)) })
	found, next, err := page(r.query, found, name, newestFirst, c.LoopTokens)
	if err != nil {
		return nil, err
	}
	return describeVersionsOutput{ClusterVersions: found, NextToken: next}, nil
}

func (s *Service) information(v Version, now time.Time) versionInformation {
	status := v.status(now)
	return versionInformation{
		ClusterVersion: v.Name, ClusterType: "eks", PlatformVersion: v.Platform, Patch: v.Patch, Default: v.Default,
		Released: Time{v.Released}, EndOfStandardSupport: Time{v.EndOfStandardSupport}, EndOfExtendedSupport: Time{v.EndOfExtendedSupport},
		VersionStatus: status, Status: oldStatus(status), Tiers: s.tiers,
	}
}

// oldStatus is how the deprecated member status spells a versionStatus.
func oldStatus(s string) string { return strings.ReplaceAll(strings.ToLower(s), "_", "-") }

// newestFirst is the order in which EKS lists versions.
func newestFirst(a, b string) int {
	v, errA := fleet.ParseVersion(a)
	w, errB := fleet.ParseVersion(b)
	if errA != nil || errB != nil {
		return cmp.Compare(b, a)
	}
	return w.Compare(v)
}

// A versionFilter is the parameters of DescribeClusterVersions.
type versionFilter struct {
	clusterType string
	versions    []string
	status      string
	defaultOnly bool
	includeAll  bool
}

func filterOf(r request) (versionFilter, error) {
	f := versionFilter{clusterType: r.query.Get("clusterType"), versions: r.query["clusterVersions"], status: r.query.Get("versionStatus")}
	for name, flag := range map[string]*bool{"defaultOnly": &f.defaultOnly, "includeAll": &f.includeAll} {
		if !r.query.Has(name) {
			continue
		}
		v, err := strconv.ParseBool(r.query.Get(name))
		if err != nil {
			return f, invalid(name + " must be true or false")
		}
		*flag = v
	}
	if old := r.query.Get("status"); old != "" {
		f.status = strings.ReplaceAll(strings.ToUpper(old), "-", "_")
	}
	if !slices.Contains([]string{"", standardSupport, extendedSupport, unsupported}, f.status) {
		return f, invalid("versionStatus must be one of STANDARD_SUPPORT, EXTENDED_SUPPORT, UNSUPPORTED")
	}
	return f, nil
}

// admits leaves unsupported versions out unless they are asked for: all of them,
// by name or by status.
func (f versionFilter) admits(v versionInformation) bool {
	switch {
	case f.clusterType != "" && f.clusterType != v.ClusterType,
		f.defaultOnly && !v.Default,
		f.status != "" && f.status != v.VersionStatus:
		return false
	case len(f.versions) > 0:
		return slices.Contains(f.versions, v.ClusterVersion)
	}
	return f.includeAll || f.status != "" || v.VersionStatus != unsupported
}
