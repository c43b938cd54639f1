package snapshot

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Nodegroups reads the managed nodegroups of a cluster, sorted by name.
func (s *Survey) Nodegroups(ctx context.Context, cluster string) fleet.Part[[]fleet.Nodegroup] {
	return ask(s, func() ([]fleet.Nodegroup, error) {
		var names []string
		err := awsfleet.Pages("eks:ListNodegroups", func(token *string) (*string, error) {
			out, err := s.eks.ListNodegroups(ctx, &eks.ListNodegroupsInput{ClusterName: &cluster, MaxResults: aws.Int32(pageSize), NextToken: token})
			if err != nil {
				return nil, err
			}
			names = append(names, out.Nodegroups...)
			return out.NextToken, nil
		})
		slices.Sort(names)
		return each(slices.Compact(names), err, func(name string) (fleet.Nodegroup, error) { return s.describeNodegroup(ctx, cluster, name) })
	})
}

// Nodegroup reads one managed nodegroup.
func (s *Survey) Nodegroup(ctx context.Context, cluster, name string) fleet.Part[fleet.Nodegroup] {
	return ask(s, func() (fleet.Nodegroup, error) { return s.describeNodegroup(ctx, cluster, name) })
}

func (s *Survey) describeNodegroup(ctx context.Context, cluster, name string) (fleet.Nodegroup, error) {
	out, err := s.eks.DescribeNodegroup(ctx, &eks.DescribeNodegroupInput{ClusterName: &cluster, NodegroupName: &name})
	if err == nil && out.Nodegroup == nil {
		err = errors.New("the answer holds no nodegroup")
	}
	if err != nil {
		return fleet.Nodegroup{}, refusal.Of("eks:DescribeNodegroup", err)
	}
	return nodegroup(name, out.Nodegroup), nil
}

func nodegroup(name string, n *types.Nodegroup) fleet.Nodegroup {
	known := fleet.Nodegroup{
		Name:          name,
		ARN:           aws.ToString(n.NodegroupArn),
		Status:        string(n.Status),
		Version:       aws.ToString(n.Version),
		Release:       aws.ToString(n.ReleaseVersion),
		AMIType:       string(n.AmiType),
		InstanceTypes: n.InstanceTypes,
		Capacity:      string(n.CapacityType),
		Subnets:       n.Subnets,
		Tags:          n.Tags,
		CreatedAt:     aws.ToTime(n.CreatedAt),
	}
	if known.AMIType == fleet.CustomAMI {
		known.Release = "" // EKS gives the id of the image there
	}
	if t := n.LaunchTemplate; t != nil {
		known.Template = fleet.TemplateVersion{ID: aws.ToString(t.Id), Version: aws.ToString(t.Version)}
	}
	if size := n.ScalingConfig; size != nil {
		known.Nodes, known.Most = int(aws.ToInt32(size.DesiredSize)), int(aws.ToInt32(size.MaxSize))
	}
	if u := n.UpdateConfig; u != nil {
		known.Surge = fleet.Surge{
			Strategy: string(u.UpdateStrategy), Nodes: int(aws.ToInt32(u.MaxUnavailable)), Percent: int(aws.ToInt32(u.MaxUnavailablePercentage)),
		}
	}
	if n.Health != nil {
		for _, i := range n.Health.Issues {
			known.Health = append(known.Health, fleet.Issue{Code: string(i.Code), Message: aws.ToString(i.Message), Resources: i.ResourceIds})
		}
	}
	return known
}
