package handler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/keyguard"
	"github.com/eks-steward/eks-steward/internal/ledger"
)

// FollowUps are looks at a later time.
type FollowUps interface {
	Schedule(ctx context.Context, f ledger.FollowUp) error
	Finish(ctx context.Context, id string) error
}

const (
	// next is how soon to look again, first; dispatch sends a follow-up every five
	// minutes after that.
	next = 5 * time.Minute
	// patience is how long a cluster may take to become ACTIVE, or an association to
	// end, before somebody is told.
	patience = 2 * time.Hour
	// grace is how much later than this function dispatch gives a follow-up up: the
	// function tells people, dispatch only its log.
	grace = 30 * time.Minute
)

// followUpID is one for the wait of a cluster until it is ready, and one for each
// association, however often and from wherever it is begun.
func followUpID(c fleet.ClusterID, update string) string {
	return Function + "/" + c.String() + "/" + cmp.Or(update, "ready")
}

// follow sees to it that a cluster is looked at until it is ready, or until an
// association is over. It reports after how long that was given up, or zero.
func (h *Handler) follow(ctx context.Context, l look, c fleet.ClusterID, update string) (time.Duration, error) {
	now, id := h.Now(), followUpID(c, update)
	if after := now.Sub(l.since); !l.since.IsZero() && l.update == update && after >= patience {
		return after, h.FollowUps.Finish(ctx, id)
	}
	m, err := events.Message(&events.TargetScan{
		Header:  events.Header{ID: id, Account: c.Account, Region: c.Region, Time: now},
		Cadence: events.Daily, Target: l.target, Clusters: []string{c.Name}, Update: update,
	})
	if err != nil {
		return 0, fmt.Errorf("encode the look that follows %s: %w", c, err)
	}
	return 0, h.FollowUps.Schedule(ctx, ledger.FollowUp{
		ID: id, Function: Function, Message: m, Next: now.Add(next), GiveUp: now.Add(patience + grace),
	})
}

// rest ends what is followed of a cluster. That of an association that this look
// does not follow ends with its own next look.
func (h *Handler) rest(ctx context.Context, l look, c fleet.ClusterID) error {
	err := h.FollowUps.Finish(ctx, followUpID(c, ""))
	if l.update != "" {
		err = errors.Join(err, h.FollowUps.Finish(ctx, followUpID(c, l.update)))
	}
	return err
}

const (
	// settling is how long KMS may go on answering as before a call: in some cases
	// several minutes (KMS Developer Guide, Eventual consistency).
	settling = 5 * time.Minute
	// outdated is when a look at a key is not made up for any more: clustercheck has
	// looked meanwhile.
	outdated = 24 * time.Hour
)

// settled is when KMS tells everywhere what a call did. It is the same for all calls
// of five minutes and five to ten minutes after each, so that one look follows them
// all, the last one too.
func settled(call time.Time) time.Time { return call.UTC().Truncate(settling).Add(2 * settling) }

// lookAgain has a key looked at once more when a call has settled. Calls of one name
// share that look: what there is to read, and who is to blame, differs from name to
// name.
func (h *Handler) lookAgain(ctx context.Context, t fleet.Target, key string, by keyguard.Call) error {
	due := settled(by.At)
	id := strings.Join([]string{Function, key, by.Name, due.Format(time.RFC3339)}, "/")
	call := events.KMSCall{
		Header: events.Header{ID: id, Account: t.Account, Region: t.Region, Time: by.At},
		Call:   by.Name, Keys: []string{key}, Principal: by.Principal,
	}
	m, err := call.Record()
	if err != nil {
		return fmt.Errorf("encode the look that follows %s: %w", by.Name, err)
	}
	return h.FollowUps.Schedule(ctx, ledger.FollowUp{
		ID: id, Function: Function, Message: m, Next: due, GiveUp: h.Now().Add(outdated), Once: true,
	})
}

// followsUp tells such a look from the call itself: the ids of CloudTrail are UUIDs.
func followsUp(e *events.KMSCall) bool { return strings.HasPrefix(e.ID, Function+"/") }
