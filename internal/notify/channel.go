package notify

import (
	"context"
	"fmt"
	"time"
)

// Channel is a place where people read messages. Its errors are *Busy, *Refused
// and *Down; any other counts as Down.
type Channel interface {
	// Post puts a message up.
	Post(ctx context.Context, m Message) (Receipt, error)
}

// An Editor is a Channel whose messages stay: they can be changed in place, and
// more can be said below them.
type Editor interface {
	Channel
	// Update puts m in the place of an earlier message. It wakes nobody.
	Update(ctx context.Context, earlier Receipt, m Message) error
	// Reply says m in the thread of an earlier message.
	Reply(ctx context.Context, earlier Receipt, m Message) error
}

// A Receipt is where a message stands, in the channel's own words. It is empty
// where a message cannot be changed any more.
type Receipt string

// Busy says that the channel takes no message before some time has passed.
type Busy struct{ After time.Duration }

func (b *Busy) Error() string { return fmt.Sprintf("asks to wait %s", b.After) }

// Refused says that the channel will never take this message: it is revoked, or
// the message is not to its liking.
type Refused struct{ Reason string }

func (r *Refused) Error() string { return "refused the message: " + r.Reason }

// Lost says that the message that was to be changed is gone.
type Lost struct{}

func (l *Lost) Error() string { return "does not have the message any more" }

// Down says that the channel did not answer, or not in earnest: trying again may
// help. A message may have arrived all the same.
type Down struct{ Err error }

func (d *Down) Error() string { return "did not take the message: " + d.Err.Error() }

func (d *Down) Unwrap() error { return d.Err }
