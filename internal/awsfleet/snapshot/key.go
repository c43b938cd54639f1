package snapshot

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// key reads a customer's key, once in the survey. Its state is there even when
// the rest was refused, as KMS does for the aliases and tags of another account's
// key. A cluster without a key has none to ask for.
func (s *Survey) key(ctx context.Context, arn string) fleet.Part[fleet.Key] {
	if arn == "" {
		return fleet.Part[fleet.Key]{}
	}
	return s.keys.of(arn, func() fleet.Part[fleet.Key] {
		return ask(s, func() (fleet.Key, error) { return s.describeKey(ctx, arn) })
	})
}

func (s *Survey) describeKey(ctx context.Context, arn string) (fleet.Key, error) {
	known := fleet.Key{ARN: arn}
	out, err := s.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &arn})
	if err == nil && out.KeyMetadata == nil {
		err = errors.New("the answer holds no key")
	}
	if err != nil {
		return known, refusal.Of("kms:DescribeKey", err)
	}
	known.State, known.Deletion = string(out.KeyMetadata.KeyState), aws.ToTime(out.KeyMetadata.DeletionDate)
	var rotation, aliases, tags error
	known.Rotation, rotation = s.rotation(ctx, arn)
	known.Aliases, aliases = s.aliases(ctx, arn)
	known.Tags, tags = s.keyTags(ctx, arn)
	return known, errors.Join(rotation, aliases, tags)
}

// rotation says whether the key's material is renewed. KMS cannot say it of
// imported material and of keys in a custom key store (KMS API reference).
func (s *Survey) rotation(ctx context.Context, arn string) (fleet.Rotation, error) {
	out, err := s.kms.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &arn})
	var unsupported *types.UnsupportedOperationException
	switch {
	case errors.As(err, &unsupported):
		return fleet.RotationUnknown, nil
	case err != nil:
		return fleet.RotationUnknown, refusal.Of("kms:GetKeyRotationStatus", err)
	case out.KeyRotationEnabled:
		return fleet.RotationOn, nil
	}
	return fleet.RotationOff, nil
}

func (s *Survey) aliases(ctx context.Context, arn string) ([]string, error) {
	var names []string
	err := awsfleet.Pages("kms:ListAliases", func(token *string) (*string, error) {
		out, err := s.kms.ListAliases(ctx, &kms.ListAliasesInput{KeyId: &arn, Marker: token})
		if err != nil {
			return nil, err
		}
		for _, a := range out.Aliases {
			names = append(names, aws.ToString(a.AliasName))
		}
		return out.NextMarker, nil
	})
	slices.Sort(names)
	return names, err
}

func (s *Survey) keyTags(ctx context.Context, arn string) (map[string]string, error) {
	tags := map[string]string{}
	err := awsfleet.Pages("kms:ListResourceTags", func(token *string) (*string, error) {
		out, err := s.kms.ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: &arn, Marker: token})
		if err != nil {
			return nil, err
		}
		for _, t := range out.Tags {
			tags[aws.ToString(t.TagKey)] = aws.ToString(t.TagValue)
		}
		return out.NextMarker, nil
	})
	return tags, err
}
