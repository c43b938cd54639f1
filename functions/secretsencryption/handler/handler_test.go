package handler_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/functions/secretsencryption/handler"
	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/encryption"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/file"
	"github.com/eks-steward/eks-steward/internal/outbox"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/worker"
)

const (
	account, region = "111122223333", "eu-west-1"
	keyID           = "55555555-6666-4777-8888-999999999999"
	key             = "arn:aws:kms:eu-west-1:111122223333:key/" + keyID
)

var (
	start  = time.Date(2026, 11, 20, 6, 17, 0, 0, time.UTC)
	target = fleet.Target{Account: account, Region: region}
	prod   = target.Cluster("prod")
)

// bench is a handler between a simulated AWS, with the real adapters in between,
// and a file ledger.
type bench struct {
	*handler.Handler
	world   *sim.World
	records *ledger.Ledger
	bus     *recorder
	queue   *queue
	granted *grants
	kill    kill
	now     time.Time
}

func newBench(t *testing.T, mode string, clusters ...sim.Cluster) *bench {
	t.Helper()
	b := &bench{now: start, bus: &recorder{}, queue: &queue{}, granted: &grants{has: true}}
	clock := func() time.Time { return b.now }
	var err error
	b.world, err = sim.New(sim.Fleet{Home: account, Accounts: []sim.Account{{ID: account, Regions: []sim.Region{{
		Name: region, Clusters: clusters,
		Keys: []sim.Key{{ID: keyID, Aliases: []string{"alias/secrets"}}, {ID: "other"}, {ID: "leaving", DeletionIn: 240 * time.Hour}},
	}}}}}, clock)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(b.world.Handler())
	t.Cleanup(server.Close)
	store, err := file.Open(filepath.Join(t.TempDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	b.records = ledger.New(store, clock)
	cfg := aws.Config{
		Region: region, BaseEndpoint: &server.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAHOME", "secret", ""),
	}
	watched := awsfleet.New(cfg)
	reader, writer := encryption.NewReader(watched), encryption.NewWriter(watched, config.EncryptionWriter)
	b.Handler = &handler.Handler{
		Reader: reader, Writer: writer, Undo: writer, Grants: b.granted, Switch: &b.kill,
		Ledger: b.records, Intents: b.records, Approvals: b.records, KeyUses: b.records, Leases: b.records, FollowUps: b.records,
		Outbox: outbox.Outbox{Ledger: b.records, Bus: b.bus}, Queue: b.queue, Now: clock,
		MaxMode: config.Enforce, MaxKeyGuard: config.Enforce,
	}
	b.configure(t, func(s *config.SecretsEncryption) {
		s.Require, s.Keys, s.Mode = config.ListedKeys, []string{"alias/secrets"}, mode
	})
	return b
}

func (b *bench) configure(t *testing.T, edit func(*config.SecretsEncryption)) {
	t.Helper()
	conf := config.Default()
	conf.Accounts = []config.Account{{Account: account, Regions: []string{region}, Role: config.OwnCredentials}}
	edit(&conf.SecretsEncryption)
	encoded, err := config.Encode(conf)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.records.AcceptConfig(t.Context(), ledger.AcceptedConfig{Version: b.now.String(), At: b.now, JSON: encoded}); err != nil {
		t.Fatal(err)
	}
}

// grants is what of EKS's grants no simulation can know: AWS does not say how they
// look.
type grants struct {
	has   bool
	err   error
	asked int
}

func (g *grants) Granted(context.Context, fleet.Target, string, string) (bool, error) {
	g.asked++
	return g.has, g.err
}

// kill is the switch that stops every write.
type kill struct {
	on  bool
	err error
}

func (k *kill) On(context.Context) (bool, error) { return k.on, k.err }

// recorder is a bus that keeps what it is given.
type recorder struct{ moves []string }

func (r *recorder) Publish(_ context.Context, moves ...events.IncidentMoved) error {
	for _, m := range moves {
		cause, _, _ := strings.Cut(m.Finding.Cause, ":") // the rest tells one asking from the next
		r.moves = append(r.moves, strings.TrimSpace(strings.Join([]string{m.Finding.Cluster.Name, m.Finding.Check, m.Transition, cause}, " ")))
	}
	return nil
}

// queue is the function's own, and keeps what it is sent as it is read back.
type queue struct{ scans []*events.TargetScan }

func (q *queue) Send(_ context.Context, messages ...[]byte) error {
	for _, m := range messages {
		e, err := events.Decode(m)
		if err != nil {
			return err
		}
		q.scans = append(q.scans, e.(*events.TargetScan))
	}
	return nil
}

func (b *bench) head(id string) events.Header {
	return events.Header{ID: id, Account: account, Region: region, Time: b.now}
}

func (b *bench) call(name string) *events.EKSCall {
	return &events.EKSCall{Header: b.head(name), Call: name, Cluster: "prod", Principal: "arn:aws:iam::111122223333:role/admin"}
}

func (b *bench) kms(call string, keys ...string) *events.KMSCall {
	return &events.KMSCall{Header: b.head(call), Call: call, Keys: keys, Principal: "arn:aws:iam::111122223333:role/admin"}
}

func (b *bench) daily() *events.TargetScan {
	return &events.TargetScan{Header: b.head("daily" + b.now.String()), Cadence: events.Daily, Target: target}
}

func (b *bench) handle(t *testing.T, e events.Event) map[string]any {
	t.Helper()
	attrs, err := b.Handle(t.Context(), e)
	if err != nil {
		t.Fatalf("%T: %v", e, err)
	}
	said := map[string]any{}
	for _, a := range attrs {
		said[a.Key] = a.Value.Any()
	}
	return said
}

// later is what dispatch does as time goes by: every five minutes it sends the
// looks that are due.
func (b *bench) later(t *testing.T, d time.Duration) {
	t.Helper()
	for end := b.now.Add(d); b.now.Before(end); {
		b.now = b.now.Add(5 * time.Minute)
		for _, f := range b.due(t) {
			err := b.records.Postpone(t.Context(), f, b.now.Add(5*time.Minute))
			if errors.Is(err, ledger.ErrConflict) {
				continue // one that was handled before it finished it
			}
			if err != nil {
				t.Fatal(err)
			}
			e, err := events.Decode(f.Message)
			if err != nil {
				t.Fatal(err)
			}
			b.handle(t, e)
			if !f.Once {
				continue
			}
			if err := b.records.Finish(t.Context(), f.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (b *bench) due(t *testing.T) []ledger.FollowUp {
	t.Helper()
	due, err := b.records.DueFollowUps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range due {
		if f.Function != handler.Function || b.now.After(f.GiveUp) {
			t.Fatalf("at %s: %+v", b.now, f)
		}
	}
	return due
}

// quiet checks that nobody is going to look again.
func (b *bench) quiet(t *testing.T) {
	t.Helper()
	b.now = b.now.Add(10 * time.Minute)
	if due := b.due(t); len(due) > 0 {
		t.Errorf("follow-ups are left: %+v", due)
	}
}

func (b *bench) wantMoves(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(b.bus.moves, want) {
		t.Errorf("the bus heard\n  %s\nwant\n  %s", strings.Join(b.bus.moves, "\n  "), strings.Join(want, "\n  "))
	}
}

// wantAssociations counts the calls of EKS that cannot be taken back.
func (b *bench) wantAssociations(t *testing.T, want int) {
	t.Helper()
	b.wantCalls(t, "AssociateEncryptionConfig", want)
}

func (b *bench) wantCalls(t *testing.T, operation string, want int) {
	t.Helper()
	n := 0
	for k, calls := range b.world.Calls() {
		if k.Operation == operation {
			n += calls.Total()
		}
	}
	if n != want {
		t.Errorf("%d calls of %s, want %d", n, operation, want)
	}
}

func (b *bench) wantKey(t *testing.T, want string) {
	t.Helper()
	if got := b.world.Encryption(prod); got != want {
		t.Errorf("the cluster has the key %q, want %q", got, want)
	}
}

func (b *bench) incident(t *testing.T) incident.Incident {
	t.Helper()
	inc, err := b.records.Incident(t.Context(), prod.String()+"/secrets-encryption/")
	if err != nil {
		t.Fatal(err)
	}
	return inc
}

// approve is what the function approve does for somebody who pressed the button.
func (b *bench) approve(t *testing.T) *events.PlanApproved {
	t.Helper()
	ask := b.incident(t).Finding.Approval
	if ask == nil {
		t.Fatal("nothing waits for approval")
	}
	if _, err := b.records.Grant(t.Context(), ask.Plan, ask.Nonce, "alice", events.ViaSlack); err != nil {
		t.Fatal(err)
	}
	return &events.PlanApproved{Header: b.head("approved"), Plan: ask.Plan, Cluster: prod, By: "alice", Via: events.ViaSlack}
}

func plain(name string) sim.Cluster { return sim.Cluster{Name: name, Version: "1.34"} }

func TestInEnforceAClusterGetsItsKeyAndIsFollowedToTheEnd(t *testing.T) {
	b := newBench(t, config.Enforce, plain("prod"))
	b.handle(t, b.call(events.CreateCluster))
	b.wantMoves(t, "prod secrets-encryption opened associating")
	b.later(t, time.Hour)
	b.wantMoves(t, "prod secrets-encryption opened associating", "prod secrets-encryption resolved")
	b.wantKey(t, key)
	b.wantAssociations(t, 1)
	b.quiet(t)
	if users, err := b.records.KeyUsers(t.Context(), key); err != nil || !slices.Equal(users, []fleet.ClusterID{prod}) {
		t.Errorf("users of the key %v, %v; want prod: the guard has to know at once", users, err)
	}
}

func TestInReportNothingIsWrittenAndNothingIsSaid(t *testing.T) {
	for name, lower := range map[string]func(b *bench){
		"by the file":       func(*bench) {},
		"by the deployment": func(b *bench) { b.MaxMode = config.Report },
	} {
		t.Run(name, func(t *testing.T) {
			mode := config.Enforce
			if name == "by the file" {
				mode = config.Report
			}
			b := newBench(t, mode, plain("prod"))
			lower(b)
			b.handle(t, b.call(events.CreateCluster))
			b.wantMoves(t)
			b.wantAssociations(t, 0)
		})
	}
}

func TestAClustersTagLowersItsModeAndNeverRaisesIt(t *testing.T) {
	for _, tt := range []struct {
		name, file, tag string
		want            int
	}{
		{"report holds a cluster back in enforce", config.Enforce, "report", 0},
		{"approve makes it wait in enforce", config.Enforce, "approve", 0},
		{"a word that is none holds it back", config.Enforce, "Enforce!", 0},
		{"enforce changes nothing in approve", config.Approve, "enforce", 0},
		{"enforce changes nothing in enforce", config.Enforce, "enforce", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := plain("prod")
			c.Tags = map[string]string{"eks-steward/secrets-encryption": tt.tag}
			b := newBench(t, tt.file, c)
			b.handle(t, b.call(events.CreateCluster))
			b.wantAssociations(t, tt.want)
		})
	}
}

func TestWhatIsToldNamesTheOwnerOfTheCluster(t *testing.T) {
	c := plain("prod")
	c.Tags = map[string]string{"owner": "payments"}
	b := newBench(t, config.Approve, c)
	b.handle(t, b.call(events.CreateCluster))
	if got := b.incident(t).Finding.Owner; got != "payments" {
		t.Errorf("the plan that waits is of %q, want payments", got)
	}

	c.KeyARN = key
	b = newBench(t, config.Report, c)
	if err := b.records.NoteKeyUse(t.Context(), prod, key); err != nil {
		t.Fatal(err)
	}
	b.hurt("Disabled")
	b.handle(t, b.kms(events.DisableKey, key))
	inc, err := b.records.Incident(t.Context(), prod.String()+"/key-guard/key")
	if err != nil || inc.Finding.Owner != "payments" {
		t.Errorf("the key that is hurt is of %q, want payments: %v", inc.Finding.Owner, err)
	}
}

func TestAKeyThatIsNotRotatedIsNoReasonToLook(t *testing.T) {
	b := newBench(t, config.Approve, plain("prod"))
	f := fleet.Finding{Check: "encryption-state", Cluster: prod, Resource: "rotation", Outcome: fleet.Fail, At: b.now}
	if _, _, err := b.records.Observe(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	b.handle(t, &events.IncidentMoved{Header: b.head("moved"), Finding: f})
	b.handle(t, b.daily())
	if calls := b.world.Calls(); len(calls) > 0 {
		t.Errorf("calls %v, want none", calls)
	}
}

func TestInApproveAPlanWaitsForAPerson(t *testing.T) {
	b := newBench(t, config.Approve, plain("prod"))
	moved := &events.IncidentMoved{Header: b.head("moved"), Finding: fleet.Finding{Check: "encryption-state", Cluster: prod}}
	b.handle(t, moved)
	b.handle(t, moved)
	b.wantMoves(t, "prod secrets-encryption opened approval-wanted")
	b.wantAssociations(t, 0)
	b.quiet(t)

	b.handle(t, b.approve(t))
	b.later(t, time.Hour)
	b.wantMoves(t, "prod secrets-encryption opened approval-wanted", "prod secrets-encryption changed associating", "prod secrets-encryption resolved")
	b.wantKey(t, key)
	b.wantAssociations(t, 1)
}

func TestFault_57_AnApprovalThatOnlyTheEventClaimsIsNone(t *testing.T) {
	b := newBench(t, config.Approve, plain("prod"))
	b.handle(t, b.daily())
	b.handle(t, b.call(events.CreateCluster))
	plan := b.incident(t).Finding.Approval.Plan
	b.handle(t, &events.PlanApproved{Header: b.head("forged"), Plan: plan, Cluster: prod, By: "mallory", Via: events.ViaSlack})
	b.wantAssociations(t, 0)
}

func TestFault_57_APlanThatChangedVoidsItsApprovalAndIsAskedAnew(t *testing.T) {
	b := newBench(t, config.Approve, plain("prod"))
	b.handle(t, b.call(events.CreateCluster))
	approved := b.approve(t)
	b.configure(t, func(s *config.SecretsEncryption) {
		s.Require, s.Keys, s.Mode = config.ListedKeys, []string{"arn:aws:kms:eu-west-1:111122223333:key/other"}, config.Approve
	})
	b.now = b.now.Add(time.Minute)
	b.configure(t, func(s *config.SecretsEncryption) {
		s.Require, s.Keys, s.Mode = config.ListedKeys, []string{"arn:aws:kms:eu-west-1:111122223333:key/other"}, config.Approve
	})
	b.handle(t, approved)
	b.wantAssociations(t, 0)
	b.wantMoves(t, "prod secrets-encryption opened approval-wanted", "prod secrets-encryption changed approval-wanted")
	old, err := b.records.Approval(t.Context(), approved.Plan)
	if err != nil || old.State != ledger.Voided {
		t.Errorf("the old approval is %s, %v; want it void", old.State, err)
	}
	if ask := b.incident(t).Finding; ask.Approval.Plan == approved.Plan || !strings.Contains(ask.Reason, "has changed") {
		t.Errorf("asked for %s: %s", ask.Approval.Plan, ask.Reason)
	}
}

func TestAnApprovalThatExpiredIsAskedForAnew(t *testing.T) {
	b := newBench(t, config.Approve, plain("prod"))
	b.handle(t, b.call(events.CreateCluster))
	approved := b.approve(t)
	b.now = b.now.Add(8 * 24 * time.Hour)
	b.handle(t, approved)
	b.wantAssociations(t, 0)
	b.wantMoves(t, "prod secrets-encryption opened approval-wanted", "prod secrets-encryption changed approval-wanted")
}

func TestFault_63_WhatEKSRefusesIsToldAndNeverTriedAgain(t *testing.T) {
	for _, mode := range []string{config.Enforce, config.Approve} {
		t.Run(mode, func(t *testing.T) {
			b := newBench(t, mode, plain("prod"))
			b.world.Faults().Script(edge.Step{
				Operation: "AssociateEncryptionConfig", Times: edge.Always,
				Do: edge.Answer(400, "InvalidParameterException", "Encryption config cannot be changed for this cluster."),
			})
			b.handle(t, b.call(events.CreateCluster))
			if mode == config.Approve {
				b.handle(t, b.approve(t))
			}
			for range 3 {
				b.later(t, time.Hour)
				b.handle(t, b.daily())
				b.handle(t, b.call(events.UpdateClusterConfig))
			}
			b.wantAssociations(t, 1)
			if f := b.incident(t).Finding; f.Cause != "refused" || !strings.Contains(f.Reason, "cannot be changed for this cluster") || f.Approval != nil {
				t.Errorf("%s: %s", f.Cause, f.Reason)
			}
			b.quiet(t)
		})
	}
}

func TestAnAssociationThatFailsIsTriedAgainOnlyWhenSomebodyApproves(t *testing.T) {
	for _, mode := range []string{config.Enforce, config.Approve} {
		t.Run(mode, func(t *testing.T) {
			b := newBench(t, mode, plain("prod"))
			b.world.FailUpdate(prod, sim.Issue{Code: "AccessDenied", Message: "no access to the key"})
			b.handle(t, b.call(events.CreateCluster))
			if mode == config.Approve {
				b.handle(t, b.approve(t))
			}
			b.later(t, time.Hour)
			f := b.incident(t).Finding
			if f.Cause != "failed" || f.Severity != fleet.Critical || !strings.Contains(f.Reason, "no access to the key") {
				t.Fatalf("%s %s: %s", f.Severity, f.Cause, f.Reason)
			}
			b.handle(t, b.daily())
			b.handle(t, b.call(events.UpdateClusterConfig))
			b.wantAssociations(t, 1)
			b.quiet(t)
			b.handle(t, b.approve(t))
			b.later(t, time.Hour)
			b.wantAssociations(t, 2)
			b.wantKey(t, key)
		})
	}
}

func TestTheKillSwitchHoldsAPlanUntilItIsOff(t *testing.T) {
	for name, turned := range map[string]kill{
		"that is on":             {on: true},
		"that could not be read": {err: errors.New("no such parameter")},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, config.Enforce, plain("prod"))
			b.kill = turned
			b.handle(t, b.call(events.CreateCluster))
			b.wantMoves(t, "prod secrets-encryption opened kill-switch")
			b.wantAssociations(t, 0)
			b.kill = kill{}
			b.now = b.now.Add(24 * time.Hour)
			b.handle(t, b.daily())
			b.wantAssociations(t, 1)
		})
	}
}

func TestFault_14_AClusterThatIsBusyIsWaitedForAndThenGivenItsKey(t *testing.T) {
	c := plain("prod")
	half := 30 * time.Minute
	c.Version, c.Updates = "1.34", []sim.Update{{Version: "1.35", Takes: &half}}
	b := newBench(t, config.Enforce, c)
	b.handle(t, b.call(events.UpdateClusterConfig))
	b.wantMoves(t)
	b.wantAssociations(t, 0)
	b.later(t, 2*time.Hour)
	b.wantMoves(t, "prod secrets-encryption opened associating", "prod secrets-encryption resolved")
	b.wantAssociations(t, 1)
	b.quiet(t)
}

func TestAClusterThatNeverBecomesReadyIsToldAfterTwoHours(t *testing.T) {
	c := plain("prod")
	day := 24 * time.Hour
	c.Updates = []sim.Update{{Version: "1.35", Takes: &day}}
	b := newBench(t, config.Enforce, c)
	b.handle(t, b.call(events.UpdateClusterConfig))
	b.later(t, 110*time.Minute)
	b.wantMoves(t)
	b.later(t, 30*time.Minute)
	b.wantMoves(t, "prod secrets-encryption opened waited-too-long")
	b.quiet(t)
}

func TestFault_20_ACallWhoseAnswerWasLostIsFoundAndNotRepeated(t *testing.T) {
	b := newBench(t, config.Enforce, plain("prod"))
	b.world.Faults().Script(edge.Step{Operation: "AssociateEncryptionConfig", Do: edge.CutBody()})
	if _, err := b.Handle(t.Context(), b.call(events.CreateCluster)); err == nil {
		t.Fatal("no error although the answer was lost: the event must come again")
	}
	b.now = b.now.Add(time.Minute)
	b.handle(t, b.call(events.CreateCluster))
	b.later(t, time.Hour)
	b.wantKey(t, key)
	b.wantAssociations(t, 1)
	b.quiet(t)
}

func TestFault_21_WithoutAMinuteLeftNothingIsWrittenAndItIsLookedAtAgain(t *testing.T) {
	b := newBench(t, config.Enforce, plain("prod"))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	if _, err := b.Handle(ctx, b.call(events.CreateCluster)); err != nil {
		t.Fatal(err)
	}
	b.wantAssociations(t, 0)
	b.later(t, 5*time.Minute)
	b.wantAssociations(t, 1)
}

func TestFault_21_WhatThereIsNoTimeForGoesToAnotherRun(t *testing.T) {
	b := newBench(t, config.Enforce, plain("prod"), plain("staging"), plain("test"))
	ctx, cancel := context.WithTimeout(t.Context(), 80*time.Second)
	defer cancel()
	scan := b.daily()
	scan.Clusters = []string{"prod", "staging", "test"}
	if _, err := b.Handle(ctx, scan); err != nil {
		t.Fatal(err)
	}
	b.wantAssociations(t, 1)
	if len(b.queue.scans) != 1 || !slices.Equal(b.queue.scans[0].Clusters, []string{"staging", "test"}) {
		t.Fatalf("sent %+v, want the rest", b.queue.scans)
	}
	b.handle(t, b.queue.scans[0])
	b.wantAssociations(t, 3)
}

func TestFault_22_ADuplicateEventIsOneAssociationAndOneNotice(t *testing.T) {
	b := newBench(t, config.Enforce, plain("prod"))
	for range 3 {
		b.handle(t, b.call(events.CreateCluster))
	}
	b.wantMoves(t, "prod secrets-encryption opened associating")
	b.wantAssociations(t, 1)
}

func TestFault_23_AClusterThatIsGoneAlreadyIsNobodysConcern(t *testing.T) {
	b := newBench(t, config.Enforce)
	b.handle(t, b.call(events.CreateCluster))
	b.wantMoves(t)
	b.quiet(t)
}

func TestFault_24_ALateEventSaysNothingOfAClusterThatHasItsKey(t *testing.T) {
	c := plain("prod")
	c.KeyARN = key
	b := newBench(t, config.Enforce, c)
	late := b.call(events.CreateCluster)
	late.Time = b.now.Add(-24 * time.Hour)
	b.handle(t, late)
	b.wantMoves(t)
	b.wantAssociations(t, 0)
}

func TestFault_25_TheDailyLookTakesUpWhatNoEventTold(t *testing.T) {
	b := newBench(t, config.Enforce, plain("prod"), plain("staging"))
	state := fleet.Finding{Check: "encryption-state", Cluster: prod, Outcome: fleet.Fail, Severity: fleet.Warning, At: b.now}
	if _, _, err := b.records.Observe(t.Context(), state); err != nil {
		t.Fatal(err)
	}
	b.handle(t, b.daily())
	b.wantAssociations(t, 1) // of staging nobody said anything
	b.wantMoves(t, "prod secrets-encryption opened associating")
}

func TestFault_27_ACallThatNamesNoClusterLooksAtThoseThatAreOpen(t *testing.T) {
	b := newBench(t, config.Enforce, plain("prod"))
	state := fleet.Finding{Check: "encryption-state", Cluster: prod, Outcome: fleet.Fail, Severity: fleet.Warning, At: b.now}
	if _, _, err := b.records.Observe(t.Context(), state); err != nil {
		t.Fatal(err)
	}
	e := b.call(events.CreateCluster)
	e.Cluster = ""
	b.handle(t, e)
	b.wantAssociations(t, 1)
}

func TestFault_29_AnEventOfAnAccountThatIsNoTargetIsLeftAlone(t *testing.T) {
	b := newBench(t, config.Enforce, plain("prod"))
	e := b.call(events.CreateCluster)
	e.Account = "444455556666"
	for _, e := range []events.Event{e, &events.TargetScan{Header: b.head("s"), Cadence: events.Daily, Target: fleet.Target{Account: "444455556666", Region: region}, Clusters: []string{"prod"}}} {
		if said := b.handle(t, e); said["skipped"] == nil {
			t.Errorf("said %v, want it skipped", said)
		}
	}
	b.wantAssociations(t, 0)
}

func TestFault_30_OurOwnCallIsDroppedAndThatOfOthersIsNot(t *testing.T) {
	b := newBench(t, config.Enforce, plain("prod"))
	e := b.call(events.AssociateEncryptionConfig)
	e.Principal = "arn:aws:iam::111122223333:role/steward-encryption-writer"
	if said := b.handle(t, e); said["skipped"] == nil || len(b.world.Calls()) > 0 {
		t.Errorf("said %v, want it dropped before anything is read", said)
	}
	e.Principal = "arn:aws:iam::444455556666:role/steward-encryption-writer"
	if said := b.handle(t, e); said["skipped"] != nil {
		t.Errorf("said %v: a role of another account is not ours", said)
	}
}

func TestFault_34_AResyncThatDiedHoldsItsTargetNoLongerThanItsLease(t *testing.T) {
	b := newBench(t, config.Enforce, plain("prod"))
	state := fleet.Finding{Check: "encryption-state", Cluster: prod, Outcome: fleet.Fail, Severity: fleet.Warning, At: b.now}
	if _, _, err := b.records.Observe(t.Context(), state); err != nil {
		t.Fatal(err)
	}
	if _, err := b.records.Lease(t.Context(), handler.Function+"/"+target.String(), "dead", 16*time.Minute); err != nil {
		t.Fatal(err)
	}
	if said := b.handle(t, b.daily()); said["skipped"] == nil {
		t.Errorf("said %v, want it skipped", said)
	}
	b.now = b.now.Add(16 * time.Minute)
	b.handle(t, b.daily())
	b.wantAssociations(t, 1)
}

func TestFault_39_AKeyThatCannotBeUsedIsToldAndEKSIsNotCalled(t *testing.T) {
	b := newBench(t, config.Enforce, plain("prod"))
	b.configure(t, func(*config.SecretsEncryption) {})
	b.now = b.now.Add(time.Second)
	b.configure(t, func(s *config.SecretsEncryption) {
		s.Require, s.Keys, s.Mode = config.ListedKeys, []string{"arn:aws:kms:us-east-1:111122223333:key/" + keyID}, config.Enforce
	})
	b.handle(t, b.call(events.CreateCluster))
	b.wantMoves(t, "prod secrets-encryption opened no-usable-key")
	b.wantAssociations(t, 0)
}

func TestFault_62_ADeletedClusterTakesItsFindingsAndPlansAlong(t *testing.T) {
	b := newBench(t, config.Approve, plain("prod"))
	b.handle(t, b.call(events.CreateCluster))
	plan := b.incident(t).Finding.Approval.Plan
	if err := b.records.NoteKeyUse(t.Context(), prod, key); err != nil {
		t.Fatal(err)
	}
	b.world.Remove(prod)
	b.now = b.now.Add(24 * time.Hour)
	b.handle(t, b.daily())
	b.wantMoves(t, "prod secrets-encryption opened approval-wanted", "prod secrets-encryption resolved")
	if a, err := b.records.Approval(t.Context(), plan); err != nil || a.State != ledger.Voided {
		t.Errorf("the approval is %s, %v; want it void", a.State, err)
	}
	if users, err := b.records.KeyUsers(t.Context(), key); err != nil || len(users) > 0 {
		t.Errorf("users %v, %v; want none", users, err)
	}
	b.quiet(t)
}

func TestWhatMayPassComesAgainAndWhatIsDeniedIsToldElsewhere(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   edge.Action
		err  bool
	}{
		{"an outage", edge.Answer(500, "ServerException", "broken"), true},
		{"a denial", edge.Answer(403, "AccessDeniedException", "not authorized to perform: eks:DescribeCluster"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, config.Enforce, plain("prod"))
			b.world.Faults().Script(edge.Step{Operation: "DescribeCluster", Times: edge.Always, Do: tt.do})
			if _, err := b.Handle(t.Context(), b.call(events.CreateCluster)); (err != nil) != tt.err {
				t.Errorf("error %v", err)
			}
			b.wantMoves(t)
		})
	}
}

func TestWhatTheFunctionHasNoUseForIsRefusedForGood(t *testing.T) {
	b := newBench(t, config.Enforce)
	if _, err := b.Handle(t.Context(), &events.Tick{}); !worker.IsPermanent(err) {
		t.Errorf("got %v, want a permanent error", err)
	}
	if said := b.handle(t, &events.IncidentMoved{Header: b.head("m"), Finding: fleet.Finding{Check: "etcd-size", Cluster: prod}}); said["skipped"] == nil {
		t.Errorf("said %v, want it skipped", said)
	}
}

func TestFault_32_OfTwoRunsAtAPlanOneAssociates(t *testing.T) {
	b := newBench(t, config.Enforce, plain("prod"))
	done := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := b.Handle(t.Context(), b.call(events.CreateCluster))
			done <- err
		}()
	}
	for range 2 {
		if err := <-done; err != nil && !errors.Is(err, ledger.ErrConflict) {
			t.Error(err)
		}
	}
	b.later(t, time.Hour)
	b.wantKey(t, key)
	b.quiet(t)
}
