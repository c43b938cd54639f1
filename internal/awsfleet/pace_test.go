package awsfleet

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
)

var tooMany = &smithy.GenericAPIError{Code: "TooManyRequestsException"}

// start begins n calls and returns how to end each.
func start(t *testing.T, p *pace, n int) []func(error) error {
	t.Helper()
	var ends []func(error) error
	for range n {
		end, err := p.GetAttemptToken(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, end)
	}
	return ends
}

func end(calls []func(error) error, how error) {
	for _, call := range calls {
		_ = call(how) // it has no error
	}
}

func TestCallsThatWereUnderWayTogetherSlowThePaceOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(retry.NewStandard())
		calls := start(t, p, 15)
		time.Sleep(time.Millisecond)
		end(calls, tooMany)
		if want := firstRate * stepBack; p.rate != want {
			t.Errorf("%v calls per second, want %v", p.rate, want)
		}
	})
}

func TestAPaceClimbsOnlyOnCallsThatItHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(retry.NewStandard())
		for range 30 {
			time.Sleep(time.Second)
			end(start(t, p, 5), nil)
		}
		if p.rate != firstRate {
			t.Errorf("%v calls per second after calls that never waited, want %v", p.rate, float64(firstRate))
		}
		end(start(t, p, 20), nil)
		if p.rate <= firstRate {
			t.Errorf("%v calls per second after calls that waited", p.rate)
		}
	})
}
