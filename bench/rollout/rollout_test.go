package main

import (
	"maps"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/ledgertest"
)

func deploy(t *testing.T, clusters, maxClusters, maxGroups int) *product {
	t.Helper()
	p, err := newProduct(size{clusters, func(int) int { return 2 }}, maxClusters, maxGroups)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.server.Close)
	return p
}

func TestAnIdleTickCostsOneReadOfTheLedgerAndNoCall(t *testing.T) {
	p := deploy(t, 3, 2, 2)
	idle := func() (own records) {
		t.Helper()
		p.set(p.now().Add(5 * time.Minute))
		if err := p.tick(t.Context(), events.FiveMinutes); err != nil {
			t.Fatal(err)
		}
		return p.own.take()
	}
	idle() // accepts the configuration
	p.runs = nil
	with := idle()
	if len(p.runs) != 1 || p.runs[0].reads != 1 || p.runs[0].writes != 0 || len(p.runs[0].calls) != 0 || p.runs[0].passed {
		t.Errorf("a tick without a rollout took %+v, want one read by dispatch and nothing else", p.runs)
	}
	delete(p.dispatch.Queues, events.NodegroupRollout)
	if without := idle(); with != without {
		t.Errorf("beside that read dispatch took %+v with rollouts and %+v without", with, without)
	}
}

func TestATickWithTheSameUnderWayCostsTheSameInAFleetTenTimesAsLarge(t *testing.T) {
	small, large := ticks(t, deploy(t, 30, 3, 2)), ticks(t, deploy(t, 300, 3, 2))
	if len(small) != len(large) {
		t.Fatalf("%d ticks in the small fleet and %d in the large one", len(small), len(large))
	}
	var waits, follows, begins int
	for i, s := range small {
		l := large[i]
		if !s.at.Equal(l.at) || s.under != l.under {
			t.Fatalf("tick %d: %d groups under way at %s, and %d at %s", i, s.under, s.at, l.under, l.at)
		}
		if !maps.Equal(s.calls, l.calls) {
			t.Errorf("at %s, with %d groups under way: calls %v, and %v in the large fleet", s.at, s.under, s.calls, l.calls)
		}
		if s.reads != l.reads || s.writes != l.writes {
			t.Errorf("at %s, with %d groups under way: %d reads and %d writes, and %d and %d in the large fleet", s.at, s.under, s.reads, s.writes, l.reads, l.writes)
		}
		switch {
		case s.began() > 0:
			begins++
		case s.under > 0:
			follows++
		default:
			waits++
		}
	}
	if waits == 0 || follows == 0 || begins == 0 {
		t.Errorf("%d ticks waited, %d followed and %d began something: want some of each", waits, follows, begins)
	}
}

// ticks are those of a fleet that begins its first groups, until they are about to
// be done.
func ticks(t *testing.T, p *product) []run {
	t.Helper()
	if err := p.night(t.Context(), 50*time.Minute); err != nil {
		t.Fatal(err)
	}
	var all []run
	for _, r := range p.runs {
		if r.event == "Tick" {
			all = append(all, r)
		}
	}
	return all
}

func TestTheTableCarriesALedger(t *testing.T) {
	ledgertest.Conformance(t, func(*testing.T) ledger.Store { return newTable() })
}

func TestAMeterCountsTheUnitsOfDynamoDB(t *testing.T) {
	key := ledger.Key{Partition: "p", Sort: "s"}
	body := func(n int) []byte { return make([]byte, n-attributes-len("ps")) }
	due := time.Unix(1, 0)
	for _, tt := range []struct {
		name string
		do   func(m *meter) error
		want records
	}{
		{"a write of a kilobyte", func(m *meter) error { return m.Write(t.Context(), ledger.Record{Key: key, Body: body(1024)}) }, records{writes: 1, writeUnits: 1}},
		{"a write of a byte more, in a queue", func(m *meter) error {
			return m.Write(t.Context(), ledger.Record{Key: key, Body: body(1025), Queue: "q", Due: due})
		}, records{writes: 1, writeUnits: 4}},
		{"a read of what is not there", func(m *meter) error { _, _ = m.Read(t.Context(), key); return nil }, records{reads: 1, readUnits: 1}},
		{"a read of 4 KB and a byte", func(m *meter) error {
			if err := m.Store.Write(t.Context(), ledger.Record{Key: key, Body: body(4<<10 + 1)}); err != nil {
				return err
			}
			_, err := m.Read(t.Context(), key)
			return err
		}, records{reads: 1, readUnits: 2}},
		{"a look at an empty queue", func(m *meter) error { m.Due(t.Context(), "q", due); return nil }, records{reads: 1, readUnits: 0.5}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &meter{Store: newTable()}
			if err := tt.do(m); err != nil {
				t.Fatal(err)
			}
			if got := m.take(); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}
