package handler

import (
	"context"
	"fmt"
	"time"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/clustercheck"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
)

// FollowUps are looks at a later time.
type FollowUps interface {
	Schedule(ctx context.Context, f ledger.FollowUp) error
	Finish(ctx context.Context, id string) error
}

// Function is what dispatch calls the function.
const Function = events.ClusterCheck

// How soon to look again, first; after that dispatch sends a follow-up every
// five minutes.
const (
	nextUpgrade  = 5 * time.Minute
	nextDeletion = 10 * time.Minute
)

// grace is how much later than this function dispatch gives a follow-up up: the
// function tells people, dispatch only its log.
const grace = 30 * time.Minute

// follow sees to it that a change is looked at until it is over. A follow-up has
// one id however often and from wherever it is begun.
func (h *Handler) follow(ctx context.Context, t fleet.Target, c fleet.ClusterID, w clustercheck.Wait) error {
	id, next, patience := Function+"/"+c.String()+"/"+w.Update, nextUpgrade, clustercheck.UpgradePatience
	if w.Update == "" {
		id, next, patience = Function+"/"+c.String()+"/deletion", nextDeletion, clustercheck.DeletionPatience
	}
	if w.Over {
		return h.FollowUps.Finish(ctx, id)
	}
	now := h.Now()
	m, err := events.Message(&events.TargetScan{
		Header:  events.Header{ID: id, Account: c.Account, Region: c.Region, Time: now},
		Cadence: events.Daily, Target: t, Clusters: []string{c.Name}, Update: w.Update,
	})
	if err != nil {
		return fmt.Errorf("encode the look that follows %s: %w", c, err)
	}
	return h.FollowUps.Schedule(ctx, ledger.FollowUp{
		ID: id, Function: Function, Message: m, Next: now.Add(next), GiveUp: now.Add(patience + grace),
	})
}
