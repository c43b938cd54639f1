// Package quotas reads how many of something AWS lets an account have. It counts
// nothing, decides nothing, and asks for no more.
package quotas

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas/types"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// A quota is one as Service Quotas lists it.
type quota struct{ service, code string }

// See "Amazon EKS endpoints and quotas" and "Amazon EC2 endpoints and quotas" in
// the AWS General Reference.
var (
	clusters   = quota{"eks", "L-1194D53C"} // for each region
	nodegroups = quota{"eks", "L-6D54EA21"} // managed ones, for each cluster
	vcpus      = quota{"ec2", "L-1216C47A"} // Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances
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

// VCPUs is how many vCPUs the On-Demand instances of the standard families (A, C,
// D, H, I, M, R, T, Z) may have in a target's region. The error is a *fleet.Trouble.
func (r Reader) VCPUs(ctx context.Context, t fleet.Target) (int, error) {
	return r.quota(ctx, t, vcpus)
}

// quota reads what applies, or AWS's default: of a quota that nobody has ever
// changed Service Quotas may know only that (GetServiceQuota, Service Quotas API
// reference).
func (r Reader) quota(ctx context.Context, t fleet.Target, q quota) (int, error) {
	client := servicequotas.NewFromConfig(r.fleet.Config(t))
	applied, err := client.GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{ServiceCode: &q.service, QuotaCode: &q.code})
	if err == nil {
		return value("servicequotas:GetServiceQuota", applied.Quota)
	}
	if unchanged := (*types.NoSuchResourceException)(nil); !errors.As(err, &unchanged) {
		return 0, refusal.Of("servicequotas:GetServiceQuota", err)
	}
	usual, err := client.GetAWSDefaultServiceQuota(ctx, &servicequotas.GetAWSDefaultServiceQuotaInput{ServiceCode: &q.service, QuotaCode: &q.code})
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
