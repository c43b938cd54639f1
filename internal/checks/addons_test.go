package checks_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// offer adds releases of an add-on for the cluster's own version.
func offer(s *fleet.Snapshot, name string, versions ...string) {
	for _, v := range versions {
		s.Releases.Value = append(s.Releases.Value, fleet.AddonRelease{Name: name, Version: v})
	}
}

func TestAddons(t *testing.T) {
	run(t, "add-ons", []situation{
		{name: "healthy and up to date", change: func(*fleet.Snapshot) {}, want: []string{"pass info"}},
		{
			name: "older than the default, by the number of the build", want: []string{"fail warning outdated addon/coredns"},
			change: func(s *fleet.Snapshot) {
				s.Addons.Value[1].Version = "v1.13.1-eksbuild.9"
				s.Releases.Value[1].Version = "v1.13.1-eksbuild.10"
				offer(s, "coredns", "v1.13.1-eksbuild.9")
			},
		},
		{
			name: "the default and not the newest", want: []string{"fail info update-available addon/coredns"},
			change: func(s *fleet.Snapshot) { offer(s, "coredns", "v1.13.2-eksbuild.1", "v1.9.0-eksbuild.1") },
		},
		{
			name: "newer than the default is fine", want: []string{"pass info"},
			change: func(s *fleet.Snapshot) {
				s.Addons.Value[1].Version = "v1.14.0-eksbuild.1"
				offer(s, "coredns", "v1.14.0-eksbuild.1")
			},
		},
		{
			name: "not listed for the cluster's version", want: []string{"fail warning incompatible addon/kube-proxy"},
			change: func(s *fleet.Snapshot) { s.Addons.Value[2].Version = "v1.31.10-eksbuild.2" },
		},
		{
			name: "not listed where the newest is not the default", want: []string{"fail warning incompatible addon/coredns"},
			change: func(s *fleet.Snapshot) {
				s.Addons.Value[1].Version = "v1.8.0-eksbuild.1"
				offer(s, "coredns", "v1.14.0-eksbuild.1")
			},
		},
		{
			name: "not offered for the cluster's version at all", want: []string{"fail warning incompatible addon/acme_agent"},
			change: func(s *fleet.Snapshot) {
				s.Addons.Value = append(s.Addons.Value, fleet.Addon{Name: "acme_agent", Version: "v2.0.0-eksbuild.1", Status: "ACTIVE"})
			},
		},
		{
			name: "the network is degraded and outdated", want: []string{"fail critical degraded,outdated addon/vpc-cni"},
			change: func(s *fleet.Snapshot) {
				s.Addons.Value[0] = fleet.Addon{Name: "vpc-cni", Version: "v1.20.0-eksbuild.1", Status: "DEGRADED", Health: []fleet.Issue{
					{Code: "InsufficientNumberOfReplicas", Message: "The add-on is unhealthy because it doesn't have the desired number of replicas.", Resources: []string{"aws-node"}},
				}}
				offer(s, "vpc-cni", "v1.20.0-eksbuild.1")
			},
		},
		{
			name: "an update of the network failed", want: []string{"fail warning degraded addon/vpc-cni"},
			change: func(s *fleet.Snapshot) { s.Addons.Value[0].Status = "UPDATE_FAILED" },
		},
		{
			name: "another add-on is degraded", want: []string{"fail warning degraded addon/aws-ebs-csi-driver"},
			change: func(s *fleet.Snapshot) {
				s.Addons.Value = append(s.Addons.Value, fleet.Addon{Name: "aws-ebs-csi-driver", Version: "v1.50.0-eksbuild.1", Status: "ACTIVE", Health: []fleet.Issue{{Code: "AddonPermissionFailure"}}})
				offer(s, "aws-ebs-csi-driver", "v1.50.0-eksbuild.1")
			},
		},
		{
			name: "self-managed core add-ons", want: []string{"fail info self-managed addon/kube-proxy", "fail info self-managed addon/vpc-cni"},
			change: func(s *fleet.Snapshot) { s.Addons.Value = s.Addons.Value[1:2] },
		},
		{
			name: "Auto Mode has them built in", want: []string{"pass info"},
			change: func(s *fleet.Snapshot) { s.Addons.Value, s.Cluster.Value.AutoMode = nil, true },
		},
		{
			name: "where no kube-proxy runs none is missing", want: []string{"pass info"},
			change: func(s *fleet.Snapshot) { s.Addons.Value, s.KubeProxy.Value = s.Addons.Value[:2], fleet.KubeProxy{} },
		},
		{
			name: "FAULT 11 a version in a form of its own", want: []string{"unknown info version-unknown addon/acme_agent"},
			change: func(s *fleet.Snapshot) {
				s.Addons.Value = append(s.Addons.Value, fleet.Addon{Name: "acme_agent", Version: "2026.11-lts", Status: "ACTIVE"})
				offer(s, "acme_agent", "2026.11-lts")
			},
		},
		{
			name: "a version in a form of its own that is the default", want: []string{"pass info"},
			change: func(s *fleet.Snapshot) {
				s.Addons.Value[0].Version, s.Releases.Value[0].Version = "2026.11-lts", "2026.11-lts"
			},
		},
		{
			name: "FAULT 09 a state that is newer than this version", want: []string{"unknown info status-unknown addon/coredns"},
			change: func(s *fleet.Snapshot) { s.Addons.Value[1].Status = "PAUSED" },
		},
		{
			name: "FAULT 10 an add-on of which only the name is known", want: []string{"unknown info status-unknown addon/coredns"},
			change: func(s *fleet.Snapshot) { s.Addons.Value[1] = fleet.Addon{Name: "coredns"} },
		},
		{
			name: "FAULT 05 a list that was refused", want: []string{"unknown warning unread"},
			change: func(s *fleet.Snapshot) { s.Addons = refused[[]fleet.Addon]("eks:ListAddons") },
		},
		{
			name: "FAULT 05 a cluster that cannot be described may have add-ons of its own", want: []string{"unknown warning unread"},
			change: func(s *fleet.Snapshot) {
				s.Cluster = refused[fleet.Cluster]("eks:DescribeCluster")
				s.Addons.Value = s.Addons.Value[:1]
			},
		},
		{
			name: "a list that was read in part tells what it has", want: []string{"fail critical degraded addon/vpc-cni", "unknown warning unread"},
			change: func(s *fleet.Snapshot) {
				s.Addons.Value[0].Status = "DEGRADED"
				s.Addons = fleet.Read(s.Addons.Value[:1], &fleet.Trouble{Kind: fleet.Throttled, Action: "eks:DescribeAddon", Err: fmt.Errorf("slow down")}, noon)
			},
		},
		{
			name: "releases that were not read accuse nothing", want: []string{"unknown warning unread"},
			change: func(s *fleet.Snapshot) {
				s.Releases.Trouble = &fleet.Trouble{Kind: fleet.Denied, Action: "eks:DescribeAddonVersions", Err: fmt.Errorf("not authorized")}
				s.Releases.Value = slices.Delete(s.Releases.Value, 0, 2)
			},
		},
		{
			name: "FAULT 10 a snapshot with nothing in it", want: []string{"unknown warning unread"},
			change: func(s *fleet.Snapshot) { *s = fleet.Snapshot{ID: s.ID} },
		},
	})
}
