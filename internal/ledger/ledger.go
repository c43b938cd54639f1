// Package ledger remembers what the product must not forget between two runs:
// incidents and who still has to hear of them, leases, follow-ups, watch lists,
// the accepted configuration, which cluster uses which key, what people approved,
// the intents behind writes to AWS, rollouts and how long they usually take. Every
// operation reads, decides and writes on condition that nobody was faster; it
// decides only what a record becomes, never whether something is wrong, and it
// never calls an AWS service other than the Store it is given.
package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"
	"unicode/utf8"
)

// Ledger is the typed view of a Store. It is safe for concurrent use if the
// Store is.
type Ledger struct {
	store Store
	clock func() time.Time
}

// New returns the ledger kept in s. Every expiry is judged by now.
func New(s Store, now func() time.Time) *Ledger { return &Ledger{store: s, clock: now} }

// now has no monotonic part and no zone, so that a time is equal to itself after
// it was stored.
func (l *Ledger) now() time.Time { return l.clock().UTC().Round(0) }

// attempts bounds how often a lost race is run again. Each loss means that
// another writer got on, so the caller's retry (SQS) is the better place to wait.
const attempts = 5

// The limits of a DynamoDB item, in bytes:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const (
	itemLimit      = 400 << 10
	itemOverhead   = 256 // names and numbers of an item beside its keys and body
	partitionLimit = 2048
	sortLimit      = 1024
)

// revise replaces the document at key by what decide makes of it. The document
// is nil where there is none; decide returns nil to have none, and the pointer
// that it was given to leave things as they are. It runs again after a lost
// race, on what the winner wrote. place says where the document stands besides
// its key: queue, due time and expiry.
func revise[T any](ctx context.Context, l *Ledger, key Key, place func(T) Record, decide func(known *T) (*T, error)) error {
	for range attempts {
		known, version, err := read[T](ctx, l, key)
		if err != nil {
			return err
		}
		next, err := decide(known)
		if err != nil || next == known {
			return err
		}
		if next == nil {
			err = l.store.Delete(ctx, key, version)
		} else {
			err = write(ctx, l, key, version, place(*next), next)
		}
		if !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("%d writers in a row were faster: %w", attempts, ErrConflict)
}

// read returns the document at key, or nil where there is none, and the version
// that a write has to replace. A document that expired counts as absent, but its
// record may still be there to be replaced: DynamoDB takes days to drop it.
func read[T any](ctx context.Context, l *Ledger, key Key) (*T, int64, error) {
	if err := key.valid(); err != nil {
		return nil, 0, err
	}
	r, err := l.store.Read(ctx, key)
	if errors.Is(err, ErrAbsent) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	if r.expired(l.now()) {
		return nil, r.Version, nil
	}
	doc, err := decode[T](r)
	return doc, r.Version, err
}

func write[T any](ctx context.Context, l *Ledger, key Key, version int64, r Record, doc *T) error {
	body, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("encode record %s: %w", key, err)
	}
	size := len(body) + len(key.Partition) + len(key.Sort) + itemOverhead
	if size > itemLimit {
		return fmt.Errorf("record %s takes %d KB and DynamoDB stores at most %d KB: make it shorter", key, (size+1023)>>10, itemLimit>>10)
	}
	r.Key, r.Version, r.Body = key, version, body
	return l.store.Write(ctx, r)
}

// documents collects what has not expired. One record that cannot be read must
// not hide the others, so they are returned along with the error.
func documents[T any](l *Ledger, records iter.Seq2[Record, error]) ([]T, error) {
	var (
		docs []T
		errs []error
		now  = l.now()
	)
	for r, err := range records {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if r.expired(now) {
			continue
		}
		doc, err := decode[T](r)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		docs = append(docs, *doc)
	}
	return docs, errors.Join(errs...)
}

func decode[T any](r Record) (*T, error) {
	doc := new(T)
	if err := json.Unmarshal(r.Body, doc); err != nil {
		return nil, fmt.Errorf("decode record %s: %w", r.Key, err)
	}
	return doc, nil
}

func (r Record) expired(now time.Time) bool { return !r.Expires.IsZero() && !now.Before(r.Expires) }

// String is the form used in errors.
func (k Key) String() string { return fmt.Sprintf("%q of %q", k.Sort, k.Partition) }

// valid refuses a key that a database would refuse or, worse, change.
func (k Key) valid() error {
	switch {
	case k.Partition == "" || k.Sort == "":
		return errors.New("a record of the ledger needs a name: want one that is not empty")
	case len(k.Partition) > partitionLimit || len(k.Sort) > sortLimit:
		return fmt.Errorf("the name of a record is %d and %d bytes long: want at most %d and %d", len(k.Partition), len(k.Sort), partitionLimit, sortLimit)
	case !utf8.ValidString(k.Partition) || !utf8.ValidString(k.Sort):
		return fmt.Errorf("the name %s of a record is not UTF-8", k)
	}
	return nil
}

// unplaced is the place of a document that stands in no queue and never expires.
func unplaced[T any](T) Record { return Record{} }
