// Package surveytest has a clustercheck.Survey that is filled by hand, for what
// no real part can be made to show: a refusal of one call, a reading that takes
// too long, an answer that changes between two looks.
package surveytest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Region is the clusters of one target. Its fields may be changed between looks.
type Region struct {
	Target   fleet.Target
	Clusters map[string]*fleet.Snapshot
	Unlisted error               // what Clusters returns along with the names
	Left     map[string][]string // ARNs by cluster
	Unfound  error               // what Leftovers returns
	Updates  map[string]fleet.Update
	Takes    time.Duration // to read one cluster

	mu    sync.Mutex
	reads []string
}

// New is a region with healthy clusters.
func New(t fleet.Target, now time.Time, names ...string) *Region {
	r := &Region{Target: t, Clusters: map[string]*fleet.Snapshot{}, Left: map[string][]string{}, Updates: map[string]fleet.Update{}}
	for _, n := range names {
		r.Clusters[n] = Healthy(t.Cluster(n), now)
	}
	return r
}

// Reads names the clusters that were read since the last call, sorted.
func (r *Region) Reads() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	reads := r.reads
	r.reads = nil
	slices.Sort(reads)
	return reads
}

// Survey is the region as clustercheck sees it.
func (r *Region) Survey() Survey { return Survey{r} }

// Survey implements clustercheck.Survey.
type Survey struct{ region *Region }

// Clusters lists the names.
func (s Survey) Clusters(context.Context) ([]string, error) {
	return slices.Sorted(maps.Keys(s.region.Clusters)), s.region.Unlisted
}

// Snapshot returns what the region holds; a cluster that it does not hold is gone.
func (s Survey) Snapshot(ctx context.Context, cluster string, want fleet.Wanted) fleet.Snapshot {
	r := s.region
	r.mu.Lock()
	r.reads = append(r.reads, cluster)
	r.mu.Unlock()
	select {
	case <-time.After(r.Takes):
	case <-ctx.Done():
	}
	known, ok := r.Clusters[cluster]
	if !ok {
		return fleet.Snapshot{
			ID:      r.Target.Cluster(cluster),
			Cluster: fleet.Read(fleet.Cluster{}, Trouble(fleet.Gone, "eks:DescribeCluster"), time.Unix(1, 0)),
		}
	}
	snap := *known
	if !want.Insights {
		snap.Insights = fleet.Part[[]fleet.Insight]{}
	}
	if u, ok := r.Updates[cluster]; ok && (want.Update == u.ID || snap.Cluster.Value.Status == "UPDATING") {
		snap.Update = fleet.Read(u, nil, snap.Cluster.At)
	}
	return snap
}

// Leftovers lists what a cluster left behind.
func (s Survey) Leftovers(_ context.Context, cluster string) ([]string, error) {
	return s.region.Left[cluster], s.region.Unfound
}

// Trouble is a refusal of an action.
func Trouble(kind fleet.TroubleKind, action string) error {
	return &fleet.Trouble{Kind: kind, Action: action, Err: errors.New("refused")}
}

// Healthy is a cluster of which every check says that it is well.
func Healthy(id fleet.ClusterID, now time.Time) *fleet.Snapshot {
	release := []fleet.AddonRelease{
		{Name: "vpc-cni", Version: "v1.21.1-eksbuild.3", Default: true},
		{Name: "coredns", Version: "v1.13.1-eksbuild.1", Default: true},
		{Name: "kube-proxy", Version: "v1.36.0-eksbuild.2", Default: true},
	}
	var addons []fleet.Addon
	for _, r := range release {
		addons = append(addons, fleet.Addon{Name: r.Name, Version: r.Version, Status: "ACTIVE"})
	}
	year := 365 * 24 * time.Hour
	return &fleet.Snapshot{
		ID: id,
		Cluster: fleet.Read(fleet.Cluster{
			ID: id, Status: "ACTIVE", Version: "1.36", Kind: fleet.KindEKS, PlatformVersion: "eks.5",
			Subnets: []string{"subnet-a"}, CreatedAt: now.Add(-year),
		}, nil, now),
		Nodegroups: fleet.Read([]fleet.Nodegroup{{Name: "general", Status: "ACTIVE", Version: "1.36", Release: "1.36.2-20260714", AMIType: "AL2023_x86_64_STANDARD", Nodes: 3}}, nil, now),
		Images:     fleet.Read([]fleet.AMIRelease{{AMIType: "AL2023_x86_64_STANDARD", Version: "1.36", Release: "1.36.2-20260714", Published: now.Add(-year)}}, nil, now),
		Addons:     fleet.Read(addons, nil, now),
		Insights:   fleet.Read([]fleet.Insight{{ID: "i-1", Name: "Deprecated APIs", Category: "UPGRADE_READINESS", Status: "PASSING", For: "1.37", Refreshed: now}}, nil, now),
		Subnets:    fleet.Read([]fleet.Subnet{{ID: "subnet-a", Free: 200}}, nil, now),
		Versions: fleet.Read([]fleet.VersionSupport{
			{Version: "1.36", Status: "STANDARD_SUPPORT", EndOfStandard: now.Add(year), EndOfExtended: now.Add(2 * year), Default: true},
			{Version: "1.37", Status: "STANDARD_SUPPORT", EndOfStandard: now.Add(2 * year), EndOfExtended: now.Add(3 * year)},
		}, nil, now),
		Releases: fleet.Read(release, nil, now), NextReleases: fleet.Read(release, nil, now),
		Nodes:        fleet.Read([]fleet.Node{{Name: "ip-10-0-0-1", Kubelet: "v1.36.2-eks-1a2b3c", Origin: fleet.Managed, Pool: "general", Ready: true}}, nil, now),
		KubeProxy:    fleet.Read(fleet.KubeProxy{Version: "v1.36.0-eksbuild.2", Mode: "iptables"}, nil, now),
		Deprecations: fleet.Read[[]fleet.DeprecatedAPI](nil, nil, now),
		Backups:      fleet.Read([]fleet.Backup{{Tool: "velero", Last: now.Add(-6 * time.Hour)}}, nil, now),

		VolumesEncrypted: fleet.Read(true, nil, now),
		DefaultVolumeKey: fleet.Read("alias/aws/ebs", nil, now),
		StorageClasses:   fleet.Read([]fleet.StorageClass{{Name: "gp3", Provisioner: "ebs.csi.aws.com", Default: true, Encrypted: true}}, nil, now),
	}
}
