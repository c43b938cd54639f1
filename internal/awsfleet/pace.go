package awsfleet

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
)

// A pace learns how fast a service lets one client call. EKS publishes no rates,
// and calls that are too fast have kept nodes from joining, so that it climbs
// until the service throttles, steps back and climbs slowly from there: what a
// token bucket saves below its rate it spends above. The SDK's adaptive mode
// climbs faster and is throttled two to four times as often.
type pace struct {
	aws.RetryerV2

	turn chan struct{} // holds one token: calls start one after the other

	mu      sync.Mutex
	rate    float64   // calls per second
	climb   float64   // what a call that was served adds to it
	next    time.Time // when the next call may start
	stepped time.Time // when rate was last lowered: calls from before are old news
}

// A pace starts at so many calls per second, and doubles that within a second
// while it is not throttled. Once it was, it climbs by three percent per second.
// Each throttled call costs it three tenths.
const (
	firstRate  = 20
	firstClimb = 1
	laterClimb = 0.03
	stepBack   = 0.7
	lowestRate = 0.5 // calls per second
)

func newPace(retryer aws.RetryerV2) *pace {
	p := &pace{RetryerV2: retryer, turn: make(chan struct{}, 1), rate: firstRate, climb: firstClimb}
	p.turn <- struct{}{}
	return p
}

// GetAttemptToken waits for the call's turn. What it returns is told how the call
// ended.
func (p *pace) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	select {
	case <-p.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { p.turn <- struct{}{} }()
	wait := p.wait(time.Now())
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	started := time.Now()
	p.started()
	return func(err error) error {
		p.ended(err, started, wait > 0, time.Now())
		return nil
	}, nil
}

// wait is how long the next call has to wait. What was not called in the last half
// second may be caught up on, so that a few calls need not wait at all.
func (p *pace) wait(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if rested := now.Add(-time.Second / 2); p.next.Before(rested) {
		p.next = rested
	}
	return p.next.Sub(now)
}

func (p *pace) started() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = p.next.Add(time.Duration(float64(time.Second) / p.rate))
}

// ended learns from one call. A call that did not have to wait says nothing of
// how fast calls may be.
func (p *pace) ended(err error, started time.Time, waited bool, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil && waited:
		p.rate += p.climb
	case refusal.Throttled(err) && !started.Before(p.stepped):
		p.rate, p.climb, p.stepped = max(p.rate*stepBack, lowestRate), laterClimb, now
		p.next = now.Add(time.Duration(float64(time.Second) / p.rate))
	}
}
