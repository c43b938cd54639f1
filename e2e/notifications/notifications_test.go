// Package notifications_test tells people of incidents with the deployed binaries:
// a bot of a Slack app, held to Slack's limits by a stand-in, and both topics. It
// holds what only the whole path can show; six hours of outage, reminders and other
// things that take time are held by the tests of functions/notify, on a clock of
// their own.
package notifications_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/e2e/deployed"
	"github.com/eks-steward/eks-steward/internal/approval"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/sim/slack"
	"github.com/eks-steward/eks-steward/testevents"
)

// What the run-time file says. Nothing is muted in the first one.
const (
	routes = `
secretsEncryption: {require: keys, keys: ["` + key + `"], mode: approve}
notify:
  minSeverity: warning
  routes: [{channel: ` + alertsID + `}, {channel: ` + criticalID + `, minSeverity: critical}]
  owners: [{tag: payments, mention: S0PAYMENTS}]
`
	known = `
mutes: [{checks: [etcd-size], match: {names: [noisy]}, until: "UNTIL", reason: "it is known"}]
`
)

const etcd = "etcd-size"

// One deployment costs most of the time, so all that follows shares it, and comes
// in this order.
func TestNotificationsOfAnApp(t *testing.T) {
	p := deploy(t)
	p.workspace.Limit()
	p.Configure(t, routes)
	p.wakes(t) // the run-time file is in force from here on
	for _, story := range []struct {
		name string
		tell func(*testing.T)
	}{
		{"the life of an incident is one message with its thread", p.life},
		{"numbers alone change the message, and wake nobody", p.numbers},
		{"FAULT 48 a channel that asks to wait is waited for", p.waits},
		{"FAULT 55 a token that was rotated is read again, one that is revoked is told over SNS", p.rotated},
		{"a muted incident is for machines until the mute ends", p.muted},
		{"buttons open pages and approve plans", p.buttons},
	} {
		if !t.Run(story.name, story.tell) {
			t.Fatalf("the channel shows:\n%s", strings.Join(headlines(p.alerts), "\n"))
		}
	}
}

func (p *product) life(t *testing.T) {
	const name = "orders"
	p.joins(t, name, key)
	p.measures(t, name, 11, 5.8, 5.8, 5.8, 5.8, 5.8)
	p.looks(t)
	opened := only(t, p.alerts, name)
	says(t, opened.Message, "WARNING", "<!subteam^S0PAYMENTS>", "owner payments",
		"https://"+deployed.Region+".console.aws.amazon.com/eks/home?region="+deployed.Region+"#/clusters/"+name,
		"/etcdsize.md#"+etcd, approval.LinkAction+"1")
	replies(t, opened)
	if len(about(p.critical, name)) > 0 {
		t.Error("a warning is told where only critical is")
	}

	p.passes(t, 2*time.Minute) // a message is changed once in a minute at most
	p.measures(t, name, 6, 7.4)
	p.looks(t)
	worse := only(t, p.alerts, name)
	says(t, worse.Message, "CRITICAL")
	replies(t, worse, "CRITICAL")
	says(t, only(t, p.critical, name).Message, "CRITICAL", "S0PAYMENTS")
	if worse.TS != opened.TS || !worse.Replies[0].Broadcast {
		t.Errorf("the message %s became %s, and broadcast is %t; want the same one, and the channel to hear that it is worse", opened.TS, worse.TS, worse.Replies[0].Broadcast)
	}

	p.passes(t, 2*time.Minute)
	p.measures(t, name, 1, 2)
	p.looks(t)
	for channel, thread := range map[*slack.Channel][]string{p.alerts: {"CRITICAL", "RESOLVED"}, p.critical: {"RESOLVED"}} {
		over := only(t, channel, name)
		says(t, over.Message, "RESOLVED", "🟢")
		replies(t, over, thread...)
	}
	p.heard(t, name, "WARNING", "CRITICAL", "RESOLVED")

	before := p.alerts.Lines()
	p.repeats(t) // all of it, the last first
	p.passes(t, 2*time.Hour)
	p.wakes(t)
	if after := p.alerts.Lines(); strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("deliveries that came again changed the channel to\n%s", strings.Join(after, "\n"))
	}
	p.heard(t, name)
}

// heard expects what both topics heard of the etcd of a cluster since they were
// asked last: one message for each word.
func (p *product) heard(t *testing.T, cluster string, words ...string) {
	t.Helper()
	people, machines := p.mail(t, "Findings"), p.moves(t, etcd)
	if len(people) != len(words) || len(machines) != len(words) {
		t.Fatalf("people who read SNS got %d messages and machines %d, want %q: %q, %+v", len(people), len(machines), words, people, machines)
	}
	for i, word := range words {
		if !strings.Contains(strings.ToUpper(people[i]), word) || !strings.Contains(people[i], cluster) {
			t.Errorf("message %d to people is %q, want %s of %s", i+1, people[i], word, cluster)
		}
		kind := map[string]string{"WARNING": "opened", "CRITICAL": "changed", "RESOLVED": "resolved"}[word]
		if m := machines[i]; m.SchemaVersion != 1 || string(m.Kind) != kind || m.Incident.Muted || m.Finding.Cluster.Name != cluster {
			t.Errorf("machines heard %+v, want %s of %s", m, kind, cluster)
		}
	}
}

func (p *product) numbers(t *testing.T) {
	const name = "search"
	p.joins(t, name, key)
	p.measures(t, name, 11, 5.8, 5.8, 5.8, 5.8, 5.8)
	p.looks(t)
	first := only(t, p.alerts, name)
	says(t, first.Message, "5.8 GB")
	woken := p.alerts.Woken()
	p.measures(t, name, 6, 5.9)
	p.looks(t)
	says(t, only(t, p.alerts, name).Message, "5.8 GB") // the message rests for an hour
	p.passes(t, time.Hour)
	p.wakes(t)
	later := only(t, p.alerts, name)
	says(t, later.Message, "5.9 GB")
	replies(t, later)
	if p.alerts.Woken() != woken || later.Edited.IsZero() {
		t.Errorf("new numbers woke people %d times, edited at %s", p.alerts.Woken()-woken, later.Edited)
	}
	edited := len(later.Before)
	p.passes(t, time.Hour)
	p.wakes(t)
	p.looks(t)
	if again := only(t, p.alerts, name); len(again.Before) != edited {
		t.Error("the same numbers were put up again")
	}
	p.heard(t, name, "WARNING")
}

func (p *product) waits(t *testing.T) {
	const name = "billing"
	p.joins(t, name, key)
	p.measures(t, name, 1, 7.4)
	p.workspace.Script(slack.Busy(time.Second), slack.Busy(time.Second))
	p.looks(t)
	for _, c := range []*slack.Channel{p.alerts, p.critical} {
		says(t, only(t, c, name).Message, "CRITICAL")
	}
	if people := p.mail(t, "Findings"); len(people) != 1 || strings.Contains(people[0], "Slack did not") {
		t.Errorf("people who read SNS got %q, want one message that knows of no trouble with Slack", people)
	}
}

func (p *product) rotated(t *testing.T) {
	const name, other = "checkout", "inventory"
	p.workspace.Rotate(secondToken)
	p.rotates(t, secondToken)
	p.joins(t, name, key)
	p.measures(t, name, 1, 7.4)
	p.looks(t)
	says(t, only(t, p.alerts, name).Message, "CRITICAL") // nobody had to do anything
	p.mail(t, "Findings")

	p.workspace.Rotate(strangeToken)
	p.joins(t, other, key)
	p.measures(t, other, 6, 7.4)
	p.looks(t)
	if got := about(p.alerts, other); len(got) > 0 {
		t.Fatalf("a revoked token told %+v", got)
	}
	p.wakes(t) // dispatch announces what notify found about Slack
	mail := strings.Join(p.mail(t, "Findings"), "\n")
	for _, want := range []string{"etcd of " + other, "invalid_auth", "Slack refuses messages in channel " + alertsID} {
		if !strings.Contains(mail, want) {
			t.Errorf("people who read SNS got %s, want it to say %q", mail, want)
		}
	}
	p.workspace.Rotate(secondToken)
	p.passes(t, 2*time.Minute)
	p.measures(t, other, 1, 2)
	p.looks(t)
	p.wakes(t)
	for _, id := range []string{alertsID, criticalID} {
		finding := deployed.Account + "/" + deployed.Region + "//slack-delivery/" + id
		if inc, err := p.Ledger(0).Incident(t.Context(), finding); err != nil || inc.State != incident.Resolved {
			t.Errorf("Slack takes messages in %s again, and the incident about that is %q, %v", id, inc.State, err)
		}
	}
	p.mail(t, "Findings")
}

func (p *product) muted(t *testing.T) {
	const name = "noisy"
	until := time.Now().Add(time.Hour).UTC()
	p.Configure(t, routes+strings.Replace(known, "UNTIL", until.Format(time.RFC3339), 1))
	p.wakes(t)
	p.moves(t, etcd)
	p.joins(t, name, key)
	p.measures(t, name, 1, 7.4)
	p.looks(t)
	if got := append(about(p.alerts, name), about(p.critical, name)...); len(got) > 0 {
		t.Errorf("Slack shows what is muted: %+v", got)
	}
	if mail := p.mail(t, "Findings"); len(mail) > 0 {
		t.Errorf("people who read SNS got what is muted: %q", mail)
	}
	if got := p.moves(t, etcd); len(got) != 1 || !got[0].Incident.Muted || got[0].Finding.Cluster.Name != name {
		t.Errorf("machines heard %+v, want one move that is muted", got)
	}
	if said := p.logs(t, "Notify"); !strings.Contains(said, "it is known") {
		t.Errorf("notify does not say why nobody was told: %s", said)
	}
	if look := p.stands(t, etcd, name).Look; look.IsZero() || look.After(until) {
		t.Errorf("the next look is at %s, want one by the end of the mute, %s", look, until)
	}

	p.Configure(t, routes) // it is lifted early
	p.wakes(t)
	p.passes(t, time.Hour)
	p.wakes(t)
	says(t, only(t, p.alerts, name).Message, "CRITICAL")
	says(t, only(t, p.critical, name).Message, "CRITICAL")
	if got := p.moves(t, etcd); len(got) > 0 {
		t.Errorf("machines heard %+v a second time", got)
	}
	p.mail(t, "Findings")
}

func (p *product) buttons(t *testing.T) {
	const name = "ledgers"
	p.joins(t, name, "")
	if err := p.Happens(t.Context(), testevents.Case{Function: "secretsencryption", Name: "CreateCluster"}, "my-cluster", name); err != nil {
		t.Fatal(err)
	}
	deployed.None(t, p.News(t))
	asks := only(t, p.alerts, "a key for the secrets of "+name)
	says(t, asks.Message, "waits for approval", approval.Action)
	p.Warm(t)
	p.logs(t, "Approve")

	p.presses(t, slack.Click{Channel: alertsID, TS: asks.TS, Action: approval.LinkAction + "1", User: "U0ANYBODY"})
	if said := p.logs(t, "Approve"); said != "" {
		t.Errorf("a press that only opens a page is logged: %s", said)
	}
	p.presses(t, slack.Click{Channel: alertsID, TS: asks.TS, Action: approval.Action, User: "U0ANYBODY"})
	if said := p.logs(t, "Approve"); !strings.Contains(said, "not among those who may approve") {
		t.Errorf("a press of somebody who may not approve is logged as %s", said)
	}
	replies(t, only(t, p.alerts, "a key for the secrets of "+name))

	p.passes(t, 2*time.Minute)
	p.presses(t, slack.Click{Channel: alertsID, TS: asks.TS, Action: approval.Action, User: approver, Name: "ada"})
	at := only(t, p.alerts, "EKS associates a key with "+name)
	if at.TS != asks.TS || len(at.Before) != 1 {
		t.Errorf("the message that asked is %s, what was done stands in %s", asks.TS, at.TS)
	}
	replies(t, at, "EKS associates a key with "+name)
	if got := p.world.Calls().Of("AssociateEncryptionConfig").Total(); got != 1 {
		t.Errorf("EKS was asked %d times to put a key on the cluster", got)
	}
}

// presses sends a press as Slack signs it, and expects that Slack is answered in
// time and well.
func (p *product) presses(t *testing.T, c slack.Click) {
	t.Helper()
	header, body, err := p.workspace.Pressed(c)
	if err != nil {
		t.Fatal(err)
	}
	headers := map[string]string{}
	for name := range header {
		headers[strings.ToLower(name)] = header.Get(name)
	}
	// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
	request, err := json.Marshal(map[string]any{
		"version": "2.0", "rawPath": "/", "body": string(body), "headers": headers,
		"requestContext": map[string]any{"http": map[string]string{"method": http.MethodPost, "path": "/"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	result, err := p.Runner.Invoke(t.Context(), "ApproveFunction", request)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ StatusCode int }
	if err := json.Unmarshal(result.Payload, &answer); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("Slack is answered with %s\n%s", result.Payload, result.Log)
	}
	deployed.None(t, p.News(t))
}
