package sim_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
)

// A diary is a Mirror that writes down what it is told, and refuses when it is
// told to.
type diary struct {
	lines []string
	fails error
}

func (d *diary) Admit(principal, username string, groups []string) error {
	d.lines = append(d.lines, fmt.Sprintf("admit %s as %s of %s", principal, username, strings.Join(groups, " and ")))
	return d.fails
}

func (d *diary) Expel(principal string) error {
	d.lines = append(d.lines, "expel "+principal)
	return d.fails
}

func (d *diary) Scale(g fleet.Nodegroup) error {
	d.lines = append(d.lines, fmt.Sprintf("scale %s of %s to %d", g.Name, g.Version, g.Nodes))
	return d.fails
}

func (d *diary) Roll(context.Context, fleet.Nodegroup, fleet.Nodegroup, bool) []fleet.UpdateError {
	panic("no node is renewed here")
}

const ops = "arn:aws:iam::111122223333:role/ops"

func TestARealClusterFollowsWhatItIsCoupledTo(t *testing.T) {
	r := workshop(t, sim.Cluster{Version: "1.35", Nodegroups: []sim.Nodegroup{{Name: "blue", Version: "1.34", Nodes: 2}}})
	c, cluster := r.eks("eu-west-1"), aws.String("payments")
	if err := r.Admit(id("payments"), reader, "readers"); err != nil {
		t.Fatal(err)
	}
	d := &diary{}
	create := creation("green")
	create.ScalingConfig = size(1, 5, 3)
	for i, step := range []struct {
		do   func() error
		want []string
	}{
		{func() error { return r.Couple(id("payments"), d) }, []string{"admit " + reader + " as " + reader + " of readers", "scale blue of 1.34 to 2"}},
		{func() error {
			_, err := c.CreateAccessEntry(t.Context(), &eks.CreateAccessEntryInput{ClusterName: cluster, PrincipalArn: aws.String(ops), Username: aws.String("joe"), KubernetesGroups: []string{"a", "b"}})
			return err
		}, []string{"admit " + ops + " as joe of a and b"}},
		{func() error {
			_, err := c.UpdateAccessEntry(t.Context(), &eks.UpdateAccessEntryInput{ClusterName: cluster, PrincipalArn: aws.String(ops), KubernetesGroups: []string{"c"}})
			return err
		}, []string{"admit " + ops + " as joe of c"}},
		{func() error {
			_, err := c.DeleteAccessEntry(t.Context(), &eks.DeleteAccessEntryInput{ClusterName: cluster, PrincipalArn: aws.String(ops)})
			return err
		}, []string{"expel " + ops}},
		{func() error {
			_, err := c.CreateNodegroup(t.Context(), create)
			return err
		}, []string{"scale green of 1.35 to 3"}},
		{func() error {
			_, err := c.UpdateNodegroupConfig(t.Context(), &eks.UpdateNodegroupConfigInput{ClusterName: cluster, NodegroupName: aws.String("blue"), ScalingConfig: &types.NodegroupScalingConfig{DesiredSize: aws.Int32(1)}})
			return err
		}, []string{"scale blue of 1.34 to 1"}},
		{func() error {
			_, err := c.DeleteNodegroup(t.Context(), &eks.DeleteNodegroupInput{ClusterName: cluster, NodegroupName: aws.String("green")})
			return err
		}, []string{"scale green of 1.35 to 0"}},
		{func() error {
			return r.Add(home, "eu-west-1", sim.Cluster{Name: "payments", Version: "1.36", Nodegroups: []sim.Nodegroup{{Name: "red", Nodes: 1}}})
		}, []string{"scale red of 1.36 to 1", "scale blue of 1.34 to 0", "scale green of 1.35 to 0"}},
		{func() error {
			r.Remove(id("payments"))
			return r.Add(home, "eu-west-1", sim.Cluster{Name: "payments", Version: "1.36", Nodegroups: []sim.Nodegroup{{Name: "red", Nodes: 1}}})
		}, nil},
	} {
		d.lines = nil
		if err := step.do(); err != nil {
			t.Fatalf("step %d: %v", i+1, err)
		}
		if !slices.Equal(d.lines, step.want) {
			t.Errorf("step %d: the real cluster is told %q, want %q", i+1, d.lines, step.want)
		}
	}
}

func TestWhatARealClusterRefusesDoesNotHappen(t *testing.T) {
	r := workshop(t, sim.Cluster{Version: "1.35"})
	d := &diary{}
	if err := r.Couple(id("payments"), d); err != nil {
		t.Fatal(err)
	}
	d.fails = errors.New("it is down")
	c := r.eks("eu-west-1")
	_, err := c.CreateNodegroup(t.Context(), creation("blue"))
	if e := wantCode(t, err, "ServerException"); !strings.Contains(e.ErrorMessage(), "it is down") {
		t.Errorf("the refusal says %q", e.ErrorMessage())
	}
	_, err = c.CreateAccessEntry(t.Context(), &eks.CreateAccessEntryInput{ClusterName: aws.String("payments"), PrincipalArn: aws.String(ops)})
	wantCode(t, err, "ServerException")
	groups, err := c.ListNodegroups(t.Context(), &eks.ListNodegroupsInput{ClusterName: aws.String("payments")})
	if err != nil || len(groups.Nodegroups) > 0 {
		t.Errorf("groups are %v, %v", groups, err)
	}
	entries, err := c.ListAccessEntries(t.Context(), &eks.ListAccessEntriesInput{ClusterName: aws.String("payments")})
	if err != nil || len(entries.AccessEntries) > 0 {
		t.Errorf("entries are %v, %v", entries, err)
	}
	if err := r.Couple(id("nobody"), d); err == nil {
		t.Error("a cluster that is not there is coupled")
	}
}

func TestCreateAccessEntryRefuses(t *testing.T) {
	r := workshop(t, sim.Cluster{Version: "1.35"})
	if err := r.Admit(id("payments"), ops); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		in   eks.CreateAccessEntryInput
		code string
	}{
		{"a principal that is in already", eks.CreateAccessEntryInput{PrincipalArn: aws.String(ops)}, "ResourceInUseException"},
		{"a session", eks.CreateAccessEntryInput{PrincipalArn: aws.String("arn:aws:sts::111122223333:assumed-role/ops/me")}, "InvalidParameterException"},
		{"no ARN", eks.CreateAccessEntryInput{PrincipalArn: aws.String("ops")}, "InvalidParameterException"},
		{"a group of Kubernetes itself", eks.CreateAccessEntryInput{PrincipalArn: aws.String(reader), KubernetesGroups: []string{"system:masters"}}, "InvalidParameterException"},
		{"a cluster that is not there", eks.CreateAccessEntryInput{PrincipalArn: aws.String(reader), ClusterName: aws.String("nobody")}, "ResourceNotFoundException"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.in.ClusterName == nil {
				row.in.ClusterName = aws.String("payments")
			}
			_, err := r.eks("eu-west-1").CreateAccessEntry(t.Context(), &row.in)
			wantCode(t, err, row.code)
		})
	}
}
