// Package fleet holds the nouns of the product: what a cluster is, where it is
// read, what was found there and how much it matters. It decides nothing, does
// no I/O and imports nothing of ours, so every other package may speak in its
// words. AWS and Kubernetes types stop at the adapters that fill these.
package fleet

import (
	"fmt"
	"regexp"
	"sync"
	"time"
)

// A Target is one account in one region, and the role that may read it.
type Target struct {
	Account string `json:"account"`        // 12 digits
	Region  string `json:"region"`         // such as eu-west-1
	Role    string `json:"role,omitempty"` // ARN to assume; empty means the caller's own credentials
}

// String is the form used in logs and as part of keys: account/region.
func (t Target) String() string { return t.Account + "/" + t.Region }

// A ClusterID names one cluster in the world.
type ClusterID struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	Name    string `json:"cluster,omitempty"` // empty when the subject is the target itself
}

// String is account/region/name.
func (c ClusterID) String() string { return c.Account + "/" + c.Region + "/" + c.Name }

// Cluster names a cluster of the target.
func (t Target) Cluster(name string) ClusterID {
	return ClusterID{Account: t.Account, Region: t.Region, Name: name}
}

// The grammars are compiled at their first use: a function's cold start pays for
// every package-level pattern, used or not.
var (
	clusterName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9A-Za-z][A-Za-z0-9_-]*$`) })
	account     = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]{12}$`) })
	region      = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z]{2,4}(-[a-z]{1,12}){1,3}-[0-9]{1,2}$`) })
)

// maxClusterName is in characters (EKS CreateCluster API).
const maxClusterName = 100

// ValidClusterName applies the grammar of the EKS CreateCluster API to name:
// at most 100 letters, digits, hyphens and underscores, starting with a letter
// or digit. A name from an event is checked here before it is used in a request.
func ValidClusterName(name string) error {
	if len(name) > maxClusterName || !clusterName().MatchString(name) {
		return fmt.Errorf("cluster name %q is not one EKS would accept: want at most 100 letters, digits, '-' and '_', starting with a letter or digit", Clip(name, 120))
	}
	return nil
}

// ValidAccount checks that id has the form of an AWS account id.
func ValidAccount(id string) error {
	if !account().MatchString(id) {
		return fmt.Errorf("account %q is not an AWS account id: want 12 digits in quotes", Clip(id, 40))
	}
	return nil
}

// ValidRegion checks that name has the form of a region. Whether the region
// exists is AWS's to say: new ones appear, and partitions differ.
func ValidRegion(name string) error {
	if !region().MatchString(name) {
		return fmt.Errorf("region %q does not have the form of an AWS region: want one like eu-west-1", Clip(name, 40))
	}
	return nil
}

// A Cluster is what DescribeCluster says, as far as decisions need it. Values
// that AWS may extend (Status, Tier) stay strings: an unknown one is kept and
// never acted upon.
type Cluster struct {
	ID        ClusterID
	ARN       string
	Status    string // CREATING, ACTIVE, DELETING, FAILED, UPDATING, PENDING, or newer
	Version   string // Kubernetes minor such as 1.34; empty when AWS did not say
	Tier      string // control-plane scaling tier; empty means standard
	CreatedAt time.Time
	Kind      ClusterKind
	Server    APIServer

	PlatformVersion string            // such as eks.12
	SupportType     string            // of the upgrade policy: STANDARD, EXTENDED; empty when not said
	KeyARN          string            // customer key that encrypts secrets; empty when none is named
	Subnets         []string          // ids of the control plane's subnets
	VPC             string            // id
	AutoMode        bool              // EKS makes the nodes
	Health          []Issue           // what EKS finds wrong with it
	Tags            map[string]string // of the cluster
}

// An APIServer is where a cluster can be asked, as DescribeCluster says. All of
// it is empty while the cluster has none.
type APIServer struct {
	URL    string // https://...
	CA     string // PEM in base64
	Public bool   // reachable from outside the cluster's VPC
}

// ClusterKind tells clusters that EKS runs from those it only knows.
type ClusterKind string

// The kinds of cluster that the EKS API lists.
const (
	KindEKS       ClusterKind = "eks"       // control plane run by EKS in the region
	KindConnected ClusterKind = "connected" // registered through the EKS connector
	KindOutpost   ClusterKind = "outpost"   // local cluster on an Outpost
)

// A Series is one metric of one cluster over time, oldest point first.
type Series struct {
	Points []Point
	// Trouble says why points may be missing (partial data, forbidden); empty
	// when the source answered in full, even with no points.
	Trouble string
}

// A Point is one sample in bytes.
type Point struct {
	At    time.Time
	Bytes float64
}

// Last is the newest point, and false when there is none.
func (s Series) Last() (Point, bool) {
	if len(s.Points) == 0 {
		return Point{}, false
	}
	return s.Points[len(s.Points)-1], true
}

// Limits are the etcd database limits of a region's control planes.
type Limits struct {
	Standard int64            // bytes for a cluster without a scaling tier
	ByTier   map[string]int64 // bytes by tier name, as DescribeClusterVersions lists them
}

// Smallest is the lowest limit any cluster of the region can have.
func (l Limits) Smallest() int64 {
	low := l.Standard
	for _, b := range l.ByTier {
		low = min(low, b)
	}
	return low
}

// Of is the limit for a tier, and false when the tier is not listed: its limit
// is then unknown, not the standard one.
func (l Limits) Of(tier string) (int64, bool) {
	if b, ok := l.ByTier[tier]; ok {
		return b, true
	}
	if tier == "" || tier == StandardTier {
		return l.Standard, true
	}
	return 0, false
}

// StandardTier is what EKS calls a control plane without provisioned capacity.
const StandardTier = "standard"

// A Metric names one CloudWatch metric of the AWS/EKS namespace.
type Metric string

// The metrics that tell how full a cluster's etcd is. EKS publishes them from
// Kubernetes 1.28.
const (
	// StorageSize is the size of the database file of the largest member. It
	// never shrinks without defragmentation.
	StorageSize Metric = "apiserver_storage_size_bytes"
	// StorageInUse is the live data in that file. Not every cluster has it.
	StorageInUse Metric = "etcd_mvcc_db_total_size_in_use_in_bytes"
)
