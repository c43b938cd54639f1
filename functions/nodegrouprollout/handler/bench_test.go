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
	"github.com/eks-steward/eks-steward/functions/nodegrouprollout/handler"
	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/nodegroup"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/file"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
	"github.com/eks-steward/eks-steward/internal/outbox"
	"github.com/eks-steward/eks-steward/internal/rollout"
	"github.com/eks-steward/eks-steward/internal/sim"
)

const account, region = "111122223333", "eu-west-1"

var (
	start  = time.Date(2026, 11, 20, 6, 17, 0, 0, time.UTC)
	target = fleet.Target{Account: account, Region: region}
	hub    = fleet.ClusterID{Account: "999900001111", Region: "eu-central-1"}
)

// bench is a handler between a simulated AWS, with the real adapters in between,
// and a file ledger.
type bench struct {
	*handler.Handler
	world   *sim.World
	records *ledger.Ledger
	bus     *recorder
	queue   *queue
	kill    kill
	now     time.Time
	checked []string // clusters that clustercheck was sent to
}

func newBench(t *testing.T, mode string, clusters ...sim.Cluster) *bench {
	t.Helper()
	b := &bench{now: start, bus: &recorder{}, queue: &queue{}}
	clock := func() time.Time { return b.now }
	var err error
	b.world, err = sim.New(sim.Fleet{Home: account, Accounts: []sim.Account{{ID: account, Regions: []sim.Region{{
		Name: region, Clusters: clusters,
		Images: []sim.Image{{Version: "1.34", Release: "1.34.2-20261001", Published: -30 * 24 * time.Hour}},
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
	watched := awsfleet.New(aws.Config{
		Region: region, BaseEndpoint: &server.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAHOME", "secret", ""),
	})
	b.Handler = &handler.Handler{
		Surveyor: nodegroup.NewReader(watched, clock), Writer: nodegroup.NewWriter(watched, config.RolloutWriter), Switch: &b.kill,
		Rollouts: b.records, Intents: b.records, Ledger: b.records, Approvals: b.records, Leases: b.records, FollowUps: b.records,
		Outbox: outbox.Outbox{Ledger: b.records, Bus: b.bus}, Bus: b.bus, Queue: b.queue,
		Hub: hub, MaxMode: config.Enforce, Now: clock,
	}
	b.configure(t, func(f *config.File) { f.NodegroupRollout.Mode = mode })
	for _, c := range clusters {
		b.find(t, c.Name)
	}
	return b
}

func (b *bench) configure(t *testing.T, edit func(*config.File)) {
	t.Helper()
	conf := config.Default()
	conf.Accounts = []config.Account{{Account: account, Regions: []string{region}, Role: config.OwnCredentials}}
	conf.NodegroupRollout.WhenUnknown = config.Proceed // nothing answers for an API server here
	edit(conf)
	encoded, err := config.Encode(conf)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.records.AcceptConfig(t.Context(), ledger.AcceptedConfig{Version: b.now.String(), At: b.now, JSON: encoded}); err != nil {
		t.Fatal(err)
	}
}

// old is a cluster with groups whose nodes are a version behind.
func old(name string, groups ...string) sim.Cluster {
	c := sim.Cluster{Name: name, Version: "1.34", Tags: map[string]string{}}
	for _, g := range groups {
		c.Nodegroups = append(c.Nodegroups, sim.Nodegroup{
			Name: g, Version: "1.33", Nodes: 1, Most: 2, Tags: map[string]string{nodefreshness.OptIn: nodefreshness.Allowed},
		})
	}
	return c
}

// find is what the check node-freshness would have recorded.
func (b *bench) find(t *testing.T, cluster string) *events.IncidentMoved {
	t.Helper()
	f := fleet.Finding{
		Check: "node-freshness", Cluster: target.Cluster(cluster), Outcome: fleet.Fail, Severity: fleet.Warning,
		Cause: "version", Title: cluster + " has old nodes", At: b.now,
	}
	if _, _, err := b.records.Observe(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	return &events.IncidentMoved{Header: b.head("found"), Finding: f}
}

// kill is the switch that stops every write.
type kill struct{ on bool }

func (k *kill) On(context.Context) (bool, error) { return k.on, nil }

// recorder is a bus that keeps what it is given.
type recorder struct {
	moves    []string // of incidents of rollouts
	rollouts []string // of rollouts
	err      error
}

func (r *recorder) Publish(_ context.Context, moves ...events.IncidentMoved) error {
	for _, m := range moves {
		cause, _, _ := strings.Cut(m.Finding.Cause, ":2") // the rest tells one asking from the next
		r.moves = append(r.moves, strings.TrimSpace(m.Transition+" "+cause))
	}
	return nil
}

func (r *recorder) PublishRollout(_ context.Context, m events.RolloutMoved) error {
	if r.err != nil {
		return r.err
	}
	if _, err := m.Entry(); err != nil {
		return err
	}
	r.rollouts = append(r.rollouts, strings.TrimSpace(m.Transition+" "+strings.TrimPrefix(m.Cluster.Name+"/"+m.Group, "/")))
	return nil
}

// queue is the function's own.
type queue struct{ ticks []events.Event }

func (q *queue) Send(_ context.Context, messages ...[]byte) error {
	for _, m := range messages {
		e, err := events.Decode(m)
		if err != nil {
			return err
		}
		q.ticks = append(q.ticks, e)
	}
	return nil
}

func (b *bench) head(id string) events.Header {
	return events.Header{ID: id, Account: hub.Account, Region: hub.Region, Time: b.now}
}

func (b *bench) tick() *events.Tick {
	return &events.Tick{Header: b.head("tick" + b.now.String()), Cadence: events.FiveMinutes}
}

func (b *bench) plan() *events.PlanRollout { return &events.PlanRollout{Header: b.head("plan")} }

func (b *bench) command(verb string, edit ...func(*events.RolloutCommand)) *events.RolloutCommand {
	c := &events.RolloutCommand{Header: b.head("command/" + verb), Verb: verb, By: "alice", Via: events.ViaCommandLine, Why: "because"}
	for _, e := range edit {
		e(c)
	}
	return c
}

// handle gives an event to the function, and then what it sent to itself.
func (b *bench) handle(t *testing.T, e events.Event) map[string]any {
	t.Helper()
	attrs, err := b.Handle(t.Context(), e)
	if err != nil {
		t.Fatalf("%T: %v", e, err)
	}
	for len(b.queue.ticks) > 0 {
		next := b.queue.ticks[0]
		b.queue.ticks = b.queue.ticks[1:]
		if _, err := b.Handle(t.Context(), next); err != nil {
			t.Fatalf("%T: %v", next, err)
		}
	}
	said := map[string]any{}
	for _, a := range attrs {
		said[a.Key] = a.Value.Any()
	}
	return said
}

// refused holds that a command is not obeyed, and why.
func (b *bench) refused(t *testing.T, e events.Event, why string) {
	t.Helper()
	_, err := b.Handle(t.Context(), e)
	if ignored := (*events.Ignored)(nil); !errors.As(err, &ignored) || !strings.Contains(ignored.Reason, why) {
		t.Errorf("got %v, want a refusal: %s", err, why)
	}
}

// later is what dispatch does as time goes by: a tick every five minutes while a
// rollout needs it, and the follow-ups that are due.
func (b *bench) later(t *testing.T, d time.Duration) {
	t.Helper()
	for end := b.now.Add(d); b.now.Before(end); {
		b.now = b.now.Add(5 * time.Minute)
		if r, err := b.records.ActiveRollout(t.Context()); err == nil && !r.AtRest() {
			b.handle(t, b.tick())
		}
		due, err := b.records.DueFollowUps(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range due {
			e, err := events.Decode(f.Message)
			if err != nil {
				t.Fatal(err)
			}
			if f.Function == handler.Function {
				b.handle(t, e)
				continue
			}
			scan, ok := e.(*events.TargetScan)
			if !ok || !f.Once || f.Function != "clustercheck" || scan.Target != target {
				t.Fatalf("the follow-up %+v is nobody's", f)
			}
			b.checked = append(b.checked, scan.Clusters...)
			if err := b.records.Finish(t.Context(), f.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (b *bench) active(t *testing.T) rollout.Rollout {
	t.Helper()
	r, err := b.records.ActiveRollout(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (b *bench) none(t *testing.T) {
	t.Helper()
	if r, err := b.records.ActiveRollout(t.Context()); !errors.Is(err, ledger.ErrAbsent) {
		t.Errorf("the rollout %s is active, %v", r.ID, err)
	}
}

func (b *bench) incident(t *testing.T, r rollout.Rollout) incident.Incident {
	t.Helper()
	inc, err := b.records.Incident(t.Context(), hub.Account+"/"+hub.Region+"//nodegroup-rollout/"+r.ID)
	if err != nil {
		t.Fatal(err)
	}
	return inc
}

// approve is what the function approve does for somebody who pressed the button.
func (b *bench) approve(t *testing.T, r rollout.Rollout) *events.PlanApproved {
	t.Helper()
	ask := b.incident(t, r).Finding.Approval
	if ask == nil {
		t.Fatal("nothing waits for approval")
	}
	if _, err := b.records.Grant(t.Context(), ask.Plan, ask.Nonce, "alice", events.ViaSlack); err != nil {
		t.Fatal(err)
	}
	return &events.PlanApproved{Header: b.head("approved"), Plan: ask.Plan, Capability: rollout.Check, Cluster: hub, By: "alice", Via: events.ViaSlack}
}

func (b *bench) wantHeard(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("the bus heard\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// calls counts the calls of EKS that renew nodes.
func (b *bench) wantCalls(t *testing.T, want int) {
	t.Helper()
	if got := b.world.Calls().Of("UpdateNodegroupVersion").Total(); got != want {
		t.Errorf("%d calls of UpdateNodegroupVersion, want %d", got, want)
	}
}
