package notify_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/ledgertest"
	"github.com/eks-steward/eks-steward/internal/notify"
	"github.com/eks-steward/eks-steward/internal/notify/notifytest"
)

// wall is a channel whose messages stay and have threads. down is what every call
// fails with.
type wall struct {
	clock  *clock
	down   error
	notes  []*note
	log    []string
	called []time.Time
}

// note is one message on a wall, as it is now.
type note struct {
	shows   notify.Message
	thread  []notify.Message
	touched []time.Time
}

func (w *wall) call(act string, m notify.Message) error {
	w.called = append(w.called, w.clock.Now())
	if w.down != nil {
		return w.down
	}
	entry := fmt.Sprintf("%s %s %s", act, m.Kind, m.Notices[0].Incident.Finding.Cluster.Name)
	if m.Broadcast && act == "reply" {
		entry += " to all"
	}
	w.log = append(w.log, entry)
	return nil
}

func (w *wall) Post(_ context.Context, m notify.Message) (notify.Receipt, error) {
	if err := w.call("post", m); err != nil {
		return "", err
	}
	w.notes = append(w.notes, &note{shows: m, touched: []time.Time{w.clock.Now()}})
	return notify.Receipt(fmt.Sprint(len(w.notes) - 1)), nil
}

func (w *wall) at(r notify.Receipt) *note {
	var i int
	if _, err := fmt.Sscan(string(r), &i); err != nil || i >= len(w.notes) {
		return nil
	}
	return w.notes[i]
}

func (w *wall) Update(_ context.Context, r notify.Receipt, m notify.Message) error {
	n := w.at(r)
	if n == nil && w.down == nil {
		return &notify.Lost{}
	}
	if err := w.call("update", m); err != nil {
		return err
	}
	n.shows = m
	n.touched = append(n.touched, w.clock.Now())
	return nil
}

func (w *wall) Reply(_ context.Context, r notify.Receipt, m notify.Message) error {
	n := w.at(r)
	if n == nil && w.down == nil {
		return &notify.Lost{}
	}
	if err := w.call("reply", m); err != nil {
		return err
	}
	n.thread = append(n.thread, m)
	return nil
}

// said is what happened on the wall since the last call of said.
func (w *wall) said() string {
	all := strings.Join(w.log, ", ")
	w.log = nil
	return all
}

// remove deletes a message, as people do.
func (w *wall) remove(i int) { w.notes[i] = nil }

// onWall is a bench whose Slack is one channel of an app.
func onWall(t *testing.T) (*bench, *wall) {
	t.Helper()
	b := newBench(t)
	return b, b.wall()
}

func (b *bench) wall() *wall {
	w := &wall{clock: b.clock}
	b.teller.Slack = []notify.Route{{ID: notify.SlackChannel("C1"), Channel: w, MinSeverity: fleet.Warning}}
	b.teller.Rules.RemindCritical, b.teller.Rules.RemindWarning = 24*time.Hour, 7*24*time.Hour
	return w
}

// pass lets time pass, with the tick that comes every five minutes when somebody
// is untold.
func (b *bench) pass(t *testing.T, d time.Duration) {
	t.Helper()
	for end := b.Now().Add(d); b.Now().Before(end); {
		_ = b.Sleep(t.Context(), min(5*time.Minute, end.Sub(b.Now())))
		if b.untold(t) > 0 {
			b.tell(t)
		}
	}
}

func TestAnIncidentsLifeIsOneMessageWithItsThread(t *testing.T) {
	b, w := onWall(t)
	b.tell(t, b.saw(t, warning)...)
	want(t, "when it opens", w.said(), "post opened prod")
	b.pass(t, 10*time.Minute)
	b.tell(t, b.saw(t, critical)...)
	want(t, "when it is worse", w.said(), "update changed prod, reply changed prod to all")
	b.pass(t, 10*time.Minute)
	b.tell(t, b.saw(t, moved(critical))...)
	want(t, "when its numbers move", w.said(), "")
	b.pass(t, time.Hour)
	want(t, "an hour after the last change", w.said(), "update changed prod")
	b.tell(t, b.saw(t, moved(critical))...)
	b.pass(t, 2*time.Hour)
	want(t, "when it is read again", w.said(), "")
	b.tell(t, b.saw(t, warning)...)
	want(t, "when it is better", w.said(), "update changed prod, reply changed prod")
	b.pass(t, 10*time.Minute)
	b.tell(t, b.saw(t, passing)...)
	want(t, "when it is over", w.said(), "update resolved prod, reply resolved prod")
	b.pass(t, 30*24*time.Hour)
	want(t, "long after", w.said(), "")
	b.tell(t, b.saw(t, critical)...)
	want(t, "when it comes back", w.said(), "post opened prod")
	if len(w.notes) != 2 || len(w.notes[0].thread) != 3 || w.notes[0].shows.Kind != notify.Resolved {
		t.Errorf("%d messages, the first with %d answers shows %s", len(w.notes), len(w.notes[0].thread), w.notes[0].shows.Kind)
	}
	before := w.notes[0].thread[0].Notices[0].Before
	if before.Severity != fleet.Warning || before.Revision != 1 {
		t.Errorf("the thread says what was before as %+v", before)
	}
}

func TestOurOwnWorkIsShownAsItGoesOnce(t *testing.T) {
	b, w := onWall(t)
	ids := b.saw(t, notifytest.Rolling(0, 60, false))
	b.tell(t, ids...)
	for i := range 60 {
		b.saw(t, notifytest.Rolling(i+1, 60, false))
		_ = b.Sleep(t.Context(), 20*time.Second)
		b.tell(t, ids...)
	}
	b.pass(t, 10*time.Minute)
	touched := w.notes[0].touched
	for i := range len(touched) - 1 {
		if gap := touched[i+1].Sub(touched[i]); gap < time.Minute {
			t.Errorf("changes %d and %d are %s apart", i, i+1, gap)
		}
	}
	shown := w.notes[0].shows.Notices[0].Incident.Finding.Progress
	if len(w.notes) != 1 || len(w.notes[0].thread) != 0 || shown.Done != 60 || len(touched) < 18 {
		t.Errorf("%d messages, %d answers, %d of 60 after %d changes", len(w.notes), len(w.notes[0].thread), shown.Done, len(touched))
	}
}

func TestNewsWithinAMinuteIsSaidAtOnceAndShownAfterIt(t *testing.T) {
	b, w := onWall(t)
	b.tell(t, b.saw(t, warning)...)
	_ = b.Sleep(t.Context(), 30*time.Second)
	b.tell(t, b.saw(t, critical)...)
	b.tell(t, b.saw(t, passing)...)
	want(t, "at once", w.said(), "post opened prod, reply changed prod to all")
	b.pass(t, 5*time.Minute)
	want(t, "at the next tick", w.said(), "update resolved prod, reply resolved prod")
	b.pass(t, 24*time.Hour)
	want(t, "later", w.said(), "")
}

func TestAChangeWithinAMinuteIsShownAMinuteLater(t *testing.T) {
	b, w := onWall(t)
	b.tell(t, b.saw(t, warning)...)
	_ = b.Sleep(t.Context(), 30*time.Second)
	b.tell(t, b.saw(t, critical)...)
	b.pass(t, 5*time.Minute)
	want(t, "Slack", w.said(), "post opened prod, reply changed prod to all, update changed prod")
}

func TestNewNumbersAreShownRightAfterAReminder(t *testing.T) {
	b, w := onWall(t)
	b.tell(t, b.saw(t, critical)...)
	_ = b.Sleep(t.Context(), 24*time.Hour)
	b.tell(t, b.saw(t, moved(critical))...)
	b.pass(t, 5*time.Minute)
	want(t, "Slack", w.said(), "post opened prod, reply reminder prod to all, update opened prod")
}

func TestNewNumbersThatSlackDoesNotTakeGoNowhereElse(t *testing.T) {
	b, w := onWall(t)
	b.tell(t, b.saw(t, critical)...)
	_ = b.Sleep(t.Context(), 2*time.Hour)
	b.saw(t, moved(critical))
	w.down = &notify.Down{Err: errors.New("answer 503")}
	b.pass(t, 30*time.Minute)
	want(t, "SNS", b.sns.said(), "")
	w.down = nil
	b.pass(t, 5*time.Minute)
	want(t, "Slack", w.said(), "post opened prod, update opened prod")
}

func TestMachinesHearOneByOneAndAreNobody(t *testing.T) {
	b, w := onWall(t)
	machines := &quiet{}
	b.teller.Machines = &notify.Route{ID: notify.Machines, Channel: machines}
	for i := range 20 {
		b.saw(t, notifytest.Full(fmt.Sprintf("c%02d", i), fleet.Critical))
	}
	b.tell(t)
	if n := machines.heard.Load(); n != 20 {
		t.Errorf("machines heard %d messages", n)
	}
	w.down = &notify.Refused{Reason: "is_archived"}
	b.sns.script = []error{&notify.Down{Err: errors.New("no answer")}}
	_, err := b.teller.Tell(b.within(t, time.Minute), b.saw(t, critical))
	if err == nil || !strings.Contains(err.Error(), "1 incident reached nobody") {
		t.Errorf("error %v", err)
	}
}

// quiet counts messages, from many at a time.
type quiet struct{ heard atomic.Int32 }

func (q *quiet) Post(context.Context, notify.Message) (notify.Receipt, error) {
	q.heard.Add(1)
	return "", nil
}

func TestFault_49_OneRouteFindsOutThatSlackIsDown(t *testing.T) {
	b, w := onWall(t)
	other := &wall{clock: b.clock}
	b.teller.Slack = append(b.teller.Slack, notify.Route{ID: notify.SlackChannel("C2"), Channel: other})
	w.down = &notify.Down{Err: errors.New("answer 503")}
	b.tell(t, b.saw(t, critical)...)
	if len(w.called) != 3 || len(other.called) != 0 || b.untold(t) != 1 {
		t.Errorf("called %d and %d times, %d untold", len(w.called), len(other.called), b.untold(t))
	}
}

func TestAPlaceThatTookOnlySomeDidNotTakeEverything(t *testing.T) {
	b := newBench(t)
	b.slack.script = []error{&notify.Refused{Reason: "invalid_payload"}}
	report := b.tell(t, b.saw(t, critical, notifytest.Full("other", fleet.Critical))...)
	if report.Took[notify.Slack] || report.Refused[notify.Slack] == "" {
		t.Errorf("report %+v", report)
	}
}

func TestFault_53_WhatFlapsWithinAMinuteIsOneMessage(t *testing.T) {
	b, w := onWall(t)
	for range 6 {
		b.tell(t, b.saw(t, critical)...)
		_ = b.Sleep(t.Context(), 5*time.Second)
		b.tell(t, b.saw(t, passing)...)
		_ = b.Sleep(t.Context(), 5*time.Second)
	}
	b.saw(t, critical)
	b.pass(t, 30*time.Minute)
	want(t, "Slack", w.said(), "post opened prod, update opened prod")
}

func TestWhatIsStillOpenIsToldAgain(t *testing.T) {
	b, w := onWall(t)
	b.tell(t, b.saw(t, critical, notifytest.Full("mild", fleet.Warning))...)
	w.said()
	b.pass(t, 23*time.Hour)
	want(t, "before a day is over", w.said(), "")
	b.pass(t, 2*time.Hour)
	want(t, "after a day", w.said(), "reply reminder prod to all")
	b.pass(t, 24*time.Hour)
	want(t, "after another", w.said(), "reply reminder prod to all")
	b.saw(t, passing)
	b.pass(t, 6*24*time.Hour)
	want(t, "after a week", w.said(), "update resolved prod, reply resolved prod, reply reminder mild to all")
}

func TestManyRemindersAreOneDigest(t *testing.T) {
	b, w := onWall(t)
	for i := range 20 {
		b.saw(t, notifytest.Full(fmt.Sprintf("c%02d", i), fleet.Critical))
	}
	b.tell(t)
	b.pass(t, 25*time.Hour)
	want(t, "Slack", w.said(), "post digest c00, post digest c00")
	if n := w.notes[1].shows.Notices[0]; n.Kind != notify.Reminder {
		t.Errorf("the second digest says %s", n.Kind)
	}
}

func TestAMessageThatIsGoneIsPutUpAnew(t *testing.T) {
	b, w := onWall(t)
	b.tell(t, b.saw(t, warning)...)
	w.remove(0)
	b.pass(t, 10*time.Minute)
	b.tell(t, b.saw(t, critical)...)
	want(t, "Slack", w.said(), "post opened prod, post changed prod")
	b.pass(t, 10*time.Minute)
	b.tell(t, b.saw(t, passing)...)
	want(t, "Slack at the end", w.said(), "update resolved prod, reply resolved prod")
}

func TestQuietHoursHoldWhatIsNotCritical(t *testing.T) {
	b, w := onWall(t) // midnight
	b.teller.Slack[0].Quiet = notify.Quiet{From: "22:00", To: "07:00"}
	b.tell(t, b.saw(t, critical, notifytest.Full("mild", fleet.Warning), notifytest.Full("brief", fleet.Warning))...)
	b.pass(t, 6*time.Hour)
	b.tell(t, b.saw(t, notifytest.Passing("brief"))...)
	want(t, "at night", w.said(), "post opened prod")
	b.pass(t, time.Hour+5*time.Minute)
	want(t, "in the morning", w.said(), "post opened mild")
}

func TestAMuteHoldsEverythingAndMachinesHearAllTheSame(t *testing.T) {
	b, w := onWall(t)
	machines := &channel{clock: b.clock}
	b.teller.Machines = &notify.Route{ID: notify.Machines, Channel: machines}
	until := b.Now().Add(3 * time.Hour)
	b.teller.Rules.Muted = func(f fleet.Finding, _ time.Time) (time.Time, string) {
		if f.Cluster.Name == "prod" {
			return until, "the disk is being replaced"
		}
		return time.Time{}, ""
	}
	report := b.tell(t, b.saw(t, critical, notifytest.Full("other", fleet.Critical), notifytest.Full("mild", fleet.Info))...)
	want(t, "people", w.said(), "post opened other")
	if n := report.Silent["muted until 2100-01-01 03:00 UTC: the disk is being replaced"]; n != 1 {
		t.Errorf("silent: %v", report.Silent)
	}
	var got []string
	for _, m := range machines.posts {
		got = append(got, fmt.Sprintf("%s %s %t", m.Kind, m.Notices[0].Incident.Finding.Cluster.Name, m.Muted))
	}
	slices.Sort(got)
	want(t, "machines", strings.Join(got, ", "), "opened mild false, opened other false, opened prod true")
	b.pass(t, 3*time.Hour+5*time.Minute)
	want(t, "people after it", w.said(), "post opened prod")
	b.tell(t, b.saw(t, notifytest.Passing("mild"))...)
	want(t, "machines last", fmt.Sprint(machines.posts[3].Kind), "resolved")
}

func TestMachinesThatDoNotHearAreTriedAgainAndPeopleAreNotToldTwice(t *testing.T) {
	b, w := onWall(t)
	machines := &channel{clock: b.clock, script: []error{&notify.Down{Err: errors.New("no answer")}}}
	b.teller.Machines = &notify.Route{ID: notify.Machines, Channel: machines}
	report := b.tell(t, b.saw(t, critical)...)
	if report.Left != 1 || report.SNSFailed == "" || b.untold(t) != 1 {
		t.Errorf("report %+v, %d untold", report, b.untold(t))
	}
	b.pass(t, 10*time.Minute)
	want(t, "people", w.said(), "post opened prod")
	want(t, "machines", machines.said(), "opened prod")
}

func TestEachRouteHearsItsOwn(t *testing.T) {
	b, payments := onWall(t)
	platform := &wall{clock: b.clock}
	b.teller.Slack[0].Match = func(c fleet.ClusterID) bool { return c.Name == "payments" }
	b.teller.Slack = append(b.teller.Slack, notify.Route{ID: notify.SlackChannel("C2"), Channel: platform, MinSeverity: fleet.Critical})
	b.teller.Rules.Mention = func(owner string) string { return map[string]string{"team": "S0123ABCD"}[owner] }
	owned := notifytest.Full("payments", fleet.Warning)
	owned.Owner = "team"
	b.tell(t, b.saw(t, critical, owned)...)
	want(t, "C1", payments.said(), "post opened payments")
	want(t, "C2", platform.said(), "post opened prod")
	if got := payments.notes[0].shows.Mention; !slices.Equal(got, []string{"S0123ABCD"}) {
		t.Errorf("mentions %v", got)
	}
	b.pass(t, 10*time.Minute)
	owned.Severity = fleet.Critical
	b.tell(t, b.saw(t, owned)...)
	want(t, "C1 when it is worse", payments.said(), "update changed payments, reply changed payments to all")
	want(t, "C2 when it is worse", platform.said(), "post opened payments")
	if got := payments.notes[0].shows.Mention; got != nil {
		t.Errorf("a change mentions %v", got)
	}
}

func TestFault_49_WhatOneRouteRefusesGoesToSNS(t *testing.T) {
	b, w := onWall(t)
	other := &wall{clock: b.clock, down: &notify.Refused{Reason: "not_in_channel"}}
	b.teller.Slack = append(b.teller.Slack, notify.Route{ID: notify.SlackChannel("C2"), Channel: other})
	report := b.tell(t, b.saw(t, critical, notifytest.Full("mild", fleet.Info))...)
	want(t, "C1", w.said(), "post opened prod")
	want(t, "SNS", b.sns.said(), "opened prod, opened mild")
	if report.Refused[notify.SlackChannel("C2")] != "not_in_channel" || !report.Took[notify.SlackChannel("C1")] || b.untold(t) != 0 {
		t.Errorf("report %+v, %d untold", report, b.untold(t))
	}
}

func TestFault_49_AnOutageOfSixHoursLosesNothing(t *testing.T) {
	b, w := onWall(t)
	b.tell(t, b.saw(t, critical)...)
	want(t, "before", w.said(), "post opened prod")
	w.down = &notify.Down{Err: errors.New("answer 503")}
	for i := range 12 {
		b.saw(t, notifytest.Full(fmt.Sprintf("c%02d", i), fleet.Warning))
		b.pass(t, 20*time.Minute)
		if i%4 == 3 {
			b.saw(t, notifytest.Passing(fmt.Sprintf("c%02d", i)))
		}
	}
	b.saw(t, passing)
	b.pass(t, 2*time.Hour)
	if tries := len(w.called); tries > 4*6*12 {
		t.Errorf("Slack was called %d times", tries)
	}
	if b.untold(t) != 13 {
		t.Errorf("%d untold, want all of them", b.untold(t))
	}
	w.down = nil
	b.tell(t)
	want(t, "after", w.said(), "post digest c00, update resolved prod, reply resolved prod")
	m := w.notes[1].shows
	if len(m.Notices) != 9 || m.Note != "3 more opened and were resolved meanwhile." {
		t.Errorf("the digest has %d and the note %q", len(m.Notices), m.Note)
	}
	b.pass(t, 24*time.Hour)
	want(t, "a day after", w.said(), "")
	if b.untold(t) != 0 {
		t.Errorf("%d are untold still", b.untold(t))
	}
}

func TestFault_48_ChangesThatSlackHasNoTimeForStayAndTheWorstComeFirst(t *testing.T) {
	b, w := onWall(t)
	b.teller.Rules.DigestAbove = 500
	var all []fleet.Finding
	for i := range 60 {
		all = append(all, notifytest.Full(fmt.Sprintf("c%02d", i), fleet.Warning))
	}
	b.saw(t, all...)
	for b.untold(t) > 0 {
		b.tell(t)
	}
	w.said()
	b.pass(t, 10*time.Minute)
	for i := range all {
		all[i].Cause = "growing"
		if i == 59 {
			all[i].Severity = fleet.Critical
		}
	}
	b.saw(t, all...)
	report := b.tell(t)
	if !strings.HasPrefix(w.said(), "update changed c59, reply changed c59 to all, update changed c00") || report.Left < 30 || b.untold(t) != report.Left {
		t.Errorf("report %+v, %d untold", report, b.untold(t))
	}
	for range 5 {
		b.tell(t)
	}
	for i, n := range w.notes {
		if len(n.thread) != 1 {
			t.Errorf("message %d has %d answers", i, len(n.thread))
		}
	}
	for i := range len(w.called) - 1 {
		if gap := w.called[i+1].Sub(w.called[i]); gap < time.Second {
			t.Fatalf("calls %d and %d are %s apart", i, i+1, gap)
		}
	}
}

func TestFault_58_ARunThatDiesBetweenMessageAndLedgerIsCaughtUp(t *testing.T) {
	b, w := onWall(t)
	b.tell(t, b.saw(t, warning)...)
	b.pass(t, 10*time.Minute)
	b.saw(t, critical)
	b.teller.Ledger = &dying{Ledger: b.ledger}
	if _, err := b.teller.Tell(b.within(t, time.Minute), nil); err == nil {
		t.Fatal("the ledger was lost, and no error")
	}
	b.teller.Ledger = b.ledger
	b.tell(t)
	b.tell(t)
	want(t, "Slack", w.said(), "post opened prod, update changed prod, reply changed prod to all, update changed prod, reply changed prod to all")
	if len(w.notes) != 1 || b.untold(t) != 0 {
		t.Errorf("%d messages, %d untold", len(w.notes), b.untold(t))
	}
}

func TestTheDailyDigestComesOnceADay(t *testing.T) {
	b, w := onWall(t) // midnight
	overview := &wall{clock: b.clock}
	b.teller.Slack[0].DigestAt = "09:00"
	b.teller.Slack = append(b.teller.Slack, notify.Route{ID: notify.SlackChannel("C2"), Channel: overview, DigestAt: "09:30", DigestOnly: true})
	b.teller.Targets = []fleet.Target{{Account: "111122223333", Region: "eu-west-1"}, {Account: "444455556666", Region: "eu-west-1"}}
	b.teller.Rules.Muted = func(f fleet.Finding, now time.Time) (time.Time, string) {
		if f.Cluster.Name == "known" {
			return now.Add(time.Hour), "it is known"
		}
		return time.Time{}, ""
	}
	elsewhere := notifytest.Full("elsewhere", fleet.Info)
	elsewhere.Cluster.Account = "444455556666"
	b.saw(t, critical, elsewhere, notifytest.Full("known", fleet.Critical))
	hours := func(n int) {
		t.Helper()
		for range n {
			_ = b.Sleep(t.Context(), time.Hour)
			b.tell(t) // the canary wakes notify every hour
		}
	}
	b.tell(t)
	hours(8)
	want(t, "C1 before nine", w.said(), "post opened prod")
	overview.down = &notify.Down{Err: errors.New("answer 503")}
	hours(2)
	want(t, "C1 at ten", w.said(), "post daily prod")
	want(t, "C2 while it is down", overview.said(), "")
	overview.down = nil
	hours(1)
	want(t, "C2 after that", overview.said(), "post daily prod")
	if m := overview.notes[0].shows; len(m.Notices) != 2 || m.Note != "1 more is muted." {
		t.Errorf("C2 hears of %d: %q", len(m.Notices), m.Note)
	}
	hours(12)
	want(t, "C1 for the rest of the day", w.said(), "")
	b.saw(t, passing, notifytest.Passing("known"))
	b.tell(t)
	w.said()
	hours(24)
	want(t, "C1 when nothing is open", w.said(), "")
	want(t, "C2 the day after", overview.said(), "post daily elsewhere")
}

func TestSNSAsAFallbackLeavesWarningsToADigestThatSlackTakes(t *testing.T) {
	b, w := onWall(t) // midnight
	b.teller.Slack[0].DigestAt, b.teller.Slack[0].DigestOnly = "09:00", true
	b.teller.Targets = []fleet.Target{{Account: "111122223333", Region: "eu-west-1"}}
	b.tell(t, b.saw(t, critical, notifytest.Full("mild", fleet.Warning))...)
	want(t, "SNS at once", b.sns.said(), "opened prod")
	at := func(d time.Duration) {
		_ = b.Sleep(t.Context(), d)
		b.tell(t)
	}
	at(9 * time.Hour)
	want(t, "Slack at nine", w.said(), "post daily prod")

	w.down = &notify.Refused{Reason: "is_archived"}
	b.sns.script = []error{nil, &notify.Down{Err: errors.New("no answer")}}
	b.teller.Rules.RemindCritical = 0
	at(24 * time.Hour)
	want(t, "SNS while it takes nothing", b.sns.said(), "opened prod")
	at(time.Hour)
	at(time.Hour)
	want(t, "SNS for the place that refuses", b.sns.said(), "opened prod, daily prod")
	if m := b.sns.posts[1]; len(m.Notices) != 2 || m.Note != "Slack refused this message (is_archived): slack/C1 needs somebody." {
		t.Errorf("SNS hears of %d: %q", len(m.Notices), m.Note)
	}

	b.teller.Rules.SNS = notify.Always
	at(22 * time.Hour)
	want(t, "SNS that hears everything by itself", b.sns.said(), "opened prod, daily prod")
	b.teller.Rules.SNS, b.teller.Slack[0].DigestOnly = notify.Fallback, false
	at(24 * time.Hour)
	want(t, "SNS beside a digest of what was told", b.sns.said(), "opened prod, daily prod")
	b.teller.SNS, b.teller.Slack[0].DigestOnly = nil, true
	tried := len(w.called)
	at(24 * time.Hour)
	at(time.Hour)
	if n := len(w.called) - tried; n != 1 {
		t.Errorf("without SNS a digest that is refused is tried %d times", n)
	}
}

func TestFault_59_AReaderOfTheChannelAndOfEachThreadKnowsTheTruth(t *testing.T) {
	outer := t
	rapid.Check(t, func(t *rapid.T) {
		b := benchOn(&ledgertest.Memory{})
		w := b.wall()
		ids := b.saw(outer, warning)
		died := false // and nobody looked before the next finding
		for range rapid.IntRange(1, 15).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"see", "see", "wait", "repeat", "die", "fail", "remove"}).Draw(t, "step") {
			case "see":
				ids = b.saw(outer, rapid.SampledFrom([]fleet.Finding{critical, moved(critical), warning, passing}).Draw(t, "finding"))
				if rapid.Bool().Draw(t, "look") {
					b.tell(outer, ids...)
				}
			case "wait":
				b.pass(outer, rapid.SampledFrom([]time.Duration{20 * time.Second, 2 * time.Minute, 2 * time.Hour}).Draw(t, "time"))
			case "repeat":
				b.tell(outer, ids...)
				b.tell(outer, ids...)
			case "die":
				b.teller.Ledger = &dying{Ledger: b.ledger}
				_, _ = b.teller.Tell(b.within(outer, time.Minute), ids)
				b.teller.Ledger = b.ledger
				if rapid.Bool().Draw(t, "retried") {
					b.tell(outer, ids...)
				} else {
					died = true
				}
			case "fail":
				w.down = rapid.SampledFrom([]error{&notify.Down{Err: errors.New("no answer")}, &notify.Busy{After: time.Hour}}).Draw(t, "failure")
				_, _ = b.teller.Tell(b.within(outer, time.Minute), ids)
				w.down = nil
			case "remove":
				if i := len(w.notes) - 1; i >= 0 {
					w.remove(i)
				}
			}
		}
		b.tell(outer, ids...)
		b.pass(outer, 2*time.Hour)
		truth(t, b.ledger, w, ids, died)
	})
}

// truth holds what readers see against what is: in the channel, what the newest
// message shows; in its thread, what was said last. A run that died between a
// message and its record can have said what was taken back before anybody looked:
// then the message is right, and its thread and its numbers come right with the
// next change.
func truth(t *rapid.T, records *ledger.Ledger, w *wall, ids []string, died bool) {
	inc, err := records.Incident(context.Background(), ids[0])
	told, heard := inc.Told[notify.SlackChannel("C1")]
	if err != nil || !heard {
		if inc.State == incident.Open {
			t.Fatalf("it is open, and nobody heard of it: %v", err)
		}
		return
	}
	n := w.at(notify.Receipt(told.Receipt))
	if n == nil {
		return // somebody took it away, and nothing has happened since
	}
	shown, last := n.shows.Notices[0].Incident, n.shows
	if shown.State != inc.State || shown.Fingerprint() != inc.Fingerprint() {
		t.Fatalf("the message shows %s, and it is %s", shown.Fingerprint(), inc.Fingerprint())
	}
	if died {
		return
	}
	if inc.State == incident.Open && shown.Finding.Observed != inc.Finding.Observed {
		t.Fatalf("the message shows %s, and it is %s", shown.Finding.Observed, inc.Finding.Observed)
	}
	if len(n.thread) > 0 {
		last = n.thread[len(n.thread)-1]
	}
	if last.Notices[0].Incident.Fingerprint() != inc.Fingerprint() {
		t.Fatalf("the thread says %s last, and it is %s", last.Notices[0].Incident.Fingerprint(), inc.Fingerprint())
	}
	for i := range len(n.touched) - 1 {
		if n.touched[i+1].Sub(n.touched[i]) < time.Second {
			t.Fatalf("the message was changed within %s", n.touched[i+1].Sub(n.touched[i]))
		}
	}
}
