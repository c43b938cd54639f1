package checks_test

import (
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/keyguard"
)

func TestKeyGuard(t *testing.T) {
	none := func(s *fleet.Snapshot) { s.Cluster.Value.KeyARN, s.Key = "", fleet.Part[fleet.Key]{} }
	reported := func(code string) func(*fleet.Snapshot) {
		return func(s *fleet.Snapshot) { s.Cluster.Value.Health = []fleet.Issue{{Code: code}} }
	}
	run(t, "key-guard", []situation{
		{name: "a key that works", change: func(*fleet.Snapshot) {}, want: []string{"pass info  key"}},
		{name: "a disabled key", change: func(s *fleet.Snapshot) { s.Key.Value.State = "Disabled" }, want: []string{"fail critical disabled key"}},
		{name: "a key that nobody asked for", change: func(s *fleet.Snapshot) { s.Key = fleet.Part[fleet.Key]{} }, want: []string{"unknown warning unread key"}},
		{name: "no customer key", change: none, want: []string{"not-applicable info"}},
		{
			name: "EKS reports a key that the cluster does not name", want: []string{"fail critical not-found key"},
			change: func(s *fleet.Snapshot) { none(s); reported("KmsKeyNotFound")(s) },
		},
		{name: "EKS reports a disabled key that KMS says is enabled", change: reported("KmsKeyDisabled"), want: []string{"pass info  key"}},
		{name: "EKS reports that its grant is gone", change: reported("KmsGrantRevoked"), want: []string{"pass info  key", "fail critical grant-reported grant"}},
		{name: "EKS reports a cluster's other troubles", change: reported("Ec2SubnetNotFound"), want: []string{"pass info  key"}},
		{name: "FAULT 05 a cluster that cannot be described", change: func(s *fleet.Snapshot) { s.Cluster = refused[fleet.Cluster]("eks:DescribeCluster") }, want: []string{"unknown warning unread"}},
		{name: "FAULT 10 a snapshot with nothing in it", change: func(s *fleet.Snapshot) { *s = fleet.Snapshot{ID: s.ID} }, want: []string{"unknown warning unread"}},
	})
}

func TestAKeyThatWasReadForAnotherClusterIsJudgedAsOfThen(t *testing.T) {
	s := healthy(noon)
	s.Key.At = noon.Add(-5 * time.Minute)
	if f := judge("key-guard", s, defaults, noon)[0]; !f.At.Equal(s.Key.At) {
		t.Errorf("the finding is of %s, want the time at which the key was read, %s: a newer look counts more", f.At, s.Key.At)
	}
}

func TestWhoReadsNoGrantsEndsNoTroubleWithThem(t *testing.T) {
	s := healthy(noon)
	finding := func(resource string) fleet.Finding {
		return fleet.Finding{Check: keyguard.Check, Cluster: s.ID, Resource: resource, Outcome: fleet.Fail, Severity: fleet.Critical, Cause: "x"}
	}
	open := []fleet.Finding{finding(keyguard.Grant), finding("key/of-old")}
	closed := checks.Settle(checks.Evaluate(s, defaults, noon), open, noon.Add(time.Hour))
	if len(closed) != 1 || closed[0].Resource != "key/of-old" {
		t.Errorf("closed %s; want what the check no longer finds, and not the grant", render(closed))
	}
}
