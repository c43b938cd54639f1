package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata" // the zone of the tests

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/functions/notify/handler"
	"github.com/eks-steward/eks-steward/internal/canary"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/ledgertest"
	"github.com/eks-steward/eks-steward/internal/notify"
	"github.com/eks-steward/eks-steward/internal/notify/slack"
	stand "github.com/eks-steward/eks-steward/internal/sim/slack"
)

// app is the function with a bot in a workspace that holds it to Slack's limits,
// over HTTP. It lives in a bubble of testing/synctest: all clocks are that of the
// bubble, and whoever waits, waits no time.
type app struct {
	*handler.Handler
	records          *ledger.Ledger
	workspace        *stand.Workspace
	alerts           *stand.Channel
	people, machines *channel
	events           []events.Event // that were delivered
	conf             *config.File
	printed          strings.Builder
}

const alerts = "C0000ALERTS"

// newApp returns an app whose clock shows at, in Berlin. One route leads to the
// channel alerts; conf says more.
func newApp(t *testing.T, at string, conf func(*config.File)) *app {
	t.Helper()
	time.Sleep(time.Until(berlin(t, at)))
	a := &app{
		records: ledger.New(&ledgertest.Memory{}, time.Now), people: &channel{}, machines: &channel{},
		workspace: stand.NewWorkspace(canary.Token, time.Now),
	}
	a.alerts = a.workspace.Open(alerts, "eks-alerts", "")
	a.workspace.Limit()
	a.Handler = &handler.Handler{
		Ledger: a.records, Slack: &installation{newWire(t, a.workspace)}, SNS: a.people, Machines: a.machines,
		Hub: fleet.ClusterID{Account: "111122223333", Region: "eu-west-1"}, Now: time.Now, Sleep: notify.Sleep,
	}
	a.configure(t, conf)
	t.Cleanup(func() {
		if strings.Contains(a.printed.String()+strings.Join(a.people.told, "")+strings.Join(a.machines.told, ""), canary.Word) {
			t.Error("a log or a topic shows the token")
		}
	})
	return a
}

func (a *app) configure(t *testing.T, conf func(*config.File)) {
	t.Helper()
	a.conf = config.Default()
	a.conf.Accounts = []config.Account{{Account: "111122223333", Regions: []string{"eu-west-1"}}}
	a.conf.Notify.TimeZone, a.conf.Notify.SNS = "Europe/Berlin", config.SNSFallback
	a.conf.Notify.Routes = []config.Route{{Channel: alerts, MinSeverity: fleet.Warning}}
	if conf != nil {
		conf(a.conf)
	}
	encoded, err := config.Encode(a.conf)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.records.AcceptConfig(t.Context(), ledger.AcceptedConfig{Version: "1", JSON: encoded}); err != nil {
		t.Fatal(err)
	}
}

// installation is the app's token, and what it opens.
type installation struct{ wire *http.Client }

func (i *installation) Token(context.Context) (bool, error) { return true, nil }

func (i *installation) Webhook() notify.Channel { return nil }

func (i *installation) Channel(id string) notify.Channel {
	return &slack.Bot{Token: i, Channel: id, API: "http://localhost/api", Client: i.wire, Now: time.Now}
}

func (i *installation) Value(context.Context) (string, error) { return canary.Token, nil }

func (i *installation) Refresh(context.Context) (string, error) { return canary.Token, nil }

// newWire serves a handler on connections within the process: a bubble's clock
// stands still while anybody waits for a network.
func newWire(t *testing.T, to http.Handler) *http.Client {
	w := make(wire)
	server := &http.Server{Handler: to, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(w) }()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		w <- there
		return here, nil
	}}
	t.Cleanup(func() { _ = server.Close() })
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// wire is a listener; a connection is a pipe.
type wire chan net.Conn

func (w wire) Accept() (net.Conn, error) {
	if c, open := <-w; open {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (w wire) Close() error { close(w); return nil }

func (w wire) Addr() net.Addr { return &net.TCPAddr{} }

// berlin is a moment by the clocks there.
func berlin(t *testing.T, at string) time.Time {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	when, err := time.ParseInLocation("2006-01-02 15:04", at, zone)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

// finds records what a check found about a cluster, and puts on the bus what came
// of it. The number is one that a message shows.
func (a *app) finds(t *testing.T, cluster string, o fleet.Outcome, s fleet.Severity, number int) {
	t.Helper()
	time.Sleep(time.Millisecond) // no two looks are one
	inc, moved, err := a.records.Observe(t.Context(), fleet.Finding{
		Check: "etcd-size", Cluster: fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: cluster},
		Outcome: o, Severity: s, Cause: "filling", Title: "etcd of " + cluster + " is filling", Observed: fmt.Sprintf("%d %%", number), At: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if !moved.News() {
		return
	}
	if err := a.records.Published(t.Context(), inc.ID(), inc.Revision); err != nil {
		t.Fatal(err)
	}
	a.events = append(a.events, &events.IncidentMoved{Incident: inc.ID(), Transition: string(moved), Revision: inc.Revision})
}

// hears delivers what is on the bus and was not delivered yet, as SQS does.
func (a *app) hears(t *testing.T, from int) {
	t.Helper()
	for batch := range slices.Chunk(a.events[from:], 100) {
		a.run(t, batch...)
	}
}

// run is one run of the function, which Lambda ends after a minute. A run that
// fails leaves its messages in the queue.
func (a *app) run(t *testing.T, batch ...events.Event) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, r := range a.Handle(ctx, batch) {
		fmt.Fprintln(&a.printed, r.Attrs, r.Err)
		if r.Err != nil {
			t.Fatalf("%s: a message stays in the queue: %v", time.Now(), r.Err)
		}
	}
}

// passes lets time go by. Every five minutes dispatch wakes the function if there
// is a reason to, and once an hour its own schedule does.
func (a *app) passes(t *testing.T, d time.Duration) {
	t.Helper()
	const beat = 5 * time.Minute
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(min(time.Until(time.Now().Truncate(beat).Add(beat)), time.Until(end)))
		now := time.Now()
		if !now.Equal(now.Truncate(beat)) {
			continue
		}
		untold, err := a.records.Untold(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(untold) > 0 || a.conf.Notify.DigestDue(now.Add(-beat), now) || now.Minute() == 25 {
			a.run(t, &events.PendingNotices{})
		}
	}
}

// again delivers every event twice more, the last one first, and expects that
// nobody hears of it.
func (a *app) again(t *testing.T) {
	t.Helper()
	shown, mailed := a.shows(), len(a.people.told)+len(a.machines.told)
	backward := slices.Clone(a.events)
	slices.Reverse(backward)
	for batch := range slices.Chunk(backward, 1+len(backward)/20) {
		a.run(t, batch...)
		a.run(t, batch...)
	}
	if after := a.shows(); after != shown || len(a.people.told)+len(a.machines.told) != mailed {
		t.Errorf("deliveries that came again changed the channel from\n%s\nto\n%s", shown, after)
	}
}

// shows is the first line of every message of the channel and of its thread.
func (a *app) shows() string {
	var lines []string
	for _, m := range a.alerts.Received() {
		lines = append(lines, m.Message.Text)
		for _, r := range m.Replies {
			channel := ""
			if r.Broadcast {
				channel = " (to the channel)"
			}
			lines = append(lines, "  "+r.Message.Text+channel)
		}
	}
	return strings.Join(lines, "\n")
}

func (a *app) showing(t *testing.T, want ...string) {
	t.Helper()
	if got := a.shows(); got != strings.Join(want, "\n") {
		t.Errorf("%s: the channel shows\n%s\nwant\n%s", time.Now(), got, strings.Join(want, "\n"))
	}
}

// paced expects that Slack never had to ask for patience, and that no channel got
// more than one post in a second.
func (a *app) paced(t *testing.T) {
	t.Helper()
	var last time.Time
	for _, c := range a.workspace.Calls() {
		if c.Status != http.StatusOK || c.At.Sub(last) < time.Second {
			t.Fatalf("%s at %s, %s after the last call, was answered %d (%s)", c.Method, c.At, c.At.Sub(last), c.Status, c.Word)
		}
		last = c.At
	}
}

// inside runs a test in a bubble.
func inside(t *testing.T, at string, conf func(*config.File), test func(*testing.T, *app)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newApp(t, at, conf)) })
}

const (
	warning  = "🟠 WARNING: etcd of %s is filling"
	critical = "🔴 CRITICAL: etcd of %s is filling"
	worse    = "🔴 CHANGED, CRITICAL: etcd of %s is filling"
	resolved = "🟢 RESOLVED: etcd of %s is filling"
)

func of(cluster, words string) string { return fmt.Sprintf(words, cluster) }

func TestTheLifeOfAnIncidentIsOneMessageWithItsThread(t *testing.T) {
	inside(t, "2026-06-01 12:00", nil, func(t *testing.T, a *app) {
		a.finds(t, "prod", fleet.Fail, fleet.Warning, 70)
		a.hears(t, 0)
		a.showing(t, of("prod", warning))
		a.passes(t, 10*time.Minute)
		a.finds(t, "prod", fleet.Fail, fleet.Critical, 90)
		a.hears(t, 1)
		a.finds(t, "prod", fleet.Fail, fleet.Warning, 80) // within the minute
		a.hears(t, 2)
		a.passes(t, 10*time.Minute)
		a.finds(t, "prod", fleet.Pass, fleet.Info, 20)
		a.hears(t, 3)
		a.showing(t, of("prod", resolved),
			"  "+of("prod", worse)+" (to the channel)", "  🟠 CHANGED, WARNING: etcd of prod is filling", "  "+of("prod", resolved))
		a.again(t)
		a.passes(t, 49*time.Hour)
		a.again(t)
		heard(t, "SNS", a.people)
		heard(t, "machines", a.machines, "WARNING: etcd of prod is filling", "CHANGED, CRITICAL: etcd of prod is filling", "CHANGED, WARNING: etcd of prod is filling", "RESOLVED: etcd of prod is filling")
		a.paced(t)
	})
}

func TestFault_52_FiveHundredFindingsAtOnceAreOneDigest(t *testing.T) {
	inside(t, "2026-06-01 12:00", nil, func(t *testing.T, a *app) {
		for i := range 500 {
			a.finds(t, fmt.Sprintf("c-%03d", i), fleet.Fail, fleet.Warning, 70)
		}
		a.hears(t, 0)
		a.showing(t, "🟠 WARNING: 500 incidents (500 warning)")
		for i := range 500 {
			a.finds(t, fmt.Sprintf("c-%03d", i), fleet.Pass, fleet.Info, 20)
		}
		a.hears(t, 500)
		a.showing(t, "🟠 WARNING: 500 incidents (500 warning)", "🟢 RESOLVED: 500 incidents (500 resolved)")
		a.again(t)
		a.paced(t)
	})
}

// Each of them has a message of its own, which is changed, and a thread.
func TestFault_52_AHundredMessagesThatChangeAtOnceAreChangedOneByOne(t *testing.T) {
	const n = 100
	inside(t, "2026-06-01 12:00", func(c *config.File) { c.Notify.DigestAbove = n / 2 }, func(t *testing.T, a *app) {
		for i := range n {
			a.finds(t, fmt.Sprintf("c-%03d", i), fleet.Fail, fleet.Warning, 70)
			if i%(n/2) == n/2-1 {
				a.hears(t, i+1-n/2)
				a.passes(t, 20*time.Minute)
			}
		}
		for i := range n {
			a.finds(t, fmt.Sprintf("c-%03d", i), fleet.Fail, fleet.Critical, 90)
		}
		a.hears(t, n)
		a.passes(t, time.Hour)
		for _, m := range a.alerts.Received() {
			if !strings.HasPrefix(m.Message.Text, "🔴") || len(m.Replies) != 1 {
				t.Errorf("a message shows %q, with %d replies", m.Message.Text, len(m.Replies))
			}
		}
		if got := len(a.alerts.Received()); got != n {
			t.Errorf("the channel shows %d messages, want %d", got, n)
		}
		a.again(t)
		a.paced(t)
	})
}

// For six hours Slack takes nothing, and incidents come, change and go.
func TestFault_49_AnOutageOfSixHoursLosesNothingAndEndsInOneDigest(t *testing.T) {
	for name, outage := range map[string]stand.Answer{"Slack is down": stand.Outage, "Slack does not answer": stand.Timeout, "a proxy answers": stand.HTML} {
		t.Run(name, func(t *testing.T) {
			inside(t, "2026-06-01 12:00", func(c *config.File) { c.Notify.DigestAbove = 2 }, func(t *testing.T, a *app) {
				a.finds(t, "known", fleet.Fail, fleet.Warning, 70)
				a.finds(t, "over", fleet.Fail, fleet.Warning, 70)
				a.hears(t, 0)
				a.passes(t, 10*time.Minute)
				a.workspace.Break(outage)
				for _, f := range []struct {
					cluster  string
					outcome  fleet.Outcome
					severity fleet.Severity
				}{
					{"new", fleet.Fail, fleet.Warning},
					{"known", fleet.Fail, fleet.Critical},
					{"brief", fleet.Fail, fleet.Warning},
					{"growing", fleet.Fail, fleet.Warning},
					{"over", fleet.Pass, fleet.Info},
					{"growing", fleet.Fail, fleet.Critical},
					{"brief", fleet.Pass, fleet.Info},
					{"late", fleet.Fail, fleet.Critical},
				} {
					from := len(a.events)
					a.finds(t, f.cluster, f.outcome, f.severity, 70)
					a.hears(t, from)
					a.passes(t, 45*time.Minute)
				}
				a.showing(t, of("known", warning), of("over", warning))
				var news []string // of the end of what SNS never heard of, only Slack will
				for _, words := range []string{
					"WARNING: etcd of new", "CRITICAL: etcd of known", "WARNING: etcd of brief", "WARNING: etcd of growing", "CHANGED, CRITICAL: etcd of growing", "RESOLVED: etcd of brief", "CRITICAL: etcd of late",
				} {
					news = append(news, words+" is filling")
				}
				heard(t, "SNS", a.people, news...)

				a.workspace.Mend()
				a.passes(t, 5*time.Minute)
				a.showing(t, of("known", worse), "  "+of("known", worse)+" (to the channel)", of("over", resolved), "  "+of("over", resolved),
					"🔴 CRITICAL: 3 incidents (2 critical, 1 warning)")
				heard(t, "SNS", a.people, news...)
				a.again(t)
				a.passes(t, time.Hour)
				for _, from := range a.alerts.Received() {
					if len(from.Replies) > 1 {
						t.Errorf("a thread says %d times how it went", len(from.Replies))
					}
				}
				if last := a.alerts.Received()[2]; !mentions(last, "late") || !mentions(last, "new") || !mentions(last, "growing") || !mentions(last, "1 more opened and was resolved meanwhile") {
					t.Errorf("the digest says %+v", last.Message)
				}
			})
		})
	}
}

// mentions reports whether a block of a message says something.
func mentions(m stand.Received, what string) bool {
	text, err := json.Marshal(m.Message)
	return err == nil && strings.Contains(string(text), what)
}

func TestFault_48_SlackIsWaitedForAsLongAsItAsks(t *testing.T) {
	for name, c := range map[string]struct {
		asks  time.Duration
		calls int // at most
	}{
		"within the run":          {30 * time.Second, 2},
		"longer than the run has": {10 * time.Minute, 4},
	} {
		t.Run(name, func(t *testing.T) {
			inside(t, "2026-06-01 12:00", nil, func(t *testing.T, a *app) {
				start := time.Now()
				a.finds(t, "prod", fleet.Fail, fleet.Critical, 90)
				a.workspace.Break(stand.Busy(c.asks))
				go func() {
					time.Sleep(c.asks)
					a.workspace.Mend()
				}()
				a.hears(t, 0)
				a.passes(t, 15*time.Minute)
				a.showing(t, of("prod", critical))
				if got := a.alerts.Received()[0].At.Sub(start); got < c.asks || got > c.asks+5*time.Minute || len(a.workspace.Calls()) > c.calls {
					t.Errorf("told after %s, with %d calls, want it after %s, with %d at most", got, len(a.workspace.Calls()), c.asks, c.calls)
				}
				heard(t, "SNS", a.people)
			})
		})
	}
}

func TestFault_59_TwoRunsAtOnceTellOnce(t *testing.T) {
	inside(t, "2026-06-01 12:00", nil, func(t *testing.T, a *app) {
		for i := range 4 {
			a.finds(t, fmt.Sprintf("c-%d", i), fleet.Fail, fleet.Warning, 70)
		}
		var runs sync.WaitGroup
		for _, e := range a.events {
			runs.Go(func() {
				for _, r := range a.Handle(t.Context(), []events.Event{e, a.events[0]}) {
					if r.Err != nil {
						t.Error(r.Err)
					}
				}
			})
		}
		runs.Wait()
		a.passes(t, 5*time.Minute)
		a.showing(t, of("c-0", warning), of("c-1", warning), of("c-2", warning), of("c-3", warning))
		a.again(t)
		a.paced(t)
	})
}

func TestNewNumbersChangeTheMessageOnceAnHourAndWakeNobody(t *testing.T) {
	inside(t, "2026-06-01 12:00", nil, func(t *testing.T, a *app) {
		a.finds(t, "prod", fleet.Fail, fleet.Warning, 70)
		a.hears(t, 0)
		for i := range 36 { // looks every ten minutes
			a.finds(t, "prod", fleet.Fail, fleet.Warning, 70+i/2)
			a.passes(t, 10*time.Minute)
		}
		a.passes(t, time.Hour)
		a.showing(t, of("prod", warning))
		m := a.alerts.Received()[0]
		if !mentions(m, "87 %") || len(m.Before) < 6 || len(m.Before) > 7 || a.alerts.Woken() != 1 {
			t.Errorf("in six hours and a half the message was changed %d times, and woke people %d times: %+v", len(m.Before), a.alerts.Woken(), m.Message)
		}
		a.again(t)
	})
}

func TestAnIncidentThatStaysIsRemindedOf(t *testing.T) {
	inside(t, "2026-06-01 12:00", nil, func(t *testing.T, a *app) {
		a.finds(t, "prod", fleet.Fail, fleet.Critical, 90)
		a.finds(t, "dev", fleet.Fail, fleet.Warning, 70)
		a.hears(t, 0)
		a.passes(t, 23*time.Hour)
		a.showing(t, of("prod", critical), of("dev", warning))
		a.passes(t, 2*time.Hour)
		remind := "  🔴 STILL OPEN, CRITICAL: etcd of prod is filling (to the channel)"
		a.showing(t, of("prod", critical), remind, of("dev", warning))
		a.passes(t, 24*time.Hour)
		a.showing(t, of("prod", critical), remind, remind, of("dev", warning))
		a.finds(t, "prod", fleet.Pass, fleet.Info, 20)
		a.hears(t, 2)
		a.passes(t, 25*time.Hour)
		a.showing(t, of("prod", resolved), remind, remind, "  "+of("prod", resolved), of("dev", warning))
		a.again(t)
		heard(t, "SNS", a.people)
	})
}

// The clocks of Berlin skip the hour from 2 to 3 on 2026-03-29, and have it twice
// on 2026-10-25.
func TestTheDailyDigestComesOnceADay(t *testing.T) {
	for name, c := range map[string]struct {
		from, at string
		want     []string // by the clocks in Berlin
	}{
		"when summer ends":                {"2026-10-24 08:00", "09:00", []string{"Sat 09:00", "Sun 09:00", "Mon 09:00"}},
		"in the hour that is there twice": {"2026-10-24 01:00", "02:30", []string{"Sat 02:30", "Sun 02:30", "Mon 02:30"}},
		"when summer begins":              {"2026-03-28 08:00", "09:00", []string{"Sat 09:00", "Sun 09:00", "Mon 09:00"}},
		"in the hour that is not there":   {"2026-03-28 01:00", "02:30", []string{"Sat 02:30", "Sun 03:30", "Mon 02:30"}},
		"on the day that it was set up":   {"2026-06-05 12:00", "09:00", []string{"Fri 12:00", "Sat 09:00", "Sun 09:00"}},
		"right before midnight":           {"2026-06-05 22:00", "23:59", []string{"Sat 00:00", "Sun 00:00", "Mon 00:00"}},
	} {
		t.Run(name, func(t *testing.T) {
			inside(t, c.from, func(f *config.File) { f.Notify.Routes[0].DigestAt = c.at }, func(t *testing.T, a *app) {
				a.finds(t, "prod", fleet.Fail, fleet.Critical, 90)
				a.hears(t, 0)
				a.passes(t, 51*time.Hour)
				var got []string
				for _, m := range a.alerts.Received() {
					got = append(got, m.At.In(berlin(t, c.from).Location()).Format("Mon 15:04"))
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("digests at %q, want %q", got, c.want)
				}
			})
		})
	}
}

func TestQuietHoursLetOnlyTheCriticalThrough(t *testing.T) {
	quiet := func(c *config.File) { c.Notify.Routes[0].QuietFrom, c.Notify.Routes[0].QuietTo = "22:00", "07:00" }
	inside(t, "2026-10-24 21:00", quiet, func(t *testing.T, a *app) { // an hour longer than others, that night
		a.finds(t, "early", fleet.Fail, fleet.Warning, 70)
		a.hears(t, 0)
		a.passes(t, 2*time.Hour)
		a.finds(t, "stays", fleet.Fail, fleet.Warning, 70)
		a.finds(t, "passes", fleet.Fail, fleet.Warning, 70)
		a.finds(t, "grows", fleet.Fail, fleet.Warning, 70)
		a.finds(t, "early", fleet.Pass, fleet.Info, 20)
		a.hears(t, 1)
		a.passes(t, time.Hour)
		a.showing(t, of("early", warning))
		a.finds(t, "grows", fleet.Fail, fleet.Critical, 90)
		a.finds(t, "passes", fleet.Pass, fleet.Info, 20)
		a.hears(t, 5)
		a.showing(t, of("early", warning), of("grows", critical))
		a.passes(t, time.Until(berlin(t, "2026-10-25 06:55")))
		a.showing(t, of("early", warning), of("grows", critical))
		a.passes(t, 6*time.Minute)
		a.showing(t, of("early", resolved), "  "+of("early", resolved), of("grows", critical), of("stays", warning))
		a.again(t)
		a.paced(t)
		heard(t, "SNS", a.people)
	})
}

func TestAMuteEndsByItself(t *testing.T) {
	mute := func(c *config.File) {
		c.Mutes = []config.Mute{{Checks: []string{"etcd-size"}, Match: config.Match{Names: []string{"noisy", "brief"}}, Until: "2026-10-25", Reason: "it is known"}}
	}
	inside(t, "2026-10-24 12:00", mute, func(t *testing.T, a *app) {
		a.finds(t, "noisy", fleet.Fail, fleet.Critical, 90)
		a.finds(t, "brief", fleet.Fail, fleet.Critical, 90)
		a.finds(t, "other", fleet.Fail, fleet.Warning, 70)
		a.hears(t, 0)
		a.finds(t, "brief", fleet.Pass, fleet.Info, 20)
		a.hears(t, 3)
		a.passes(t, time.Until(berlin(t, "2026-10-25 23:55"))) // a day of 25 hours
		a.showing(t, of("other", warning))
		if len(a.machines.told) != 4 {
			t.Errorf("machines heard %q", a.machines.told)
		}
		a.passes(t, 6*time.Minute)
		a.showing(t, of("other", warning), of("noisy", critical))
		a.again(t)
		heard(t, "SNS", a.people)
	})
}
