package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/functions/dispatch/handler"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/file"
	"github.com/eks-steward/eks-steward/internal/outbox"
	"github.com/eks-steward/eks-steward/internal/worker"
)

var hub = fleet.ClusterID{Account: "111122223333", Region: "eu-west-1"}

var start = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// mailbox is a queue that keeps what it is sent.
type mailbox struct {
	messages []string
	cadence  events.Cadence // of the last scan
	down     error
}

func (m *mailbox) Send(_ context.Context, messages ...[]byte) error {
	if m.down != nil {
		return m.down
	}
	for _, b := range messages {
		e, err := events.Decode(b)
		if err != nil {
			return err
		}
		switch e := e.(type) {
		case *events.TargetScan:
			m.cadence = e.Cadence
			m.messages = append(m.messages, strings.TrimSpace("scan "+e.Target.String()+" "+strings.Join(e.Clusters, ",")))
		case *events.PendingNotices:
			m.messages = append(m.messages, "pending")
		case *events.PlanRollout:
			m.messages = append(m.messages, "plan "+e.ID)
		case *events.Tick:
			m.messages = append(m.messages, "tick of "+e.Time.Format(time.TimeOnly))
		case *events.EKSCall:
			m.messages = append(m.messages, "look at "+e.Cluster)
		}
	}
	return nil
}

type bus struct{ published []string }

func (b *bus) Publish(_ context.Context, moves ...events.IncidentMoved) error {
	for _, m := range moves {
		b.published = append(b.published, m.Incident+" "+m.Transition)
	}
	return nil
}

type bench struct {
	*handler.Handler
	records  *ledger.Ledger
	etcdsize *mailbox
	checks   *mailbox // of clustercheck
	secrets  *mailbox // of secretsencryption
	rollouts *mailbox // of nodegrouprollout
	notify   *mailbox
	bus      *bus
	conf     *config.File
	finding  fleet.Finding
	confErr  error
	now      time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	store, err := file.Open(filepath.Join(t.TempDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	b := &bench{etcdsize: &mailbox{}, checks: &mailbox{}, secrets: &mailbox{}, rollouts: &mailbox{}, notify: &mailbox{}, bus: &bus{}, now: start, conf: config.Default()}
	b.conf.Accounts = []config.Account{{Account: "111122223333", Regions: []string{"eu-west-1", "us-east-1"}}}
	b.finding = fleet.Finding{Check: "configuration", Cluster: hub, Outcome: fleet.Pass}
	b.use(store)
	if err := b.records.KnowTargets(t.Context(), b.conf.Targets()); err != nil {
		t.Fatal(err)
	}
	return b
}

// use puts the handler on a store.
func (b *bench) use(store ledger.Store) {
	clock := func() time.Time { return b.now }
	b.records = ledger.New(store, clock)
	b.Handler = &handler.Handler{
		Configuration: func(context.Context) (*config.File, fleet.Finding, error) { return b.conf, b.finding, b.confErr },
		Ledger:        b.records, FollowUps: b.records, Rollouts: b.records, Hub: hub, Now: clock,
		Outbox: outbox.Outbox{Ledger: b.records, Bus: b.bus},
		Queues: map[string]handler.Queue{
			events.EtcdSize: b.etcdsize, events.ClusterCheck: b.checks, events.SecretsEncryption: b.secrets,
			events.NodegroupRollout: b.rollouts, events.Notify: b.notify,
		},
	}
}

func (b *bench) tick(c events.Cadence) *events.Tick {
	return &events.Tick{Header: events.Header{ID: string(c) + b.now.String(), Time: b.now}, Cadence: c}
}

func (b *bench) handle(t *testing.T, e events.Event) {
	t.Helper()
	if _, err := b.Handle(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

func sent(t *testing.T, m *mailbox, want ...string) {
	t.Helper()
	if !slices.Equal(m.messages, want) {
		t.Errorf("sent %q, want %q", m.messages, want)
	}
	m.messages = nil
}

func TestAnHourlyTickScansEveryTarget(t *testing.T) {
	b := newBench(t)
	b.handle(t, b.tick(events.Hourly))
	sent(t, b.etcdsize, "scan 111122223333/eu-west-1", "scan 111122223333/us-east-1")
}

func TestADailyTickChecksEveryTarget(t *testing.T) {
	b := newBench(t)
	b.handle(t, b.tick(events.Daily))
	sent(t, b.checks, "scan 111122223333/eu-west-1", "scan 111122223333/us-east-1")
	sent(t, b.secrets, "scan 111122223333/eu-west-1", "scan 111122223333/us-east-1")
	sent(t, b.etcdsize)
}

func TestAQueueThatIsDownKeepsNoOtherFromItsScans(t *testing.T) {
	b := newBench(t)
	b.checks.down = errors.New("the queue is down")
	if _, err := b.Handle(t.Context(), b.tick(events.Daily)); err == nil {
		t.Error("no error although the checks were not sent")
	}
	sent(t, b.secrets, "scan 111122223333/eu-west-1", "scan 111122223333/us-east-1")
}

// schedule asks for a look at the cluster prod by clustercheck.
func (b *bench) schedule(t *testing.T, once bool) {
	t.Helper()
	m, err := events.Message(&events.TargetScan{
		Header: events.Header{ID: "f", Time: start}, Cadence: events.Daily,
		Target: fleet.Target{Account: "111122223333", Region: "eu-west-1"}, Clusters: []string{"prod"},
	})
	if err != nil {
		t.Fatal(err)
	}
	f := ledger.FollowUp{ID: "f", Function: events.ClusterCheck, Message: m, Next: start, GiveUp: start.Add(time.Hour), Once: once}
	if err := b.records.Schedule(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func TestAFollowUpGoesToTheFunctionThatAskedForIt(t *testing.T) {
	b := newBench(t)
	b.schedule(t, false)
	b.handle(t, b.tick(events.FiveMinutes))
	sent(t, b.checks, "scan 111122223333/eu-west-1 prod")
	sent(t, b.etcdsize)
}

func TestALookThatIsWantedOnceIsSentUntilItIsSent(t *testing.T) {
	b := newBench(t)
	b.schedule(t, true)
	b.checks.down = errors.New("the queue is down")
	if _, err := b.Handle(t.Context(), b.tick(events.FiveMinutes)); err == nil {
		t.Error("no error although nothing was sent")
	}
	b.checks.down = nil
	for _, want := range [][]string{{"scan 111122223333/eu-west-1 prod"}, nil} {
		b.now = b.now.Add(5 * time.Minute)
		b.handle(t, b.tick(events.FiveMinutes))
		sent(t, b.checks, want...)
	}
}

func TestAFiveMinuteTickScansWatchListsOfConfiguredTargetsOnly(t *testing.T) {
	b := newBench(t)
	for _, w := range []ledger.WatchList{
		{Target: fleet.Target{Account: "111122223333", Region: "us-east-1"}, Clusters: []string{"a", "b"}},
		{Target: fleet.Target{Account: "444455556666", Region: "us-east-1"}, Clusters: []string{"left the configuration"}},
	} {
		if err := b.records.SetWatchList(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	b.handle(t, b.tick(events.FiveMinutes))
	sent(t, b.etcdsize, "scan 111122223333/us-east-1 a,b")
}

func TestFault_22_ATickThatComesTwiceIsDispatchedOnce(t *testing.T) {
	b := newBench(t)
	tick := b.tick(events.Hourly)
	b.handle(t, tick)
	b.handle(t, tick)
	sent(t, b.etcdsize, "scan 111122223333/eu-west-1", "scan 111122223333/us-east-1")
	b.now = b.now.Add(time.Hour)
	b.handle(t, b.tick(events.Hourly))
	sent(t, b.etcdsize, "scan 111122223333/eu-west-1", "scan 111122223333/us-east-1")
}

func TestATickThatFailedIsDispatchedAtItsNextDelivery(t *testing.T) {
	b := newBench(t)
	tick := b.tick(events.Hourly)
	b.etcdsize.down = errors.New("the queue is down")
	if _, err := b.Handle(t.Context(), tick); err == nil {
		t.Fatal("no error although nothing was sent")
	}
	b.etcdsize.down = nil
	b.handle(t, tick)
	sent(t, b.etcdsize, "scan 111122223333/eu-west-1", "scan 111122223333/us-east-1")
}

func TestFault_58_AFiveMinuteTickEmptiesTheOutboxAndRemindsNotify(t *testing.T) {
	b := newBench(t)
	lost := fleet.Finding{Check: "etcd-size", Cluster: fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: "prod"}, Outcome: fleet.Fail, Severity: fleet.Critical}
	if _, _, err := b.records.Observe(t.Context(), lost); err != nil { // and the function died
		t.Fatal(err)
	}
	b.handle(t, b.tick(events.FiveMinutes))
	if want := []string{"111122223333/eu-west-1/prod/etcd-size/ opened"}; !slices.Equal(b.bus.published, want) {
		t.Errorf("published %q, want %q", b.bus.published, want)
	}
	sent(t, b.notify, "pending") // announced, but nobody has been told yet
	b.now = b.now.Add(5 * time.Minute)
	b.handle(t, b.tick(events.FiveMinutes))
	if n := len(b.bus.published); n != 1 {
		t.Errorf("published %d times, want once", n)
	}
}

func TestAFiveMinuteTickWakesNotifyForADailyDigest(t *testing.T) {
	b := newBench(t)
	b.now = time.Date(2026, 11, 20, 23, 57, 0, 0, time.UTC)
	b.conf.Notify.DigestAt = "09:00"
	b.conf.Notify.Routes = []config.Route{{Channel: "C0000000001"}, {Channel: "C0000000002", DigestAt: "23:59"}}
	b.handle(t, b.tick(events.FiveMinutes))
	sent(t, b.notify)
	b.now = b.now.Add(5 * time.Minute) // the next day
	b.handle(t, b.tick(events.FiveMinutes))
	sent(t, b.notify, "pending")
	b.now = b.now.Add(5 * time.Minute)
	b.handle(t, b.tick(events.FiveMinutes))
	sent(t, b.notify)
	b.now = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	b.handle(t, b.tick(events.FiveMinutes))
	sent(t, b.notify, "pending")
}

func TestANewTargetIsLookedAtAtOnce(t *testing.T) {
	b := newBench(t)
	b.conf.Accounts[0].Regions = append(b.conf.Accounts[0].Regions, "ap-south-1")
	b.checks.down = errors.New("the queue is down")
	if _, err := b.Handle(t.Context(), b.tick(events.FiveMinutes)); err == nil {
		t.Error("no error although the checks were not sent")
	}
	sent(t, b.etcdsize, "scan 111122223333/ap-south-1")
	sent(t, b.secrets, "scan 111122223333/ap-south-1")
	b.checks.down = nil
	b.now = b.now.Add(5 * time.Minute)
	b.handle(t, b.tick(events.FiveMinutes))
	sent(t, b.etcdsize)
	sent(t, b.checks)

	b.conf.Accounts[0].Regions = append(b.conf.Accounts[0].Regions, "ap-south-2")
	b.now = b.now.Add(5 * time.Minute)
	b.handle(t, b.tick(events.FiveMinutes))
	for _, m := range []*mailbox{b.etcdsize, b.checks, b.secrets} {
		sent(t, m, "scan 111122223333/ap-south-2")
	}
	if b.etcdsize.cadence != events.Hourly || b.checks.cadence != events.Daily || b.secrets.cadence != events.Daily {
		t.Errorf("the looks are %s, %s and %s, want each in full", b.etcdsize.cadence, b.checks.cadence, b.secrets.cadence)
	}
}

func TestTheDailyBeatLeavesNoTargetNew(t *testing.T) {
	b := newBench(t)
	b.conf.Accounts[0].Regions = append(b.conf.Accounts[0].Regions, "ap-south-1")
	b.handle(t, b.tick(events.Daily))
	sent(t, b.checks, "scan 111122223333/eu-west-1", "scan 111122223333/us-east-1", "scan 111122223333/ap-south-1")
	b.handle(t, b.tick(events.FiveMinutes))
	sent(t, b.checks)
	sent(t, b.etcdsize)
}

// TestWhatIsOpenOfATargetThatLeftIsClosed holds that nobody is reminded for ever of
// what nobody looks at: after a look that was on its way, too.
func TestWhatIsOpenOfATargetThatLeftIsClosed(t *testing.T) {
	b := newBench(t)
	gone := fleet.Target{Account: "111122223333", Region: "us-east-1"}
	fails := func(c fleet.ClusterID) {
		t.Helper()
		f := fleet.Finding{Check: "etcd-size", Cluster: c, Outcome: fleet.Fail, Severity: fleet.Critical, Owner: "platform", At: b.now}
		if _, _, err := b.Outbox.Record(t.Context(), []fleet.Finding{f}); err != nil {
			t.Fatal(err)
		}
	}
	fails(gone.Cluster("prod"))
	fails(gone.Cluster("")) // such as that it may not be read
	fails(hub)
	fails(fleet.Target{Account: hub.Account, Region: hub.Region}.Cluster("prod"))
	b.wantOpen(t, gone, 2)
	b.conf.Accounts[0].Regions = []string{"eu-west-1"}
	beat := func() {
		t.Helper()
		b.now = b.now.Add(5 * time.Minute)
		b.handle(t, b.tick(events.FiveMinutes))
	}
	beat()
	b.wantOpen(t, gone, 0)
	fails(gone.Cluster("prod"))
	beat()
	b.wantOpen(t, gone, 0)
	beat()
	b.wantOpen(t, b.conf.Targets()[0], 2)
	closed, err := b.records.Incident(t.Context(), incident.ID(fleet.Finding{Check: "etcd-size", Cluster: gone.Cluster("prod")}))
	if f := closed.Finding; err != nil || f.Title != "prod is not watched any more" || f.Owner != "platform" || f.Cause != "not-watched" {
		t.Errorf("closed with %+v, %v", f, err)
	}

	b.conf.Accounts[0].Regions = append(b.conf.Accounts[0].Regions, "us-east-1") // and comes back
	beat()
	sent(t, b.checks, "scan 111122223333/us-east-1")

	fails(hub)
	b.conf.Accounts[0].Regions = []string{"us-east-1"} // the hub need not be watched
	beat()
	beat()
	b.wantOpen(t, fleet.Target{Account: hub.Account, Region: hub.Region}, 1)
}

func (b *bench) wantOpen(t *testing.T, of fleet.Target, want int) {
	t.Helper()
	open, err := b.records.OpenIncidents(t.Context(), of)
	if err != nil || len(open) != want {
		t.Errorf("%d incidents are open in %s (%v), want %d", len(open), of, err, want)
	}
}

func TestFollowUps(t *testing.T) {
	message := json.RawMessage(`{"version":"0","id":"f","source":"eks-steward","detail-type":"Scan Target","account":"111122223333","region":"eu-west-1","time":"2026-11-20T12:00:00Z","detail":{"schemaVersion":1,"cadence":"hourly","target":{"account":"111122223333","region":"eu-west-1"}}}`)
	b := newBench(t)
	f := ledger.FollowUp{ID: "f", Function: events.EtcdSize, Message: message, Next: start.Add(-time.Minute), GiveUp: start.Add(12 * time.Minute)}
	if err := b.records.Schedule(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	for range 3 { // it is sent until its function finishes it
		b.handle(t, b.tick(events.FiveMinutes))
		sent(t, b.etcdsize, "scan 111122223333/eu-west-1")
		b.now = b.now.Add(5 * time.Minute)
	}
	_, err := b.Handle(t.Context(), b.tick(events.FiveMinutes))
	if err == nil || !strings.Contains(err.Error(), "given up after 3 attempts") {
		t.Errorf("got %v, want that it was given up", err)
	}
	sent(t, b.etcdsize)
	b.now = b.now.Add(5 * time.Minute)
	b.handle(t, b.tick(events.FiveMinutes)) // and it is gone
}

func TestFault_54_ABadConfigurationIsRecordedAndTheLastGoodOneServes(t *testing.T) {
	b := newBench(t)
	b.finding.Outcome, b.finding.Severity, b.finding.Cause = fleet.Fail, fleet.Warning, "refused"
	b.handle(t, b.tick(events.Hourly))
	sent(t, b.etcdsize, "scan 111122223333/eu-west-1", "scan 111122223333/us-east-1")
	if want := []string{"111122223333/eu-west-1//configuration/ opened"}; !slices.Equal(b.bus.published, want) {
		t.Errorf("published %q, want %q", b.bus.published, want)
	}
}

func TestWithoutAnyConfigurationTheTickFails(t *testing.T) {
	b := newBench(t)
	b.conf, b.confErr = nil, errors.New("there is no such file: upload one")
	if _, err := b.Handle(t.Context(), b.tick(events.Hourly)); err == nil || !strings.Contains(err.Error(), "upload one") {
		t.Errorf("got %v, want what to do", err)
	}
}

// down is a ledger's store that cannot be reached.
type down struct{ ledger.Store }

func (down) Read(context.Context, ledger.Key) (ledger.Record, error) {
	return ledger.Record{}, ledger.ErrUnavailable
}

func TestFault_33_WithoutALedgerTheHourlyScansStillGoOut(t *testing.T) {
	b := newBench(t)
	b.use(down{})
	b.handle(t, b.tick(events.Hourly))
	sent(t, b.etcdsize, "scan 111122223333/eu-west-1", "scan 111122223333/us-east-1")
}

func TestOnlyTicksAreDispatched(t *testing.T) {
	b := newBench(t)
	if _, err := b.Handle(t.Context(), &events.EKSCall{}); !worker.IsPermanent(err) {
		t.Errorf("got %v, want a permanent error", err)
	}
}
