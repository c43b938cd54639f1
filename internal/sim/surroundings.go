package sim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/sim/ec2"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/eks"
	"github.com/eks-steward/eks-steward/internal/sim/kms"
	"github.com/eks-steward/eks-steward/internal/sim/quotas"
	"github.com/eks-steward/eks-steward/internal/sim/tagging"
)

// A Subnet of a control plane. Clusters may share one: the last that is added
// says what is true of it.
type Subnet struct {
	ID      string `yaml:"id"`             // such as subnet-0a1b2c3d4e5f60718
	Zone    string `yaml:"zone,omitempty"` // such as eu-west-1a; empty means the region's first
	FreeIPs int    `yaml:"freeIPs"`        // addresses that are available
}

// A Key is a KMS key of a region.
type Key struct {
	ID          string            `yaml:"id"`                    // or its ARN
	State       string            `yaml:"state,omitempty"`       // empty means Enabled, or PendingDeletion with deletionIn
	DeletionIn  time.Duration     `yaml:"deletionIn,omitempty"`  // counted like a Point; then the key is gone
	Rotation    bool              `yaml:"rotation,omitempty"`    // every year
	Aliases     []string          `yaml:"aliases,omitempty"`     // alias/...
	Spec        string            `yaml:"spec,omitempty"`        // empty means SYMMETRIC_DEFAULT
	Usage       string            `yaml:"usage,omitempty"`       // empty means ENCRYPT_DECRYPT
	MultiRegion *MultiRegion      `yaml:"multiRegion,omitempty"` // absent means a key of one region
	Policy      string            `yaml:"policy,omitempty"`      // JSON; empty means KMS's own, by which the account's IAM decides
	Tags        map[string]string `yaml:"tags,omitempty"`
	Grants      []Grant           `yaml:"grants,omitempty"` // besides those of the clusters that it encrypts
}

// MultiRegion is where a multi-Region key is. The keys in the other regions are
// written down there.
type MultiRegion struct {
	Primary  string   `yaml:"primary"`
	Replicas []string `yaml:"replicas,omitempty"`
}

// A Leftover is a resource outside of any cluster, known by its tags, such as the
// load balancer of a cluster that is gone.
type Leftover struct {
	ARN  string            `yaml:"arn"`
	Tags map[string]string `yaml:"tags"`
}

// id takes the id out of what may be an ARN.
func (k Key) id() string { return k.ID[strings.LastIndex(k.ID, "/")+1:] }

func (r Region) validateSurroundings() error {
	var errs []error
	seen := map[string]bool{}
	for _, k := range r.Keys {
		if k.id() == "" {
			errs = append(errs, errors.New("a key has no id: give it one, or an ARN"))
		}
		if arn := strings.Split(k.ID, ":"); len(arn) > 1 && (len(arn) != 6 || arn[2] != "kms" || arn[3] != r.Name) {
			errs = append(errs, fmt.Errorf("key %s is no key of this region: give an id, or an ARN with the region", k.ID))
		}
		if seen[k.id()] {
			errs = append(errs, fmt.Errorf("there are two keys %s: leave one out", k.id()))
		}
		seen[k.id()] = true
		errs = append(errs, k.validate(), k.validateGrants())
	}
	for _, l := range r.Leftovers {
		if !strings.HasPrefix(l.ARN, "arn:") {
			errs = append(errs, fmt.Errorf("leftover %q: give it an ARN", l.ARN))
		}
	}
	for name, value := range r.Parameters {
		if name == "" || value == "" {
			errs = append(errs, fmt.Errorf("parameter %q: give it a name such as /eks-steward/kill-switch and a value", name))
		}
	}
	for code := range r.Quotas {
		if !slices.Contains(quotas.Codes(), code) {
			errs = append(errs, fmt.Errorf("quota %s is not simulated: want one of %s", code, strings.Join(quotas.Codes(), ", ")))
		}
	}
	return errors.Join(append(errs, r.validateTemplates(), r.validateAroundNodes())...)
}

func (k Key) validate() error {
	for _, a := range k.Aliases {
		if !strings.HasPrefix(a, "alias/") {
			return fmt.Errorf("key %s: alias %q: want one that begins with alias/", k.ID, a)
		}
	}
	if k.DeletionIn != 0 && k.State != "" && k.State != "PendingDeletion" {
		return fmt.Errorf("key %s: a key that is %s has no date of deletion: leave deletionIn out", k.ID, k.State)
	}
	if k.State == "PendingDeletion" && k.DeletionIn == 0 {
		return fmt.Errorf("key %s: say when it will be deleted: deletionIn, such as 240h", k.ID)
	}
	return nil
}

// surround puts what is around the clusters of a region into the world.
func (w *World) surround(in edge.Scope, r Region) {
	for _, k := range r.Keys {
		w.kms.Put(in, keyOf(k, w.now()))
	}
	w.furnish(in, r)
	for _, l := range r.Leftovers {
		w.tagging.Put(in, tagging.Resource(l))
	}
	for name, value := range r.Parameters {
		w.ssm.Put(in, name, value)
	}
	for code, value := range r.Quotas {
		w.quotas.Apply(in, code, value)
	}
	w.provide(in, r)
}

func keyOf(k Key, origin time.Time) kms.Key {
	out := kms.Key{
		ID: k.id(), State: cmp.Or(k.State, "Enabled"), Rotation: k.Rotation, Aliases: k.Aliases, Tags: k.Tags, Policy: k.Policy,
		Spec: cmp.Or(k.Spec, "SYMMETRIC_DEFAULT"), Usage: cmp.Or(k.Usage, "ENCRYPT_DECRYPT"), CreatedAt: origin.Add(-defaultAge),
	}
	out.Grants = grantsOf(k, out.CreatedAt)
	if k.DeletionIn != 0 {
		out.State, out.Deletion = "PendingDeletion", origin.Add(k.DeletionIn)
	}
	if m := k.MultiRegion; m != nil {
		out.MultiRegion = &kms.MultiRegion{Primary: m.Primary, Replicas: m.Replicas}
	}
	return out
}

// subnetsOf are the subnets of a control plane. A cluster that names none has
// room enough.
func subnetsOf(in edge.Scope, c Cluster) []ec2.Subnet {
	subnets := c.Subnets
	if len(subnets) == 0 {
		subnets = []Subnet{
			{ID: "subnet-00000000000000000", Zone: in.Region + "a", FreeIPs: 4000},
			{ID: "subnet-00000000000000001", Zone: in.Region + "b", FreeIPs: 4000},
		}
	}
	out := make([]ec2.Subnet, len(subnets))
	for i, n := range subnets {
		out[i] = ec2.Subnet{ID: n.ID, VPC: cmp.Or(c.VPC, eks.DefaultVPC), Zone: n.Zone, Free: n.FreeIPs}
	}
	return out
}

func subnetIDs(in edge.Scope, c Cluster) []string {
	var ids []string
	for _, n := range subnetsOf(in, c) {
		ids = append(ids, n.ID)
	}
	return ids
}
