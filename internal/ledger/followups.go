package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// FollowUp is something to look at again later: waiting is a record here and not
// a message that is held back.
type FollowUp struct {
	ID       string          `json:"id"`
	Function string          `json:"function"` // whose queue Message goes to
	Message  json.RawMessage `json:"message"`
	Next     time.Time       `json:"next"`    // when to look
	GiveUp   time.Time       `json:"giveUp"`  // from here on say that it never came to an end
	Attempt  int             `json:"attempt"` // how often it was looked at
	// Once says that it is over when Message was sent. The others end when the
	// function finishes them.
	Once bool `json:"once,omitempty"`
}

const followUps = "follow-up" // both the partition and the queue

// Schedule sets a follow-up down. One of the same ID stays as it is, but for the
// earlier of the two times to look.
func (l *Ledger) Schedule(ctx context.Context, f FollowUp) error {
	err := revise(ctx, l, followUpKey(f.ID), placeFollowUp, func(known *FollowUp) (*FollowUp, error) {
		switch {
		case known == nil:
			return &f, nil
		case !f.Next.Before(known.Next):
			return known, nil
		}
		sooner := *known
		sooner.Next = f.Next
		return &sooner, nil
	})
	if err != nil {
		return fmt.Errorf("schedule follow-up %s: %w", f.ID, err)
	}
	return nil
}

// DueFollowUps lists the follow-ups whose time to look has come, those to give
// up included. Those that could be read are returned along with an error about
// the others.
func (l *Ledger) DueFollowUps(ctx context.Context) ([]FollowUp, error) {
	due, err := documents[FollowUp](l, l.store.Due(ctx, followUps, l.now()))
	if err != nil {
		err = fmt.Errorf("read due follow-ups: %w", err)
	}
	return due, err
}

// Postpone counts an attempt at f, as it was read, and moves its next look.
// Whoever succeeds is the one to send the message: ErrConflict means that
// another dispatcher has it or that it is finished. Postpone first and send then:
// a message lost between the two comes again at next.
func (l *Ledger) Postpone(ctx context.Context, f FollowUp, next time.Time) error {
	err := revise(ctx, l, followUpKey(f.ID), placeFollowUp, func(known *FollowUp) (*FollowUp, error) {
		if known == nil || known.Attempt != f.Attempt || !known.Next.Equal(f.Next) {
			return nil, ErrConflict
		}
		later := *known
		later.Next = next
		later.Attempt++
		return &later, nil
	})
	if err != nil {
		return fmt.Errorf("postpone follow-up %s: %w", f.ID, err)
	}
	return nil
}

// Finish drops a follow-up; one that is gone already is no error.
func (l *Ledger) Finish(ctx context.Context, id string) error {
	err := revise(ctx, l, followUpKey(id), placeFollowUp, func(*FollowUp) (*FollowUp, error) {
		return nil, nil // the follow-up is to go
	})
	if err != nil {
		return fmt.Errorf("finish follow-up %s: %w", id, err)
	}
	return nil
}

func followUpKey(id string) Key { return Key{Partition: followUps, Sort: id} }

func placeFollowUp(f FollowUp) Record { return Record{Queue: followUps, Due: f.Next} }
