package fleet_test

import (
	"testing"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// That the eviction API says the same e2e/cluster holds, against a real one.
func TestABudgetHoldsWhatTheEvictionAPIRefuses(t *testing.T) {
	running, unready := fleet.Pod{Phase: "Running", Ready: true}, fleet.Pod{Phase: "Running"}
	full, short := fleet.Budget{Healthy: 3, Wanted: 3}, fleet.Budget{Healthy: 2, Wanted: 3}
	tests := map[string]struct {
		budget fleet.Budget
		pod    fleet.Pod
		want   bool
	}{
		"a pod that runs, when nothing is allowed":                {full, running, true},
		"not when a disruption is allowed":                        {fleet.Budget{Allowed: 1, Healthy: 4, Wanted: 3}, running, false},
		"not a pod that is pending":                               {short, fleet.Pod{Phase: "Pending"}, false},
		"not a pod that is being deleted":                         {full, fleet.Pod{Phase: "Running", Ready: true, Terminating: true}, false},
		"an unready pod, when it has fewer than it wants":         {short, unready, true},
		"not an unready pod, when it has as many as it wants":     {full, unready, false},
		"an unready pod, when it wants none":                      {fleet.Budget{}, unready, true},
		"not an unready pod, when its policy lets it go":          {fleet.Budget{Healthy: 2, Wanted: 3, EvictsUnready: true}, unready, false},
		"a ready pod, whatever its policy for those that are not": {fleet.Budget{Healthy: 2, Wanted: 3, EvictsUnready: true}, running, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.budget.Holds(tt.pod); got != tt.want {
				t.Errorf("%+v holds %+v: %t", tt.budget, tt.pod, got)
			}
		})
	}
}

func TestADaemonPodGoesWithItsNode(t *testing.T) {
	for owner, want := range map[string]bool{
		"DaemonSet/kube-proxy": true, "Node/ip-10-0-3-4": true, "ReplicaSet/api-7d4b9c": false, "NodeAgent/a": false, "DaemonSetGroup/a": false, "": false,
	} {
		if got := (fleet.Pod{Owner: owner}).Daemon(); got != want {
			t.Errorf("a pod of %q: %t", owner, got)
		}
	}
}
