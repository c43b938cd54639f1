package sim

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/eks"
)

// An Addon is an EKS add-on that a cluster has.
type Addon struct {
	Name    string            `yaml:"name"`             // such as vpc-cni
	Version string            `yaml:"version"`          // such as v1.20.4-eksbuild.2; any text
	Status  string            `yaml:"status,omitempty"` // empty means ACTIVE, or DEGRADED with health issues
	Health  []Issue           `yaml:"health,omitempty"`
	Tags    map[string]string `yaml:"tags,omitempty"`
}

// An AddonRelease is one version of an add-on that EKS offers.
type AddonRelease struct {
	Addon      string   `yaml:"addon"`
	Version    string   `yaml:"version"`
	Kubernetes []string `yaml:"kubernetes"`           // minors that it runs with, in quotes
	DefaultFor []string `yaml:"defaultFor,omitempty"` // minors that get it when no version is named
}

// An Insight is one finding of EKS's upgrade insights.
type Insight struct {
	ID             string               `yaml:"id,omitempty"` // empty means one made of the name
	Name           string               `yaml:"name"`
	Category       string               `yaml:"category,omitempty"` // empty means UPGRADE_READINESS
	Status         string               `yaml:"status"`             // PASSING, WARNING, ERROR or UNKNOWN
	Reason         string               `yaml:"reason,omitempty"`
	Description    string               `yaml:"description,omitempty"`
	Recommendation string               `yaml:"recommendation,omitempty"`
	Kubernetes     string               `yaml:"kubernetes,omitempty"` // the minor that it is about, in quotes
	Refreshed      time.Duration        `yaml:"refreshed,omitempty"`  // counted like a Point
	Deprecations   []Deprecation        `yaml:"deprecations,omitempty"`
	Addons         []AddonCompatibility `yaml:"addons,omitempty"`
}

// A Deprecation is an API in use that a Kubernetes version stops to serve.
type Deprecation struct {
	Usage        string   `yaml:"usage"` // such as /apis/policy/v1beta1/podsecuritypolicies
	ReplacedWith string   `yaml:"replacedWith,omitempty"`
	StopServing  string   `yaml:"stopServing"` // Kubernetes minor, in quotes
	Clients      []Client `yaml:"clients,omitempty"`
}

// A Client is who uses a deprecated API.
type Client struct {
	UserAgent string         `yaml:"userAgent"`
	Requests  int            `yaml:"requests"`       // in the last 30 days
	Last      *time.Duration `yaml:"last,omitempty"` // counted like a Point; absent means that EKS does not say
}

// AddonCompatibility is what an insight says of one add-on.
type AddonCompatibility struct {
	Name       string   `yaml:"name"`
	Compatible []string `yaml:"compatible,omitempty"` // versions that would do
}

// validateParts says what is wrong with what is in a cluster, and with the
// subnets that it names.
func (c Cluster) validateParts() error {
	var errs []error
	addons, insights := map[string]bool{}, map[string]bool{}
	for _, a := range c.Addons {
		if a.Name == "" || a.Version == "" {
			errs = append(errs, fmt.Errorf("addon %q: give it a name such as vpc-cni and a version such as v1.20.4-eksbuild.2", a.Name))
		}
		if addons[a.Name] {
			errs = append(errs, fmt.Errorf("there are two addons named %s: leave one out", a.Name))
		}
		addons[a.Name] = true
	}
	for _, i := range c.Insights {
		if i.Name == "" || i.Status == "" {
			errs = append(errs, fmt.Errorf("insight %q: give it a name and a status such as ERROR", i.Name))
		}
		if insights[i.id()] {
			errs = append(errs, fmt.Errorf("there are two insights with the name or id of %s: give one another", cmp.Or(i.ID, i.Name)))
		}
		insights[i.id()] = true
	}
	for _, n := range c.Subnets {
		if n.ID == "" || n.FreeIPs < 0 {
			errs = append(errs, fmt.Errorf("subnet %q: give it an id and freeIPs of 0 or more", n.ID))
		}
	}
	return errors.Join(errs...)
}

// id is stable, so that an insight can be asked for again.
func (i Insight) id() string {
	if i.ID != "" {
		return i.ID
	}
	sum := sha256.Sum256([]byte(i.Name))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// autoMode turns on what EKS turns on together.
func autoMode(out *eks.Cluster, in edge.Scope) {
	on := eks.Switch{Enabled: true}
	out.Compute = &eks.Compute{Enabled: true, NodePools: []string{"general-purpose", "system"}, NodeRole: role(in, "eks-auto-node")}
	out.Storage = &eks.Storage{Block: on}
	out.Network.LoadBalancing = &on
}

func addonsOf(c Cluster, created time.Time) []eks.Addon {
	out := make([]eks.Addon, len(c.Addons))
	for i, a := range c.Addons {
		status := "ACTIVE"
		if len(a.Health) > 0 {
			status = "DEGRADED"
		}
		out[i] = eks.Addon{
			Name: a.Name, Version: a.Version, Status: cmp.Or(a.Status, status), Health: eks.Health{Issues: issuesOf(a.Health)},
			CreatedAt: eks.Time{Time: created}, ModifiedAt: eks.Time{Time: created}, Tags: a.Tags,
		}
		if a.Tags == nil {
			out[i].Tags = map[string]string{}
		}
	}
	return out
}

func insightsOf(c Cluster, origin time.Time) []eks.Insight {
	out := make([]eks.Insight, len(c.Insights))
	for i, in := range c.Insights {
		refreshed := eks.Time{Time: origin.Add(in.Refreshed)}
		out[i] = eks.Insight{
			InsightSummary: eks.InsightSummary{
				ID: in.id(), Name: in.Name, Category: cmp.Or(in.Category, "UPGRADE_READINESS"), KubernetesVersion: in.Kubernetes,
				LastRefreshTime: refreshed, LastTransitionTime: refreshed, Description: in.Description,
				Status: eks.InsightStatus{Status: in.Status, Reason: in.Reason},
			},
			Recommendation: in.Recommendation, Resources: []struct{}{}, Summary: evidence(in, origin),
		}
	}
	return out
}

func evidence(in Insight, origin time.Time) eks.CategorySummary {
	out := eks.CategorySummary{Deprecations: make([]eks.Deprecation, len(in.Deprecations)), Addons: make([]eks.AddonCompatibility, len(in.Addons))}
	for i, d := range in.Deprecations {
		out.Deprecations[i] = eks.Deprecation{Usage: d.Usage, ReplacedWith: d.ReplacedWith, StopServing: d.StopServing, Clients: make([]eks.ClientStat, len(d.Clients))}
		for j, c := range d.Clients {
			stat := eks.ClientStat{UserAgent: c.UserAgent, Requests: c.Requests}
			if c.Last != nil {
				stat.Last.Time = origin.Add(*c.Last)
			}
			out.Deprecations[i].Clients[j] = stat
		}
	}
	for i, a := range in.Addons {
		out.Addons[i] = eks.AddonCompatibility{Name: a.Name, Compatible: slices.Concat([]string{}, a.Compatible)}
	}
	return out
}

func releasesOf(f Fleet) []eks.AddonRelease {
	releases := f.AddonReleases
	if len(releases) == 0 {
		releases = AddonReleases()
	}
	out := make([]eks.AddonRelease, len(releases))
	for i, r := range releases {
		out[i] = eks.AddonRelease(r)
	}
	return out
}
