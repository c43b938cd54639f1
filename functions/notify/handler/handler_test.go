package handler_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
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
	mu   sync.Mutex // machines are told several things at a time
	told []string
	err  error
}

func (c *channel) Post(_ context.Context, m notify.Message) (notify.Receipt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return "", c.err
	}
	c.told = append(c.told, m.Headline())
	return "", nil
}

// access is what the secret opens. The channels of an app edit nothing here.
type access struct {
	webhook  *channel
	token    bool
	unread   error
	channels map[string]*channel
}

func (a *access) Token(context.Context) (bool, error) { return a.token, a.unread }

func (a *access) Webhook() notify.Channel { return a.webhook }

func (a *access) Channel(id string) notify.Channel {
	if a.channels[id] == nil {
		a.channels[id] = &channel{}
	}
	return a.channels[id]
}

type bench struct {
	*handler.Handler
	records    *ledger.Ledger
	slack, sns *channel
	access     *access
	version    int
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
	b.access = &access{webhook: b.slack, channels: map[string]*channel{}}
	b.records = ledger.New(store, func() time.Time { b.now = b.now.Add(time.Millisecond); return b.now })
	b.Handler = &handler.Handler{
		Ledger: b.records, Slack: b.access, SNS: b.sns, Hub: fleet.ClusterID{Account: "111122223333", Region: "eu-west-1"},
		Now:   func() time.Time { return b.now },
		Sleep: func(_ context.Context, d time.Duration) error { b.now = b.now.Add(d); return nil },
	}
	if change != nil {
		b.configure(t, change)
	}
	return b
}

// configure accepts a configuration.
func (b *bench) configure(t *testing.T, change func(*config.File)) {
	t.Helper()
	conf := config.Default()
	conf.Accounts = []config.Account{{Account: "111122223333", Regions: []string{"eu-west-1"}}}
	change(conf)
	encoded, err := config.Encode(conf)
	if err != nil {
		t.Fatal(err)
	}
	b.version++
	if err := b.records.AcceptConfig(t.Context(), ledger.AcceptedConfig{Version: strconv.Itoa(b.version), JSON: encoded}); err != nil {
		t.Fatal(err)
	}
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

// bot is a bench whose secret holds a bot token.
func bot(t *testing.T, change func(*config.File)) *bench {
	t.Helper()
	b := newBench(t, change)
	b.access.token = true
	return b
}

func about(resource string) string {
	return incident.ID(fleet.Finding{Check: handler.Check, Cluster: fleet.ClusterID{Account: "111122223333", Region: "eu-west-1"}, Resource: resource})
}

// stands is the state and the cause of an incident of ours.
func (b *bench) stands(t *testing.T, resource string) string {
	t.Helper()
	inc, err := b.records.Incident(t.Context(), about(resource))
	if errors.Is(err, ledger.ErrAbsent) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(inc.State) + " " + inc.Finding.Cause
}

func is(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %q, want %q", what, got, want)
	}
}

func TestABotTellsEachChannelWhatItsRouteSays(t *testing.T) {
	b := bot(t, func(c *config.File) {
		c.Notify.Routes = []config.Route{
			{Channel: "C0000000001", MinSeverity: fleet.Critical},
			{Channel: "C0000000002", MinSeverity: fleet.Warning, Checks: []string{"etcd-size"}},
			{Channel: "C0000000003", Match: config.Match{Names: []string{"dev"}}},
			{Channel: "C0000000004", DigestAt: "23:59"},
		}
	})
	b.tell(t, b.observe(t, fleet.Fail, fleet.Warning))
	for id, want := range map[string][]string{"C0000000001": nil, "C0000000002": {"WARNING: etcd of prod"}, "C0000000003": nil, "C0000000004": nil} {
		heard(t, id, b.access.channels[id], want...)
	}
	heard(t, "the webhook", b.slack)
	heard(t, "SNS", b.sns, "WARNING: etcd of prod")
	b.now = time.Date(2026, 11, 20, 23, 59, 0, 0, time.UTC)
	b.tell(t, &events.PendingNotices{})
	heard(t, "C4 at its hour", b.access.channels["C0000000004"], "DAILY: 1 incident open (1 warning)")
}

func TestFault_49_AChannelThatRefusesIsAnIncidentOfItsOwn(t *testing.T) {
	b := bot(t, func(c *config.File) {
		c.Notify.Routes = []config.Route{{Channel: "C0000000001"}, {Channel: "C0000000002"}}
	})
	b.access.channels["C0000000002"] = &channel{err: &notify.Refused{Reason: "not_in_channel"}}
	b.tell(t, b.observe(t, fleet.Fail, fleet.Warning))
	heard(t, "C0000000001", b.access.channels["C0000000001"], "WARNING: etcd of prod")
	heard(t, "SNS", b.sns, "WARNING: etcd of prod")
	is(t, "C0000000002", b.stands(t, "C0000000002"), "open refused")
	is(t, "C0000000001", b.stands(t, "C0000000001"), "")
	b.tell(t, &events.PendingNotices{})
	is(t, "C2 when nothing is said there", b.stands(t, "C0000000002"), "open refused")
	b.access.channels["C0000000002"].err = nil
	b.tell(t, b.observe(t, fleet.Fail, fleet.Critical))
	is(t, "C2 after the next message", b.stands(t, "C0000000002"), "resolved ")
}

func TestAChannelThatIsNotUsedAnyMoreIsNoTrouble(t *testing.T) {
	b := bot(t, func(c *config.File) {
		c.Notify.Routes = []config.Route{{Channel: "C0000000001"}, {Channel: "C0000000002"}}
	})
	b.access.channels["C0000000002"] = &channel{err: &notify.Refused{Reason: "is_archived"}}
	b.tell(t, b.observe(t, fleet.Fail, fleet.Warning))
	b.configure(t, func(c *config.File) { c.Notify.Routes = []config.Route{{Channel: "C0000000001"}} })
	b.tell(t, &events.PendingNotices{})
	is(t, "C0000000002", b.stands(t, "C0000000002"), "resolved ")
}

func TestASecretAndAConfigurationThatDoNotFitAreAnIncident(t *testing.T) {
	routes := func(c *config.File) { c.Notify.Routes = []config.Route{{Channel: "C0000000001"}} }
	t.Run("a bot token without routes", func(t *testing.T) {
		b := bot(t, func(*config.File) {})
		b.tell(t, b.observe(t, fleet.Fail, fleet.Warning))
		heard(t, "SNS", b.sns, "WARNING: etcd of prod")
		is(t, "the secret", b.stands(t, ""), "open no-routes")
		b.configure(t, routes)
		b.tell(t, &events.PendingNotices{})
		is(t, "the secret with a route", b.stands(t, ""), "resolved ")
	})
	t.Run("routes without a bot token", func(t *testing.T) {
		b := newBench(t, routes)
		b.tell(t, b.observe(t, fleet.Fail, fleet.Warning))
		heard(t, "the webhook", b.slack, "WARNING: etcd of prod")
		is(t, "the secret", b.stands(t, ""), "open unused-routes")
		b.access.unread = errors.New("AccessDenied")
		b.tell(t, &events.PendingNotices{})
		is(t, "the secret that cannot be read", b.stands(t, ""), "open unused-routes")
		b.access.unread, b.access.token = nil, true
		b.tell(t, &events.PendingNotices{})
		is(t, "the secret with a token", b.stands(t, ""), "resolved ")
	})
}

func TestFault_55_ASecretThatCannotBeReadLeavesItToSNS(t *testing.T) {
	b := newBench(t, func(c *config.File) {
		c.Notify.SNS, c.Notify.Routes = config.SNSFallback, []config.Route{{Channel: "C0000000001"}}
	})
	b.access.unread = errors.New("AccessDenied")
	b.access.channels["C0000000001"] = &channel{err: &notify.Down{Err: errors.New("read Slack's secret: AccessDenied")}}
	b.tell(t, b.observe(t, fleet.Fail, fleet.Warning))
	heard(t, "SNS", b.sns, "WARNING: etcd of prod")
	is(t, "the secret", b.stands(t, ""), "")
	b.access.unread, b.access.token, b.access.channels["C0000000001"].err = nil, true, nil
	b.tell(t, &events.PendingNotices{})
	heard(t, "C0000000001", b.access.channels["C0000000001"], "WARNING: etcd of prod")
	heard(t, "the webhook", b.slack)
}

func TestSNSAsAFallbackHearsOfClustersThatNoRouteNames(t *testing.T) {
	b := bot(t, func(c *config.File) {
		c.Notify.SNS, c.Notify.Routes = config.SNSFallback, []config.Route{{Channel: "C0000000001", Match: config.Match{Names: []string{"dev-*"}}}}
	})
	b.tell(t, b.observe(t, fleet.Fail, fleet.Critical))
	heard(t, "C0000000001", b.access.channels["C0000000001"])
	heard(t, "SNS", b.sns, "CRITICAL: etcd of prod")
}

func TestMutesAndMachines(t *testing.T) {
	b := newBench(t, func(c *config.File) {
		c.Mutes = []config.Mute{{Checks: []string{"etcd-size"}, Until: "2026-11-20", Reason: "it is known"}}
	})
	machines := &channel{}
	b.Machines = machines
	b.tell(t, b.observe(t, fleet.Fail, fleet.Critical))
	heard(t, "Slack", b.slack)
	heard(t, "machines", machines, "CRITICAL: etcd of prod")
	b.now = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	b.tell(t, &events.PendingNotices{})
	heard(t, "Slack when it is over", b.slack, "CRITICAL: etcd of prod")
	heard(t, "machines", machines, "CRITICAL: etcd of prod")
}
