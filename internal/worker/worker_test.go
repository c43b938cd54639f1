package worker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/worker"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// created is the body of a CloudTrail event about a new cluster.
func created(id, cluster string) string {
	return fmt.Sprintf(`{"version":"0","id":%q,"detail-type":"AWS API Call via CloudTrail","source":"aws.eks",
		"account":"111122223333","time":"2026-11-20T11:59:30Z","region":"eu-west-1","resources":[],
		"detail":{"eventVersion":"1.11","eventID":%[1]q,"eventTime":"2026-11-20T11:59:29Z","eventSource":"eks.amazonaws.com",
		"eventName":"CreateCluster","awsRegion":"eu-west-1","recipientAccountId":"111122223333","readOnly":false,
		"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/builder/ann"},
		"requestParameters":{"name":%q}}}`, id, cluster)
}

// own is the body of one of the product's own messages.
func own(t *testing.T, e events.Event) string {
	t.Helper()
	b, err := events.Message(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func head(id string, at time.Time) events.Header {
	return events.Header{ID: id, Account: "111122223333", Region: "eu-west-1", Time: at}
}

func batch(bodies ...string) awsevents.SQSEvent {
	var b awsevents.SQSEvent
	for i, body := range bodies {
		b.Records = append(b.Records, awsevents.SQSMessage{
			MessageId:  fmt.Sprintf("m%d", i),
			Body:       body,
			Attributes: map[string]string{"SentTimestamp": fmt.Sprint(noon.Add(-time.Minute).UnixMilli())},
		})
	}
	return b
}

// run hands bodies to a worker and returns the ids that SQS has to bring again,
// the log lines and the heartbeat.
func run(t *testing.T, handle worker.Handler, bodies ...string) (again []string, lines []map[string]any, beat map[string]any) {
	t.Helper()
	return runIn(t.Context(), t, handle, bodies...)
}

func runIn(ctx context.Context, t *testing.T, handle worker.Handler, bodies ...string) (again []string, lines []map[string]any, beat map[string]any) {
	t.Helper()
	var log, metrics bytes.Buffer
	w := worker.Worker{
		Function: "etcdsize",
		Handle:   handle,
		Now:      func() time.Time { return noon },
		Log:      worker.NewLog(&log),
		Metrics:  &metrics,
		Margin:   30 * time.Second,
	}
	answer, err := w.Batch(ctx, batch(bodies...))
	if err != nil {
		t.Fatalf("a failed batch brings back what was done: %v", err)
	}
	for _, f := range answer.BatchItemFailures {
		again = append(again, f.ItemIdentifier)
	}
	for line := range strings.Lines(log.String()) {
		lines = append(lines, object(t, line))
	}
	if n := strings.Count(metrics.String(), "\n"); n != 1 || !strings.HasSuffix(metrics.String(), "\n") {
		t.Fatalf("want one line of metrics, got %q", metrics.String())
	}
	return again, lines, object(t, metrics.String())
}

func object(t *testing.T, line string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(line), &m); err != nil {
		t.Fatalf("not JSON: %v: %q", err, line)
	}
	return m
}

// seen collects the ids of the events that reach the handler.
func seen(ids *[]string) worker.Handler {
	return worker.Each(func(_ context.Context, e events.Event) ([]slog.Attr, error) {
		*ids = append(*ids, e.Head().ID)
		return nil, nil
	})
}

func outcomes(lines []map[string]any) []string {
	var o []string
	for _, l := range lines {
		o = append(o, fmt.Sprint(l["outcome"]))
	}
	return o
}

func equal[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestFault_21_NothingBeginsWithinTheMargin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		defer cancel()
		var begun []string
		handle := worker.Each(func(ctx context.Context, e events.Event) ([]slog.Attr, error) {
			begun = append(begun, e.Head().ID)
			time.Sleep(16 * time.Second) // in the bubble's time: the second one ends 28 s before the deadline
			return nil, nil
		})
		again, lines, beat := runIn(ctx, t, handle, created("a", "one"), created("b", "two"), created("c", "three"))
		equal(t, "begun", begun, []string{"a", "b"})
		equal(t, "brought again", again, []string{"m2"})
		equal(t, "outcomes", outcomes(lines), []string{"ok", "ok", "failed"})
		if beat["Failed"] != 1.0 || lines[2]["permanent"] != false {
			t.Errorf("want one failure that is not permanent: %v, %v", beat, lines[2])
		}
		if lines[0]["duration_ms"] != 16000.0 || lines[2]["duration_ms"] != 0.0 {
			t.Errorf("each message has its own duration: %v, %v", lines[0]["duration_ms"], lines[2]["duration_ms"])
		}
	})
}

func TestFault_21_TheHandlersContextLeavesTheMargin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		defer cancel()
		again, _, _ := runIn(ctx, t, func(ctx context.Context, batch []events.Event) []worker.Result {
			<-ctx.Done()
			if took := time.Since(start); took != 30*time.Second {
				t.Errorf("the context ended after %s, want 30s", took)
			}
			return []worker.Result{{Err: ctx.Err()}}
		}, created("a", "one"))
		equal(t, "brought again", again, []string{"m0"})
		if ctx.Err() != nil {
			t.Error("no time was left to answer SQS")
		}
	})
}

func TestFault_21_AnInvocationThatBeginsTooLateTouchesNothing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 29*time.Second)
	defer cancel()
	again, _, _ := runIn(ctx, t, func(context.Context, []events.Event) []worker.Result {
		t.Error("the handler was called")
		return nil
	}, created("a", "one"), created("b", "two"))
	equal(t, "brought again", again, []string{"m0", "m1"})
}

func TestFault_22_DuplicatesInOneBatchAreHandledOnce(t *testing.T) {
	var ids []string
	again, lines, beat := run(t, seen(&ids), created("a", "one"), created("a", "one"), created("b", "two"))
	equal(t, "handled", ids, []string{"a", "b"})
	equal(t, "brought again", again, nil)
	equal(t, "outcomes", outcomes(lines), []string{"ok", "ignored", "ok"})
	if lines[1]["duplicate_of"] != "m0" {
		t.Errorf("the log does not name the twin: %v", lines[1])
	}
	if beat["Succeeded"] != 2.0 || beat["Ignored"] != 1.0 {
		t.Errorf("heartbeat %v", beat)
	}
}

func TestFault_22_ADuplicateOfAFailureComesAgainWithIt(t *testing.T) {
	calls := 0
	again, _, _ := run(t, worker.Each(func(context.Context, events.Event) ([]slog.Attr, error) {
		calls++
		return nil, errors.New("throttled")
	}), created("a", "one"), created("a", "one"))
	equal(t, "brought again", again, []string{"m0", "m1"})
	if calls != 1 {
		t.Errorf("handled %d times, want once", calls)
	}
}

func TestFault_31_OnlyThePoisonMessageFails(t *testing.T) {
	poison := map[string]string{
		"a body that is no JSON":                `{"version":`,
		"an empty body":                         ``,
		"an event of an unknown source":         `{"version":"0","id":"x","source":"com.example","detail-type":"Hello","account":"111122223333","region":"eu-west-1","time":"2026-11-20T11:59:30Z","detail":{}}`,
		"a cluster name that EKS would refuse":  created("x", "../../etc"),
		"an event that makes the handler panic": created("panic", "boom"),
		"an event that the handler refuses":     created("refuse", "no"),
	}
	for name, body := range poison {
		t.Run(name, func(t *testing.T) {
			var ids []string
			handle := worker.Each(func(_ context.Context, e events.Event) ([]slog.Attr, error) {
				switch e.Head().ID {
				case "panic":
					panic("assignment to entry in nil map")
				case "refuse":
					return nil, worker.Permanent(errors.New("no such target"))
				}
				ids = append(ids, e.Head().ID)
				return nil, nil
			})
			again, lines, beat := run(t, handle, created("a", "one"), body, created("b", "two"))
			equal(t, "handled", ids, []string{"a", "b"})
			equal(t, "brought again", again, []string{"m1"})
			equal(t, "outcomes", outcomes(lines), []string{"ok", "failed", "ok"})
			if beat["Failed"] != 1.0 || beat["Succeeded"] != 2.0 {
				t.Errorf("heartbeat %v", beat)
			}
			if lines[1]["permanent"] != !strings.Contains(name, "panic") || lines[1]["level"] != "ERROR" {
				t.Errorf("log line %v", lines[1])
			}
		})
	}
}

func TestFault_31_APanicLeavesItsStackInTheLog(t *testing.T) {
	_, lines, _ := run(t, worker.Each(func(context.Context, events.Event) ([]slog.Attr, error) {
		var m map[string]int
		m["x"] = 1 //nolint:staticcheck // the panic that is wanted
		return nil, nil
	}), created("a", "one"))
	if got := fmt.Sprint(lines[0]["error"]); !strings.Contains(got, "nil map") {
		t.Errorf("error %q", got)
	}
	if got := fmt.Sprint(lines[0]["stack"]); !strings.Contains(got, "worker_test.go") {
		t.Errorf("stack %q", got)
	}
}

func TestFault_31_ABatchHandlerThatPanicsFailsItsBatchAndAnswers(t *testing.T) {
	again, _, _ := run(t, func(context.Context, []events.Event) []worker.Result { panic("boom") },
		created("a", "one"), created("b", "two"))
	equal(t, "brought again", again, []string{"m0", "m1"})
}

func TestFault_31_AnEventWithoutAResultFails(t *testing.T) {
	again, _, _ := run(t, func(context.Context, []events.Event) []worker.Result { return make([]worker.Result, 1) },
		created("a", "one"), created("b", "two"))
	equal(t, "brought again", again, []string{"m1"})
}

func TestFault_56_HeartbeatHasTheShapeThatADeadMansAlarmNeeds(t *testing.T) {
	var ids []string
	_, _, beat := run(t, seen(&ids), `nonsense`)
	directive := object(t, compact(t, beat["_aws"].(map[string]any)["CloudWatchMetrics"].([]any)[0]))
	if directive["Namespace"] != "EKSSteward" || compact(t, directive["Dimensions"]) != `[["Function"]]` || beat["Function"] != "etcdsize" {
		t.Errorf("an alarm would not find it: %v", beat)
	}
	if ms := beat["_aws"].(map[string]any)["Timestamp"]; ms != float64(noon.UnixMilli()) {
		t.Errorf("timestamp %v, want milliseconds", ms)
	}
	want := `[{"Name":"Succeeded","Unit":"Count"},{"Name":"Failed","Unit":"Count"},{"Name":"OldestMessageAge","Unit":"Seconds"}]`
	if got := compact(t, directive["Metrics"]); got != want {
		t.Errorf("metrics\n got %s\nwant %s", got, want)
	}
	for name, want := range map[string]any{"Succeeded": 0.0, "Failed": 1.0, "Ignored": nil, "Stale": nil, "OldestMessageAge": 60.0} {
		if beat[name] != want {
			t.Errorf("%s is %v, want %v", name, beat[name], want)
		}
	}
}

func TestFault_56_AnEmptyBatchStillBeats(t *testing.T) {
	var ids []string
	_, _, beat := run(t, seen(&ids))
	if beat["Succeeded"] != 0.0 {
		t.Errorf("heartbeat %v", beat)
	}
	if _, there := beat["OldestMessageAge"]; there {
		t.Errorf("no message has an age: %v", beat)
	}
}

func TestFault_60_TicksOlderThanTheirIntervalAreDropped(t *testing.T) {
	target := struct{ account, region string }{"111122223333", "eu-west-1"}
	tick := func(c events.Cadence, age time.Duration) events.Event {
		return &events.Tick{Header: head("tick", noon.Add(-age)), Cadence: c}
	}
	scan := func(c events.Cadence, age time.Duration) events.Event {
		s := &events.TargetScan{Header: head("scan", noon.Add(-age)), Cadence: c}
		s.Target.Account, s.Target.Region = target.account, target.region
		return s
	}
	for _, row := range []struct {
		name string
		e    events.Event
		want string
	}{
		{"an hourly tick of an hour ago is the newest there can be", tick(events.Hourly, time.Hour), "ok"},
		{"an hourly tick of an hour and a second ago is stale", tick(events.Hourly, time.Hour+time.Second), "stale"},
		{"a five-minute tick of six minutes ago is stale", tick(events.FiveMinutes, 6*time.Minute), "stale"},
		{"a five-minute tick of now is handled", tick(events.FiveMinutes, 0), "ok"},
		{"a scan is as old as its tick", scan(events.FiveMinutes, 6*time.Minute), "stale"},
		{"an hourly scan of six minutes ago is handled", scan(events.Hourly, 6*time.Minute), "ok"},
		{"a tick a little ahead of our clock is handled", tick(events.Hourly, -time.Minute), "ok"},
		{"a tick from the far future is dropped", tick(events.Hourly, -16*time.Minute), "stale"},
		{"untold incidents stay worth telling", &events.PendingNotices{Header: head("p", noon.Add(-24*time.Hour))}, "ok"},
		{"no event at all comes from the far future", &events.PendingNotices{Header: head("p", noon.Add(time.Hour))}, "stale"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var ids []string
			again, lines, beat := run(t, seen(&ids), own(t, row.e))
			equal(t, "outcome", outcomes(lines), []string{row.want})
			equal(t, "brought again", again, nil)
			if handled := len(ids) == 1; handled != (row.want == "ok") {
				t.Errorf("handled %v with outcome %s", handled, row.want)
			}
			if stale := beat["Stale"] == 1.0; stale != (row.want == "stale") {
				t.Errorf("heartbeat %v", beat)
			}
		})
	}
}

func TestAnEventThatIsNothingToDoIsDeleted(t *testing.T) {
	var ids []string
	failedCall := strings.Replace(created("a", "one"), `"readOnly":false`, `"readOnly":false,"errorCode":"AccessDenied"`, 1)
	again, lines, beat := run(t, seen(&ids), failedCall)
	equal(t, "handled", ids, nil)
	equal(t, "brought again", again, nil)
	equal(t, "outcomes", outcomes(lines), []string{"ignored"})
	if beat["Ignored"] != 1.0 || lines[0]["reason"] == nil {
		t.Errorf("heartbeat %v, line %v", beat, lines[0])
	}
}

func TestAHandlerMayFindThatThereIsNothingToDo(t *testing.T) {
	again, lines, beat := run(t, worker.Each(func(context.Context, events.Event) ([]slog.Attr, error) {
		return nil, &events.Ignored{Reason: "refused: it is a replay"}
	}), created("e1", "prod"))
	if len(again) > 0 || lines[0]["outcome"] != "ignored" || lines[0]["reason"] != "refused: it is a replay" || beat["Ignored"] != 1.0 || beat["Failed"] != nil {
		t.Errorf("again %v, logged %v, counted %v", again, lines, beat)
	}
	again, _, _ = run(t, worker.Each(func(context.Context, events.Event) ([]slog.Attr, error) {
		return nil, errors.Join(&events.Ignored{Reason: "nothing"}, io.ErrUnexpectedEOF)
	}), created("e1", "prod"))
	if len(again) != 1 {
		t.Error("a failure is forgotten, because something beside it was nothing to do")
	}
}

func TestALogLineNamesTheMessageAndNotItsContent(t *testing.T) {
	const canary = "hooks.slack.com/services/T0/B0/canary"
	body := strings.Replace(created("a", "prod-payments"), `"type":"AssumedRole"`, `"type":"canary-in-the-body"`, 1)
	_, lines, _ := run(t, worker.Each(func(context.Context, events.Event) ([]slog.Attr, error) {
		return []slog.Attr{slog.Int("findings", 3)}, fmt.Errorf("post: Post \"https://%s\": EOF", canary)
	}), body)
	line := lines[0]
	delete(line, "timestamp")
	delete(line, "duration_ms")
	want := `{"account":"111122223333","attrs":{"findings":3},"cluster":"prod-payments","error":"post: Post \"(address left out)\": EOF",` +
		`"event":"EKSCall","event_id":"a","function":"etcdsize","level":"ERROR","message":"message failed","message_id":"m0","outcome":"failed","permanent":false,"region":"eu-west-1"}`
	if got := compact(t, line); got != want {
		t.Errorf("log line\n got %s\nwant %s", got, want)
	}
}

func TestAnEndlessErrorIsCutOnARuneBorder(t *testing.T) {
	_, lines, _ := run(t, worker.Each(func(context.Context, events.Event) ([]slog.Attr, error) {
		return nil, errors.New("x" + strings.Repeat("é", 100_000))
	}), created("a", "one"))
	if got := fmt.Sprint(lines[0]["error"]); len(got) > 8100 || strings.ContainsRune(got, '\uFFFD') {
		t.Errorf("%d bytes, ending in %q", len(got), got[len(got)-8:])
	}
}

func TestACancelledBatchComesAgain(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	again, _, _ := runIn(ctx, t, worker.Each(func(context.Context, events.Event) ([]slog.Attr, error) {
		cancel()
		return nil, nil
	}), created("a", "one"), created("b", "two"))
	equal(t, "brought again", again, []string{"m1"})
}

func TestALostHeartbeatFailsNoMessage(t *testing.T) {
	var log bytes.Buffer
	pipe, closed := io.Pipe()
	pipe.Close()
	w := worker.Worker{
		Function: "notify",
		Handle:   worker.Each(func(context.Context, events.Event) ([]slog.Attr, error) { return nil, nil }),
		Now:      func() time.Time { return noon },
		Log:      worker.NewLog(&log),
		Metrics:  closed,
	}
	answer, err := w.Batch(t.Context(), batch(created("a", "one")))
	if err != nil || len(answer.BatchItemFailures) != 0 {
		t.Errorf("answer %v, %v", answer, err)
	}
	if !strings.Contains(log.String(), "heartbeat not written") {
		t.Errorf("nobody is told: %s", log.String())
	}
}

func TestPermanentKeepsTheErrorBehindIt(t *testing.T) {
	err := fmt.Errorf("target x: %w", worker.Permanent(io.ErrUnexpectedEOF))
	if !worker.IsPermanent(err) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v lost its mark or its cause", err)
	}
	if worker.IsPermanent(io.EOF) || worker.Permanent(nil) != nil {
		t.Error("an ordinary error, or none, counts as permanent")
	}
}

func compact(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheDeadlineIsByTheClockOfTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) // not that of the context
		if got := worker.Deadline(t.Context(), now); !got.Equal(now.Add(15 * time.Minute)) {
			t.Errorf("without a deadline it is %s, want what Lambda gives at most", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		time.Sleep(10 * time.Second)
		if got := worker.Deadline(ctx, now); !got.Equal(now.Add(30 * time.Second)) {
			t.Errorf("30 seconds before the end it is %s", got)
		}
	})
}
