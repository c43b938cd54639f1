// Package outbox turns findings into incidents and sees to it that every move
// of an incident is announced on the bus. The move is written first, marked as
// unpublished; then announced; then unmarked. Whatever happens in between, the
// next Flush announces what is left, so an alert cannot be lost between two
// writes. It may be announced twice: readers re-read the incident. It never
// decides what is news (package incident) nor tells people (package notify).
package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
)

// Ledger keeps the incidents.
type Ledger interface {
	Observe(ctx context.Context, f fleet.Finding) (incident.Incident, incident.Transition, error)
	Unpublished(ctx context.Context) ([]incident.Incident, error)
	Published(ctx context.Context, id string, revision int) error
}

// Bus announces moves to whoever listens.
type Bus interface {
	Publish(ctx context.Context, moves ...events.IncidentMoved) error
}

// Outbox records and announces.
type Outbox struct {
	Ledger Ledger
	Bus    Bus
}

// Record observes findings and announces those that are news. It returns how
// many were. Findings that could not be recorded do not keep others from it.
//
// A bus that does not answer is no error: the moves are in the ledger, and the
// next Flush announces them; unannounced says how many.
func (o Outbox) Record(ctx context.Context, findings []fleet.Finding) (news, unannounced int, err error) {
	var moved []incident.Incident
	var failures []error
	for _, f := range findings {
		inc, turn, err := o.Ledger.Observe(ctx, f)
		if err != nil {
			failures = append(failures, fmt.Errorf("record %s: %w", incident.ID(f), err))
			continue
		}
		if turn.News() {
			moved = append(moved, inc)
		}
	}
	announced, _ := o.announce(ctx, moved)
	return len(moved), len(moved) - announced, errors.Join(failures...)
}

// Flush announces every move that was recorded but not announced, and returns
// how many there were.
func (o Outbox) Flush(ctx context.Context) (int, error) {
	left, unread := o.Ledger.Unpublished(ctx)
	n, err := o.announce(ctx, left) // one record that cannot be read holds up no other
	return n, errors.Join(unread, err)
}

// batch is how many entries one PutEvents call takes (EventBridge limit). Moves
// are marked batch by batch, so that a later failure repeats only what failed.
const batch = 10

func (o Outbox) announce(ctx context.Context, incidents []incident.Incident) (announced int, err error) {
	var failures []error
	for some := range slices.Chunk(incidents, batch) {
		moves := make([]events.IncidentMoved, len(some))
		for i, inc := range some {
			moves[i] = move(inc)
		}
		if err := o.Bus.Publish(ctx, moves...); err != nil {
			failures = append(failures, fmt.Errorf("announce %d incidents: %w", len(some), err))
			continue
		}
		for _, inc := range some {
			if err := o.Ledger.Published(ctx, inc.ID(), inc.Revision); err != nil {
				failures = append(failures, fmt.Errorf("mark %s as announced: %w", inc.ID(), err))
			}
		}
		announced += len(some)
	}
	return announced, errors.Join(failures...)
}

// move is the announcement of an incident's latest revision. Its id is made of
// both, so that announcing twice is recognisable.
func move(inc incident.Incident) events.IncidentMoved {
	return events.IncidentMoved{
		Header: events.Header{
			ID:      inc.ID() + "#" + strconv.Itoa(inc.Revision),
			Account: inc.Finding.Cluster.Account, Region: inc.Finding.Cluster.Region, Time: inc.Changed,
		},
		SchemaVersion: events.SchemaVersion,
		Incident:      inc.ID(),
		Transition:    string(inc.LastMove()),
		Revision:      inc.Revision,
		Severity:      inc.Finding.Severity,
		Finding:       inc.Finding,
	}
}
