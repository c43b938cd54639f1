package snapshot

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// VCPUs is how many vCPUs the largest of some types of instances has, read once in
// the survey. A nodegroup has at most 20 types and one call is about up to 100 (EKS
// and EC2 API reference).
func (s *Survey) VCPUs(ctx context.Context, instanceTypes []string) fleet.Part[int] {
	names := slices.Compact(slices.Sorted(slices.Values(instanceTypes)))
	return s.vcpus.of(strings.Join(names, " "), func() fleet.Part[int] {
		return ask(s, func() (int, error) { return s.largest(ctx, names) })
	})
}

func (s *Survey) largest(ctx context.Context, names []string) (int, error) {
	wanted := make([]types.InstanceType, len(names))
	for i, name := range names {
		wanted[i] = types.InstanceType(name)
	}
	out, err := s.ec2.DescribeInstanceTypes(ctx, &ec2.DescribeInstanceTypesInput{InstanceTypes: wanted})
	if err == nil && (len(out.InstanceTypes) == 0 || slices.ContainsFunc(out.InstanceTypes, func(i types.InstanceTypeInfo) bool { return vcpus(i) == 0 })) {
		err = errors.New("the answer does not say how many vCPUs an instance has")
	}
	if err != nil {
		return 0, refusal.Of("ec2:DescribeInstanceTypes", err)
	}
	return vcpus(slices.MaxFunc(out.InstanceTypes, func(a, b types.InstanceTypeInfo) int { return cmp.Compare(vcpus(a), vcpus(b)) })), nil
}

func vcpus(i types.InstanceTypeInfo) int {
	if i.VCpuInfo == nil {
		return 0
	}
	return int(aws.ToInt32(i.VCpuInfo.DefaultVCpus))
}
