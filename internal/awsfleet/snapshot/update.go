package snapshot

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// update reads the change of the control plane that an id names, or the one in
// flight while the cluster is changing. With neither nobody asks.
func (s *Survey) update(ctx context.Context, c fleet.Cluster, cluster, id string) fleet.Part[fleet.Update] {
	switch {
	case id != "":
		return ask(s, func() (fleet.Update, error) { return s.describeUpdate(ctx, cluster, id) })
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
	ids, err := s.updates(ctx, cluster)
	listed := len(ids)
	ids = ids[:min(listed, mostUpdates)]
	all, err := each(ids, err, func(id string) (fleet.Update, error) { return s.describeUpdate(ctx, cluster, id) })
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

// updates lists the ids of every change that a cluster's control plane had.
func (s *Survey) updates(ctx context.Context, cluster string) ([]string, error) {
	var ids []string
	err := awsfleet.Pages("eks:ListUpdates", func(token *string) (*string, error) {
		out, err := s.eks.ListUpdates(ctx, &eks.ListUpdatesInput{Name: &cluster, MaxResults: aws.Int32(pageSize), NextToken: token})
		if err != nil {
			return nil, err
		}
		ids = append(ids, out.UpdateIds...)
		return out.NextToken, nil
	})
	return ids, err
}

func (s *Survey) describeUpdate(ctx context.Context, cluster, id string) (fleet.Update, error) {
	out, err := s.eks.DescribeUpdate(ctx, &eks.DescribeUpdateInput{Name: &cluster, UpdateId: &id})
	if err == nil && out.Update == nil {
		err = errors.New("the answer holds no update")
	}
	if err != nil {
		return fleet.Update{}, refusal.Of("eks:DescribeUpdate", err)
	}
	return update(id, out.Update), nil
}

func update(id string, u *types.Update) fleet.Update {
	known := fleet.Update{ID: id, Type: string(u.Type), Status: string(u.Status), CreatedAt: aws.ToTime(u.CreatedAt)}
	for _, p := range u.Params {
		if p.Type == types.UpdateParamTypeVersion {
			known.Version = aws.ToString(p.Value)
		}
	}
	for _, e := range u.Errors {
		known.Errors = append(known.Errors, fleet.UpdateError{Code: string(e.ErrorCode), Message: aws.ToString(e.ErrorMessage), Resources: e.ResourceIds})
	}
	return known
}
