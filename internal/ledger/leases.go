package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// ErrHeld says that somebody else holds a lease. The error that wraps it names
// the holder and until when.
var ErrHeld = errors.New("the lease is held")

// Lease is the right to be the only one at something, until it ends or is
// released. Its end is judged by the clock of whoever wants it next, so it has to
// be longer than the work by more than clocks differ.
type Lease struct {
	Name   string    `json:"name"`
	Holder string    `json:"holder"` // for people: who to look for, such as an event id
	Until  time.Time `json:"until"`
	Grant  string    `json:"grant"` // random: tells this lease from any other of the same holder

	ledger *Ledger
}

// afterlife keeps the record of a lease that ended, so that the database does
// not drop it while it still says who was there last.
const afterlife = 24 * time.Hour

// Lease takes the lease called name for ttl, or returns ErrHeld, also if the same
// holder has it. One that has ended is taken over.
func (l *Ledger) Lease(ctx context.Context, name, holder string, ttl time.Duration) (*Lease, error) {
	now := l.now()
	mine := Lease{Name: name, Holder: holder, Until: now.Add(ttl), Grant: rand.Text()}
	err := revise(ctx, l, leaseKey(name), placeLease, func(known *Lease) (*Lease, error) {
		switch {
		case known == nil || !now.Before(known.Until):
			return &mine, nil
		case known.Grant == mine.Grant: // our own write, whose answer was lost on the way
			return known, nil
		}
		return nil, fmt.Errorf("%s has it until %s: %w", known.Holder, known.Until.Format(time.RFC3339), ErrHeld)
	})
	if err != nil {
		return nil, fmt.Errorf("lease %s: %w", name, err)
	}
	mine.ledger = l
	return &mine, nil
}

// Release gives the lease back. One that ended and was taken over stays with its
// new holder: the grant says so where a version would not, since versions start
// again once a record was deleted.
func (h *Lease) Release(ctx context.Context) error {
	err := revise(ctx, h.ledger, leaseKey(h.Name), placeLease, func(known *Lease) (*Lease, error) {
		if known == nil || known.Grant != h.Grant {
			return known, nil
		}
		return nil, nil // the lease is to go
	})
	if err != nil {
		return fmt.Errorf("release lease %s: %w", h.Name, err)
	}
	return nil
}

func leaseKey(name string) Key { return Key{Partition: "lease", Sort: name} }

func placeLease(h Lease) Record { return Record{Expires: h.Until.Add(afterlife)} }
