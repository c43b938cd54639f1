package deployed_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/eks-steward/eks-steward/e2e/deployed"
)

func TestTicksStayYoungAndNoTwoAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var beat deployed.Beat
		var last time.Time
		for _, pause := range []time.Duration{0, 0, 0, time.Second, 4 * time.Minute, 0, 10 * time.Minute, time.Hour, 0} {
			time.Sleep(pause)
			at := beat.Next()
			if !at.After(last) || at.Nanosecond() != 0 {
				t.Errorf("a tick of %s comes after one of %s", at, last)
			}
			if age := time.Since(at); age < 50*time.Second || age > 61*time.Second {
				t.Errorf("a tick is %s old, want a minute", age)
			}
			last = at
		}
	})
}
