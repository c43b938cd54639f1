// Package handler is the approve function: it hears that a person approves of a
// plan or wants something of a rollout, and holds who that is against what AWS or
// Slack says of the sender. An approval it notes in the ledger once. It never
// carries anything out, and has no right to: it wakes the function that does, which
// reads the ledger and the cluster again.
package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"

	"github.com/eks-steward/eks-steward/internal/approval"
	"github.com/eks-steward/eks-steward/internal/ledger"
)

// Ledger is what the function reads and keeps.
type Ledger interface {
	ResolvePlan(ctx context.Context, short string) (string, error)
	Grant(ctx context.Context, plan, nonce, by, via string) (ledger.Approval, error)
}

// Queue takes messages for a function.
type Queue interface {
	Send(ctx context.Context, messages ...[]byte) error
}

// Secret is Slack's signing secret, which may be changed while the function lives.
// Anybody can have it asked for with a forged request: it has to be one that is
// guarded against being read for each (package secret).
type Secret interface {
	Value(ctx context.Context) (string, error)
	Refresh(ctx context.Context) (string, error)
}

// Slack answers whoever pressed a button.
type Slack interface {
	// Reply posts a text at the address that came with the press: to everybody in
	// the channel, or only to the one who pressed.
	Reply(ctx context.Context, address, text string, everybody bool) error
}

// Handler is the function with everything it needs.
type Handler struct {
	Ledger Ledger
	Orders map[string]Queue // of the functions that carry plans out, by capability
	Own    Queue
	Self   func(ctx context.Context) (string, error) // what SQS says of the function as a sender
	Now    func() time.Time
	Log    *slog.Logger // one line per request of Slack

	Signing Secret // nil: nothing is taken from Slack
	Allowed approval.Allowed
	Slack   Slack
	// Batch handles what SQS delivers: worker.Worker with this handler.
	Batch func(ctx context.Context, batch awsevents.SQSEvent) (awsevents.SQSEventResponse, error)
}

// Serve takes both shapes in which Lambda invokes the function: a batch of SQS,
// and a request to its Function URL.
func (h *Handler) Serve(ctx context.Context, raw json.RawMessage) (any, error) {
	var shape struct {
		Records        json.RawMessage `json:"Records"`
		RequestContext json.RawMessage `json:"requestContext"`
	}
	if err := json.Unmarshal(raw, &shape); err != nil {
		return nil, fmt.Errorf("decode the invocation: %w", err)
	}
	switch {
	case shape.Records != nil:
		var batch awsevents.SQSEvent
		if err := json.Unmarshal(raw, &batch); err != nil {
			return nil, fmt.Errorf("decode the batch of SQS: %w", err)
		}
		return h.Batch(ctx, batch)
	case shape.RequestContext != nil:
		var request awsevents.LambdaFunctionURLRequest
		if err := json.Unmarshal(raw, &request); err != nil {
			return nil, fmt.Errorf("decode the request to the Function URL: %w", err)
		}
		return h.Request(ctx, request), nil
	}
	return nil, errors.New("approve takes batches of SQS and requests to its Function URL: this is neither")
}
