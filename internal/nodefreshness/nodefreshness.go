// Package nodefreshness judges whether a managed nodegroup needs new nodes, and
// which. It decides why and what for; in which order and when is package
// rollout's concern. It reads nothing.
package nodefreshness

import (
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// The tags of a nodegroup that say how it may be treated.
const (
	// OptIn has the value Allowed on every group that may be written to. IAM asks
	// for it too.
	OptIn   = "eks-steward/nodegroup-rollout"
	Allowed = "allowed"
	// PinRelease holds the group at an AMI release, such as 1.36.2-20260714, or
	// at what it has with the value current.
	PinRelease = "eks-steward/pin-release"
	// Order is OrderCanary, OrderCritical, or missing.
	Order         = "eks-steward/rollout-order"
	OrderCanary   = "canary"   // first in its cluster
	OrderCritical = "critical" // last
)

// Rules are what a configuration says about one cluster.
type Rules struct {
	// MinReleaseAge is how long an AMI release has to be out before nodes get it,
	// and MaxNodeAge how old a node may become; zero is no bound.
	MinReleaseAge time.Duration
	MaxNodeAge    time.Duration
	Template      string // FollowDefault, FollowLatest or Ignore
}

// Which version of a launch template nodes should have.
const (
	FollowDefault = "default" // the template's default version
	FollowLatest  = "latest"
	Ignore        = "ignore"
)

// Known is what is known around a nodegroup. Parts that were not read make it
// Unknown whether the group is fresh, unless what was read tells already.
type Known struct {
	Cluster fleet.Cluster
	Images  fleet.Part[[]fleet.AMIRelease]
	Heads   fleet.Part[[]fleet.TemplateHead]
	// Oldest is when the oldest node of the group was made; zero when not known.
	Oldest time.Time
	// Forced says that a person wants new nodes whatever they have.
	Forced bool
}

// A Verdict is what is said of one nodegroup.
type Verdict struct {
	// Reasons say why it needs new nodes; none means that it is fresh, or that
	// Unknown says why it cannot be told.
	Reasons []Reason
	// Want is what an update has to ask for; it is set with Reasons, unless no
	// update of EKS could bring it. Release is empty to let EKS choose, Template is
	// zero where EKS makes it.
	Want Nodes
	// Left says in a sentence why the group cannot or must not be renewed by an
	// update of EKS, whatever its nodes are; empty when it can. It may come with
	// Reasons: such a group is stale and left alone.
	Left string
	// Unknown says in a sentence what could not be told. Where it comes with
	// Reasons, Left is set too.
	Unknown string
}

// Nodes is what the nodes of a group are, or shall be.
type Nodes struct {
	Version  string                `json:"version"` // Kubernetes minor
	Release  string                `json:"release,omitempty"`
	Template fleet.TemplateVersion `json:"template,omitzero"`
}

// A Reason is why a group needs new nodes.
type Reason struct {
	Cause Cause  `json:"cause"`
	Text  string `json:"text"` // one sentence
}

// Cause is the kind of a Reason.
type Cause string

// The causes.
const (
	VersionBehind  Cause = "version"  // of the control plane
	ReleaseBehind  Cause = "release"  // of the AMI
	TemplateBehind Cause = "template" // of the launch template
	NodesOld       Cause = "age"
	Forced         Cause = "forced" // by a person
)
