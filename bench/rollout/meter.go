package main

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/eks-steward/eks-steward/internal/ledger"
)

// records are what was asked of the ledger, and what DynamoDB takes for it.
type records struct {
	reads, writes         int // requests; those to delete are writes
	readUnits, writeUnits float64
}

func (r *records) add(more records) {
	r.reads += more.reads
	r.writes += more.writes
	r.readUnits += more.readUnits
	r.writeUnits += more.writeUnits
}

// A meter counts what is asked of a store through it. It satisfies ledger.Store.
//
// Units are those of DynamoDB on demand: a strongly consistent read takes one for
// each 4 KB of what it finds, at least one, and an index half of that; a write takes
// one for each 1 KB, and as much again for the index in which the record stands. See
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
type meter struct {
	ledger.Store

	mu    sync.Mutex
	spent records
}

// take is what was counted since it was last taken.
func (m *meter) take() records {
	m.mu.Lock()
	defer m.mu.Unlock()
	spent := m.spent
	m.spent = records{}
	return spent
}

func (m *meter) count(r records) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spent.add(r)
}

const (
	readUnit  = 4 << 10
	writeUnit = 1 << 10
	// attributes are the names and numbers of an item beside its keys and body.
	attributes = 60
)

func sizeOf(r ledger.Record) int { return len(r.Partition) + len(r.Sort) + len(r.Body) + attributes }

func units(bytes, unit int) float64 { return float64(max(1, (bytes+unit-1)/unit)) }

// Read implements ledger.Store.
func (m *meter) Read(ctx context.Context, key ledger.Key) (ledger.Record, error) {
	r, err := m.Store.Read(ctx, key)
	m.count(records{reads: 1, readUnits: units(sizeOf(r), readUnit)})
	return r, err
}

// Write implements ledger.Store.
func (m *meter) Write(ctx context.Context, r ledger.Record) error {
	m.count(records{writes: 1, writeUnits: written(r)})
	return m.Store.Write(ctx, r)
}

// Delete implements ledger.Store.
func (m *meter) Delete(ctx context.Context, key ledger.Key, version int64) error {
	r, err := m.Store.Read(ctx, key)
	if err != nil {
		r.Key = key
	}
	m.count(records{writes: 1, writeUnits: written(r)})
	return m.Store.Delete(ctx, key, version)
}

func written(r ledger.Record) float64 {
	n := units(sizeOf(r), writeUnit)
	if r.Queue != "" {
		n *= 2
	}
	return n
}

// Range implements ledger.Store.
func (m *meter) Range(ctx context.Context, partition, prefix string) iter.Seq2[ledger.Record, error] {
	return m.query(m.Store.Range(ctx, partition, prefix), 1)
}

// Due implements ledger.Store.
func (m *meter) Due(ctx context.Context, queue string, until time.Time) iter.Seq2[ledger.Record, error] {
	return m.query(m.Store.Due(ctx, queue, until), 0.5)
}

// query counts a query as one read for each page of 1 MB, however much of it is
// looked at.
func (m *meter) query(found iter.Seq2[ledger.Record, error], each float64) iter.Seq2[ledger.Record, error] {
	const page = 1 << 20
	bytes := 0
	for r, err := range found {
		if err == nil {
			bytes += sizeOf(r)
		}
	}
	m.count(records{reads: max(1, (bytes+page-1)/page), readUnits: each * units(bytes, readUnit)})
	return found
}
