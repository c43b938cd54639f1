package slack_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/eks-steward/eks-steward/internal/approval"
	"github.com/eks-steward/eks-steward/internal/canary"
	"github.com/eks-steward/eks-steward/internal/notify/notifytest"
	"github.com/eks-steward/eks-steward/internal/sim/slack"
)

const token = canary.Token

// office is a workspace with one channel, and its clock.
func office() (*slack.Workspace, *slack.Channel, *clock) {
	now := &clock{now: notifytest.Start}
	w := slack.NewWorkspace(token, now.Now)
	return w, w.Open("C0123", "eks-alerts", path), now
}

// said is what the Web API answered.
type said struct {
	OK      bool   `json:"ok"`
	Error   string `json:"error"`
	Channel string `json:"channel"`
	TS      string `json:"ts"`
}

// ask calls a method with the token.
func ask(t *testing.T, w *slack.Workspace, method, body string) (said, *httptest.ResponseRecorder) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/api/"+method, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	var s said
	if rec.Code == http.StatusOK {
		if err := json.Unmarshal(rec.Body.Bytes(), &s); err != nil {
			t.Fatalf("%s: %v", rec.Body, err)
		}
	}
	return s, rec
}

func TestTheWebAPIRefusesWithItsOwnWords(t *testing.T) {
	const hello = `{"channel":"C0123","text":"a"}`
	for name, c := range map[string]struct {
		method, body string
		before       func(*slack.Workspace, *slack.Channel)
		word         string
	}{
		"a message":                               {method: "chat.postMessage", body: hello},
		"a channel that is not there":             {method: "chat.postMessage", body: `{"channel":"C9","text":"a"}`, word: "channel_not_found"},
		"a channel that is archived":              {method: "chat.postMessage", body: hello, before: func(_ *slack.Workspace, c *slack.Channel) { c.Archive() }, word: "is_archived"},
		"a channel without the app":               {method: "chat.postMessage", body: hello, before: func(_ *slack.Workspace, c *slack.Channel) { c.Dismiss() }, word: "not_in_channel"},
		"a channel that the app is in again":      {method: "chat.postMessage", body: hello, before: func(_ *slack.Workspace, c *slack.Channel) { c.Dismiss(); c.Invite() }},
		"a token that was rotated":                {method: "chat.postMessage", body: hello, before: func(w *slack.Workspace, _ *slack.Channel) { w.Rotate("xoxb-2") }, word: "invalid_auth"},
		"nothing to show":                         {method: "chat.postMessage", body: `{"channel":"C0123"}`, word: "no_text"},
		"no JSON":                                 {method: "chat.postMessage", body: `channel=C0123`, word: "invalid_json"},
		"a text of 40,001 characters":             {method: "chat.postMessage", body: `{"channel":"C0123","text":"` + strings.Repeat("a", 40001) + `"}`, word: "msg_too_long"},
		"blocks that are invalid":                 {method: "chat.postMessage", body: `{"channel":"C0123","text":"a","blocks":[{"type":"poem"}]}`, word: "invalid_blocks"},
		"metadata without a type":                 {method: "chat.postMessage", body: `{"channel":"C0123","text":"a","metadata":{"event_payload":{}}}`, word: "invalid_metadata_format"},
		"a thread that is not there":              {method: "chat.postMessage", body: `{"channel":"C0123","text":"a","thread_ts":"1.2"}`, word: "thread_not_found"},
		"a change of a message that is not there": {method: "chat.update", body: `{"channel":"C0123","text":"a","ts":"1.2"}`, word: "message_not_found"},
		"another method":                          {method: "chat.delete", body: hello, word: "unknown_method"},
	} {
		t.Run(name, func(t *testing.T) {
			w, channel, _ := office()
			if c.before != nil {
				c.before(w, channel)
			}
			got, _ := ask(t, w, c.method, c.body)
			if got.Error != c.word || got.OK != (c.word == "") || len(channel.Received()) == 0 == got.OK {
				t.Errorf("answered %+v, %d messages, want %q", got, len(channel.Received()), c.word)
			}
		})
	}
}

func TestWithoutATokenNothingIsTaken(t *testing.T) {
	w, channel, _ := office()
	for header, want := range map[string]string{"": "not_authed", "Bearer ": "not_authed", token: "not_authed", "Bearer xoxb-9": "invalid_auth"} {
		r := httptest.NewRequest(http.MethodPost, "/api/chat.postMessage", strings.NewReader(`{"channel":"C0123","text":"a"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", header)
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, r)
		if !strings.Contains(rec.Body.String(), want) || len(channel.Received()) > 0 {
			t.Errorf("%q: %s", header, rec.Body)
		}
	}
}

func TestAReaderSeesTheNewestTextAndIsWokenByPostsAndBroadcasts(t *testing.T) {
	w, c, now := office()
	first, _ := ask(t, w, "chat.postMessage", `{"channel":"C0123","text":"open <@U1>"}`)
	ask(t, w, "chat.postMessage", fmt.Sprintf(`{"channel":"C0123","text":"more","thread_ts":%q}`, first.TS))
	ask(t, w, "chat.postMessage", fmt.Sprintf(`{"channel":"C0123","text":"still","thread_ts":%q,"reply_broadcast":true}`, first.TS))
	now.forward(time.Minute)
	if got, _ := ask(t, w, "chat.update", fmt.Sprintf(`{"channel":"C0123","text":"over","ts":%q}`, first.TS)); !got.OK || got.TS != first.TS {
		t.Errorf("the change: %+v", got)
	}
	post(c, path, `{"text":"by webhook"}`)
	got := c.Received()
	if len(got) != 2 || got[0].Message.Text != "over" || len(got[0].Replies) != 2 || got[0].Before[0].Text != "open <@U1>" || len(got[0].Pings) != 1 {
		t.Fatalf("received %+v", got)
	}
	if c.Woken() != 3 {
		t.Errorf("woken %d times", c.Woken())
	}
	want := "02:15:00  over (edited 02:16:00)|02:15:00    │ more|02:15:00    │ still|02:16:00  by webhook"
	if lines := strings.Join(c.Lines(), "|"); lines != want {
		t.Errorf("lines %s", lines)
	}
}

func TestEveryMessageHasItsOwnIdAndCanBeDeleted(t *testing.T) {
	w, c, _ := office()
	first, _ := ask(t, w, "chat.postMessage", `{"channel":"C0123","text":"a"}`)
	second, _ := ask(t, w, "chat.postMessage", `{"channel":"C0123","text":"b"}`)
	if first.TS == second.TS || !c.Delete(first.TS) || c.Delete(first.TS) || len(c.Received()) != 1 {
		t.Errorf("%+v, %+v, %d left", first, second, len(c.Received()))
	}
	if got, _ := ask(t, w, "chat.update", fmt.Sprintf(`{"channel":"C0123","text":"c","ts":%q}`, first.TS)); got.Error != "message_not_found" {
		t.Errorf("a change of a deleted message: %+v", got)
	}
}

func TestThePaceOfSlackIsKept(t *testing.T) {
	w, _, now := office()
	other := w.Open("C0456", "other", "")
	w.Limit()
	first, _ := ask(t, w, "chat.postMessage", `{"channel":"C0123","text":"a"}`)
	if _, rec := ask(t, w, "chat.postMessage", `{"channel":"C0123","text":"b"}`); rec.Code != http.StatusTooManyRequests || rec.Header().Get("Retry-After") != "1" {
		t.Errorf("a second message at once: %d, Retry-After %q", rec.Code, rec.Header().Get("Retry-After"))
	}
	if got, _ := ask(t, w, "chat.postMessage", `{"channel":"C0456","text":"b"}`); !got.OK || len(other.Received()) != 1 {
		t.Errorf("another channel has its own pace: %+v", got)
	}
	change := fmt.Sprintf(`{"channel":"C0123","text":"c","ts":%q}`, first.TS)
	for range 50 {
		if got, _ := ask(t, w, "chat.update", change); !got.OK {
			t.Fatalf("%+v", got)
		}
		now.forward(time.Second)
	}
	if _, rec := ask(t, w, "chat.update", change); rec.Header().Get("Retry-After") != "10" {
		t.Errorf("the change number 51 of a minute: %d, Retry-After %q", rec.Code, rec.Header().Get("Retry-After"))
	}
	now.forward(10 * time.Second)
	if got, _ := ask(t, w, "chat.update", change); !got.OK {
		t.Errorf("a minute after the first change: %+v", got)
	}
}

func TestAWorkspaceThatIsDownTakesNothingUntilItIsMended(t *testing.T) {
	w, c, _ := office()
	lost := slack.Outage
	lost.Took = true
	w.Script(lost)
	w.Break(slack.Outage)
	var codes []int
	for range 3 {
		_, rec := ask(t, w, "chat.postMessage", `{"channel":"C0123","text":"a"}`)
		codes = append(codes, rec.Code)
	}
	w.Mend()
	got, _ := ask(t, w, "chat.postMessage", `{"channel":"C0123","text":"a"}`)
	if fmt.Sprint(codes) != "[503 503 503]" || !got.OK || len(c.Received()) != 2 {
		t.Errorf("answered %v and %+v, %d messages", codes, got, len(c.Received()))
	}
	var words []string
	for _, call := range w.Calls() {
		words = append(words, call.Method+" "+call.Word)
	}
	if len(words) != 4 || words[0] != "chat.postMessage service_unavailable" || words[3] != "chat.postMessage ok" {
		t.Errorf("calls %q", words)
	}
}

func TestAWebhookOfAWorkspacePostsToItsChannel(t *testing.T) {
	w, c, _ := office()
	for at, want := range map[string]int{path: http.StatusOK, path + "x": http.StatusNotFound} {
		r := httptest.NewRequest(http.MethodPost, at, strings.NewReader(`{"text":"a"}`))
		r.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, r)
		if rec.Code != want {
			t.Errorf("%s: answered %d", at, rec.Code)
		}
	}
	if len(c.Received()) != 1 {
		t.Errorf("%d messages", len(c.Received()))
	}
}

func TestThePageShowsThreadsEditsAndMentionsOfEveryChannel(t *testing.T) {
	w, _, now := office()
	w.Open("C0456", "other", "")
	first, _ := ask(t, w, "chat.postMessage", `{"channel":"C0123","text":"open <!subteam^S0123> <https://example.com/?a=1&amp;b=2|Runbook>"}`)
	ask(t, w, "chat.postMessage", fmt.Sprintf(`{"channel":"C0123","text":"more","thread_ts":%q,"reply_broadcast":true}`, first.TS))
	now.forward(time.Minute)
	ask(t, w, "chat.update", fmt.Sprintf(`{"channel":"C0123","text":"worse <@U1> &lt;script&gt; <https://example.com|*Runbook*>","ts":%q}`, first.TS))
	var page bytes.Buffer
	if err := w.Page(&page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# eks-alerts", "# other", "Nothing has been posted yet", "1 reply<", "also sent to the channel", "edited 02:16:00",
		`<span class="mention">@U1</span>`, `<span class="link">*Runbook*</span>`, "&lt;script&gt;",
	} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("no %q in %s", want, page.String())
		}
	}
}

const button = `{"type":"actions","elements":[{"type":"button","action_id":"approve-plan","value":"plan:nonce","text":{"type":"plain_text","text":"Approve"}}]}`

// TestAPressIsSignedAsSlackSignsIt holds the signature against Slack's own library
// and against the product, which know nothing of each other.
func TestAPressIsSignedAsSlackSignsIt(t *testing.T) {
	w := slack.NewWorkspace(token, time.Now) // the library reads the clock itself
	w.Open("C0123", "eks-alerts", "")
	sent, _ := ask(t, w, "chat.postMessage", `{"channel":"C0123","text":"a","blocks":[`+button+`]}`)
	var payload slackgo.InteractionCallback
	app := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		theirs, err := slackgo.NewSecretsVerifier(r.Header, w.Signing)
		if err != nil {
			t.Error(err)
		}
		_, _ = theirs.Write(body)
		if err := theirs.Ensure(); err != nil {
			t.Error(err)
		}
		ours := approval.Request{Timestamp: r.Header.Get("X-Slack-Request-Timestamp"), Signature: r.Header.Get("X-Slack-Signature"), Body: body}
		if err := ours.Verify(w.Signing, time.Now()); err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		if err := json.Unmarshal([]byte(r.FormValue("payload")), &payload); err != nil {
			t.Error(err)
		}
		rw.WriteHeader(http.StatusAccepted)
	}))
	defer app.Close()
	click := slack.Click{Channel: "C0123", TS: sent.TS, Action: "approve-plan", User: "U0123", Name: "ada"}
	status, err := w.Press(t.Context(), app.Client(), app.URL, click)
	if err != nil || status != http.StatusAccepted {
		t.Fatalf("status %d: %v", status, err)
	}
	if a := payload.ActionCallback.BlockActions; len(a) != 1 || a[0].Value != "plan:nonce" || payload.User.ID != "U0123" || payload.Container.MessageTs != sent.TS {
		t.Errorf("actions %+v of %s in %s", a, payload.User.ID, payload.Container.MessageTs)
	}
	for _, nobodys := range []slack.Click{
		{Channel: "C0123", TS: sent.TS, Action: "snooze"}, {Channel: "C0123", TS: "1.2", Action: "approve-plan"}, {Channel: "C9", TS: sent.TS, Action: "approve-plan"},
	} {
		if _, err := w.Press(t.Context(), app.Client(), app.URL, nobodys); err == nil {
			t.Errorf("%+v was pressed", nobodys)
		}
	}
}
