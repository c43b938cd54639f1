package awsfleet

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"

	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// credentials returns those of a role, or the hub's own for none. The caller
// holds the lock.
//
// STS is asked in the hub's region, once for all regions of the role: what a
// regional STS endpoint hands out is valid in every region of the partition, and
// the one of a region that the hub has not enabled would refuse the hub itself.
func (f *Fleet) credentials(role string) aws.CredentialsProvider {
	if role == "" {
		return f.hub.Credentials
	}
	p, ok := f.roles[role]
	if !ok {
		p = aws.NewCredentialsCache(assumed{role, stscreds.NewAssumeRoleProvider(f.sts, role, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = name
		})}, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = expiryWindow })
		f.roles[role] = p
	}
	return p
}

// expiryWindow is how long before their end credentials are renewed: a function
// runs for up to five minutes, and they must outlast a call with its retries.
const expiryWindow = 5 * time.Minute

// assumed tells a role that cannot be assumed from a call that the role may not
// make.
type assumed struct {
	role     string
	provider aws.CredentialsProvider
}

func (a assumed) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := a.provider.Retrieve(ctx)
	if err == nil {
		return c, nil
	}
	t := refusal.Of("sts:AssumeRole", err)
	if t.Kind == fleet.Denied || t.Kind == fleet.RegionDisabled {
		t.Kind = fleet.Unreachable
		t.Err = fmt.Errorf("role %s cannot be assumed (does it exist, and does its trust policy name the caller?): %w", a.role, t.Err)
	}
	return c, t
}
