//go:build unix

// Package coupled makes a real control plane follow a simulated EKS cluster, so that what is
// done by EKS's API shows in the API server: access entries decide whose tokens it takes, and
// a nodegroup has that many nodes. It decides nothing about EKS, and its nodes run nothing.
package coupled

import (
	"context"
	"fmt"
	"strings"

	"github.com/eks-steward/eks-steward/e2e/cluster"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
)

// Region is where the nodes say that they are.
const Region = "eu-west-1"

// A Mirror is a control plane that follows. The simulator tells it one change at a time.
type Mirror struct {
	control *cluster.Cluster
	nodes   map[string][]string // names by nodegroup, oldest first
	joined  int                 // nodes so far
}

var _ sim.Mirror = (*Mirror)(nil)

// New makes a mirror of one simulated cluster. Nodes need a control plane with Workloads.
func New(control *cluster.Cluster) *Mirror {
	return &Mirror{control: control, nodes: map[string][]string{}}
}

// Admit returns when the authenticator takes the tokens of the role.
func (m *Mirror) Admit(principalARN, username string, groups []string) error {
	if !strings.Contains(principalARN, ":role/") {
		return fmt.Errorf("admit %s: the test cluster knows only roles", principalARN)
	}
	return m.control.Map(context.Background(), principalARN, username, groups...)
}

// Expel returns when the authenticator refuses new tokens of the role.
func (m *Mirror) Expel(principalARN string) error {
	return m.control.Unmap(context.Background(), principalARN)
}

// Scale adds nodes of the group's version, or takes the newest away without a word to their
// pods. Nodes that stay keep the version that they came with.
func (m *Mirror) Scale(g fleet.Nodegroup) error {
	for len(m.nodes[g.Name]) < g.Nodes {
		n := m.node(g)
		if err := m.control.Join(context.Background(), n); err != nil {
			return err
		}
		m.nodes[g.Name] = append(m.nodes[g.Name], n.Name)
	}
	for len(m.nodes[g.Name]) > g.Nodes {
		last := len(m.nodes[g.Name]) - 1
		if err := m.control.Leave(context.Background(), m.nodes[g.Name][last]); err != nil {
			return err
		}
		m.nodes[g.Name] = m.nodes[g.Name][:last]
	}
	return nil
}

// node is the next one of a group, with the labels that those of a managed nodegroup have.
func (m *Mirror) node(g fleet.Nodegroup) cluster.Node {
	m.joined++
	name := fmt.Sprintf("ip-10-0-%d-%d.%s.compute.internal", m.joined/250, m.joined%250, Region)
	return cluster.Node{
		Name: name, KubeletVersion: kubelet(g),
		Labels: map[string]string{
			"eks.amazonaws.com/nodegroup":      g.Name,
			"eks.amazonaws.com/capacityType":   "ON_DEMAND",
			"node.kubernetes.io/instance-type": "t3.medium",
			"topology.kubernetes.io/region":    Region,
			"topology.kubernetes.io/zone":      Region + string(rune('a'+m.joined%3)),
			"kubernetes.io/hostname":           name,
			"kubernetes.io/os":                 "linux",
			"kubernetes.io/arch":               "amd64",
		},
	}
}

// kubelet is the version in the release of an AMI, such as 1.36.2-20260714. Other images do
// not say more than the minor.
func kubelet(g fleet.Nodegroup) string {
	if patch, _, ok := strings.Cut(g.Release, "-"); ok && strings.HasPrefix(patch, g.Version+".") {
		return "v" + patch + "-eks-0000000"
	}
	return "v" + g.Version + ".0-eks-0000000"
}
