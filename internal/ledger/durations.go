package ledger

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// usual is how long updates of one group took.
type usual struct {
	Took  time.Duration `json:"took"`
	Noted time.Time     `json:"noted"` // when it was last measured
}

// durations are those of the groups of one cluster, by name.
type durations map[string]usual

const (
	usualDurations = "usual-duration"
	// telling is how long a measure says something about the next update.
	telling = 365 * 24 * time.Hour
)

// UsualDurations are how long updates of a cluster's groups took, by name. Of a
// group that nobody has measured within a year there is none.
func (l *Ledger) UsualDurations(ctx context.Context, c fleet.ClusterID) (map[string]time.Duration, error) {
	known, _, err := read[durations](ctx, l, durationsKey(c))
	if err != nil {
		return nil, fmt.Errorf("read how long updates of %s take: %w", c, err)
	}
	took := map[string]time.Duration{}
	if known != nil {
		for group, u := range known.since(l.now().Add(-telling)) {
			took[group] = u.Took
		}
	}
	return took, nil
}

// NoteDuration sets down how long an update took. It counts as much as all before
// it together: groups grow, and their pods change. A duration that is not above
// zero was measured by a clock that was set back, and is left out.
func (l *Ledger) NoteDuration(ctx context.Context, c fleet.ClusterID, group string, took time.Duration) error {
	if took <= 0 {
		return nil
	}
	now := l.now()
	place := func(durations) Record { return Record{Expires: now.Add(telling)} }
	err := revise(ctx, l, durationsKey(c), place, func(known *durations) (*durations, error) {
		next := durations{}
		if known != nil {
			next = known.since(now.Add(-telling))
		}
		u := usual{Took: took, Noted: now}
		if before, ok := next[group]; ok {
			u.Took = before.Took + (took-before.Took)/2
		}
		next[group] = u
		return &next, nil
	})
	if err != nil {
		return fmt.Errorf("note how long the update of %s/%s took: %w", c, group, err)
	}
	return nil
}

// since leaves out what was last measured at a time or before.
func (d durations) since(t time.Time) durations {
	recent := maps.Clone(d)
	maps.DeleteFunc(recent, func(_ string, u usual) bool { return !u.Noted.After(t) })
	return recent
}

func durationsKey(c fleet.ClusterID) Key { return Key{Partition: usualDurations, Sort: c.String()} }
