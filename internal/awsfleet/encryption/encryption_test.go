package encryption_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// history is a cluster with changes in the order in which they began.
func history(updates ...sim.Update) sim.Region {
	return sim.Region{Clusters: []sim.Cluster{{Name: "payments", Version: "1.34", Updates: updates}}}
}

// association is one that began so long before noon.
func association(before time.Duration) sim.Update {
	return sim.Update{Type: "AssociateEncryptionConfig", At: -before}
}

func TestFault_20_TheNewestAssociationSinceATimeIsFound(t *testing.T) {
	upgrade := sim.Update{Version: "1.34", At: -time.Minute}
	tests := []struct {
		name    string
		updates []sim.Update
		since   time.Duration // before noon
		want    time.Duration // before noon; 0 where there is none
	}{
		{"a cluster that never changed has none", nil, time.Hour, 0},
		{"another change is none", []sim.Update{upgrade}, time.Hour, 0},
		{"one from before is none", []sim.Update{association(2 * time.Hour)}, time.Hour, 0},
		{"one that began at that very time", []sim.Update{association(time.Hour)}, time.Hour, time.Hour},
		{"one among others", []sim.Update{association(30 * time.Minute), upgrade}, time.Hour, 30 * time.Minute},
		{"of two the newer one, wherever it is listed", []sim.Update{association(10 * time.Minute), association(30 * time.Minute)}, time.Hour, 10 * time.Minute},
		{"of two the newer one, listed last", []sim.Update{association(30 * time.Minute), association(10 * time.Minute)}, time.Hour, 10 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := enter(t, history(tt.updates...))
			got, found, err := w.reader.Association(t.Context(), target, "payments", noon.Add(-tt.since))
			if err != nil || found != (tt.want != 0) || found && (!got.CreatedAt.Equal(noon.Add(-tt.want)) || got.Type != "AssociateEncryptionConfig" || got.ID == "") {
				t.Errorf("got %+v, %t, %v", got, found, err)
			}
		})
	}
}

func TestAnAssociationThatMayBeThereIsNotCalledAbsent(t *testing.T) {
	many := make([]sim.Update, 201)
	for i := range many {
		many[i] = sim.Update{Version: "1.34", At: -time.Duration(i+1) * time.Hour}
	}
	tests := []struct {
		name   string
		region sim.Region
		step   edge.Step
		kind   fleet.TroubleKind
		action string
	}{
		{"more changes than are looked at", history(many...), edge.Step{}, fleet.Failed, "eks:ListUpdates"},
		{"FAULT 5 the list is denied", history(), edge.Step{Operation: "ListUpdates", Times: edge.Always, Do: denied("eks:ListUpdates")}, fleet.Denied, "eks:ListUpdates"},
		{
			"FAULT 5 one change of two is denied", history(association(time.Hour), association(2*time.Hour)),
			edge.Step{Operation: "DescribeUpdate", Nth: 2, Times: edge.Always, Do: denied("eks:DescribeUpdate")},
			fleet.Denied, "eks:DescribeUpdate",
		},
		{"FAULT 4 a looping list", history(association(time.Hour)), edge.Step{Operation: "ListUpdates", Times: edge.Always, Do: edge.RepeatToken()}, fleet.LoopingPages, "eks:ListUpdates"},
		{"FAULT 2 the cluster is gone", sim.Region{}, edge.Step{}, fleet.Gone, "eks:ListUpdates"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := enter(t, tt.region)
			w.Faults().Script(tt.step)
			got, found, err := w.reader.Association(t.Context(), target, "payments", noon.Add(-24*time.Hour))
			trouble(t, err, tt.kind, tt.action)
			if found {
				t.Errorf("found %+v", got)
			}
		})
	}
}

func denied(action string) edge.Action {
	return edge.Answer(http.StatusForbidden, "AccessDeniedException", fmt.Sprintf("User: %s is not authorized to perform: %s on resource: *", readerRole, action))
}

func TestAClusterAndItsUpdateAreRead(t *testing.T) {
	w := enter(t, history(association(time.Minute)))
	c, err := w.reader.Cluster(t.Context(), target, "payments")
	if err != nil || c.Status != "UPDATING" || c.ID != target.Cluster("payments") {
		t.Errorf("got %+v, %v", c, err)
	}
	begun, _, err := w.reader.Association(t.Context(), target, "payments", noon.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if u, err := w.reader.Update(t.Context(), target, "payments", begun.ID); err != nil || u.Status != "InProgress" {
		t.Errorf("got %+v, %v", u, err)
	}
	_, err = w.reader.Update(t.Context(), target, "payments", begun.ID[:35]+"f")
	trouble(t, err, fleet.Gone, "eks:DescribeUpdate")
}
