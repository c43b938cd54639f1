package snapshot

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
)

// marks are the tags that name the cluster which a load balancer or a volume was
// made for, one for each of those who make them.
func marks(cluster string) []types.TagFilter {
	tag := func(key, value string) types.TagFilter { return types.TagFilter{Key: &key, Values: []string{value}} }
	return []types.TagFilter{
		tag("kubernetes.io/cluster/"+cluster, "owned"), // AWS cloud provider; what is shared outlives a cluster
		tag("KubernetesCluster", cluster),              // AWS cloud provider and EBS CSI driver, for older tools
		tag("elbv2.k8s.aws/cluster", cluster),          // AWS Load Balancer Controller
		tag("ebs.csi.aws.com/cluster-name", cluster),   // EBS CSI driver (AmazonEBSCSIDriverEKSClusterScopedPolicy)
		tag("eks:cluster-name", cluster),               // EKS, for managed nodegroups
		tag("eks:eks-cluster-name", cluster),           // EKS Auto Mode
	}
}

// Leftovers lists the ARNs of load balancers and volumes that carry the tags of a
// cluster, sorted. What was found before a *fleet.Trouble is returned with it.
func (s *Survey) Leftovers(ctx context.Context, cluster string) ([]string, error) {
	var (
		arns     []string
		failures []error
	)
	for _, mark := range marks(cluster) { // several in one call would have to match all
		found, err := s.tagged(ctx, mark)
		arns, failures = append(arns, found...), append(failures, err)
	}
	slices.Sort(arns)
	return slices.Compact(arns), errors.Join(failures...)
}

func (s *Survey) tagged(ctx context.Context, mark types.TagFilter) ([]string, error) {
	var arns []string
	err := awsfleet.Pages("tag:GetResources", func(token *string) (*string, error) {
		out, err := s.tags.GetResources(ctx, &resourcegroupstaggingapi.GetResourcesInput{
			ResourceTypeFilters: []string{"elasticloadbalancing:loadbalancer", "ec2:volume"},
			TagFilters:          []types.TagFilter{mark},
			ResourcesPerPage:    aws.Int32(100), // the most (Resource Groups Tagging API reference)
			PaginationToken:     token,
		})
		if err != nil {
			return nil, err
		}
		for _, r := range out.ResourceTagMappingList {
			arns = append(arns, aws.ToString(r.ResourceARN))
		}
		return out.PaginationToken, nil
	})
	return arns, err
}
