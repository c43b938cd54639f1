// Package file keeps the ledger in one bbolt file: the twin of the DynamoDB
// table for the command line, the demo and tests. It stores and orders records
// and decides nothing; it never shares its file with a second process.
package file

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/eks-steward/eks-steward/internal/ledger"
)

// Store is an open file. It satisfies ledger.Store.
type Store struct{ db *bbolt.DB }

var _ ledger.Store = (*Store)(nil)

// lockPatience is how long Open waits for another process: long enough for one
// that is just closing, and no longer, since the others keep the file for as long
// as they run.
const lockPatience = 100 * time.Millisecond

var records = []byte("records")

// Open opens the file at path, or creates it. Its directory must exist.
func Open(path string) (*Store, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockPatience})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("ledger file %s is in use by another process: end that one first or name another file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("open ledger file %s: %w", path, err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(records)
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare ledger file %s: %w", path, err), db.Close())
	}
	return &Store{db: db}, nil
}

// Close gives the file free. Every later call fails with ErrUnavailable.
func (s *Store) Close() error { return s.db.Close() }

// Read implements ledger.Store.
func (s *Store) Read(ctx context.Context, key ledger.Key) (r ledger.Record, err error) {
	err = s.view(ctx, func(b *bbolt.Bucket) error {
		r, err = at(b, key)
		return err
	})
	return r, err
}

// Write implements ledger.Store.
func (s *Store) Write(ctx context.Context, r ledger.Record) error {
	return s.update(ctx, func(b *bbolt.Bucket) error {
		if err := unchanged(b, r.Key, r.Version); err != nil {
			return err
		}
		value, err := encode(r)
		if err != nil {
			return err
		}
		return b.Put(name(r.Key), value)
	})
}

// Delete implements ledger.Store.
func (s *Store) Delete(ctx context.Context, key ledger.Key, version int64) error {
	return s.update(ctx, func(b *bbolt.Bucket) error {
		if err := unchanged(b, key, version); err != nil {
			return err
		}
		return b.Delete(name(key))
	})
}

// Range implements ledger.Store.
func (s *Store) Range(ctx context.Context, partition, prefix string) iter.Seq2[ledger.Record, error] {
	return func(yield func(ledger.Record, error) bool) {
		found, err := s.scan(ctx, name(ledger.Key{Partition: partition, Sort: prefix}))
		each(found, err, yield)
	}
}

// Due implements ledger.Store. It looks at every record: a file holds the work
// of one machine.
func (s *Store) Due(ctx context.Context, queue string, until time.Time) iter.Seq2[ledger.Record, error] {
	return func(yield func(ledger.Record, error) bool) {
		found, err := s.scan(ctx, nil)
		found = slices.DeleteFunc(found, func(r ledger.Record) bool {
			return r.Queue != queue || r.Due.UnixMilli() > until.UnixMilli()
		})
		slices.SortStableFunc(found, func(a, b ledger.Record) int { return a.Due.Compare(b.Due) })
		each(found, err, yield)
	}
}

// scan reads the records whose names start with prefix. It ends its transaction
// before anybody sees them: a consumer that writes while a read transaction is
// open can block for ever (https://github.com/etcd-io/bbolt#caveats--limitations).
func (s *Store) scan(ctx context.Context, prefix []byte) (found []ledger.Record, err error) {
	err = s.view(ctx, func(b *bbolt.Bucket) error {
		c := b.Cursor()
		for k, v := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
			r, err := decode(k, v)
			if err != nil {
				return err
			}
			found = append(found, r)
		}
		return nil
	})
	return found, err
}

func each(found []ledger.Record, err error, yield func(ledger.Record, error) bool) {
	if err != nil {
		yield(ledger.Record{}, err)
		return
	}
	for _, r := range found {
		if !yield(r, nil) {
			return
		}
	}
}

func (s *Store) view(ctx context.Context, do func(*bbolt.Bucket) error) error {
	return transact(ctx, s.db.View, do)
}

func (s *Store) update(ctx context.Context, do func(*bbolt.Bucket) error) error {
	return transact(ctx, s.db.Update, do)
}

// transact runs do on the records and tells what do says from what the database
// says.
func transact(ctx context.Context, run func(func(*bbolt.Tx) error) error, do func(*bbolt.Bucket) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
	}
	var said error
	err := run(func(tx *bbolt.Tx) error {
		said = do(tx.Bucket(records))
		return said
	})
	if err != nil && said == nil {
		return fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
	}
	return err
}

// unchanged is ErrConflict unless the record has exactly this version; 0 means
// that there is none.
func unchanged(b *bbolt.Bucket, key ledger.Key, version int64) error {
	r, err := at(b, key)
	if err != nil && !errors.Is(err, ledger.ErrAbsent) {
		return err
	}
	if r.Version != version {
		return ledger.ErrConflict
	}
	return nil
}

func at(b *bbolt.Bucket, key ledger.Key) (ledger.Record, error) {
	k := name(key)
	v := b.Get(k)
	if v == nil {
		return ledger.Record{}, ledger.ErrAbsent
	}
	return decode(k, v)
}

// name orders records by partition and then by sort key; no partition holds a
// zero byte.
func name(key ledger.Key) []byte { return []byte(key.Partition + "\x00" + key.Sort) }

// row is a record as it lies in the file.
type row struct {
	Version int64  `json:"version"`
	Queue   string `json:"queue,omitempty"`
	Due     int64  `json:"due,omitempty"`     // Unix milliseconds
	Expires int64  `json:"expires,omitempty"` // Unix seconds; 0 for never
	Body    []byte `json:"body"`
}

func encode(r ledger.Record) ([]byte, error) {
	v := row{Version: r.Version + 1, Body: r.Body}
	if r.Queue != "" {
		v.Queue, v.Due = r.Queue, r.Due.UnixMilli()
	}
	if !r.Expires.IsZero() {
		v.Expires = r.Expires.Unix()
	}
	return json.Marshal(v)
}

func decode(k, v []byte) (ledger.Record, error) {
	partition, sort, _ := bytes.Cut(k, []byte{0})
	r := ledger.Record{Key: ledger.Key{Partition: string(partition), Sort: string(sort)}}
	var stored row
	if err := json.Unmarshal(v, &stored); err != nil {
		return r, fmt.Errorf("decode record %s of the ledger file: %w", r.Key, err)
	}
	r.Version, r.Queue, r.Body = stored.Version, stored.Queue, stored.Body
	if r.Queue != "" {
		r.Due = time.UnixMilli(stored.Due).UTC()
	}
	if stored.Expires != 0 {
		r.Expires = time.Unix(stored.Expires, 0).UTC()
	}
	return r, nil
}
