package ledgertest

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/ledger"
)

var storeClauses = []clause{
	{"a record is read as it was written", readAsWritten},
	{"what nobody wrote is absent", absent},
	{"every write raises the version by one", versionsRise},
	{"a write on any other version is a conflict", writeConflicts},
	{"a delete of any other version is a conflict", deleteConflicts},
	{"32: of many writers of one version exactly one wins", oneWriterWins},
	{"a range is in the order of bytes and stays in its partition and prefix", rangeOrder},
	{"a queue yields what is due, the earliest first", dueOrder},
	{"a record leaves a queue when it is written without one", leavesQueue},
	{"an expired record stays until the database drops it", expiredStays},
	{"a range and a queue go on over more than one megabyte", pages},
	{"a body may have 390 KB", bigBody},
	{"a consumer may stop and may write while it reads", consumer},
}

func readAsWritten(t *testing.T, s ledger.Store) {
	for name, r := range map[string]ledger.Record{
		"bare":    {Key: key("plain", "a"), Body: []byte(`{}`)},
		"full":    {Key: key("plain", "b"), Queue: "q", Due: start, Expires: start.Truncate(time.Second), Body: []byte(`{"a":[1,2]}`)},
		"unicode": {Key: key("größe#日本", "ключ/😀 \u2028"), Queue: "очередь", Due: start, Body: []byte(`"naïve <&> \u0000 😀"`)},
		"hostile": {Key: key("plain", "a\x00b\n'\"#:,{}"), Body: []byte(`"x"`)},
	} {
		got := put(t, s, r)
		r.Version = 1
		if !reflect.DeepEqual(got, r) {
			t.Errorf("%s: got %+v, want %+v", name, got, r)
		}
	}
}

func absent(t *testing.T, s ledger.Store) {
	put(t, s, ledger.Record{Key: key("p", "ab"), Body: []byte(`{}`)})
	for _, k := range []ledger.Key{key("p", "a"), key("p", "abc"), key("q", "ab")} {
		_, err := s.Read(t.Context(), k)
		fails(t, k.String(), err, ledger.ErrAbsent)
	}
	same(t, "records of a partition nobody wrote to", len(sorts(t, s.Range(t.Context(), "q", ""))), 0)
	same(t, "records of a queue nobody wrote to", len(sorts(t, s.Due(t.Context(), "q", start))), 0)
}

func versionsRise(t *testing.T, s ledger.Store) {
	r := ledger.Record{Key: key("p", "a"), Body: []byte(`0`)}
	for n := range int64(4) {
		same(t, "version before the write", r.Version, n)
		r = put(t, s, r)
	}
	ok(t, s.Delete(t.Context(), r.Key, 4))
	r.Version = 0
	same(t, "version after a delete", put(t, s, r).Version, 1)
}

func writeConflicts(t *testing.T, s ledger.Store) {
	fails(t, "version 1 of nothing", s.Write(t.Context(), ledger.Record{Key: key("p", "a"), Version: 1, Body: []byte(`1`)}), ledger.ErrConflict)
	r := put(t, s, ledger.Record{Key: key("p", "a"), Body: []byte(`"kept"`)})
	r = put(t, s, r)
	for _, version := range []int64{0, 1, 3} {
		err := s.Write(t.Context(), ledger.Record{Key: r.Key, Version: version, Body: []byte(`"lost"`)})
		fails(t, fmt.Sprintf("write on version %d of 2", version), err, ledger.ErrConflict)
	}
	kept, err := s.Read(t.Context(), r.Key)
	ok(t, err)
	same(t, "body", string(kept.Body), `"kept"`)
}

func deleteConflicts(t *testing.T, s ledger.Store) {
	fails(t, "delete of nothing", s.Delete(t.Context(), key("p", "a"), 1), ledger.ErrConflict)
	r := put(t, s, put(t, s, ledger.Record{Key: key("p", "a"), Body: []byte(`1`)}))
	for _, version := range []int64{1, 3} {
		fails(t, fmt.Sprintf("delete of version %d of 2", version), s.Delete(t.Context(), r.Key, version), ledger.ErrConflict)
	}
	ok(t, s.Delete(t.Context(), r.Key, 2))
	_, err := s.Read(t.Context(), r.Key)
	fails(t, "read after delete", err, ledger.ErrAbsent)
}

func oneWriterWins(t *testing.T, s ledger.Store) {
	const writers, rounds = 12, 4
	for version := range int64(rounds) {
		var (
			wins atomic.Int32
			race sync.WaitGroup
			gun  = make(chan struct{})
		)
		for n := range writers {
			race.Go(func() {
				<-gun
				err := s.Write(t.Context(), ledger.Record{Key: key("p", "a"), Version: version, Body: fmt.Appendf(nil, "%d", n)})
				switch {
				case err == nil:
					wins.Add(1)
				case !errors.Is(err, ledger.ErrConflict):
					t.Errorf("a loser got %v, want ErrConflict", err)
				}
			})
		}
		close(gun)
		race.Wait()
		same(t, "winners", wins.Load(), 1)
	}
}

func rangeOrder(t *testing.T, s ledger.Store) {
	in := []string{"b", "a", "a/b", "a0", "é", "日本", "A", "a/b/c", "a-", "a/"}
	for _, sort := range in {
		put(t, s, ledger.Record{Key: key("p", sort), Body: []byte(`{}`)})
	}
	for _, neighbour := range []string{"o", "p#", "p2", "pa"} {
		put(t, s, ledger.Record{Key: key(neighbour, "a/b"), Body: []byte(`{}`)})
	}
	slices.Sort(in)
	for _, prefix := range []string{"", "a", "a/", "a/b/c", "é", "nothing"} {
		want := slices.DeleteFunc(slices.Clone(in), func(sort string) bool { return !strings.HasPrefix(sort, prefix) })
		if got := sorts(t, s.Range(t.Context(), "p", prefix)); !slices.Equal(got, want) {
			t.Errorf("prefix %q: got %q, want %q", prefix, got, want)
		}
	}
}

func dueOrder(t *testing.T, s ledger.Store) {
	for sort, after := range map[string]time.Duration{
		"past": -time.Hour, "now": 0, "earlier": -time.Millisecond, "later": time.Millisecond, "before 1970": -70 * 365 * 24 * time.Hour,
	} {
		put(t, s, ledger.Record{Key: key(sort, sort), Queue: "q", Due: start.Add(after), Body: []byte(`{}`)})
	}
	put(t, s, ledger.Record{Key: key("p", "other queue"), Queue: "q2", Due: start, Body: []byte(`{}`)})
	put(t, s, ledger.Record{Key: key("p", "no queue"), Body: []byte(`{}`)})
	want := []string{"before 1970", "past", "earlier", "now"}
	if got := sorts(t, s.Due(t.Context(), "q", start)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func leavesQueue(t *testing.T, s ledger.Store) {
	r := put(t, s, ledger.Record{Key: key("p", "a"), Queue: "q", Due: start, Body: []byte(`{}`)})
	r.Queue = "q2"
	r = put(t, s, r)
	same(t, "records in the old queue", len(sorts(t, s.Due(t.Context(), "q", start))), 0)
	same(t, "records in the new queue", len(sorts(t, s.Due(t.Context(), "q2", start))), 1)
	r.Queue, r.Due = "", time.Time{}
	r = put(t, s, r)
	same(t, "records in no queue", len(sorts(t, s.Due(t.Context(), "q2", start))), 0)
	r.Queue, r.Due = "q", start
	r = put(t, s, r)
	ok(t, s.Delete(t.Context(), r.Key, r.Version))
	same(t, "records in the queue of a deleted one", len(sorts(t, s.Due(t.Context(), "q", start))), 0)
}

func expiredStays(t *testing.T, s ledger.Store) {
	r := put(t, s, ledger.Record{Key: key("p", "a"), Expires: start, Body: []byte(`{}`)})
	same(t, "version", r.Version, 1)
	r.Expires = time.Time{}
	r = put(t, s, r)
	same(t, "version", r.Version, 2)
	same(t, "has no expiry left", r.Expires.IsZero(), true)
}

func pages(t *testing.T, s ledger.Store) {
	const records, size = 24, 64 << 10 // 1.5 MB; a page of DynamoDB has at most 1 MB
	body := fmt.Appendf(nil, "%q", strings.Repeat("x", size))
	var want []string
	for n := range records {
		sort := fmt.Sprintf("%03d", n)
		want = append(want, sort)
		ok(t, s.Write(t.Context(), ledger.Record{Key: key("p", sort), Queue: "q", Due: start.Add(time.Duration(n)), Body: body}))
	}
	if got := sorts(t, s.Range(t.Context(), "p", "")); !slices.Equal(got, want) {
		t.Errorf("range: got %q", got)
	}
	got := slices.Sorted(slices.Values(sorts(t, s.Due(t.Context(), "q", start.Add(time.Hour)))))
	if !slices.Equal(got, want) {
		t.Errorf("queue: got %q", got)
	}
}

func bigBody(t *testing.T, s ledger.Store) {
	body := fmt.Appendf(nil, "%q", strings.Repeat("x", 390<<10))
	r := put(t, s, ledger.Record{Key: key("p", "a"), Body: body})
	same(t, "is the body as written", bytes.Equal(r.Body, body), true)
}

func consumer(t *testing.T, s ledger.Store) {
	for _, sort := range []string{"a", "b", "c"} {
		put(t, s, ledger.Record{Key: key("p", sort), Queue: "q", Due: start, Body: []byte(`{}`)})
	}
	for r, err := range s.Range(t.Context(), "p", "") {
		ok(t, err)
		if r.Sort == "b" {
			break
		}
		r.Body = []byte(`"seen"`)
		put(t, s, r)
	}
	for r, err := range s.Due(t.Context(), "q", start) {
		ok(t, err)
		ok(t, s.Delete(t.Context(), r.Key, r.Version))
	}
	same(t, "records left", len(sorts(t, s.Range(t.Context(), "p", ""))), 0)
}
