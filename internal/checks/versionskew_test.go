package checks_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

func TestVersionSkew(t *testing.T) {
	groups := func(all ...fleet.Nodegroup) func(*fleet.Snapshot) {
		return func(s *fleet.Snapshot) { s.Nodegroups.Value, s.Nodes.Value = all, nil }
	}
	nodes := func(all ...fleet.Node) func(*fleet.Snapshot) {
		return func(s *fleet.Snapshot) { s.Nodes.Value = append(s.Nodes.Value, all...) }
	}
	tests := []struct {
		name   string
		change func(*fleet.Snapshot)
		want   []string // resource, outcome, severity and cause of each finding
	}{
		{"all on the control plane's version", func(*fleet.Snapshot) {}, []string{" pass info "}},
		{"two minor versions behind is fine", groups(fleet.Nodegroup{Name: "a", Version: "1.34"}), []string{" pass info "}},
		{"three behind has to go first", groups(fleet.Nodegroup{Name: "a", Version: "1.33"}), []string{"nodegroup/a fail warning at-limit"}},
		{"four behind is not supported", groups(fleet.Nodegroup{Name: "a", Version: "1.32"}), []string{"nodegroup/a fail critical beyond-limit"}},
		{"an own AMI is renewed by its launch template", groups(fleet.Nodegroup{Name: "a", Version: "1.33", AMIType: fleet.CustomAMI}), []string{"nodegroup/a fail warning at-limit"}},
		{"a nodegroup ahead", groups(fleet.Nodegroup{Name: "a", Version: "1.37"}), []string{"nodegroup/a fail critical ahead"}},
		{"each nodegroup is its own trouble", groups(fleet.Nodegroup{Name: "b", Version: "1.33"}, fleet.Nodegroup{Name: "c", Version: "1.36"}, fleet.Nodegroup{Name: "a", Version: "1.32"}), []string{"nodegroup/a fail critical beyond-limit", "nodegroup/b fail warning at-limit"}},
		{"before 1.28 two behind is the limit", func(s *fleet.Snapshot) {
			s.Cluster.Value.Version = "1.27"
			groups(fleet.Nodegroup{Name: "a", Version: "1.25"}, fleet.Nodegroup{Name: "b", Version: "1.24"}, fleet.Nodegroup{Name: "c", Version: "1.26"})(s)
			s.KubeProxy.Value.Version = "v1.27.1"
		}, []string{"nodegroup/a fail warning at-limit", "nodegroup/b fail critical beyond-limit"}},
		{"in 1.28 three behind is the limit", func(s *fleet.Snapshot) {
			s.Cluster.Value.Version = "1.28"
			groups(fleet.Nodegroup{Name: "a", Version: "1.25"}, fleet.Nodegroup{Name: "b", Version: "1.24"})(s)
			s.KubeProxy.Value.Version = "v1.28.1"
		}, []string{"nodegroup/a fail warning at-limit", "nodegroup/b fail critical beyond-limit"}},
		{"a node that its group's update left behind", nodes(fleet.Node{Name: "ip-10-0-0-9", Kubelet: "v1.32.9-eks-1a2b3c", Origin: fleet.Managed, Pool: "general"}), []string{"nodegroup/general fail critical beyond-limit"}},
		{"nodes of every origin", nodes(
			fleet.Node{Name: "k-1", Kubelet: "v1.32.1-eks-1a2b3c", Origin: fleet.Karpenter, Pool: "spot"}, fleet.Node{Name: "k-2", Kubelet: "v1.36.1", Origin: fleet.Karpenter, Pool: "spot"},
			fleet.Node{Name: "f-1", Kubelet: "v1.33.0", Origin: fleet.Fargate, Pool: "batch"}, fleet.Node{Name: "m-1", Kubelet: "v1.33.0", Origin: fleet.AutoMode, Pool: "general-purpose"},
			fleet.Node{Name: "s-1", Kubelet: "v1.33.0", Origin: fleet.SelfManaged}, fleet.Node{Name: "k-3", Kubelet: "v1.33.0", Origin: fleet.Karpenter}), []string{
			"nodes/auto-mode/general-purpose fail warning at-limit", "nodes/fargate/batch fail warning at-limit", "nodes/karpenter fail warning at-limit",
			"nodes/karpenter/spot fail critical beyond-limit", "nodes/self-managed fail warning at-limit",
		}},
		{"a node ahead decides before one that is old", nodes(
			fleet.Node{Name: "s-1", Kubelet: "v1.37.0", Origin: fleet.SelfManaged}, fleet.Node{Name: "s-2", Kubelet: "v1.30.0", Origin: fleet.SelfManaged},
		), []string{"nodes/self-managed fail critical ahead"}},
		{"kube-proxy at the limit", func(s *fleet.Snapshot) { s.KubeProxy.Value.Version = "v1.33.0-eksbuild.2" }, []string{"nodes/kube-proxy fail warning at-limit"}},
		{"kube-proxy ahead", func(s *fleet.Snapshot) { s.KubeProxy.Value.Version = "v1.37.0-eksbuild.2" }, []string{"nodes/kube-proxy fail critical ahead"}},
		{"where no kube-proxy runs it is no trouble", func(s *fleet.Snapshot) { s.KubeProxy.Value = fleet.KubeProxy{} }, []string{" pass info "}},
		{"a private API server leaves the managed groups judged", func(s *fleet.Snapshot) {
			groups(fleet.Nodegroup{Name: "a", Version: "1.33"})(s)
			private := &fleet.Trouble{Kind: fleet.Private, Action: "Kubernetes API", Err: fmt.Errorf("it has no public endpoint")}
			s.Nodes, s.KubeProxy = fleet.Read[[]fleet.Node](nil, private, noon), fleet.Read(fleet.KubeProxy{}, private, noon)
		}, []string{"nodegroup/a fail warning at-limit", "nodes unknown info unread"}},
		{"nodes that were read before an error are judged", func(s *fleet.Snapshot) {
			s.Nodes = refused[[]fleet.Node]("list nodes")
			s.Nodes.Value = []fleet.Node{{Name: "s-1", Kubelet: "v1.37.0", Origin: fleet.SelfManaged}}
		}, []string{"nodes/self-managed fail critical ahead", "nodes unknown info unread"}},
		{"kube-proxy alone could not be read", func(s *fleet.Snapshot) { s.KubeProxy = refused[fleet.KubeProxy]("get daemonsets") }, []string{"nodes/kube-proxy unknown info unread"}},
		{"nodegroups could not be read", func(s *fleet.Snapshot) { s.Nodegroups = refused[[]fleet.Nodegroup]("eks:ListNodegroups") }, []string{"nodegroup unknown warning unread"}},
		{"FAULT 10 a nodegroup without a version", groups(fleet.Nodegroup{Name: "a"}), []string{"nodegroup/a unknown warning unreadable-version"}},
		{"FAULT 10 a node without anything", nodes(fleet.Node{}), []string{"nodes/self-managed unknown warning unreadable-version"}},
		{"FAULT 11 what cannot be read does not hide what can", nodes(
			fleet.Node{Name: "s-1", Kubelet: "dev", Origin: fleet.SelfManaged}, fleet.Node{Name: "s-2", Kubelet: "v1.33.0", Origin: fleet.SelfManaged},
		), []string{"nodes/self-managed fail warning at-limit"}},
		{"FAULT 11 one that cannot be read among good ones is unknown", nodes(fleet.Node{Name: "ip-10-0-0-9", Kubelet: "dev", Origin: fleet.Managed, Pool: "general"}), []string{"nodegroup/general unknown warning unreadable-version"}},
		{"FAULT 11 1.9 is before 1.10", func(s *fleet.Snapshot) {
			s.Cluster.Value.Version = "1.10"
			groups(fleet.Nodegroup{Name: "a", Version: "1.9"})(s)
			s.KubeProxy.Value.Version = "v1.10.1"
		}, []string{" pass info "}},
		{"FAULT 11 another major version is not compared by its minor", groups(fleet.Nodegroup{Name: "a", Version: "2.1"}), []string{"nodegroup/a fail critical ahead"}},
		{"FAULT 11 the control plane's version cannot be read", func(s *fleet.Snapshot) { s.Cluster.Value.Version = "1.x" }, []string{" unknown warning unreadable-version"}},
	}
	var all strings.Builder
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := healthy(noon)
			test.change(&s)
			found := judge("version-skew", s, defaults, noon)
			var got []string
			for _, f := range found {
				got = append(got, fmt.Sprintf("%s %s %s %s", f.Resource, f.Outcome, f.Severity, f.Cause))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
			fmt.Fprintf(&all, "== %s\n%s\n", test.name, render(found))
		})
	}
	golden(t, "version-skew.txt", all.String())
}

// TestAMendedNodegroupIsClosedBehindAPrivateAPIServer holds that what is never
// seen does not keep open what is.
func TestAMendedNodegroupIsClosedBehindAPrivateAPIServer(t *testing.T) {
	s := healthy(noon)
	s.Nodes = refused[[]fleet.Node]("list nodes")
	found := judge("version-skew", s, defaults, noon)
	open := []fleet.Finding{
		{Check: "version-skew", Cluster: s.ID, Resource: "nodegroup/general", Outcome: fleet.Fail, Cause: "at-limit"},
		{Check: "version-skew", Cluster: s.ID, Resource: "nodes/karpenter/spot", Outcome: fleet.Fail, Cause: "at-limit"},
	}
	closed := checks.Settle(found, open, noon)
	if len(closed) != 1 || closed[0].Resource != "nodegroup/general" || closed[0].Outcome != fleet.Pass {
		t.Errorf("closed %+v, want nodegroup/general alone: nobody saw what became of the other", closed)
	}
}
