// Package quotas reads how many of something AWS lets an account have. It counts
// nothing, decides nothing, and asks for no more.
package quotas

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas/types"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// The codes of EKS's quotas, as Service Quotas lists them (AWS General Reference,
// "Amazon EKS endpoints and quotas").
const (
	clusters   = "L-1194D53C" // for each region
	nodegroups = "L-6D54EA21" // managed ones, for each cluster
)

// Reader reads the quotas of targets.
type Reader struct{ fleet *awsfleet.Fleet }

// New returns a Reader with a Fleet's credentials and patience.
func New(f *awsfleet.Fleet) Reader { return Reader{f} }

// Clusters is how many clusters a target's region may have. The error is a
// *fleet.Trouble.
func (r Reader) Clusters(ctx context.Context, t fleet.Target) (int, error) {
	return r.quota(ctx, t, clusters)
}

// Nodegroups is how many managed nodegroups each of a target's clusters may have.
// The error is a *fleet.Trouble.
func (r Reader) Nodegroups(ctx context.Context, t fleet.Target) (int, error) {
	return r.quota(ctx, t, nodegroups)
}

// quota reads what applies, or AWS's default: of a quota that nobody has ever
// changed Service Quotas may know only that (GetServiceQuota, Service Quotas API
// reference).
func (r Reader) quota(ctx context.Context, t fleet.Target, code string) (int, error) {
	client := servicequotas.NewFromConfig(r.fleet.Config(t))
	service := aws.String("eks")
	applied, err := client.GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{ServiceCode: service, QuotaCode: &code})
	if err == nil {
		return value("servicequotas:GetServiceQuota", applied.Quota)
	}
	if unchanged := (*types.NoSuchResourceException)(nil); !errors.As(err, &unchanged) {
		return 0, refusal.Of("servicequotas:GetServiceQuota", err)
	}
	usual, err := client.GetAWSDefaultServiceQuota(ctx, &servicequotas.GetAWSDefaultServiceQuotaInput{ServiceCode: service, QuotaCode: &code})
	if err != nil {
		return 0, refusal.Of("servicequotas:GetAWSDefaultServiceQuota", err)
	}
	return value("servicequotas:GetAWSDefaultServiceQuota", usual.Quota)
}

func value(action string, q *types.ServiceQuota) (int, error) {
	if q == nil || q.Value == nil {
		return 0, &fleet.Trouble{Kind: fleet.Failed, Action: action, Err: errors.New("the answer holds no value")}
	}
	return int(*q.Value), nil
}
