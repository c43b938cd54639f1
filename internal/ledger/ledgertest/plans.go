package ledgertest

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
)

const week = 7 * 24 * time.Hour

var plan = strings.Repeat("0123456789abcdef", 4)

func ask(t *testing.T, l *ledger.Ledger, plan string) ledger.Approval {
	t.Helper()
	a, err := l.AskApproval(t.Context(), ledger.Approval{Plan: plan, Capability: "secrets-encryption", Cluster: target.Cluster("blue"), Text: "It puts a key on blue."})
	ok(t, err)
	return a
}

func approvalOnce(t *testing.T, s ledger.Store) {
	l, clock := ledgerAt(s)
	_, err := l.Approval(t.Context(), plan)
	fails(t, "the approval of a plan that nobody made", err, ledger.ErrAbsent)
	_, err = l.Grant(t.Context(), plan, "", "alice", "command line")
	fails(t, "approve what nobody made", err, ledger.ErrAbsent)

	asked := ask(t, l, plan)
	same(t, "state", asked.State, ledger.Waiting)
	same(t, "time to approve", asked.Expires.Sub(asked.Made), week)
	clock.forward(time.Hour)
	if again := ask(t, l, plan); !reflect.DeepEqual(again, asked) {
		t.Errorf("asked again: got %+v, want %+v", again, asked)
	}
	_, err = l.Grant(t.Context(), plan, "another", "mallory", "slack")
	fails(t, "approve with another button", err, ledger.ErrWrongNonce)
	same(t, "does it stand before anybody gave it", asked.Stands(clock.at), false)

	given, err := l.Grant(t.Context(), plan, asked.Nonce, "alice", "slack")
	ok(t, err)
	read, err := l.Approval(t.Context(), plan)
	ok(t, err)
	if !reflect.DeepEqual(read, given) {
		t.Errorf("read %+v, given %+v", read, given)
	}
	same(t, "who gave it", read.By+" via "+read.Via, "alice via slack")
	same(t, "when", read.Decided.Equal(clock.at), true)
	same(t, "does it stand", read.Stands(clock.at), true)

	known, err := l.Grant(t.Context(), plan, asked.Nonce, "bob", "slack")
	fails(t, "approve a second time", err, ledger.ErrDecided)
	same(t, "who has it already", known.By, "alice")
	if again := ask(t, l, plan); !reflect.DeepEqual(again, given) {
		t.Errorf("asked for what is given: got %+v, want %+v", again, given)
	}
}

func approvalExpires(t *testing.T, s ledger.Store) {
	l, clock := ledgerAt(s)
	old := ask(t, l, plan)
	clock.forward(week)
	_, err := l.Grant(t.Context(), plan, old.Nonce, "alice", "slack")
	fails(t, "approve too late", err, ledger.ErrExpired)
	fresh := ask(t, l, plan)
	same(t, "is the nonce a new one", fresh.Nonce != old.Nonce, true)
	_, err = l.Grant(t.Context(), plan, old.Nonce, "alice", "slack")
	fails(t, "approve with the old button", err, ledger.ErrWrongNonce)
	given, err := l.Grant(t.Context(), plan, "", "alice", "command line")
	ok(t, err)
	clock.forward(week)
	same(t, "does it stand after a week", given.Stands(clock.at), false)
	same(t, "state when asked for anew", ask(t, l, plan).State, ledger.Waiting)
}

func approvalVoid(t *testing.T, s ledger.Store) {
	l, clock := ledgerAt(s)
	ok(t, l.Void(t.Context(), plan, "nobody made it"))
	old := ask(t, l, plan)
	given, err := l.Grant(t.Context(), plan, old.Nonce, "alice", "slack")
	ok(t, err)
	ok(t, l.Void(t.Context(), plan, "the cluster has a key"))
	ok(t, l.Void(t.Context(), plan, "a second reason"))
	void, err := l.Approval(t.Context(), plan)
	ok(t, err)
	same(t, "why", void.Why, "the cluster has a key")
	same(t, "does it stand", void.Stands(clock.at), false)
	same(t, "who gave it", void.By, given.By)
	_, err = l.Grant(t.Context(), plan, old.Nonce, "alice", "slack")
	fails(t, "approve what is void", err, ledger.ErrDecided)
	fresh := ask(t, l, plan)
	same(t, "state when asked for anew", fresh.State, ledger.Waiting)
	same(t, "what is left of the old one", fresh.By+fresh.Via+fresh.Why, "")
	same(t, "is the nonce a new one", fresh.Nonce != old.Nonce, true)
}

func approvalsRace(t *testing.T, s ledger.Store) {
	l, _ := ledgerAt(s)
	asked := ask(t, l, plan)
	var (
		race  sync.WaitGroup
		mu    sync.Mutex
		given int
	)
	for range 8 {
		race.Go(func() {
			_, err := l.Grant(t.Context(), plan, asked.Nonce, "alice", "slack")
			switch {
			case err == nil:
				mu.Lock()
				given++
				mu.Unlock()
			case !errors.Is(err, ledger.ErrDecided) && !errors.Is(err, ledger.ErrConflict):
				t.Error(err)
			}
		})
	}
	race.Wait()
	same(t, "clicks that gave the approval", given, 1)
}

func plansByTheirBeginning(t *testing.T, s ledger.Store) {
	l, _ := ledgerAt(s)
	other := plan[:14] + strings.Repeat("f", 50)
	ask(t, l, plan)
	ask(t, l, other)
	for _, short := range []string{plan[:16], plan} {
		found, err := l.ResolvePlan(t.Context(), short)
		ok(t, err)
		same(t, "plan "+short, found, plan)
	}
	_, err := l.ResolvePlan(t.Context(), strings.Repeat("e", 12))
	fails(t, "a plan that nobody made", err, ledger.ErrAbsent)
	for _, short := range []string{"", plan[:11], plan[:12]} {
		if found, err := l.ResolvePlan(t.Context(), short); err == nil {
			t.Errorf("%q, which is too short or names two, is %s", short, found)
		}
	}
}

func keyUses(t *testing.T, s ledger.Store) {
	const (
		single  = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
		another = "arn:aws:kms:eu-west-1:111122223333:key/0987dcba-12ab-34cd-56ef-1234567890ab"
		mrk     = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
		replica = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
		foreign = "arn:aws:kms:us-east-1:444455556666:key/mrk-1234abcd12ab34cd56ef1234567890ab"
		moved   = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	)
	l, _ := ledgerAt(s)
	us := fleet.Target{Account: "111122223333", Region: "us-east-1"}
	other := fleet.Target{Account: "444455556666", Region: "eu-west-1"} // uses a key of the first account
	note := func(c fleet.ClusterID, key string) {
		t.Helper()
		ok(t, l.NoteKeyUse(t.Context(), c, key))
	}
	users := func(key string, want ...fleet.ClusterID) {
		t.Helper()
		got, err := l.KeyUsers(t.Context(), key)
		ok(t, err)
		if !slices.Equal(got, want) {
			t.Errorf("users of %s: got %v, want %v", key, got, want)
		}
	}
	note(target.Cluster("blue"), single)
	note(target.Cluster("blue"), single)
	record, err := s.Read(t.Context(), key("key-use", "111122223333/eu-west-1/blue"))
	ok(t, err)
	same(t, "version of what was noted twice", record.Version, 1)
	note(other.Cluster("blue"), single)
	note(target.Cluster("green"), mrk)
	note(us.Cluster("green"), replica)

	users(single, target.Cluster("blue"), other.Cluster("blue"))
	users(another)
	users("")
	users(moved) // the id of a key is its region's own, but for multi-Region keys
	users(mrk, target.Cluster("green"), us.Cluster("green"))
	users(replica, target.Cluster("green"), us.Cluster("green"))
	users(foreign)
	keys, err := l.KeysInUse(t.Context(), target.Account, target.Region)
	ok(t, err)
	if want := []string{single, mrk}; !slices.Equal(keys, want) {
		t.Errorf("keys in use: got %q, want %q", keys, want)
	}

	note(target.Cluster("blue"), another) // deleted, and made anew with another key
	users(single, other.Cluster("blue"))
	users(another, target.Cluster("blue"))
	note(target.Cluster("blue"), "")
	note(target.Cluster("blue"), "")
	users(another)
}
