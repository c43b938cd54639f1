package notify_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/canary"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/file"
	"github.com/eks-steward/eks-steward/internal/notify"
	"github.com/eks-steward/eks-steward/internal/notify/notifytest"
	webhook "github.com/eks-steward/eks-steward/internal/notify/slack"
	stand "github.com/eks-steward/eks-steward/internal/sim/slack"
)

// clock stands still unless somebody sleeps. It is far ahead of the machine's,
// whose timers thus never end anything early.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return ctx.Err()
}

// until is a context that ends by the test's clock.
type until struct {
	context.Context
	deadline time.Time
}

func (u until) Deadline() (time.Time, bool) { return u.deadline, true }

// channel takes messages, or fails as scripted.
type channel struct {
	clock  *clock
	script []error // by post; nil and beyond the end: taken

	mu    sync.Mutex // machines hear of several incidents at a time
	posts []notify.Message
	at    []time.Time // of every try
}

func (c *channel) Post(_ context.Context, m notify.Message) (notify.Receipt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = append(c.at, c.clock.Now())
	if i := len(c.at) - 1; i < len(c.script) && c.script[i] != nil {
		return "", c.script[i]
	}
	c.posts = append(c.posts, m)
	return "", nil
}

// said are the messages in short.
func (c *channel) said() string {
	var all []string
	for _, m := range c.posts {
		all = append(all, fmt.Sprintf("%s %s", m.Kind, m.Notices[0].Incident.Finding.Cluster.Name))
	}
	return strings.Join(all, ", ")
}

type bench struct {
	*clock
	ledger *ledger.Ledger
	slack  *channel
	sns    *channel
	teller notify.Teller
}

func newBench(t *testing.T) *bench {
	t.Helper()
	store, err := file.Open(filepath.Join(t.TempDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return benchOn(store)
}

func benchOn(store ledger.Store) *bench {
	c := &clock{now: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}
	b := &bench{clock: c, ledger: ledger.New(store, c.Now), slack: &channel{clock: c}, sns: &channel{clock: c}}
	b.teller = notify.Teller{
		Ledger: b.ledger, Now: c.Now, Sleep: c.Sleep,
		SNS:   &notify.Route{ID: notify.SNS, Channel: b.sns, MinSeverity: fleet.Warning},
		Rules: notify.Rules{DigestAbove: 5, SNS: notify.Fallback},
	}
	b.slackIs(b.slack)
	return b
}

// slackIs lets Slack be one webhook.
func (b *bench) slackIs(c notify.Channel) {
	b.teller.Slack = []notify.Route{{ID: notify.Slack, Channel: c, MinSeverity: fleet.Warning}}
}

// saw records findings and announces them, and returns the incidents' ids.
func (b *bench) saw(t *testing.T, findings ...fleet.Finding) (ids []string) {
	t.Helper()
	for _, f := range findings {
		f.At = b.Now()
		inc, _, err := b.ledger.Observe(t.Context(), f)
		if err == nil {
			err = b.ledger.Published(t.Context(), inc.ID(), inc.Revision)
		}
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, inc.ID())
	}
	return ids
}

// tell gives the teller a minute.
func (b *bench) tell(t *testing.T, named ...string) notify.Report {
	t.Helper()
	report, err := b.teller.Tell(b.within(t, time.Minute), named)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func (b *bench) within(t *testing.T, d time.Duration) context.Context {
	return until{Context: t.Context(), deadline: b.Now().Add(d)}
}

func (b *bench) untold(t *testing.T) int {
	t.Helper()
	incs, err := b.ledger.Untold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(incs)
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestFault_22_ADuplicateEventIsToldOnce(t *testing.T) {
	b := newBench(t)
	ids := b.saw(t, critical)
	b.tell(t, ids[0], ids[0])
	report := b.tell(t, ids...)
	want(t, "Slack", b.slack.said(), "opened prod")
	if report.Posted != 0 || report.Silent["already told: nothing new since revision 1"] != 1 || b.untold(t) != 0 {
		t.Errorf("report %+v, %d untold", report, b.untold(t))
	}
}

func TestFault_59_ReversedEventsGiveOneCorrectMessage(t *testing.T) {
	t.Run("resolved is read before opened was told", func(t *testing.T) {
		b := newBench(t)
		b.saw(t, critical)
		ids := b.saw(t, passing) // the event of this one arrives first
		b.tell(t, ids...)
		b.tell(t, ids...)
		want(t, "Slack", b.slack.said(), "")
		if b.untold(t) != 0 {
			t.Error("it is still untold")
		}
	})
	t.Run("resolved is read after opened was told", func(t *testing.T) {
		b := newBench(t)
		b.tell(t, b.saw(t, warning)...)
		b.saw(t, critical)
		ids := b.saw(t, passing)
		b.tell(t, ids...)
		b.tell(t, ids...)
		want(t, "Slack", b.slack.said(), "opened prod, resolved prod")
	})
	t.Run("two workers hold the same one", func(t *testing.T) {
		b := newBench(t)
		ids := b.saw(t, critical)
		if _, err := b.ledger.Lease(t.Context(), "notify", "another", time.Minute); err != nil {
			t.Fatal(err)
		}
		if report := b.tell(t, ids...); !report.Held || b.slack.said() != "" || b.untold(t) != 1 {
			t.Errorf("report %+v, Slack heard %q, %d untold", report, b.slack.said(), b.untold(t))
		}
		_ = b.Sleep(t.Context(), time.Minute)
		b.tell(t)
		want(t, "Slack at the next tick", b.slack.said(), "opened prod")
	})
}

func TestAHolderSeesWhatCameWhileItTold(t *testing.T) {
	b := newBench(t)
	ids := b.saw(t, critical)
	late := &meanwhile{channel: b.slack, then: func() { b.saw(t, notifytest.Full("late", fleet.Critical)) }}
	b.slackIs(late)
	b.tell(t, ids...)
	want(t, "Slack", b.slack.said(), "opened prod, opened late")
}

// meanwhile lets something happen during the first post.
type meanwhile struct {
	*channel
	then func()
}

func (m *meanwhile) Post(ctx context.Context, msg notify.Message) (notify.Receipt, error) {
	if m.then != nil {
		m.then()
		m.then = nil
	}
	return m.channel.Post(ctx, msg)
}

func TestFault_48_RetryAfterIsHonouredOrLeftToTheTick(t *testing.T) {
	t.Run("a wait that fits", func(t *testing.T) {
		b := newBench(t)
		b.slack.script = []error{&notify.Busy{After: 20 * time.Second}}
		b.tell(t, b.saw(t, critical)...)
		want(t, "Slack", b.slack.said(), "opened prod")
		if waited := b.slack.at[1].Sub(b.slack.at[0]); waited != 20*time.Second {
			t.Errorf("waited %s", waited)
		}
	})
	t.Run("a wait that exceeds the time left", func(t *testing.T) {
		b := newBench(t)
		b.slack.script = []error{nil, &notify.Busy{After: 58 * time.Second}}
		b.saw(t, critical, notifytest.Full("other", fleet.Critical))
		begun := b.Now()
		report := b.tell(t)
		want(t, "Slack", b.slack.said(), "opened other")
		if took := b.Now().Sub(begun); took > 5*time.Second {
			t.Errorf("it waited %s for nothing", took)
		}
		want(t, "SNS", b.sns.said(), "")
		if report.Left != 1 || b.untold(t) != 1 || len(b.slack.at) != 2 {
			t.Errorf("report %+v, %d untold, %d tries", report, b.untold(t), len(b.slack.at))
		}
		b.tell(t)
		want(t, "Slack after the tick", b.slack.said(), "opened other, opened prod")
	})
}

func TestFault_52_PostsKeepOneSecondApartAcrossHolders(t *testing.T) {
	b := newBench(t)
	for i := range 4 {
		b.saw(t, notifytest.Full(fmt.Sprintf("c%d", i), fleet.Critical))
	}
	b.tell(t)
	b.tell(t, b.saw(t, notifytest.Full("next", fleet.Critical))...)
	if len(b.slack.at) != 5 {
		t.Fatalf("%d posts", len(b.slack.at))
	}
	for i := range 4 {
		if gap := b.slack.at[i+1].Sub(b.slack.at[i]); gap < time.Second {
			t.Errorf("posts %d and %d are %s apart", i, i+1, gap)
		}
	}
	var flood []fleet.Finding
	for i := range 40 {
		flood = append(flood, notifytest.Full(fmt.Sprintf("f%d", i), fleet.Critical))
	}
	b.saw(t, flood...)
	report := b.tell(t)
	if report.Posted != 1 || report.Settled != 40 || b.untold(t) != 0 || b.slack.posts[5].Kind != notify.Digest {
		t.Errorf("report %+v", report)
	}
}

func TestFault_52_SlackItselfFindsThePaceRight(t *testing.T) {
	b := newBench(t)
	slack := stand.New(canary.Hook, b.Now)
	slack.Limit()
	server := httptest.NewServer(slack)
	defer server.Close()
	b.slackIs(webhook.New(address(server.URL + canary.Hook)))
	for i := range 5 {
		b.saw(t, notifytest.Full(fmt.Sprintf("c%d", i), fleet.Critical))
	}
	b.tell(t)
	if len(slack.Received()) != 5 || len(slack.Calls()) != 5 || b.untold(t) != 0 {
		t.Errorf("%d messages in %v", len(slack.Received()), slack.Calls())
	}
}

// address is one that never changes.
type address string

func (a address) Value(context.Context) (string, error) { return string(a), nil }

func (a address) Refresh(context.Context) (string, error) { return string(a), nil }

func TestFault_49_WhatSlackDoesNotTakeGoesToSNS(t *testing.T) {
	down := &notify.Down{Err: errors.New("answer 503")}
	refused := &notify.Refused{Reason: "answer 400 (invalid_payload)"}
	t.Run("an outage is tried three times, then SNS hears and Slack later", func(t *testing.T) {
		b := newBench(t)
		b.slack.script = []error{down, down, down}
		report := b.tell(t, b.saw(t, critical)...)
		want(t, "SNS", b.sns.said(), "opened prod")
		if len(b.slack.at) != 3 || report.SlackDown == "" || report.Left != 1 || !strings.Contains(b.sns.posts[0].Note, "Slack did not answer") {
			t.Errorf("%d tries, report %+v, note %q", len(b.slack.at), report, b.sns.posts[0].Note)
		}
		b.tell(t)
		want(t, "Slack after the tick", b.slack.said(), "opened prod")
		b.tell(t, b.saw(t, passing)...)
		want(t, "SNS at the end", b.sns.said(), "opened prod, resolved prod")
		if b.untold(t) != 0 {
			t.Error("it is still untold")
		}
	})
	t.Run("an outage that passes is not noticed", func(t *testing.T) {
		b := newBench(t)
		b.slack.script = []error{down, down}
		b.tell(t, b.saw(t, critical)...)
		want(t, "Slack", b.slack.said(), "opened prod")
		want(t, "SNS", b.sns.said(), "")
	})
	t.Run("a refusal is not tried again, and SNS hears why", func(t *testing.T) {
		b := newBench(t)
		b.slack.script = []error{refused}
		ids := b.saw(t, critical)
		report := b.tell(t, ids...)
		b.tell(t, ids...)
		want(t, "SNS", b.sns.said(), "opened prod")
		if len(b.slack.at) != 1 || report.Refused[notify.Slack] != refused.Reason || b.untold(t) != 0 || !strings.Contains(b.sns.posts[0].Note, "invalid_payload") {
			t.Errorf("%d tries, report %+v, note %q", len(b.slack.at), report, b.sns.posts[0].Note)
		}
		if i := slices.IndexFunc(report.Attrs(), func(a slog.Attr) bool { return a.Key == "slack_refused" }); i < 0 {
			t.Errorf("no attribute slack_refused in %v", report.Attrs())
		}
	})
	t.Run("an end that is refused is told by SNS once, though it never heard the beginning", func(t *testing.T) {
		b := newBench(t)
		b.tell(t, b.saw(t, critical)...)
		b.slack.script = []error{nil, refused, refused}
		ids := b.saw(t, passing)
		b.teller.Ledger = &dying{Ledger: b.ledger, after: 1} // that SNS heard is noted, and no more
		if _, err := b.teller.Tell(b.within(t, time.Minute), ids); err == nil {
			t.Fatal("the ledger was lost, and no error")
		}
		b.teller.Ledger = b.ledger
		b.tell(t, ids...)
		b.tell(t, ids...)
		want(t, "Slack", b.slack.said(), "opened prod")
		want(t, "SNS", b.sns.said(), "resolved prod")
		if len(b.slack.at) != 3 || b.untold(t) != 0 || !strings.Contains(b.sns.posts[0].Note, "invalid_payload") {
			t.Errorf("%d tries, %d untold, note %q", len(b.slack.at), b.untold(t), b.sns.posts[0].Note)
		}
	})
	t.Run("an end that is refused and that SNS does not take stays untold", func(t *testing.T) {
		b := newBench(t)
		b.tell(t, b.saw(t, critical)...)
		b.slack.script, b.sns.script = []error{nil, refused}, []error{down}
		_, err := b.teller.Tell(b.within(t, time.Minute), b.saw(t, passing))
		if err == nil || !strings.Contains(err.Error(), "1 incident reached nobody") || b.untold(t) != 1 {
			t.Errorf("error %v, %d untold", err, b.untold(t))
		}
	})
	t.Run("an end in an outage waits for Slack, which told the beginning", func(t *testing.T) {
		b := newBench(t)
		b.tell(t, b.saw(t, critical)...)
		b.slack.script = []error{nil, down, down, down}
		report := b.tell(t, b.saw(t, passing)...)
		if b.sns.said() != "" || report.Silent["left to Slack"] != 1 || b.untold(t) != 1 {
			t.Errorf("SNS heard %q, report %+v, %d untold", b.sns.said(), report, b.untold(t))
		}
		b.tell(t)
		want(t, "Slack after the tick", b.slack.said(), "opened prod, resolved prod")
	})
	t.Run("what reached nobody is an error and stays untold", func(t *testing.T) {
		b := newBench(t)
		b.slack.script = []error{refused}
		b.sns.script = []error{down}
		_, err := b.teller.Tell(b.within(t, time.Minute), b.saw(t, critical))
		if err == nil || !strings.Contains(err.Error(), "1 incident reached nobody") || b.untold(t) != 1 {
			t.Errorf("error %v, %d untold", err, b.untold(t))
		}
	})
}

func TestSNSAsAFallbackHearsNothingThatSlackTook(t *testing.T) {
	b := newBench(t)
	b.tell(t, b.saw(t, critical)...)
	b.tell(t, b.saw(t, passing)...)
	want(t, "Slack", b.slack.said(), "opened prod, resolved prod")
	want(t, "SNS", b.sns.said(), "")
}

func TestSNSAsAFallbackHearsWhatNoPlaceInSlackIsFor(t *testing.T) {
	b := newBench(t)
	b.teller.Slack[0].Checks = []string{"version-support"}
	b.tell(t, b.saw(t, critical)...)
	b.tell(t, b.saw(t, passing)...)
	want(t, "Slack", b.slack.said(), "")
	want(t, "SNS", b.sns.said(), "opened prod, resolved prod")
}

func TestEveryChannelThatIsConfiguredHears(t *testing.T) {
	for name, c := range map[string]struct {
		slack, sns       bool
		mode             string
		onSlack, onTopic string
	}{
		"both":                            {true, true, notify.Always, "opened prod", "opened prod"},
		"Slack alone":                     {true, false, notify.Fallback, "opened prod", ""},
		"SNS alone, though as a fallback": {false, true, notify.Fallback, "", "opened prod"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.teller.Rules.SNS = c.mode
			if !c.slack {
				b.teller.Slack = nil
			}
			if !c.sns {
				b.teller.SNS = nil
			}
			b.tell(t, b.saw(t, critical)...)
			want(t, "Slack", b.slack.said(), c.onSlack)
			want(t, "SNS", b.sns.said(), c.onTopic)
			if b.untold(t) != 0 {
				t.Error("it is still untold")
			}
		})
	}
	if _, err := (notify.Teller{}).Tell(t.Context(), nil); err == nil {
		t.Error("nobody to tell, and no error")
	}
}

func TestACrashAfterAPostRepeatsThatMessageAndNoOther(t *testing.T) {
	b := newBench(t)
	b.saw(t, critical, notifytest.Full("other", fleet.Critical))
	b.teller.Ledger = &dying{Ledger: b.ledger, after: 1}
	if _, err := b.teller.Tell(b.within(t, time.Minute), nil); err == nil {
		t.Fatal("the ledger was lost, and no error")
	}
	want(t, "Slack", b.slack.said(), "opened other, opened prod")
	b.teller.Ledger = b.ledger
	b.tell(t)
	want(t, "Slack after the crash", b.slack.said(), "opened other, opened prod, opened prod")
}

// dying records so many deliveries and no more.
type dying struct {
	*ledger.Ledger
	after int
}

func (d *dying) Told(ctx context.Context, id, channel string, told incident.Told) error {
	if d.after--; d.after < 0 {
		return ledger.ErrUnavailable
	}
	return d.Ledger.Told(ctx, id, channel, told)
}

func TestAnIncidentThatIsForgottenIsNoError(t *testing.T) {
	b := newBench(t)
	if report := b.tell(t, "111122223333/eu-west-1/gone/etcd-size/"); report.Posted != 0 {
		t.Errorf("report %+v", report)
	}
}
