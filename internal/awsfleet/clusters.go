package awsfleet

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// pageSize is the most that ListClusters and DescribeClusterVersions return at
// once (EKS API reference).
const pageSize = 100

// Clusters lists the names of the target's clusters, connected ones included,
// sorted. What was listed before a *fleet.Trouble is returned with it: it is not
// the whole list.
func (f *Fleet) Clusters(ctx context.Context, t fleet.Target) ([]string, error) {
	client := f.at(t).eks
	var names []string
	err := Pages("eks:ListClusters", func(token *string) (*string, error) {
		out, err := client.ListClusters(ctx, &eks.ListClustersInput{
			Include: []string{"all"}, MaxResults: aws.Int32(pageSize), NextToken: token,
		})
		if err != nil {
			return nil, err
		}
		names = append(names, out.Clusters...)
		return out.NextToken, nil
	})
	slices.Sort(names)
	return slices.Compact(names), err
}

// Cluster describes one cluster. A cluster that no longer exists is a
// *fleet.Trouble of kind Gone.
func (f *Fleet) Cluster(ctx context.Context, t fleet.Target, name string) (fleet.Cluster, error) {
	const action = "eks:DescribeCluster"
	out, err := f.at(t).eks.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &name})
	if err == nil && out.Cluster == nil {
		err = errors.New("the answer holds no cluster")
	}
	if err != nil {
		return fleet.Cluster{}, refusal.Of(action, err)
	}
	return cluster(t.Cluster(name), out.Cluster), nil
}

// cluster keeps what decisions need. EKS leaves out what it does not know, so
// that every field may be nil.
func cluster(id fleet.ClusterID, c *types.Cluster) fleet.Cluster {
	known := fleet.Cluster{
		ID:        id,
		ARN:       aws.ToString(c.Arn),
		Status:    string(c.Status),
		Version:   aws.ToString(c.Version),
		CreatedAt: aws.ToTime(c.CreatedAt),
		Kind:      fleet.KindEKS,
		Server:    fleet.APIServer{URL: aws.ToString(c.Endpoint)},

		PlatformVersion: aws.ToString(c.PlatformVersion),
		KeyARN:          secretsKey(c.EncryptionConfig),
		AutoMode:        c.ComputeConfig != nil && aws.ToBool(c.ComputeConfig.Enabled),
		Tags:            c.Tags,
	}
	if c.CertificateAuthority != nil {
		known.Server.CA = aws.ToString(c.CertificateAuthority.Data)
	}
	if c.ResourcesVpcConfig != nil {
		known.Server.Public = c.ResourcesVpcConfig.EndpointPublicAccess
		known.VPC = aws.ToString(c.ResourcesVpcConfig.VpcId)
		known.Subnets = c.ResourcesVpcConfig.SubnetIds
	}
	if c.UpgradePolicy != nil {
		known.SupportType = string(c.UpgradePolicy.SupportType)
	}
	if c.Health != nil {
		for _, i := range c.Health.Issues {
			known.Health = append(known.Health, fleet.Issue{Code: string(i.Code), Message: aws.ToString(i.Message), Resources: i.ResourceIds})
		}
	}
	if c.ControlPlaneScalingConfig != nil {
		known.Tier = string(c.ControlPlaneScalingConfig.Tier)
	}
	switch {
	case c.ConnectorConfig != nil:
		known.Kind = fleet.KindConnected
	case c.OutpostConfig != nil:
		known.Kind = fleet.KindOutpost
	}
	return known
}

// secretsKey is the ARN of the key that encrypts secrets, the only resource that
// EKS can encrypt (EKS API, EncryptionConfig).
func secretsKey(configs []types.EncryptionConfig) string {
	for _, c := range configs {
		if c.Provider != nil && aws.ToString(c.Provider.KeyArn) != "" {
			return *c.Provider.KeyArn
		}
	}
	return ""
}

// Limits reads the etcd database limits of the region's scaling tiers, in bytes.
// standardGB is that of the standard control plane where EKS does not list it.
// With a *fleet.Trouble come the limits that were read before it.
func (f *Fleet) Limits(ctx context.Context, t fleet.Target, standardGB float64) (fleet.Limits, error) {
	client := f.at(t).eks
	listed := map[string]int64{}
	err := Pages("eks:DescribeClusterVersions", func(token *string) (*string, error) {
		out, err := client.DescribeClusterVersions(ctx, &eks.DescribeClusterVersionsInput{
			MaxResults: aws.Int32(pageSize), NextToken: token,
		})
		if err != nil {
			return nil, err
		}
		for _, v := range out.ClusterVersions {
			lower(listed, v.ControlPlaneScalingTiers)
		}
		return out.NextToken, nil
	})
	limits := fleet.Limits{Standard: int64(standardGB * gigabyte), ByTier: listed}
	if standard, ok := listed[fleet.StandardTier]; ok {
		limits.Standard = standard
	}
	return limits, err
}

// gigabyte in bytes. EKS does not say whether its GB are 10^9 or 2^30 bytes: the
// smaller one warns earlier.
const gigabyte = 1e9

// lower keeps the smallest size that any version lists for a tier.
func lower(limits map[string]int64, tiers []types.ControlPlaneScalingTierInfo) {
	for _, tier := range tiers {
		name, size := aws.ToString(tier.TierName), int64(aws.ToInt32(tier.ClusterDatabaseSizeGb))*gigabyte
		if name == "" || size <= 0 {
			continue // EKS did not say: the tier's limit stays unknown
		}
		if known, ok := limits[name]; !ok || size < known {
			limits[name] = size
		}
	}
}
