package fleet

import "time"

// A Pod is one of a cluster's, as far as the renewal of nodes is about it.
type Pod struct {
	Namespace, Name string
	Node            string // where it runs; empty while it is pending
	Phase           string // Pending, Running, Succeeded, Failed, Unknown, or newer
	Ready           bool
	// Owner is what would make it anew, such as ReplicaSet/api-7d4b9c; empty for a
	// pod that nobody makes anew.
	Owner     string
	CreatedAt time.Time
}

// String is namespace/name.
func (p Pod) String() string { return p.Namespace + "/" + p.Name }

// Daemon reports whether the pod belongs to its node and goes with it.
func (p Pod) Daemon() bool {
	return len(p.Owner) > len(daemonSet) && p.Owner[:len(daemonSet)] == daemonSet
}

const daemonSet = "DaemonSet/"

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

// An Alarm is a CloudWatch alarm that somebody trusts to tell whether all is well.
type Alarm struct {
	Name   string
	State  string // OK, ALARM, INSUFFICIENT_DATA, or newer
	Reason string
}

// An AMIRelease is the newest image that AWS offers for a type of AMI and a minor
// version.
type AMIRelease struct {
	AMIType string // such as AL2023_x86_64_STANDARD
	Version string // Kubernetes minor
	Release string // such as 1.36.2-20260714; a Bottlerocket release looks like 1.50.0-ea1b2c3d
	// Published is when the parameter that names it was changed last.
	Published time.Time
}

// A TemplateHead says which versions a launch template has by now.
type TemplateHead struct {
	ID              string
	Default, Latest int64
}
