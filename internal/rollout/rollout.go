// Package rollout holds the nouns of renewing the nodes of a fleet, and every
// decision about it: which groups, in which waves, what may begin now, whether
// what is around a group allows it, whether it went well. It is pure: it reads
// nothing, writes nothing and has no clock. Package nodegrouprollout carries out
// what it decides.
package rollout

import (
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
	"github.com/eks-steward/eks-steward/internal/window"
)

// Check is the id of what is told about rollouts.
const Check = "nodegroup-rollout"

// Mode is how far a rollout may go with a cluster.
type Mode string

// The modes, in the order of what they allow.
const (
	Report  Mode = "report"  // a plan is printed
	Approve Mode = "approve" // a person approves the plan
	Enforce Mode = "enforce"
)

// Policy is what holds for the groups of one cluster.
type Policy struct {
	Mode      Mode
	Freshness nodefreshness.Rules
	Schedule  window.Schedule
	// Calendar is an SSM Change Calendar of the cluster's account and region, by
	// name or ARN, that has to be open; empty for none.
	Calendar string
	// Alarms are CloudWatch alarms of the cluster's account and region that have to
	// be quiet.
	Alarms []string
	// Proceed says that a group is begun although something about Kubernetes could
	// not be read (whenUnknown: proceed). What AWS does not say always blocks.
	Proceed bool
	// Bake is how long the gate of a group has to stay open.
	Bake time.Duration
	// NodeTime is what one node usually takes, as long as nobody has seen better.
	NodeTime time.Duration
	// ForceAfter is the number of failures after which an update of the groups
	// ForceGroups (patterns of path.Match over cluster/group) deletes pods past
	// their budgets; 0 is never.
	ForceAfter  int
	ForceGroups []string
}

// Waves are what holds for a rollout as a whole.
type Waves struct {
	Tag    string   // of clusters: its value names the wave
	Order  []string // of waves
	Others string   // OthersLast or OthersNever: clusters of no wave
	// MaxClusters and MaxGroups bound what is under way at a time: in how many
	// clusters, and in each of them.
	MaxClusters, MaxGroups int
	// Bake is the time from the end of one wave to the begin of the next.
	Bake time.Duration
	// Longest is how long a rollout may take before it halts by itself.
	Longest time.Duration
}

// What becomes of clusters that have no wave.
const (
	OthersLast  = "last"  // a wave of their own after all others
	OthersNever = "never" // left alone
)

// A Candidate is a cluster that may have groups to roll, as it was read.
type Candidate struct {
	Target  fleet.Target
	ID      fleet.ClusterID
	Cluster fleet.Part[fleet.Cluster]
	Groups  fleet.Part[[]fleet.Nodegroup]
	Images  fleet.Part[[]fleet.AMIRelease] // as in fleet.Snapshot
	Heads   fleet.Part[[]fleet.TemplateHead]
	Policy  Policy
	// Usual is how long an update of a group took before, by the group's name.
	Usual map[string]time.Duration
	// Forced are the groups that a person wants renewed whatever they have; "*" is
	// all of them.
	Forced []string
}

// A Plan is which groups are rolled, to what, in which order, and why.
type Plan struct {
	Waves []Wave `json:"waves"` // without those that have nothing to roll
	Left  []Left `json:"left,omitempty"`
}

// A Wave is the clusters that are rolled before those of the next one.
type Wave struct {
	Name     string        `json:"name"`
	Clusters []ClusterPlan `json:"clusters"` // by name, account, region
}

// A ClusterPlan is what is done to one cluster, in this order.
type ClusterPlan struct {
	Target  fleet.Target    `json:"target"`
	ID      fleet.ClusterID `json:"id"`
	ARN     string          `json:"arn"`
	Version string          `json:"version"` // of the control plane
	Mode    Mode            `json:"mode"`
	Steps   []Step          `json:"steps"`
}

// A Step is the update of one group.
type Step struct {
	Group    string                 `json:"group"` // name
	ARN      string                 `json:"arn"`   // of the group: another one of the same name is not meant
	From     nodefreshness.Nodes    `json:"from"`
	To       nodefreshness.Nodes    `json:"to"`
	Nodes    int                    `json:"nodes"`
	Rank     Rank                   `json:"rank"`
	Reasons  []nodefreshness.Reason `json:"reasons"`
	Expected time.Duration          `json:"expected"` // how long the update usually takes
}

// Rank is the place of a group in its cluster. Within a rank smaller groups come
// first.
type Rank int

// The ranks, first to last.
const (
	Canary Rank = iota
	Ordinary
	Critical
)

// Left is something that is not rolled, and why.
type Left struct {
	ID    fleet.ClusterID `json:"id"`
	Group string          `json:"group,omitempty"` // empty for the whole cluster
	Why   string          `json:"why"`             // one sentence
	// Stale says that it needs new nodes and is left alone all the same.
	Stale bool `json:"stale,omitempty"`
}

// A Rollout is a plan that is carried out. It fits one record of the ledger; what
// becomes of each group is in the Progress of its cluster.
type Rollout struct {
	ID      string    `json:"id"`   // begin and plan, such as 20261121-1930-4f0c2ab19d3e
	Plan    string    `json:"plan"` // hash
	State   State     `json:"state"`
	Why     string    `json:"why,omitempty"` // of every state but Running and Completed
	By      string    `json:"by,omitempty"`  // who brought it into its state; empty when nobody did
	Members []Member  `json:"members"`       // in the order of the plan
	Waves   []string  `json:"waves"`         // names
	Wave    int       `json:"wave"`          // the current one
	Rested  time.Time `json:"rested"`        // when the last group of the wave before was done; zero in the first

	Started time.Time `json:"started"`
	// Approved is when a person approved the plan; zero when nobody has.
	Approved time.Time `json:"approved,omitzero"`
	// Resumed is when a person let a halted rollout go on: groups that failed
	// before are tried again.
	Resumed time.Time `json:"resumed,omitzero"`
	// Only is the one group that a person wants tried again, as cluster/group:
	// nothing else begins meanwhile. Empty means all that failed.
	Only string `json:"only,omitempty"`
	// Skip are the groups that a person has taken out, as cluster/group.
	Skip  []string  `json:"skip,omitempty"`
	Ended time.Time `json:"ended,omitzero"`

	// Told is the newest state that the bus has heard of.
	Told State `json:"told,omitempty"`
}

// State is how far a rollout has come.
type State string

// The states. Completed and Aborted are for good.
const (
	Running   State = "running"
	Paused    State = "paused" // by a person
	Halted    State = "halted" // by itself
	Completed State = "completed"
	Aborted   State = "aborted"
)

// A Member is one cluster of a rollout.
type Member struct {
	Target fleet.Target    `json:"target"`
	ID     fleet.ClusterID `json:"id"`
	Wave   int             `json:"wave"`
	Mode   Mode            `json:"mode"` // that it was planned with, or a lower one since
	Groups int             `json:"groups"`
	Nodes  int             `json:"nodes,omitempty"` // of those groups, when they were planned
	// Done are the groups that are at an end, well or left out; Failed those that
	// failed and were not taken out since.
	Done   int `json:"done"`
	Failed int `json:"failed,omitempty"`
	// Busy are the groups that are under way, to the end of their bake time and
	// until the bus has heard of it.
	Busy int `json:"busy,omitempty"`
	// Revision is that of the progress that the three were counted from.
	Revision int `json:"revision,omitempty"`
	// NotBefore puts off the next attempt at a cluster whose preflight did not
	// pass, and Waiting says why it did not.
	NotBefore time.Time `json:"notBefore,omitzero"`
	Tries     int       `json:"tries,omitempty"` // that did not pass, in a row
	Waiting   string    `json:"waiting,omitempty"`
}

// Over reports whether nothing more is to be done in the cluster.
func (m Member) Over() bool { return m.Done >= m.Groups }

// Progress is what has become of the groups of one cluster.
type Progress struct {
	Rollout string      `json:"rollout"` // id
	Cluster ClusterPlan `json:"cluster"` // its steps are what was planned
	Steps   []StepState `json:"steps"`   // in the same order
	// Revision grows with every change, so that what was read before one is not
	// written after it.
	Revision int `json:"revision,omitempty"`
}

// A StepState is how far one group has come.
type StepState struct {
	Phase   Phase  `json:"phase"`
	Attempt int    `json:"attempt,omitempty"` // from 1; 0 before the first
	Update  string `json:"update,omitempty"`  // id, of EKS
	// Failures are the updates of ours that EKS gave up.
	Failures int `json:"failures,omitempty"`
	// Claim is until when the run that makes the call may be alive, while Update is
	// empty. Nobody else touches the step before that.
	Claim time.Time `json:"claim,omitzero"`
	// Adopted says that somebody else began the update.
	Adopted bool      `json:"adopted,omitempty"`
	Before  Baseline  `json:"before,omitzero"`
	Began   time.Time `json:"began,omitzero"`
	// Updated is when EKS was first seen to have ended the update, Open since when
	// the gate is open without a break, Shut since when it is not.
	Updated time.Time `json:"updated,omitzero"`
	Open    time.Time `json:"open,omitzero"`
	Shut    time.Time `json:"shut,omitzero"` // or since when the update cannot be followed
	Ended   time.Time `json:"ended,omitzero"`
	Why     string    `json:"why,omitempty"` // of Failed and LeftOut, and why the gate is shut
	// Blockers are what held the drain up.
	Blockers []Blocker `json:"blockers,omitempty"`
	// Warnings are what the preflight found and did not stop at.
	Warnings []string `json:"warnings,omitempty"`
	// Told is the newest phase that the bus has heard of.
	Told Phase `json:"told,omitempty"`
}

// Phase is where a step is.
type Phase string

// The phases.
const (
	Waiting  Phase = "waiting"
	Updating Phase = "updating" // EKS is at it
	Gating   Phase = "gating"   // EKS is done; the gate and the bake time
	Done     Phase = "done"
	Failed   Phase = "failed"
	LeftOut  Phase = "left-out" // nothing was to be done any more
)

// Baseline is what was there before a group was begun.
type Baseline struct {
	Pending int  `json:"pending"` // pods of the cluster that no node has room for
	Known   bool `json:"known"`
}

// A Blocker is a pod that could not be evicted.
type Blocker struct {
	Pod    string `json:"pod"`              // namespace/name
	Node   string `json:"node,omitempty"`   // name
	Budget string `json:"budget,omitempty"` // namespace/name; empty when no budget is the cause
}

// Around is what was read around one group just now, before it is begun or at its
// gate. A part that nobody asked for is untried.
type Around struct {
	Cluster fleet.Part[fleet.Cluster]
	Group   fleet.Part[fleet.Nodegroup]
	// Update is the one that is followed, or the one in flight; untried when there
	// is none.
	Update fleet.Part[fleet.Update]

	Room     fleet.Part[Room]
	Alarms   fleet.Part[[]fleet.Alarm]
	Calendar fleet.Part[bool] // open
	Insights fleet.Part[[]fleet.Insight]
	// EtcdCritical says that etcd of the cluster is critically full, by the
	// incident that is open about it.
	EtcdCritical fleet.Part[bool]

	// From the cluster's own API server.
	Nodes   fleet.Part[[]fleet.Node] // of the group
	Pods    fleet.Part[[]fleet.Pod]  // of the cluster
	Budgets fleet.Part[[]fleet.Budget]
}

// Room is what AWS has left for more nodes of a group.
type Room struct {
	Addresses int // free, over the subnets of the group
	// VCPUs is what the quota of the group's kind of instances leaves; negative
	// when no quota that is known applies. EachVCPUs is what one node takes.
	VCPUs, EachVCPUs int
}
