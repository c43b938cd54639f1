package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"

	"github.com/eks-steward/eks-steward/events"
)

// outcome is what became of a message. SQS keeps the failed ones and deletes
// the others.
type outcome string

const (
	pending outcome = ""
	handled outcome = "ok"
	ignored outcome = "ignored" // nothing to do, on purpose
	dropped outcome = "stale"   // too late to be worth anything
	failed  outcome = "failed"
)

// delivery is one message on its way through a batch.
type delivery struct {
	message string       // SQS message id
	event   events.Event // nil when it could not be decoded
	outcome outcome
	reason  string    // of a message that was ignored or dropped
	twin    *delivery // the earlier delivery of the same event, if any
	result  Result
}

// open decodes a message and settles those that need no handler.
func (w Worker) open(m awsevents.SQSMessage, now time.Time) *delivery {
	e, err := w.decode(m)
	d := &delivery{message: m.MessageId, event: e}
	var nothingToDo *events.Ignored
	switch {
	case errors.As(err, &nothingToDo):
		d.outcome, d.reason = ignored, err.Error()
	case err != nil:
		// What cannot be read today cannot be read tomorrow.
		d.event, d.result.Err, d.outcome = nil, Permanent(err), failed
	default:
		if why := stale(e, now); why != "" {
			d.outcome, d.reason = dropped, why
		}
	}
	return d
}

func (w Worker) decode(m awsevents.SQSMessage) (events.Event, error) {
	if w.Decode != nil {
		return w.Decode(m)
	}
	return events.Decode([]byte(m.Body))
}

// distinct picks the deliveries that go to the handler: SQS and EventBridge
// deliver at least once, and one batch may hold an event twice.
func distinct(deliveries []*delivery) []*delivery {
	var first []*delivery
	seen := map[string]*delivery{}
	for _, d := range deliveries {
		if d.outcome != pending {
			continue
		}
		id := d.event.Head().ID
		if twin := seen[id]; twin != nil {
			d.twin = twin
			continue
		}
		seen[id] = d
		first = append(first, d)
	}
	return first
}

// settle turns the handler's result into an outcome. A duplicate shares the
// fate of its twin: deleted when that is done, brought again when that failed.
func (d *delivery) settle() {
	if d.outcome != pending {
		return
	}
	if d.twin != nil {
		d.result = Result{Err: d.twin.result.Err}
	}
	// Not errors.As: an Ignored that is joined with a failure is a failure.
	nothingToDo, isIgnored := d.result.Err.(*events.Ignored) //nolint:errorlint // see above
	switch {
	case isIgnored:
		d.outcome, d.reason, d.result.Err = ignored, nothingToDo.Error(), nil
	case d.result.Err != nil:
		d.outcome = failed
	case d.twin != nil:
		d.outcome, d.reason = ignored, "the same event came twice in this batch"
	default:
		d.outcome = handled
	}
}

// log writes the one line of this message.
func (d *delivery) log(ctx context.Context, log *slog.Logger, function string) {
	attrs := []slog.Attr{slog.String("function", function), slog.String("message_id", d.message)}
	attrs = append(attrs, identity(d.event)...)
	attrs = append(attrs, slog.String("outcome", string(d.outcome)), slog.Int64("duration_ms", d.result.took.Milliseconds()))
	if d.reason != "" {
		attrs = append(attrs, slog.String("reason", plain(d.reason)))
	}
	if d.twin != nil {
		attrs = append(attrs, slog.String("duplicate_of", d.twin.message))
	}
	if len(d.result.Attrs) > 0 {
		attrs = append(attrs, slog.GroupAttrs("attrs", d.result.Attrs...))
	}
	level := slog.LevelInfo
	if err := d.result.Err; err != nil {
		level = slog.LevelError
		attrs = append(attrs, slog.String("error", plain(err.Error())), slog.Bool("permanent", IsPermanent(err)))
		if crash := (*panicked)(nil); errors.As(err, &crash) {
			attrs = append(attrs, slog.String("stack", plain(crash.stack)))
		}
	}
	log.LogAttrs(ctx, level, "message "+string(d.outcome), attrs...)
}

// identity is what a log line says about an event: its envelope and the cluster
// it speaks of, never its content.
func identity(e events.Event) []slog.Attr {
	if e == nil {
		return nil
	}
	head := e.Head()
	attrs := []slog.Attr{
		slog.String("event", strings.TrimPrefix(fmt.Sprintf("%T", e), "*events.")),
		slog.String("event_id", head.ID),
		slog.String("account", head.Account),
		slog.String("region", head.Region),
	}
	var cluster string
	switch e := e.(type) {
	case *events.EKSCall:
		cluster = e.Cluster
	case *events.IncidentMoved:
		cluster = e.Finding.Cluster.Name
	case *events.TargetScan:
		if len(e.Clusters) == 1 {
			cluster = e.Clusters[0]
		}
	}
	if cluster != "" {
		attrs = append(attrs, slog.String("cluster", cluster))
	}
	return attrs
}
