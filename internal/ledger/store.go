package ledger

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Store is a table of versioned records in which every write names the version
// that it replaces. It is all that a database has to offer to carry a Ledger;
// DynamoDB and a bbolt file do.
//
// A Store has no clock: an expired record that the database has not dropped yet
// is read and replaced like any other, and the Ledger takes it for absent. So one
// clock decides, and versions go on counting across an expiry.
//
// Errors are ErrAbsent, ErrConflict or wrap ErrUnavailable; a record that cannot
// be understood is an error of its own.
type Store interface {
	// Read returns the newest version of a record, or ErrAbsent.
	Read(ctx context.Context, key Key) (Record, error)
	// Write stores r in place of version r.Version, as version r.Version+1.
	// Version 0 means that no record may exist. ErrConflict means that another
	// writer was first: read again and decide again.
	Write(ctx context.Context, r Record) error
	// Delete removes a record of exactly this version, or ErrConflict.
	Delete(ctx context.Context, key Key, version int64) error
	// Range yields the records of a partition whose sort key starts with
	// prefix, in ascending order of their bytes. ErrUnavailable ends the
	// sequence; an error about one record need not.
	Range(ctx context.Context, partition, prefix string) iter.Seq2[Record, error]
	// Due yields the records of a queue whose time has come by until, earliest
	// first. It may lag behind writes by a moment: what it misses, the next
	// look finds.
	Due(ctx context.Context, queue string, until time.Time) iter.Seq2[Record, error]
}

// Key addresses a record: both parts are UTF-8 and not empty. Sort keys order the
// records of one partition.
type Key struct{ Partition, Sort string }

// Record is one versioned document.
type Record struct {
	Key
	Version int64     // 0 for one that is not stored yet
	Queue   string    // work list that the record stands in; empty for none
	Due     time.Time // its place in Queue, in milliseconds
	Expires time.Time // when the database may drop it (seconds); zero keeps it
	Body    []byte    // JSON, at most 400 KB less the keys (DynamoDB item limit)
}

// The errors of a Store.
var (
	ErrAbsent   = errors.New("no such record in the ledger")
	ErrConflict = errors.New("the ledger's record was changed by another writer")
	// ErrUnavailable says that the database could not be asked. Nothing may be
	// written to AWS while it lasts.
	ErrUnavailable = errors.New("the ledger cannot be reached")
)
