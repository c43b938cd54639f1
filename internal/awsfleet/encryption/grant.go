package encryption

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// maxGrants is the most that ListGrants returns at once (KMS API reference).
const maxGrants = 100

// Granted reports whether a key has the grant with which EKS uses it for a
// cluster. Where there is a grant that may be that one and cannot be told from
// others, the answer is a *fleet.Trouble rather than false; so it is for a cluster
// that is gone, with which its grant goes.
func (r Reader) Granted(ctx context.Context, t fleet.Target, cluster, key string) (bool, error) {
	const action = "kms:ListGrants"
	client := kms.NewFromConfig(r.fleet.Config(t))
	var own, doubtful bool
	grantees := map[string]bool{}
	err := awsfleet.Pages(action, func(token *string) (*string, error) {
		out, err := client.ListGrants(ctx, &kms.ListGrantsInput{KeyId: &key, Limit: aws.Int32(maxGrants), Marker: token})
		if err != nil {
			return nil, err
		}
		for _, g := range out.Grants {
			s := subject(g, t.Cluster(cluster))
			own, doubtful = own || s == thisCluster, doubtful || s == perhapsThisCluster
			grantees[aws.ToString(g.GranteePrincipal)] = true
		}
		if own {
			return nil, nil // a key may have 50,000 grants: the others do not matter
		}
		return out.NextMarker, nil
	})
	if own || err != nil {
		return own, err
	}
	role, err := r.clusterRole(ctx, t, cluster)
	switch {
	case err != nil:
		return false, err
	case doubtful || grantees[role]:
		return false, &fleet.Trouble{
			Kind: fleet.Failed, Action: action,
			Err: errors.New("EKS or the cluster's role has a grant on the key, and it cannot be told whether it is the one that encrypts the secrets: look at it with aws kms list-grants, and at the cluster's health in EKS"),
		}
	}
	return false, nil
}

// clusterRole is the ARN of the role with which EKS runs a cluster.
func (r Reader) clusterRole(ctx context.Context, t fleet.Target, cluster string) (string, error) {
	out, err := r.fleet.EKS(t).DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &cluster})
	if err == nil && (out.Cluster == nil || aws.ToString(out.Cluster.RoleArn) == "") {
		err = errors.New("the answer does not say the cluster's role")
	}
	if err != nil {
		return "", refusal.Of("eks:DescribeCluster", err)
	}
	return *out.Cluster.RoleArn, nil
}

// grantSubject is what a grant is for.
type grantSubject int

const (
	another            grantSubject = iota // cluster, service or person
	thisCluster                            // EKS for the cluster
	perhapsThisCluster                     // EKS, and it cannot be told for which cluster
)

// EKS makes one grant for a cluster, and AWS does not document its form. In those
// that people have exported from their accounts the name ends in the cluster's,
// the grantee is EKS's service principal of the region, and the encryption context
// must hold an id that no API tells.
const (
	grantName    = "eks-grant-"
	grantContext = "aws:eks:context"
)

func subject(g types.GrantListEntry, c fleet.ClusterID) grantSubject {
	name := aws.ToString(g.Name)
	issuer, err := arn.Parse(aws.ToString(g.IssuingAccount))
	switch {
	case !toEKS(g):
		return another
	case !strings.HasPrefix(name, grantName):
		return perhapsThisCluster
	case name != grantName+c.Name:
		return another
	case err == nil && issuer.AccountID != c.Account: // accounts that share a key may have clusters of one name
		return perhapsThisCluster
	}
	return thisCluster
}

// toEKS reports whether a grant lets EKS use the key.
func toEKS(g types.GrantListEntry) bool {
	for _, principal := range []*string{g.GranteePrincipal, g.GranteeServicePrincipal} {
		if p := aws.ToString(principal); strings.HasPrefix(p, "eks.") && strings.Contains(p, ".amazonaws.com") {
			return true
		}
	}
	if g.Constraints == nil {
		return false
	}
	_, equal := g.Constraints.EncryptionContextEquals[grantContext]
	_, within := g.Constraints.EncryptionContextSubset[grantContext]
	return equal || within
}
