package checks

import (
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/keyguard"
)

// keyGuard looks at the key with all else, for what no event told. Whoever calls
// KMS has the function secretsencryption look at once, at EKS's grant too; here
// only EKS's own report says anything of that.
var keyGuard = Check{
	ID:        keyguard.Check,
	Doc:       "Whether the customer key that encrypts the cluster's secrets works, and whether EKS may use it.",
	Elsewhere: []string{keyguard.Grant},
	Judge: func(s fleet.Snapshot, _ Rules, now time.Time) []fleet.Finding {
		c := s.Cluster
		use := keyguard.Use{Cluster: s.ID, ARN: c.Value.KeyARN, Key: s.Key, Reported: c.Value.Health}
		switch {
		case !c.Known():
			return []fleet.Finding{unread(s, "The customer key", c.Why(), c.Trouble)}
		case use.ARN == "" && !use.Reports():
			return []fleet.Finding{{
				Outcome: fleet.NotApplicable, Title: s.ID.Name + " uses no customer key",
				Reason: "The cluster names no key for its secrets.",
			}}
		}
		if s.Key.Tried() && s.Key.At.Before(now) {
			now = s.Key.At // a key of several clusters is read once: meanwhile somebody may have looked again
		}
		found := []fleet.Finding{keyguard.Judge(use, keyguard.Call{}, now)}
		if use.GrantReported() {
			found = append(found, keyguard.JudgeGrant(use, fleet.Part[bool]{}, keyguard.Call{}, "", now))
		}
		return found
	},
}
