package handler_test

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/eks-steward/eks-steward/internal/ledger"
)

// memory is a ledger.Store that is quick enough for days of ticks.
type memory struct {
	mu      sync.Mutex
	records map[ledger.Key]ledger.Record
}

func (m *memory) Read(_ context.Context, key ledger.Key) (ledger.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, found := m.records[key]
	if !found {
		return ledger.Record{}, ledger.ErrAbsent
	}
	return r, nil
}

func (m *memory) Write(_ context.Context, r ledger.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records[r.Key].Version != r.Version {
		return ledger.ErrConflict
	}
	r.Version++
	m.records[r.Key] = r
	return nil
}

func (m *memory) Delete(_ context.Context, key ledger.Key, version int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records[key].Version != version {
		return ledger.ErrConflict
	}
	delete(m.records, key)
	return nil
}

func (m *memory) Range(_ context.Context, partition, prefix string) iter.Seq2[ledger.Record, error] {
	return m.list(
		func(r ledger.Record) bool { return r.Partition == partition && strings.HasPrefix(r.Sort, prefix) },
		func(a, b ledger.Record) int { return strings.Compare(a.Sort, b.Sort) },
	)
}

func (m *memory) Due(_ context.Context, queue string, until time.Time) iter.Seq2[ledger.Record, error] {
	return m.list(
		func(r ledger.Record) bool { return r.Queue == queue && !r.Due.After(until) },
		func(a, b ledger.Record) int { return a.Due.Compare(b.Due) },
	)
}

func (m *memory) list(in func(ledger.Record) bool, order func(a, b ledger.Record) int) iter.Seq2[ledger.Record, error] {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := slices.SortedFunc(maps.Values(m.records), order)
	return func(yield func(ledger.Record, error) bool) {
		for _, r := range found {
			if in(r) && !yield(r, nil) {
				return
			}
		}
	}
}
