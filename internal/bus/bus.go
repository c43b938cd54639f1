// Package bus announces moves of incidents on the product's own EventBridge bus.
// It decides nothing about what is worth announcing, and it never drops a move in
// silence: what EventBridge did not take is named in the error.
package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
)

// Client is the one call that a Bus makes.
type Client interface {
	PutEvents(ctx context.Context, in *eventbridge.PutEventsInput, options ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error)
}

// Bus is one event bus.
type Bus struct {
	client Client
	name   string
}

// New returns the bus of that name or ARN.
func New(client Client, name string) *Bus { return &Bus{client: client, name: name} }

// maxEntries is the most that PutEvents takes in one call (EventBridge quotas).
// Its other limit, 1 MB for all of them, is out of reach: a finding is a few
// sentences.
const maxEntries = 10

// Publish puts the moves on the bus. Entries that EventBridge fails are sent once
// more; the error names the incidents that were not taken.
func (b *Bus) Publish(ctx context.Context, moves ...events.IncidentMoved) error {
	var failures []error
	for some := range slices.Chunk(moves, maxEntries) {
		failures = append(failures, b.publish(ctx, some))
	}
	return errors.Join(failures...)
}

func (b *Bus) publish(ctx context.Context, moves []events.IncidentMoved) error {
	left, failures := b.encode(moves)
	for try := 0; try < 2 && len(left) > 0; try++ {
		var err error
		if left, err = b.put(ctx, left); err != nil {
			return errors.Join(append(failures, err)...)
		}
	}
	for _, a := range left {
		failures = append(failures, fmt.Errorf("publish %s: bus %s refused it: %s", a.incident, b.name, a.refused))
	}
	return errors.Join(failures...)
}

// announcement is one move on its way.
type announcement struct {
	incident string
	entry    types.PutEventsRequestEntry
	refused  string // why EventBridge did not take it
}

func (b *Bus) encode(moves []events.IncidentMoved) (ready []announcement, failures []error) {
	for _, m := range moves {
		e, err := m.Entry()
		if err != nil {
			failures = append(failures, fmt.Errorf("publish %s: %w", m.Incident, err))
			continue
		}
		ready = append(ready, announcement{incident: m.Incident, entry: types.PutEventsRequestEntry{
			EventBusName: &b.name,
			Source:       &e.Source,
			DetailType:   &e.DetailType,
			Detail:       &e.Detail,
			Resources:    e.Resources,
			Time:         &e.Time,
		}})
	}
	return ready, failures
}

// put makes one call and returns what was not taken. The answer lists the
// entries in the order in which they were sent (EventBridge API reference).
func (b *Bus) put(ctx context.Context, ready []announcement) (left []announcement, err error) {
	in := &eventbridge.PutEventsInput{}
	for _, a := range ready {
		in.Entries = append(in.Entries, a.entry)
	}
	out, err := b.client.PutEvents(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("publish %d incidents on bus %s: %w", len(ready), b.name, refusal.Of("events:PutEvents", err))
	}
	if len(out.Entries) != len(ready) {
		return nil, fmt.Errorf("publish %d incidents on bus %s: the answer speaks of %d", len(ready), b.name, len(out.Entries))
	}
	for i, r := range out.Entries {
		if r.ErrorCode != nil {
			a := ready[i]
			a.refused = aws.ToString(r.ErrorCode) + ": " + aws.ToString(r.ErrorMessage)
			left = append(left, a)
		}
	}
	return left, nil
}
