package encryption

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Writer is the only way to the calls that change something. Its errors are a
// *fleet.Trouble: of kind Busy while the cluster is being changed, of kind Refused
// where the service declines what it was asked and would do so again.
type Writer struct {
	fleet *awsfleet.Fleet
	role  func(fleet.Target) string
}

// NewWriter returns a Writer that works as the role that role names for a target.
func NewWriter(f *awsfleet.Fleet, role func(fleet.Target) string) Writer { return Writer{f, role} }

// Associate puts a key, named by its ARN, on a cluster that has none, and returns
// the id of the update that EKS began. It cannot be taken back. EKS answers a
// repeated token with the update that it began for it.
func (w Writer) Associate(ctx context.Context, t fleet.Target, cluster, key, token string) (update string, err error) {
	const action = "eks:AssociateEncryptionConfig"
	out, err := w.fleet.EKS(w.as(t)).AssociateEncryptionConfig(ctx, &eks.AssociateEncryptionConfigInput{
		ClusterName:        &cluster,
		ClientRequestToken: &token,
		EncryptionConfig: []ekstypes.EncryptionConfig{{
			Provider:  &ekstypes.Provider{KeyArn: &key},
			Resources: []string{"secrets"}, // the only one that there is (EKS API reference, EncryptionConfig)
		}},
	}, func(o *eks.Options) { o.Retryer = awsfleet.Unanswered() })
	if err == nil && (out.Update == nil || aws.ToString(out.Update.Id) == "") {
		err = errors.New("the answer holds no update")
	}
	if err != nil {
		return "", refusal.Declined(action, err)
	}
	return *out.Update.Id, nil
}

// CancelDeletion saves a key from its deletion. KMS leaves it disabled.
func (w Writer) CancelDeletion(ctx context.Context, t fleet.Target, key string) error {
	_, err := w.kms(t).CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &key})
	if err != nil {
		return refusal.Declined("kms:CancelKeyDeletion", err)
	}
	return nil
}

// Enable lets a disabled key be used again.
func (w Writer) Enable(ctx context.Context, t fleet.Target, key string) error {
	_, err := w.kms(t).EnableKey(ctx, &kms.EnableKeyInput{KeyId: &key})
	if err != nil {
		return refusal.Declined("kms:EnableKey", err)
	}
	return nil
}

// as is the target as it is written to.
func (w Writer) as(t fleet.Target) fleet.Target {
	t.Role = w.role(t)
	return t
}

func (w Writer) kms(t fleet.Target) *kms.Client {
	return kms.NewFromConfig(w.fleet.Config(w.as(t)))
}
