// Package slack stands in for Slack's incoming webhooks: it takes posts over
// HTTP, refuses what Slack refuses with Slack's words, and shows what arrived as
// a page or as text. It is for tests and for the demo; it decides nothing about
// messages and never talks to Slack.
package slack

import (
	"encoding/json"
	"io"
	"math"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/slack-go/slack"
)

// Channel is one channel with one incoming webhook. Its methods may be called
// while it serves.
type Channel struct {
	now func() time.Time

	mu       sync.Mutex
	path     string
	limited  bool
	next     time.Time // when the limit allows the next post
	script   []Answer
	received []Received
	calls    []Call
}

// Received is a message that the channel shows.
type Received struct {
	At      time.Time
	Message *slack.WebhookMessage
	Pings   []string // mentions that would have woken people, such as <!channel>
}

// Call is one request that reached the stand-in, whatever became of it.
type Call struct {
	At     time.Time
	Status int
	Word   string // the answer's body
}

// Answer is what the script makes of one request.
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

// New returns a channel whose webhook is at path; now is the time of arrival.
func New(path string, now func() time.Time) *Channel { return &Channel{path: path, now: now} }

// Limit makes the channel take one message per second, as Slack does.
func (c *Channel) Limit() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limited = true
}

// Script answers the next requests to the webhook, in this order.
func (c *Channel) Script(answers ...Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.script = append(c.script, answers...)
}

// Rotate moves the webhook to another path; the old one is revoked.
func (c *Channel) Rotate(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.path = path
}

// Received is what the channel shows, oldest first.
func (c *Channel) Received() []Received {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.received)
}

// Calls are all requests so far, oldest first.
func (c *Channel) Calls() []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

// maxBody is more than Slack takes; it bounds what a test can send by mistake.
const maxBody = 1 << 20

// ServeHTTP answers one post to the webhook.
func (c *Channel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "invalid_payload", http.StatusBadRequest)
		return
	}
	a := c.answer(r, body)
	if a.Hang {
		<-r.Context().Done()
		return
	}
	if a.RetryAfter != "" {
		w.Header().Set("Retry-After", a.RetryAfter)
	}
	w.WriteHeader(a.Status)
	_, _ = io.WriteString(w, a.Body) // the client's trouble if it left
}

func (c *Channel) answer(r *http.Request, body []byte) Answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.judge(r, body)
	c.calls = append(c.calls, Call{At: c.now(), Status: a.Status, Word: a.Body})
	return a
}

// judge decides under the lock what becomes of a request.
func (c *Channel) judge(r *http.Request, body []byte) Answer {
	now := c.now()
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // a bad one is none
	switch {
	case r.Method != http.MethodPost:
		return Answer{Status: http.StatusBadRequest, Body: "http_method_not_allowed"}
	case r.URL.Path != c.path:
		return Revoked
	case len(c.script) > 0:
		a := c.script[0]
		c.script = c.script[1:]
		if a.Took {
			c.take(body, now)
		}
		return a
	case c.limited && now.Before(c.next):
		return Busy(c.next.Sub(now))
	case media != "application/json":
		return InvalidPayload
	}
	if word := c.take(body, now); word != "" {
		return Answer{Status: http.StatusBadRequest, Body: word}
	}
	c.next = now.Add(time.Second)
	return Answer{Status: http.StatusOK, Body: "ok"}
}

// take shows a message, or returns Slack's word for what is wrong with it.
func (c *Channel) take(body []byte, now time.Time) string {
	m, word := Decode(body)
	if word != "" {
		return word
	}
	c.received = append(c.received, Received{At: now, Message: m, Pings: ping.FindAllString(string(unescaped(m)), -1)})
	return ""
}

// ping matches what Slack turns into a notification.
var ping = regexp.MustCompile(`<[!@][^>\s]*>`)

// unescaped is the message with the escapes of JSON undone, and no others.
func unescaped(m *slack.WebhookMessage) []byte {
	all := []byte(m.Text)
	for _, t := range texts(m) {
		all = append(append(all, '\n'), t.Text...)
	}
	return all
}

func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

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
	if !validBlocks(m.Blocks) {
		return nil, "invalid_blocks"
	}
	return &m, ""
}
