package nodegroup

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// update reads the change of a group that an id names, or the one in flight while
// the group is changing. With neither nobody asks.
func (r *Reader) update(ctx context.Context, t fleet.Target, cluster, group string, g fleet.Nodegroup, id string) fleet.Part[fleet.Update] {
	switch {
	case id != "":
		u, err := r.fleet.Update(ctx, t, cluster, group, id)
		return fleet.Read(u, err, r.now())
	case g.Status == string(types.NodegroupStatusUpdating):
		return r.inFlight(ctx, t, cluster, group)
	}
	return fleet.Part[fleet.Update]{}
}

// inFlight looks for the change that is under way: EKS makes one at a time. It is
// untried where each has ended by now.
func (r *Reader) inFlight(ctx context.Context, t fleet.Target, cluster, group string) fleet.Part[fleet.Update] {
	for u, err := range r.changes(ctx, t, cluster, group) {
		if err != nil || u.Status == string(types.UpdateStatusInProgress) {
			return fleet.Read(u, err, r.now())
		}
	}
	return fleet.Part[fleet.Update]{}
}

// LastUpdate finds the newest update of a group's nodes that was begun at a time or
// later; false when there is none. A change of its size or labels renews no node and
// does not count. Where one change cannot be read it is not known whether there is
// one. The error is a *fleet.Trouble.
func (r *Reader) LastUpdate(ctx context.Context, t fleet.Target, cluster, group string, since time.Time) (fleet.Update, bool, error) {
	var newest fleet.Update
	for u, err := range r.changes(ctx, t, cluster, group) {
		if err != nil {
			return fleet.Update{}, false, err
		}
		if u.Type == string(types.UpdateTypeVersionUpdate) && !u.CreatedAt.Before(since) && !u.CreatedAt.Before(newest.CreatedAt) {
			newest = u
		}
	}
	return newest, newest.ID != "", nil
}

// mostUpdates bounds the calls for one update: EKS lists every change that a group
// ever had by id alone, in an order that it does not document.
const mostUpdates = 200

// changes describes every change that a group had. It ends with the first error.
func (r *Reader) changes(ctx context.Context, t fleet.Target, cluster, group string) iter.Seq2[fleet.Update, error] {
	return func(yield func(fleet.Update, error) bool) {
		ids, err := r.fleet.Updates(ctx, t, cluster, group)
		if err == nil && len(ids) > mostUpdates {
			err = &fleet.Trouble{
				Kind: fleet.Failed, Action: "eks:ListUpdates",
				Err: fmt.Errorf("EKS lists %d updates of nodegroup %s, and at most %d are looked at: find the newest with aws eks describe-update", len(ids), group, mostUpdates),
			}
		}
		if err != nil {
			yield(fleet.Update{}, err)
			return
		}
		for _, id := range ids {
			u, err := r.fleet.Update(ctx, t, cluster, group, id)
			if !yield(u, err) || err != nil {
				return
			}
		}
	}
}
