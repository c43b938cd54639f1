// Package nodegrouprollout carries out rollouts: it follows what is under way,
// begins what may begin, and writes down what became of it, one short run at a
// time. What to do is decided by package rollout; docs/design/nodegrouprollout.md
// says what can go wrong and how each is met. It never waits for EKS.
package nodegrouprollout

import (
	"context"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
	"github.com/eks-steward/eks-steward/internal/rollout"
)

// A Surveyor reads for plans and rollouts, as the target's reader role. What
// could not be read says so in its part.
type Surveyor interface {
	// Candidate reads a cluster for a plan. Policy, Usual and Forced are the
	// caller's to add.
	Candidate(ctx context.Context, t fleet.Target, cluster string) rollout.Candidate
	// Around reads what is around one group. EtcdCritical is the caller's to add.
	Around(ctx context.Context, t fleet.Target, cluster, group string, look Look) rollout.Around
	// LastUpdate finds the newest update of a group's nodes that was begun at a time
	// or later; false when there is none. Changes of its size or labels do not count.
	// The error is a *fleet.Trouble.
	LastUpdate(ctx context.Context, t fleet.Target, cluster, group string, since time.Time) (fleet.Update, bool, error)
}

// A Look says how much to read around a group beside the cluster, the group and
// its update.
type Look struct {
	// Update is the id of the one to follow. Without it the one in flight is looked
	// for where EKS says that the group is changing.
	Update string
	// Brief leaves it at that: an update that is under way needs no more.
	Brief    bool
	Alarms   []string // names
	Calendar string   // name or ARN; empty for none
	// Begin asks for what only matters before an update: room and insights.
	Begin bool
}

// A Writer makes the one call that renews nodes, as the target's writer role. It
// is the only way to it.
type Writer interface {
	// Roll returns the id of the update that EKS began. EKS answers a repeated token
	// with the update that it began for it. The error is a *fleet.Trouble: Busy
	// while another update is in flight, Refused where EKS declines the request.
	Roll(ctx context.Context, t fleet.Target, o Order) (update string, err error)
}

// An Order is one update of a group.
type Order struct {
	Cluster, Group string
	To             nodefreshness.Nodes
	Force          bool
	Token          string
}

// Store keeps rollouts between runs.
type Store interface {
	// ActiveRollout is the one that has not ended, or whose end is not Told yet, or
	// ledger.ErrAbsent.
	ActiveRollout(ctx context.Context) (rollout.Rollout, error)
	// StartRollout sets a rollout down with the progress of its clusters. The error
	// is ledger.ErrConflict when another one is active.
	StartRollout(ctx context.Context, r rollout.Rollout, all []rollout.Progress) error
	// ReviseRollout changes the active rollout and returns what it is now. change
	// may be called again, on what another writer wrote; one that changes nothing is
	// not written. One that has ended leaves its place when that is Told, or to the
	// next that starts. The error is ledger.ErrAbsent when another one is active.
	ReviseRollout(ctx context.Context, id string, change func(*rollout.Rollout) error) (rollout.Rollout, error)
	// RolloutProgress is that of one cluster, or ledger.ErrAbsent.
	RolloutProgress(ctx context.Context, id string, c fleet.ClusterID) (rollout.Progress, error)
	// ReviseProgress changes it likewise.
	ReviseProgress(ctx context.Context, id string, c fleet.ClusterID, change func(*rollout.Progress) error) (rollout.Progress, error)
	// UsualDurations are how long updates of a cluster's groups took, by name.
	UsualDurations(ctx context.Context, c fleet.ClusterID) (map[string]time.Duration, error)
	NoteDuration(ctx context.Context, c fleet.ClusterID, group string, took time.Duration) error
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
