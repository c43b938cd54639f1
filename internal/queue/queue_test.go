package queue_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/eks-steward/eks-steward/internal/queue"
)

const url = "https://sqs.eu-west-1.amazonaws.com/111122223333/etcdsize"

// service takes messages, or fails those it is told to fail.
type service struct {
	calls [][]string
	fail  func(call int, body string) bool
	mute  bool // say nothing about failed messages
	err   error
}

func (s *service) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	var bodies []string
	ids := map[string]bool{}
	out := &sqs.SendMessageBatchOutput{}
	for _, e := range in.Entries {
		bodies = append(bodies, *e.MessageBody)
		ids[*e.Id] = true
		switch {
		case s.fail == nil || !s.fail(len(s.calls)+1, *e.MessageBody):
			out.Successful = append(out.Successful, types.SendMessageBatchResultEntry{Id: e.Id})
		case !s.mute:
			out.Failed = append(out.Failed, types.BatchResultErrorEntry{Id: e.Id, Code: aws.String("InternalError"), Message: aws.String("try later")})
		}
	}
	s.calls = append(s.calls, bodies)
	if len(ids) != len(bodies) || *in.QueueUrl != url {
		return nil, fmt.Errorf("ids %v for %d messages to %s", ids, len(bodies), *in.QueueUrl)
	}
	return out, s.err
}

func (s *service) sizes() []int {
	var sizes []int
	for _, c := range s.calls {
		sizes = append(sizes, len(c))
	}
	return sizes
}

func numbered(n int) [][]byte {
	var messages [][]byte
	for i := range n {
		messages = append(messages, fmt.Appendf(nil, "message %02d", i))
	}
	return messages
}

func TestSendCutsMessagesIntoCallsWithinTheLimits(t *testing.T) {
	kib := func(n int) []byte { return bytes.Repeat([]byte("x"), n<<10) }
	tests := map[string]struct {
		messages [][]byte
		want     []int
	}{
		"none":                         {nil, nil},
		"one":                          {numbered(1), []int{1}},
		"ten":                          {numbered(10), []int{10}},
		"twenty-three":                 {numbered(23), []int{10, 10, 3}},
		"large ones":                   {[][]byte{kib(100), kib(100), kib(100), kib(100), kib(1)}, []int{2, 3}},
		"just the limit":               {[][]byte{kib(128), kib(128), kib(1)}, []int{2, 1}},
		"one above the limit is alone": {[][]byte{kib(1), kib(300), kib(1)}, []int{1, 1, 1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := &service{}
			if err := queue.New(s, url).Send(t.Context(), tt.messages...); err != nil {
				t.Fatal(err)
			}
			if got := s.sizes(); !slices.Equal(got, tt.want) {
				t.Errorf("calls of %v, want %v", got, tt.want)
			}
			var sent []string
			for _, c := range s.calls {
				sent = append(sent, c...)
			}
			for i, m := range tt.messages {
				if sent[i] != string(m) {
					t.Errorf("message %d was changed", i)
				}
			}
		})
	}
}

func TestSendRepeatsOnlyWhatFailed(t *testing.T) {
	s := &service{fail: func(call int, body string) bool { return call == 1 && body != "message 01" }}
	if err := queue.New(s, url).Send(t.Context(), numbered(3)...); err != nil {
		t.Fatal(err)
	}
	if want := []string{"message 00", "message 02"}; len(s.calls) != 2 || !slices.Equal(s.calls[1], want) {
		t.Errorf("calls %q", s.calls)
	}
}

func TestSendSaysHowManyWereRefusedAndSendsTheRest(t *testing.T) {
	tests := map[string]struct {
		mute  bool
		words string
	}{
		"with a reason":  {false, "refused 1 of them: InternalError: try later"},
		"without a word": {true, "refused 1 of them: it gave no reason"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := &service{mute: tt.mute, fail: func(_ int, body string) bool { return body == "message 03" }}
			err := queue.New(s, url).Send(t.Context(), numbered(12)...)
			if err == nil || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("error %v, want words %q", err, tt.words)
			}
			if got := s.sizes(); !slices.Equal(got, []int{10, 1, 2}) {
				t.Errorf("calls of %v: one retry, and the next batch all the same", got)
			}
		})
	}
}

func TestSendSaysWhichActionIsMissing(t *testing.T) {
	s := &service{err: &smithy.GenericAPIError{Code: "AccessDenied", Message: "no"}}
	err := queue.New(s, url).Send(t.Context(), numbered(1)...)
	if err == nil || !strings.Contains(err.Error(), "sqs:SendMessage (denied)") {
		t.Errorf("error %v", err)
	}
}
