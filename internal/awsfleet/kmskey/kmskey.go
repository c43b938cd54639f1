// Package kmskey asks KMS what a key is, whether its material is renewed, and what
// it is called. It does not decide whether a key will do, and it never changes one.
package kmskey

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

// Describe says what the key of an id, ARN or alias is; KMS may leave out any of
// it. Its rotation, aliases and tags are for others to ask. The error is a *fleet.Trouble.
func Describe(ctx context.Context, client *kms.Client, id string) (fleet.Key, error) {
	out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
	if err == nil && out.KeyMetadata == nil {
		err = errors.New("the answer holds no key")
	}
	if err != nil {
		return fleet.Key{}, refusal.Of("kms:DescribeKey", err)
	}
	m := out.KeyMetadata
	return fleet.Key{
		ARN:      aws.ToString(m.Arn),
		Spec:     string(m.KeySpec),
		Usage:    string(m.KeyUsage),
		State:    string(m.KeyState),
		Deletion: aws.ToTime(m.DeletionDate),
	}, nil
}

// Rotation says whether the key's material is renewed. KMS cannot say it of
// imported material and of keys in a custom key store (KMS API reference). The
// error is a *fleet.Trouble.
func Rotation(ctx context.Context, client *kms.Client, arn string) (fleet.Rotation, error) {
	out, err := client.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &arn})
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

// Names fills in the aliases and the tags of a key, which KMS tells only to the
// account that the key is of. Either is there even when the other was refused. The
// error holds a *fleet.Trouble.
func Names(ctx context.Context, client *kms.Client, k *fleet.Key) error {
	var listed, read error
	k.Aliases, listed = aliases(ctx, client, k.ARN)
	k.Tags, read = tags(ctx, client, k.ARN)
	return errors.Join(listed, read)
}

func aliases(ctx context.Context, client *kms.Client, arn string) ([]string, error) {
	var names []string
	err := awsfleet.Pages("kms:ListAliases", func(token *string) (*string, error) {
		out, err := client.ListAliases(ctx, &kms.ListAliasesInput{KeyId: &arn, Marker: token})
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

func tags(ctx context.Context, client *kms.Client, arn string) (map[string]string, error) {
	tags := map[string]string{}
	err := awsfleet.Pages("kms:ListResourceTags", func(token *string) (*string, error) {
		out, err := client.ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: &arn, Marker: token})
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
