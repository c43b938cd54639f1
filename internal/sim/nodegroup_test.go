package sim_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
)

// workshop is one cluster named payments.
func workshop(t *testing.T, c sim.Cluster) *rig {
	t.Helper()
	c.Name = "payments"
	return start(t, sim.Fleet{Home: home, Accounts: []sim.Account{{ID: home, Regions: []sim.Region{{Name: "eu-west-1", Clusters: []sim.Cluster{c}}}}}})
}

func (r *rig) nodegroup(t *testing.T, name string) *types.Nodegroup {
	t.Helper()
	out, err := r.eks("eu-west-1").DescribeNodegroup(t.Context(), &eks.DescribeNodegroupInput{ClusterName: aws.String("payments"), NodegroupName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return out.Nodegroup
}

func creation(name string) *eks.CreateNodegroupInput {
	return &eks.CreateNodegroupInput{
		ClusterName: aws.String("payments"), NodegroupName: &name, Subnets: []string{"subnet-00000000000000000"},
		NodeRole: aws.String("arn:aws:iam::111122223333:role/eks-nodes"),
	}
}

func size(lo, hi, desired int32) *types.NodegroupScalingConfig {
	return &types.NodegroupScalingConfig{MinSize: &lo, MaxSize: &hi, DesiredSize: &desired}
}

func TestDescribeNodegroupTellsWhatTheFileSays(t *testing.T) {
	r := workshop(t, sim.Cluster{Version: "1.35", Nodegroups: []sim.Nodegroup{
		{Name: "plain"},
		{Name: "old", Version: "1.34", Release: "1.34.2-20260714", AMIType: "BOTTLEROCKET_x86_64", Nodes: 4, Tags: map[string]string{"team": "payments"}},
		{Name: "own", AMIType: fleet.CustomAMI},
		{Name: "sick", Health: []sim.Issue{{Code: "NodeCreationFailure", Message: "no", Resources: []string{"i-0"}}}},
		{Name: "gone", Status: "DELETE_FAILED"},
	}})
	for _, row := range []struct{ name, status, version, release, ami string }{
		{"plain", "ACTIVE", "1.35", "1.35.1-20261101", "AL2023_x86_64_STANDARD"},
		{"old", "ACTIVE", "1.34", "1.34.2-20260714", "BOTTLEROCKET_x86_64"},
		{"own", "ACTIVE", "1.35", "ami-00000000000000000", "CUSTOM"},
		{"sick", "DEGRADED", "1.35", "1.35.1-20261101", "AL2023_x86_64_STANDARD"},
		{"gone", "DELETE_FAILED", "1.35", "1.35.1-20261101", "AL2023_x86_64_STANDARD"},
	} {
		g := r.nodegroup(t, row.name)
		if got := [4]string{string(g.Status), *g.Version, *g.ReleaseVersion, string(g.AmiType)}; got != [4]string{row.status, row.version, row.release, row.ami} {
			t.Errorf("%s is %q, want %q", row.name, got, row)
		}
	}
	old, sick := r.nodegroup(t, "old"), r.nodegroup(t, "sick")
	if *old.ScalingConfig.DesiredSize != 4 || old.Tags["team"] != "payments" || *old.NodegroupArn != "arn:aws:eks:eu-west-1:111122223333:nodegroup/payments/old/00000000-0000-4000-8000-000000000000" {
		t.Errorf("old is %+v", old)
	}
	if i := sick.Health.Issues; len(i) != 1 || i[0].Code != types.NodegroupIssueCodeNodeCreationFailure || i[0].ResourceIds[0] != "i-0" {
		t.Errorf("sick has issues %+v", i)
	}
	if r.nodegroup(t, "own").LaunchTemplate == nil {
		t.Error("a group with an image of its owner's has no launch template")
	}
}

func TestListNodegroupsPages(t *testing.T) {
	r := workshop(t, sim.Cluster{Version: "1.35", Nodegroups: []sim.Nodegroup{{Name: "c"}, {Name: "a"}, {Name: "b"}}})
	var got []string
	p := eks.NewListNodegroupsPaginator(r.eks("eu-west-1"), &eks.ListNodegroupsInput{ClusterName: aws.String("payments"), MaxResults: aws.Int32(2)})
	for p.HasMorePages() {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, page.Nodegroups...)
	}
	if !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("groups are %q", got)
	}
}

func TestANodegroupComesAndGoesByTheWorldsClock(t *testing.T) {
	r := workshop(t, sim.Cluster{Version: "1.35"})
	c := r.eks("eu-west-1")
	in := creation("blue")
	in.ScalingConfig, in.Tags = size(1, 5, 3), map[string]string{"team": "payments"}
	made, err := c.CreateNodegroup(t.Context(), in)
	if err != nil || made.Nodegroup.Status != types.NodegroupStatusCreating || made.Nodegroup.Tags["team"] != "payments" {
		t.Fatalf("created %+v, %v", made, err)
	}
	r.now = noon.Add(3*time.Minute - time.Second)
	if got := r.nodegroup(t, "blue").Status; got != types.NodegroupStatusCreating {
		t.Errorf("status is %s before its time", got)
	}
	r.now = noon.Add(3 * time.Minute)
	if got := r.nodegroup(t, "blue").Status; got != types.NodegroupStatusActive {
		t.Errorf("status is %s when it is there", got)
	}
	gone, err := c.DeleteNodegroup(t.Context(), &eks.DeleteNodegroupInput{ClusterName: aws.String("payments"), NodegroupName: aws.String("blue")})
	if err != nil || gone.Nodegroup.Status != types.NodegroupStatusDeleting {
		t.Fatalf("deleted %+v, %v", gone, err)
	}
	r.now = noon.Add(6*time.Minute - time.Second)
	if got := r.nodegroup(t, "blue").Status; got != types.NodegroupStatusDeleting {
		t.Errorf("status is %s while it goes", got)
	}
	r.now = noon.Add(6 * time.Minute)
	_, err = c.DescribeNodegroup(t.Context(), &eks.DescribeNodegroupInput{ClusterName: aws.String("payments"), NodegroupName: aws.String("blue")})
	var missing *types.ResourceNotFoundException
	if !errors.As(err, &missing) || aws.ToString(missing.NodegroupName) != "blue" {
		t.Errorf("when it is gone: %v", err)
	}
}

func TestScalingANodegroupIsAnUpdate(t *testing.T) {
	r := workshop(t, sim.Cluster{Version: "1.35", Nodegroups: []sim.Nodegroup{{Name: "blue", Nodes: 3}}})
	c := r.eks("eu-west-1")
	in := &eks.UpdateNodegroupConfigInput{ClusterName: aws.String("payments"), NodegroupName: aws.String("blue"), ScalingConfig: &types.NodegroupScalingConfig{DesiredSize: aws.Int32(1)}}
	out, err := c.UpdateNodegroupConfig(t.Context(), in)
	if err != nil || out.Update.Type != types.UpdateTypeConfigUpdate || *out.Update.Params[0].Value != "1" {
		t.Fatalf("update is %+v, %v", out, err)
	}
	if g := r.nodegroup(t, "blue"); g.Status != types.NodegroupStatusUpdating || *g.ScalingConfig.DesiredSize != 1 || *g.ScalingConfig.MaxSize != 3 {
		t.Errorf("while it is scaled, the group is %s with %+v", g.Status, g.ScalingConfig)
	}
	_, err = c.UpdateNodegroupConfig(t.Context(), &eks.UpdateNodegroupConfigInput{ClusterName: in.ClusterName, NodegroupName: in.NodegroupName, ScalingConfig: in.ScalingConfig})
	wantCode(t, err, "ResourceInUseException")
	r.now = noon.Add(3 * time.Minute)
	if g := r.nodegroup(t, "blue"); g.Status != types.NodegroupStatusActive {
		t.Errorf("when it is scaled, the group is %s", g.Status)
	}
	of := &eks.DescribeUpdateInput{Name: aws.String("payments"), UpdateId: out.Update.Id}
	_, err = c.DescribeUpdate(t.Context(), of)
	wantCode(t, err, "ResourceNotFoundException") // not one of the cluster itself
	of.NodegroupName = aws.String("blue")
	if done, err := c.DescribeUpdate(t.Context(), of); err != nil || done.Update.Status != types.UpdateStatusSuccessful {
		t.Errorf("the update ended as %+v, %v", done, err)
	}
}

func TestCreateNodegroupRefuses(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*eks.CreateNodegroupInput)
		code   string
	}{
		{"a name that is taken", func(in *eks.CreateNodegroupInput) { in.NodegroupName = aws.String("blue") }, "ResourceInUseException"},
		{"a name of no form", func(in *eks.CreateNodegroupInput) { in.NodegroupName = aws.String("-") }, "InvalidParameterException"},
		{"a cluster that is not there", func(in *eks.CreateNodegroupInput) { in.ClusterName = aws.String("nobody") }, "InvalidParameterException"},
		{"another version than the cluster's", func(in *eks.CreateNodegroupInput) { in.Version = aws.String("1.34") }, "InvalidParameterException"},
		{"more wanted than the most", func(in *eks.CreateNodegroupInput) { in.ScalingConfig = size(1, 2, 3) }, "InvalidParameterException"},
		{"fewer wanted than the fewest", func(in *eks.CreateNodegroupInput) { in.ScalingConfig = size(2, 3, 1) }, "InvalidParameterException"},
		{"the fewest above the most", func(in *eks.CreateNodegroupInput) { in.ScalingConfig = size(4, 3, 4) }, "InvalidParameterException"},
		{"less than no nodes", func(in *eks.CreateNodegroupInput) { in.ScalingConfig = size(-1, 3, 1) }, "InvalidParameterException"},
		{"more nodes than the quota", func(in *eks.CreateNodegroupInput) { in.ScalingConfig = size(1, 451, 1) }, "InvalidParameterException"},
		{"no subnets", func(in *eks.CreateNodegroupInput) { in.Subnets = []string{} }, "InvalidParameterException"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := workshop(t, sim.Cluster{Version: "1.35", Nodegroups: []sim.Nodegroup{{Name: "blue"}}})
			in := creation("green")
			row.change(in)
			_, err := r.eks("eu-west-1").CreateNodegroup(t.Context(), in)
			wantCode(t, err, row.code)
		})
	}
}

func TestAClusterHasThirtyNodegroupsAtMost(t *testing.T) {
	var groups []sim.Nodegroup
	for i := range 30 {
		groups = append(groups, sim.Nodegroup{Name: fmt.Sprintf("g%02d", i)})
	}
	_, err := workshop(t, sim.Cluster{Version: "1.35", Nodegroups: groups}).eks("eu-west-1").CreateNodegroup(t.Context(), creation("more"))
	wantCode(t, err, "ResourceLimitExceededException")
}

// What an SDK sends again, because it did not hear the answer, is the same
// request: it bears the same token.
func TestARepeatedRequestChangesNothingMore(t *testing.T) {
	r := workshop(t, sim.Cluster{Version: "1.35", Nodegroups: []sim.Nodegroup{{Name: "blue", Nodes: 2}}})
	c := r.eks("eu-west-1")
	create := creation("green")
	create.ClientRequestToken = aws.String("one")
	scale := &eks.UpdateNodegroupConfigInput{
		ClusterName: create.ClusterName, NodegroupName: aws.String("blue"), ClientRequestToken: aws.String("two"),
		ScalingConfig: &types.NodegroupScalingConfig{DesiredSize: aws.Int32(1)},
	}
	upgrade := &eks.UpdateClusterVersionInput{Name: create.ClusterName, Version: aws.String("1.36"), ClientRequestToken: aws.String("three")}
	admit := &eks.CreateAccessEntryInput{ClusterName: create.ClusterName, PrincipalArn: aws.String("arn:aws:iam::111122223333:role/ops"), ClientRequestToken: aws.String("four")}
	var updates []string
	for range 2 {
		if _, err := c.CreateNodegroup(t.Context(), create); err != nil {
			t.Fatal(err)
		}
		if _, err := c.CreateAccessEntry(t.Context(), admit); err != nil {
			t.Fatal(err)
		}
		scaled, err := c.UpdateNodegroupConfig(t.Context(), scale)
		if err != nil {
			t.Fatal(err)
		}
		upgraded, err := c.UpdateClusterVersion(t.Context(), upgrade)
		if err != nil {
			t.Fatal(err)
		}
		updates = append(updates, *scaled.Update.Id, *upgraded.Update.Id)
	}
	if updates[0] != updates[2] || updates[1] != updates[3] {
		t.Errorf("updates are %q, want two that are told twice", updates)
	}
}
