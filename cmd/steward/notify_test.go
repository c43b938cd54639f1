package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/canary"
	"github.com/eks-steward/eks-steward/internal/sim/slack"
)

// deployment stands in for the AWS services that hold a deployment's places, in
// their wire protocols.
type deployment struct {
	secret string // what it holds; empty: there is none

	mu        sync.Mutex
	topics    []string
	denied    bool              // sns:Publish
	published map[string]string // bodies by the name of the topic
	subjects  []string
}

func (d *deployment) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch call := r.Header.Get("X-Amz-Target"); {
	case call == "secretsmanager.GetSecretValue" && d.secret == "":
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"__type":"ResourceNotFoundException","message":"no such secret"}`)
	case call == "secretsmanager.GetSecretValue":
		_ = json.NewEncoder(w).Encode(map[string]string{"SecretString": d.secret})
	case strings.HasSuffix(call, ".ListTables"):
		checked(w, `{"TableNames":["EksSteward-StewardLedgerA23BDF67-1ABCDEF"]}`)
	case strings.HasSuffix(call, ".GetItem"):
		checked(w, `{}`) // nothing was accepted yet
	case r.FormValue("Action") == "ListTopics":
		fmt.Fprint(w, `<ListTopicsResponse><ListTopicsResult><Topics>`)
		for _, name := range d.topics {
			fmt.Fprintf(w, `<member><TopicArn>arn:aws:sns:eu-west-1:111122223333:%s</TopicArn></member>`, name)
		}
		fmt.Fprint(w, `</Topics></ListTopicsResult></ListTopicsResponse>`)
	case r.FormValue("Action") == "Publish" && d.denied:
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code><Message>not authorized to perform: SNS:Publish</Message></Error></ErrorResponse>`)
	case r.FormValue("Action") == "Publish":
		arn := r.FormValue("TopicArn")
		d.published[arn[strings.LastIndex(arn, ":")+1:]] += r.FormValue("Message") + "\n"
		if subject := r.FormValue("Subject"); subject != "" {
			d.subjects = append(d.subjects, subject)
		}
		fmt.Fprint(w, `<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>`)
	default:
		w.WriteHeader(http.StatusTeapot)
	}
}

// checked answers with the checksum that DynamoDB sends.
func checked(w http.ResponseWriter, body string) {
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(body))), 10))
	fmt.Fprint(w, body)
}

const (
	peopleTopic  = "EksSteward-StewardFindings0DC771C0-1ABCDEF"
	machineTopic = "EksSteward-StewardMachines12345678-1ABCDEF"
)

// tryout is a deployment, a workspace of Slack with two channels, and a clock.
type tryout struct {
	*clock
	*deployment
	workspace    *slack.Workspace
	alerts, team *slack.Channel
	url          string // of the workspace
}

func newTryout(t *testing.T) *tryout {
	t.Helper()
	x := &tryout{
		clock:      &clock{now: demoStart},
		deployment: &deployment{secret: canary.Token, topics: []string{"other", peopleTopic, machineTopic}, published: map[string]string{}},
	}
	x.workspace = slack.NewWorkspace(canary.Token, x.Now)
	x.alerts, x.team = x.workspace.Open("C0000001", "alerts", canary.Hook), x.workspace.Open("C0000002", "team", "")
	x.workspace.Limit()
	chat, services := httptest.NewServer(x.workspace), httptest.NewServer(x.deployment)
	t.Cleanup(chat.Close)
	t.Cleanup(services.Close)
	x.url = chat.URL
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": services.URL, "AWS_ACCESS_KEY_ID": "AKIASIMULATED0000000", "AWS_SECRET_ACCESS_KEY": "simulated", "AWS_SESSION_TOKEN": "",
		"AWS_REGION": "eu-west-1", "AWS_PROFILE": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	return x
}

// test runs steward notify test, whose output never shows a secret.
func (x *tryout) test(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	trial := trial{api: x.url + "/api", now: x.Now, sleep: x.Sleep}
	cmd := trial.command()
	var out bytes.Buffer
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceUsage = true
	err := cmd.ExecuteContext(t.Context())
	said = out.String()
	if strings.Contains(said, canary.Word) || strings.Contains(said, x.url) {
		t.Error("a secret is shown")
	}
	if exit := (*exitError)(nil); errors.As(err, &exit) {
		return exit.code, said
	} else if err != nil {
		return exitUsage, said
	}
	return exitOK, said
}

// routes is a file that names both channels, the second for daily digests.
func routes(t *testing.T) string {
	t.Helper()
	return runtimeFile(t, "notify:\n  routes:\n    - channel: C0000001\n    - channel: C0000002\n      digestAt: \"09:00\"\n")
}

func runtimeFile(t *testing.T, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "steward.yaml")
	text := "schemaVersion: 1\ntargets:\n  - account: \"111122223333\"\n    regions: [eu-west-1]\n" + more
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNotifyTestTriesEveryPlaceOfABot(t *testing.T) {
	x := newTryout(t)
	code, said := x.test(t, "-f", routes(t))
	if code != exitOK || !strings.Contains(said, "Every place took everything.") {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	golden(t, "notify-test.golden", said)
	if i := slices.IndexFunc(x.workspace.Calls(), func(c slack.Call) bool { return c.Status != http.StatusOK }); i >= 0 {
		t.Errorf("call %d is answered %+v: it came too soon", i, x.workspace.Calls()[i])
	}
	alerts := x.alerts.Received()
	if len(alerts) != 3 || len(alerts[0].Before) != 2 || len(alerts[0].Replies) != 3 {
		t.Fatalf("the channel of alerts shows %d messages, want the incident with two edits and three replies, and two digests", len(alerts))
	}
	for _, m := range slices.Concat(alerts, alerts[0].Replies, x.team.Received()) {
		if !strings.Contains(m.Message.Text, " TEST, ") {
			t.Errorf("%q does not say first that it is a test", m.Message.Text)
		}
	}
	if team := x.team.Received(); len(team) != 1 || !strings.Contains(team[0].Message.Text, "DAILY") {
		t.Errorf("the channel of the team shows %d messages, want the daily digest", len(team))
	}
	unmarked := func(subject string) bool { return !strings.HasPrefix(subject, "TEST, ") }
	if len(x.subjects) != 6 || slices.ContainsFunc(x.subjects, unmarked) || x.published[peopleTopic] == "" {
		t.Errorf("people hear %q", x.subjects)
	}
	if machines := x.published[machineTopic]; strings.Count(machines, `"schemaVersion"`) != 3 || strings.Count(machines, `"title":"test: `) != 3 {
		t.Errorf("machines hear\n%s", machines)
	}
}

func TestNotifyTestTriesAWebhook(t *testing.T) {
	x := newTryout(t)
	x.secret = x.url + canary.Hook
	code, said := x.test(t, "--to", "slack") // and the configuration in force, which is none
	if code != exitOK || len(x.alerts.Received()) != 6 {
		t.Errorf("exit code %d, %d messages\n%s", code, len(x.alerts.Received()), said)
	}
}

func TestWhatNotifyTestSaysOfAPlaceThatDoesNotTakeAMessage(t *testing.T) {
	for name, tt := range map[string]struct {
		happen func(*tryout)
		args   []string
		more   string // of the run-time file; empty: both channels
		code   int
		says   []string
	}{
		"a channel that the app is not in":   {happen: func(x *tryout) { x.team.Dismiss() }, code: exitFindings, says: []string{"refused: not_in_channel", "invite the app", "Not every place"}},
		"a token that was revoked":           {happen: func(x *tryout) { x.workspace.Rotate("xoxb-2") }, code: exitFindings, says: []string{"refused: invalid_auth", "store the bot token"}},
		"a word that nobody knows":           {happen: func(x *tryout) { x.workspace.Script(slack.Failure("strange_word")) }, code: exitFindings, says: []string{"refused: strange_word", "docs.slack.dev"}},
		"a Slack that is down":               {happen: func(x *tryout) { x.workspace.Break(slack.Outage) }, code: exitFindings, says: []string{"answer 503", "Try again"}},
		"a Slack that asks to wait a little": {happen: func(x *tryout) { x.workspace.Script(slack.Busy(20 * time.Second)) }, code: exitOK},
		"a Slack that asks to wait an hour":  {happen: func(x *tryout) { x.workspace.Script(slack.Busy(time.Hour)) }, code: exitFindings, says: []string{"Try again in 1h0m0s."}},
		"a message that cannot be changed": {happen: func(x *tryout) {
			x.workspace.Script(slack.Answer{Status: 200, Body: `{"ok":true,"channel":"C0000001","ts":"1"}`})
		}, code: exitFindings, says: []string{"does not have the message", "messages are edited"}},
		"a topic that may not be published to": {happen: func(x *tryout) { x.denied = true }, code: exitFindings, says: []string{"AuthorizationError", "sns:Publish"}},
		"no secret":                            {happen: func(x *tryout) { x.secret = "" }, code: exitFindings, says: []string{"--slack-secret", "topic for people"}},
		"a bot, and no channel":                {more: "notify: {}\n", code: exitFindings, says: []string{"names no channel", "notify.routes"}},
		"a webhook, and routes":                {happen: func(x *tryout) { x.secret = x.url + canary.Hook }, code: exitFindings, says: []string{"leads to one channel", "webhook"}},
		"no Slack":                             {more: "notify:\n  slack: false\n", code: exitOK, says: []string{"notify.slack: false"}},
		"kinds that the place never gets":      {args: []string{"--to", "machines", "--kind", "daily"}, code: exitFindings, says: []string{"Nothing was sent"}},
		"one kind":                             {args: []string{"--to", "slack", "--kind", "resolved"}, code: exitOK, says: []string{"resolved"}},
		"no topics of a deployment":            {happen: func(x *tryout) { x.topics = nil }, code: exitIncomplete},
		"topics of two deployments":            {happen: func(x *tryout) { x.topics = append(x.topics, peopleTopic+"2") }, code: exitIncomplete},
		"no topics, but they are named":        {happen: func(x *tryout) { x.topics = nil }, args: []string{"--topic", "arn:aws:sns:eu-west-1:111122223333:a", "--machines-topic", "arn:aws:sns:eu-west-1:111122223333:b"}, code: exitOK},
		"a place that nobody knows":            {args: []string{"--to", "mail"}, code: exitUsage},
		"a kind that nobody knows":             {args: []string{"--kind", "opend"}, code: exitUsage},
		"the token in place of the secret":     {args: []string{"--slack-secret", canary.Token}, code: exitUsage},
		"the address in place of the secret":   {args: []string{"--slack-secret", "https://hooks.slack.com" + canary.Hook}, code: exitUsage},
		"a topic that is none":                 {args: []string{"--topic", "findings"}, code: exitUsage},
		"two regions":                          {args: []string{"--region", "eu-west-1,us-east-1"}, code: exitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTryout(t)
			if tt.happen != nil {
				tt.happen(x)
			}
			file := routes(t)
			if tt.more != "" {
				file = runtimeFile(t, tt.more)
			}
			code, said := x.test(t, append([]string{"-f", file}, tt.args...)...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d\n%s", code, tt.code, said)
			}
			said = strings.Join(strings.FieldsFunc(said, func(r rune) bool { return strings.ContainsRune(" \n│", r) }), " ")
			for _, want := range tt.says {
				if !strings.Contains(said, want) {
					t.Errorf("no %q in %s", want, said)
				}
			}
		})
	}
}
