package worker

import (
	"encoding/json"
	"strconv"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
)

// Namespace holds the product's own CloudWatch metrics.
const Namespace = "EKSSteward"

// The metrics of a heartbeat. All have the one dimension Function. CloudWatch
// charges a metric for each hour in which it has a value, so that those of what
// should not happen are left out while it does not.
const (
	Succeeded        = "Succeeded"        // messages; 0 is written too, so that a dead-man alarm can sum it
	Failed           = "Failed"           // messages
	Ignored          = "Ignored"          // messages
	Stale            = "Stale"            // messages
	OldestMessageAge = "OldestMessageAge" // seconds since the batch's oldest message was sent; left out when SQS does not say
)

// heartbeat is one batch as a line of CloudWatch's embedded metric format
// (specification: "Embedding metrics within logs", CloudWatch user guide): the
// log group's reader makes metrics of it, so there is no API call that could fail.
func heartbeat(function string, now time.Time, messages []awsevents.SQSMessage, deliveries []*delivery) []byte {
	count := map[outcome]int{}
	for _, d := range deliveries {
		count[d.outcome]++
	}
	type metric struct{ Name, Unit string }
	type directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []metric
	}
	metrics := []metric{{Succeeded, "Count"}}
	line := map[string]any{"Function": function, Succeeded: count[handled]}
	for _, m := range []struct {
		name string
		of   outcome
	}{{Failed, failed}, {Ignored, ignored}, {Stale, dropped}} {
		if n := count[m.of]; n > 0 {
			metrics, line[m.name] = append(metrics, metric{m.name, "Count"}), n
		}
	}
	if age, known := oldest(messages, now); known {
		metrics = append(metrics, metric{OldestMessageAge, "Seconds"})
		line[OldestMessageAge] = age.Seconds()
	}
	line["_aws"] = map[string]any{
		"Timestamp":         now.UnixMilli(),
		"CloudWatchMetrics": []directive{{Namespace, [][]string{{"Function"}}, metrics}},
	}
	b, err := json.Marshal(line)
	if err != nil {
		panic(err) // strings and finite numbers always marshal
	}
	return append(b, '\n')
}

// oldest is the age of the message that waited longest, and false when SQS gave
// no time at all. A sender's clock ahead of ours makes no negative age.
func oldest(messages []awsevents.SQSMessage, now time.Time) (age time.Duration, known bool) {
	for _, m := range messages {
		ms, err := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64)
		if err != nil {
			continue
		}
		age, known = max(age, now.Sub(time.UnixMilli(ms))), true
	}
	return age, known
}
