// Package bus announces moves of incidents and of rollouts on the product's own
// EventBridge bus. It decides nothing about what is worth announcing, and it never
// drops a move in silence: what EventBridge did not take is named in the error.
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

// Publish puts moves of incidents on the bus. Entries that EventBridge fails are
// sent once more; the error names the incidents that were not taken.
func (b *Bus) Publish(ctx context.Context, moves ...events.IncidentMoved) error {
	all := make([]move, len(moves))
	for i := range moves {
		all[i] = move{moves[i].Incident, &moves[i]}
	}
	return b.publishAll(ctx, all)
}

// PublishRollout puts a move of a rollout on the bus likewise.
func (b *Bus) PublishRollout(ctx context.Context, m events.RolloutMoved) error {
	return b.publishAll(ctx, []move{{m.Rollout, &m}})
}

// move is one to announce, with what errors call it.
type move struct {
	name  string
	event interface{ Entry() (events.Entry, error) }
}

func (b *Bus) publishAll(ctx context.Context, moves []move) error {
	var failures []error
	for some := range slices.Chunk(moves, maxEntries) {
		failures = append(failures, b.publish(ctx, some))
	}
	return errors.Join(failures...)
}

func (b *Bus) publish(ctx context.Context, moves []move) error {
	left, failures := b.encode(moves)
	for try := 0; try < 2 && len(left) > 0; try++ {
		var err error
		if left, err = b.put(ctx, left); err != nil {
			return errors.Join(append(failures, err)...)
		}
	}
	for _, a := range left {
		failures = append(failures, fmt.Errorf("publish %s: bus %s refused it: %s", a.name, b.name, a.refused))
	}
	return errors.Join(failures...)
}

// announcement is one move on its way.
type announcement struct {
	name    string
	entry   types.PutEventsRequestEntry
	refused string // why EventBridge did not take it
}

func (b *Bus) encode(moves []move) (ready []announcement, failures []error) {
	for _, m := range moves {
		e, err := m.event.Entry()
		if err != nil {
			failures = append(failures, fmt.Errorf("publish %s: %w", m.name, err))
			continue
		}
		ready = append(ready, announcement{name: m.name, entry: types.PutEventsRequestEntry{
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
		return nil, fmt.Errorf("publish %d moves on bus %s: %w", len(ready), b.name, refusal.Of("events:PutEvents", err))
	}
	if len(out.Entries) != len(ready) {
		return nil, fmt.Errorf("publish %d moves on bus %s: the answer speaks of %d", len(ready), b.name, len(out.Entries))
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
