package notify_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones of the tests

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/notify"
	"github.com/eks-steward/eks-steward/internal/notify/notifytest"
)

var (
	critical = notifytest.Full("prod", fleet.Critical)
	warning  = notifytest.Full("prod", fleet.Warning)
	info     = notifytest.Full("prod", fleet.Info)
	passing  = notifytest.Passing("prod")
)

// heard is inc, of which the route heard when only these findings were known.
func heard(inc incident.Incident, route string, findings ...fleet.Finding) incident.Incident {
	inc.Told = map[string]incident.Told{route: notifytest.Heard(notifytest.Life(findings...))}
	return inc
}

// posted is heard, in a message that can be changed and shows how it was then.
func posted(inc incident.Incident, findings ...fleet.Finding) incident.Incident {
	inc = heard(inc, notify.Slack, findings...)
	told := inc.Told[notify.Slack]
	told.Receipt, told.Hash = "C1/1", notify.Hash(notifytest.Life(findings...))
	inc.Told[notify.Slack] = told
	return inc
}

// told is inc with something else in what the route remembers.
func told(inc incident.Incident, change func(*incident.Told)) incident.Incident {
	known := inc.Told[notify.Slack]
	change(&known)
	inc.Told = map[string]incident.Told{notify.Slack: known}
	return inc
}

// moved is the critical finding with other numbers.
func moved(f fleet.Finding) fleet.Finding {
	f.Observed = "7.2 GB of 8 GB (90 %)"
	return f
}

func TestDecide(t *testing.T) {
	gone := passing
	gone.Outcome, gone.Cause = fleet.NotApplicable, "deleted"
	life := notifytest.Life
	for name, c := range map[string]struct {
		inc     incident.Incident
		channel string
		kind    notify.Kind // empty when nobody is told
		reason  string
	}{
		"a new trouble is told":                              {inc: life(critical), kind: notify.Opened, reason: "open, and not heard of yet"},
		"22: the same trouble is not told again":             {inc: heard(life(critical), notify.Slack, critical), reason: "already told: nothing new since revision 1"},
		"a trouble that became worse is told":                {inc: heard(life(warning, critical), notify.Slack, warning), kind: notify.Changed, reason: "changed since revision 1"},
		"59: a change that was never heard as opened opens":  {inc: life(warning, critical), kind: notify.Opened, reason: "open, and not heard of yet"},
		"a trouble that is over is told":                     {inc: heard(life(critical, passing), notify.Slack, critical), kind: notify.Resolved, reason: "over, and heard of as open at revision 1"},
		"an end that was told is not told again":             {inc: heard(life(critical, passing), notify.Slack, critical, passing), reason: "already told: nothing new since revision 2"},
		"59: what came and went unheard is not told":         {inc: life(critical, passing), reason: "opened and resolved before anybody was told"},
		"what came back and went again is not told":          {inc: heard(life(critical, passing, critical, gone), notify.Slack, critical, passing), reason: "opened and resolved before anybody was told"},
		"a trouble that comes back opens":                    {inc: heard(life(critical, passing, critical), notify.Slack, critical, passing), kind: notify.Opened, reason: "open, and not heard of yet"},
		"what changed and changed back is not told":          {inc: heard(life(warning, critical, warning), notify.Slack, warning), reason: "changed and changed back"},
		"a mild trouble is not told":                         {inc: life(info), reason: "below the minimum severity"},
		"the end of a mild trouble is not told":              {inc: life(info, passing), reason: "below the minimum severity"},
		"a told trouble that became mild is told":            {inc: heard(life(critical, info), notify.Slack, critical), kind: notify.Changed, reason: "changed since revision 1"},
		"the end of a told trouble that became mild is told": {inc: heard(life(critical, info, passing), notify.Slack, critical), kind: notify.Resolved, reason: "over, and heard of as open at revision 1"},
		"what another channel heard does not count":          {inc: heard(life(critical), notify.SNS, critical), kind: notify.Opened, reason: "open, and not heard of yet"},
		"SNS hears everything when it always does":           {inc: life(critical), channel: notify.SNS, kind: notify.Opened, reason: "open, and not heard of yet"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.channel == "" {
				c.channel = notify.Slack
			}
			route := notify.Route{ID: c.channel, MinSeverity: fleet.Warning}
			got := notify.Decide(c.inc, route, notify.Rules{}, notifytest.Start)
			want := notify.Decision{Kind: c.kind, Reason: c.reason}
			if c.kind != "" {
				want.Act = notify.Post
			}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// board is a channel whose messages can be changed.
type board struct{ notify.Editor }

func TestDecideAboutAMessageThatCanBeChanged(t *testing.T) {
	var (
		start   = notifytest.Start
		life    = notifytest.Life
		rolling = notifytest.Rolling(7, 12, false)
		further = notifytest.Rolling(8, 12, false)
		behind  = func(told *incident.Told) { told.Hash = "" }
	)
	const touched = "its message was touched a short while ago"
	for name, c := range map[string]struct {
		inc  incident.Incident
		at   time.Duration // since the start
		want notify.Decision
	}{
		"news changes the message and its thread says why": {
			posted(life(warning, critical), warning), time.Hour,
			notify.Decision{Act: notify.Revise, Kind: notify.Changed, Reason: "changed since revision 1"},
		},
		"the end changes the message and its thread says so": {
			posted(life(critical, passing), critical), time.Hour,
			notify.Decision{Act: notify.Revise, Kind: notify.Resolved, Reason: "over, and heard of as open at revision 1"},
		},
		"news within a minute is said in the thread alone": {
			posted(life(warning, critical), warning), 59 * time.Second,
			notify.Decision{Act: notify.Reply, Kind: notify.Changed, Reason: "changed since revision 1; " + touched},
		},
		"and is in the message when the minute is over": {
			told(posted(life(warning, critical), warning, critical), behind), time.Hour + time.Minute,
			notify.Decision{Act: notify.Refresh, Kind: notify.Changed, Reason: "its message may show what was true earlier"},
		},
		"not sooner": {
			told(posted(life(warning, critical), warning, critical), behind), time.Hour + 59*time.Second,
			notify.Decision{Reason: touched, Look: start.Add(time.Hour + time.Minute)},
		},
		"53: an end within a minute waits": {
			posted(life(critical, passing), critical), 59 * time.Second,
			notify.Decision{Reason: touched, Look: start.Add(time.Minute)},
		},
		"a trouble that comes back gets a new message": {
			posted(life(critical, passing, critical), critical, passing), 3 * time.Hour,
			notify.Decision{Act: notify.Post, Kind: notify.Opened, Reason: "open, and not heard of yet"},
		},
		"new numbers change the message once an hour": {
			posted(life(critical, moved(critical)), critical), time.Hour,
			notify.Decision{Act: notify.Refresh, Kind: notify.Opened, Reason: "its message may show what was true earlier"},
		},
		"new numbers wait for the hour": {
			posted(life(critical, moved(critical)), critical), 59 * time.Minute,
			notify.Decision{Reason: touched, Look: start.Add(time.Hour)},
		},
		"our own work is shown once a minute": {
			posted(life(rolling, further), rolling), time.Minute,
			notify.Decision{Act: notify.Refresh, Kind: notify.Opened, Reason: "its message may show what was true earlier"},
		},
		"our own work is not shown more often": {
			posted(life(rolling, further), rolling), 59 * time.Second,
			notify.Decision{Reason: touched, Look: start.Add(time.Minute)},
		},
		"what is read again and is the same changes nothing": {
			posted(life(critical, critical), critical), time.Hour,
			notify.Decision{Reason: "already told: nothing new since revision 1"},
		},
		"53: what changed and changed back wakes nobody": {
			posted(life(warning, critical, warning), warning), 3 * time.Hour,
			notify.Decision{Act: notify.Refresh, Kind: notify.Changed, Reason: "its message may show what was true earlier"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := notify.Decide(c.inc, notify.Route{ID: notify.Slack, Channel: board{}, MinSeverity: fleet.Warning}, notify.Rules{}, start.Add(c.at))
			if got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestDecideByRoutesHoursAndMutes(t *testing.T) {
	var (
		start = notifytest.Start // 03:15 in the zone of the rules
		life  = notifytest.Life
		night = notify.Route{Quiet: notify.Quiet{From: "22:00", To: "07:00"}}
		seven = time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC)
		muted = notify.Rules{Muted: func(fleet.Finding, time.Time) (time.Time, string) {
			return start.Add(30 * time.Minute), "the disk is being replaced"
		}}
		long = notify.Rules{Muted: func(fleet.Finding, time.Time) (time.Time, string) {
			return start.Add(1000 * time.Hour), "it is known"
		}}
		reminding = notify.Rules{RemindCritical: 24 * time.Hour, RemindWarning: 168 * time.Hour}
		post      = func(kind notify.Kind, reason string) notify.Decision {
			return notify.Decision{Act: notify.Post, Kind: kind, Reason: reason}
		}
		hold = func(reason string, look time.Time) notify.Decision {
			return notify.Decision{Reason: reason, Look: look}
		}
		opens   = post(notify.Opened, "open, and not heard of yet")
		remind  = post(notify.Reminder, "still open")
		nothing = "already told: nothing new since revision 1"
		again   = func(told *incident.Told) { told.Reminded = start.Add(24 * time.Hour) }
	)
	for name, c := range map[string]struct {
		inc   incident.Incident
		route notify.Route
		rules notify.Rules
		at    time.Duration
		want  notify.Decision
	}{
		"a check of another route":             {life(critical), notify.Route{Checks: []string{"add-ons"}}, notify.Rules{}, 0, hold("not for this route", time.Time{})},
		"a check of the route":                 {life(critical), notify.Route{Checks: []string{"add-ons", "etcd-size"}}, notify.Rules{}, 0, opens},
		"a cluster of another route":           {life(critical), notify.Route{Match: func(c fleet.ClusterID) bool { return c.Name == "dev" }}, notify.Rules{}, 0, hold("not for this route", time.Time{})},
		"an end is heard where it was told":    {heard(life(critical, passing), notify.Slack, critical), notify.Route{Checks: []string{"add-ons"}}, notify.Rules{}, 0, post(notify.Resolved, "over, and heard of as open at revision 1")},
		"a route that has only a daily digest": {life(critical), notify.Route{DigestAt: "09:00", DigestOnly: true}, notify.Rules{}, 0, hold("left to the daily digest", time.Time{})},
		"our own work has no severity":         {life(notifytest.Rolling(1, 9, false)), notify.Route{MinSeverity: fleet.Critical}, notify.Rules{}, 0, opens},

		"a warning at night waits for the morning":          {life(warning), night, notify.Rules{Location: notifytest.Berlin}, 0, hold("quiet hours until 2026-11-20 07:00 CET", seven)},
		"a warning in the morning":                          {life(warning), night, notify.Rules{Location: notifytest.Berlin}, seven.Sub(start), opens},
		"a warning before the evening":                      {life(warning), night, notify.Rules{Location: notifytest.Berlin}, 18*time.Hour + 44*time.Minute, opens},
		"a warning in the evening":                          {life(warning), night, notify.Rules{Location: notifytest.Berlin}, 18*time.Hour + 45*time.Minute, hold("quiet hours until 2026-11-21 07:00 CET", seven.AddDate(0, 0, 1))},
		"what is critical is told at night":                 {life(critical), night, notify.Rules{Location: notifytest.Berlin}, 0, opens},
		"the end of what was critical is told at night":     {heard(life(critical, passing), notify.Slack, critical), night, notify.Rules{Location: notifytest.Berlin}, 0, post(notify.Resolved, "over, and heard of as open at revision 1")},
		"what was critical and is no more is told at night": {heard(life(critical, warning), notify.Slack, critical), night, notify.Rules{Location: notifytest.Berlin}, 0, post(notify.Changed, "changed since revision 1")},

		"new numbers are shown at night": {posted(life(warning, moved(warning)), warning), notify.Route{Channel: board{}, Quiet: night.Quiet}, notify.Rules{Location: notifytest.Berlin}, time.Hour, notify.Decision{Act: notify.Refresh, Kind: notify.Opened, Reason: "its message may show what was true earlier"}},

		"what is muted is told when that ends":        {life(critical), notify.Route{}, muted, 0, hold("muted until 2026-11-20 02:45 UTC: the disk is being replaced", start.Add(30*time.Minute))},
		"a mute that is over":                         {life(critical), notify.Route{}, muted, 30 * time.Minute, opens},
		"a long mute is looked at once an hour":       {life(critical), notify.Route{}, long, 0, hold("muted until 2026-12-31 18:15 UTC: it is known", start.Add(time.Hour))},
		"the end of what is muted waits for that too": {heard(life(critical, passing), notify.Slack, critical), notify.Route{}, muted, 0, hold("muted until 2026-11-20 02:45 UTC: the disk is being replaced", start.Add(30*time.Minute))},
		"machines hear of what is muted":              {life(info), notify.Route{ID: notify.Machines, MinSeverity: fleet.Critical}, muted, 0, post(notify.Opened, "machines hear of every revision")},
		"machines hear once":                          {heard(life(info), notify.Machines, info), notify.Route{ID: notify.Machines}, muted, 0, hold(nothing, time.Time{})},

		"what is told is looked at when the reminder is due":  {heard(life(critical), notify.Slack, critical), notify.Route{}, reminding, 0, hold(nothing, start.Add(24*time.Hour))},
		"a critical one is told again after its time":         {heard(life(critical), notify.Slack, critical), notify.Route{}, reminding, 24 * time.Hour, remind},
		"and again after as long":                             {told(heard(life(critical), notify.Slack, critical), again), notify.Route{}, reminding, 48 * time.Hour, remind},
		"but not before":                                      {told(heard(life(critical), notify.Slack, critical), again), notify.Route{}, reminding, 47 * time.Hour, hold(nothing, start.Add(48*time.Hour))},
		"a warning is told again after its own time":          {heard(life(warning), notify.Slack, warning), notify.Route{}, reminding, 24 * time.Hour, hold(nothing, start.Add(168*time.Hour))},
		"never is never":                                      {heard(life(critical), notify.Slack, critical), notify.Route{}, notify.Rules{}, 9999 * time.Hour, hold(nothing, time.Time{})},
		"nobody is reminded of our own work":                  {heard(life(notifytest.Rolling(1, 9, true)), notify.Slack, notifytest.Rolling(1, 9, true)), notify.Route{}, reminding, 9999 * time.Hour, hold(nothing, time.Time{})},
		"a reminder is said in the thread where there is one": {posted(life(critical), critical), notify.Route{Channel: board{}}, reminding, 24 * time.Hour, notify.Decision{Act: notify.Reply, Kind: notify.Reminder, Reason: "still open"}},
		"a muted trouble is not told again":                   {heard(life(critical), notify.Slack, critical), notify.Route{}, notify.Rules{RemindCritical: time.Second, Muted: muted.Muted}, time.Minute, hold("muted until 2026-11-20 02:45 UTC: the disk is being replaced", start.Add(30*time.Minute))},
	} {
		t.Run(name, func(t *testing.T) {
			if c.route.ID == "" {
				c.route.ID = notify.Slack
			}
			if got := notify.Decide(c.inc, c.route, c.rules, start.Add(c.at)); got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestAFallbackLeavesToSlackOnlyWhatSlackTells(t *testing.T) {
	var (
		life    = notifytest.Life
		all     = notify.Route{ID: notify.SlackChannel("C1")}
		severe  = notify.Route{ID: all.ID, MinSeverity: fleet.Critical}
		checks  = notify.Route{ID: notify.SlackChannel("C2"), Checks: []string{"version-support"}}
		names   = notify.Route{ID: notify.SlackChannel("C3"), Match: func(c fleet.ClusterID) bool { return c.Name == "dev" }}
		daily   = notify.Route{ID: notify.SlackChannel("C4"), DigestAt: "09:00", DigestOnly: true}
		others  = notify.Route{ID: daily.ID, DigestAt: "09:00", DigestOnly: true, Checks: checks.Checks}
		bySlack = func(inc incident.Incident, findings ...fleet.Finding) incident.Incident {
			return heard(inc, all.ID, findings...)
		}
		bySNS = func(inc incident.Incident, findings ...fleet.Finding) incident.Incident {
			return heard(inc, notify.SNS, findings...)
		}
	)
	for name, c := range map[string]struct {
		inc    incident.Incident
		places []notify.Route
		kind   notify.Kind // empty when SNS tells nothing
		reason string
	}{
		"news":                          {life(critical), []notify.Route{all}, "", "left to Slack"},
		"news for one place of several": {life(critical), []notify.Route{checks, names, all}, "", "left to Slack"},
		"a change of what SNS told":     {bySNS(life(warning, critical), warning), []notify.Route{all}, "", "left to Slack"},
		"a change of what a place told, now too mild": {bySlack(life(critical, warning), critical), []notify.Route{severe}, "", "left to Slack"},
		"a reminder":                                   {bySNS(life(critical), critical), []notify.Route{all}, "", "already told: nothing new since revision 1"},
		"an end that Slack will tell":                  {bySlack(life(critical, passing), critical), []notify.Route{all}, "", "left to Slack"},
		"an end that Slack told":                       {bySlack(life(critical, passing), critical, passing), []notify.Route{all}, "", "left to Slack"},
		"an end that nobody waits for":                 {life(critical, passing), []notify.Route{all}, "", "opened and resolved before anybody was told"},
		"an end of what Slack told long ago":           {bySlack(life(critical, passing, critical, passing), critical, passing), []notify.Route{all}, "", "opened and resolved before anybody was told"},
		"an end of what SNS told":                      {bySNS(life(critical, passing), critical), []notify.Route{all}, notify.Resolved, "over, and heard of as open at revision 1"},
		"checks that no place has":                     {life(critical), []notify.Route{checks}, notify.Opened, "open, and not heard of yet"},
		"a cluster that no place has":                  {life(critical), []notify.Route{names, checks}, notify.Opened, "open, and not heard of yet"},
		"what is too mild for every place":             {life(warning), []notify.Route{severe}, notify.Opened, "open, and not heard of yet"},
		"what is too mild for SNS too":                 {life(info), []notify.Route{severe}, "", "below the minimum severity"},
		"a change of what SNS alone tells":             {bySNS(life(warning, critical), warning), []notify.Route{checks}, notify.Changed, "changed since revision 1"},
		"a reminder of what SNS alone tells":           {bySNS(life(critical), critical), []notify.Route{checks}, notify.Reminder, "still open"},
		"a warning in a daily digest":                  {life(warning), []notify.Route{daily}, "", "left to Slack"},
		"a warning in a digest of other checks":        {life(warning), []notify.Route{others}, notify.Opened, "open, and not heard of yet"},
		"what is critical does not wait for a digest":  {life(critical), []notify.Route{daily}, notify.Opened, "open, and not heard of yet"},
		"what was critical and goes on in a digest":    {bySNS(life(critical, warning), critical), []notify.Route{daily}, notify.Changed, "changed since revision 1"},
		"what is critical in a digest and told beside": {life(critical), []notify.Route{daily, all}, "", "left to Slack"},
		"a fallback without any place to fall from":    {life(critical), nil, notify.Opened, "open, and not heard of yet"},
	} {
		t.Run(name, func(t *testing.T) {
			route := notify.Route{ID: notify.SNS, MinSeverity: fleet.Warning, Behind: c.places}
			rules := notify.Rules{RemindCritical: time.Hour}
			got := notify.Decide(c.inc, route, rules, notifytest.Start.Add(48*time.Hour))
			want := notify.Decision{Kind: c.kind, Reason: c.reason}
			if c.kind != "" {
				want.Act = notify.Post
			}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// The clocks of Berlin skip the hour from 2 to 3 on 2027-03-28, and those of
// Santiago the first hour of 2026-09-06.
func TestQuietHoursThatTheClocksSkipAreShort(t *testing.T) {
	for name, c := range map[string]struct {
		zone, at string
		quiet    notify.Quiet
		until    string // empty when a warning is told
	}{
		"all of them are skipped":        {"Europe/Berlin", "2027-03-28 12:00", notify.Quiet{From: "02:00", To: "03:00"}, ""},
		"all of them, at midnight":       {"America/Santiago", "2026-09-06 12:00", notify.Quiet{From: "00:00", To: "01:00"}, ""},
		"the day before":                 {"Europe/Berlin", "2027-03-27 02:30", notify.Quiet{From: "02:00", To: "03:00"}, "2027-03-27 03:00"},
		"the day after":                  {"Europe/Berlin", "2027-03-29 02:30", notify.Quiet{From: "02:00", To: "03:00"}, "2027-03-29 03:00"},
		"their beginning is skipped":     {"Europe/Berlin", "2027-03-28 03:30", notify.Quiet{From: "02:00", To: "04:00"}, "2027-03-28 04:00"},
		"they pass midnight and the gap": {"Europe/Berlin", "2027-03-28 03:30", notify.Quiet{From: "22:00", To: "07:00"}, "2027-03-28 07:00"},
		"in the evening after the gap":   {"Europe/Berlin", "2027-03-28 22:00", notify.Quiet{From: "22:00", To: "07:00"}, "2027-03-29 07:00"},
	} {
		t.Run(name, func(t *testing.T) {
			zone, err := time.LoadLocation(c.zone)
			if err != nil {
				t.Fatal(err)
			}
			now, err := time.ParseInLocation("2006-01-02 15:04", c.at, zone)
			if err != nil {
				t.Fatal(err)
			}
			d := notify.Decide(notifytest.Life(warning), notify.Route{ID: notify.Slack, Quiet: c.quiet}, notify.Rules{Location: zone}, now)
			got := ""
			if d.Act == notify.Hold {
				got = d.Look.In(zone).Format("2006-01-02 15:04")
			}
			if got != c.until {
				t.Errorf("held until %q, want %q: %s", got, c.until, d.Reason)
			}
		})
	}
}

func TestFault_52_ManyFindingsBecomeOneDigestWorstFirst(t *testing.T) {
	var incs []incident.Incident
	for i := range 500 {
		f := notifytest.Full(fmt.Sprintf("c%03d", i), fleet.Warning)
		if i%100 == 7 {
			f.Severity = fleet.Critical
		}
		incs = append(incs, notifytest.Life(f))
	}
	out, silent := notify.Plan(incs, notify.Route{ID: notify.Slack}, notify.Rules{DigestAbove: 5}, notifytest.Start)
	if len(out) != 1 || out[0].Message.Kind != notify.Digest || len(out[0].Message.Notices) != 500 || len(silent) != 0 {
		t.Fatalf("%d messages, %d silent", len(out), len(silent))
	}
	groups := out[0].Message.Groups()
	if len(groups) != 2 || groups[0].Severity != fleet.Critical || len(groups[0].Notices) != 5 || len(groups[1].Notices) != 495 {
		t.Errorf("groups: %d, the first %s", len(groups), groups[0].Heading())
	}
}

func TestFewMessagesComeWorstFirstThenOldest(t *testing.T) {
	late := notifytest.Life(notifytest.Full("late", fleet.Critical))
	late.Opened = late.Opened.AddDate(0, 0, 1)
	over := heard(notifytest.Life(critical, passing), notify.Slack, critical)
	incs := []incident.Incident{over, notifytest.Life(notifytest.Full("mild", fleet.Warning)), late, notifytest.Life(notifytest.Full("early", fleet.Critical)), notifytest.Life(info)}
	out, silent := notify.Plan(incs, notify.Route{ID: notify.Slack, MinSeverity: fleet.Warning}, notify.Rules{DigestAbove: 5}, notifytest.Start)
	var got []string
	for _, d := range out {
		m := d.Message
		got = append(got, string(m.Kind)+" "+m.Notices[0].Incident.Finding.Cluster.Name)
	}
	if want := "opened early, opened late, opened mild, resolved prod"; strings.Join(got, ", ") != want {
		t.Errorf("got %q, want %s", got, want)
	}
	if len(silent) != 1 || silent[0].Reason != "below the minimum severity" {
		t.Errorf("silent: %v", silent)
	}
}

func TestOnlyWhatOpensWakesItsOwner(t *testing.T) {
	owned, worse := warning, critical
	owned.Owner, worse.Owner = "payments", "payments"
	rules := notify.Rules{Mention: func(owner string) string { return "U-" + owner }}
	for name, c := range map[string]struct {
		inc  incident.Incident
		want string
	}{
		"what opens":                            {notifytest.Life(owned), "[U-payments]"},
		"what changes, in a message of its own": {heard(notifytest.Life(owned, worse), notify.Slack, owned), "[]"},
		"what is nobody's":                      {notifytest.Life(warning), "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			out, _ := notify.Plan([]incident.Incident{c.inc}, notify.Route{ID: notify.Slack}, rules, notifytest.Start)
			if got := fmt.Sprint(out[0].Message.Mention); got != c.want {
				t.Errorf("mentions %s, want %s", got, c.want)
			}
		})
	}
}
