package awsfleet

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Updates lists the ids of every change that a nodegroup had, or with no nodegroup
// those of the cluster's control plane, in EKS's order, which it does not document.
// What was listed before a *fleet.Trouble is returned with it.
func (f *Fleet) Updates(ctx context.Context, t fleet.Target, cluster, nodegroup string) ([]string, error) {
	client := f.at(t).eks
	var ids []string
	err := Pages("eks:ListUpdates", func(token *string) (*string, error) {
		out, err := client.ListUpdates(ctx, &eks.ListUpdatesInput{
			Name: &cluster, NodegroupName: orNil(nodegroup), MaxResults: aws.Int32(pageSize), NextToken: token,
		})
		if err != nil {
			return nil, err
		}
		ids = append(ids, out.UpdateIds...)
		return out.NextToken, nil
	})
	return ids, err
}

// Update describes one change of a nodegroup, or with no nodegroup one of the
// cluster's control plane. The error is a *fleet.Trouble.
func (f *Fleet) Update(ctx context.Context, t fleet.Target, cluster, nodegroup, id string) (fleet.Update, error) {
	out, err := f.at(t).eks.DescribeUpdate(ctx, &eks.DescribeUpdateInput{Name: &cluster, NodegroupName: orNil(nodegroup), UpdateId: &id})
	if err == nil && out.Update == nil {
		err = errors.New("the answer holds no update")
	}
	if err != nil {
		return fleet.Update{}, refusal.Of("eks:DescribeUpdate", err)
	}
	return update(id, out.Update), nil
}

// orNil leaves a member out of a request rather than sending it empty.
func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func update(id string, u *types.Update) fleet.Update {
	known := fleet.Update{ID: id, Type: string(u.Type), Status: string(u.Status), CreatedAt: aws.ToTime(u.CreatedAt)}
	for _, p := range u.Params {
		switch p.Type {
		case types.UpdateParamTypeVersion:
			known.Version = aws.ToString(p.Value)
		case types.UpdateParamTypeReleaseVersion:
			known.Release = aws.ToString(p.Value)
		}
	}
	for _, e := range u.Errors {
		known.Errors = append(known.Errors, fleet.UpdateError{Code: string(e.ErrorCode), Message: aws.ToString(e.ErrorMessage), Resources: e.ResourceIds})
	}
	return known
}
