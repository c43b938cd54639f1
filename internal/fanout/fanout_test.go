package fanout_test

import (
	"fmt"
	"strings"
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

func TestFault_31_APanicIsTheCallersOnceTheOthersAreDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := make([]bool, 5)
		defer func() {
			said := fmt.Sprint(recover())
			if !strings.HasPrefix(said, "number 1 is broken") || !strings.Contains(said, "fanout_test.breaks(") {
				t.Errorf("the caller's panic is %q, want the first one's words and where it was", said)
			}
			if want := fmt.Sprint([]bool{true, false, true, false, true}); fmt.Sprint(done) != want {
				t.Errorf("done when Each ended: %v, want %s", done, want)
			}
		}()
		fanout.Each(len(done), 2, func(i int) {
			time.Sleep(time.Duration(i+1) * time.Second)
			if i%2 == 1 {
				breaks(i)
			}
			done[i] = true
		})
		t.Error("Each returned, want a panic")
	})
}

func breaks(i int) { panic(fmt.Sprintf("number %d is broken", i)) }

func TestNothingToDoIsDoneAtOnce(t *testing.T) {
	fanout.Each(0, 3, func(int) { t.Error("something was done") })
}
