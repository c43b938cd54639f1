package awsfleet

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// IdentityIn returns the account and the ARN as which a target is read. IAM
// cannot deny this call, so that a *fleet.Trouble of kind Unreachable is about
// the target's role alone.
func (f *Fleet) IdentityIn(ctx context.Context, t fleet.Target) (account, arn string, err error) {
	as := f.Credentials(t)
	out, err := f.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}, func(o *sts.Options) { o.Credentials = as })
	if err != nil {
		return "", "", refusal.Of("sts:GetCallerIdentity", err)
	}
	return aws.ToString(out.Account), aws.ToString(out.Arn), nil
}

// Credentials are those that a target is read with: its role's, or the hub's own.
func (f *Fleet) Credentials(t fleet.Target) aws.CredentialsProvider {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.credentials(t.Role)
}

// AccessEntries lists the ARNs of the principals that have an access entry in a
// cluster, sorted. What was listed before a *fleet.Trouble is returned with it.
func (f *Fleet) AccessEntries(ctx context.Context, t fleet.Target, cluster string) ([]string, error) {
	client := f.at(t).eks
	var principals []string
	err := Pages("eks:ListAccessEntries", func(token *string) (*string, error) {
		out, err := client.ListAccessEntries(ctx, &eks.ListAccessEntriesInput{
			ClusterName: &cluster, MaxResults: aws.Int32(pageSize), NextToken: token,
		})
		if err != nil {
			return nil, err
		}
		principals = append(principals, out.AccessEntries...)
		return out.NextToken, nil
	})
	slices.Sort(principals)
	return slices.Compact(principals), err
}

// AccessGroups reads the Kubernetes groups of a principal's access entry. There
// may be none: what the principal may do then comes from access policies.
func (f *Fleet) AccessGroups(ctx context.Context, t fleet.Target, cluster, principalARN string) ([]string, error) {
	out, err := f.at(t).eks.DescribeAccessEntry(ctx, &eks.DescribeAccessEntryInput{ClusterName: &cluster, PrincipalArn: &principalARN})
	if err == nil && out.AccessEntry == nil {
		err = errors.New("the answer holds no access entry")
	}
	if err != nil {
		return nil, refusal.Of("eks:DescribeAccessEntry", err)
	}
	return out.AccessEntry.KubernetesGroups, nil
}
