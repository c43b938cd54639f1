package deployed

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/eks-steward/eks-steward/internal/canary"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/dynamo"
	"github.com/eks-steward/eks-steward/internal/sim/slack"
)

// The schedules, by their names in the template.
const (
	Hourly      = "DispatchHourly"
	Daily       = "DispatchDaily"
	FiveMinutes = "DispatchFiveMinutes"
)

// SlackSecret is the secret that a context names as the one of the webhook.
const SlackSecret = "eks-steward/slack"

// hook is where the webhook is.
const hook = canary.Hook

// Running is a deployment of its own for a test, whose functions run and tell a
// stand-in for Slack.
type Running struct {
	*Deployment
	Runner  *Runner
	Channel *slack.Channel

	heard int // messages that News returned so far
	beat  Beat
}

// Launch deploys with what a context says beside Slack. What was deployed runs
// with Run, and all of it ends with the test.
func Launch(t testing.TB, extra string) *Running {
	t.Helper()
	cli, err := NewCLI(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	assembly := t.TempDir()
	if err := cli.Synth(t.Context(), assembly, `"architecture": "host", `+extra); err != nil {
		t.Fatal(err)
	}
	r := &Running{Channel: slack.New(hook, time.Now)}
	if r.Deployment, err = Deploy(t.Context(), assembly); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	chat := httptest.NewServer(r.Channel)
	t.Cleanup(chat.Close)
	r.Secret(t, SlackSecret, chat.URL+hook)
	return r
}

// Run starts the functions. environment are the addresses of the stand-ins.
func (r *Running) Run(t testing.TB, environment map[string]string) {
	t.Helper()
	var err error
	if r.Runner, err = r.NewRunner(t.Context(), environment); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Runner.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Warm returns when the function approve has read the secret that presses are signed
// with. On a busy machine its start and the first reading take what Slack leaves a
// press in all, so the first press of a test is not to wait for them.
func (r *Running) Warm(t testing.TB) {
	t.Helper()
	unsigned := []byte(`{"version": "2.0", "rawPath": "/", "headers": {}, "requestContext": {"http": {"method": "POST", "path": "/"}}}`)
	for range 10 { // it does not try again for a minute after a reading that failed
		result, err := r.Runner.Invoke(t.Context(), "ApproveFunction", unsigned)
		if err != nil {
			t.Fatal(err)
		}
		var answer struct{ StatusCode int }
		if err := json.Unmarshal(result.Payload, &answer); err == nil && answer.StatusCode == http.StatusUnauthorized {
			return
		}
		time.Sleep(10 * time.Second)
	}
	t.Fatalf("the function approve does not read its secret")
}

// Secret puts a text into Secrets Manager.
func (r *Running) Secret(t testing.TB, name, value string) {
	t.Helper()
	if _, err := secretsmanager.NewFromConfig(r.Config).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: &value}); err != nil {
		t.Fatal(err)
	}
}

// File is a run-time file for what is deployed: what sections say beside the one
// target, the account and region of the deployment.
func File(sections string) string {
	return "schemaVersion: 1\ntargets: [{account: \"" + Account + "\", regions: [" + Region + "]}]\n" + sections
}

// Configure uploads the File of some sections. It is in force from the next tick on.
func (r *Running) Configure(t testing.TB, sections string) {
	t.Helper()
	if _, err := s3.NewFromConfig(r.Config).PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(r.Hub.ID("Configuration")), Key: aws.String("steward.yaml"), Body: strings.NewReader(File(sections)),
	}); err != nil {
		t.Fatal(err)
	}
}

// Tick fires a schedule and returns what Slack shows of it.
func (r *Running) Tick(t testing.TB, schedule string) []string {
	t.Helper()
	if err := r.Fire(t.Context(), schedule, r.beat.Next()); err != nil {
		t.Fatal(err)
	}
	return r.News(t)
}

// News lets everything happen that is to follow, and returns what Slack shows
// since it was asked last.
func (r *Running) News(t testing.TB) []string {
	t.Helper()
	if err := r.Runner.Drain(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, r.Said())
	}
	if len(r.Runner.Failures) > 0 {
		t.Fatalf("a function failed:\n%s", r.Runner.Failures[0])
	}
	received := r.Channel.Received()
	var news []string
	for _, m := range received[r.heard:] {
		text, err := json.Marshal(m.Message)
		if err != nil {
			t.Fatal(err)
		}
		news = append(news, string(text))
	}
	r.heard = len(received)
	return news
}

// Ledger is that of the deployment, of somebody who may do everything, at a time
// that is ahead of the clock.
func (r *Running) Ledger(ahead time.Duration) *ledger.Ledger {
	return ledger.New(dynamo.New(dynamodb.NewFromConfig(r.Config), r.Hub.ID("Ledger")), func() time.Time { return time.Now().Add(ahead) })
}

// Hasten makes the looks due that are planned for the next hour, in the place of
// waiting for them, and expects so many.
func (r *Running) Hasten(t testing.TB, want int) {
	t.Helper()
	planned, err := r.Ledger(time.Hour).DueFollowUps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, f := range planned {
		ids = append(ids, f.ID)
	}
	if len(planned) != want {
		t.Fatalf("the looks %q are planned, want %d", ids, want)
	}
	for _, f := range planned {
		f.Next = time.Now().Add(-time.Second)
		if err := r.Ledger(0).Schedule(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
}

// One expects a single message that says all of it, in whatever case.
func One(t testing.TB, messages []string, says ...string) {
	t.Helper()
	All(t, messages, says)
}

// None expects that nobody was told anything.
func None(t testing.TB, messages []string) {
	t.Helper()
	All(t, messages)
}

// All expects as many messages, in this order, as there are lists of what each
// one says.
func All(t testing.TB, messages []string, says ...[]string) {
	t.Helper()
	if len(messages) != len(says) {
		t.Fatalf("Slack shows %d new messages, want %d that say %q: %q", len(messages), len(says), says, messages)
	}
	for i, message := range messages {
		for _, want := range says[i] {
			if !strings.Contains(strings.ToUpper(message), strings.ToUpper(want)) {
				t.Errorf("Slack shows %q, want it to say %q", message, want)
			}
		}
	}
}
