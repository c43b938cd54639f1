// Package worker is the one loop between an SQS queue and a function: it
// decodes messages, hands those that still matter to the function in the time
// there is, answers SQS with exactly the ones that failed, and leaves one log
// line per message and one heartbeat per batch. It decides whether a message is
// handed over, never what it means, and it never logs what a message says.
package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"

	"github.com/eks-steward/eks-steward/events"
)

// Worker runs one function. Every field but Decode is needed.
type Worker struct {
	Function string // its name, as in functions/<name>
	Handle   Handler
	Now      func() time.Time // judges the age of events
	Log      *slog.Logger     // one line per message
	Metrics  io.Writer        // one line per batch, in CloudWatch's embedded metric format

	// Decode reads a message where it is none of package events; nil is
	// events.Decode on its body.
	Decode func(awsevents.SQSMessage) (events.Event, error)

	// Margin is what stays of the invocation's time when the handler's context
	// ends. Nothing new begins in it; it is there to record what was done
	// (context.WithoutCancel) and to answer SQS. A function killed at its
	// deadline answers nothing, and every message of the batch comes again, the
	// finished ones too.
	Margin time.Duration
}

// A Handler works on the events of one batch and returns one Result for each,
// in their order. An event without a result counts as failed.
type Handler func(ctx context.Context, batch []events.Event) []Result

// Result is what became of one event. With an Err, SQS brings the message
// again, and after the queue's maxReceiveCount moves it to the dead-letter queue;
// an *events.Ignored is the exception, which ends it.
type Result struct {
	Attrs []slog.Attr // for the log line, whether it failed or not
	Err   error

	timed bool // by Each; else took is the whole batch's
	took  time.Duration
}

var (
	errNoTime   = errors.New("left for the next invocation: not enough time to begin")
	errNoResult = errors.New("the handler returned no result for this event")
)

// Batch handles one delivery of SQS; give it to lambda.Start. The event source
// must have ReportBatchItemFailures, or SQS takes the answer for success.
func (w Worker) Batch(ctx context.Context, batch awsevents.SQSEvent) (awsevents.SQSEventResponse, error) {
	begun := w.Now()
	deliveries := make([]*delivery, 0, len(batch.Records))
	for _, m := range batch.Records {
		deliveries = append(deliveries, w.open(m, begun))
	}
	fresh := distinct(deliveries)
	w.run(ctx, fresh)

	answer := awsevents.SQSEventResponse{BatchItemFailures: []awsevents.SQSBatchItemFailure{}}
	for _, d := range deliveries {
		d.settle()
		if d.outcome == failed {
			answer.BatchItemFailures = append(answer.BatchItemFailures, awsevents.SQSBatchItemFailure{ItemIdentifier: d.message})
		}
		d.log(ctx, w.Log, w.Function)
	}
	if _, err := w.Metrics.Write(heartbeat(w.Function, begun, batch.Records, deliveries)); err != nil {
		w.Log.ErrorContext(ctx, "heartbeat not written", "function", w.Function, "error", err)
	}
	return answer, nil
}

// run hands the deliveries to the handler and notes what became of them.
func (w Worker) run(ctx context.Context, deliveries []*delivery) {
	if len(deliveries) == 0 {
		return
	}
	ctx, cancel := w.within(ctx)
	defer cancel()

	batch := make([]events.Event, len(deliveries))
	for i, d := range deliveries {
		batch[i] = d.event
	}
	begun := time.Now()
	results, err := w.hand(ctx, batch)
	took := time.Since(begun)
	for i, d := range deliveries {
		switch {
		case err != nil:
			d.result = Result{Err: err}
		case i < len(results):
			d.result = results[i]
		default:
			d.result = Result{Err: errNoResult}
		}
		if !d.result.timed {
			d.result.took = took
		}
	}
}

// hand calls the handler unless it is too late to.
func (w Worker) hand(ctx context.Context, batch []events.Event) (results []Result, err error) {
	if ctx.Err() != nil {
		return nil, errNoTime
	}
	defer catch(&err)
	return w.Handle(ctx, batch), nil
}

// within ends ctx a Margin before its deadline. Lambda sets one; a caller that
// sets none has all the time there is.
func (w Worker) within(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-w.Margin))
}

// longestRun is for how long Lambda runs a function at most.
const longestRun = 15 * time.Minute

// Deadline is when a run ends by the clock that says now. A caller that sets no
// deadline has as long as Lambda gives at most.
func Deadline(ctx context.Context, now time.Time) time.Time {
	end, ok := ctx.Deadline()
	if !ok {
		return now.Add(longestRun)
	}
	return now.Add(time.Until(end))
}

// Each makes a Handler of a function over single events. They run one after
// another; a panic fails its own event only, and none begins once ctx has ended.
func Each(handle func(ctx context.Context, e events.Event) ([]slog.Attr, error)) Handler {
	one := func(ctx context.Context, e events.Event) (r Result) {
		r.timed = true
		if ctx.Err() != nil {
			r.Err = errNoTime
			return r
		}
		begun := time.Now()
		defer func() { r.took = time.Since(begun) }()
		defer catch(&r.Err)
		r.Attrs, r.Err = handle(ctx, e)
		return r
	}
	return func(ctx context.Context, batch []events.Event) []Result {
		results := make([]Result, 0, len(batch))
		for _, e := range batch {
			results = append(results, one(ctx, e))
		}
		return results
	}
}

// tolerance is how far ahead of our clock an event's time may be, as much as
// AWS allows a signature's.
const tolerance = 15 * time.Minute

// stale says why an event is too late to be worth anything, or "" when it is
// not. Ticks pile up during an outage, and the newest of them asks for all that
// the older ones asked for. Everything else stays worth a look however late:
// state is read again anyway.
func stale(e events.Event, now time.Time) string {
	age := now.Sub(e.Head().Time)
	if age < -tolerance {
		return fmt.Sprintf("its time lies %s in the future", (-age).Round(time.Second))
	}
	var cadence events.Cadence
	switch e := e.(type) {
	case *events.Tick:
		cadence = e.Cadence
	case *events.TargetScan:
		cadence = e.Cadence
	default:
		return ""
	}
	if every := cadence.Interval(); every > 0 && age > every {
		return fmt.Sprintf("its tick is %s old and the next one has come since (every %s)", age.Round(time.Second), every)
	}
	return ""
}
