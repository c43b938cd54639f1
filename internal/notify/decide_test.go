package notify_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

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

// heard is inc, of which the channel heard when only these findings were known.
func heard(inc incident.Incident, channel string, findings ...fleet.Finding) incident.Incident {
	inc.Told = map[string]incident.Told{channel: told(notifytest.Life(findings...))}
	return inc
}

func told(inc incident.Incident) incident.Told {
	return incident.Told{Revision: inc.Revision, State: inc.State, Fingerprint: inc.Fingerprint()}
}

func TestDecide(t *testing.T) {
	gone := passing
	gone.Outcome, gone.Cause = fleet.NotApplicable, "deleted"
	life := notifytest.Life
	for name, c := range map[string]struct {
		inc     incident.Incident
		channel string
		sns     string
		kind    notify.Kind // empty when nobody is told
		reason  string
	}{
		"a new trouble is told":                                    {inc: life(critical), kind: notify.Opened, reason: "open, and not heard of yet"},
		"22: the same trouble is not told again":                   {inc: heard(life(critical), notify.Slack, critical), reason: "already told: nothing new since revision 1"},
		"a trouble that became worse is told":                      {inc: heard(life(warning, critical), notify.Slack, warning), kind: notify.Changed, reason: "changed since revision 1"},
		"59: a change that was never heard as opened opens":        {inc: life(warning, critical), kind: notify.Opened, reason: "open, and not heard of yet"},
		"a trouble that is over is told":                           {inc: heard(life(critical, passing), notify.Slack, critical), kind: notify.Resolved, reason: "over, and heard of as open at revision 1"},
		"an end that was told is not told again":                   {inc: heard(life(critical, passing), notify.Slack, critical, passing), reason: "already told: nothing new since revision 2"},
		"59: what came and went unheard is not told":               {inc: life(critical, passing), reason: "opened and resolved before anybody was told"},
		"what came back and went again is not told":                {inc: heard(life(critical, passing, critical, gone), notify.Slack, critical, passing), reason: "opened and resolved before anybody was told"},
		"a trouble that comes back opens":                          {inc: heard(life(critical, passing, critical), notify.Slack, critical, passing), kind: notify.Opened, reason: "open, and not heard of yet"},
		"what changed and changed back is not told":                {inc: heard(life(warning, critical, warning), notify.Slack, warning), reason: "changed and changed back"},
		"a mild trouble is not told":                               {inc: life(info), reason: "below the minimum severity"},
		"the end of a mild trouble is not told":                    {inc: life(info, passing), reason: "below the minimum severity"},
		"a told trouble that became mild is told":                  {inc: heard(life(critical, info), notify.Slack, critical), kind: notify.Changed, reason: "changed since revision 1"},
		"the end of a told trouble that became mild is told":       {inc: heard(life(critical, info, passing), notify.Slack, critical), kind: notify.Resolved, reason: "over, and heard of as open at revision 1"},
		"what another channel heard does not count":                {inc: heard(life(critical), notify.SNS, critical), kind: notify.Opened, reason: "open, and not heard of yet"},
		"SNS hears everything when it always does":                 {inc: life(critical), channel: notify.SNS, sns: notify.Always, kind: notify.Opened, reason: "open, and not heard of yet"},
		"SNS as a fallback leaves news to Slack":                   {inc: life(critical), channel: notify.SNS, sns: notify.Fallback, reason: "left to Slack"},
		"SNS as a fallback leaves changes to Slack":                {inc: heard(life(warning, critical), notify.SNS, warning), channel: notify.SNS, sns: notify.Fallback, reason: "left to Slack"},
		"SNS as a fallback hears how that ended which it had told": {inc: heard(life(critical, passing), notify.SNS, critical), channel: notify.SNS, sns: notify.Fallback, kind: notify.Resolved, reason: "over, and heard of as open at revision 1"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.channel == "" {
				c.channel = notify.Slack
			}
			got := notify.Decide(c.inc, c.channel, notify.Rules{MinSeverity: fleet.Warning, SNS: c.sns})
			if want := (notify.Decision{Tell: c.kind != "", Kind: c.kind, Reason: c.reason}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// TestAReaderOfTheChannelKnowsTheTruth lets an incident live and looks at any
// moment: what the channel heard last agrees with what is true once it is told,
// no message repeats the one before, and ends and beginnings alternate.
func TestAReaderOfTheChannelKnowsTheTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			known *incident.Incident
			last  notify.Kind
			rules = notify.Rules{MinSeverity: fleet.Warning}
		)
		for range rapid.IntRange(1, 12).Draw(t, "findings") {
			next, turn := incident.Next(known, rapid.SampledFrom([]fleet.Finding{critical, warning, passing}).Draw(t, "finding"), notifytest.Start)
			if turn == incident.Quiet {
				continue
			}
			known = &next
			if !rapid.Bool().Draw(t, "look") {
				continue
			}
			d := notify.Decide(next, notify.Slack, rules)
			if d.Tell {
				open := last == notify.Opened || last == notify.Changed
				if open == (d.Kind == notify.Opened) {
					t.Fatalf("%q after %q", d.Kind, last)
				}
				if next.Told[notify.Slack].Fingerprint == next.Fingerprint() && d.Kind == notify.Changed {
					t.Fatalf("the same message twice")
				}
				last = d.Kind
				known.Told = map[string]incident.Told{notify.Slack: told(next)}
			}
			open := last == notify.Opened || last == notify.Changed
			if open != (next.State == incident.Open) {
				t.Fatalf("heard %q last, and the incident is %s: %s", last, next.State, d.Reason)
			}
		}
	})
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
	messages, silent := notify.Plan(incs, notify.Slack, notify.Rules{DigestAbove: 5})
	if len(messages) != 1 || messages[0].Kind != notify.Digest || len(messages[0].Notices) != 500 || len(silent) != 0 {
		t.Fatalf("%d messages, %d silent", len(messages), len(silent))
	}
	groups := messages[0].Groups()
	if len(groups) != 2 || groups[0].Severity != fleet.Critical || len(groups[0].Notices) != 5 || len(groups[1].Notices) != 495 {
		t.Errorf("groups: %d, the first %s", len(groups), groups[0].Heading())
	}
}

func TestFewMessagesComeWorstFirstThenOldest(t *testing.T) {
	late := notifytest.Life(notifytest.Full("late", fleet.Critical))
	late.Opened = late.Opened.AddDate(0, 0, 1)
	over := heard(notifytest.Life(critical, passing), notify.Slack, critical)
	incs := []incident.Incident{over, notifytest.Life(notifytest.Full("mild", fleet.Warning)), late, notifytest.Life(notifytest.Full("early", fleet.Critical)), notifytest.Life(info)}
	messages, silent := notify.Plan(incs, notify.Slack, notify.Rules{DigestAbove: 5, MinSeverity: fleet.Warning})
	var got []string
	for _, m := range messages {
		got = append(got, string(m.Kind)+" "+m.Notices[0].Incident.Finding.Cluster.Name)
	}
	if want := "opened early, opened late, opened mild, resolved prod"; strings.Join(got, ", ") != want {
		t.Errorf("got %q, want %s", got, want)
	}
	if len(silent) != 1 || silent[0].Reason != "below the minimum severity" {
		t.Errorf("silent: %v", silent)
	}
}
