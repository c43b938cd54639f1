package slack_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
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
	for _, s := range notifytest.Samples() {
		t.Run(s.Name, func(t *testing.T) {
			payload := slack.Render(s.Message, true)
			accepted(t, payload)
			var got bytes.Buffer
			enc := json.NewEncoder(&got)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			if err := enc.Encode(payload); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", s.Name+".json"), got.Bytes())
		})
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
func accepted(t *testing.T, p slack.Payload) {
	t.Helper()
	body, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, word := stand.Decode(body); word != "" {
		t.Errorf("Slack would answer %s to %s", word, body)
	}
	for _, text := range texts(p) {
		if strings.ContainsAny(text, "<>") {
			t.Errorf("%q is not escaped: it could ping people", text)
		}
		if strings.ContainsRune(text, '\uFFFD') && !strings.Contains(text, "broken UTF-8") {
			t.Errorf("%q has a broken rune", text)
		}
	}
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
				all = append(all, e.Text.Text, e.Confirm.Title.Text, e.Confirm.Text.Text)
			}
		}
	}
	return all
}

func TestFault_50_HostileTextsAreInertAndCutOnARuneBorder(t *testing.T) {
	p := slack.Render(notify.Message{Kind: notify.Opened, Notices: []notify.Notice{
		{Kind: notify.Opened, Incident: notifytest.Life(notifytest.Hostile())},
	}}, true)
	accepted(t, p)
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

var kinds = []notify.Kind{notify.Opened, notify.Changed, notify.Resolved, notify.Digest, notify.LedgerOut}

func FuzzSlackRender(f *testing.F) {
	f.Add("etcd of prod is 87 % full", "prod", "6.96 GB of 8 GB", 2, 1, 3, uint8(0), "")
	f.Add("<!channel>", "<@U1>", strings.Repeat("&", 5000), 1, 1, 30, uint8(2), "Slack did not answer.")
	f.Add("", "", "", 0, 0, 0, uint8(1), "\x00")
	f.Add("\xff", "a\nb", "  ", -1, 600, 2, uint8(4), strings.Repeat("<", 9000))
	f.Add("🙂🙂", "🙂", strings.Repeat("🙂", 2000), 9, 20, 12, uint8(3), "*")
	f.Fuzz(func(t *testing.T, title, name, text string, severity, notices, facts int, which uint8, note string) {
		kind := kinds[int(which)%len(kinds)]
		m := notify.Message{Kind: kind, Note: note, Cause: text, Bucket: time.Unix(int64(facts), 0)}
		for i := range min(max(notices, 0), 700) {
			n := notify.Notice{Kind: kind, Incident: incident.Incident{State: incident.Open, Finding: fleet.Finding{
				Check: name + string(rune('a'+i%40)), Cluster: fleet.ClusterID{Account: name, Region: text, Name: name},
				Title: title, Reason: text, Meaning: text, Remedy: title + text, Observed: text, Expected: title,
				Severity: fleet.Severity(severity), Resource: text,
			}}}
			for range min(max(facts, 0), 40) {
				n.Incident.Finding.Facts = append(n.Incident.Finding.Facts, fleet.Fact{Label: title, Value: text})
			}
			m.Notices = append(m.Notices, n)
		}
		p := slack.Render(m, true)
		body, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, word := stand.Decode(body); word != "" {
			t.Errorf("Slack would answer %s to %s", word, body)
		}
		if p.Text == "" || strings.ContainsAny(strings.Join(texts(p), ""), "<>") {
			t.Errorf("no text, or not escaped: %q", texts(p))
		}
	})
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
