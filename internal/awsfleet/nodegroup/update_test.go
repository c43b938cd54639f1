package nodegroup_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodegrouprollout"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// history is a cluster with changes in the order in which they began.
func history(updates ...sim.Update) sim.Region {
	r := payments()
	r.Clusters[0].Updates = updates
	return r
}

// renewal is one of blue's nodes that began so long before noon; resize is one of
// its size.
func renewal(before time.Duration) sim.Update {
	return sim.Update{Nodegroup: "blue", Version: "1.34", At: -before}
}

func resize(before time.Duration) sim.Update {
	return sim.Update{Nodegroup: "blue", Type: "ConfigUpdate", At: -before}
}

func TestFault_20_TheNewestRenewalSinceATimeIsFound(t *testing.T) {
	ofCluster := sim.Update{Version: "1.34", At: -time.Minute}
	tests := []struct {
		name    string
		updates []sim.Update
		want    time.Duration // before noon; 0 where there is none
	}{
		{"a group that never changed has none", nil, 0},
		{"a change of the control plane is none", []sim.Update{ofCluster}, 0},
		{"a change of its size is none", []sim.Update{resize(time.Minute)}, 0},
		{"one from before is none", []sim.Update{renewal(2 * time.Hour)}, 0},
		{"one that began at that very time", []sim.Update{renewal(time.Hour)}, time.Hour},
		{"one among others", []sim.Update{renewal(30 * time.Minute), resize(time.Minute), ofCluster}, 30 * time.Minute},
		{"of two the newer one, wherever it is listed", []sim.Update{renewal(10 * time.Minute), renewal(30 * time.Minute)}, 10 * time.Minute},
		{"of two the newer one, listed last", []sim.Update{renewal(30 * time.Minute), renewal(10 * time.Minute)}, 10 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := enter(t, history(tt.updates...))
			got, found, err := w.reader.LastUpdate(t.Context(), target, "payments", "blue", noon.Add(-time.Hour))
			if err != nil || found != (tt.want != 0) || found && (!got.CreatedAt.Equal(noon.Add(-tt.want)) || got.Type != "VersionUpdate" || got.ID == "") {
				t.Errorf("got %+v, %t, %v", got, found, err)
			}
		})
	}
}

func TestARenewalThatMayBeThereIsNotCalledAbsent(t *testing.T) {
	many := make([]sim.Update, 201)
	for i := range many {
		many[i] = resize(time.Duration(i+1) * time.Hour)
	}
	tests := []struct {
		name   string
		region sim.Region
		group  string
		step   edge.Step
		kind   fleet.TroubleKind
		action string
	}{
		{"more changes than are looked at", history(many...), "blue", edge.Step{}, fleet.Failed, "eks:ListUpdates"},
		{"FAULT 05 the list is denied", history(), "blue", denied("ListUpdates", "eks:ListUpdates"), fleet.Denied, "eks:ListUpdates"},
		{"FAULT 05 one change is denied", history(resize(time.Hour), renewal(time.Hour)), "blue", denied("DescribeUpdate", "eks:DescribeUpdate"), fleet.Denied, "eks:DescribeUpdate"},
		{"FAULT 04 a looping list", history(renewal(time.Hour)), "blue", edge.Step{Operation: "ListUpdates", Times: edge.Always, Do: edge.RepeatToken()}, fleet.LoopingPages, "eks:ListUpdates"},
		{"FAULT 03 the group is gone", history(), "red", edge.Step{}, fleet.Gone, "eks:ListUpdates"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := enter(t, tt.region)
			if tt.step.Operation != "" {
				w.Faults().Script(tt.step)
			}
			got, found, err := w.reader.LastUpdate(t.Context(), target, "payments", tt.group, noon.Add(-24*time.Hour))
			trouble(t, err, tt.kind, tt.action)
			if found {
				t.Errorf("found %+v", got)
			}
		})
	}
}

func TestFault_14_TheUpdateInFlightIsLookedForOnlyWhileTheGroupChanges(t *testing.T) {
	ended := renewal(24 * time.Hour)
	tests := []struct {
		name    string
		updates []sim.Update
		status  string
		want    string // type; empty where there is none
		calls   int    // of DescribeUpdate
	}{
		{"a group at rest", []sim.Update{ended}, "", "", 0},
		{"a renewal of somebody else's", []sim.Update{ended, renewal(time.Minute)}, "", "VersionUpdate", 2},
		{"a change of the size", []sim.Update{resize(time.Minute), ended}, "", "ConfigUpdate", 1},
		{"all have ended between the two calls", []sim.Update{ended}, "UPDATING", "", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := history(tt.updates...)
			r.Clusters[0].Nodegroups[0].Status = tt.status
			w := enter(t, r)
			got := w.reader.Around(t.Context(), target, "payments", "blue", nodegrouprollout.Look{Brief: true}).Update
			switch u := got.Value; {
			case tt.want == "" && got.Tried():
				t.Errorf("got %+v, want nothing", got)
			case tt.want != "" && (!got.Known() || u.Type != tt.want || u.Status != "InProgress" || u.ID == ""):
				t.Errorf("got %+v, want %s", got, tt.want)
			}
			if n := w.Calls().Of("DescribeUpdate").Total(); n != tt.calls {
				t.Errorf("%d updates were described, want %d", n, tt.calls)
			}
		})
	}
}

func TestFault_15_ANamedUpdateIsFollowedToItsEnd(t *testing.T) {
	failed := renewal(24 * time.Hour)
	failed.Errors = []sim.Issue{{Code: "PodEvictionFailure", Message: "Reached max retries while trying to evict pods from nodes in node group blue", Resources: []string{"ip-10-0-0-1.eu-west-1.compute.internal"}}}
	w := enter(t, history(failed))
	u, found, err := w.reader.LastUpdate(t.Context(), target, "payments", "blue", noon.Add(-48*time.Hour))
	if err != nil || !found {
		t.Fatal(err)
	}
	got := w.reader.Around(t.Context(), target, "payments", "blue", nodegrouprollout.Look{Update: u.ID, Brief: true}).Update
	if !got.Known() || got.Value.Status != "Failed" || got.Value.Version != "1.34" || len(got.Value.Errors) != 1 || got.Value.Errors[0].Code != "PodEvictionFailure" || len(got.Value.Errors[0].Resources) != 1 {
		t.Errorf("got %+v", got)
	}
	troubleIn(t, w.reader.Around(t.Context(), target, "payments", "blue", nodegrouprollout.Look{Update: "another", Brief: true}).Update, fleet.Gone, "eks:DescribeUpdate")
}

func TestFault_05_TheUpdateThatCannotBeReadMayBeTheOneInFlight(t *testing.T) {
	w := enter(t, history(renewal(24*time.Hour), renewal(time.Minute)))
	w.Faults().Script(edge.Step{Operation: "DescribeUpdate", Nth: 2, Do: edge.Answer(http.StatusForbidden, "AccessDeniedException", "no")})
	got := w.reader.Around(t.Context(), target, "payments", "blue", nodegrouprollout.Look{Brief: true}).Update
	troubleIn(t, got, fleet.Denied, "eks:DescribeUpdate")
	if got.Value.ID != "" {
		t.Errorf("got %+v", got)
	}
}
