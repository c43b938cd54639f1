// Package slack stands in for Slack: it takes posts to incoming webhooks and calls
// of the Web API over HTTP, refuses what Slack refuses with Slack's words, sends
// the presses of buttons as Slack signs them, and shows what a reader sees as a
// page or as text. It is for tests and for the demo; it decides nothing about
// messages and never talks to Slack.
package slack

import (
	"encoding/json"
	"io"
	"math"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/slack-go/slack"
)

// Call is one request that reached the stand-in, whatever became of it.
type Call struct {
	At     time.Time
	Method string // of the Web API; empty for a webhook
	Status int
	Word   string // what the answer says: ok, or Slack's word for what is wrong
}

// Answer is what the stand-in makes of one request.
type Answer struct {
	Status     int
	Body       string
	RetryAfter string // header; empty for none
	Hang       bool   // no answer until the client gives up
	Took       bool   // the message arrives all the same
}

// The faults of Slack that are worth trying.
var (
	Outage         = Answer{Status: http.StatusServiceUnavailable, Body: "service_unavailable"}
	Timeout        = Answer{Hang: true}
	Revoked        = Answer{Status: http.StatusNotFound, Body: "no_service"}
	InvalidPayload = Answer{Status: http.StatusBadRequest, Body: "invalid_payload"}
	HTML           = Answer{Status: http.StatusOK, Body: "<!DOCTYPE html><html><body>Sign in to the proxy</body></html>"}
)

// Busy is a 429 that asks to wait.
func Busy(after time.Duration) Answer {
	return Answer{Status: http.StatusTooManyRequests, Body: "rate_limited", RetryAfter: seconds(after)}
}

// Failure is how the Web API says that it did not do what a call asked for.
func Failure(word string) Answer {
	return Answer{Status: http.StatusOK, Body: `{"ok":false,"error":` + strconv.Quote(word) + `}`}
}

func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

// word is what the answer says in one word.
func (a Answer) word() string {
	var said struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
	}
	switch err := json.Unmarshal([]byte(a.Body), &said); {
	case err == nil && said.OK:
		return "ok"
	case err == nil && said.Error != "":
		return said.Error
	}
	return a.Body
}

// write answers r. A client that left does not see it.
func (a Answer) write(w http.ResponseWriter, r *http.Request) {
	if a.Hang {
		<-r.Context().Done()
		return
	}
	if a.RetryAfter != "" {
		w.Header().Set("Retry-After", a.RetryAfter)
	}
	w.WriteHeader(a.Status)
	_, _ = io.WriteString(w, a.Body)
}

// faults are what is answered instead of an answer in earnest.
type faults struct {
	script []Answer // to the next requests
	broken *Answer  // to every request after these
}

func (f *faults) next() (Answer, bool) {
	switch {
	case len(f.script) > 0:
		a := f.script[0]
		f.script = f.script[1:]
		return a, true
	case f.broken != nil:
		return *f.broken, true
	}
	return Answer{}, false
}

// maxBody is more than Slack takes; it bounds what a test can send by mistake.
const maxBody = 1 << 20

func isJSON(r *http.Request) bool {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // a bad one is none
	return media == "application/json"
}

// ping matches what Slack turns into a notification.
var ping = regexp.MustCompile(`<[!@][^>\s]*>`)

// pings are the mentions in a message that wake people.
func pings(m *slack.WebhookMessage) []string {
	all := m.Text
	for _, t := range texts(m) {
		all += "\n" + t.Text
	}
	return ping.FindAllString(all, -1)
}

// maxText is of the text beside the blocks, in characters:
// https://docs.slack.dev/reference/methods/chat.postMessage#truncating
const maxText = 40_000

// Decode reads a message as Slack would. The word is empty for a message that
// Slack takes, and otherwise what Slack answers.
func Decode(body []byte) (*slack.WebhookMessage, string) {
	var m slack.WebhookMessage
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, "invalid_payload"
	}
	if m.Text == "" && (m.Blocks == nil || len(m.Blocks.BlockSet) == 0) {
		return nil, "no_text"
	}
	if len([]rune(m.Text)) > maxText {
		return nil, "msg_too_long"
	}
	if !validBlocks(m.Blocks) {
		return nil, "invalid_blocks"
	}
	if width(texts(&m)) > maxAll {
		return nil, "msg_blocks_too_long"
	}
	return &m, ""
}
