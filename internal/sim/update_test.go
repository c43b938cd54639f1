package sim_test

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/internal/sim"
)

func (r *rig) upgrade(t *testing.T, version string) (*types.Update, error) {
	t.Helper()
	out, err := r.eks("eu-west-1").UpdateClusterVersion(t.Context(), &eks.UpdateClusterVersionInput{Name: aws.String("payments"), Version: &version})
	if err != nil {
		return nil, err
	}
	return out.Update, nil
}

func (r *rig) updateOf(t *testing.T, id string) *types.Update {
	t.Helper()
	out, err := r.eks("eu-west-1").DescribeUpdate(t.Context(), &eks.DescribeUpdateInput{Name: aws.String("payments"), UpdateId: &id})
	if err != nil {
		t.Fatal(err)
	}
	return out.Update
}

// stands fails unless DescribeCluster tells the status and version.
func (r *rig) stands(t *testing.T, status types.ClusterStatus, version string) {
	t.Helper()
	out, err := r.eks("eu-west-1").DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String("payments")})
	if err != nil || out.Cluster.Status != status || *out.Cluster.Version != version {
		t.Errorf("at %s the cluster is %+v, %v; want %s with %s", r.now, out.Cluster, err, status, version)
	}
}

func TestAControlPlaneIsUpgradedByTheWorldsClock(t *testing.T) {
	r := workshop(t, sim.Cluster{Version: "1.34"})
	u, err := r.upgrade(t, "1.35")
	if err != nil || u.Type != types.UpdateTypeVersionUpdate || u.Status != types.UpdateStatusInProgress || *u.Params[0].Value != "1.35" {
		t.Fatalf("update is %+v, %v", u, err)
	}
	r.stands(t, types.ClusterStatusUpdating, "1.34")
	_, err = r.upgrade(t, "1.35")
	wantCode(t, err, "ResourceInUseException")
	r.now = noon.Add(10*time.Minute - time.Second)
	r.stands(t, types.ClusterStatusUpdating, "1.34")
	r.now = noon.Add(10 * time.Minute)
	r.stands(t, types.ClusterStatusActive, "1.35")
	if u = r.updateOf(t, *u.Id); u.Status != types.UpdateStatusSuccessful || len(u.Errors) > 0 || !u.CreatedAt.Equal(noon) {
		t.Errorf("the update ended as %+v", u)
	}
}

func TestAnUpgradeFailsOnRequest(t *testing.T) {
	r := workshop(t, sim.Cluster{Version: "1.34"})
	r.FailUpdate(id("payments"), sim.Issue{Code: "IpNotAvailable", Message: "no address is free", Resources: []string{"subnet-0"}})
	u, err := r.upgrade(t, "1.35")
	if err != nil {
		t.Fatal(err)
	}
	r.now = noon.Add(10 * time.Minute)
	r.stands(t, types.ClusterStatusActive, "1.34")
	u = r.updateOf(t, *u.Id)
	if u.Status != types.UpdateStatusFailed || len(u.Errors) != 1 || u.Errors[0].ErrorCode != types.ErrorCodeIpNotAvailable || u.Errors[0].ResourceIds[0] != "subnet-0" {
		t.Errorf("the update ended as %+v", u)
	}
	if u, err = r.upgrade(t, "1.35"); err != nil {
		t.Fatal(err)
	}
	r.now = noon.Add(20 * time.Minute)
	if u = r.updateOf(t, *u.Id); u.Status != types.UpdateStatusSuccessful {
		t.Errorf("the one after it ended as %s", u.Status)
	}
}

func TestWhereAControlPlaneMayGo(t *testing.T) {
	recently, longAgo := noon.Add(-7*24*time.Hour), noon.Add(-7*24*time.Hour-time.Second)
	group := func(version, ami string) []sim.Nodegroup {
		return []sim.Nodegroup{{Name: "blue", Version: version, AMIType: ami}}
	}
	for _, row := range []struct {
		name    string
		cluster sim.Cluster
		to      string
		want    string // type of the update, or code of the refusal
	}{
		{"one minor up", sim.Cluster{Version: "1.34"}, "1.35", "VersionUpdate"},
		{"two minors up", sim.Cluster{Version: "1.33"}, "1.35", "InvalidParameterException"},
		{"where it is", sim.Cluster{Version: "1.34"}, "1.34", "InvalidParameterException"},
		{"to a version that EKS does not have", sim.Cluster{Version: "1.36"}, "1.37", "InvalidParameterException"},
		{"to no version at all", sim.Cluster{Version: "1.36"}, "latest", "InvalidParameterException"},
		{"up while its status is another one", sim.Cluster{Version: "1.34", Status: "FAILED"}, "1.35", "ResourceInUseException"},
		{"up with its nodes at its version", sim.Cluster{Version: "1.34", Nodegroups: group("1.34", "")}, "1.35", "VersionUpdate"},
		{"up with nodes left behind", sim.Cluster{Version: "1.34", Nodegroups: group("1.33", "")}, "1.35", "InvalidRequestException"},
		{"up with an image of the owner's left behind", sim.Cluster{Version: "1.34", Nodegroups: group("1.33", "CUSTOM")}, "1.35", "VersionUpdate"},
		{"back within seven days", sim.Cluster{Version: "1.35", UpgradedAt: recently}, "1.34", "VersionRollback"},
		{"back after seven days", sim.Cluster{Version: "1.35", UpgradedAt: longAgo}, "1.34", "InvalidRequestException"},
		{"back where it never came from", sim.Cluster{Version: "1.35"}, "1.34", "InvalidRequestException"},
		{"back two minors", sim.Cluster{Version: "1.35", UpgradedAt: recently}, "1.33", "InvalidParameterException"},
		{"back with its nodes ahead", sim.Cluster{Version: "1.35", UpgradedAt: recently, Nodegroups: group("1.35", "")}, "1.34", "InvalidRequestException"},
		{"back with its nodes there already", sim.Cluster{Version: "1.35", UpgradedAt: recently, Nodegroups: group("1.34", "")}, "1.34", "VersionRollback"},
	} {
		t.Run(row.name, func(t *testing.T) {
			u, err := workshop(t, row.cluster).upgrade(t, row.to)
			if err != nil {
				wantCode(t, err, row.want)
			} else if string(u.Type) != row.want {
				t.Errorf("update is %s, want %s", u.Type, row.want)
			}
		})
	}
}

func TestInsightsStopAnUpgradeUnlessForced(t *testing.T) {
	r := workshop(t, sim.Cluster{Version: "1.34", Insights: []sim.Insight{
		{Name: "an API that is gone", Status: "ERROR", Kubernetes: "1.35"},
		{Name: "an API that will be gone", Status: "ERROR", Kubernetes: "1.36"},
	}})
	_, err := r.upgrade(t, "1.35")
	wantCode(t, err, "InvalidStateException")
	in := &eks.UpdateClusterVersionInput{Name: aws.String("payments"), Version: aws.String("1.35"), Force: true}
	if _, err := r.eks("eu-west-1").UpdateClusterVersion(t.Context(), in); err != nil {
		t.Error(err)
	}
	r = workshop(t, sim.Cluster{Version: "1.34", Insights: []sim.Insight{{Name: "later", Status: "ERROR", Kubernetes: "1.36"}}})
	if _, err := r.upgrade(t, "1.35"); err != nil {
		t.Errorf("an insight about a later version stops it: %v", err)
	}
}

func TestAnUpgradeIsTakenBack(t *testing.T) {
	r := workshop(t, sim.Cluster{Version: "1.34"})
	for i, to := range []string{"1.35", "1.34"} {
		if _, err := r.upgrade(t, to); err != nil {
			t.Fatal(err)
		}
		r.now = noon.Add(time.Duration(i+1) * 10 * time.Minute)
		r.stands(t, types.ClusterStatusActive, to)
	}
}

func TestUpdatesOfTheFleetFile(t *testing.T) {
	twenty := 20 * time.Minute
	r := workshop(t, sim.Cluster{
		Version: "1.34", UpgradedAt: noon.Add(-48 * time.Hour), Nodegroups: []sim.Nodegroup{{Name: "blue", Version: "1.33"}},
		Updates: []sim.Update{
			{Version: "1.33", At: -72 * time.Hour},
			{Version: "1.35", At: -2 * time.Hour, Errors: []sim.Issue{{Code: "EniLimitReached"}}},
			{Version: "1.35", At: -5 * time.Minute, Takes: &twenty},
			{Version: "1.34", At: -time.Minute, Nodegroup: "blue"},
		},
	})
	r.stands(t, types.ClusterStatusUpdating, "1.34")
	if g := r.nodegroup(t, "blue"); g.Status != types.NodegroupStatusUpdating {
		t.Errorf("the group is %s", g.Status)
	}
	out, err := r.eks("eu-west-1").ListUpdates(t.Context(), &eks.ListUpdatesInput{Name: aws.String("payments")})
	if err != nil {
		t.Fatal(err)
	}
	var got []types.UpdateStatus
	for _, id := range out.UpdateIds {
		got = append(got, r.updateOf(t, id).Status)
	}
	if want := []types.UpdateStatus{"Successful", "Successful", "Failed", "InProgress"}; !slices.Equal(got, want) {
		t.Errorf("updates are %q, want %q", got, want)
	}
	r.now = noon.Add(15 * time.Minute)
	r.stands(t, types.ClusterStatusActive, "1.35")
}
