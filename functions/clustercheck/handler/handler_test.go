package handler_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/functions/clustercheck/handler"
	"github.com/eks-steward/eks-steward/internal/clustercheck"
	"github.com/eks-steward/eks-steward/internal/clustercheck/surveytest"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/file"
	"github.com/eks-steward/eks-steward/internal/outage"
	"github.com/eks-steward/eks-steward/internal/outbox"
	"github.com/eks-steward/eks-steward/internal/worker"
)

const (
	account, region = "111122223333", "eu-west-1"
	update          = "3141b835-8103-423a-8e68-12c2521ffa4d"
)

var (
	start  = time.Date(2026, 11, 20, 6, 17, 0, 0, time.UTC)
	target = fleet.Target{Account: account, Region: region}
)

// bench is a handler between a region filled by hand and a file ledger.
type bench struct {
	*handler.Handler
	region  *surveytest.Region
	records *ledger.Ledger
	store   *faultyStore
	bus     *recorder
	queue   *queue
	now     time.Time
	alarms  []string
}

func newBench(t *testing.T, clusters ...string) *bench {
	t.Helper()
	store, err := file.Open(filepath.Join(t.TempDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	b := &bench{now: start, bus: &recorder{}, queue: &queue{}, store: &faultyStore{Store: store}, region: surveytest.New(target, start, clusters...)}
	clock := func() time.Time { return b.now }
	b.records = ledger.New(b.store, clock)
	b.Handler = &handler.Handler{
		Open:   func(fleet.Target) clustercheck.Survey { return b.region.Survey() },
		Ledger: b.records, Leases: b.records, FollowUps: b.records, Queue: b.queue, Now: clock,
		Outbox: outbox.Outbox{Ledger: b.records, Bus: b.bus},
		Outage: outage.Watch{Alarm: func(_ context.Context, critical []fleet.Finding, day time.Time, _ error) error {
			b.alarms = append(b.alarms, fmt.Sprintf("%s: %d", day.Format(time.DateOnly), len(critical)))
			return nil
		}},
	}
	b.configure(t, func(*config.File) {})
	return b
}

// configure puts a configuration in force.
func (b *bench) configure(t *testing.T, edit func(*config.File)) {
	t.Helper()
	conf := config.Default()
	conf.Accounts = []config.Account{{Account: account, Regions: []string{region}, Role: config.OwnCredentials}}
	edit(conf)
	encoded, err := config.Encode(conf)
	if err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(time.Nanosecond) // another version is a later one
	if err := b.records.AcceptConfig(t.Context(), ledger.AcceptedConfig{Version: b.now.String(), At: b.now, JSON: encoded}); err != nil {
		t.Fatal(err)
	}
}

// recorder is a bus that keeps what it is given.
type recorder struct{ moves []string }

func (r *recorder) Publish(_ context.Context, moves ...events.IncidentMoved) error {
	for _, m := range moves {
		r.moves = append(r.moves, strings.Join([]string{m.Finding.Cluster.Name, m.Finding.Check, m.Transition, m.Finding.Cause}, " "))
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

// faultyStore is a store of the ledger that can be switched off, which no real one
// can be in the middle of a test.
type faultyStore struct {
	ledger.Store
	mu   sync.Mutex
	down bool
}

func (s *faultyStore) Read(ctx context.Context, k ledger.Key) (ledger.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return ledger.Record{}, ledger.ErrUnavailable
	}
	return s.Store.Read(ctx, k)
}

func (b *bench) header(id string) events.Header {
	return events.Header{ID: id, Account: account, Region: region, Time: b.now}
}

func (b *bench) daily() *events.TargetScan {
	return &events.TargetScan{Header: b.header("daily" + b.now.String()), Cadence: events.Daily, Target: target}
}

func (b *bench) call(name, cluster string) *events.EKSCall {
	return &events.EKSCall{Header: b.header(name + cluster), Call: name, Cluster: cluster}
}

func (b *bench) upgrade() *events.EKSCall {
	e := b.call(events.UpdateClusterVersion, "prod")
	e.Update = update
	return e
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

// dispatch is what dispatch does when it is d later: it sends the looks that are
// due and puts each off.
func (b *bench) dispatch(t *testing.T, d time.Duration) int {
	t.Helper()
	b.now = b.now.Add(d)
	due, err := b.records.DueFollowUps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range due {
		if f.Function != handler.Function || b.now.After(f.GiveUp) {
			t.Fatalf("at %s: %+v", b.now, f)
		}
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
	}
	return len(due)
}

// old puts a cluster on a version whose support has ended, which is one finding
// of version-support and changes nothing else.
func (b *bench) old(cluster string) {
	v := &b.region.Clusters[cluster].Versions
	v.Value = slices.Clone(v.Value)
	v.Value[0].Status, v.Value[0].EndOfStandard, v.Value[0].EndOfExtended = "UNSUPPORTED", start.Add(-48*time.Hour), start.Add(-24*time.Hour)
}

func (b *bench) renew(cluster string) {
	b.region.Clusters[cluster] = surveytest.Healthy(target.Cluster(cluster), b.now)
}

func (b *bench) wantMoves(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(b.bus.moves, want) {
		t.Errorf("the bus heard\n  %s\nwant\n  %s", strings.Join(b.bus.moves, "\n  "), strings.Join(want, "\n  "))
	}
}

const opened = "prod version-support opened unsupported"

func TestATroubleIsOpenedAndResolvedByDailyScans(t *testing.T) {
	b := newBench(t, "prod", "quiet")
	for day := range 6 {
		switch day {
		case 1:
			b.old("prod")
		case 4:
			b.renew("prod")
		}
		b.handle(t, b.daily())
		b.handle(t, b.daily()) // SQS delivers at least once
		b.now = b.now.Add(24 * time.Hour)
	}
	b.wantMoves(t, opened, "prod version-support resolved ")
}

func TestOneActionThatIsRefusedIsOneIncidentOfTheTarget(t *testing.T) {
	b := newBench(t, "a", "b", "c")
	for _, s := range b.region.Clusters {
		s.Addons = fleet.Read[[]fleet.Addon](nil, surveytest.Trouble(fleet.Denied, "eks:ListAddons"), start)
	}
	b.handle(t, b.daily())
	b.handle(t, b.call(events.UpdateAddon, "a")) // one cluster does not speak for the target
	b.wantMoves(t, " read-access opened eks:ListAddons")
	for n := range b.region.Clusters {
		b.renew(n)
	}
	b.now = b.now.Add(24 * time.Hour)
	b.handle(t, b.daily())
	b.wantMoves(t, " read-access opened eks:ListAddons", " read-access resolved ")
}

func TestAListThatFailedResolvesNothingOfTheTarget(t *testing.T) {
	b := newBench(t, "a")
	b.region.Clusters["a"].Addons = fleet.Read[[]fleet.Addon](nil, surveytest.Trouble(fleet.Denied, "eks:ListAddons"), start)
	b.handle(t, b.daily())
	clear(b.region.Clusters)
	b.region.Unlisted = surveytest.Trouble(fleet.Denied, "eks:ListClusters")
	b.now = b.now.Add(24 * time.Hour)
	b.handle(t, b.daily())
	b.wantMoves(t, " read-access opened eks:ListAddons")
}

func TestWhatOtherFunctionsFoundIsTheirsToClose(t *testing.T) {
	b := newBench(t)
	for _, f := range []fleet.Finding{
		{Check: "etcd-size", Cluster: target.Cluster("gone"), Outcome: fleet.Fail, Severity: fleet.Critical, At: start.Add(-time.Hour)},
		{Check: "version-support", Cluster: target.Cluster("gone"), Outcome: fleet.Fail, Severity: fleet.Critical, At: start.Add(-time.Hour)},
	} {
		if _, _, err := b.records.Observe(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	b.handle(t, b.daily())
	b.wantMoves(t, "gone version-support resolved ")
}

func TestATargetThatCannotBeListedIsLeftToTargetAccess(t *testing.T) {
	b := newBench(t)
	b.region.Unlisted = surveytest.Trouble(fleet.Unreachable, "sts:AssumeRole")
	if said := b.handle(t, b.daily()); said["complete"] != false {
		t.Errorf("said %v, want it incomplete", said)
	}
	b.wantMoves(t)
}

func TestFault_04_AListThatLoopsComesAgain(t *testing.T) {
	b := newBench(t, "prod")
	b.old("prod")
	b.region.Unlisted = surveytest.Trouble(fleet.LoopingPages, "eks:ListClusters")
	if _, err := b.Handle(t.Context(), b.daily()); !errors.Is(err, fleet.LoopingPages) {
		t.Errorf("error %v, want that of the list", err)
	}
	b.wantMoves(t, opened) // what was listed is told all the same
}

func TestFault_21_TheRestGoesOnInAnotherRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var names []string
		for i := range 20 {
			names = append(names, fmt.Sprintf("c%02d", i))
		}
		b := newBench(t, names...)
		for _, n := range names {
			b.old(n)
		}
		b.region.Takes = time.Minute
		run := func(e events.Event) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			if _, err := b.Handle(ctx, e); err != nil {
				t.Fatal(err)
			}
		}
		run(b.daily())
		for runs := 0; len(b.queue.scans) > 0; runs++ {
			if runs > 3 {
				t.Fatal("it never ends")
			}
			e := b.queue.scans[0]
			b.queue.scans = b.queue.scans[1:]
			b.now = b.now.Add(time.Second)
			run(e)
		}
		if len(b.bus.moves) != len(names) {
			t.Errorf("%d moves, want one for each of %d clusters", len(b.bus.moves), len(names))
		}
	})
}

func TestARunThatCannotReadOneClusterFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "prod")
		b.region.Takes = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := b.Handle(ctx, b.daily()); err == nil || len(b.queue.scans) > 0 {
			t.Errorf("error %v, sent %v; want an error, or the rest would go round for ever", err, b.queue.scans)
		}
		if _, err := b.records.Lease(t.Context(), "clustercheck/"+target.String(), "next", time.Minute); err != nil {
			t.Errorf("the lease was not given back: %v", err)
		}
	})
}

func TestFault_22_ADuplicateEventIsOneMoveAndOneFollowUp(t *testing.T) {
	b := newBench(t, "prod")
	b.region.Updates["prod"] = fleet.Update{ID: update, Type: "VersionUpdate", Status: "InProgress", Version: "1.37"}
	b.handle(t, b.upgrade())
	b.handle(t, b.upgrade())
	b.wantMoves(t, "prod cluster-update opened in-progress")
	if n := b.dispatch(t, 5*time.Minute); n != 1 {
		t.Errorf("%d follow-ups are due, want 1", n)
	}
}

func TestFault_23_ADeleteSeenBeforeTheCreateChangesNothing(t *testing.T) {
	b := newBench(t, "prod")
	b.old("prod")
	b.handle(t, b.call(events.DeleteCluster, "prod"))
	b.handle(t, b.call(events.CreateCluster, "prod"))
	b.wantMoves(t, opened) // it is there, whatever the events say
}

func TestFault_24_AnEventADayLateReportsTheStateOfToday(t *testing.T) {
	b := newBench(t, "prod")
	b.region.Updates["prod"] = fleet.Update{ID: update, Type: "VersionUpdate", Status: "Successful", Version: "1.36"}
	late := b.upgrade()
	late.Time = b.now.Add(-24 * time.Hour)
	b.handle(t, late)
	b.wantMoves(t)
	if n := b.dispatch(t, time.Hour); n != 0 {
		t.Errorf("%d follow-ups of what is over", n)
	}
}

func TestFault_25_WhatNoEventToldTheNextScanFinds(t *testing.T) {
	b := newBench(t, "prod")
	b.old("prod")
	b.handle(t, b.daily())
	delete(b.region.Clusters, "prod") // no DeleteCluster event comes
	b.now = b.now.Add(24 * time.Hour)
	b.handle(t, b.daily())
	b.wantMoves(t, opened, "prod version-support resolved ")
}

func TestFault_27_AnEventWithoutAClusterLooksAtItsRegion(t *testing.T) {
	b := newBench(t, "a", "b")
	b.handle(t, b.call(events.CreateNodegroup, ""))
	b.handle(t, &events.AddonHealth{Header: b.header("addon")})
	if got := b.region.Reads(); !slices.Equal(got, []string{"a", "a", "b", "b"}) {
		t.Errorf("read %q, want both clusters, twice", got)
	}
	b.handle(t, &events.AddonHealth{Header: b.header("addon"), Cluster: "b"})
	if got := b.region.Reads(); !slices.Equal(got, []string{"b"}) {
		t.Errorf("read %q, want b alone", got)
	}
}

func TestFault_28_AnEventOfNoTargetIsRefused(t *testing.T) {
	b := newBench(t, "prod")
	e := b.call(events.CreateCluster, "prod")
	e.Account = "444455556666"
	if _, err := b.Handle(t.Context(), e); !worker.IsPermanent(err) || !strings.Contains(err.Error(), "444455556666") {
		t.Errorf("error %v, want a permanent one that names the account", err)
	}
	if _, err := b.Handle(t.Context(), &events.Tick{Cadence: events.Daily}); !worker.IsPermanent(err) {
		t.Errorf("a tick: %v, want a permanent error", err)
	}
	if got := b.region.Reads(); len(got) > 0 {
		t.Errorf("read %q for an event that is refused", got)
	}
}

func TestFault_62_ADeletionClosesIncidentsAndFollowUps(t *testing.T) {
	b := newBench(t, "prod")
	b.old("prod")
	b.region.Updates["prod"] = fleet.Update{ID: update, Type: "VersionUpdate", Status: "InProgress", Version: "1.37"}
	b.handle(t, b.upgrade())
	b.region.Clusters["prod"].Cluster.Value.Status = "DELETING"
	b.handle(t, b.call(events.DeleteCluster, "prod"))
	b.bus.moves = nil

	b.dispatch(t, 10*time.Minute) // it is still there
	b.wantMoves(t)
	delete(b.region.Clusters, "prod")
	b.region.Left["prod"] = []string{"arn:aws:ec2:eu-west-1:111122223333:volume/vol-1"}
	b.dispatch(t, 10*time.Minute)
	slices.Sort(b.bus.moves)
	b.wantMoves(t, "prod cluster-update resolved ", "prod deletion opened leftovers", "prod version-support resolved ")
	if n := b.dispatch(t, time.Hour); n != 0 {
		t.Errorf("%d follow-ups of a cluster that is gone", n)
	}
	b.region.Left["prod"] = nil
	b.bus.moves = nil
	b.now = b.now.Add(24 * time.Hour)
	b.handle(t, b.daily())
	b.wantMoves(t, "prod deletion resolved ")
}

func TestADeletionThatDoesNotEndIsTold(t *testing.T) {
	b := newBench(t, "prod")
	b.region.Clusters["prod"].Cluster.Value.Status = "DELETING"
	b.handle(t, b.call(events.DeleteCluster, "prod"))
	for range 60 {
		b.dispatch(t, 5*time.Minute)
	}
	b.wantMoves(t, "prod deletion opened stuck")
}

func TestAnUpgradeIsToldAtItsBeginAndAtItsEnd(t *testing.T) {
	for _, tt := range []struct{ status, want string }{
		{"Successful", "prod cluster-update resolved "},
		{"Failed", "prod cluster-update changed failed"},
	} {
		t.Run(tt.status, func(t *testing.T) {
			b := newBench(t, "prod")
			set := func(status string) {
				b.region.Updates["prod"] = fleet.Update{ID: update, Type: "VersionUpdate", Status: status, Version: "1.37"}
			}
			set("InProgress")
			b.handle(t, b.upgrade())
			for range 6 {
				b.dispatch(t, 5*time.Minute)
			}
			b.handle(t, b.call(events.CreateNodegroup, "prod")) // another event in between tells nothing of it
			b.wantMoves(t, "prod cluster-update opened in-progress")
			set(tt.status)
			b.dispatch(t, 5*time.Minute)
			b.wantMoves(t, "prod cluster-update opened in-progress", tt.want)
			if n := b.dispatch(t, time.Hour); n != 0 {
				t.Errorf("%d follow-ups are left", n)
			}
		})
	}
}

func TestALateLookOfSomebodyElseDoesNotEndTheWaitForAnUpgrade(t *testing.T) {
	b := newBench(t, "prod")
	b.region.Updates["prod"] = fleet.Update{ID: update, Type: "VersionUpdate", Status: "InProgress", Version: "1.37"}
	b.handle(t, b.upgrade())
	h := b.header("nodegrouprollout/prod/renewed")
	h.Time = b.now.Add(-5 * time.Hour)
	b.handle(t, &events.TargetScan{Header: h, Cadence: events.Daily, Target: target, Clusters: []string{"prod"}})
	b.wantMoves(t, "prod cluster-update opened in-progress")
	if n := b.dispatch(t, 5*time.Minute); n != 1 {
		t.Errorf("%d looks at the upgrade are due, want the one that follows it", n)
	}
}

func TestAnUpgradeThatDoesNotEndIsTold(t *testing.T) {
	b := newBench(t, "prod")
	b.region.Updates["prod"] = fleet.Update{ID: update, Type: "VersionUpdate", Status: "InProgress", Version: "1.37"}
	b.handle(t, b.upgrade())
	for range 60 {
		b.dispatch(t, 5*time.Minute)
	}
	b.wantMoves(t, "prod cluster-update opened in-progress", "prod cluster-update changed never-ended")
}

func TestTheUpdateOfANodegroupIsNotFollowed(t *testing.T) {
	b := newBench(t, "prod")
	b.region.Updates["prod"] = fleet.Update{ID: update, Status: "InProgress"}
	e := b.call(events.UpdateNodegroupVersion, "prod")
	e.Update = update
	b.handle(t, e)
	b.wantMoves(t)
}

func (b *bench) health(edit func(*events.Health)) *events.Health {
	e := &events.Health{
		Header: b.header("health"), Notice: "arn:aws:health:eu-west-1::event/EKS/AWS_EKS_PLANNED_LIFECYCLE_EVENT/1",
		TypeCode: "AWS_EKS_PLANNED_LIFECYCLE_EVENT", Category: "scheduledChange", Status: "upcoming", Start: start.Add(60 * 24 * time.Hour),
		Entities: []string{"arn:aws:eks:eu-west-1:111122223333:cluster/prod"}, Text: strings.Repeat("é", 5000),
	}
	edit(e)
	return e
}

func TestAWSHealthIsHeededForTheClustersThatAreOurs(t *testing.T) {
	for _, tt := range []struct {
		name    string
		edit    func(*events.Health)
		reads   []string
		notices int
	}{
		{"an ARN of a cluster", func(*events.Health) {}, []string{"prod"}, 1},
		{"a cluster's name", func(e *events.Health) { e.Entities = []string{"prod", "nobody"} }, []string{"prod"}, 1},
		{"another partition", func(e *events.Health) { e.Entities = []string{"arn:aws-cn:eks:eu-west-1:111122223333:cluster/prod"} }, []string{"prod"}, 1},
		{"a cluster of another account", func(e *events.Health) { e.Entities = []string{"arn:aws:eks:eu-west-1:444455556666:cluster/prod"} }, nil, 0},
		{"names that are part of ours", func(e *events.Health) { e.Entities = []string{"pro", "prod2", "../prod", ""} }, nil, 0},
		{"an account that is no target", func(e *events.Health) { e.Account = "444455556666" }, nil, 0},
		{"an issue is looked at and not kept", func(e *events.Health) { e.TypeCode, e.Category = "AWS_EKS_OPERATIONAL_ISSUE", "issue" }, []string{"prod"}, 0},
		{"anything else is left", func(e *events.Health) { e.TypeCode, e.Category = "AWS_EKS_X", "accountNotification" }, nil, 0},
		{"a cluster that is affected no longer is looked at and not kept", func(e *events.Health) { e.Entities, e.Resolved = nil, e.Entities }, []string{"prod"}, 0},
		{"affected under one name is affected", func(e *events.Health) { e.Resolved = []string{"prod"} }, []string{"prod"}, 1},
		{"what is over is withdrawn", func(e *events.Health) { e.Status = "closed" }, []string{"prod"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, "prod", "staging")
			b.handle(t, b.health(tt.edit))
			b.handle(t, b.health(tt.edit)) // Health repeats itself
			if got := slices.Compact(b.region.Reads()); !slices.Equal(got, tt.reads) {
				t.Errorf("read %q, want %q", got, tt.reads)
			}
			notices, err := b.records.Notices(t.Context(), target)
			if err != nil || len(notices["prod"]) != tt.notices || len(notices["staging"]) != 0 {
				t.Errorf("notices %v, %v; want %d", notices, err, tt.notices)
			}
			for _, n := range notices["prod"] {
				if len([]rune(n.Text)) > 1003 || !strings.HasSuffix(n.Text, "é...") {
					t.Errorf("a text of %d runes was kept", len([]rune(n.Text)))
				}
			}
		})
	}
}

func TestANoticeIsWithdrawnForTheClusterThatIsAffectedNoLonger(t *testing.T) {
	b := newBench(t, "prod", "staging")
	both := b.health(func(e *events.Health) { e.Entities = []string{"prod", "staging"} })
	b.handle(t, both)
	b.handle(t, b.health(func(e *events.Health) { e.Entities, e.Resolved = []string{"staging"}, []string{"prod"} }))
	notices, err := b.records.Notices(t.Context(), target)
	if err != nil || len(notices["prod"]) != 0 || len(notices["staging"]) != 1 {
		t.Errorf("notices %v, %v; want one about staging alone", notices, err)
	}
	b.handle(t, both)
	if notices, err = b.records.Notices(t.Context(), target); err != nil || len(notices["prod"]) != 1 {
		t.Errorf("notices %v, %v; want one about prod again", notices, err)
	}
}

func TestANoticeIsPartOfTheIncidentThatItAnnounces(t *testing.T) {
	b := newBench(t, "prod")
	b.old("prod")
	b.handle(t, b.daily())
	b.handle(t, b.health(func(e *events.Health) { e.Text = "The end of support is near." }))
	b.wantMoves(t, opened)
	inc, err := b.records.Incident(t.Context(), account+"/"+region+"/prod/version-support/")
	if err != nil || !strings.Contains(fmt.Sprint(inc.Finding.Facts), "Health") {
		t.Errorf("facts %v, %v; want the notice among them", inc.Finding.Facts, err)
	}
}

func TestFault_33_WithoutALedgerCriticalFindingsAreToldOnceAndTheScanComesAgain(t *testing.T) {
	b := newBench(t, "prod", "quiet")
	b.old("prod")
	b.store.down = true
	for range 3 {
		if _, err := b.Handle(t.Context(), b.daily()); !errors.Is(err, ledger.ErrUnavailable) {
			t.Fatalf("error %v, want that of the ledger", err)
		}
	}
	if _, err := b.Handle(t.Context(), b.call(events.UpdateAddon, "prod")); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("an event: %v, want the error of the ledger", err)
	}
	if want := []string{"2026-11-20: 1"}; !slices.Equal(b.alarms, want) {
		t.Errorf("alarms %q, want %q", b.alarms, want)
	}
	b.store.down = false
	b.handle(t, b.daily())
	b.wantMoves(t, opened)
}

func TestFault_33_WithoutALedgerWhatWasNotToldInFullIsToldAgain(t *testing.T) {
	refuse := func(kind fleet.TroubleKind) func(*bench) {
		return func(b *bench) {
			b.region.Clusters["staging"].Cluster = fleet.Read(fleet.Cluster{}, surveytest.Trouble(kind, "eks:DescribeCluster"), start)
		}
	}
	unlist := func(kind fleet.TroubleKind) func(*bench) {
		return func(b *bench) { b.region.Unlisted = surveytest.Trouble(kind, "eks:ListClusters") }
	}
	const day = "2026-11-20: 1"
	for name, tt := range map[string]struct {
		first func(*bench) // what goes wrong in the first delivery
		alarm error        // what the topic says to the first digest
		want  []string
	}{
		"told in full":                           {want: []string{day}},
		"the topic did not take it":              {alarm: errors.New("the topic is down"), want: []string{day, day}},
		"there was no time for any":              {first: func(b *bench) { b.region.Takes = time.Hour }, want: []string{day}},
		"a throttle hid a cluster":               {first: refuse(fleet.Throttled), want: []string{day, day}},
		"what somebody must allow hid a cluster": {first: refuse(fleet.Denied), want: []string{day}},
		"the list ended early":                   {first: unlist(fleet.LoopingPages), want: []string{day, day}},
		"the list is not allowed":                {first: unlist(fleet.Denied), want: []string{day}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, "prod", "staging")
				b.old("prod")
				b.store.down = true
				tell := b.Outage.Alarm
				b.Outage.Alarm = func(ctx context.Context, critical []fleet.Finding, day time.Time, cause error) error {
					b.Outage.Alarm = tell
					return errors.Join(tell(ctx, critical, day, cause), tt.alarm)
				}
				deliver := func() error {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					_, err := b.Handle(ctx, b.daily())
					if !errors.Is(err, ledger.ErrUnavailable) {
						t.Errorf("error %v, want that of the ledger", err)
					}
					return err
				}
				if tt.first != nil {
					tt.first(b)
				}
				if err := deliver(); tt.alarm != nil && !errors.Is(err, tt.alarm) {
					t.Errorf("error %v, want %v too", err, tt.alarm)
				}
				b.region.Takes, b.region.Unlisted = 0, nil
				b.renew("staging")
				for range 2 {
					deliver()
				}
				if !slices.Equal(b.alarms, tt.want) {
					t.Errorf("told %q, want %q", b.alarms, tt.want)
				}
			})
		})
	}
}

func TestFault_35_OfTwoScansOfATargetOneEndsClean(t *testing.T) {
	b := newBench(t, "prod")
	if _, err := b.records.Lease(t.Context(), "clustercheck/"+target.String(), "another run", time.Minute); err != nil {
		t.Fatal(err)
	}
	if said := b.handle(t, b.daily()); said["skipped"] == nil || len(b.region.Reads()) > 0 {
		t.Errorf("said %v, want it skipped", said)
	}
	b.handle(t, b.call(events.UpdateAddon, "prod"))
	if got := b.region.Reads(); !slices.Equal(got, []string{"prod"}) {
		t.Errorf("read %q: an event waits for nobody", got)
	}
}

func TestWhatMayPassIsAskedAgainWhenOneClusterIsLookedAt(t *testing.T) {
	b := newBench(t, "prod")
	b.region.Clusters["prod"].Cluster = fleet.Read(fleet.Cluster{}, surveytest.Trouble(fleet.Throttled, "eks:DescribeCluster"), start)
	if _, err := b.Handle(t.Context(), b.call(events.UpdateAddon, "prod")); !errors.Is(err, fleet.Throttled) {
		t.Errorf("error %v, want the throttle: SQS brings the event again", err)
	}
	b.wantMoves(t)
}

func TestWhichKeyAClusterUsesIsKnownUntilItIsGone(t *testing.T) {
	const key, alias = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd", "arn:aws:kms:eu-west-1:111122223333:alias/eks"
	b := newBench(t, "prod", "staging")
	users := func(want ...fleet.ClusterID) {
		t.Helper()
		got, err := b.records.KeyUsers(t.Context(), key)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("users %v, %v; want %v", got, err, want)
		}
	}
	c := b.region.Clusters["prod"]
	c.Cluster.Value.KeyARN, c.Key = alias, fleet.Read(fleet.Key{ARN: key, State: "Enabled"}, nil, start)
	b.handle(t, b.daily())
	users(target.Cluster("prod"))
	c.Cluster = fleet.Read(fleet.Cluster{}, surveytest.Trouble(fleet.Denied, "eks:DescribeCluster"), start)
	b.handle(t, b.call(events.UpdateAddon, "prod"))
	users(target.Cluster("prod")) // what could not be read has not changed
	delete(b.region.Clusters, "prod")
	b.handle(t, b.call(events.DeleteCluster, "prod"))
	users()
}
