package encryption_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/eks-steward/eks-steward/internal/approval"
)

// A plan as a message names it.
type plan struct{ hash, nonce string }

// planIn reads the button of a message.
func planIn(t *testing.T, message string) plan {
	t.Helper()
	found := regexp.MustCompile(`"value":"([0-9a-f]{64}):([0-9A-Za-z]+)"`).FindStringSubmatch(message)
	if found == nil {
		t.Fatalf("the message has no button: %s", message)
	}
	return plan{found[1], found[2]}
}

// approve runs steward approve as somebody of the account.
func (p *product) approve(t *testing.T, steward, plan string) {
	t.Helper()
	if out, err := p.Command(t, steward, "approve", plan).CombinedOutput(); err != nil {
		t.Fatalf("steward approve %s: %v\n%s", plan, err, out)
	}
}

// A press of the button of a plan, as Slack sends it.
type press struct {
	plan
	team, user string
	at         time.Time
	secret     string // that signs it
}

// request is the press as a Function URL hands it on.
// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
func (p press) request(t *testing.T) []byte {
	t.Helper()
	payload := must(t, map[string]any{
		"type": "block_actions", "team": map[string]string{"id": p.team},
		"user":    map[string]string{"id": p.user, "username": "ada", "team_id": p.team},
		"actions": []map[string]string{{"action_id": approval.Action, "value": approval.Value(p.hash, p.nonce)}},
	})
	body := url.Values{"payload": {string(payload)}}.Encode()
	at := strconv.FormatInt(p.at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(p.secret))
	mac.Write([]byte("v0:" + at + ":" + body))
	return must(t, map[string]any{
		"version": "2.0", "rawPath": "/", "body": body,
		"headers":        map[string]string{"x-slack-request-timestamp": at, "x-slack-signature": "v0=" + hex.EncodeToString(mac.Sum(nil))},
		"requestContext": map[string]any{"http": map[string]string{"method": http.MethodPost, "path": "/"}},
	})
}

func must(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// presses sends a request to the function's URL, and expects a status.
func (p *product) presses(t *testing.T, request []byte, status int) {
	t.Helper()
	result, err := p.Runner.Invoke(t.Context(), "ApproveFunction", request)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ StatusCode int }
	if err := json.Unmarshal(result.Payload, &answer); err != nil || result.FunctionError != "" || answer.StatusCode != status {
		t.Fatalf("the function answers %s, want the status %d\n%s", result.Payload, status, result.Log)
	}
}

// logged expects that the function approve has said something since it was last
// asked: whoever sends to its queue can be told in no other way.
func (p *product) logged(t *testing.T, what string) {
	t.Helper()
	out, err := cloudwatchlogs.NewFromConfig(p.Config).FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String(p.Hub.ID("ApproveLogs"))})
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for _, e := range out.Events[p.read:] {
		said.WriteString(aws.ToString(e.Message))
	}
	p.read = len(out.Events)
	if !strings.Contains(said.String(), what) {
		t.Errorf("the function approve logs %s, want it to say %q", said.String(), what)
	}
}
