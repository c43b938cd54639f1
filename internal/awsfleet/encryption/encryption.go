// Package encryption reads what an association of a customer's key is decided
// from, makes the association, and saves a key that is about to be lost. It
// chooses no key and does not ask whether a write may be made: whoever holds the
// Writer has decided that. It never changes or removes the key of a cluster.
//
// The IAM actions of a Reader, as the target's reader role:
//
//	eks:DescribeCluster eks:ListUpdates eks:DescribeUpdate
//	kms:DescribeKey kms:GetKeyRotationStatus kms:ListAliases kms:ListResourceTags
//	kms:ListGrants
//	tag:GetResources
//
// Those of a Writer, as the target's writer role. EKS describes the key and makes
// its grant with the permissions of whoever associates it:
//
//	eks:AssociateEncryptionConfig kms:DescribeKey kms:CreateGrant
//	kms:CancelKeyDeletion kms:EnableKey
//
// The last two are only for CancelDeletion and Enable.
package encryption

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Reader reads clusters, keys and associations of targets. Its errors are a
// *fleet.Trouble.
type Reader struct{ fleet *awsfleet.Fleet }

// NewReader returns a Reader with a Fleet's credentials and patience.
func NewReader(f *awsfleet.Fleet) Reader { return Reader{f} }

// Cluster describes one cluster.
func (r Reader) Cluster(ctx context.Context, t fleet.Target, name string) (fleet.Cluster, error) {
	return r.fleet.Cluster(ctx, t, name)
}

// Update describes one change of a cluster.
func (r Reader) Update(ctx context.Context, t fleet.Target, cluster, id string) (fleet.Update, error) {
	return r.fleet.Update(ctx, t, cluster, "", id)
}

// mostUpdates bounds the calls for one association: EKS lists every change that a
// cluster ever had by id alone, in an order that it does not document.
const mostUpdates = 200

// Association finds the newest association of a cluster that was begun at a time
// or later; false when there is none. Where one change cannot be read it is not
// known whether there is one.
func (r Reader) Association(ctx context.Context, t fleet.Target, cluster string, since time.Time) (fleet.Update, bool, error) {
	ids, err := r.fleet.Updates(ctx, t, cluster, "")
	if err != nil {
		return fleet.Update{}, false, err
	}
	if len(ids) > mostUpdates {
		return fleet.Update{}, false, &fleet.Trouble{
			Kind: fleet.Failed, Action: "eks:ListUpdates",
			Err: fmt.Errorf("EKS lists %d updates of cluster %s, and at most %d are looked at: find out with aws eks describe-update whether one of them is an association", len(ids), cluster, mostUpdates),
		}
	}
	var newest fleet.Update
	for _, id := range ids {
		u, err := r.fleet.Update(ctx, t, cluster, "", id)
		if err != nil {
			return fleet.Update{}, false, err
		}
		if u.Type == string(types.UpdateTypeAssociateEncryptionConfig) && !u.CreatedAt.Before(since) && !u.CreatedAt.Before(newest.CreatedAt) {
			newest = u
		}
	}
	return newest, newest.ID != "", nil
}
