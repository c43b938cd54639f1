package ledger_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/file"
)

var now = time.Date(2026, time.November, 20, 9, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

func store(t *testing.T) *file.Store {
	t.Helper()
	s, err := file.Open(filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// contested lets somebody else act just before a write.
type contested struct {
	ledger.Store
	before func()
	writes int
}

func (c *contested) Write(ctx context.Context, r ledger.Record) error {
	c.writes++
	before := c.before
	c.before = func() {}
	before()
	return c.Store.Write(ctx, r)
}

// answerLost stores the first write and tells the writer that it was refused: so
// it looks when the answer is lost and the SDK sends the request again.
type answerLost struct {
	ledger.Store
	lost bool
}

func (a *answerLost) Write(ctx context.Context, r ledger.Record) error {
	err := a.Store.Write(ctx, r)
	if err == nil && !a.lost {
		a.lost = true
		return ledger.ErrConflict
	}
	return err
}

// hopeless loses every race.
type hopeless struct {
	ledger.Store
	writes int
}

func (h *hopeless) Write(context.Context, ledger.Record) error {
	h.writes++
	return ledger.ErrConflict
}

func failing(cluster string) fleet.Finding {
	return fleet.Finding{
		Check: "etcd-size", Outcome: fleet.Fail, Severity: fleet.Warning, At: now,
		Cluster: fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: cluster},
	}
}

func TestFault_32_ALostRaceThatLeavesNothingToDoIsANoOp(t *testing.T) {
	s := store(t)
	winner := ledger.New(s, clock)
	c := &contested{Store: s, before: func() {
		if _, got, err := winner.Observe(t.Context(), failing("blue")); err != nil || got != incident.WasOpened {
			t.Errorf("the winner: %q, %v", got, err)
		}
	}}
	i, got, err := ledger.New(c, clock).Observe(t.Context(), failing("blue"))
	if err != nil || got != incident.Quiet || i.Revision != 1 {
		t.Fatalf("the loser: %q of revision %d, %v; want quiet of 1", got, i.Revision, err)
	}
	if c.writes != 1 {
		t.Errorf("the loser wrote %d times, want 1", c.writes)
	}
}

func TestFault_32_ALostRaceIsDecidedAgainOnWhatTheWinnerWrote(t *testing.T) {
	s := store(t)
	winner := ledger.New(s, clock)
	worse := failing("blue")
	worse.Severity = fleet.Critical
	c := &contested{Store: s, before: func() { _, _, _ = winner.Observe(t.Context(), failing("blue")) }}
	i, got, err := ledger.New(c, clock).Observe(t.Context(), worse)
	if err != nil || got != incident.WasChanged || i.Revision != 2 {
		t.Fatalf("the loser: %q of revision %d, %v; want changed of 2", got, i.Revision, err)
	}
}

func TestFault_32_EndlessLossesEndInAConflict(t *testing.T) {
	h := &hopeless{Store: store(t)}
	_, _, err := ledger.New(h, clock).Observe(t.Context(), failing("blue"))
	if !errors.Is(err, ledger.ErrConflict) || h.writes != 5 {
		t.Fatalf("%d writes and %v, want 5 and ErrConflict", h.writes, err)
	}
}

func TestFault_34_AnAnswerThatIsLostDoesNotLockTheWriterOut(t *testing.T) {
	t.Run("a lease is known for one's own", func(t *testing.T) {
		l := ledger.New(&answerLost{Store: store(t)}, clock)
		if _, err := l.Lease(t.Context(), "resync", "one", time.Minute); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("20: an intent is resumed and not begun twice", func(t *testing.T) {
		l := ledger.New(&answerLost{Store: store(t)}, clock)
		i, resumed, err := l.Begin(t.Context(), "plan", "blue", 0)
		if err != nil || !resumed || i.Attempt != 1 {
			t.Fatalf("attempt %d, resumed %v, %v; want 1, true", i.Attempt, resumed, err)
		}
	})
	t.Run("58: a transition is in the outbox", func(t *testing.T) {
		l := ledger.New(&answerLost{Store: store(t)}, clock)
		if _, got, err := l.Observe(t.Context(), failing("blue")); err != nil || got != incident.Quiet {
			t.Fatalf("%q, %v; want quiet", got, err)
		}
		if left, err := l.Unpublished(t.Context()); err != nil || len(left) != 1 {
			t.Fatalf("%d unpublished, %v; want 1", len(left), err)
		}
	})
}

func TestFault_33_AClosedStoreIsNeverTakenForAnEmptyLedger(t *testing.T) {
	s := store(t)
	l := ledger.New(s, clock)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for what, call := range map[string]func() error{
		"observe":           func() error { _, _, err := l.Observe(ctx, failing("blue")); return err },
		"incident":          func() error { _, err := l.Incident(ctx, incident.ID(failing("blue"))); return err },
		"open incidents":    func() error { _, err := l.OpenIncidents(ctx, fleet.Target{}); return err },
		"unpublished":       func() error { _, err := l.Unpublished(ctx); return err },
		"untold":            func() error { _, err := l.Untold(ctx); return err },
		"lease":             func() error { _, err := l.Lease(ctx, "a", "b", time.Minute); return err },
		"due follow-ups":    func() error { _, err := l.DueFollowUps(ctx); return err },
		"postpone":          func() error { return l.Postpone(ctx, ledger.FollowUp{ID: "a"}, now) },
		"watch lists":       func() error { _, err := l.WatchLists(ctx); return err },
		"configuration":     func() error { _, err := l.AcceptedConfig(ctx); return err },
		"begin an intent":   func() error { _, _, err := l.Begin(ctx, "a", "b", 0); return err },
		"settle an intent":  func() error { return l.SettleIntent(ctx, ledger.Intent{Plan: "a", Resource: "b"}, "x") },
		"accept a new file": func() error { return l.AcceptConfig(ctx, ledger.AcceptedConfig{JSON: json.RawMessage(`1`)}) },
	} {
		if err := call(); !errors.Is(err, ledger.ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrUnavailable", what, err)
		}
	}
}

func TestIncidentIDsThatAreNone(t *testing.T) {
	l := ledger.New(store(t), clock)
	for name, id := range map[string]string{
		"nothing":                     "",
		"too few parts":               "111122223333/eu-west-1/blue/etcd-size",
		"no check":                    "111122223333/eu-west-1/blue//",
		"an account that is a word":   "prod/eu-west-1/blue/etcd-size/",
		"a region that is none":       "111122223333/Europe/blue/etcd-size/",
		"a cluster EKS would refuse":  "111122223333/eu-west-1/-blue/etcd-size/",
		"a resource that is no UTF-8": "111122223333/eu-west-1/blue/etcd-size/\xff",
		"a resource beyond 1,024":     "111122223333/eu-west-1/blue/etcd-size/" + strings.Repeat("x", 1024),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := l.Incident(t.Context(), id); err == nil || errors.Is(err, ledger.ErrAbsent) {
				t.Fatalf("got %v, want a refusal", err)
			}
		})
	}
}

func TestAFindingCannotClaimTheIncidentOfAnother(t *testing.T) {
	l := ledger.New(store(t), clock)
	f := failing("blue/etcd-size")
	f.Check = "other"
	g := failing("blue")
	g.Check, g.Resource = "etcd-size/other", "x"
	for _, finding := range []fleet.Finding{f, g} {
		if _, _, err := l.Observe(t.Context(), finding); err == nil || !strings.Contains(err.Error(), "slash") {
			t.Errorf("%s: got %v, want a refusal", incident.ID(finding), err)
		}
	}
}

func TestARecordBeyondTheItemLimitIsRefusedWithItsSize(t *testing.T) {
	l := ledger.New(store(t), clock)
	noise := make([]byte, 0, 700<<10) // letters at random do not compress below 400 KB
	random := rand.New(rand.NewPCG(1, 2))
	for range cap(noise) {
		noise = append(noise, byte('0'+random.IntN(64)))
	}
	text, err := json.Marshal(string(noise))
	if err != nil {
		t.Fatal(err)
	}
	err = l.AcceptConfig(t.Context(), ledger.AcceptedConfig{Version: "v1", JSON: text})
	if err == nil || !strings.Contains(err.Error(), "accept configuration v1") || !strings.Contains(err.Error(), "at most 400 KB") {
		t.Fatalf("got %v, want a refusal that names the limit", err)
	}
}

func TestOneUnreadableRecordDoesNotHideTheOthers(t *testing.T) {
	s := store(t)
	l := ledger.New(s, clock)
	broken := ledger.Record{
		Key:   ledger.Key{Partition: "incident#111122223333/eu-west-1", Sort: "a/etcd-size/"},
		Queue: "outbox", Due: now, Body: []byte(`{"state":`),
	}
	if err := s.Write(t.Context(), broken); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.Observe(t.Context(), failing("blue")); err != nil {
		t.Fatal(err)
	}
	left, err := l.Unpublished(t.Context())
	if len(left) != 1 || err == nil || !strings.Contains(err.Error(), "a/etcd-size/") {
		t.Fatalf("%d incidents and %v, want 1 and an error that names the broken one", len(left), err)
	}
}

func TestAnExpiredRecordIsInNoList(t *testing.T) {
	s := store(t)
	for sort, expires := range map[string]time.Time{"over": now, "not yet": now.Add(time.Second)} {
		r := ledger.Record{Key: ledger.Key{Partition: "watch", Sort: sort}, Expires: expires, Body: []byte(`{"clusters":["` + sort + `"]}`)}
		if err := s.Write(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	lists, err := ledger.New(s, clock).WatchLists(t.Context())
	if err != nil || len(lists) != 1 || lists[0].Clusters[0] != "not yet" {
		t.Fatalf("got %v and %v, want the one that has not expired", lists, err)
	}
}

func FuzzIncidentID(f *testing.F) {
	f.Add("blue", "etcd-size", "")
	f.Add("", "target-access", "arn:aws:kms:eu-west-1:111122223333:key/a")
	f.Add("a/b", "c", "d")
	f.Add("blue", "", "\xff")
	s, err := file.Open(filepath.Join(f.TempDir(), "ledger.db"))
	if err != nil {
		f.Fatal(err)
	}
	defer s.Close()
	l := ledger.New(s, clock)
	f.Fuzz(func(t *testing.T, cluster, check, resource string) {
		finding := failing(cluster)
		finding.Check, finding.Resource = check, resource
		// Whatever the ledger takes in, it finds again by its id, as the same.
		if _, _, err := l.Observe(t.Context(), finding); err != nil {
			return
		}
		i, err := l.Incident(t.Context(), incident.ID(finding))
		if err != nil {
			t.Fatal(err)
		}
		if i.Finding.Cluster.Name != cluster || i.Finding.Check != check || i.Finding.Resource != resource {
			t.Fatalf("%q, %q, %q came back as %s", cluster, check, resource, i.ID())
		}
	})
}
