package ledger

import (
	"context"
	"fmt"
)

// digest is the last daily digest of one route.
type digest struct {
	Day string `json:"day"`
}

// DigestDay is the day, such as 2026-11-20, of the last daily digest that a route
// had; empty when it had none.
func (l *Ledger) DigestDay(ctx context.Context, route string) (string, error) {
	d, _, err := read[digest](ctx, l, digestKey(route))
	if err != nil {
		return "", fmt.Errorf("read the day of the last digest of %s: %w", route, err)
	}
	if d == nil {
		return "", nil
	}
	return d.Day, nil
}

// NoteDigest records that a route had its digest of a day. An earlier day changes
// nothing.
func (l *Ledger) NoteDigest(ctx context.Context, route, day string) error {
	err := revise(ctx, l, digestKey(route), unplaced, func(known *digest) (*digest, error) {
		if known != nil && known.Day >= day {
			return known, nil
		}
		return &digest{Day: day}, nil
	})
	if err != nil {
		return fmt.Errorf("note the digest of %s: %w", route, err)
	}
	return nil
}

func digestKey(route string) Key { return Key{Partition: "daily-digest", Sort: route} }
