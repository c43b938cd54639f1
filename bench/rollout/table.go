package main

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/eks-steward/eks-steward/internal/ledger"
)

// A table is a ledger's store in memory: a file that is written to disk each time
// would take longer than all the rest. It satisfies ledger.Store.
type table struct {
	mu         sync.Mutex
	partitions map[string]map[string]ledger.Record
	queues     map[string]map[ledger.Key]bool
}

func newTable() *table {
	return &table{partitions: map[string]map[string]ledger.Record{}, queues: map[string]map[ledger.Key]bool{}}
}

// Read implements ledger.Store.
func (t *table) Read(_ context.Context, key ledger.Key) (ledger.Record, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.partitions[key.Partition][key.Sort]
	if !ok {
		return ledger.Record{}, ledger.ErrAbsent
	}
	return copied(r), nil
}

// Write implements ledger.Store.
func (t *table) Write(_ context.Context, r ledger.Record) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.partitions[r.Partition][r.Sort].Version != r.Version {
		return ledger.ErrConflict
	}
	t.remove(r.Key)
	r = copied(r)
	r.Version++
	r.Due, r.Expires = r.Due.Truncate(time.Millisecond), r.Expires.Truncate(time.Second)
	if t.partitions[r.Partition] == nil {
		t.partitions[r.Partition] = map[string]ledger.Record{}
	}
	t.partitions[r.Partition][r.Sort] = r
	if r.Queue == "" {
		return nil
	}
	if t.queues[r.Queue] == nil {
		t.queues[r.Queue] = map[ledger.Key]bool{}
	}
	t.queues[r.Queue][r.Key] = true
	return nil
}

// Delete implements ledger.Store.
func (t *table) Delete(_ context.Context, key ledger.Key, version int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r, ok := t.partitions[key.Partition][key.Sort]; !ok || r.Version != version {
		return ledger.ErrConflict
	}
	t.remove(key)
	return nil
}

// remove wants mu to be held.
func (t *table) remove(key ledger.Key) {
	delete(t.queues[t.partitions[key.Partition][key.Sort].Queue], key)
	delete(t.partitions[key.Partition], key.Sort)
}

// Range implements ledger.Store.
func (t *table) Range(_ context.Context, partition, prefix string) iter.Seq2[ledger.Record, error] {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found []ledger.Record
	for sort, r := range t.partitions[partition] {
		if strings.HasPrefix(sort, prefix) {
			found = append(found, copied(r))
		}
	}
	slices.SortFunc(found, func(a, b ledger.Record) int { return cmp.Compare(a.Sort, b.Sort) })
	return each(found)
}

// Due implements ledger.Store.
func (t *table) Due(_ context.Context, queue string, until time.Time) iter.Seq2[ledger.Record, error] {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found []ledger.Record
	for key := range t.queues[queue] {
		if r := t.partitions[key.Partition][key.Sort]; r.Due.UnixMilli() <= until.UnixMilli() {
			found = append(found, copied(r))
		}
	}
	slices.SortFunc(found, func(a, b ledger.Record) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Sort, b.Sort))
	})
	return each(found)
}

func copied(r ledger.Record) ledger.Record {
	r.Body = slices.Clone(r.Body)
	return r
}

func each(found []ledger.Record) iter.Seq2[ledger.Record, error] {
	return func(yield func(ledger.Record, error) bool) {
		for _, r := range found {
			if !yield(r, nil) {
				return
			}
		}
	}
}
