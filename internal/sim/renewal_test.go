package sim_test

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
)

// renew updates the group blue of payments to a version and a release.
func (r *rig) renew(t *testing.T, version, release string, changes ...func(*eks.UpdateNodegroupVersionInput)) (*types.Update, error) {
	t.Helper()
	in := &eks.UpdateNodegroupVersionInput{ClusterName: aws.String("payments"), NodegroupName: aws.String("blue")}
	if version != "" {
		in.Version = &version
	}
	if release != "" {
		in.ReleaseVersion = &release
	}
	for _, change := range changes {
		change(in)
	}
	out, err := r.eks("eu-west-1").UpdateNodegroupVersion(t.Context(), in)
	if err != nil {
		return nil, err
	}
	return out.Update, nil
}

// renewal is an update of blue as it is by now.
func (r *rig) renewal(t *testing.T, id string) *types.Update {
	t.Helper()
	out, err := r.eks("eu-west-1").DescribeUpdate(t.Context(), &eks.DescribeUpdateInput{Name: aws.String("payments"), NodegroupName: aws.String("blue"), UpdateId: &id})
	if err != nil {
		t.Fatal(err)
	}
	return out.Update
}

// nodesAre fails unless blue has the status, version and release.
func (r *rig) nodesAre(t *testing.T, status types.NodegroupStatus, version, release string) {
	t.Helper()
	if g := r.nodegroup(t, "blue"); g.Status != status || *g.Version != version || *g.ReleaseVersion != release {
		t.Errorf("at %s the group is %s with %s, %s; want %s with %s, %s", r.now, g.Status, *g.Version, *g.ReleaseVersion, status, version, release)
	}
}

func paramsOf(u *types.Update) map[string]string {
	all := map[string]string{}
	for _, p := range u.Params {
		all[string(p.Type)] = *p.Value
	}
	return all
}

func TestNodesAreRenewedByTheWorldsClock(t *testing.T) {
	r := workshop(t, sim.Cluster{Version: "1.35", Nodegroups: []sim.Nodegroup{{
		Name: "blue", Version: "1.34", Release: "1.34.2-20260714", Nodes: 3, LaunchTemplate: &sim.TemplateVersion{ID: "lt-a", Version: "3"},
	}}})
	u, err := r.renew(t, "1.35", "1.35.2-20261101", func(in *eks.UpdateNodegroupVersionInput) {
		in.LaunchTemplate = &types.LaunchTemplateSpecification{Id: aws.String("lt-a"), Version: aws.String("4")}
	})
	if err != nil || u.Type != types.UpdateTypeVersionUpdate || u.Status != types.UpdateStatusInProgress {
		t.Fatalf("update is %+v, %v", u, err)
	}
	if p := paramsOf(u); p["Version"] != "1.35" || p["ReleaseVersion"] != "1.35.2-20261101" || p["LaunchTemplateVersion"] != "4" {
		t.Errorf("params are %v", p)
	}
	r.now = noon.Add(3*time.Minute - time.Second)
	r.nodesAre(t, types.NodegroupStatusUpdating, "1.34", "1.34.2-20260714")
	_, err = r.renew(t, "1.35", "")
	wantCode(t, err, "ResourceInUseException")
	r.now = noon.Add(3 * time.Minute)
	r.nodesAre(t, types.NodegroupStatusActive, "1.35", "1.35.2-20261101")
	if g := r.nodegroup(t, "blue"); *g.LaunchTemplate.Version != "4" || !g.ModifiedAt.Equal(r.now) {
		t.Errorf("the group is %+v of %s", g.LaunchTemplate, g.ModifiedAt)
	}
	if u = r.renewal(t, *u.Id); u.Status != types.UpdateStatusSuccessful || len(u.Errors) > 0 {
		t.Errorf("the update ended as %+v", u)
	}
	// What comes after it keeps what it has made.
	if _, err := r.eks("eu-west-1").UpdateNodegroupConfig(t.Context(), &eks.UpdateNodegroupConfigInput{
		ClusterName: aws.String("payments"), NodegroupName: aws.String("blue"), ScalingConfig: &types.NodegroupScalingConfig{DesiredSize: aws.Int32(1)},
	}); err != nil {
		t.Fatal(err)
	}
	r.now = noon.Add(6 * time.Minute)
	r.nodesAre(t, types.NodegroupStatusActive, "1.35", "1.35.2-20261101")
}

func TestAFailedRenewalLeavesTheGroupAsItWas(t *testing.T) {
	r := workshop(t, sim.Cluster{Version: "1.35", Nodegroups: []sim.Nodegroup{{Name: "blue", Version: "1.34", Release: "1.34.2-20260714"}}})
	r.FailUpdate(id("payments"), sim.Issue{Code: "PodEvictionFailure", Message: "no", Resources: []string{"ip-10-0-0-1"}})
	u, err := r.renew(t, "1.35", "")
	if err != nil {
		t.Fatal(err)
	}
	r.now = noon.Add(3 * time.Minute)
	r.nodesAre(t, types.NodegroupStatusActive, "1.34", "1.34.2-20260714")
	if u = r.renewal(t, *u.Id); u.Status != types.UpdateStatusFailed || u.Errors[0].ErrorCode != types.ErrorCodePodEvictionFailure || u.Errors[0].ResourceIds[0] != "ip-10-0-0-1" {
		t.Errorf("the update ended as %+v", u)
	}
	if _, err = r.renew(t, "1.35", ""); err != nil {
		t.Fatal(err)
	}
	r.now = noon.Add(6 * time.Minute)
	r.nodesAre(t, types.NodegroupStatusActive, "1.35", "1.35.1-20261101")
}

func TestFault_17_AGroupThatWasRenewedIsDegraded(t *testing.T) {
	r := workshop(t, sim.Cluster{Version: "1.35", Nodegroups: []sim.Nodegroup{{Name: "blue"}}})
	u, err := r.renew(t, "1.35", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.SetHealth(id("payments"), "blue", sim.Issue{Code: "AsgInstanceLaunchFailures", Message: "no"}); err != nil {
		t.Fatal(err)
	}
	r.nodesAre(t, types.NodegroupStatusUpdating, "1.35", "1.35.1-20261101")
	r.now = noon.Add(3 * time.Minute)
	r.nodesAre(t, types.NodegroupStatusDegraded, "1.35", "1.35.1-20261101")
	if got := r.renewal(t, *u.Id).Status; got != types.UpdateStatusSuccessful {
		t.Errorf("the update is %s", got)
	}
	if g := r.nodegroup(t, "blue"); len(g.Health.Issues) != 1 || g.Health.Issues[0].Code != types.NodegroupIssueCodeAsgInstanceLaunchFailures {
		t.Errorf("issues are %+v", g.Health)
	}
	if err := r.SetHealth(id("payments"), "blue"); err != nil {
		t.Fatal(err)
	}
	r.nodesAre(t, types.NodegroupStatusActive, "1.35", "1.35.1-20261101")
	if err := r.SetHealth(id("payments"), "nobody"); err == nil {
		t.Error("a group that is not there has a health")
	}
}

func TestWhatNodesMayBecome(t *testing.T) {
	template := func(id, name, version string) func(*eks.UpdateNodegroupVersionInput) {
		return func(in *eks.UpdateNodegroupVersionInput) {
			in.LaunchTemplate = &types.LaunchTemplateSpecification{}
			for to, value := range map[**string]string{&in.LaunchTemplate.Id: id, &in.LaunchTemplate.Name: name, &in.LaunchTemplate.Version: version} {
				if value != "" {
					*to = &value
				}
			}
		}
	}
	own := func(*eks.UpdateNodegroupVersionInput) {}
	for _, row := range []struct {
		name             string
		group            sim.Nodegroup
		version, release string
		change           func(*eks.UpdateNodegroupVersionInput)
		want             string // release, or code of the refusal
	}{
		{"nothing is named", sim.Nodegroup{Version: "1.34"}, "", "", own, "1.36.3-20261115"},
		{"a version is named", sim.Nodegroup{Version: "1.34"}, "1.35", "", own, "1.35.1-20261101"},
		{"a release is named", sim.Nodegroup{Version: "1.34"}, "1.35", "1.35.9-20261116", own, "1.35.9-20261116"},
		{"an older release of the version", sim.Nodegroup{Version: "1.35", Release: "1.35.9-20261116"}, "1.35", "1.35.1-20261101", own, "1.35.1-20261101"},
		{"a release of Bottlerocket", sim.Nodegroup{AMIType: "BOTTLEROCKET_x86_64"}, "1.36", "1.50.0-ea1b2c3d", own, "1.50.0-ea1b2c3d"},
		{"FAULT 19 newer than the control plane", sim.Nodegroup{Version: "1.36"}, "1.37", "", own, "InvalidParameterException"},
		{"older than it is", sim.Nodegroup{Version: "1.35"}, "1.34", "", own, "InvalidParameterException"},
		{"no version", sim.Nodegroup{}, "newest", "", own, "InvalidParameterException"},
		{"a release of another minor", sim.Nodegroup{}, "1.36", "1.35.9-20261116", own, "InvalidParameterException"},
		{"a release of no form", sim.Nodegroup{}, "1.36", "1.36.1", own, "InvalidParameterException"},
		{"FAULT 16 a version for an image of the owner's", sim.Nodegroup{AMIType: fleet.CustomAMI}, "1.36", "", own, "InvalidParameterException"},
		{"FAULT 16 a release for an image of the owner's", sim.Nodegroup{AMIType: fleet.CustomAMI}, "", "1.36.1-20261101", own, "InvalidParameterException"},
		{"a template for an image of the owner's", sim.Nodegroup{AMIType: fleet.CustomAMI}, "", "", template("lt-00000000000000000", "", "2"), "ami-00000000000000000"},
		{"a template where EKS makes it", sim.Nodegroup{}, "1.36", "", template("lt-a", "", "2"), "InvalidParameterException"},
		{"another template", sim.Nodegroup{LaunchTemplate: &sim.TemplateVersion{ID: "lt-a"}}, "1.36", "", template("lt-b", "", "2"), "InvalidParameterException"},
		{"a template by its name", sim.Nodegroup{LaunchTemplate: &sim.TemplateVersion{ID: "lt-a"}}, "1.36", "", template("", "lt-a", "2"), "1.36.3-20261115"},
		{"a template by its id and its name", sim.Nodegroup{LaunchTemplate: &sim.TemplateVersion{ID: "lt-a"}}, "1.36", "", template("lt-a", "lt-a", "2"), "InvalidParameterException"},
		{"a degraded group", sim.Nodegroup{Health: []sim.Issue{{Code: "NodeCreationFailure"}}}, "1.36", "", own, "1.36.3-20261115"},
		{"FAULT 14 a group that is changing", sim.Nodegroup{Status: "UPDATING"}, "1.36", "", own, "ResourceInUseException"},
		{"a group that is not there", sim.Nodegroup{}, "1.36", "", func(in *eks.UpdateNodegroupVersionInput) { in.NodegroupName = aws.String("nobody") }, "ResourceNotFoundException"},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.group.Name = "blue"
			r := workshop(t, sim.Cluster{Version: "1.36", Nodegroups: []sim.Nodegroup{row.group}})
			if err := r.Publish(home, "eu-west-1", sim.Image{Version: "1.36", Release: "1.36.3-20261115"}); err != nil {
				t.Fatal(err)
			}
			u, err := r.renew(t, row.version, row.release, row.change)
			if strings.HasSuffix(row.want, "Exception") {
				wantCode(t, err, row.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := paramsOf(u)["ReleaseVersion"]; got != row.want {
				t.Errorf("nodes become %s, want %s", got, row.want)
			}
		})
	}
}

func TestNoNodesAreRenewedWhileTheirControlPlaneChanges(t *testing.T) {
	r := workshop(t, sim.Cluster{Version: "1.34", Nodegroups: []sim.Nodegroup{{Name: "blue"}}})
	if _, err := r.upgrade(t, "1.35"); err != nil {
		t.Fatal(err)
	}
	_, err := r.renew(t, "1.34", "")
	wantCode(t, err, "InvalidRequestException")
}

func TestFault_26_ARepeatedTokenIsTheSameRenewal(t *testing.T) {
	r := workshop(t, sim.Cluster{Version: "1.35", Nodegroups: []sim.Nodegroup{{Name: "blue"}}})
	token := func(in *eks.UpdateNodegroupVersionInput) { in.ClientRequestToken = aws.String("one") }
	first, err := r.renew(t, "1.35", "", token)
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.renew(t, "1.35", "", token)
	if err != nil || *again.Id != *first.Id {
		t.Errorf("the second answer is %+v, %v", again, err)
	}
	all, err := r.eks("eu-west-1").ListUpdates(t.Context(), &eks.ListUpdatesInput{Name: aws.String("payments"), NodegroupName: aws.String("blue")})
	if err != nil || !slices.Equal(all.UpdateIds, []string{*first.Id}) {
		t.Errorf("updates are %+v, %v", all, err)
	}
}

func TestAGroupOfTheSameNameIsNotRenewedByAnUpdateOfTheOneBefore(t *testing.T) {
	r := workshop(t, sim.Cluster{Version: "1.35", Nodegroups: []sim.Nodegroup{{Name: "blue", Version: "1.34"}}})
	c := r.eks("eu-west-1")
	if _, err := r.renew(t, "1.35", "1.35.2-20261101"); err != nil {
		t.Fatal(err)
	}
	r.now = noon.Add(3 * time.Minute)
	if _, err := c.DeleteNodegroup(t.Context(), &eks.DeleteNodegroupInput{ClusterName: aws.String("payments"), NodegroupName: aws.String("blue")}); err != nil {
		t.Fatal(err)
	}
	r.now = noon.Add(6 * time.Minute)
	if _, err := c.CreateNodegroup(t.Context(), creation("blue")); err != nil {
		t.Fatal(err)
	}
	r.now = noon.Add(9 * time.Minute)
	r.nodesAre(t, types.NodegroupStatusActive, "1.35", "1.35.1-20261101")
}

func TestAGroupTellsHowItIsUpdated(t *testing.T) {
	r := workshop(t, sim.Cluster{Version: "1.35", Nodegroups: []sim.Nodegroup{
		{Name: "plain", Nodes: 3},
		{Name: "share", Nodes: 3, Most: 9, Surge: sim.Surge{Percent: 33, Strategy: "MINIMAL"}, InstanceTypes: []string{"m5.large"}, Capacity: "SPOT"},
	}})
	if g := r.nodegroup(t, "plain"); *g.UpdateConfig.MaxUnavailable != 1 || g.UpdateConfig.MaxUnavailablePercentage != nil || g.UpdateConfig.UpdateStrategy != "" || *g.ScalingConfig.MaxSize != 3 {
		t.Errorf("plain is %+v of %+v", g.UpdateConfig, g.ScalingConfig)
	}
	g := r.nodegroup(t, "share")
	if *g.UpdateConfig.MaxUnavailablePercentage != 33 || g.UpdateConfig.MaxUnavailable != nil || g.UpdateConfig.UpdateStrategy != types.NodegroupUpdateStrategiesMinimal || *g.ScalingConfig.MaxSize != 9 {
		t.Errorf("share is %+v of %+v", g.UpdateConfig, g.ScalingConfig)
	}
	if !slices.Equal(g.InstanceTypes, []string{"m5.large"}) || g.CapacityType != types.CapacityTypesSpot {
		t.Errorf("share is %v, %s", g.InstanceTypes, g.CapacityType)
	}
}

// A drain is a Mirror whose roll lasts until it is told how it ends.
type drain struct {
	diary
	from, to fleet.Nodegroup
	force    bool
	begun    chan struct{}
	ends     chan []fleet.UpdateError
}

func (d *drain) Roll(ctx context.Context, from, to fleet.Nodegroup, force bool) []fleet.UpdateError {
	d.from, d.to, d.force = from, to, force
	close(d.begun)
	select {
	case errs := <-d.ends:
		return errs
	case <-ctx.Done():
		return []fleet.UpdateError{{Code: "Unknown", Message: ctx.Err().Error()}}
	}
}

// draining is a world whose group blue is at an update of a real cluster.
func draining(t *testing.T, w *sim.World, r *rig) (*drain, *types.Update) {
	t.Helper()
	d := &drain{begun: make(chan struct{}), ends: make(chan []fleet.UpdateError)}
	if err := w.Couple(id("payments"), d); err != nil {
		t.Fatal(err)
	}
	u, err := r.renew(t, "1.35", "1.35.2-20261101", func(in *eks.UpdateNodegroupVersionInput) { in.Force = true })
	if err != nil {
		t.Fatal(err)
	}
	<-d.begun
	return d, u
}

func TestARealClusterSaysHowAndWhenARenewalEnds(t *testing.T) {
	for _, row := range []struct {
		name    string
		says    []fleet.UpdateError
		status  types.UpdateStatus
		release string
	}{
		{"well", nil, types.UpdateStatusSuccessful, "1.35.2-20261101"},
		{"not well", []fleet.UpdateError{{Code: "PodEvictionFailure", Message: "no", Resources: []string{"node"}}}, types.UpdateStatusFailed, "1.35.1-20261101"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := workshop(t, sim.Cluster{Version: "1.35", Nodegroups: []sim.Nodegroup{{Name: "blue", Nodes: 4, Surge: sim.Surge{Percent: 50}}}})
			d, u := draining(t, r.World, r)
			if u.Status != types.UpdateStatusInProgress || !d.force || d.from.Release != "1.35.1-20261101" || d.to.Release != "1.35.2-20261101" || d.to.Surge.Of(d.to.Nodes) != 2 {
				t.Errorf("the update is %s: from %+v to %+v", u.Status, d.from, d.to)
			}
			r.now = noon.Add(time.Hour) // the clock does not end it
			r.nodesAre(t, types.NodegroupStatusUpdating, "1.35", "1.35.1-20261101")
			_, err := r.renew(t, "1.35", "")
			wantCode(t, err, "ResourceInUseException")
			d.ends <- row.says
			for r.renewal(t, *u.Id).Status == types.UpdateStatusInProgress {
				runtime.Gosched() // it is a matter of a moment
			}
			r.nodesAre(t, types.NodegroupStatusActive, "1.35", row.release)
			if g := r.nodegroup(t, "blue"); row.says == nil && !g.ModifiedAt.Equal(r.now) {
				t.Errorf("the group was changed at %s, want %s", g.ModifiedAt, r.now)
			}
			u = r.renewal(t, *u.Id)
			if u.Status != row.status || len(u.Errors) != len(row.says) || len(row.says) > 0 && u.Errors[0].ResourceIds[0] != "node" {
				t.Errorf("the update ended as %+v", u)
			}
		})
	}
}

func TestAScriptedFailureDoesNotTouchTheRealCluster(t *testing.T) {
	r := workshop(t, sim.Cluster{Version: "1.35", Nodegroups: []sim.Nodegroup{{Name: "blue"}}})
	if err := r.Couple(id("payments"), &diary{}); err != nil { // whose Roll panics
		t.Fatal(err)
	}
	r.FailUpdate(id("payments"), sim.Issue{Code: "NodeCreationFailure"})
	u, err := r.renew(t, "1.35", "")
	if err != nil {
		t.Fatal(err)
	}
	r.now = noon.Add(3 * time.Minute)
	if got := r.renewal(t, *u.Id).Status; got != types.UpdateStatusFailed {
		t.Errorf("the update is %s", got)
	}
}

func TestARollEndsWithItsWorldOrCluster(t *testing.T) {
	for name, end := range map[string]func(*sim.World){
		"the world is closed":    func(w *sim.World) { w.Close() },
		"the cluster is removed": func(w *sim.World) { w.Remove(id("payments")); w.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			r := workshop(t, sim.Cluster{Version: "1.35", Nodegroups: []sim.Nodegroup{{Name: "blue"}}})
			_, u := draining(t, r.World, r)
			end(r.World) // would hang if the roll went on
			if name == "the world is closed" {
				if got := r.renewal(t, *u.Id).Status; got != types.UpdateStatusInProgress {
					t.Errorf("the update is %s", got)
				}
			}
		})
	}
}
