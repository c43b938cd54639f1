//go:build unix

// Package coupled makes a real control plane follow a simulated EKS cluster, so that what is
// done by EKS's API shows in the API server: access entries decide whose tokens it takes, a
// nodegroup has that many nodes, and an update of it really drains them. It decides nothing
// about EKS, and its nodes run nothing.
package coupled

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/eks-steward/eks-steward/e2e/cluster"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
)

// Region is where the nodes say that they are.
const Region = "eu-west-1"

// A Mirror is a control plane that follows. The simulator tells it one change at a time, but
// for rolls, which go on beside other changes.
type Mirror struct {
	// EvictionTimeout is how long pods may refuse to leave a node. Set it while no Roll runs,
	// as the next.
	EvictionTimeout time.Duration
	// ReadyTimeout is how long a new node may take to get Ready; at 0 none does.
	ReadyTimeout time.Duration

	control *cluster.Cluster

	mu     sync.Mutex
	nodes  map[string][]node // by nodegroup, oldest first
	joined int               // nodes so far
}

// A node is one that has joined, and what it was started from.
type node struct {
	name string
	from source
}

var _ sim.Mirror = (*Mirror)(nil)

// New makes a mirror of one simulated cluster, as patient as EKS is. Nodes need a control
// plane with Workloads.
func New(control *cluster.Cluster) *Mirror {
	return &Mirror{EvictionTimeout: 15 * time.Minute, ReadyTimeout: 15 * time.Minute, control: control, nodes: map[string][]node{}}
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
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.nodes[g.Name]) < g.Nodes {
		if _, err := m.join(context.Background(), g); err != nil {
			return err
		}
	}
	for len(m.nodes[g.Name]) > g.Nodes {
		last := m.nodes[g.Name][len(m.nodes[g.Name])-1]
		if err := m.leave(context.Background(), g.Name, last.name); err != nil {
			return err
		}
	}
	return nil
}

// join adds a node to a group. It wants mu to be held.
func (m *Mirror) join(ctx context.Context, g fleet.Nodegroup) (name string, err error) {
	m.joined++
	n := nodeOf(g, m.joined)
	if err := m.control.Join(ctx, n); err != nil {
		return "", err
	}
	m.nodes[g.Name] = append(m.nodes[g.Name], node{name: n.Name, from: sourceOf(g)})
	return n.Name, nil
}

// leave takes a node away. It wants mu to be held.
func (m *Mirror) leave(ctx context.Context, group, name string) error {
	if err := m.control.Leave(ctx, name); err != nil {
		return err
	}
	m.nodes[group] = slices.DeleteFunc(m.nodes[group], func(n node) bool { return n.name == name })
	return nil
}

// nodeOf is a node of a group, with the labels that those of a managed nodegroup have.
func nodeOf(g fleet.Nodegroup, number int) cluster.Node {
	name := fmt.Sprintf("ip-10-0-%d-%d.%s.compute.internal", number/250, number%250, Region)
	return cluster.Node{
		Name: name, KubeletVersion: kubelet(g),
		Labels: map[string]string{
			"eks.amazonaws.com/nodegroup":      g.Name,
			"eks.amazonaws.com/capacityType":   "ON_DEMAND",
			"node.kubernetes.io/instance-type": "t3.medium",
			"topology.kubernetes.io/region":    Region,
			"topology.kubernetes.io/zone":      Region + string(rune('a'+number%3)),
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
