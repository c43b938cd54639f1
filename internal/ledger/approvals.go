package ledger

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Approval is what people said of a plan: one record for each hash. It speaks for
// the plan until it expires, given or not, so that nothing is carried out long
// after anybody thought of it.
type Approval struct {
	Plan       string          `json:"plan"`       // hash
	Capability string          `json:"capability"` // that made the plan, such as secrets-encryption
	Cluster    fleet.ClusterID `json:"cluster"`
	Text       string          `json:"text"` // what the plan will do, for people
	State      ApprovalState   `json:"state"`
	By         string          `json:"by,omitempty"`  // who gave it
	Via        string          `json:"via,omitempty"` // slack, command line
	Why        string          `json:"why,omitempty"` // it is void
	Nonce      string          `json:"nonce"`         // random: what a button has to bring back
	Made       time.Time       `json:"made"`
	Expires    time.Time       `json:"expires"`
	Decided    time.Time       `json:"decided,omitzero"` // when it was given or voided
}

// ApprovalState is how far an approval has come.
type ApprovalState string

// The states of an approval.
const (
	Waiting  ApprovalState = "waiting"
	Approved ApprovalState = "approved"
	Voided   ApprovalState = "void" // the plan is no longer what it was made from
)

// Why an approval cannot be given, besides ErrAbsent.
var (
	ErrExpired    = errors.New("the time to approve the plan is over")
	ErrDecided    = errors.New("the plan was decided on already")
	ErrWrongNonce = errors.New("the button is not the one of the plan's last message")
)

const (
	// approvable is how long a plan can be approved, and an approval be used.
	approvable = 7 * 24 * time.Hour
	// shortPlan is the least of a hash, in characters, that names a plan.
	shortPlan = 12
	approvals = "approval"
)

// AskApproval sets down that a plan waits for somebody to approve it, and returns
// how that stands: one that is known stays as it is. An approval that is void or
// expired is asked for anew, and the old button no longer works.
func (l *Ledger) AskApproval(ctx context.Context, a Approval) (Approval, error) {
	now := l.now()
	a.State, a.Nonce, a.Made, a.Expires = Waiting, rand.Text(), now, now.Add(approvable)
	a.By, a.Via, a.Why, a.Decided = "", "", "", time.Time{}
	err := revise(ctx, l, approvalKey(a.Plan), placeApproval, func(known *Approval) (*Approval, error) {
		if known != nil && known.State != Voided && !known.over(now) {
			a = *known
			return known, nil
		}
		next := a
		return &next, nil
	})
	if err != nil {
		return Approval{}, fmt.Errorf("ask for approval of plan %s: %w", a.Plan, err)
	}
	return a, nil
}

// Approval returns what was said of a plan, or ErrAbsent. The caller has to look
// at both its state and its expiry: Stands does.
func (l *Ledger) Approval(ctx context.Context, plan string) (Approval, error) {
	known, _, err := read[Approval](ctx, l, approvalKey(plan))
	if err == nil && known == nil {
		err = ErrAbsent
	}
	if err != nil {
		return Approval{}, fmt.Errorf("read the approval of plan %s: %w", plan, err)
	}
	return *known, nil
}

// Stands reports whether the approval was given and is still worth something.
func (a Approval) Stands(now time.Time) bool { return a.State == Approved && !a.over(now) }

func (a Approval) over(now time.Time) bool { return !now.Before(a.Expires) }

// ResolvePlan finds the one plan whose hash begins with what a person typed, at
// least 12 characters, or ErrAbsent.
func (l *Ledger) ResolvePlan(ctx context.Context, short string) (string, error) {
	if len(short) < shortPlan {
		return "", fmt.Errorf("plan %q is too short a name: want the first %d characters or more", short, shortPlan)
	}
	found, err := documents[Approval](l, l.store.Range(ctx, approvals, short))
	switch {
	case err != nil:
		return "", fmt.Errorf("look for plan %s: %w", short, err)
	case len(found) == 0:
		return "", fmt.Errorf("look for plan %s: %w", short, ErrAbsent)
	case len(found) > 1:
		return "", fmt.Errorf("plan %s is the beginning of %d plans: want more of it", short, len(found))
	}
	return found[0].Plan, nil
}

// Grant gives the approval that a plan waits for, once. The nonce is that of the
// button; it is empty for somebody whose right IAM has checked. The errors are
// ErrAbsent, ErrExpired, ErrDecided and ErrWrongNonce; with all but the first the
// approval is returned as it stands.
func (l *Ledger) Grant(ctx context.Context, plan, nonce, by, via string) (Approval, error) {
	var stands Approval
	now := l.now()
	err := revise(ctx, l, approvalKey(plan), placeApproval, func(known *Approval) (*Approval, error) {
		if known == nil {
			return nil, ErrAbsent
		}
		stands = *known
		switch {
		case nonce != "" && subtle.ConstantTimeCompare([]byte(nonce), []byte(known.Nonce)) == 0:
			return nil, ErrWrongNonce
		case known.State != Waiting:
			return nil, ErrDecided
		case known.over(now):
			return nil, ErrExpired
		}
		stands.State, stands.By, stands.Via, stands.Decided = Approved, by, via, now
		next := stands
		return &next, nil
	})
	if err != nil {
		return stands, fmt.Errorf("approve plan %s: %w", plan, err)
	}
	return stands, nil
}

// Void ends an approval, given or not: what it was for has changed. One that is
// absent or void already is no error.
func (l *Ledger) Void(ctx context.Context, plan, why string) error {
	now := l.now()
	err := revise(ctx, l, approvalKey(plan), placeApproval, func(known *Approval) (*Approval, error) {
		if known == nil || known.State == Voided {
			return known, nil
		}
		void := *known
		void.State, void.Why, void.Decided = Voided, why, now
		return &void, nil
	})
	if err != nil {
		return fmt.Errorf("void the approval of plan %s: %w", plan, err)
	}
	return nil
}

func approvalKey(plan string) Key { return Key{Partition: approvals, Sort: plan} }

// placeApproval keeps an approval for those who ask later who gave it.
func placeApproval(a Approval) Record { return Record{Expires: a.Expires.Add(remembered)} }
