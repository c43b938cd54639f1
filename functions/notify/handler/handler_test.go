package handler_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/functions/notify/handler"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/file"
	"github.com/eks-steward/eks-steward/internal/notify"
	"github.com/eks-steward/eks-steward/internal/worker"
)

// channel keeps the headlines of what it is told.
type channel struct {
	told []string
	err  error
}

func (c *channel) Post(_ context.Context, m notify.Message) (notify.Receipt, error) {
	if c.err != nil {
		return "", c.err
	}
	c.told = append(c.told, m.Headline())
	return "", nil
}

type bench struct {
	*handler.Handler
	records    *ledger.Ledger
	slack, sns *channel
	now        time.Time
}

func newBench(t *testing.T, change func(*config.File)) *bench {
	t.Helper()
	store, err := file.Open(filepath.Join(t.TempDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	b := &bench{slack: &channel{}, sns: &channel{}, now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	b.records = ledger.New(store, func() time.Time { b.now = b.now.Add(time.Millisecond); return b.now })
	b.Handler = &handler.Handler{
		Ledger: b.records, Slack: b.slack, SNS: b.sns, Hub: fleet.ClusterID{Account: "111122223333", Region: "eu-west-1"},
		Now:   func() time.Time { return b.now },
		Sleep: func(_ context.Context, d time.Duration) error { b.now = b.now.Add(d); return nil },
	}
	if change == nil {
		return b
	}
	conf := config.Default()
	conf.Accounts = []config.Account{{Account: "111122223333", Regions: []string{"eu-west-1"}}}
	change(conf)
	encoded, err := config.Encode(conf)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.records.AcceptConfig(t.Context(), ledger.AcceptedConfig{Version: "1", JSON: encoded}); err != nil {
		t.Fatal(err)
	}
	return b
}

// fail opens or changes an incident and returns the event that says so.
func (b *bench) observe(t *testing.T, o fleet.Outcome, s fleet.Severity) *events.IncidentMoved {
	t.Helper()
	inc, _, err := b.records.Observe(t.Context(), fleet.Finding{
		Check: "etcd-size", Cluster: fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: "prod"},
		Outcome: o, Severity: s, Title: "etcd of prod", At: b.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.records.Published(t.Context(), inc.ID(), inc.Revision); err != nil {
		t.Fatal(err)
	}
	return &events.IncidentMoved{Incident: inc.ID(), Transition: string(inc.LastMove()), Revision: inc.Revision}
}

func (b *bench) tell(t *testing.T, batch ...events.Event) {
	t.Helper()
	for i, r := range b.Handle(t.Context(), batch) {
		if r.Err != nil {
			t.Fatalf("event %d: %v", i, r.Err)
		}
	}
}

func heard(t *testing.T, name string, c *channel, want ...string) {
	t.Helper()
	if !slices.Equal(c.told, want) {
		t.Errorf("%s heard %q, want %q", name, c.told, want)
	}
}

func TestFault_59_EventsThatComeReversedTellWhatIsTrue(t *testing.T) {
	b := newBench(t, func(*config.File) {})
	opened := b.observe(t, fleet.Fail, fleet.Warning)
	b.tell(t, opened)
	changed := b.observe(t, fleet.Fail, fleet.Critical)
	resolved := b.observe(t, fleet.Pass, fleet.Info)
	b.tell(t, resolved)
	b.tell(t, changed)
	b.tell(t, opened)
	want := []string{"WARNING: etcd of prod", "RESOLVED: etcd of prod"}
	heard(t, "Slack", b.slack, want...)
	heard(t, "SNS", b.sns, want...)
}

// lagging is a ledger whose list of the untold does not have the newest yet, as
// an index of DynamoDB may not for a moment.
type lagging struct{ *ledger.Ledger }

func (lagging) Untold(context.Context) ([]incident.Incident, error) { return nil, nil }

func TestTheIncidentThatAnEventNamesIsToldAtOnce(t *testing.T) {
	b := newBench(t, func(*config.File) {})
	b.Ledger = lagging{b.records}
	b.tell(t, b.observe(t, fleet.Fail, fleet.Warning))
	heard(t, "Slack", b.slack, "WARNING: etcd of prod")
}

func TestFault_22_AMoveThatComesTwiceIsToldOnce(t *testing.T) {
	b := newBench(t, func(*config.File) {})
	opened := b.observe(t, fleet.Fail, fleet.Warning)
	b.tell(t, opened, opened)
	b.tell(t, opened)
	heard(t, "Slack", b.slack, "WARNING: etcd of prod")
}

func TestAReminderTellsWhatNoEventTold(t *testing.T) {
	b := newBench(t, func(*config.File) {})
	b.observe(t, fleet.Fail, fleet.Critical) // its event was lost
	b.tell(t, &events.PendingNotices{})
	heard(t, "Slack", b.slack, "CRITICAL: etcd of prod")
}

func TestTheConfigurationSaysWhoHears(t *testing.T) {
	b := newBench(t, func(c *config.File) { c.Notify.Slack, c.Notify.MinSeverity = false, fleet.Critical })
	b.tell(t, b.observe(t, fleet.Fail, fleet.Warning))
	b.tell(t, b.observe(t, fleet.Fail, fleet.Critical))
	heard(t, "Slack", b.slack)
	heard(t, "SNS", b.sns, "CRITICAL: etcd of prod")
}

func TestBeforeAnyConfigurationTheDefaultsHold(t *testing.T) {
	b := newBench(t, nil)
	b.tell(t, b.observe(t, fleet.Fail, fleet.Warning))
	heard(t, "Slack", b.slack, "WARNING: etcd of prod")
}

func TestFault_49_ASlackThatRefusesIsAnIncidentAndSNSHears(t *testing.T) {
	b := newBench(t, func(*config.File) {})
	b.slack.err = &notify.Refused{Reason: "answer 404 (no_service)"}
	b.tell(t, b.observe(t, fleet.Fail, fleet.Warning))
	heard(t, "SNS", b.sns, "WARNING: etcd of prod")
	id := incident.ID(fleet.Finding{Check: handler.Check, Cluster: b.Hub})
	inc, err := b.records.Incident(t.Context(), id)
	if err != nil || inc.State != incident.Open || !strings.Contains(inc.Finding.Reason, "no_service") {
		t.Fatalf("incident of Slack: %+v, %v; want it open with Slack's word", inc, err)
	}
	b.slack.err = nil
	b.tell(t, b.observe(t, fleet.Fail, fleet.Critical))
	if inc, err = b.records.Incident(t.Context(), id); err != nil || inc.State != incident.Resolved {
		t.Errorf("incident of Slack is %s, %v; want it resolved by the next message", inc.State, err)
	}
}

func TestAnEventForSomebodyElseFailsAlone(t *testing.T) {
	b := newBench(t, func(*config.File) {})
	results := b.Handle(t.Context(), []events.Event{&events.Tick{}, b.observe(t, fleet.Fail, fleet.Warning)})
	if !worker.IsPermanent(results[0].Err) || results[1].Err != nil {
		t.Errorf("got %v and %v, want the tick alone refused", results[0].Err, results[1].Err)
	}
	heard(t, "Slack", b.slack, "WARNING: etcd of prod")
}
