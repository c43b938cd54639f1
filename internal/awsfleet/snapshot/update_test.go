package snapshot_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// firstUpdate is the id of the first update that a world makes.
const firstUpdate = "00000000-0000-4000-8000-000000000001"

// changes is a cluster with changes in the order in which they began.
func changes(updates ...sim.Update) sim.Cluster {
	return sim.Cluster{Name: "payments", Version: "1.34", Updates: updates}
}

// ended is a change that is over; running is one in flight.
func ended(version string) sim.Update { return sim.Update{Version: version, At: -24 * time.Hour} }

func running(kind, version string, since time.Duration) sim.Update {
	return sim.Update{Type: kind, Version: version, At: -since}
}

func TestTheUpdateInFlightIsLookedForOnlyWhileTheClusterChanges(t *testing.T) {
	tests := []struct {
		name    string
		cluster sim.Cluster
		want    string // type and version of the update; empty where there is none
		calls   int    // of DescribeUpdate
	}{
		{"a cluster at rest", changes(ended("1.33"), ended("1.34")), "", 0},
		{"an upgrade that is under way", changes(ended("1.34"), running("VersionUpdate", "1.35", time.Minute)), "VersionUpdate 1.35", 2},
		{"a rollback that is under way", changes(running("VersionRollback", "1.33", time.Minute)), "VersionRollback 1.33", 1},
		{"a change of something else", changes(ended("1.34"), running("LoggingUpdate", "", time.Minute)), "LoggingUpdate ", 2},
		{"an upgrade goes before a newer change of something else", changes(running("VersionUpdate", "1.35", 2*time.Minute), running("LoggingUpdate", "", time.Minute)), "VersionUpdate 1.35", 2},
		{"of two changes the newer one", changes(running("LoggingUpdate", "", time.Minute), running("VpcConfigUpdate", "", 2*time.Minute)), "LoggingUpdate ", 2},
		{"all have ended between the two calls", sim.Cluster{Name: "payments", Version: "1.34", Status: "UPDATING", Updates: []sim.Update{ended("1.34")}}, "", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, w := survey(t, sim.Region{Clusters: []sim.Cluster{tt.cluster}})
			got := s.Snapshot(t.Context(), "payments", fleet.Wanted{Insights: true}).Update
			switch u := got.Value; {
			case tt.want == "" && got.Tried():
				t.Errorf("got %+v, want nothing", got)
			case tt.want != "" && (!got.Known() || u.Type+" "+u.Version != tt.want || u.Status != "InProgress" || u.ID == "" || u.CreatedAt.IsZero()):
				t.Errorf("got %+v, want %s", got, tt.want)
			}
			if n := w.Calls().Of("DescribeUpdate").Total(); n != tt.calls {
				t.Errorf("%d updates were described, want %d", n, tt.calls)
			}
		})
	}
}

func TestANamedUpdateIsFollowedToItsEnd(t *testing.T) {
	failed := ended("1.35")
	failed.Errors = []sim.Issue{{Code: "InsufficientFreeAddresses", Message: "No addresses are left.", Resources: []string{"subnet-1"}}}
	s, w := survey(t, sim.Region{Clusters: []sim.Cluster{changes(failed)}})
	got := s.Snapshot(t.Context(), "payments", fleet.Wanted{Insights: true, Update: firstUpdate}).Update
	same(t, "update", got, fleet.Update{
		ID: firstUpdate, Type: "VersionUpdate", Status: "Failed", Version: "1.35", CreatedAt: noon.Add(-24 * time.Hour),
		Errors: []fleet.UpdateError{{Code: "InsufficientFreeAddresses", Message: "No addresses are left.", Resources: []string{"subnet-1"}}},
	})
	if n := w.Calls().Of("ListUpdates").Total(); n != 0 {
		t.Errorf("%d lists: the update was named", n)
	}
	if got := s.Snapshot(t.Context(), "payments", fleet.Wanted{Insights: true, Update: "another"}).Update; got.Trouble == nil || got.Trouble.Kind != fleet.Gone {
		t.Errorf("an update that EKS does not know: %+v", got)
	}
}

func TestNotEveryUpdateThatAClusterEverHadIsDescribed(t *testing.T) {
	var many []sim.Update
	for range 30 {
		many = append(many, ended("1.34"))
	}
	s, w := survey(t, sim.Region{Clusters: []sim.Cluster{{Name: "payments", Version: "1.34", Status: "UPDATING", Updates: many}}})
	got := s.Snapshot(t.Context(), "payments", fleet.Wanted{Insights: true}).Update
	if got.Trouble == nil || got.Trouble.Kind != fleet.Failed {
		t.Errorf("got %+v: what was not looked at is unknown", got)
	}
	if n := w.Calls().Of("DescribeUpdate").Total(); n != 20 {
		t.Errorf("%d updates were described", n)
	}
}

func TestFault_05_TheUpdateThatCannotBeReadMayBeTheOneInFlight(t *testing.T) {
	s, w := survey(t, sim.Region{Clusters: []sim.Cluster{changes(ended("1.34"), running("VersionUpdate", "1.35", time.Minute))}})
	w.Faults().Script(edge.Step{Operation: "DescribeUpdate", Nth: 2, Do: edge.Answer(http.StatusForbidden, "AccessDeniedException", "no")})
	if got := s.Snapshot(t.Context(), "payments", fleet.Wanted{Insights: true}).Update; got.Trouble == nil || got.Trouble.Kind != fleet.Denied || got.Value.ID != "" {
		t.Errorf("got %+v", got)
	}
}
