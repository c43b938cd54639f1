package sim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// A Fleet is what a world starts with: the fleet file, or the same written in
// Go. docs/simulator.md describes every field with an example.
type Fleet struct {
	Home     string    `yaml:"home"`               // account of every access key that no account lists
	Accounts []Account `yaml:"accounts"`           // accounts that can be entered by AssumeRole
	Calendar []Version `yaml:"calendar,omitempty"` // Kubernetes versions; empty means Calendar()
	Tiers    []Tier    `yaml:"tiers,omitempty"`    // control-plane scaling tiers; empty means Tiers()
	// AddonReleases are what EKS offers, newest first; empty means AddonReleases().
	AddonReleases []AddonRelease `yaml:"addonReleases,omitempty"`
	// Durations are how long EKS takes; each that is 0 means ten minutes for a
	// control plane and three for a nodegroup.
	Durations Durations `yaml:"durations,omitempty"`
}

// An Account is one AWS account.
type Account struct {
	ID         string   `yaml:"id"`                   // 12 digits, in quotes
	AccessKeys []string `yaml:"accessKeys,omitempty"` // long-lived keys that sign as this account
	Roles      []Role   `yaml:"roles,omitempty"`      // roles that can be assumed; empty means any name
	Regions    []Region `yaml:"regions,omitempty"`
}

// A Role can be assumed from every account.
type Role struct {
	Name       string `yaml:"name"`
	ExternalID string `yaml:"externalID,omitempty"` // wanted from the caller when set
}

// A Region of an account. A region that is not listed is there, and empty.
type Region struct {
	Name     string    `yaml:"name"`
	Refuses  Refusal   `yaml:"refuses,omitempty"`
	Clusters []Cluster `yaml:"clusters,omitempty"`
	// What is around the clusters, and outlives them.
	Keys            []Key              `yaml:"keys,omitempty"`
	Leftovers       []Leftover         `yaml:"leftovers,omitempty"`
	Quotas          map[string]float64 `yaml:"quotas,omitempty"`  // by code; absent means AWS's default
	Volumes         *VolumeDefaults    `yaml:"volumes,omitempty"` // absent means that every new one is encrypted
	LaunchTemplates []LaunchTemplate   `yaml:"launchTemplates,omitempty"`
	Parameters      map[string]string  `yaml:"parameters,omitempty"` // of Systems Manager, by name
	Images          []Image            `yaml:"images,omitempty"`     // that AWS offers for nodes
	Calendars       map[string]bool    `yaml:"calendars,omitempty"`  // of Systems Manager, by name: whether they are open
	Alarms          []Alarm            `yaml:"alarms,omitempty"`     // of CloudWatch
	VCPUs           map[string]int     `yaml:"vcpus,omitempty"`      // in use, by class such as Standard/OnDemand; absent means that no metric is published
}

// Refusal is why every call to a region of an account fails; empty means that it
// does not.
type Refusal string

// The reasons for which whole regions refuse.
const (
	NotOptedIn     Refusal = "not-opted-in"
	DeniedByPolicy Refusal = "denied-by-policy" // an SCP's explicit deny
)

// A Cluster as EKS describes it. Status, tier and version may hold any text: AWS
// adds values, and the product must live with ones it has never seen.
type Cluster struct {
	Name            string            `yaml:"name"`
	Version         string            `yaml:"version,omitempty"`         // such as "1.34", in quotes
	Status          string            `yaml:"status,omitempty"`          // empty means ACTIVE
	Kind            fleet.ClusterKind `yaml:"kind,omitempty"`            // empty means eks
	Tier            string            `yaml:"tier,omitempty"`            // such as tier-xl; empty sends no tier at all
	PlatformVersion string            `yaml:"platformVersion,omitempty"` // empty means the newest of the version
	SupportType     string            `yaml:"supportType,omitempty"`     // STANDARD or EXTENDED; empty means EXTENDED
	KeyARN          string            `yaml:"keyARN,omitempty"`          // customer key for secrets; empty means none
	CreatedAt       time.Time         `yaml:"createdAt,omitempty"`       // no datapoints before it; empty means 90 days before the start
	Tags            map[string]string `yaml:"tags,omitempty"`
	Endpoint        string            `yaml:"endpoint,omitempty"` // of a real API server, then public; empty means one that cannot be reached
	CA              string            `yaml:"ca,omitempty"`       // of that API server: PEM in base64
	Etcd            *Etcd             `yaml:"etcd,omitempty"`     // absent means that no metric is published
	Nodegroups      []Nodegroup       `yaml:"nodegroups,omitempty"`
	Updates         []Update          `yaml:"updates,omitempty"`    // in flight or ended, oldest first
	UpgradedAt      time.Time         `yaml:"upgradedAt,omitempty"` // when it got its version; empty means when it was created
	Health          []Issue           `yaml:"health,omitempty"`
	VPC             string            `yaml:"vpc,omitempty"`      // id; empty means one that all such clusters share
	Subnets         []Subnet          `yaml:"subnets,omitempty"`  // of the control plane; empty means two that all such clusters share
	AutoMode        bool              `yaml:"autoMode,omitempty"` // EKS makes the nodes, volumes and load balancers
	Addons          []Addon           `yaml:"addons,omitempty"`
	Insights        []Insight         `yaml:"insights,omitempty"`
}

// Durations are how long EKS takes for its changes, by the world's clock.
type Durations struct {
	ControlPlane time.Duration `yaml:"controlPlane,omitempty"` // to create or update a cluster
	Nodegroup    time.Duration `yaml:"nodegroup,omitempty"`    // to create, change or delete a nodegroup
}

// A Nodegroup is a managed one, as EKS describes it.
type Nodegroup struct {
	Name    string            `yaml:"name"`
	Version string            `yaml:"version,omitempty"` // empty means the cluster's
	Release string            `yaml:"release,omitempty"` // of the AMI; empty means a recent one of the version
	AMIType string            `yaml:"amiType,omitempty"` // CUSTOM is an image of the owner's; empty means AL2023_x86_64_STANDARD
	Nodes   int               `yaml:"nodes,omitempty"`   // wanted
	Status  string            `yaml:"status,omitempty"`  // empty means ACTIVE, or DEGRADED with health issues
	Health  []Issue           `yaml:"health,omitempty"`
	Tags    map[string]string `yaml:"tags,omitempty"`
	// LaunchTemplate is one of the region's; absent means that EKS makes it.
	LaunchTemplate *TemplateVersion `yaml:"launchTemplate,omitempty"`
	Most           int              `yaml:"most,omitempty"`          // nodes that scaling may reach; empty means those that it has
	InstanceTypes  []string         `yaml:"instanceTypes,omitempty"` // empty means t3.medium, or what its launch template says
	Capacity       string           `yaml:"capacity,omitempty"`      // such as SPOT; empty means ON_DEMAND
	Surge          Surge            `yaml:"surge,omitempty"`
}

// A Surge is how many nodes an update of a group takes at a time.
type Surge struct {
	Nodes    int    `yaml:"nodes,omitempty"`    // empty means 1, or percent
	Percent  int    `yaml:"percent,omitempty"`  // of the nodes
	Strategy string `yaml:"strategy,omitempty"` // DEFAULT or MINIMAL; empty is left out
}

// An Update of a cluster, or of one of its nodegroups. It succeeds at its end,
// unless it has errors.
type Update struct {
	Type      string         `yaml:"type,omitempty"`      // empty means VersionUpdate
	Version   string         `yaml:"version,omitempty"`   // that it leads to
	Nodegroup string         `yaml:"nodegroup,omitempty"` // that it is about; empty means the cluster
	At        time.Duration  `yaml:"at"`                  // when it began, counted like a Point
	Takes     *time.Duration `yaml:"takes,omitempty"`     // absent means as long as any other
	Errors    []Issue        `yaml:"errors,omitempty"`    // with which it fails
}

// An Issue is something that EKS found wrong.
type Issue struct {
	Code      string   `yaml:"code"` // such as NodeCreationFailure
	Message   string   `yaml:"message,omitempty"`
	Resources []string `yaml:"resources,omitempty"`
}

// Etcd is how a cluster's etcd fills over time.
type Etcd struct {
	Curve   `yaml:",inline"`
	InUse   *Curve  `yaml:"inUse,omitempty"`   // live data; absent means that the metric is not published
	Noise   float64 `yaml:"noise,omitempty"`   // fraction by which samples move up and down, 0 to 1
	Gap     *Gap    `yaml:"gap,omitempty"`     // when there are no datapoints
	Partial bool    `yaml:"partial,omitempty"` // CloudWatch answers PartialData with the older half
}

// A Curve is a size over time: one size, or points with straight lines between
// them and flat ends.
type Curve struct {
	SizeGB float64 `yaml:"sizeGB,omitempty"` // 1 GB is 1,000,000,000 bytes
	Points []Point `yaml:"points,omitempty"` // in order of time
}

// A Point is a size at a moment, counted from the start of the world, or from
// the call where it is set later on; the past is negative.
type Point struct {
	At     time.Duration `yaml:"at"`
	SizeGB float64       `yaml:"sizeGB"`
}

// A Gap is counted like a Point.
type Gap struct {
	From  time.Duration  `yaml:"from"`
	Until *time.Duration `yaml:"until,omitempty"` // absent means that the gap lasts
}

// A Version is one Kubernetes minor and the dates of its support.
type Version struct {
	Version              string    `yaml:"version"`
	Released             time.Time `yaml:"released"`
	EndOfStandardSupport time.Time `yaml:"endOfStandardSupport"`
	EndOfExtendedSupport time.Time `yaml:"endOfExtendedSupport"`
	Default              bool      `yaml:"default,omitempty"`
}

// A Tier is a control-plane scaling tier as DescribeClusterVersions lists it.
type Tier struct {
	Name       string `yaml:"name"`       // such as tier-xl
	DatabaseGB int    `yaml:"databaseGB"` // the etcd limit
}

// Load reads a fleet file.
func Load(path string) (Fleet, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Fleet{}, fmt.Errorf("read fleet file: %w", err)
	}
	f, err := Parse(b)
	if err != nil {
		return Fleet{}, fmt.Errorf("fleet file %s: %w", path, err)
	}
	return f, nil
}

// Parse reads a fleet file's YAML. Unknown fields are errors, with their line.
func Parse(b []byte) (Fleet, error) {
	var f Fleet
	err := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict()).Decode(&f)
	if errors.Is(err, io.EOF) {
		return Fleet{}, errors.New("it is empty: give at least home, an account id in quotes")
	}
	if err != nil {
		return Fleet{}, err
	}
	return f, f.Validate()
}

// Validate says everything that is wrong with the fleet, joined.
func (f Fleet) Validate() error {
	var errs []error
	if err := fleet.ValidAccount(f.Home); err != nil {
		errs = append(errs, fmt.Errorf("home: %w", err))
	}
	for _, a := range f.Accounts {
		if err := fleet.ValidAccount(a.ID); err != nil {
			errs = append(errs, err)
		}
		for _, r := range a.Regions {
			if err := r.validate(); err != nil {
				errs = append(errs, fmt.Errorf("account %s: %w", a.ID, err))
			}
		}
	}
	return errors.Join(errs...)
}

func (r Region) validate() error {
	if err := fleet.ValidRegion(r.Name); err != nil {
		return err
	}
	if r.Refuses != "" && r.Refuses != NotOptedIn && r.Refuses != DeniedByPolicy {
		return fmt.Errorf("region %s: refuses is %q: want %s or %s", r.Name, r.Refuses, NotOptedIn, DeniedByPolicy)
	}
	seen := map[string]bool{}
	for _, c := range r.Clusters {
		if err := c.validate(); err != nil {
			return fmt.Errorf("region %s: %w", r.Name, err)
		}
		if seen[c.Name] {
			return fmt.Errorf("region %s: there are two clusters named %s: rename one", r.Name, c.Name)
		}
		seen[c.Name] = true
	}
	if err := r.validateSurroundings(); err != nil {
		return fmt.Errorf("region %s: %w", r.Name, err)
	}
	return nil
}

func (c Cluster) validate() error {
	if err := fleet.ValidClusterName(c.Name); err != nil {
		return err
	}
	switch c.Kind {
	case "", fleet.KindEKS:
	case fleet.KindConnected, fleet.KindOutpost:
		if c.Etcd != nil {
			return fmt.Errorf("cluster %s: CloudWatch has no etcd metrics of %s clusters: leave etcd out", c.Name, c.Kind)
		}
		if len(c.Nodegroups)+len(c.Updates) > 0 {
			return fmt.Errorf("cluster %s: EKS manages no nodes of %s clusters: leave nodegroups and updates out", c.Name, c.Kind)
		}
	default:
		return fmt.Errorf("cluster %s: kind is %q: want eks, connected or outpost", c.Name, c.Kind)
	}
	if err := errors.Join(c.validateNodegroups(), c.validateParts()); err != nil {
		return fmt.Errorf("cluster %s: %w", c.Name, err)
	}
	if c.Etcd == nil {
		return nil
	}
	if err := c.Etcd.validate(); err != nil {
		return fmt.Errorf("cluster %s: etcd: %w", c.Name, err)
	}
	return nil
}

// validateNodegroups looks at the updates too, which name them.
func (c Cluster) validateNodegroups() error {
	seen := map[string]bool{}
	for _, g := range c.Nodegroups {
		if err := fleet.ValidClusterName(g.Name); err != nil { // EKS has one grammar for both
			return fmt.Errorf("nodegroups: %w", err)
		}
		if seen[g.Name] {
			return fmt.Errorf("there are two nodegroups named %s: rename one", g.Name)
		}
		if g.Nodes < 0 {
			return fmt.Errorf("nodegroup %s: nodes is %d: want 0 or more", g.Name, g.Nodes)
		}
		if g.Most != 0 && g.Most < g.Nodes {
			return fmt.Errorf("nodegroup %s: most is %d: want at least its nodes, %d", g.Name, g.Most, g.Nodes)
		}
		if g.Surge.Nodes < 0 || g.Surge.Percent < 0 || (g.Surge.Nodes > 0 && g.Surge.Percent > 0) {
			return fmt.Errorf("nodegroup %s: surge: give either nodes or percent, above 0", g.Name)
		}
		seen[g.Name] = true
	}
	for _, u := range c.Updates {
		if u.Nodegroup != "" && !seen[u.Nodegroup] {
			return fmt.Errorf("updates: there is no nodegroup %s: add it to nodegroups", u.Nodegroup)
		}
	}
	return nil
}

func (e Etcd) validate() error {
	if err := e.Curve.validate(); err != nil {
		return err
	}
	if e.InUse != nil {
		if err := e.InUse.validate(); err != nil {
			return fmt.Errorf("inUse: %w", err)
		}
	}
	if e.Noise < 0 || e.Noise > 1 {
		return fmt.Errorf("noise is %v: want a fraction of the size between 0 and 1", e.Noise)
	}
	if e.Gap != nil && e.Gap.Until != nil && *e.Gap.Until <= e.Gap.From {
		return fmt.Errorf("gap ends at %s, which is not after its start at %s", *e.Gap.Until, e.Gap.From)
	}
	return nil
}

func (c Curve) validate() error {
	if (len(c.Points) == 0) == (c.SizeGB == 0) {
		return errors.New("give either sizeGB or points")
	}
	if c.SizeGB < 0 {
		return fmt.Errorf("sizeGB is %v: want more than 0", c.SizeGB)
	}
	for i, p := range c.Points {
		if p.SizeGB < 0 {
			return fmt.Errorf("point %d: sizeGB is %v: want 0 or more", i+1, p.SizeGB)
		}
		if i > 0 && p.At <= c.Points[i-1].At {
			return fmt.Errorf("point %d at %s is not after the one at %s: put points in order of time", i+1, p.At, c.Points[i-1].At)
		}
	}
	return nil
}
