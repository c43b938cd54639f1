package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Intent is written before a write to AWS, so that a process that dies between
// the write and its record leaves a trace of what it may have done.
type Intent struct {
	Plan     string `json:"plan"`     // hash of the plan
	Resource string `json:"resource"` // what is to be changed
	Attempt  int    `json:"attempt"`  // from 1
	// Token is the client request token of the attempt. It is new with every
	// attempt: EKS answers a repeated token with the old update.
	Token   string    `json:"token"`
	Begun   time.Time `json:"begun"`
	Outcome string    `json:"outcome,omitempty"`
	Settled time.Time `json:"settled,omitzero"` // zero while nobody knows how it ended
}

// Begin sets down the next attempt at a resource of a plan. after is the number of
// the attempt that the caller knows to have ended, 0 for none. If there is a later
// one, or that one has not ended, it returns that and true, and sets nothing down:
// what it did must be found out, under the same token, before anything else is
// tried.
func (l *Ledger) Begin(ctx context.Context, plan, resource string, after int) (i Intent, resumed bool, err error) {
	now := l.now()
	err = revise(ctx, l, intentKey(plan, resource), unplaced, func(known *Intent) (*Intent, error) {
		resumed = known != nil && (known.Settled.IsZero() || known.Attempt > after)
		if resumed {
			i = *known
			return known, nil
		}
		i = Intent{Plan: plan, Resource: resource, Attempt: 1, Begun: now}
		if known != nil {
			i.Attempt = known.Attempt + 1
		}
		i.Token = requestToken(i)
		next := i
		return &next, nil
	})
	if err != nil {
		return Intent{}, false, fmt.Errorf("begin plan %s on %s: %w", plan, resource, err)
	}
	return i, resumed, nil
}

// Intent returns the last attempt at a resource of a plan, or ErrAbsent.
func (l *Ledger) Intent(ctx context.Context, plan, resource string) (Intent, error) {
	known, _, err := read[Intent](ctx, l, intentKey(plan, resource))
	if err == nil && known == nil {
		err = ErrAbsent
	}
	if err != nil {
		return Intent{}, fmt.Errorf("read the attempt of plan %s on %s: %w", plan, resource, err)
	}
	return *known, nil
}

// SettleIntent records how an attempt ended. The first answer stays; a later
// attempt is not touched.
func (l *Ledger) SettleIntent(ctx context.Context, i Intent, outcome string) error {
	now := l.now()
	err := revise(ctx, l, intentKey(i.Plan, i.Resource), unplaced, func(known *Intent) (*Intent, error) {
		switch {
		case known == nil:
			return nil, ErrAbsent
		case known.Attempt != i.Attempt || !known.Settled.IsZero():
			return known, nil
		}
		settled := *known
		settled.Outcome, settled.Settled = outcome, now
		return &settled, nil
	})
	if err != nil {
		return fmt.Errorf("settle plan %s on %s: %w", i.Plan, i.Resource, err)
	}
	return nil
}

// requestToken is 64 characters long, which every EKS call takes.
func requestToken(i Intent) string {
	// JSON keeps ("a", "bc") and ("ab", "c") apart; marshalling these cannot fail.
	b, _ := json.Marshal([]any{i.Plan, i.Resource, i.Attempt})
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// intentKey holds the last attempt only, and for good: were it to expire, the
// count would start again and with it the tokens.
func intentKey(plan, resource string) Key { return Key{Partition: "intent#" + plan, Sort: resource} }
