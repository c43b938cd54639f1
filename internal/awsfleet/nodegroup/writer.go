package nodegroup

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodegrouprollout"
)

// Writer is the only way to the call that renews nodes.
type Writer struct {
	fleet *awsfleet.Fleet
	role  func(fleet.Target) string
}

// NewWriter returns a Writer that works as the role that role names for a target.
func NewWriter(f *awsfleet.Fleet, role func(fleet.Target) string) Writer { return Writer{f, role} }

const updateVersion = "eks:UpdateNodegroupVersion"

// Roll begins an update of a group and returns its id. EKS answers a repeated token
// with the update that it began for it. The error is a *fleet.Trouble: Busy while
// another update is in flight, Refused where EKS declines the request.
func (w Writer) Roll(ctx context.Context, t fleet.Target, o nodegrouprollout.Order) (update string, err error) {
	in, err := request(o)
	if err != nil {
		return "", err
	}
	t.Role = w.role(t)
	out, err := w.fleet.EKS(t).UpdateNodegroupVersion(ctx, in, func(o *eks.Options) { o.Retryer = awsfleet.Unanswered() })
	if err == nil && (out.Update == nil || aws.ToString(out.Update.Id) == "") {
		err = errors.New("the answer holds no update")
	}
	if err != nil {
		return "", refusal.Declined(updateVersion, err)
	}
	return *out.Update.Id, nil
}

// request always says the version: without one EKS takes the control plane's, and
// that may have moved on since the plan was made. A group with an AMI of its owner's
// accepts none (EKS API reference, UpdateNodegroupVersion), so that it has no order.
func request(o nodegrouprollout.Order) (*eks.UpdateNodegroupVersionInput, error) {
	if o.To.Version == "" || o.Token == "" {
		return nil, &fleet.Trouble{
			Kind: fleet.Refused, Action: updateVersion,
			Err: errors.New("the order of an update names no version or no token: nodegroups with a custom AMI are renewed by their owner"),
		}
	}
	in := &eks.UpdateNodegroupVersionInput{
		ClusterName: &o.Cluster, NodegroupName: &o.Group, ClientRequestToken: &o.Token, Version: &o.To.Version, Force: o.Force,
	}
	if o.To.Release != "" {
		in.ReleaseVersion = &o.To.Release
	}
	if o.To.Template.ID != "" {
		in.LaunchTemplate = &types.LaunchTemplateSpecification{Id: &o.To.Template.ID, Version: &o.To.Template.Version}
	}
	return in, nil
}
