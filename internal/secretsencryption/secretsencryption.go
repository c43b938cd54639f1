// Package secretsencryption puts a customer's key on a cluster that should have
// one. It decides whether a cluster needs a key and which, makes a plan that can
// be approved, and carries it out at most once; docs/design/secretsencryption.md
// says what can go wrong and how each is met. It never changes a key that a
// cluster has: EKS cannot.
package secretsencryption

import (
	"context"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
)

// Check is the id of what the package finds: a plan, and what became of it.
const Check = "secrets-encryption"

// Mode is how far the package may go with a cluster.
type Mode string

// The modes, in the order of what they allow.
const (
	Report  Mode = "report"  // nothing: encryption-state reports
	Approve Mode = "approve" // a plan waits for a person
	Enforce Mode = "enforce" // a plan is carried out
)

// Policy is what holds for one cluster.
type Policy struct {
	// Require is any, customer-key or keys, as in checks.SecretsEncryption.
	Require string
	// Keys are those that will do: an ARN, alias/name, or tag:key=value. The first
	// that can be used is the one that a plan names.
	Keys []string
	Mode Mode
}

// A Plan is one association that EKS cannot take back. Its hash is what people
// approve: it covers all fields, so that a plan made from another state is
// another plan.
type Plan struct {
	Cluster fleet.ClusterID `json:"cluster"`
	ARN     string          `json:"arn"`     // of the cluster: another one of the same name is not meant
	Created time.Time       `json:"created"` // likewise
	Version string          `json:"version"` // Kubernetes minor that it was made for
	Key     string          `json:"key"`     // ARN
}

// A Reader reads what a plan is made from, as the target's reader role. Errors
// are a *fleet.Trouble.
type Reader interface {
	Cluster(ctx context.Context, t fleet.Target, name string) (fleet.Cluster, error)
	// Key resolves an ARN, alias/name or tag:key=value, and describes the key.
	Key(ctx context.Context, t fleet.Target, ref string) (fleet.Key, error)
	// Association finds the newest association of a cluster that was begun at a time
	// or later; false when there is none.
	Association(ctx context.Context, t fleet.Target, cluster string, since time.Time) (fleet.Update, bool, error)
}

// A Writer makes the one call that cannot be undone, as the target's writer
// role. It is the only way to it.
type Writer interface {
	// Associate returns the id of the update that EKS began. EKS answers a repeated
	// token with the update that it began for it.
	Associate(ctx context.Context, t fleet.Target, cluster, key, token string) (update string, err error)
}

// Intents are written before the call, so that one that was made and not recorded
// is found again.
type Intents interface {
	// Intent is the last attempt at a resource of a plan, or ledger.ErrAbsent.
	Intent(ctx context.Context, plan, resource string) (ledger.Intent, error)
	Begin(ctx context.Context, plan, resource string, after int) (i ledger.Intent, resumed bool, err error)
	SettleIntent(ctx context.Context, i ledger.Intent, outcome string) error
}

// A Switch stops every write while it is on. What could not be read counts as on.
type Switch interface {
	On(ctx context.Context) (bool, error)
}
