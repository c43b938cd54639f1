package kms

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/sim/awsjson"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// A Grant lets a principal use a key.
type Grant struct {
	ID          string // 64 hexadecimal digits where it comes from KMS
	Name        string
	Grantee     string // ARN of a principal, or name of a service such as autoscaling.amazonaws.com
	Retiring    string // likewise, who else may retire it
	Operations  []string
	Constraints *Constraints // nil means none
	CreatedAt   time.Time
}

// Constraints are the encryption contexts for which a grant holds.
type Constraints struct {
	Subset map[string]string `json:"EncryptionContextSubset,omitempty"`
	Equals map[string]string `json:"EncryptionContextEquals,omitempty"`
}

// ClusterGrant is the one by which EKS uses a key for the cluster of an ARN. AWS
// does not document it: the form is that of grants which people have exported from
// their accounts.
func ClusterGrant(cluster string, at time.Time) Grant {
	fields := strings.SplitN(cluster, ":", 6)
	id := GrantID(cluster)
	return Grant{
		ID: id, Name: "eks-grant-" + strings.TrimPrefix(fields[5], "cluster/"),
		Grantee: "eks." + fields[3] + ".amazonaws.com", Retiring: "eks." + fields[3] + ".amazonaws.com",
		Operations:  ClusterOperations(),
		Constraints: &Constraints{Equals: map[string]string{"aws:eks:context": id[:32]}},
		CreatedAt:   at,
	}
}

// ClusterOperations are those that a cluster needs of its key.
func ClusterOperations() []string { return []string{"Encrypt", "Decrypt", "DescribeKey"} }

// GrantID is the id of a grant that is told from others by the given texts.
func GrantID(of ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(of, "\n")))
	return hex.EncodeToString(sum[:])
}

// PutGrant adds a grant to a key, whatever its state, or replaces the one of its
// id. A key that is not there gets none.
func (s *Service) PutGrant(in edge.Scope, keyID string, g Grant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ok := s.keys[in][keyID]; ok {
		k.grant(g)
		s.keys[in][keyID] = k
	}
}

// Lend grants EKS the use of a key for a cluster, as EKS does in the name of the
// caller, and returns the key's ARN. The key may be named by an alias too.
func (s *Service) Lend(c edge.Call, key, cluster string) (string, error) {
	k, err := s.find(c, key, true)
	if err != nil {
		return "", err
	}
	arn := c.ARN("kms", "key/"+k.ID)
	if !k.symmetric() || k.Usage != "ENCRYPT_DECRYPT" {
		return "", awsjson.Refuse("InvalidKeyUsageException", arn+" is a key with the spec "+k.Spec+" for "+k.Usage+", not a symmetric one for ENCRYPT_DECRYPT.")
	}
	_, err = s.change(c, k.ID, func(k *Key) error {
		if err := grantable(c, *k); err != nil {
			return err
		}
		k.grant(ClusterGrant(cluster, s.now()))
		return nil
	})
	return arn, err
}

// grant adds one, or replaces the one of its id.
func (k *Key) grant(g Grant) {
	k.revoke(g.ID)
	k.Grants = append(k.Grants, g)
}

// revoke says whether there was such a grant. Others may still be reading the
// grants as they were.
func (k *Key) revoke(id string) bool {
	before := len(k.Grants)
	k.Grants = slices.DeleteFunc(slices.Clone(k.Grants), func(g Grant) bool { return g.ID == id })
	return len(k.Grants) < before
}

// grantable refuses what KMS makes no grant for; it lists and ends grants of keys
// in every state.
func grantable(c edge.Call, k Key) error {
	switch k.State {
	case enabled:
		return nil
	case disabled:
		return awsjson.Refuse("DisabledException", c.ARN("kms", "key/"+k.ID)+" is disabled.")
	}
	return wrongState(c, k)
}

type createGrantOutput struct {
	Token string `json:"GrantToken"`
	ID    string `json:"GrantId"`
}

// createGrant answers a request with a name that is repeated with the grant that
// the first one made.
func (s *Service) createGrant(c edge.Call, in input) (any, error) {
	if in.GranteePrincipal == "" || len(in.Operations) == 0 {
		return nil, awsjson.Refuse("ValidationException", "1 validation error detected: give granteePrincipal and operations")
	}
	g := Grant{
		Name: in.Name, Grantee: in.GranteePrincipal, Retiring: in.RetiringPrincipal,
		Operations: in.Operations, Constraints: in.Constraints, CreatedAt: s.now(),
	}
	_, err := s.change(c, in.KeyID, func(k *Key) error {
		if err := grantable(c, *k); err != nil {
			return err
		}
		unique := append([]string{k.ID, g.Name, g.Grantee}, g.Operations...)
		if g.Name == "" {
			s.made++
			unique = append(unique, strconv.Itoa(s.made))
		}
		g.ID = GrantID(unique...)
		k.grant(g)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return createGrantOutput{Token: tokenMark + g.ID, ID: g.ID}, nil
}

// tokenMark makes a grant's token out of its id.
const tokenMark = "simulated-"

type listGrantsOutput struct {
	Grants     []grantEntry
	NextMarker string `json:",omitempty"`
	Truncated  bool
}

type grantEntry struct {
	KeyID             string `json:"KeyId"`
	GrantID           string `json:"GrantId"`
	Name              string
	CreationDate      float64
	GranteePrincipal  string
	RetiringPrincipal string `json:",omitempty"`
	IssuingAccount    string
	Operations        []string
	Constraints       *Constraints `json:",omitempty"`
}

func (s *Service) listGrants(c edge.Call, in input) (any, error) {
	const most = 100
	k, err := s.find(c, in.KeyID, false)
	if err != nil {
		return nil, err
	}
	var all []grantEntry
	for _, g := range k.Grants {
		if in.GrantID != "" && in.GrantID != g.ID || in.GranteePrincipal != "" && in.GranteePrincipal != g.Grantee {
			continue
		}
		all = append(all, grantEntry{
			KeyID: c.ARN("kms", "key/"+k.ID), GrantID: g.ID, Name: g.Name, CreationDate: awsjson.Seconds(g.CreatedAt),
			GranteePrincipal: g.Grantee, RetiringPrincipal: g.Retiring, Operations: g.Operations, Constraints: g.Constraints,
			IssuingAccount: "arn:" + c.Partition() + ":iam::" + c.Account + ":root",
		})
	}
	cut, next, err := page(c, in, most, all, func(g grantEntry) string { return g.GrantID })
	if err != nil {
		return nil, err
	}
	return listGrantsOutput{Grants: cut, NextMarker: next, Truncated: next != ""}, nil
}

func (s *Service) revokeGrant(c edge.Call, in input) (any, error) {
	_, err := s.change(c, in.KeyID, func(k *Key) error {
		if !k.revoke(in.GrantID) {
			return notFound("Grant ID " + in.GrantID + " is not found.")
		}
		return nil
	})
	return struct{}{}, err
}

// retireGrant takes what CreateGrant answered instead of a key and an id. Who
// may retire a grant is in the grant; here everybody may.
func (s *Service) retireGrant(c edge.Call, in input) (any, error) {
	if in.GrantToken == "" {
		return s.revokeGrant(c, in)
	}
	id, _ := strings.CutPrefix(in.GrantToken, tokenMark)
	for _, k := range s.all(c.Scope) {
		if slices.ContainsFunc(k.Grants, func(g Grant) bool { return g.ID == id }) {
			return s.revokeGrant(c, input{KeyID: k.ID, GrantID: id})
		}
	}
	return nil, awsjson.Refuse("InvalidGrantTokenException", "The grant token is invalid.")
}
