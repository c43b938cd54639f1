package snapshot

import (
	"context"
	"errors"

	"github.com/eks-steward/eks-steward/internal/awsfleet/kmskey"
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
	known, err := kmskey.Describe(ctx, s.kms, arn)
	known.ARN = arn
	if err != nil {
		return known, err
	}
	var rotation error
	known.Rotation, rotation = kmskey.Rotation(ctx, s.kms, arn)
	return known, errors.Join(rotation, kmskey.Names(ctx, s.kms, &known))
}
