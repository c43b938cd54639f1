package clustercheck_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/clustercheck"
	"github.com/eks-steward/eks-steward/internal/clustercheck/surveytest"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// A broken survey panics when it comes to the cluster a.
type broken struct{ clustercheck.Survey }

func (b broken) Snapshot(ctx context.Context, cluster string, want fleet.Wanted) fleet.Snapshot {
	if cluster == "a" {
		panic("assignment to entry in nil map")
	}
	return b.Survey.Snapshot(ctx, cluster, want)
}

func TestFault_31_APanicInAReadingIsTheScansOwn(t *testing.T) {
	looks := 0
	defer func() {
		if said := fmt.Sprint(recover()); !strings.Contains(said, "nil map") || !strings.Contains(said, "broken.Snapshot") {
			t.Errorf("the scan's panic is %q, want that of the reading and where it was", said)
		}
		if looks != 2 {
			t.Errorf("%d clusters were handed over, want the two that could be read", looks)
		}
	}()
	o := clustercheck.Order{Target: target, Rules: rules}
	clustercheck.Scan(t.Context(), broken{surveytest.New(target, noon, "a", "b", "c").Survey()}, o,
		func() time.Time { return noon }, func(clustercheck.Look) { looks++ })
	t.Error("the scan ended, want a panic")
}

func TestWhoeverWantsNoMoreSnapshotsLeavesNoReadingBehind(t *testing.T) {
	r := surveytest.New(target, noon, "a", "b", "c")
	for range clustercheck.Snapshots(t.Context(), r.Survey(), []string{"a", "b", "c"}) {
		break
	}
	want(t, "reads", r.Reads(), "a", "b", "c")
}
