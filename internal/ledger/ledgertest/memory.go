package ledgertest

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/eks-steward/eks-steward/internal/ledger"
)

// Memory is a Store for tests that live through days of ticks. The zero Memory is
// empty.
type Memory struct {
	mu      sync.Mutex
	records map[ledger.Key]ledger.Record
}

var _ ledger.Store = (*Memory)(nil)

// Read implements ledger.Store.
func (m *Memory) Read(_ context.Context, key ledger.Key) (ledger.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, found := m.records[key]
	if !found {
		return ledger.Record{}, ledger.ErrAbsent
	}
	return r, nil
}

// Write implements ledger.Store.
func (m *Memory) Write(_ context.Context, r ledger.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records[r.Key].Version != r.Version {
		return ledger.ErrConflict
	}
	if m.records == nil {
		m.records = map[ledger.Key]ledger.Record{}
	}
	r.Version++
	// What no database keeps, this one does not either.
	r.Due, r.Expires = r.Due.Truncate(time.Millisecond), r.Expires.Truncate(time.Second)
	m.records[r.Key] = r
	return nil
}

// Delete implements ledger.Store.
func (m *Memory) Delete(_ context.Context, key ledger.Key, version int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known, found := m.records[key]; !found || known.Version != version {
		return ledger.ErrConflict
	}
	delete(m.records, key)
	return nil
}

// Range implements ledger.Store.
func (m *Memory) Range(_ context.Context, partition, prefix string) iter.Seq2[ledger.Record, error] {
	return m.list(
		func(r ledger.Record) bool { return r.Partition == partition && strings.HasPrefix(r.Sort, prefix) },
		func(a, b ledger.Record) int { return cmp.Compare(a.Sort, b.Sort) },
	)
}

// Due implements ledger.Store.
func (m *Memory) Due(_ context.Context, queue string, until time.Time) iter.Seq2[ledger.Record, error] {
	return m.list(
		func(r ledger.Record) bool { return r.Queue == queue && !r.Due.After(until) },
		func(a, b ledger.Record) int { return a.Due.Compare(b.Due) },
	)
}

func (m *Memory) list(in func(ledger.Record) bool, order func(a, b ledger.Record) int) iter.Seq2[ledger.Record, error] {
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
