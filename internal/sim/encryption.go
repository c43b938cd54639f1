package sim

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/eks"
	"github.com/eks-steward/eks-steward/internal/sim/kms"
)

// A Grant lets a principal use a key.
type Grant struct {
	Grantee    string   `yaml:"grantee"`              // ARN, or the name of a service
	ID         string   `yaml:"id,omitempty"`         // empty means one made of the grantee
	Operations []string `yaml:"operations,omitempty"` // empty means Encrypt, Decrypt and DescribeKey
}

// id is stable, so that a grant can be retired.
func (g Grant) id() string { return cmp.Or(g.ID, kms.GrantID(g.Grantee)) }

func (k Key) validateGrants() error {
	var errs []error
	seen := map[string]bool{}
	for _, g := range k.Grants {
		if g.Grantee == "" {
			errs = append(errs, fmt.Errorf("key %s: a grant has no grantee: give it the ARN of a principal, or the name of a service", k.ID))
		}
		if seen[g.id()] {
			errs = append(errs, fmt.Errorf("key %s: there are two grants for %s: give one of them an id", k.ID, g.Grantee))
		}
		seen[g.id()] = true
	}
	return errors.Join(errs...)
}

func grantsOf(k Key, created time.Time) []kms.Grant {
	var out []kms.Grant
	for _, g := range k.Grants {
		grant := kms.Grant{ID: g.id(), Grantee: g.Grantee, Operations: g.Operations, CreatedAt: created}
		if len(grant.Operations) == 0 {
			grant.Operations = kms.ClusterOperations()
		}
		out = append(out, grant)
	}
	return out
}

// lend gives a cluster that begins with a key the grant that EKS would have made
// then. The key may be in another region, or nowhere.
func (w *World) lend(c eks.Cluster) {
	for _, e := range c.EncryptionConfig {
		arn := strings.Split(e.Provider.KeyARN, ":")
		if len(arn) != 6 {
			continue
		}
		id, _ := strings.CutPrefix(arn[5], "key/")
		w.kms.PutGrant(edge.Scope{Account: arn[4], Region: arn[3]}, id, kms.ClusterGrant(c.ARN, c.CreatedAt.Time))
	}
}

// Encryption is the ARN of the key that a cluster has by now; empty when it has
// none, or is not there.
func (w *World) Encryption(id fleet.ClusterID) string {
	c, _ := w.eks.Cluster(edge.Scope{Account: id.Account, Region: id.Region}, id.Name)
	if len(c.EncryptionConfig) == 0 {
		return ""
	}
	return c.EncryptionConfig[0].Provider.KeyARN
}
