// Package ledgertest says what a ledger.Store has to do to carry a
// ledger.Ledger. Conformance is the whole demand, the same for a file as for
// DynamoDB; it decides nothing about how a store does it. Memory is the one that
// other tests use.
package ledgertest

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/ledger"
)

// A clause is one demand. Numbers in the names are rows of the list of faults.
type clause struct {
	name string
	test func(t *testing.T, s ledger.Store)
}

// Conformance runs every clause on a store of its own, which open returns empty.
func Conformance(t *testing.T, open func(t *testing.T) ledger.Store) {
	t.Helper()
	for name, clauses := range map[string][]clause{"store": storeClauses, "ledger": ledgerClauses} {
		t.Run(name, func(t *testing.T) {
			for _, c := range clauses {
				t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
			}
		})
	}
}

// start is the time at which every clause begins. It is long past, so that a
// store that looks at the machine's clock is found out.
var start = time.Date(2025, time.March, 30, 0, 59, 30, 123_000_000, time.UTC)

// hand is a clock that is moved by hand.
type hand struct{ at time.Time }

func (h *hand) now() time.Time          { return h.at }
func (h *hand) forward(d time.Duration) { h.at = h.at.Add(d) }

// ledgerAt returns a ledger over s and the clock that it goes by.
func ledgerAt(s ledger.Store) (*ledger.Ledger, *hand) {
	h := &hand{at: start}
	return ledger.New(s, h.now), h
}

var target = fleet.Target{Account: "111122223333", Region: "eu-west-1"}

func finding(cluster string, outcome fleet.Outcome, severity fleet.Severity) fleet.Finding {
	return fleet.Finding{
		Check: "etcd-size", Cluster: target.Cluster(cluster), Outcome: outcome, Severity: severity,
		Cause: "filling", Title: "etcd of " + cluster, Observed: "7.1 GB", At: start,
	}
}

func key(partition, sort string) ledger.Key { return ledger.Key{Partition: partition, Sort: sort} }

// put writes a new record and returns it as stored.
func put(t *testing.T, s ledger.Store, r ledger.Record) ledger.Record {
	t.Helper()
	ok(t, s.Write(t.Context(), r))
	stored, err := s.Read(t.Context(), r.Key)
	ok(t, err)
	return stored
}

// sorts collects the sort keys of a sequence.
func sorts(t *testing.T, records iter.Seq2[ledger.Record, error]) []string {
	t.Helper()
	var out []string
	for r, err := range records {
		ok(t, err)
		out = append(out, r.Sort)
	}
	return out
}

// clusters collects the clusters of incidents.
func clusters(incidents []incident.Incident) []string {
	var out []string
	for _, i := range incidents {
		out = append(out, i.Finding.Cluster.Name)
	}
	return out
}

func observe(t *testing.T, l *ledger.Ledger, f fleet.Finding, want incident.Transition) incident.Incident {
	t.Helper()
	i, got, err := l.Observe(t.Context(), f)
	ok(t, err)
	same(t, "transition", got, want)
	return i
}

// told marks everything about an incident as published, told and settled.
func told(ctx context.Context, l *ledger.Ledger, i incident.Incident) error {
	return errors.Join(
		l.Published(ctx, i.ID(), i.Revision),
		l.Told(ctx, i.ID(), "slack", incident.Told{Revision: i.Revision, State: i.State, Fingerprint: i.Fingerprint(), At: start}),
		l.Settle(ctx, i, time.Time{}),
	)
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fails(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: got error %v, want %v", what, err, want)
	}
}

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// Unavailable checks that every call to a store that cannot be reached says so,
// and never that there is nothing.
func Unavailable(t *testing.T, s ledger.Store) {
	t.Helper()
	ctx := t.Context()
	_, err := s.Read(ctx, key("p", "a"))
	fails(t, "read", err, ledger.ErrUnavailable)
	fails(t, "write", s.Write(ctx, ledger.Record{Key: key("p", "a"), Body: []byte(`{}`)}), ledger.ErrUnavailable)
	fails(t, "write on a version", s.Write(ctx, ledger.Record{Key: key("p", "a"), Version: 3, Body: []byte(`{}`)}), ledger.ErrUnavailable)
	fails(t, "delete", s.Delete(ctx, key("p", "a"), 1), ledger.ErrUnavailable)
	for what, records := range map[string]iter.Seq2[ledger.Record, error]{
		"range": s.Range(ctx, "p", ""),
		"due":   s.Due(ctx, "q", start),
	} {
		last := errors.New("no error")
		for _, err := range records {
			last = err
		}
		fails(t, what, last, ledger.ErrUnavailable)
	}
}
