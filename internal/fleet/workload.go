package fleet

import (
	"strings"
	"time"
)

// A Pod is one of a cluster's, as far as the renewal of nodes is about it.
type Pod struct {
	Namespace, Name string
	Node            string // where it runs; empty while it is pending
	Phase           string // Pending, Running, Succeeded, Failed, Unknown, or newer
	Ready           bool
	// Terminating says that it is being deleted. No budget holds it any more, but a
	// drain waits until it is gone: for its grace period, or for a finalizer.
	Terminating bool
	// Owner is what would make it anew, such as ReplicaSet/api-7d4b9c; empty for a
	// pod that nobody makes anew.
	Owner     string
	CreatedAt time.Time
}

// String is namespace/name.
func (p Pod) String() string { return p.Namespace + "/" + p.Name }

// Daemon reports whether the pod belongs to its node and goes with it: one of a
// DaemonSet, or a static one, which its node owns.
func (p Pod) Daemon() bool {
	return strings.HasPrefix(p.Owner, "DaemonSet/") || strings.HasPrefix(p.Owner, "Node/")
}

// A Budget is a PodDisruptionBudget with what it covers.
type Budget struct {
	Namespace, Name string
	Allowed         int // disruptions that are allowed right now
	Healthy, Wanted int // pods that are ready, and that have to be
	// EvictsUnready says that pods that are not ready do not count
	// (unhealthyPodEvictionPolicy AlwaysAllow).
	EvictsUnready bool
	Pods          []string // namespace/name of the pods that it covers, sorted
}

// String is namespace/name.
func (b Budget) String() string { return b.Namespace + "/" + b.Name }

// Holds reports whether the eviction API would refuse, right now and because of
// the budget, to evict a pod that it covers (Kubernetes, "Specifying a Disruption
// Budget"). A pod that is pending or being deleted already is always let go; one
// that is not ready is, where the budget has as many that are ready as it wants.
func (b Budget) Holds(p Pod) bool {
	switch {
	case b.Allowed > 0, p.Phase == "Pending", p.Terminating:
		return false
	case p.Ready:
		return true
	}
	return !b.EvictsUnready && (b.Healthy < b.Wanted || b.Wanted == 0)
}

// An Alarm is a CloudWatch alarm that somebody trusts to tell whether all is well.
type Alarm struct {
	Name   string
	State  string // OK, ALARM, INSUFFICIENT_DATA, or newer
	Reason string
}

// An AMIRelease is an image that AWS offers for a type of AMI and a minor version.
type AMIRelease struct {
	AMIType string `json:"amiType"` // such as AL2023_x86_64_STANDARD
	Version string `json:"version"` // Kubernetes minor
	Release string `json:"release"` // such as 1.36.2-20260714; a Bottlerocket release looks like 1.50.0-ea1b2c3d
	// Published is when the parameter that names it was changed last.
	Published time.Time `json:"published"`
}

// Equal reports whether both are the same release, published at the same time.
func (r AMIRelease) Equal(o AMIRelease) bool {
	same := r.Published.Equal(o.Published)
	r.Published = o.Published
	return same && r == o
}

// A TemplateHead says which versions a launch template has by now.
type TemplateHead struct {
	ID              string
	Default, Latest int64
}
