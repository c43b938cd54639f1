package notify

import (
	"context"
	"fmt"
	"time"
)

// Channel is a place where people read messages. Its errors are *Busy, *Refused
// and *Down; any other counts as Down.
type Channel interface {
	Post(ctx context.Context, m Message) error
}

// Busy says that the channel takes no message before some time has passed.
type Busy struct{ After time.Duration }

func (b *Busy) Error() string { return fmt.Sprintf("asks to wait %s", b.After) }

// Refused says that the channel will never take this message: it is revoked, or
// the message is not to its liking.
type Refused struct{ Reason string }

func (r *Refused) Error() string { return "refused the message: " + r.Reason }

// Down says that the channel did not answer, or not in earnest: trying again may
// help. A message may have arrived all the same.
type Down struct{ Err error }

func (d *Down) Error() string { return "did not take the message: " + d.Err.Error() }

func (d *Down) Unwrap() error { return d.Err }
