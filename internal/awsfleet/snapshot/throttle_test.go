package snapshot_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eks-steward/eks-steward/internal/awsfleet/snapshot"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
)

// crowd is a region with n clusters of three nodegroups each.
func crowd(n int) sim.Region {
	var r sim.Region
	for i := range n {
		c := sim.Cluster{Name: fmt.Sprintf("c%03d", i), Version: "1.34"}
		for g := range 3 {
			c.Nodegroups = append(c.Nodegroups, sim.Nodegroup{Name: fmt.Sprintf("group-%d", g)})
		}
		r.Clusters = append(r.Clusters, c)
	}
	return r
}

// What the SDK waits before it tries again is drawn: the time of a single run has a
// long tail, and so has what is throttled. Of three runs the middle one counts.
func TestFault_01_AThrottledTargetLosesNoClusterAndIsHardlyThrottled(t *testing.T) {
	for _, latency := range []time.Duration{0, 50 * time.Millisecond} {
		for _, workers := range []int{1, 4, 8} {
			var took []time.Duration
			var throttled []int
			for range 3 {
				synctest.Test(t, func(t *testing.T) {
					run, refused := readThrottled(t, workers, latency)
					took, throttled = append(took, run), append(throttled, refused)
				})
			}
			slices.Sort(took)
			slices.Sort(throttled)
			if took[1] > least*115/100 {
				t.Errorf("%d workers, %s: it took %s, and the bucket %s at the least", workers, latency, took, least)
			}
			if throttled[1]*50 > wantCalls {
				t.Errorf("%d workers, %s: %d calls were throttled, of %d more than two in a hundred", workers, latency, throttled, wantCalls)
			}
		}
	}
}

const (
	manyClusters = 100
	rate, burst  = 20, 20                                              // calls per second, and at once
	wantCalls    = 1 + manyClusters*(1+1+3+1+1) + 1 + 2                // of EKS
	least        = time.Duration(wantCalls-burst) * time.Second / rate // that the bucket lets them take
)

// readThrottled reads clusters through a bucket of tokens, and returns how long it
// took and how many calls were throttled.
func readThrottled(t *testing.T, workers int, latency time.Duration) (took time.Duration, throttled int) {
	t.Helper()
	s, w := survey(t, crowd(manyClusters))
	w.Faults().Throttle(rate, burst)
	w.Faults().Latency(latency)
	begin := time.Now()
	readAll(t, s, workers)
	took = time.Since(begin)

	served := 0
	for key, n := range w.Calls() {
		throttled += n.Throttled
		if key.Service == "eks" {
			served += n.Served
		}
	}
	if served != wantCalls {
		t.Errorf("%d calls of EKS were served, want %d", served, wantCalls)
	}
	return took, throttled
}

// readAll reads every cluster of a survey, so many at a time.
func readAll(t *testing.T, s *snapshot.Survey, workers int) {
	t.Helper()
	names, err := s.Clusters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	queue := make(chan string)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for name := range queue {
				got := s.Snapshot(t.Context(), name, fleet.Wanted{Insights: true})
				if troubled := troubles(got); len(troubled) > 0 || len(got.Nodegroups.Value) != 3 {
					t.Errorf("%s is lost: %v", name, troubled)
				}
			}
		})
	}
	for _, name := range names {
		queue <- name
	}
	close(queue)
	all.Wait()
}
