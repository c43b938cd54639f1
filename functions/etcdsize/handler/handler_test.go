package handler_test

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/functions/etcdsize/handler"
	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/etcdsize"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/file"
	"github.com/eks-steward/eks-steward/internal/outage"
	"github.com/eks-steward/eks-steward/internal/outbox"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/worker"
)

const account, region = "111122223333", "eu-west-1"

var (
	start  = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	target = fleet.Target{Account: account, Region: region}
)

// bench is a handler between a simulated world and a file ledger.
type bench struct {
	*handler.Handler
	world   *sim.World
	records *ledger.Ledger
	store   *faultyStore
	bus     *recorder
	now     time.Time
	alarms  []string
}

func newBench(t *testing.T, clusters ...sim.Cluster) *bench {
	t.Helper()
	b := &bench{now: start, bus: &recorder{}}
	clock := func() time.Time { return b.now }
	world, err := sim.New(sim.Fleet{Home: account, Accounts: []sim.Account{{ID: account, Regions: []sim.Region{{Name: region, Clusters: clusters}}}}}, clock)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(world.Handler())
	t.Cleanup(server.Close)
	store, err := file.Open(filepath.Join(t.TempDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	b.world, b.store = world, &faultyStore{Store: store}
	b.records = ledger.New(b.store, clock)
	b.Handler = &handler.Handler{
		Source: awsfleet.New(aws.Config{
			Region: region, BaseEndpoint: &server.URL,
			Credentials: credentials.NewStaticCredentialsProvider("AKIAHOME", "secret", ""),
		}),
		Ledger: b.records, Leases: b.records, Now: clock,
		Outbox: outbox.Outbox{Ledger: b.records, Bus: b.bus},
		Outage: outage.Watch{Alarm: func(_ context.Context, critical []fleet.Finding, bucket time.Time, _ error) error {
			b.alarms = append(b.alarms, fmt.Sprintf("%s: %d", bucket.Format("15:04"), len(critical)))
			return nil
		}},
	}
	b.accept(t)
	return b
}

func (b *bench) accept(t *testing.T) {
	t.Helper()
	conf := config.Default()
	conf.Accounts = []config.Account{{Account: account, Regions: []string{region}, Role: config.OwnCredentials}}
	encoded, err := config.Encode(conf)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.records.AcceptConfig(t.Context(), ledger.AcceptedConfig{Version: "1", At: b.now, JSON: encoded}); err != nil {
		t.Fatal(err)
	}
}

// recorder is a bus that keeps what it is given.
type recorder struct {
	moves []string
	down  error
}

func (r *recorder) Publish(_ context.Context, moves ...events.IncidentMoved) error {
	if r.down != nil {
		return r.down
	}
	for _, m := range moves {
		r.moves = append(r.moves, m.Finding.Cluster.Name+" "+m.Transition+" "+m.Severity.String())
	}
	return nil
}

// faultyStore is a store of the ledger that can be switched off, which no real one
// can be in the middle of a test. It can be so for some of its calls only.
type faultyStore struct {
	ledger.Store
	down    bool
	blind   bool                      // no partition can be read
	refuses func(ledger.Record) error // nil takes every record
}

func (s *faultyStore) Write(ctx context.Context, r ledger.Record) error {
	if s.refuses != nil {
		if err := s.refuses(r); err != nil {
			return err
		}
	}
	return s.Store.Write(ctx, r)
}

func (s *faultyStore) Range(ctx context.Context, partition, prefix string) iter.Seq2[ledger.Record, error] {
	if s.blind {
		return func(yield func(ledger.Record, error) bool) { yield(ledger.Record{}, ledger.ErrUnavailable) }
	}
	return s.Store.Range(ctx, partition, prefix)
}

func (s *faultyStore) Read(ctx context.Context, k ledger.Key) (ledger.Record, error) {
	if s.down {
		return ledger.Record{}, ledger.ErrUnavailable
	}
	return s.Store.Read(ctx, k)
}

func (b *bench) hourly() *events.TargetScan {
	return &events.TargetScan{Header: events.Header{ID: b.now.String(), Account: account, Region: region, Time: b.now}, Cadence: events.Hourly, Target: target}
}

func call(name, cluster string, at time.Time) *events.EKSCall {
	return &events.EKSCall{Header: events.Header{ID: name + cluster, Account: account, Region: region, Time: at}, Call: name, Cluster: cluster}
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

func flat(name string, gb float64) sim.Cluster {
	return sim.Cluster{Name: name, Version: "1.34", Etcd: &sim.Etcd{Curve: sim.Curve{SizeGB: gb}}}
}

func (b *bench) set(t *testing.T, name string, gb float64) {
	t.Helper()
	if err := b.world.SetEtcd(target.Cluster(name), sim.Etcd{Curve: sim.Curve{SizeGB: gb}}); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("the bus heard\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestAnEtcdThatFillsAndShrinksIsThreeMoves(t *testing.T) {
	b := newBench(t, flat("prod", 2), flat("quiet", 1))
	for _, gb := range []float64{2, 5.7, 5.9, 7, 7.1, 2, 2.1} {
		b.set(t, "prod", gb)
		b.handle(t, b.hourly())
		b.handle(t, b.hourly()) // SQS delivers at least once
		b.now = b.now.Add(time.Hour)
	}
	want(t, b.bus.moves, "prod opened warning", "prod changed critical", "prod resolved info")
}

func TestAnIncidentNamesTheOwnerOfItsCluster(t *testing.T) {
	owned, free := flat("owned", 7), flat("free", 7)
	owned.Tags = map[string]string{"owner": "payments"}
	b := newBench(t, owned, free)
	b.handle(t, b.hourly())
	open, err := b.records.OpenIncidents(t.Context(), target)
	if err != nil || len(open) != 2 {
		t.Fatalf("%d incidents are open, %v; want 2", len(open), err)
	}
	for _, inc := range open {
		if want := map[string]string{"owned": "payments"}[inc.Finding.Cluster.Name]; inc.Finding.Owner != want {
			t.Errorf("%s is of %q, want %q", inc.Finding.Cluster.Name, inc.Finding.Owner, want)
		}
	}
}

// TestCallsOfAThousandClusters holds what one target costs. Ten of the clusters
// could cross a threshold, five have no datapoint.
func TestCallsOfAThousandClusters(t *testing.T) {
	var clusters []sim.Cluster
	for i := range 985 {
		clusters = append(clusters, flat(fmt.Sprintf("c%04d", i), 1+float64(i%30)/10))
	}
	for i := range 10 {
		clusters = append(clusters, flat(fmt.Sprintf("full%d", i), 6))
	}
	for i := range 5 {
		clusters = append(clusters, sim.Cluster{Name: fmt.Sprintf("silent%d", i), Version: "1.34"})
	}
	b := newBench(t, clusters...)
	said := b.handle(t, b.hourly())
	if said["clusters"] != int64(1000) || said["failing"] != int64(10) || said["unknown"] != int64(5) {
		t.Errorf("saw %v clusters, %v failing, %v unknown; want 1000, 10, 5", said["clusters"], said["failing"], said["unknown"])
	}
	got := map[string]int{}
	for c, n := range b.world.Calls() {
		got[c.Operation] += n.Total()
	}
	wanted := map[string]int{
		"ListClusters": 10, "DescribeClusterVersions": 1, "DescribeCluster": 15,
		"GetMetricData": 2 + 1, // sizes of all, live data of the ten
	}
	if !maps.Equal(got, wanted) {
		t.Errorf("calls = %v, want %v", got, wanted)
	}
}

func TestAWatchListScanAsksForItsClustersOnly(t *testing.T) {
	b := newBench(t, flat("half", 4.5), flat("quiet", 1))
	b.handle(t, b.hourly())
	lists, err := b.records.WatchLists(t.Context())
	if err != nil || len(lists) != 1 || !slices.Equal(lists[0].Clusters, []string{"half"}) {
		t.Fatalf("watch lists = %v, %v; want half alone", lists, err)
	}
	b.world.ResetCalls()
	b.handle(t, &events.TargetScan{Header: events.Header{ID: "w", Time: b.now}, Cadence: events.FiveMinutes, Target: target, Clusters: lists[0].Clusters})
	got := map[string]int{}
	for c, n := range b.world.Calls() {
		got[c.Operation] += n.Total()
	}
	if wanted := (map[string]int{"GetMetricData": 1, "DescribeClusterVersions": 1}); !maps.Equal(got, wanted) {
		t.Errorf("calls = %v, want %v", got, wanted)
	}
}

func TestFault_22_ADuplicateEventIsOneMove(t *testing.T) {
	b := newBench(t, flat("prod", 6))
	e := call("CreateCluster", "prod", b.now)
	b.handle(t, e)
	b.handle(t, e)
	want(t, b.bus.moves, "prod opened warning")
}

func TestFault_23_ADeleteSeenBeforeTheCreateChangesNothing(t *testing.T) {
	b := newBench(t, flat("prod", 6))
	b.handle(t, call("DeleteCluster", "prod", b.now.Add(time.Minute)))
	b.handle(t, call("CreateCluster", "prod", b.now))
	want(t, b.bus.moves, "prod opened warning") // it is there, whatever the events say
}

func TestFault_24_AnEventADayLateReportsTheStateOfToday(t *testing.T) {
	b := newBench(t, flat("prod", 1))
	b.handle(t, call("CreateCluster", "prod", b.now.Add(-24*time.Hour)))
	want(t, b.bus.moves)
}

func TestFault_25_WhatNoEventToldTheNextScanFinds(t *testing.T) {
	b := newBench(t, flat("prod", 6))
	b.handle(t, b.hourly())
	b.world.Remove(target.Cluster("prod")) // no DeleteCluster event comes
	b.now = b.now.Add(time.Hour)
	b.handle(t, b.hourly())
	want(t, b.bus.moves, "prod opened warning", "prod resolved info")
}

func TestFault_27_AnEventWithoutAClusterLooksAtItsRegion(t *testing.T) {
	b := newBench(t, flat("a", 6), flat("b", 7))
	b.handle(t, call("CreateCluster", "", b.now))
	want(t, b.bus.moves, "a opened warning", "b opened critical")
}

func TestFault_29_AnEventOfAStrangerIsRefused(t *testing.T) {
	b := newBench(t, flat("prod", 6))
	e := call("CreateCluster", "prod", b.now)
	e.Account = "999999999999"
	_, err := b.Handle(t.Context(), e)
	if !worker.IsPermanent(err) || !strings.Contains(err.Error(), "999999999999") {
		t.Errorf("got %v, want a permanent error that names the account", err)
	}
	if n := len(b.world.Calls()); n != 0 {
		t.Errorf("%d kinds of calls were made for a stranger's event, want none", n)
	}
}

func TestFault_62_ADeletedClusterClosesItsIncident(t *testing.T) {
	b := newBench(t, flat("prod", 6))
	b.handle(t, b.hourly())
	b.world.Remove(target.Cluster("prod"))
	b.handle(t, call("DeleteCluster", "prod", b.now))
	want(t, b.bus.moves, "prod opened warning", "prod resolved info")
	inc, err := b.records.Incident(t.Context(), incident.ID(fleet.Finding{Check: etcdsize.Check, Cluster: target.Cluster("prod")}))
	if err != nil || inc.Finding.Cause != etcdsize.CauseDeleted {
		t.Errorf("the incident ended with cause %q (%v), want %q", inc.Finding.Cause, err, etcdsize.CauseDeleted)
	}
}

func TestFault_33_WithoutALedgerCriticalFindingsAreToldOnceAnHour(t *testing.T) {
	b := newBench(t, flat("full", 7.5), flat("warm", 6))
	b.store.down = true
	five := b.hourly()
	five.Cadence = events.FiveMinutes
	if _, err := b.Handle(t.Context(), five); !errors.Is(err, ledger.ErrUnavailable) || b.alarms != nil {
		t.Errorf("a five-minute scan: %v, told %q; want it left to the queue and nothing told", err, b.alarms)
	}
	for range 2 { // SQS brings again what is not recorded
		b.leftToTheQueue(t)
	}
	b.now = b.now.Add(time.Hour)
	b.leftToTheQueue(t)
	b.set(t, "full", 6) // and where nothing is critical nothing is told
	b.now = b.now.Add(time.Hour)
	b.leftToTheQueue(t)
	if wanted := []string{"12:00: 1", "13:00: 1"}; !slices.Equal(b.alarms, wanted) {
		t.Errorf("told %q, want %q", b.alarms, wanted)
	}
	want(t, b.bus.moves)
}

// leftToTheQueue is an hourly scan that the ledger keeps from being recorded.
func (b *bench) leftToTheQueue(t *testing.T) {
	t.Helper()
	if _, err := b.Handle(t.Context(), b.hourly()); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("error %v, want that of the ledger: SQS brings the scan again", err)
	}
}

// cut is a source whose reader's time ends while a cluster is asked itself.
type cut struct {
	etcdsize.Source
	stop func()
}

func (c cut) Storage(ctx context.Context, _ fleet.Target, _ fleet.Cluster, _ time.Time) (size, inUse fleet.Series, err error) {
	c.stop()
	return size, inUse, ctx.Err()
}

func TestFault_33_WithoutALedgerWhatWasNotToldInFullIsToldAgain(t *testing.T) {
	refused := "User: arn:aws:sts::111122223333:assumed-role/steward-reader/s is not authorized to perform: eks:DescribeCluster"
	for name, tt := range map[string]struct {
		first edge.Step // what goes wrong in the first delivery
		cut   bool      // time ends while a cluster is asked
		alarm error     // what the topic says to the first digest
		want  []string
	}{
		"told in full":                     {want: []string{"12:00: 2"}},
		"the topic did not take it":        {alarm: errors.New("the topic is down"), want: []string{"12:00: 2", "12:00: 2"}},
		"no time for one":                  {cut: true, want: []string{"12:00: 1", "12:00: 2"}},
		"a list of sizes failed":           {first: edge.Step{Operation: "GetMetricData", Do: edge.Answer(400, "InternalServiceFault", "try again")}, want: []string{"12:00: 1", "12:00: 2"}},
		"a failure that may pass hid one":  {first: edge.Step{Operation: "DescribeCluster", Cluster: "silent", Do: edge.Answer(400, "ServerException", "try again")}, want: []string{"12:00: 1", "12:00: 2"}},
		"one was deleted meanwhile":        {first: edge.Step{Operation: "DescribeCluster", Cluster: "silent", Do: edge.Answer(404, "ResourceNotFoundException", "No cluster found for name: silent.")}, want: []string{"12:00: 1"}},
		"what somebody must allow hid one": {first: edge.Step{Operation: "DescribeCluster", Cluster: "silent", Do: edge.Answer(403, "AccessDeniedException", refused)}, want: []string{"12:00: 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			url, ca := apiServer(t, http.StatusOK, "apiserver_storage_size_bytes{cluster=\"etcd-0\"} 7.2e+09\n")
			b := newBench(t, flat("full", 7.5), sim.Cluster{Name: "silent", Version: "1.34", Endpoint: url, CA: ca})
			b.store.down = true
			tell := b.Outage.Alarm
			b.Outage.Alarm = func(ctx context.Context, critical []fleet.Finding, bucket time.Time, cause error) error {
				b.Outage.Alarm = tell
				return errors.Join(tell(ctx, critical, bucket, cause), tt.alarm)
			}
			if tt.first.Operation != "" {
				b.world.Faults().Script(tt.first)
			}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			source := b.Source
			if tt.cut {
				b.Source = cut{source, stop}
			}
			if _, err := b.Handle(ctx, b.hourly()); !errors.Is(err, ledger.ErrUnavailable) || tt.alarm != nil && !errors.Is(err, tt.alarm) {
				t.Errorf("error %v, want that of the ledger, and %v", err, tt.alarm)
			}
			b.Source = source
			for range 2 {
				b.leftToTheQueue(t)
			}
			if !slices.Equal(b.alarms, tt.want) {
				t.Errorf("told %q, want %q", b.alarms, tt.want)
			}
		})
	}
}

// TestFault_33_AFindingThatIsNotRecordedComesAgain holds what a run does that took
// its lease: a write that fails is no outage, and its retry finds the lease free.
func TestFault_33_AFindingThatIsNotRecordedComesAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		blind   bool                                // what is open cannot be read
		refuses func(writes int, stop func()) error // what becomes of the writes of incidents
		alarms  []string
		moves   []string // of the first run
	}{
		"one write failed": {
			refuses: func(writes int, _ func()) error { return map[int]error{1: ledger.ErrUnavailable}[writes] },
			moves:   []string{"b opened critical", "c opened warning"},
		},
		"time ended at the second write": {
			refuses: func(writes int, stop func()) error {
				if writes == 1 {
					return nil
				}
				stop()
				return fmt.Errorf("%w: %w", ledger.ErrUnavailable, context.DeadlineExceeded)
			},
			moves: []string{"a opened critical"},
		},
		"what is open cannot be read": {blind: true, alarms: []string{"12:00: 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, flat("a", 7.5), flat("b", 7.6), flat("c", 6))
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			writes := 0
			b.store.blind = tt.blind
			b.store.refuses = func(r ledger.Record) error {
				if tt.refuses == nil || !strings.HasPrefix(r.Partition, "incident#") || r.Version > 0 {
					return nil
				}
				writes++
				return tt.refuses(writes, stop)
			}
			if _, err := b.Handle(ctx, b.hourly()); !errors.Is(err, ledger.ErrUnavailable) {
				t.Errorf("error %v, want that of the ledger: SQS brings the scan again", err)
			}
			want(t, b.bus.moves, tt.moves...)
			if !slices.Equal(b.alarms, tt.alarms) {
				t.Errorf("told %q, want %q", b.alarms, tt.alarms)
			}
			b.store.blind, b.store.refuses = false, nil
			if said := b.handle(t, b.hourly()); said["skipped"] != nil {
				t.Errorf("the retry said %v, want a scan", said)
			}
			slices.Sort(b.bus.moves)
			want(t, b.bus.moves, "a opened critical", "b opened critical", "c opened warning")
		})
	}
}

func TestFault_35_ARunThatOverlapsAnotherEndsClean(t *testing.T) {
	b := newBench(t, flat("prod", 6))
	lease, err := b.records.Lease(t.Context(), "etcdsize/hourly/"+target.String(), "the other run", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if said := b.handle(t, b.hourly()); said["skipped"] == nil {
		t.Errorf("said %v, want that it was skipped", said)
	}
	want(t, b.bus.moves)
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a run that ended holds nothing
		if said := b.handle(t, b.hourly()); said["skipped"] != nil {
			t.Errorf("said %v, want a scan", said)
		}
	}
	want(t, b.bus.moves, "prod opened warning")
}

func TestFault_34_TheLeaseOfADeadRunExpires(t *testing.T) {
	b := newBench(t, flat("prod", 6))
	if _, err := b.records.Lease(t.Context(), "etcdsize/hourly/"+target.String(), "a run that died", 5*time.Minute); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(6 * time.Minute)
	b.handle(t, b.hourly())
	want(t, b.bus.moves, "prod opened warning")
}

func TestFault_58_WhatTheBusDidNotTakeTheOutboxKeeps(t *testing.T) {
	b := newBench(t, flat("prod", 6))
	b.bus.down = errors.New("the bus is down")
	if said := b.handle(t, b.hourly()); said["unannounced"] != int64(1) {
		t.Errorf("said %v, want one unannounced move", said)
	}
	want(t, b.bus.moves)
	b.bus.down = nil
	if n, err := b.Outbox.Flush(t.Context()); n != 1 || err != nil {
		t.Fatalf("flushed %d, %v; want the one that was left", n, err)
	}
	want(t, b.bus.moves, "prod opened warning")
	if n, err := b.Outbox.Flush(t.Context()); n != 0 || err != nil {
		t.Errorf("flushed %d more, %v; want none", n, err)
	}
}

func TestAnEventThatNobodySentHereIsPermanentlyRefused(t *testing.T) {
	b := newBench(t)
	if _, err := b.Handle(t.Context(), &events.Tick{}); !worker.IsPermanent(err) {
		t.Errorf("got %v, want a permanent error", err)
	}
}

func TestAScanThatFindsNoEndIsStillRecorded(t *testing.T) {
	b := newBench(t, flat("prod", 6))
	b.world.Faults().Script(edge.Step{Operation: "GetMetricData", Do: edge.Hang()})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+300*time.Millisecond)
	defer cancel()
	if _, err := b.Handle(ctx, b.hourly()); err != nil {
		t.Fatal(err)
	}
	want(t, b.bus.moves, " opened info") // the target is incomplete, and says so
}

// access is the open incident about the target itself, nil when there is none.
func (b *bench) access(t *testing.T) *incident.Incident {
	t.Helper()
	inc, err := b.records.Incident(t.Context(), incident.ID(fleet.Finding{Check: etcdsize.AccessCheck, Cluster: target.Cluster("")}))
	if errors.Is(err, ledger.ErrAbsent) || inc.State == incident.Resolved {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return &inc
}

func TestFault_04_AListThatLoopsIsIncompleteAndClosesNothing(t *testing.T) {
	var clusters []sim.Cluster
	for i := range 250 {
		clusters = append(clusters, flat(fmt.Sprintf("c%03d", i), 1))
	}
	clusters = append(clusters, flat("prod", 6))
	b := newBench(t, clusters...)
	b.handle(t, b.hourly())
	b.world.Remove(target.Cluster("prod")) // whether it is gone cannot be told from half a list
	b.world.Faults().Script(edge.Step{Operation: "ListClusters", Nth: 2, Times: edge.Always, Do: edge.RepeatToken()})
	b.now = b.now.Add(time.Hour)
	if said := b.handle(t, b.hourly()); said["complete"] != false {
		t.Errorf("said %v, want that it is not complete", said)
	}
	want(t, b.bus.moves, "prod opened warning", " opened info")
	inc := b.access(t)
	if inc == nil || inc.Finding.Outcome != fleet.Unknown || !strings.Contains(inc.Finding.Observed, "INCOMPLETE") {
		t.Fatalf("incident of the target: %+v, want an open one that says INCOMPLETE", inc)
	}
	b.now = b.now.Add(time.Hour)
	b.handle(t, b.hourly()) // it did not pass: now it is a warning
	if inc = b.access(t); inc == nil || inc.Finding.Severity != fleet.Warning {
		t.Errorf("incident of the target: %+v, want a warning", inc)
	}
	b.world.Faults().Clear()
	b.now = b.now.Add(time.Hour)
	b.handle(t, b.hourly())
	if inc = b.access(t); inc != nil {
		t.Errorf("incident of the target: %+v, want it resolved", inc)
	}
}

// A denied description is told once for all clusters that it leaves unknown, except
// for those that are critical under the smallest limit: b may turn read-only, which
// a warning that names an IAM action does not say.
func TestFault_05_ADeniedActionIsNamedOnceForAllClusters(t *testing.T) {
	b := newBench(t, flat("a", 6), flat("b", 7), flat("c", 1))
	b.world.Faults().Script(edge.Step{Operation: "DescribeCluster", Times: edge.Always, Do: edge.Answer(403, "AccessDeniedException",
		"User: arn:aws:sts::111122223333:assumed-role/steward-reader/s is not authorized to perform: eks:DescribeCluster")})
	b.handle(t, b.hourly())
	want(t, b.bus.moves, "b opened critical", " opened warning")
	inc := b.access(t)
	if inc == nil || !strings.Contains(inc.Finding.Remedy, "eks:DescribeCluster") || !strings.Contains(inc.Finding.Observed, "2 of them unknown") {
		t.Errorf("incident of the target: %+v, want the action and how many are unknown", inc)
	}
}

func TestFault_06_ARoleThatCannotBeAssumedIsAnUnreachableAccount(t *testing.T) {
	b := newBench(t)
	scan := b.hourly()
	scan.Target = fleet.Target{Account: "444455556666", Region: region, Role: "arn:aws:iam::444455556666:role/steward-reader"}
	b.world.Faults().Script(edge.Step{Operation: "AssumeRole", Times: edge.Always, Do: edge.Answer(403, "AccessDenied", "not authorized to perform: sts:AssumeRole")})
	if said := b.handle(t, scan); said["complete"] != false {
		t.Errorf("said %v, want that it is not complete", said)
	}
	want(t, b.bus.moves, " opened warning")
}

func TestFault_07_ADisabledRegionIsSkippedAndIsNoOutage(t *testing.T) {
	b := newBench(t, flat("prod", 6))
	b.world.Faults().DisableRegion(account, region)
	b.handle(t, b.hourly())
	want(t, b.bus.moves, " opened info") // milder than anybody is told of
	inc := b.access(t)
	if inc == nil || inc.Finding.Cause != string(fleet.RegionDisabled) || !strings.Contains(inc.Finding.Title, "skips "+region) {
		t.Errorf("incident of the target: %+v, want that the region is skipped", inc)
	}
}

func TestFault_02_AClusterDeletedDuringTheScanIsGoneAndTheOthersAreSeen(t *testing.T) {
	b := newBench(t, flat("going", 6), flat("staying", 6))
	b.world.Faults().Script(edge.Step{Operation: "DescribeCluster", Cluster: "going", Times: edge.Always, Do: edge.Answer(404, "ResourceNotFoundException", "No cluster found for name: going.")})
	b.handle(t, b.hourly())
	want(t, b.bus.moves, "staying opened warning")
}

func TestFault_46_ClustersWithoutDatapointsAreUnknown(t *testing.T) {
	partial := flat("partial", 1)
	partial.Etcd.Partial = true
	b := newBench(t, sim.Cluster{Name: "silent", Version: "1.34"}, partial)
	b.handle(t, b.hourly())
	want(t, b.bus.moves, "partial opened warning", "silent opened warning")
}

// apiServer answers /metrics over TLS, and says how to reach it.
func apiServer(t *testing.T, status int, page string) (url, ca string) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" || !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer k8s-aws-v1.") {
			status = http.StatusBadRequest
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, page)
	}))
	t.Cleanup(server.Close)
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return server.URL, base64.StdEncoding.EncodeToString(block)
}

func TestAClusterWithoutDatapointsIsAskedItself(t *testing.T) {
	url, ca := apiServer(t, http.StatusOK, "apiserver_storage_size_bytes{cluster=\"etcd-0\"} 7.2e+09\n")
	b := newBench(t, sim.Cluster{Name: "silent", Version: "1.34", Endpoint: url, CA: ca})
	b.handle(t, b.hourly())
	want(t, b.bus.moves, "silent opened critical")
	inc, err := b.records.Incident(t.Context(), incident.ID(fleet.Finding{Check: etcdsize.Check, Cluster: target.Cluster("silent")}))
	if err != nil {
		t.Fatal(err)
	}
	if source := inc.Finding.Facts[len(inc.Finding.Facts)-1].Value; !strings.Contains(source, "/metrics") {
		t.Errorf("source = %q, want that it says where the size is from", source)
	}
}

func TestFault_43_EachRefusalOfAnAPIServerIsItsOwnReason(t *testing.T) {
	for status, says := range map[int]string{
		http.StatusUnauthorized: "access entry",
		http.StatusForbidden:    "manifests/steward-reader.yaml",
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			url, ca := apiServer(t, status, "")
			b := newBench(t, sim.Cluster{Name: "silent", Version: "1.34", Endpoint: url, CA: ca})
			b.handle(t, b.hourly())
			want(t, b.bus.moves, "silent opened warning")
			b.reasonSays(t, "silent", says)
		})
	}
}

func TestFault_42_APrivateAPIServerIsNotAskedAndThatIsSaid(t *testing.T) {
	b := newBench(t, sim.Cluster{Name: "silent", Version: "1.34"})
	b.handle(t, b.hourly())
	b.reasonSays(t, "silent", "no public endpoint")
}

func (b *bench) reasonSays(t *testing.T, cluster, words string) {
	t.Helper()
	inc, err := b.records.Incident(t.Context(), incident.ID(fleet.Finding{Check: etcdsize.Check, Cluster: target.Cluster(cluster)}))
	if err != nil || inc.Finding.Outcome != fleet.Unknown || !strings.Contains(inc.Finding.Reason, words) {
		t.Errorf("%s %q (%v), want unknown, because of %q", inc.Finding.Outcome, inc.Finding.Reason, err, words)
	}
}
