package checks_test

import (
	"testing"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

func TestHealth(t *testing.T) {
	subnet := fleet.Issue{Code: "SubnetNotFound", Message: "We are unable to find one or more cluster subnets.", Resources: []string{"subnet-a"}}
	run(t, "health", []situation{
		{
			name: "nothing is wrong", want: []string{"pass info"},
			change: func(*fleet.Snapshot) {},
		},
		{
			name: "a subnet of the cluster is gone", want: []string{"fail warning SubnetNotFound"},
			change: func(s *fleet.Snapshot) { s.Cluster.Value.Health = []fleet.Issue{subnet} },
		},
		{
			name: "a failed cluster without an issue", want: []string{"fail warning FAILED"},
			change: func(s *fleet.Snapshot) { s.Cluster.Value.Status = "FAILED" },
		},
		{
			name: "what is about the key is for encryption-state", want: []string{"pass info"},
			change: func(s *fleet.Snapshot) { s.Cluster.Value.Health = []fleet.Issue{{Code: "KmsKeyDisabled"}} },
		},
		{
			name: "a degraded nodegroup", want: []string{"pass info", "fail warning NodeCreationFailure nodegroup/general"},
			change: func(s *fleet.Snapshot) {
				s.Nodegroups.Value[0].Status = "DEGRADED"
				s.Nodegroups.Value[0].Health = []fleet.Issue{{Code: "NodeCreationFailure", Message: "Instances failed to join the kubernetes cluster.", Resources: []string{"i-0a1b2c3d4e5f60718"}}}
			},
		},
		{
			name: "a nodegroup with an issue that is still active", want: []string{"pass info", "fail warning AsgInstanceLaunchFailures nodegroup/general"},
			change: func(s *fleet.Snapshot) {
				s.Nodegroups.Value[0].Health = []fleet.Issue{{Code: "AsgInstanceLaunchFailures", Message: "Could not launch On-Demand Instances."}}
			},
		},
		{
			name: "FAULT 09 a status that nobody knows is not acted upon", want: []string{"pass info"},
			change: func(s *fleet.Snapshot) { s.Nodegroups.Value[0].Status = "HIBERNATING" },
		},
		{
			name: "FAULT 05 nodegroups that nobody may read", want: []string{"pass info", "unknown warning unread nodegroup"},
			change: func(s *fleet.Snapshot) { s.Nodegroups = refused[[]fleet.Nodegroup]("eks:ListNodegroups") },
		},
		{
			name: "FAULT 10 a cluster of which nothing is said", want: []string{"pass info"},
			change: func(s *fleet.Snapshot) { s.Cluster.Value = fleet.Cluster{Kind: fleet.KindEKS} },
		},
	})
}
