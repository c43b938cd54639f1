// Package queue sends messages to one function's SQS queue. It decides nothing
// about what is sent, and it never drops a message in silence: what SQS did not
// take is counted in the error.
package queue

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
)

// Client is the one call that a Queue makes.
type Client interface {
	SendMessageBatch(ctx context.Context, in *sqs.SendMessageBatchInput, options ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error)
}

// Queue is one queue.
type Queue struct {
	client Client
	url    string
}

// New returns the queue at url.
func New(client Client, url string) *Queue { return &Queue{client: client, url: url} }

// The limits of one call. SQS takes 1 MiB by now, for one message and for a
// batch (SendMessageBatch API reference), but a queue may have been made with
// 256 KiB, the limit until 2025, and EventBridge brings no more either.
const (
	maxMessages = 10
	maxBytes    = 256 << 10
)

// Send puts the messages into the queue. Messages that SQS fails are sent once
// more; the error says how many were not taken, and why. The others are sent.
func (q *Queue) Send(ctx context.Context, messages ...[]byte) error {
	var failures []error
	for some := range batches(messages) {
		failures = append(failures, q.send(ctx, some))
	}
	return errors.Join(failures...)
}

// batches cuts messages into calls within the limits. One message above the
// limit makes a batch of its own, for SQS to refuse.
func batches(messages [][]byte) iter.Seq[[][]byte] {
	return func(yield func([][]byte) bool) {
		start, size := 0, 0
		for i, m := range messages {
			if i > start && (i-start == maxMessages || size+len(m) > maxBytes) {
				if !yield(messages[start:i]) {
					return
				}
				start, size = i, 0
			}
			size += len(m)
		}
		if start < len(messages) {
			yield(messages[start:])
		}
	}
}

func (q *Queue) send(ctx context.Context, messages [][]byte) error {
	left := make([]types.SendMessageBatchRequestEntry, len(messages))
	for i, m := range messages {
		left[i] = types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(string(m))}
	}
	var reason string
	for try := 0; try < 2 && len(left) > 0; try++ {
		out, err := q.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &q.url, Entries: left})
		if err != nil {
			return fmt.Errorf("send %d messages to %s: %w", len(left), q.url, refusal.Of("sqs:SendMessage", err))
		}
		left, reason = refused(left, out)
	}
	if len(left) > 0 {
		return fmt.Errorf("send %d messages to %s: the queue refused %d of them: %s", len(messages), q.url, len(left), reason)
	}
	return nil
}

// refused returns the entries that SQS did not confirm, and the reason it gave
// for one of them.
func refused(sent []types.SendMessageBatchRequestEntry, out *sqs.SendMessageBatchOutput) (left []types.SendMessageBatchRequestEntry, reason string) {
	taken := map[string]bool{}
	for _, s := range out.Successful {
		taken[aws.ToString(s.Id)] = true
	}
	reason = "it gave no reason"
	for _, f := range out.Failed {
		reason = aws.ToString(f.Code) + ": " + aws.ToString(f.Message)
	}
	for _, e := range sent {
		if !taken[*e.Id] {
			left = append(left, e)
		}
	}
	return left, reason
}
