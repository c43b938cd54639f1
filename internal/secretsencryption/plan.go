package secretsencryption

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// An Encryption is the state that the secrets of a cluster are in.
type Encryption string

// The states. A cluster that names no key and whose version is not known is in
// none of them.
const (
	Undetermined Encryption = ""
	CustomerKey  Encryption = "customer"
	AWSOwned     Encryption = "aws-owned"
	Unencrypted  Encryption = "none" // in the API server: the volumes below are encrypted by AWS
)

// ownedFrom is the first version in which EKS encrypts all API data with a key
// that AWS owns where no customer key is named (EKS User Guide, Default envelope
// encryption for all Kubernetes API Data).
var ownedFrom = fleet.Version{Major: 1, Minor: 28}

// State says which key encrypts the secrets of a cluster.
func State(c fleet.Cluster) Encryption {
	v, err := fleet.ParseVersion(c.Version)
	switch {
	case c.KeyARN != "":
		return CustomerKey
	case err != nil:
		return Undetermined
	case v.Compare(ownedFrom) >= 0:
		return AWSOwned
	}
	return Unencrypted
}

// A Verdict is what a policy says of a cluster.
type Verdict string

// The verdicts. Only Wanting can lead to a write.
const (
	Met     Verdict = "met"
	Wanting Verdict = "wanting" // there is no customer key and there should be one
	Drift   Verdict = "drift"   // another customer key: EKS cannot change it, encryption-state reports it
	Unclear Verdict = "unclear" // not run by EKS, or it cannot be told from what was read
)

// Judge holds a cluster against the policy. The key is the one that the cluster
// names; it is looked at only where the policy lists keys.
func (p Policy) Judge(c fleet.Cluster, key fleet.Part[fleet.Key]) Verdict {
	state := State(c)
	switch {
	case c.Kind != fleet.KindEKS:
		return Unclear
	case p.Require != "customer-key" && p.Require != "keys":
		return Met
	case state == Undetermined:
		return Unclear
	case state != CustomerKey:
		return Wanting
	case p.Require == "customer-key", slices.ContainsFunc(p.Keys, func(ref string) bool { return names(ref, c.KeyARN, key.Value) }):
		return Met
	case !key.Known() && slices.ContainsFunc(p.Keys, func(ref string) bool { return !strings.HasPrefix(ref, "arn:") }):
		return Unclear // an alias or a tag that was not read may be the one
	}
	return Drift
}

// names reports whether a reference of a policy means the key that a cluster
// names. A replica of a multi-Region key is a key of its own.
func names(ref, arn string, k fleet.Key) bool {
	if tag, ok := strings.CutPrefix(ref, "tag:"); ok {
		key, want, _ := strings.Cut(tag, "=")
		got, tagged := k.Tags[key]
		return tagged && got == want
	}
	return ref == arn || ref == k.ARN || slices.Contains(k.Aliases, ref)
}

// PlanFor plans to associate a key with a cluster as it was read. The time of
// creation is kept in seconds: EKS gives it as a number with a fraction, and the
// same cluster must always make the same plan.
func PlanFor(c fleet.Cluster, k fleet.Key) Plan {
	return Plan{Cluster: c.ID, ARN: c.ARN, Created: c.CreatedAt.UTC().Truncate(time.Second), Version: c.Version, Key: k.ARN}
}

// Hash identifies the plan: SHA-256 over its JSON, in hexadecimal.
func (p Plan) Hash() string {
	b, _ := json.Marshal(p) // strings and a time after year 0 always can be
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Short is the beginning of the hash that people use: 12 characters.
func (p Plan) Short() string { return p.Hash()[:12] }

// Text says to people what the plan does, that it is for good, and what it was
// made from.
func (p Plan) Text() string {
	return fmt.Sprintf("Associate the KMS key %s with the cluster %s, so that it encrypts the cluster's secrets. "+
		"This cannot be taken back: EKS neither changes nor removes the key of a cluster, and when the key is lost the cluster is lost. "+
		"The plan is for %s, created at %s, on Kubernetes %s and without a customer key; any change of these makes it void.",
		p.Key, p.Cluster.Name, p.ARN, p.Created.UTC().Format(time.RFC3339), p.Version)
}
