package handler_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/functions/approve/handler"
	"github.com/eks-steward/eks-steward/internal/approval"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/file"
	"github.com/eks-steward/eks-steward/internal/secret"
	"github.com/eks-steward/eks-steward/internal/secret/secrettest"
	"github.com/eks-steward/eks-steward/internal/worker"
)

const (
	self    = "AROAAAAAAAAAAAAAAAAAA:steward-approve"
	person  = "AROABBBBBBBBBBBBBBBBB:alice@example.com"
	signing = "CANARY-signing-secret"
	reply   = "https://hooks.slack.com/actions/T0123/1/CANARY"
)

var plan = strings.Repeat("0123456789abcdef", 4)

// line is a queue that keeps what it takes.
type line struct {
	messages [][]byte
	err      error
}

func (l *line) Send(_ context.Context, messages ...[]byte) error {
	if l.err != nil {
		return l.err
	}
	l.messages = append(l.messages, messages...)
	return nil
}

// channel keeps what the users of Slack were told.
type channel struct {
	all, one []string
	err      error
}

func (c *channel) Reply(_ context.Context, address, text string, everybody bool) error {
	switch {
	case address != reply:
		return fmt.Errorf("the reply goes to %s", address)
	case c.err != nil:
		return c.err
	case everybody:
		c.all = append(c.all, text)
	default:
		c.one = append(c.one, text)
	}
	return nil
}

type bench struct {
	*handler.Handler
	t           *testing.T
	now         time.Time
	records     *ledger.Ledger
	own, orders *line
	vault       *secrettest.Vault
	slack       *channel
	log         bytes.Buffer
	waiting     ledger.Approval
}

// newBench has one plan that waits for approval.
func newBench(t *testing.T) *bench {
	t.Helper()
	store, err := file.Open(filepath.Join(t.TempDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	b := &bench{t: t, now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), own: &line{}, orders: &line{}, vault: secrettest.Holding(signing), slack: &channel{}}
	clock := func() time.Time { return b.now }
	b.records = ledger.New(store, clock)
	log := slog.New(slog.NewJSONHandler(&b.log, nil))
	b.Handler = &handler.Handler{
		Ledger: b.records, Orders: map[string]handler.Queue{"secrets-encryption": b.orders}, Own: b.own, Now: clock, Log: log,
		Self:    func(context.Context) (string, error) { return self, nil },
		Signing: secret.NewGuarded(b.vault, secrettest.Name, clock), Allowed: approval.Allowed{Team: "T0123", Users: []string{"U0123"}}, Slack: b.slack,
	}
	b.Batch = worker.Worker{
		Function: "approve", Handle: worker.Each(b.Handle), Decode: handler.Decode, Now: clock, Log: log, Metrics: &bytes.Buffer{},
	}.Batch
	b.waiting, err = b.records.AskApproval(t.Context(), ledger.Approval{
		Plan: plan, Capability: "secrets-encryption", Text: "Puts a key on prod for good.",
		Cluster: fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: "prod"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pressed is the body of a request for the press of a plan's button.
func (b *bench) pressed(user, nonce string) string {
	payload, err := json.Marshal(map[string]any{
		"type": "block_actions", "team": map[string]string{"id": "T0123"}, "response_url": reply,
		"user":    map[string]string{"id": user, "username": "alice", "team_id": "T0123"},
		"actions": []map[string]string{{"type": "button", "action_id": approval.Action, "value": approval.Value(plan, nonce)}},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return url.Values{"payload": {string(payload)}}.Encode()
}

// signed is the request as the Function URL gets it.
func (b *bench) signed(body string) awsevents.LambdaFunctionURLRequest {
	timestamp := strconv.FormatInt(b.now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(signing))
	mac.Write([]byte("v0:" + timestamp + ":" + body))
	r := awsevents.LambdaFunctionURLRequest{
		Version: "2.0", Body: base64.StdEncoding.EncodeToString([]byte(body)), IsBase64Encoded: true,
		Headers: map[string]string{
			"content-type":              "application/x-www-form-urlencoded",
			"x-slack-request-timestamp": timestamp, "x-slack-signature": "v0=" + hex.EncodeToString(mac.Sum(nil)),
		},
	}
	r.RequestContext.HTTP.Method = http.MethodPost
	r.RequestContext.RequestID = "r1"
	return r
}

// request goes through Serve, as Lambda would invoke the function.
func (b *bench) request(r awsevents.LambdaFunctionURLRequest) int {
	b.t.Helper()
	answer, ok := b.serve(r).(awsevents.LambdaFunctionURLResponse)
	if !ok || answer.Body != "" {
		b.t.Fatalf("answer %+v", answer)
	}
	return answer.StatusCode
}

func (b *bench) serve(invocation any) any {
	b.t.Helper()
	raw, err := json.Marshal(invocation)
	if err != nil {
		b.t.Fatal(err)
	}
	answer, err := b.Serve(b.t.Context(), raw)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer
}

// deliver brings a message of the queue, for the nth time, and says whether SQS
// has to keep it.
func (b *bench) deliver(sender, body string, nth int) bool {
	b.t.Helper()
	answer, ok := b.serve(awsevents.SQSEvent{Records: []awsevents.SQSMessage{{MessageId: "m1", Body: body, Attributes: map[string]string{
		"SenderId": sender, "ApproximateReceiveCount": strconv.Itoa(nth), "SentTimestamp": strconv.FormatInt(b.now.UnixMilli(), 10),
	}}}}).(awsevents.SQSEventResponse)
	if !ok {
		b.t.Fatal("no answer to SQS")
	}
	return len(answer.BatchItemFailures) > 0
}

// approved holds that the plan is approved by who, once, and that its function
// was woken so many times.
func (b *bench) approved(by, via string, woken int) {
	b.t.Helper()
	a, err := b.records.Approval(b.t.Context(), plan)
	if err != nil || !a.Stands(b.now) || a.By != by || a.Via != via {
		b.t.Errorf("the approval is %+v, %v", a, err)
	}
	if len(b.orders.messages) != woken {
		b.t.Fatalf("secretsencryption was woken %d times, want %d", len(b.orders.messages), woken)
	}
	for _, m := range b.orders.messages {
		e, err := events.Decode(m)
		if order, ok := e.(*events.PlanApproved); err != nil || !ok || order.Plan != plan || order.By != by || order.Via != via || order.Cluster.Name != "prod" {
			b.t.Errorf("the order is %s: %v", m, err)
		}
	}
}

// refused holds that nothing came of it and that the log says why.
func (b *bench) refused(why string) {
	b.t.Helper()
	if a, err := b.records.Approval(b.t.Context(), plan); err != nil || a.State == ledger.Approved {
		b.t.Errorf("the approval is %+v, %v", a, err)
	}
	if len(b.orders.messages) > 0 {
		b.t.Errorf("secretsencryption was woken with %s", b.orders.messages)
	}
	b.logged(why)
}

func (b *bench) logged(why string) {
	b.t.Helper()
	if log := b.log.String(); !strings.Contains(log, why) || strings.Contains(log, "CANARY") || strings.Contains(log, b.waiting.Nonce) {
		b.t.Errorf("want the reason %q and no secret in the log:\n%s", why, log)
	}
}

func TestAPressInSlackApprovesThePlan(t *testing.T) {
	b := newBench(t)
	if status := b.request(b.signed(b.pressed("U0123", b.waiting.Nonce))); status != http.StatusOK {
		t.Fatalf("status %d: %s", status, b.log.String())
	}
	if a, _ := b.records.Approval(t.Context(), plan); a.State != ledger.Waiting {
		t.Errorf("Slack had to wait for the ledger: %+v", a)
	}
	if len(b.own.messages) != 1 {
		t.Fatalf("queued %q", b.own.messages)
	}
	if b.deliver(self, string(b.own.messages[0]), 1) {
		t.Errorf("SQS has to bring it again: %s", b.log.String())
	}
	b.approved("alice (U0123)", events.ViaSlack, 1)
	want := "Approved by alice (U0123): Puts a key on prod for good. Plan 0123456789ab is carried out now, if nothing has changed since."
	if !slices.Equal(b.slack.all, []string{want}) || b.slack.one != nil {
		t.Errorf("told %q and %q", b.slack.all, b.slack.one)
	}
	b.logged("request taken")
}

func TestAPressOfALinkIsAcknowledgedAndNotNoted(t *testing.T) {
	b := newBench(t)
	body := strings.ReplaceAll(b.pressed("U0666", b.waiting.Nonce), approval.Action, approval.LinkAction+"1")
	if status := b.request(b.signed(body)); status != http.StatusOK || b.log.Len() > 0 || b.slack.one != nil || len(b.own.messages) > 0 {
		t.Errorf("status %d, told %q, queued %q, logged %s", status, b.slack.one, b.own.messages, b.log.String())
	}
}

func TestAPersonApprovesThePlan(t *testing.T) {
	for name, given := range map[string]string{"by its hash": plan, "by the beginning of its hash": plan[:12]} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			if b.deliver(person, `{"plan":"`+given+`"}`, 1) {
				t.Errorf("SQS has to bring it again: %s", b.log.String())
			}
			b.approved(person, events.ViaCommandLine, 1)
		})
	}
}

func TestFault_57_ARequestThatDoesNotCountNeverReachesTheQueue(t *testing.T) {
	for name, tt := range map[string]struct {
		request func(*bench) awsevents.LambdaFunctionURLRequest
		status  int
		why     string
		told    string // to the user, whom Slack vouches for
	}{
		"a stranger": {func(b *bench) awsevents.LambdaFunctionURLRequest {
			return b.signed(b.pressed("U0666", b.waiting.Nonce))
		}, http.StatusOK, "not among those who may approve", "Not approved: the user is not among those who may approve."},
		"a body that was changed": {func(b *bench) awsevents.LambdaFunctionURLRequest {
			r := b.signed(b.pressed("U0666", b.waiting.Nonce))
			r.Body = base64.StdEncoding.EncodeToString([]byte(b.pressed("U0123", b.waiting.Nonce)))
			return r
		}, http.StatusUnauthorized, "the signature is not Slack's", ""},
		"no signature": {func(b *bench) awsevents.LambdaFunctionURLRequest {
			r := b.signed(b.pressed("U0123", b.waiting.Nonce))
			r.Headers = nil
			return r
		}, http.StatusUnauthorized, "not signed", ""},
		"a request of six minutes ago": {func(b *bench) awsevents.LambdaFunctionURLRequest {
			r := b.signed(b.pressed("U0123", b.waiting.Nonce))
			b.now = b.now.Add(6 * time.Minute)
			return r
		}, http.StatusUnauthorized, "five minutes", ""},
		"another button": {func(b *bench) awsevents.LambdaFunctionURLRequest {
			return b.signed(strings.ReplaceAll(b.pressed("U0123", b.waiting.Nonce), approval.Action, "snooze"))
		}, http.StatusBadRequest, "the button stands for no plan", ""},
		"a body above the limit": {func(b *bench) awsevents.LambdaFunctionURLRequest {
			return b.signed(strings.Repeat("a", approval.MaxBody+3))
		}, http.StatusRequestEntityTooLarge, "64 KB", ""},
		"a body that is not what its encoding says": {func(b *bench) awsevents.LambdaFunctionURLRequest {
			r := b.signed("")
			r.Body = "%%%"
			return r
		}, http.StatusBadRequest, "no press", ""},
		"a request that is no POST": {func(b *bench) awsevents.LambdaFunctionURLRequest {
			r := b.signed(b.pressed("U0123", b.waiting.Nonce))
			r.RequestContext.HTTP.Method = http.MethodGet
			return r
		}, http.StatusMethodNotAllowed, "no POST", ""},
		"a deployment without Slack": {func(b *bench) awsevents.LambdaFunctionURLRequest {
			b.Signing = nil
			return b.signed(b.pressed("U0123", b.waiting.Nonce))
		}, http.StatusNotFound, "takes no approvals from Slack", ""},
		"a secret that cannot be read": {func(b *bench) awsevents.LambdaFunctionURLRequest {
			b.vault.Err = errors.New("access denied")
			return b.signed(b.pressed("U0123", b.waiting.Nonce))
		}, http.StatusServiceUnavailable, "access denied", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			if status := b.request(tt.request(b)); status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
			if len(b.own.messages) > 0 {
				t.Errorf("queued %q", b.own.messages)
			}
			if got := strings.Join(b.slack.one, "|"); got != tt.told || b.slack.all != nil {
				t.Errorf("told %q and %q, want %q", got, b.slack.all, tt.told)
			}
			b.refused(tt.why)
		})
	}
}

func TestAQueueThatIsDownIsNoApproval(t *testing.T) {
	b := newBench(t)
	b.own.err = errors.New("send 1 messages: no answer")
	if status := b.request(b.signed(b.pressed("U0123", b.waiting.Nonce))); status != http.StatusServiceUnavailable {
		t.Errorf("status %d", status)
	}
	b.refused("no answer")
}

func TestFault_55_ARotatedSigningSecretIsReadAgainAndNotForEveryForger(t *testing.T) {
	b := newBench(t)
	v := b.vault
	v.Put("the old one")
	sends := func(r awsevents.LambdaFunctionURLRequest, status, reads int) {
		t.Helper()
		for range 5 {
			if got := b.request(r); got != status || v.Reads != reads {
				t.Errorf("status %d after %d reads of the secret, want %d after %d", got, v.Reads, status, reads)
			}
		}
	}
	forged := func() awsevents.LambdaFunctionURLRequest {
		r := b.signed(b.pressed("U0123", b.waiting.Nonce))
		r.Headers["x-slack-signature"] = "v0=" + strings.Repeat("00", 32)
		return r
	}
	sends(forged(), http.StatusUnauthorized, 1)
	v.Put(signing)
	b.now = b.now.Add(time.Minute)
	sends(b.signed(b.pressed("U0123", b.waiting.Nonce)), http.StatusOK, 2)
	for reads := 3; reads < 10; reads++ {
		b.now = b.now.Add(time.Minute)
		sends(forged(), http.StatusUnauthorized, reads)
	}
	v.Put("a newer one, as the other has leaked")
	b.now = b.now.Add(5 * time.Minute)
	sends(b.signed(b.pressed("U0123", b.waiting.Nonce)), http.StatusUnauthorized, 10)
}

func TestFault_57_AWordThatDoesNotCountIsRefusedLoggedAndTold(t *testing.T) {
	slackWord := func(b *bench, nonce string) string {
		m, err := approval.Word{Plan: plan, Slack: &approval.Press{Plan: plan, Nonce: nonce, Team: "T0123", User: "U0123", Reply: reply}}.Message()
		if err != nil {
			b.t.Fatal(err)
		}
		return string(m)
	}
	for name, tt := range map[string]struct {
		before func(*bench)
		sender string
		nonce  string // of a press; empty for a person
		why    string
	}{
		"a person who speaks for a user of Slack": {nil, person, "QWERTYUIOPASDFGHJKL", "only eks-steward itself"},
		"a sender that SQS does not name":         {nil, "", "", "SQS does not say"},
		"a button of an older message":            {nil, self, "QWERTYUIOPASDFGHJKL", "not the one of the plan's last message"},
		"a plan that is expired":                  {func(b *bench) { b.now = b.waiting.Expires }, person, "", "could be approved until 2026-11-27"},
		"a plan whose state has changed": {func(b *bench) {
			if err := b.records.Void(b.t.Context(), plan, "the cluster has a key by now"); err != nil {
				b.t.Fatal(err)
			}
		}, person, "", "void (the cluster has a key by now)"},
		"a changed plan's button": {func(b *bench) {
			if err := b.records.Void(b.t.Context(), plan, "the key is disabled"); err != nil {
				b.t.Fatal(err)
			}
		}, self, "the right one", "void (the key is disabled)"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			body := `{"plan":"` + plan + `"}`
			if tt.nonce == "the right one" {
				tt.nonce = b.waiting.Nonce
			}
			if tt.nonce != "" {
				body = slackWord(b, tt.nonce)
			}
			if tt.before != nil {
				tt.before(b)
			}
			if b.deliver(tt.sender, body, 1) {
				t.Error("SQS has to bring it again, which changes nothing")
			}
			b.refused(tt.why)
			if told := strings.Join(b.slack.one, "|"); tt.sender == self && !strings.Contains(told, tt.why) || len(b.slack.all) > 0 {
				t.Errorf("told %q and %q", told, b.slack.all)
			}
		})
	}
}

func TestFault_57_APlanThatNobodyKnowsIsRefused(t *testing.T) {
	b := newBench(t)
	if b.deliver(person, `{"plan":"ffffffffffff"}`, 1) {
		t.Error("SQS has to bring it again")
	}
	b.refused("no plan of this name waits for approval")
}

func TestFault_57_AReplayIsRefusedAndWakesNobody(t *testing.T) {
	b := newBench(t)
	r := b.signed(b.pressed("U0123", b.waiting.Nonce))
	for range 2 { // the same signed request, within its five minutes
		if status := b.request(r); status != http.StatusOK {
			t.Fatalf("status %d", status)
		}
	}
	for _, m := range b.own.messages {
		if b.deliver(self, string(m), 1) {
			t.Error("SQS has to bring it again")
		}
	}
	b.approved("alice (U0123)", events.ViaSlack, 1)
	if told := strings.Join(b.slack.one, "|"); !strings.Contains(told, "alice (U0123) has approved the plan already, at 2026-11-20T12:00:00Z") {
		t.Errorf("told %q", told)
	}
	if b.deliver(person, `{"plan":"`+plan+`"}`, 1) {
		t.Error("SQS has to bring it again")
	}
	b.approved("alice (U0123)", events.ViaSlack, 1)
	b.logged("has approved the plan already")
}

func TestFault_20_ARunThatEndsBetweenTheLedgerAndTheQueueIsMadeGood(t *testing.T) {
	b := newBench(t)
	b.orders.err = errors.New("no answer")
	word := `{"plan":"` + plan + `"}`
	if !b.deliver(person, word, 1) {
		t.Fatal("SQS forgets a word that was not passed on")
	}
	b.orders.err = nil
	if b.deliver(person, word, 2) {
		t.Errorf("SQS has to bring it a third time: %s", b.log.String())
	}
	b.approved(person, events.ViaCommandLine, 1)
	// The second delivery of somebody else's word is no such case.
	b.deliver("AIDACCCCCCCCCCCCCCCCC", word, 2)
	b.approved(person, events.ViaCommandLine, 1)
}

func TestWhatCannotBeDecidedIsBroughtAgain(t *testing.T) {
	word := `{"plan":"` + plan + `"}`
	for name, before := range map[string]func(*bench){
		"AWS does not say who the function is": func(b *bench) {
			b.Self = func(context.Context) (string, error) { return "", errors.New("no answer") }
		},
		"the ledger is down":                              func(b *bench) { b.Ledger = broken{} },
		"another version of the deployment made the plan": func(b *bench) { b.Orders = nil },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			before(b)
			if !b.deliver(person, word, 1) {
				t.Errorf("SQS forgets it: %s", b.log.String())
			}
		})
	}
	t.Run("a message that is no approval ends in the dead-letter queue", func(t *testing.T) {
		if b := newBench(t); !b.deliver(person, `{"approve":"all"}`, 1) {
			t.Error("SQS forgets it")
		}
	})
}

type broken struct{}

func (broken) ResolvePlan(context.Context, string) (string, error) {
	return "", ledger.ErrUnavailable
}

func (broken) Grant(context.Context, string, string, string, string) (ledger.Approval, error) {
	return ledger.Approval{}, ledger.ErrUnavailable
}

func TestASlackThatDoesNotAnswerChangesNothing(t *testing.T) {
	b := newBench(t)
	b.slack.err = errors.New("no answer in time")
	b.request(b.signed(b.pressed("U0123", b.waiting.Nonce)))
	if b.deliver(self, string(b.own.messages[0]), 1) {
		t.Error("SQS has to bring it again")
	}
	b.approved("alice (U0123)", events.ViaSlack, 1)
	b.logged("no answer in time")
}

func TestAnythingElseIsNoInvocation(t *testing.T) {
	b := newBench(t)
	for _, raw := range []string{`{}`, `null`, `[]`, `{"Records":1}`, `{"requestContext":"x"}`} {
		if answer, err := b.Serve(t.Context(), json.RawMessage(raw)); err == nil {
			t.Errorf("%s: answer %+v", raw, answer)
		}
	}
}
