package snapshot

import (
	"cmp"
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Subnets reads the subnets of a control plane or a nodegroup in one call, sorted
// by id; untried when there are none. EC2 pages no answer to a request that names
// its resources (EC2 API reference).
func (s *Survey) Subnets(ctx context.Context, ids []string) fleet.Part[[]fleet.Subnet] {
	if len(ids) == 0 {
		return fleet.Part[[]fleet.Subnet]{}
	}
	return ask(s, func() ([]fleet.Subnet, error) {
		out, err := s.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: ids})
		if err != nil {
			return nil, refusal.Of("ec2:DescribeSubnets", err)
		}
		subnets := make([]fleet.Subnet, len(out.Subnets))
		for i, n := range out.Subnets {
			subnets[i] = fleet.Subnet{
				ID: aws.ToString(n.SubnetId), Zone: aws.ToString(n.AvailabilityZone), Free: int(aws.ToInt32(n.AvailableIpAddressCount)),
			}
		}
		slices.SortFunc(subnets, func(a, b fleet.Subnet) int { return cmp.Compare(a.ID, b.ID) })
		return subnets, nil
	})
}
