package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/rollout"
)

const (
	// rollouts is the partition of the active rollout and of those that ended.
	rollouts = "rollout"
	// history is how long a rollout that ended stays readable: a year and a month,
	// so that one can be compared with that of the same season.
	history = 400 * 24 * time.Hour
)

// activeRollout is the one place that a rollout is carried out from, so that
// finding out that there is none takes one read.
var activeRollout = Key{Partition: rollouts, Sort: "active"}

type (
	rolloutRecord  = large[rollout.Rollout]
	progressRecord = large[rollout.Progress]
)

// ActiveRollout is the one that holds the place, or ErrAbsent. One that has ended
// holds it until the bus has heard of that, or until the next one starts.
func (l *Ledger) ActiveRollout(ctx context.Context) (rollout.Rollout, error) {
	known, _, err := read[rolloutRecord](ctx, l, activeRollout)
	if err == nil && (known == nil || leaves(known.doc)) {
		err = ErrAbsent
	}
	if err != nil {
		return rollout.Rollout{}, fmt.Errorf("read the active rollout: %w", err)
	}
	return known.doc, nil
}

// leaves reports whether a rollout has no business any more in the place of the
// active one. It may be there all the same, if the process died that was to move
// it.
func leaves(r rollout.Rollout) bool { return !r.Ended.IsZero() && r.Told == r.State }

// StartRollout sets a rollout down with the progress of its clusters, which comes
// first: a rollout without it cannot be carried out, and progress without a rollout
// expires. The same rollout again is no error. The error is ErrConflict when
// another one is active, or when this one has ended already.
func (l *Ledger) StartRollout(ctx context.Context, r rollout.Rollout, all []rollout.Progress) error {
	err := l.vacant(ctx, r.ID)
	for _, p := range all {
		if err == nil {
			err = l.setDownProgress(ctx, r.ID, p)
		}
	}
	if err == nil {
		err = l.takePlace(ctx, r)
	}
	if err != nil {
		return fmt.Errorf("start rollout %s: %w", r.ID, err)
	}
	return nil
}

// vacant refuses what cannot start, before thousands of records are written.
func (l *Ledger) vacant(ctx context.Context, id string) error {
	ended, _, err := read[rolloutRecord](ctx, l, endedRollout(id))
	if err != nil {
		return err
	}
	if ended != nil {
		return fmt.Errorf("it has ended as %s: %w", ended.doc.State, ErrConflict)
	}
	known, _, err := read[rolloutRecord](ctx, l, activeRollout)
	if err != nil || known == nil {
		return err
	}
	return admits(known.doc, id)
}

// admits reports whether the rollout in the place lets the one of an id have it.
func admits(known rollout.Rollout, id string) error {
	switch {
	case known.Ended.IsZero() && known.ID != id:
		return fmt.Errorf("rollout %s is %s: %w", known.ID, known.State, ErrConflict)
	case !known.Ended.IsZero() && known.ID == id:
		return fmt.Errorf("it has ended as %s: %w", known.State, ErrConflict)
	}
	return nil
}

// setDownProgress leaves one that is known as it is: it is of the same plan, and
// if the answer to an earlier start was lost, its groups may be under way.
func (l *Ledger) setDownProgress(ctx context.Context, id string, p rollout.Progress) error {
	key := progressKey(id, p.Cluster.ID)
	if err := key.valid(); err != nil {
		return err
	}
	err := write(ctx, l, key, 0, Record{Expires: l.now().Add(history)}, &progressRecord{p})
	if errors.Is(err, ErrConflict) {
		return nil
	}
	return err
}

func (l *Ledger) takePlace(ctx context.Context, r rollout.Rollout) error {
	next := rolloutRecord{r}
	return revise(ctx, l, activeRollout, unplaced, func(known *rolloutRecord) (*rolloutRecord, error) {
		if known == nil {
			return &next, nil
		}
		if err := admits(known.doc, r.ID); err != nil {
			return nil, err
		}
		if known.doc.ID == r.ID { // our own write, whose answer was lost on the way
			return known, nil
		}
		if err := l.remember(ctx, known.doc); err != nil {
			return nil, err
		}
		return &next, nil
	})
}

// ReviseRollout changes the rollout that holds the place and returns what it is
// now. change may be called again, on what another writer wrote. The error is
// ErrAbsent when another one holds the place, or none.
func (l *Ledger) ReviseRollout(ctx context.Context, id string, change func(*rollout.Rollout) error) (rollout.Rollout, error) {
	var r rollout.Rollout
	err := revise(ctx, l, activeRollout, unplaced, func(known *rolloutRecord) (*rolloutRecord, error) {
		if known == nil || known.doc.ID != id {
			return nil, ErrAbsent
		}
		next, err := revised(known, change)
		if err == nil {
			r = next.doc
		}
		return next, err
	})
	if err == nil && leaves(r) {
		err = l.retire(ctx, id)
	}
	if err != nil {
		return r, fmt.Errorf("revise rollout %s: %w", id, err)
	}
	return r, nil
}

// revised is the document after a change, or the one that it was given when the
// change made no difference: a beat that found nothing new writes nothing.
func revised[T any](known *large[T], change func(*T) error) (*large[T], error) {
	before, err := json.Marshal(known.doc)
	if err != nil {
		return nil, err
	}
	next := *known
	if err := change(&next.doc); err != nil {
		return nil, err
	}
	after, err := json.Marshal(next.doc)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(before, after) {
		return known, nil
	}
	return &next, nil
}

// retire moves the rollout from the place to the history. Dying in between loses
// nothing: ActiveRollout looks past it, Rollouts counts it once, and the next start
// moves it.
func (l *Ledger) retire(ctx context.Context, id string) error {
	return revise(ctx, l, activeRollout, unplaced, func(known *rolloutRecord) (*rolloutRecord, error) {
		if known == nil || known.doc.ID != id {
			return known, nil // the next one has it
		}
		if err := l.remember(ctx, known.doc); err != nil {
			return nil, err
		}
		return nil, nil // the place is free
	})
}

func (l *Ledger) remember(ctx context.Context, r rollout.Rollout) error {
	place := func(rolloutRecord) Record { return Record{Expires: r.Ended.Add(history)} }
	return revise(ctx, l, endedRollout(r.ID), place, func(*rolloutRecord) (*rolloutRecord, error) {
		return &rolloutRecord{r}, nil
	})
}

// Rollouts lists the rollouts of the last 400 days, the newest first, with the
// active one. Those that could be read are returned along with an error about the
// others.
func (l *Ledger) Rollouts(ctx context.Context) ([]rollout.Rollout, error) {
	records, err := documents[rolloutRecord](l, l.store.Range(ctx, rollouts, ""))
	if err != nil {
		err = fmt.Errorf("read rollouts: %w", err)
	}
	by := map[string]rollout.Rollout{} // one that is being moved is there twice
	for _, r := range records {
		by[r.doc.ID] = r.doc
	}
	newest := func(a, b rollout.Rollout) int { return b.Started.Compare(a.Started) }
	return slices.SortedFunc(maps.Values(by), newest), err
}

// Rollout is the rollout of an id, active or ended, or ErrAbsent.
func (l *Ledger) Rollout(ctx context.Context, id string) (rollout.Rollout, error) {
	known, _, err := read[rolloutRecord](ctx, l, activeRollout)
	if err == nil && (known == nil || known.doc.ID != id) {
		known, _, err = read[rolloutRecord](ctx, l, endedRollout(id))
	}
	if err == nil && known == nil {
		err = ErrAbsent
	}
	if err != nil {
		return rollout.Rollout{}, fmt.Errorf("read rollout %s: %w", id, err)
	}
	return known.doc, nil
}

// RolloutProgress is that of one cluster, or ErrAbsent.
func (l *Ledger) RolloutProgress(ctx context.Context, id string, c fleet.ClusterID) (rollout.Progress, error) {
	known, _, err := read[progressRecord](ctx, l, progressKey(id, c))
	if err == nil && known == nil {
		err = ErrAbsent
	}
	if err != nil {
		return rollout.Progress{}, fmt.Errorf("read the progress of rollout %s on %s: %w", id, c, err)
	}
	return known.doc, nil
}

// AllProgress is that of every cluster of a rollout, by account, region and name.
// What could be read is returned along with an error about the rest.
func (l *Ledger) AllProgress(ctx context.Context, id string) ([]rollout.Progress, error) {
	records, err := documents[progressRecord](l, l.store.Range(ctx, progressPartition(id), ""))
	if err != nil {
		err = fmt.Errorf("read the progress of rollout %s: %w", id, err)
	}
	var all []rollout.Progress
	for _, r := range records {
		all = append(all, r.doc)
	}
	return all, err
}

// ReviseProgress changes the progress of one cluster and returns what it is now.
// change may be called again, on what another writer wrote. The error is ErrAbsent
// when there is none.
func (l *Ledger) ReviseProgress(ctx context.Context, id string, c fleet.ClusterID, change func(*rollout.Progress) error) (rollout.Progress, error) {
	var p rollout.Progress
	expires := l.now().Add(history)
	place := func(progressRecord) Record { return Record{Expires: expires} }
	err := revise(ctx, l, progressKey(id, c), place, func(known *progressRecord) (*progressRecord, error) {
		if known == nil {
			return nil, ErrAbsent
		}
		next, err := revised(known, change)
		if err == nil {
			p = next.doc
		}
		return next, err
	})
	if err != nil {
		return p, fmt.Errorf("revise the progress of rollout %s on %s: %w", id, c, err)
	}
	return p, nil
}

func endedRollout(id string) Key { return Key{Partition: rollouts, Sort: "ended/" + id} }

func progressPartition(id string) string { return rollouts + "#" + id }

func progressKey(id string, c fleet.ClusterID) Key {
	return Key{Partition: progressPartition(id), Sort: c.String()}
}
