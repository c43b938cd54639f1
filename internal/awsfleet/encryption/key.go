package encryption

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/kmskey"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Key resolves an ARN, alias/name or tag:key=value in the target's account and
// region, and describes the key. The names of another account's key are left out:
// no alias or tag of the target leads to it. Rotation that cannot be read is
// unknown: it is no reason not to use the key.
func (r Reader) Key(ctx context.Context, t fleet.Target, ref string) (fleet.Key, error) {
	id := ref
	if tag, ok := strings.CutPrefix(ref, "tag:"); ok {
		tagged, err := r.tagged(ctx, t, tag)
		if err != nil {
			return fleet.Key{}, err
		}
		id = tagged
	}
	client := kms.NewFromConfig(r.fleet.Config(t))
	known, err := kmskey.Describe(ctx, client, id)
	if err != nil {
		return fleet.Key{}, err
	}
	at, err := arn.Parse(known.ARN)
	if err != nil {
		return fleet.Key{}, &fleet.Trouble{Kind: fleet.Failed, Action: "kms:DescribeKey", Err: errors.New("the answer does not say the key's ARN")}
	}
	if rotation, err := kmskey.Rotation(ctx, client, known.ARN); err == nil {
		known.Rotation = rotation
	}
	if at.AccountID != t.Account {
		return known, nil
	}
	return known, kmskey.Names(ctx, client, &known)
}

// tagged is the ARN of the one key of the target that has a tag, given as
// key=value.
func (r Reader) tagged(ctx context.Context, t fleet.Target, tag string) (string, error) {
	const action = "tag:GetResources"
	name, value, _ := strings.Cut(tag, "=")
	client := resourcegroupstaggingapi.NewFromConfig(r.fleet.Config(t))
	var keys []string
	err := awsfleet.Pages(action, func(token *string) (*string, error) {
		out, err := client.GetResources(ctx, &resourcegroupstaggingapi.GetResourcesInput{
			ResourceTypeFilters: []string{"kms:key"},
			TagFilters:          []types.TagFilter{{Key: &name, Values: []string{value}}},
			PaginationToken:     token,
		})
		if err != nil {
			return nil, err
		}
		for _, found := range out.ResourceTagMappingList {
			keys = append(keys, aws.ToString(found.ResourceARN))
		}
		return out.PaginationToken, nil
	})
	switch {
	case err != nil:
		return "", err
	case len(keys) == 0:
		return "", &fleet.Trouble{Kind: fleet.Gone, Action: action, Err: fmt.Errorf("no key in %s has the tag %s: tag one, or name the key by its ARN", t, tag)}
	case len(keys) > 1:
		return "", &fleet.Trouble{Kind: fleet.Refused, Action: action, Err: fmt.Errorf("%d keys in %s have the tag %s, among them %s and %s: leave the tag on one of them, or name the key by its ARN", len(keys), t, tag, keys[0], keys[1])}
	}
	return keys[0], nil
}
