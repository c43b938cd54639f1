package fanout_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eks-steward/eks-steward/internal/fanout"
)

func TestEachIsDoneOnceAndNoMoreThanTheLimitAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, limit = 10, 3
		var (
			mu        sync.Mutex
			now, most int
			done      = make([]int, n)
		)
		count := func(change int) {
			mu.Lock()
			defer mu.Unlock()
			now += change
			most = max(most, now)
		}
		start := time.Now()
		fanout.Each(n, limit, func(i int) {
			count(+1)
			time.Sleep(time.Second)
			count(-1)
			done[i]++
		})
		for i, times := range done {
			if times != 1 {
				t.Errorf("%d was done %d times before Each returned, want once", i, times)
			}
		}
		if most != limit {
			t.Errorf("%d were under way at a time, want %d", most, limit)
		}
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("ten seconds of work, three at a time, took %s, want 4s", took)
		}
	})
}

func TestNothingToDoIsDoneAtOnce(t *testing.T) {
	fanout.Each(0, 3, func(int) { t.Error("something was done") })
}
