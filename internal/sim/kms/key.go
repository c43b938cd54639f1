package kms

import (
	"fmt"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/sim/awsjson"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// A Key is one KMS key of a scope.
type Key struct {
	ID          string
	State       string    // Enabled, Disabled, PendingDeletion, ...; any text
	Deletion    time.Time // from when on the key is gone; zero unless its deletion is pending
	Rotation    bool      // every year
	Spec        string    // such as SYMMETRIC_DEFAULT
	Usage       string    // such as ENCRYPT_DECRYPT
	Aliases     []string  // alias/...
	Policy      string    // JSON; empty means KMS's own
	Tags        map[string]string
	CreatedAt   time.Time
	MultiRegion *MultiRegion // nil for a key of one region
	Grants      []Grant

	window int // days of a scheduled deletion; 0 when not told
}

// MultiRegion is where the keys are that share a multi-Region key's material.
type MultiRegion struct {
	Primary  string   // region
	Replicas []string // regions
}

// The states of a key that matter here.
const (
	enabled                = "Enabled"
	disabled               = "Disabled"
	pendingDeletion        = "PendingDeletion"
	pendingReplicaDeletion = "PendingReplicaDeletion"
)

func (k Key) pending() bool { return k.State == pendingDeletion || k.State == pendingReplicaDeletion }

// gone reports whether the waiting period is over: then KMS knows the key no more.
func (k Key) gone(now time.Time) bool {
	return k.State == pendingDeletion && !k.Deletion.IsZero() && !now.Before(k.Deletion)
}

func (k Key) symmetric() bool { return k.Spec == "SYMMETRIC_DEFAULT" }

// find returns the key that a KeyId names: an id or an ARN, and where aliases
// are accepted an alias or its ARN.
func (s *Service) find(c edge.Call, keyID string, aliases bool) (Key, error) {
	name, err := local(c, keyID)
	if err != nil {
		return Key{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if strings.HasPrefix(name, "alias/") {
		if !aliases {
			return Key{}, notFound("Invalid keyId " + keyID)
		}
		return s.aliased(c.Scope, name)
	}
	k, ok := s.keys[c.Scope][name]
	if !ok || k.gone(s.now()) {
		return Key{}, notFound("Key '" + c.ARN("kms", "key/"+name) + "' does not exist")
	}
	return k, nil
}

// local takes the id or the alias out of a KeyId. A key of another account is
// denied, whether it is there or not; keys of other regions cannot be named.
func local(c edge.Call, keyID string) (string, error) {
	if !strings.HasPrefix(keyID, "arn:") {
		if keyID == "" {
			return "", awsjson.Refuse("ValidationException", "1 validation error detected: Value at 'keyId' failed to satisfy constraint: Member must not be null")
		}
		return keyID, nil
	}
	fields := strings.SplitN(keyID, ":", 6)
	if len(fields) < 6 || fields[1] != c.Partition() || fields[2] != "kms" {
		return "", awsjson.Refuse("InvalidArnException", keyID+" is not a valid ARN")
	}
	if fields[3] != c.Region {
		return "", notFound("Invalid arn " + fields[3])
	}
	if fields[4] != c.Account {
		return "", awsjson.Refuse("AccessDeniedException", fmt.Sprintf("User: %s is not authorized to perform this operation on resource: %s because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access", c.Caller.ARN, keyID))
	}
	return strings.TrimPrefix(fields[5], "key/"), nil
}

func (s *Service) aliased(in edge.Scope, alias string) (Key, error) {
	for _, k := range s.keys[in] {
		for _, a := range k.Aliases {
			if a == alias && !k.gone(s.now()) {
				return k, nil
			}
		}
	}
	return Key{}, notFound("Alias " + in.ARN("kms", alias) + " is not found.")
}

func notFound(message string) *edge.Refusal { return awsjson.Refuse("NotFoundException", message) }

func invalid(name string, value int) *edge.Refusal {
	return awsjson.Refuse("ValidationException", fmt.Sprintf("1 validation error detected: Value '%d' at '%s' failed to satisfy constraint", value, name))
}
