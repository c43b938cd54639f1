package slack_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/notify"
	"github.com/eks-steward/eks-steward/internal/notify/notifytest"
	"github.com/eks-steward/eks-steward/internal/notify/slack"
	stand "github.com/eks-steward/eks-steward/internal/sim/slack"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestRender(t *testing.T) {
	for _, s := range slices.Concat(notifytest.Samples(), further()) {
		t.Run(s.Name, func(t *testing.T) {
			rendered(t, s.Name, slack.Render(s.Message, true))
		})
	}
}

func TestRenderWhereNobodyListens(t *testing.T) {
	for _, s := range notifytest.Samples() {
		if s.Name == "opened" || s.Name == "approval" {
			rendered(t, s.Name+"-without-buttons", slack.Render(s.Message, false))
		}
	}
}

func TestRenderReply(t *testing.T) {
	for _, s := range slices.Concat(notifytest.Samples(), further()) {
		switch s.Name {
		case "changed", "resolved", "reminder", "halted-rollout", "hostile":
			t.Run(s.Name, func(t *testing.T) {
				rendered(t, "reply-"+s.Name, slack.RenderReply(s.Message, true))
			})
		}
	}
}

// rendered holds a payload against its golden file and against Slack's limits.
func rendered(t *testing.T, name string, payload slack.Payload) {
	t.Helper()
	accepted(t, payload, !strings.HasSuffix(name, "-without-buttons"))
	var got bytes.Buffer
	enc := json.NewEncoder(&got)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(payload); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", name+".json"), got.Bytes())
}

// further are messages that only an app of Slack has to say.
func further() []notifytest.Sample {
	owned := notifytest.Full("prod-payments", fleet.Critical)
	owned.Owner = "payments"
	reminder := about(notify.Reminder, owned)
	reminder.Broadcast, reminder.Mention = true, []string{"S0123ABCD"}
	reminder.Links = []notify.Link{{Label: "Runbook", URL: "https://example.com/runbooks/etcdsize.md#etcd-size"}}
	daily := notify.Message{Kind: notify.Daily, Location: notifytest.Berlin, Note: "1 more is muted."}
	for _, f := range []fleet.Finding{owned, notifytest.Full("prod-search", fleet.Warning), notifytest.Rolling(7, 12, false)} {
		daily.Notices = append(daily.Notices, about(notify.Opened, f).Notices...)
	}
	single := daily
	single.Notices = daily.Notices[:1]
	halted := about(notify.Changed, notifytest.Rolling(5, 12, false), notifytest.Rolling(7, 12, true))
	halted.Broadcast, halted.Notices[0].Before = true, notifytest.Heard(notifytest.Life(notifytest.Rolling(5, 12, false)))
	return []notifytest.Sample{
		{Name: "reminder", Message: reminder},
		{Name: "daily", Message: daily},
		{Name: "daily-of-one", Message: single},
		{Name: "rollout", Message: about(notify.Opened, notifytest.Rolling(7, 12, false))},
		{Name: "halted-rollout", Message: halted},
	}
}

// about is a message about the incident that saw these findings.
func about(kind notify.Kind, findings ...fleet.Finding) notify.Message {
	return notify.Message{
		Kind: kind, Location: notifytest.Berlin,
		Notices: []notify.Notice{{Kind: kind, Incident: notifytest.Life(findings...)}},
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update writes it anew); got:\n%s", file, got)
	}
}

// accepted holds a payload against the stand-in, which decodes it as Slack would.
func accepted(t *testing.T, p slack.Payload, buttons bool) {
	t.Helper()
	body, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, word := stand.Decode(body); word != "" {
		t.Errorf("Slack would answer %s to %s", word, body)
	}
	for _, text := range texts(p) {
		if stray(text, buttons) {
			t.Errorf("%q is not escaped: it could ping people", text)
		}
		if strings.ContainsRune(text, '\uFFFD') && !strings.Contains(text, "broken UTF-8") {
			t.Errorf("%q has a broken rune", text)
		}
	}
}

// The mentions of the samples, and a link as it stands in a text.
var (
	mention  = regexp.MustCompile(`<(@U0123ABCD|!subteam\^S0123ABCD)>`)
	textLink = regexp.MustCompile(`<https://[^<>|]+\|[^<>]+>`)
)

// stray reports whether a text means more to Slack than configuration asked for.
// Where there are buttons no link stands in a text.
func stray(text string, buttons bool) bool {
	text = mention.ReplaceAllString(text, "")
	if !buttons {
		text = textLink.ReplaceAllString(text, "")
	}
	return strings.ContainsAny(text, "<>")
}

func texts(p slack.Payload) []string {
	all := []string{p.Text}
	for _, b := range p.Blocks {
		if b.Text != nil {
			all = append(all, b.Text.Text)
		}
		for _, f := range b.Fields {
			all = append(all, f.Text)
		}
		for _, e := range b.Elements {
			switch e := e.(type) {
			case slack.Text:
				all = append(all, e.Text)
			case slack.Button:
				all = append(all, e.Text.Text)
				if e.Confirm != nil {
					all = append(all, e.Confirm.Title.Text, e.Confirm.Text.Text)
				}
			}
		}
	}
	return all
}

func TestFault_50_HostileTextsAreInertAndCutOnARuneBorder(t *testing.T) {
	p := slack.Render(notify.Message{Kind: notify.Opened, Notices: []notify.Notice{
		{Kind: notify.Opened, Incident: notifytest.Life(notifytest.Hostile())},
	}}, true)
	accepted(t, p, true)
	all := strings.Join(texts(p), "\n")
	for _, want := range []string{"&lt;!channel&gt;", "語…", "and 7 more values"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in %s", want, all)
		}
	}
	for _, broken := range []string{"&…", "&a…", "&am…", "&amp…", "&l…", "&lt…", "\x1b", "\u202e"} {
		if strings.Contains(all, broken) {
			t.Errorf("%q in the message", broken)
		}
	}
}

func TestOnlyIdsAreMentioned(t *testing.T) {
	m := about(notify.Opened, notifytest.Full("prod", fleet.Critical))
	for name, c := range map[string]struct {
		ids  []string
		want string
	}{
		"users and groups are told apart": {[]string{"U0123", "W0123", "S0123"}, "\nFor <@U0123> <@W0123> <!subteam^S0123>"},
		"what is no id is left out":       {[]string{"", "U", "channel", "!here", "U1>", "<!channel>", "u0123", "X0123", "U0123"}, "\nFor <@U0123>"},
		"nobody is nobody":                {nil, "eu-west-1"},
	} {
		t.Run(name, func(t *testing.T) {
			m.Mention = c.ids
			if got := slack.Render(m, true).Blocks[1].Text.Text; !strings.HasSuffix(got, c.want) {
				t.Errorf("got %q, want it to end with %q", got, c.want)
			}
		})
	}
}

func TestLinksAreButtonsWhereSomebodyListens(t *testing.T) {
	m := about(notify.Opened, notifytest.Full("prod", fleet.Critical))
	m.Links = []notify.Link{
		{Label: "Plain", URL: "http://example.com"},
		{Label: "Script", URL: "javascript:alert(1)"},
		{Label: "Signed in", URL: "https://a:b@example.com"},
		{Label: "Hostile", URL: "https://example.com/?<!channel>|"},
		{Label: "Endless", URL: "https://example.com/" + strings.Repeat("a", 400)},
		{Label: "Runbook", URL: "https://example.com/?a=1&b=2"},
	}
	if blocks := slack.Render(m, true).Blocks; slices.ContainsFunc(blocks, func(b slack.Block) bool { return b.Type == "actions" }) {
		t.Errorf("one of the links that are none of ours, or the sixth, is a button: %+v", blocks)
	}
	m.Links = m.Links[1:]
	var got []slack.Button
	for _, b := range slack.Render(m, true).Blocks {
		for _, e := range b.Elements {
			if button, ok := e.(slack.Button); ok {
				got = append(got, button)
			}
		}
	}
	if len(got) != 1 || got[0].URL != "https://example.com/?a=1&b=2" || got[0].Action != "link-1" || got[0].Text.Text != "Runbook" {
		t.Errorf("buttons %+v", got)
	}
	if all := texts(slack.Render(m, false)); !slices.Contains(all, "<https://example.com/?a=1&amp;b=2|Runbook>") {
		t.Errorf("no link where nobody listens: %q", all)
	}
}

func TestProgressIsDrawnInTenths(t *testing.T) {
	for want, p := range map[string]fleet.Progress{
		"░░░░░░░░░░ 0 of 12":   {Total: 12},
		"▓▓▓▓▓░░░░░ 7 of 12":   {Done: 7, Total: 12},
		"▓▓▓▓▓▓▓▓▓░ 99 of 100": {Done: 99, Total: 100},
		"▓▓▓▓▓▓▓▓▓▓ 12 of 12":  {Done: 13, Total: 12},
		"░░░░░░░░░░ 0 of 0":    {Done: -1, Total: -1},
	} {
		f := notifytest.Full("prod", fleet.Info)
		f.Progress = &p
		if all := texts(slack.Render(about(notify.Opened, f), true)); !slices.Contains(all, want) {
			t.Errorf("%+v: no %q in %q", p, want, all)
		}
	}
}

func TestADigestCountsWhatItDoesNotName(t *testing.T) {
	for _, s := range notifytest.Samples() {
		if s.Name != "digest-of-500" {
			continue
		}
		all := strings.Join(texts(slack.Render(s.Message, true)), "\n")
		for _, want := range []string{"500 incidents (20 critical, 470 warning, 10 resolved)", "and 10 more", "and 460 more"} {
			if !strings.Contains(all, want) {
				t.Errorf("no %q in %s", want, all)
			}
		}
	}
}

func TestADigestStaysReadableHoweverManyChecksItIsAbout(t *testing.T) {
	m := notify.Message{Kind: notify.Digest}
	for i := range 400 {
		f := notifytest.Full("prod", fleet.Warning)
		f.Check = "check-" + string(rune('a'+i%20))
		m.Notices = append(m.Notices, about(notify.Opened, f).Notices...)
	}
	all := strings.Join(texts(slack.Render(m, true)), "\n")
	if named := strings.Count(all, "• "); named != 40 || !strings.Contains(all, "and 120 more, of 6 other kinds") {
		t.Errorf("%d incidents are named in %s", named, all)
	}
}

var kinds = []notify.Kind{
	notify.Opened, notify.Changed, notify.Resolved, notify.Reminder, notify.Digest, notify.Daily, notify.LedgerOut,
}

// FuzzRender holds that any finding becomes a message that Slack takes and that
// wakes nobody but those whom configuration names, as a post and as a reply.
func FuzzRender(f *testing.F) {
	f.Add("etcd of prod is 87 % full", "prod", "6.96 GB of 8 GB", 2, 1, 3, uint8(0), "", "https://example.com/runbooks/etcdsize.md")
	f.Add("<!channel>", "<@U1>", strings.Repeat("&", 5000), 1, 1, 30, uint8(2), "Slack did not answer.", "https://<!here>/|x>")
	f.Add("", "", "", 0, 0, 0, uint8(1), "\x00", "")
	f.Add("\xff", "a\nb", "  ", -1, 600, 2, uint8(6), strings.Repeat("<", 9000), "javascript:alert(1)")
	f.Add("🙂🙂", "🙂", strings.Repeat("🙂", 2000), 9, 20, 12, uint8(4), "*", "https://a/?"+strings.Repeat("&", 370))
	f.Add("U0123ABCD> <!channel", "S0123ABCD", strings.Repeat("&", 700), 2, 1, 12, uint8(66), "*", "https://a/"+strings.Repeat("ü", 9000))
	f.Add(strings.Repeat("🙂", 300), "prod", strings.Repeat("ü", 300), 2, 40, 40, uint8(5), "", "")
	f.Add(strings.Repeat("a", 400), strings.Repeat("b", 400), strings.Repeat("c", 5000), 2, 1, 40, uint8(0), strings.Repeat("d", 900), "https://a/"+strings.Repeat("e", 360))
	f.Add(strings.Repeat("a", 400), strings.Repeat("b", 400), strings.Repeat("c", 5000), 2, 40, 20, uint8(6), strings.Repeat("d", 900), "https://a/"+strings.Repeat("e", 360))
	f.Add(strings.Repeat("a", 300), "prod", strings.Repeat("ü", 300), 2, 200, 39, uint8(6), "note", "https://example.com")
	f.Add("U0123ABC", strings.Repeat("b", 2001), "text", 2, 1, 1, uint8(0), "", "")
	f.Fuzz(func(t *testing.T, title, name, text string, severity, notices, facts int, which uint8, note, link string) {
		m := notify.Message{Kind: kinds[int(which)%len(kinds)], Note: note, Cause: text, Bucket: time.Unix(int64(facts), 0), Broadcast: which&64 != 0}
		m.Mention = []string{title + ">", "U0123ABCD", "S0123ABCD"} // the first is never an id
		for range min(max(facts, 0), 9) {
			m.Links = append(m.Links, notify.Link{Label: title, URL: link}, notify.Link{URL: link})
		}
		for i := range min(max(notices, 0), 200) {
			kind := string(rune('a' + i%(1+max(facts, 0)%40)))
			n := notify.Notice{Kind: m.Kind, Incident: incident.Incident{State: incident.Open, Finding: fleet.Finding{
				Check: name + kind, Cluster: fleet.ClusterID{Account: name, Region: text, Name: name},
				Title: title, Reason: text, Meaning: text, Remedy: title + text + kind, Observed: text, Expected: title,
				Severity: fleet.Severity(severity), Resource: text, Owner: text,
				Progress: &fleet.Progress{Done: facts, Total: notices}, Approval: &fleet.Approval{Plan: fleet.Clip(name, 200), Nonce: "n", Text: text},
			}}}
			for range min(max(facts, 0), 40/(i+1)) { // one incident in full, and many
				n.Incident.Finding.Facts = append(n.Incident.Finding.Facts, fleet.Fact{Label: title, Value: text})
			}
			m.Notices = append(m.Notices, n)
		}
		for _, buttons := range []bool{true, false} {
			for _, p := range []slack.Payload{slack.Render(m, buttons), slack.RenderReply(m, buttons)} {
				taken(t, p, buttons)
			}
		}
	})
}

// taken holds a payload against Slack's limits and against pings.
func taken(t *testing.T, p slack.Payload, buttons bool) {
	t.Helper()
	body, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, word := stand.Decode(body); word != "" {
		t.Errorf("Slack would answer %s to %s", word, body)
	}
	all := strings.Join(texts(p), "\n")
	if p.Text == "" || stray(all, buttons) {
		t.Errorf("no text, or not escaped: %q", all)
	}
}

func TestAButtonIsOnlyShownWhereSomebodyListens(t *testing.T) {
	waiting := notifytest.Life(notifytest.Waiting("prod"))
	has := func(kind notify.Kind, inc incident.Incident, buttons bool) bool {
		p := slack.Render(notify.Message{Kind: kind, Notices: []notify.Notice{{Kind: kind, Incident: inc}}}, buttons)
		return slices.ContainsFunc(p.Blocks, func(b slack.Block) bool { return b.Type == "actions" })
	}
	done := notifytest.Waiting("prod")
	done.Outcome, done.Severity = fleet.Pass, fleet.Info
	for _, tt := range []struct {
		name    string
		kind    notify.Kind
		inc     incident.Incident
		buttons bool
		want    bool
	}{
		{"where the function approve listens", notify.Opened, waiting, true, true},
		{"not where nobody listens", notify.Opened, waiting, false, false},
		{"not once it is over", notify.Resolved, notifytest.Life(notifytest.Waiting("prod"), done), true, false},
		{"not where nothing waits for approval", notify.Opened, notifytest.Life(notifytest.Full("prod", fleet.Critical)), true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := has(tt.kind, tt.inc, tt.buttons); got != tt.want {
				t.Errorf("a button: %t", got)
			}
		})
	}
}

// Slack refuses a message for all of its texts together, too.
func TestADigestOfLongTextsNamesWhatThereIsRoomFor(t *testing.T) {
	m := notify.Message{Kind: notify.Daily}
	for i := range 42 {
		f := notifytest.Full("prod", fleet.Warning)
		f.Check = "check-" + string(rune('a'+i%14))
		f.Title, f.Remedy = strings.Repeat("title ", 20), f.Check+strings.Repeat(" do", 200)
		m.Notices = append(m.Notices, about(notify.Opened, f).Notices...)
	}
	p := slack.Render(m, true)
	taken(t, p, true)
	all := strings.Join(texts(p), "\n")
	if named := strings.Count(all, "• "); named < 15 || !strings.Contains(all, "other kinds") {
		t.Errorf("%d incidents are named in %s", named, all)
	}
}
