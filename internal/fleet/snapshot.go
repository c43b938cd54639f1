package fleet

import (
	"cmp"
	"time"
)

// A Snapshot is one cluster, read once, for every check to judge. Each part says
// on its own when it was read and whether it could be; a part that nobody tried
// to read is as unknown as one that was refused.
type Snapshot struct {
	ID ClusterID

	// From the EKS API and its neighbours.
	Cluster    Part[Cluster]
	Nodegroups Part[[]Nodegroup]
	Addons     Part[[]Addon]
	Insights   Part[[]Insight]
	Subnets    Part[[]Subnet] // of the control plane
	Key        Part[Key]      // the customer key for secrets; untried when there is none
	Update     Part[Update]   // of the control plane, in flight or followed to its end; untried when there is none

	// Of the region: the same for each of its clusters.
	Versions Part[[]VersionSupport]
	// Releases are the add-on releases that EKS offers, for the cluster's own
	// minor version and for the next one.
	Releases, NextReleases Part[[]AddonRelease]

	// VolumesEncrypted says whether EC2 encrypts every new volume of the account in
	// the region, whatever its maker asks for, and DefaultVolumeKey with which key
	// where none is named: an ARN, or alias/aws/ebs.
	VolumesEncrypted Part[bool]
	DefaultVolumeKey Part[string]

	// What new nodes are started from. A launch template or key that is missing from
	// a part that is known no longer exists; untried when there are none.
	Templates  Part[[]LaunchTemplate] // those that the nodegroups name
	VolumeKeys Part[[]VolumeKey]      // those of NodeKeys

	// From the cluster's own API server.
	Nodes        Part[[]Node]
	KubeProxy    Part[KubeProxy]
	Deprecations Part[[]DeprecatedAPI]
	Backups      Part[[]Backup]
	// StorageClasses are all of them, those of other storage than EBS included.
	StorageClasses Part[[]StorageClass]

	// What the nodes of its nodegroups could be renewed to: the newest AMI release
	// for each type of AMI that they have, at the control plane's version and at
	// their own, and the heads of their launch templates. Untried when there are
	// none. Images that AWS offers no release of are missing; where somebody
	// remembers older releases, they are there too.
	Images        Part[[]AMIRelease]
	TemplateHeads Part[[]TemplateHead]

	// Notices are what AWS Health has announced about the cluster.
	Notices []Notice
}

// Wanted is what to read of a cluster beside what is always read.
type Wanted struct {
	// Insights of EKS. They change once a day, so that not every look needs them.
	Insights bool
	// Update is the id of a change of the control plane to follow. Without one it is
	// looked for only while EKS says that the cluster is changing.
	Update string
}

// A Part is a value with what is known about its reading.
type Part[T any] struct {
	Value T
	At    time.Time // when it was read or refused; zero means that nobody tried
	// Trouble is why Value is not to be relied on. What was read before it, of a
	// list for example, is still in Value: it is a fact, but not all there is.
	Trouble *Trouble
}

// Read is a part that was read at a time, in full or up to an error.
func Read[T any](value T, err error, at time.Time) Part[T] {
	p := Part[T]{Value: value, At: at}
	if err != nil {
		p.Trouble = TroubleOf(err)
	}
	return p
}

// Known reports whether the part was read in full.
func (p Part[T]) Known() bool { return !p.At.IsZero() && p.Trouble == nil }

// Tried reports whether anybody asked for the part.
func (p Part[T]) Tried() bool { return !p.At.IsZero() }

// Why says why the part is not known; empty when it is.
func (p Part[T]) Why() string {
	switch {
	case p.Trouble != nil:
		return p.Trouble.Error()
	case p.At.IsZero():
		return "it was not asked for"
	}
	return ""
}

// An Issue is one entry of the health of a cluster, nodegroup or add-on, as EKS
// reports it.
type Issue struct {
	Code      string // such as KmsKeyDisabled; new ones appear
	Message   string
	Resources []string
}

// A Nodegroup is what DescribeNodegroup says, as far as decisions need it.
type Nodegroup struct {
	Name     string
	ARN      string
	Status   string // CREATING, ACTIVE, UPDATING, DEGRADED, DELETING, CREATE_FAILED, DELETE_FAILED, or newer
	Version  string // Kubernetes minor of its nodes; empty when EKS did not say
	Release  string // AMI release such as 1.36.2-20260714; empty for a custom AMI
	AMIType  string // such as AL2023_x86_64_STANDARD, or CUSTOM
	Template TemplateVersion
	Nodes    int // wanted
	Most     int // that scaling may reach
	// Surge is how an update goes about it.
	Surge         Surge
	InstanceTypes []string // empty where the launch template names them
	Capacity      string   // ON_DEMAND, SPOT, CAPACITY_BLOCK, or newer; empty when EKS did not say
	Subnets       []string // ids
	Health        []Issue
	Tags          map[string]string
	CreatedAt     time.Time
}

// Surge is how many nodes an update takes at a time. EKS makes as many new ones
// first, unless the strategy is MINIMAL.
type Surge struct {
	Strategy string // DEFAULT, MINIMAL, or newer; empty means DEFAULT
	Nodes    int    // maxUnavailable; 0 where Percent says it
	Percent  int    // maxUnavailablePercentage
}

// Of is the number of nodes for a group of so many, at least one.
func (s Surge) Of(nodes int) int { return max(1, s.Nodes, nodes*s.Percent/100) }

// CustomAMI is the AMIType of a nodegroup whose image is its owner's.
const CustomAMI = "CUSTOM"

// An Addon is an EKS add-on that is installed.
type Addon struct {
	Name    string // such as vpc-cni
	Version string // such as v1.21.1-eksbuild.1
	Status  string // CREATING, ACTIVE, CREATE_FAILED, UPDATING, DEGRADED, DELETING, ..., or newer
	Health  []Issue
}

// An AddonRelease is a version of an add-on that runs with a minor version of
// Kubernetes.
type AddonRelease struct {
	Name    string
	Version string
	Default bool // what EKS installs when no version is named
}

// An Insight is one finding of EKS's own upgrade insights.
type Insight struct {
	ID             string
	Name           string
	Category       string // UPGRADE_READINESS, MISCONFIGURATION, ROLLBACK_READINESS, or newer
	Status         string // PASSING, WARNING, ERROR, UNKNOWN, or newer
	Reason         string
	Recommendation string
	For            string // the Kubernetes minor that it is about; may be empty
	Refreshed      time.Time
	Deprecations   []Deprecation
	Addons         []AddonCompatibility
}

// A Deprecation is a use of an API that a version stops to serve. EKS counts
// over 30 days, so that a use which has ended still shows.
type Deprecation struct {
	Usage        string // such as /apis/policy/v1beta1/podsecuritypolicies
	ReplacedWith string
	StopServing  string // Kubernetes minor
	Clients      []Client
}

// A Client is who used a deprecated API.
type Client struct {
	UserAgent string
	Requests  int       // in the last 30 days
	Last      time.Time // zero when not said
}

// AddonCompatibility is what an insight says of one add-on.
type AddonCompatibility struct {
	Name       string
	Compatible []string // versions that would do
}

// A Subnet is where the control plane's interfaces are.
type Subnet struct {
	ID   string
	Zone string
	Free int // addresses that are available
}

// A Key is a KMS key as DescribeKey says.
type Key struct {
	ARN      string
	Spec     string // such as SYMMETRIC_DEFAULT; empty when not said
	Usage    string // such as ENCRYPT_DECRYPT; empty when not said
	State    string // Enabled, Disabled, PendingDeletion, PendingReplicaDeletion, PendingImport, Unavailable, ..., or newer
	Deletion time.Time
	Rotation Rotation
	Aliases  []string // alias/...
	Tags     map[string]string
}

// Rotation says whether KMS renews a key's material every year.
type Rotation string

// The states of rotation. The zero value is unknown.
const (
	RotationUnknown Rotation = ""
	RotationOn      Rotation = "on"
	RotationOff     Rotation = "off"
)

// VersionSupport is one row of DescribeClusterVersions.
type VersionSupport struct {
	Version       string // Kubernetes minor
	Status        string // STANDARD_SUPPORT, EXTENDED_SUPPORT, UNSUPPORTED, or newer
	Released      time.Time
	EndOfStandard time.Time
	EndOfExtended time.Time
	Default       bool
	Platform      string // newest platform version, such as eks.12
}

// An Update is one change of a cluster or nodegroup under way or ended, as
// DescribeUpdate says.
type Update struct {
	ID        string
	Type      string // VersionUpdate, VersionRollback, ..., or newer
	Status    string // InProgress, Failed, Cancelled, Successful, or newer
	Version   string // the minor that it leads to; empty when it is about something else
	Release   string // the AMI release that it leads to; empty likewise
	CreatedAt time.Time
	Errors    []UpdateError
}

// An UpdateError is one reason why an update failed.
type UpdateError struct {
	Code      string
	Message   string
	Resources []string
}

// A Node is one of the cluster's nodes as its API server knows it.
type Node struct {
	Name      string
	Kubelet   string // version such as v1.34.2-eks-1a2b3c
	Origin    NodeOrigin
	Pool      string // nodegroup, Karpenter node pool or Fargate profile; may be empty
	Ready     bool
	Cordoned  bool // takes no more pods; EKS cordons a node before it drains it
	OSImage   string
	CreatedAt time.Time
}

// NodeOrigin is who made a node and renews it.
type NodeOrigin string

// The origins of nodes.
const (
	Managed     NodeOrigin = "managed"      // a managed nodegroup
	AutoMode    NodeOrigin = "auto-mode"    // EKS Auto Mode
	Karpenter   NodeOrigin = "karpenter"    // Karpenter that users run
	Fargate     NodeOrigin = "fargate"      // one per pod
	SelfManaged NodeOrigin = "self-managed" // anything else
)

// KubeProxy is the kube-proxy of a cluster. Both are empty where none runs, as in
// Auto Mode.
type KubeProxy struct {
	Version string // of its image
	Mode    string // iptables, ipvs, nftables; empty when its configuration does not say
}

// A DeprecatedAPI is one that somebody has used since the API server that
// answered has started. Absence says nothing: the others were not asked.
type DeprecatedAPI struct {
	Group, Version, Resource, Subresource string
	RemovedIn                             string // Kubernetes minor
}

// A Backup is a means of backup that the cluster has.
type Backup struct {
	Tool string    // such as velero
	Last time.Time // end of the newest complete backup; zero when there is none
}

// A Notice is an event of AWS Health about a cluster.
type Notice struct {
	ID       string // of the event
	TypeCode string // such as AWS_EKS_PLANNED_LIFECYCLE_EVENT
	Start    time.Time
	End      time.Time // zero when not said
	Text     string
}

// Supported finds the row of a version.
func Supported(calendar []VersionSupport, version string) (VersionSupport, bool) {
	want, err := ParseVersion(version)
	if err != nil {
		return VersionSupport{}, false
	}
	for _, row := range calendar {
		if v, err := ParseVersion(row.Version); err == nil && v.Compare(want) == 0 {
			return row, true
		}
	}
	return VersionSupport{}, false
}

// Running reports whether EKS says that the control plane can be asked: newer
// states than these are not acted upon.
func (c Cluster) Running() bool { return c.Status == "ACTIVE" || c.Status == "UPDATING" }

// EffectiveSupport is the support type that EKS acts by: extended unless the
// cluster says otherwise (EKS API, UpgradePolicyRequest).
func (c Cluster) EffectiveSupport() string { return cmp.Or(c.SupportType, "EXTENDED") }
