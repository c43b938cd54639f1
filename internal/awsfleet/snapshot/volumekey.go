package snapshot

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// autoScalingRole is the role as which EC2 Auto Scaling starts the nodes of a
// managed nodegroup.
const autoScalingRole = "role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"

// volumeKeysOf reads the keys that encrypt the volumes of nodes, each once in the
// survey.
func (s *Survey) volumeKeysOf(ctx context.Context, names []string) fleet.Part[[]fleet.VolumeKey] {
	return eachShared(s, &s.volumeKeys, names, func(name string) (fleet.VolumeKey, error) { return s.describeVolumeKey(ctx, name) })
}

func (s *Survey) describeVolumeKey(ctx context.Context, name string) (fleet.VolumeKey, error) {
	known := fleet.VolumeKey{Name: name}
	out, err := s.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &name})
	if err == nil && out.KeyMetadata == nil {
		err = errors.New("the answer holds no key")
	}
	if err != nil {
		return known, refusal.Of("kms:DescribeKey", err)
	}
	known.ARN, known.State = aws.ToString(out.KeyMetadata.Arn), string(out.KeyMetadata.KeyState)
	if out.KeyMetadata.KeyManager == types.KeyManagerTypeAws {
		known.AutoScaling = fleet.UseAllowed
		return known, nil
	}
	key, err := arn.Parse(known.ARN)
	if err != nil {
		return known, refusal.Of("kms:DescribeKey", errors.New("the answer names no ARN of the key"))
	}
	known.AutoScaling, err = s.autoScalingUse(ctx, key)
	return known, err
}

// autoScalingUse says whether Auto Scaling may encrypt with a key. A grant does,
// or the key's policy where the key is of the same account; that the policy lets
// in the account does not: the role's own permissions hold no customer's key
// (EC2 Auto Scaling User Guide, Required AWS KMS key policy for use with
// encrypted volumes).
func (s *Survey) autoScalingUse(ctx context.Context, key arn.ARN) (fleet.KeyUse, error) {
	role := arn.ARN{Partition: key.Partition, Service: "iam", AccountID: s.target.Account, Resource: autoScalingRole}.String()
	granted, err := s.granted(ctx, key.String(), role)
	switch {
	case err != nil:
		return fleet.UseUnknown, err
	case granted:
		return fleet.UseAllowed, nil
	case key.AccountID != s.target.Account:
		return fleet.UseRefused, nil
	}
	out, err := s.kms.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: aws.String(key.String())})
	if err != nil {
		return fleet.UseUnknown, refusal.Of("kms:GetKeyPolicy", err)
	}
	return policyUse(aws.ToString(out.Policy), role), nil
}

// granted reports whether a grant lets a role use a key for volumes. KMS looks
// for the role: each volume in use has a grant of its own, so that a key may have
// thousands.
func (s *Survey) granted(ctx context.Context, key, role string) (bool, error) {
	found := false
	err := awsfleet.Pages("kms:ListGrants", func(token *string) (*string, error) {
		out, err := s.kms.ListGrants(ctx, &kms.ListGrantsInput{KeyId: &key, GranteePrincipal: &role, Marker: token})
		if err != nil {
			return nil, err
		}
		found = found || slices.ContainsFunc(out.Grants, func(g types.GrantListEntry) bool {
			return aws.ToString(g.GranteePrincipal) == role && slices.Contains(g.Operations, types.GrantOperationCreateGrant)
		})
		return out.NextMarker, nil
	})
	return found, err
}
