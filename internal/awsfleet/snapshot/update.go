package snapshot

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// update reads the change of the control plane that an id names, or the one in
// flight while the cluster is changing. With neither nobody asks.
func (s *Survey) update(ctx context.Context, c fleet.Cluster, cluster, id string) fleet.Part[fleet.Update] {
	switch {
	case id != "":
		return ask(s, func() (fleet.Update, error) { return s.fleet.Update(ctx, s.target, cluster, "", id) })
	case c.Status == string(types.ClusterStatusUpdating):
		return s.inFlight(ctx, cluster)
	}
	return fleet.Part[fleet.Update]{}
}

// mostUpdates bounds the calls for the change in flight: EKS lists every change
// that a cluster ever had, by id alone.
const mostUpdates = 20

// inFlight looks for the change that is under way: one of the version before any
// other, and of several the newest. It is untried where each has ended by now.
func (s *Survey) inFlight(ctx context.Context, cluster string) fleet.Part[fleet.Update] {
	ids, err := s.fleet.Updates(ctx, s.target, cluster, "")
	listed := len(ids)
	ids = ids[:min(listed, mostUpdates)]
	all, err := each(ids, err, func(id string) (fleet.Update, error) { return s.fleet.Update(ctx, s.target, cluster, "", id) })
	var newest fleet.Update
	for _, u := range all {
		if u.Status == string(types.UpdateStatusInProgress) && goesBefore(u, newest) {
			newest = u
		}
	}
	switch {
	case newest.ID != "":
		err = nil
	case err == nil && listed > mostUpdates:
		err = &fleet.Trouble{Kind: fleet.Failed, Action: "eks:ListUpdates", Err: fmt.Errorf("none of %d updates is in progress, and EKS lists %d: the others were not looked at", mostUpdates, listed)}
	case err == nil:
		return fleet.Part[fleet.Update]{}
	}
	return fleet.Read(newest, err, s.now())
}

func goesBefore(u, than fleet.Update) bool {
	if ofVersion(u) != ofVersion(than) {
		return ofVersion(u)
	}
	return than.ID == "" || u.CreatedAt.After(than.CreatedAt)
}

func ofVersion(u fleet.Update) bool {
	return u.Type == string(types.UpdateTypeVersionUpdate) || u.Type == string(types.UpdateTypeVersionRollback)
}
