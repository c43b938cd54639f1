package snapshot_test

import (
	"slices"
	"testing"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
)

func balancer(name string) string {
	return "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/" + name + "/0123456789abcdef"
}

func volume(id string) string { return "arn:aws:ec2:eu-west-1:111122223333:volume/" + id }

func left(arn string, tags ...string) sim.Leftover {
	l := sim.Leftover{ARN: arn, Tags: map[string]string{}}
	for i := 0; i < len(tags); i += 2 {
		l.Tags[tags[i]] = tags[i+1]
	}
	return l
}

func TestLeftoversCarryTheTagsOfTheirMakers(t *testing.T) {
	s, w := survey(t, sim.Region{Leftovers: []sim.Leftover{
		left(balancer("controller"), "elbv2.k8s.aws/cluster", "old"),
		left(balancer("cloud-provider"), "kubernetes.io/cluster/old", "owned", "KubernetesCluster", "old"),
		left(balancer("auto-mode"), "eks:eks-cluster-name", "old"),
		left(volume("vol-1"), "ebs.csi.aws.com/cluster-name", "old"),
		left(volume("vol-2"), "KubernetesCluster", "old"),
		left(volume("vol-3"), "eks:cluster-name", "old"),
		left(volume("vol-4"), "kubernetes.io/cluster/old", "shared"),
		left(volume("vol-5"), "ebs.csi.aws.com/cluster-name", "older"),
		left(volume("vol-6"), "ebs.csi.aws.com/cluster", "true"),
		left("arn:aws:ec2:eu-west-1:111122223333:security-group/sg-1", "kubernetes.io/cluster/old", "owned"),
	}})
	got, err := s.Leftovers(t.Context(), "old")
	want := []string{
		volume("vol-1"), volume("vol-2"), volume("vol-3"),
		balancer("auto-mode"), balancer("cloud-provider"), balancer("controller"),
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got  %q, %v\nwant %q", got, err, want)
	}
	counts(t, w, map[string]int{"GetResources": 6})
}

func TestFault_05_LeftoversSayWhichActionIsMissing(t *testing.T) {
	s, w := survey(t, sim.Region{Leftovers: []sim.Leftover{left(volume("vol-1"), "kubernetes.io/cluster/old", "owned")}})
	forbid := denied("tagging", "GetResources", "tag:GetResources")
	forbid.Nth = 2
	w.Faults().Script(forbid)
	got, err := s.Leftovers(t.Context(), "old")
	if trouble := fleet.TroubleOf(err); err == nil || trouble.Kind != fleet.Denied || trouble.Action != "tag:GetResources" {
		t.Errorf("error %v", err)
	}
	if !slices.Equal(got, []string{volume("vol-1")}) {
		t.Errorf("got %q: what was found before the refusal is lost", got)
	}
}
