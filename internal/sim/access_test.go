package sim_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
)

func TestAccessEntriesGoWithTheirCluster(t *testing.T) {
	r := small(t)
	c := r.eks("eu-west-1")
	id := fleet.ClusterID{Account: home, Region: "eu-west-1", Name: "payments"}
	const ops, reader = "arn:aws:iam::111122223333:role/team/ops", "arn:aws:iam::111122223333:role/steward-reader"
	admit := func(principal string, groups ...string) {
		if err := r.Admit(id, principal, groups...); err != nil {
			t.Fatal(err)
		}
	}
	listed := func(want ...string) {
		t.Helper()
		out, err := c.ListAccessEntries(t.Context(), &eks.ListAccessEntriesInput{ClusterName: &id.Name})
		if err != nil || !slices.Equal(out.AccessEntries, want) {
			t.Errorf("entries are %q, %v; want %q", out.AccessEntries, err, want)
		}
	}
	admit(ops)
	admit(reader, "others")
	admit(reader, "readers")
	listed(reader, ops)
	out, err := c.DescribeAccessEntry(t.Context(), &eks.DescribeAccessEntryInput{ClusterName: &id.Name, PrincipalArn: aws.String(ops)})
	if err != nil || *out.AccessEntry.AccessEntryArn != "arn:aws:eks:eu-west-1:111122223333:access-entry/payments/role/111122223333/ops/00000000-0000-4000-8000-000000000000" {
		t.Errorf("the entry of a role with a path is %+v, %v", out, err)
	}
	out, err = c.DescribeAccessEntry(t.Context(), &eks.DescribeAccessEntryInput{ClusterName: &id.Name, PrincipalArn: aws.String(reader)})
	if err != nil || !slices.Equal(out.AccessEntry.KubernetesGroups, []string{"readers"}) {
		t.Errorf("the entry was not replaced: %+v, %v", out, err)
	}
	if err := r.Add(home, id.Region, sim.Cluster{Name: id.Name, Version: "1.35"}); err != nil {
		t.Fatal(err)
	}
	listed(reader, ops)
	r.Remove(id)
	if err := r.Add(home, id.Region, sim.Cluster{Name: id.Name, Version: "1.35"}); err != nil {
		t.Fatal(err)
	}
	listed()
}

func TestAClusterThatEKSDoesNotRunKnowsNoAccessEntries(t *testing.T) {
	_, err := small(t).eks("eu-west-1").ListAccessEntries(t.Context(), &eks.ListAccessEntriesInput{ClusterName: aws.String("on-premises")})
	var refused *types.InvalidRequestException
	if !errors.As(err, &refused) {
		t.Errorf("error is %v, want InvalidRequestException", err)
	}
	if err := small(t).Admit(fleet.ClusterID{Account: home, Region: "eu-west-1", Name: "nobody"}, "arn:aws:iam::111122223333:role/ops"); err == nil {
		t.Error("a cluster that is not there admits somebody")
	}
}
