package secretsencryption_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/secretsencryption"
)

var (
	noon   = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	target = fleet.Target{Account: "111122223333", Region: "eu-west-1"}
)

const (
	keyARN   = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	otherKey = "arn:aws:kms:eu-west-1:111122223333:key/99999999-12ab-34cd-56ef-1234567890ab"
)

// orders is a cluster that a key of AWS encrypts.
func orders() fleet.Cluster {
	return fleet.Cluster{
		ID: target.Cluster("orders"), ARN: "arn:aws:eks:eu-west-1:111122223333:cluster/orders",
		Status: "ACTIVE", Version: "1.36", Kind: fleet.KindEKS, CreatedAt: time.Date(2025, 3, 1, 8, 30, 0, 0, time.UTC),
	}
}

// good is a key that can be used.
func good(arn string) fleet.Key {
	return fleet.Key{ARN: arn, Spec: "SYMMETRIC_DEFAULT", Usage: "ENCRYPT_DECRYPT", State: "Enabled", Rotation: fleet.RotationOn}
}

func refusal(kind fleet.TroubleKind, action, text string) error {
	return &fleet.Trouble{Kind: kind, Action: action, Err: errors.New(text)}
}

// duration is how long EKS takes for an association.
const duration = 20 * time.Minute

// A world is EKS, KMS and SSM as far as an association sees them. Each of its
// calls tells pause before and after what it does, so that a worker can be
// stopped or killed there.
type world struct {
	now     time.Time
	cluster fleet.Cluster
	keys    map[string]fleet.Key
	updates []fleet.Update // oldest first
	tokens  map[string]string
	forgets bool   // tokens
	lost    bool   // is the answer of a call that is carried out
	lax     bool   // begins an association beside another: only the token is in the way
	ends    string // the status that an association ends with
	answer  error  // of every call of Associate, if any
	keyErr  error  // of every read of a key
	on      bool
	onErr   error
	calls   int // of Associate
	pause   func()
	seen    []string // every call, in order
}

func newWorld() *world {
	return &world{
		now: noon, cluster: orders(), keys: map[string]fleet.Key{keyARN: good(keyARN)},
		tokens: map[string]string{}, ends: "Successful", pause: func() {},
	}
}

// settle has EKS end what is over.
func (w *world) settle() {
	for i, u := range w.updates {
		if u.Status != "InProgress" || w.now.Before(u.CreatedAt.Add(duration)) {
			continue
		}
		w.updates[i].Status, w.cluster.Status = w.ends, "ACTIVE"
		if w.ends == "Successful" {
			w.cluster.KeyARN = keyARN
		} else {
			w.updates[i].Errors = []fleet.UpdateError{{Code: "AccessDenied", Message: "EKS may not use the key."}}
		}
	}
}

func (w *world) step(name string) func() {
	w.seen = append(w.seen, name)
	w.pause()
	w.settle()
	return w.pause
}

func (w *world) Cluster(context.Context, fleet.Target, string) (fleet.Cluster, error) {
	defer w.step("cluster")()
	if w.cluster.Status == "" {
		return fleet.Cluster{}, refusal(fleet.Gone, "eks:DescribeCluster", "ResourceNotFoundException")
	}
	return w.cluster, nil
}

func (w *world) Key(_ context.Context, _ fleet.Target, ref string) (fleet.Key, error) {
	defer w.step("key")()
	k, ok := w.keys[ref]
	switch {
	case w.keyErr != nil:
		return fleet.Key{}, w.keyErr
	case !ok:
		return fleet.Key{}, refusal(fleet.Gone, "kms:DescribeKey", "NotFoundException")
	}
	return k, nil
}

func (w *world) Association(_ context.Context, _ fleet.Target, _ string, since time.Time) (newest fleet.Update, found bool, err error) {
	defer w.step("association")()
	for _, u := range w.updates {
		if !u.CreatedAt.Before(since) {
			newest, found = u, true
		}
	}
	return newest, found, nil
}

func (w *world) Associate(_ context.Context, _ fleet.Target, _, key, token string) (string, error) {
	defer w.step("associate")()
	w.calls++
	if w.answer != nil {
		return "", w.answer
	}
	if id, known := w.tokens[token]; known && !w.forgets {
		return id, nil
	}
	if w.cluster.Status != "ACTIVE" && !w.lax {
		return "", refusal(fleet.Busy, "eks:AssociateEncryptionConfig", "ResourceInUseException: Cluster has other changes in progress")
	}
	id := fmt.Sprintf("update-%d", len(w.updates)+1)
	w.updates = append(w.updates, fleet.Update{ID: id, Type: "AssociateEncryptionConfig", Status: "InProgress", CreatedAt: w.now})
	w.tokens[token], w.cluster.Status = id, "UPDATING"
	if w.lost {
		return "", refusal(fleet.Failed, "eks:AssociateEncryptionConfig", "connection reset by peer")
	}
	return id, nil
}

func (w *world) On(context.Context) (bool, error) {
	defer w.step("switch")()
	return w.on, w.onErr
}

// memory is a Store that forgets with the test, and pauses as the world does.
type memory struct {
	ledger.Store
	*world
	records map[ledger.Key]ledger.Record
	err     error
}

func (m *memory) Read(_ context.Context, k ledger.Key) (ledger.Record, error) {
	defer m.step("ledger read")()
	r, ok := m.records[k]
	if m.err == nil && !ok {
		return r, ledger.ErrAbsent
	}
	return r, m.err
}

func (m *memory) Write(_ context.Context, r ledger.Record) error {
	defer m.step("ledger write")()
	if m.err != nil {
		return m.err
	}
	if m.records[r.Key].Version != r.Version {
		return ledger.ErrConflict
	}
	r.Version++
	m.records[r.Key] = r
	return nil
}

// deps is a world with a ledger of its own.
func deps(w *world) (secretsencryption.Deps, *memory) {
	m := &memory{world: w, records: map[ledger.Key]ledger.Record{}}
	return secretsencryption.Deps{Reader: w, Writer: w, Switch: w, Intents: ledger.New(m, func() time.Time { return w.now })}, m
}

// order is a plan for the world as it is, with all the time there is.
func order(w *world) secretsencryption.Order {
	return secretsencryption.Order{Plan: secretsencryption.PlanFor(orders(), good(keyARN)), Deadline: w.now.Add(5 * time.Minute)}
}

func render(f fleet.Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s check=%s cause=%s resource=%s\n", f.Outcome, f.Severity, f.Check, f.Cause, f.Resource)
	for _, line := range []fleet.Fact{
		{Label: "Title", Value: f.Title},
		{Label: "Reason", Value: f.Reason},
		{Label: "Meaning", Value: f.Meaning},
		{Label: "Observed", Value: f.Observed},
		{Label: "Expected", Value: f.Expected},
		{Label: "Remedy", Value: strings.ReplaceAll(f.Remedy, "\n", "\n    ")},
	} {
		if line.Value != "" {
			fmt.Fprintf(&b, "  %s: %s\n", line.Label, line.Value)
		}
	}
	for _, fact := range f.Facts {
		fmt.Fprintf(&b, "  - %s: %s\n", fact.Label, fact.Value)
	}
	if f.Approval != nil {
		fmt.Fprintf(&b, "  Approval: %s, nonce %s, until %s\n    %s\n", f.Approval.Plan, f.Approval.Nonce, f.Approval.Expires.Format(time.RFC3339), f.Approval.Text)
	}
	return b.String()
}
