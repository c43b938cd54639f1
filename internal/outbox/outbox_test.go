package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/file"
	"github.com/eks-steward/eks-steward/internal/outbox"
)

// wire is a bus that takes what EventBridge would take and our own decoder reads,
// but nothing about the cluster in refuses.
type wire struct {
	refuses string
	heard   []string
}

func (w *wire) Publish(_ context.Context, moves ...events.IncidentMoved) error {
	for _, m := range moves {
		if m.Finding.Cluster.Name == w.refuses {
			return errors.New("refused")
		}
	}
	for _, m := range moves {
		b, err := events.Message(&m)
		if err != nil {
			return err
		}
		e, err := events.Decode(b)
		if err != nil {
			return err
		}
		moved := e.(*events.IncidentMoved)
		w.heard = append(w.heard, moved.ID+" "+moved.Transition)
	}
	return nil
}

func open(t *testing.T, w *wire) outbox.Outbox {
	t.Helper()
	store, err := file.Open(filepath.Join(t.TempDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	return outbox.Outbox{Bus: w, Ledger: ledger.New(store, func() time.Time { now = now.Add(time.Second); return now })}
}

func finding(cluster string, o fleet.Outcome, s fleet.Severity) fleet.Finding {
	return fleet.Finding{
		Check: "etcd-size", Outcome: o, Severity: s,
		Cluster: fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: cluster},
	}
}

// TestEveryMoveIsAWordOfTheBus holds the incident's transitions and the events'
// detail-types together: they are written in two packages.
func TestEveryMoveIsAWordOfTheBus(t *testing.T) {
	w := &wire{}
	box := open(t, w)
	for _, f := range []fleet.Finding{
		finding("prod", fleet.Fail, fleet.Warning), finding("prod", fleet.Fail, fleet.Critical), finding("prod", fleet.Pass, fleet.Info),
	} {
		if news, unannounced, err := box.Record(t.Context(), []fleet.Finding{f}); news != 1 || unannounced != 0 || err != nil {
			t.Fatalf("%s: %d news, %d unannounced, %v", f.Severity, news, unannounced, err)
		}
	}
	const id = "111122223333/eu-west-1/prod/etcd-size/"
	want := fmt.Sprintf("%[1]s#1 opened, %[1]s#2 changed, %[1]s#3 resolved", id)
	if got := strings.Join(w.heard, ", "); got != want {
		t.Errorf("heard %s, want %s", got, want)
	}
}

func TestWhatTheBusRefusesHoldsUpNoOtherBatch(t *testing.T) {
	w := &wire{refuses: "c03"}
	box := open(t, w)
	var many []fleet.Finding
	for i := range 25 {
		many = append(many, finding(fmt.Sprintf("c%02d", i), fleet.Fail, fleet.Warning))
	}
	news, unannounced, err := box.Record(t.Context(), many)
	if news != 25 || unannounced != 10 || err != nil {
		t.Errorf("%d news, %d unannounced, %v; want 25, the 10 of the refused batch, and no error", news, unannounced, err)
	}
	w.refuses = ""
	if n, err := box.Flush(t.Context()); n != 10 || err != nil {
		t.Errorf("flushed %d, %v; want the 10 that were left", n, err)
	}
	if len(w.heard) != 25 {
		t.Errorf("the bus heard %d moves, want each of the 25 once", len(w.heard))
	}
}

func TestAFindingThatCannotBeRecordedHoldsUpNoOther(t *testing.T) {
	w := &wire{}
	box := open(t, w)
	bad := finding("a/b", fleet.Fail, fleet.Warning)
	news, _, err := box.Record(t.Context(), []fleet.Finding{bad, finding("prod", fleet.Fail, fleet.Warning)})
	if news != 1 || err == nil {
		t.Errorf("%d news, %v; want the good one recorded and the bad one named", news, err)
	}
}
