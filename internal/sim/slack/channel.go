package slack

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/slack-go/slack"
)

// Channel is one channel of a workspace, with its incoming webhook if it has one.
// Its methods may be called while it serves.
type Channel struct {
	now      func() time.Time
	id, name string

	mu       sync.Mutex
	path     string // of the webhook; empty for none
	limited  bool
	archived bool
	left     bool      // the app is no member
	next     time.Time // when the limit allows the next post
	faults   faults
	messages []*Received
	serial   int // of the last message
	calls    []Call
}

// Received is a message as the channel shows it now.
type Received struct {
	At        time.Time
	TS        string // its id within the channel
	Message   *slack.WebhookMessage
	Metadata  *slack.SlackMetadata
	Pings     []string // mentions that woke people when it was posted, such as <!channel>
	Edited    time.Time
	Before    []*slack.WebhookMessage // what it said before each edit, oldest first
	Replies   []Received              // its thread
	Broadcast bool                    // a reply that the channel shows too
}

// New returns a channel of its own whose webhook is at path; now is the time of
// arrival.
func New(path string, now func() time.Time) *Channel {
	return &Channel{path: path, now: now, id: "C0000000000", name: "eks-alerts"}
}

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
	c.faults.script = append(c.faults.script, answers...)
}

// Rotate moves the webhook to another path; the old one is revoked.
func (c *Channel) Rotate(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.path = path
}

// Archive closes the channel: the Web API posts to it no more.
func (c *Channel) Archive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.archived = true
}

// Dismiss takes the app out of the channel, Invite lets it in again.
func (c *Channel) Dismiss() { c.member(false) }

// Invite makes the app a member, as it is when the channel is new.
func (c *Channel) Invite() { c.member(true) }

func (c *Channel) member(is bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = !is
}

// Received is what the channel shows, oldest first, with its threads.
func (c *Channel) Received() []Received {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []Received
	for _, m := range c.messages {
		r := *m
		r.Before, r.Replies = slices.Clone(m.Before), slices.Clone(m.Replies)
		all = append(all, r)
	}
	return all
}

// Woken is how often the channel drew its readers' attention: with every post and
// every broadcast reply. An edit wakes nobody, and a reply only who follows.
func (c *Channel) Woken() int {
	n := 0
	for _, m := range c.Received() {
		n++
		for _, r := range m.Replies {
			if r.Broadcast {
				n++
			}
		}
	}
	return n
}

// Delete takes a message away, with its thread. It reports whether there was one.
func (c *Channel) Delete(ts string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := len(c.messages)
	c.messages = slices.DeleteFunc(c.messages, func(m *Received) bool { return m.TS == ts })
	return len(c.messages) < before
}

// Calls are all requests to the webhook so far, oldest first.
func (c *Channel) Calls() []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

// ServeHTTP answers one post to the webhook.
func (c *Channel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "invalid_payload", http.StatusBadRequest)
		return
	}
	c.answer(r, body).write(w, r)
}

func (c *Channel) answer(r *http.Request, body []byte) Answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.judge(r, body)
	c.calls = append(c.calls, Call{At: c.now(), Status: a.Status, Word: a.Body})
	return a
}

// judge decides under the lock what becomes of a post to the webhook.
func (c *Channel) judge(r *http.Request, body []byte) Answer {
	switch {
	case r.Method != http.MethodPost:
		return Answer{Status: http.StatusBadRequest, Body: "http_method_not_allowed"}
	case c.path == "" || r.URL.Path != c.path:
		return Revoked
	}
	if a, ok := c.faults.next(); ok {
		if m, word := Decode(body); a.Took && word == "" {
			c.show(m, nil)
		}
		return a
	}
	if wait := c.wait(); wait > 0 {
		return Busy(wait)
	}
	if !isJSON(r) {
		return InvalidPayload
	}
	m, word := Decode(body)
	if word != "" {
		return Answer{Status: http.StatusBadRequest, Body: word}
	}
	c.show(m, nil)
	return Answer{Status: http.StatusOK, Body: "ok"}
}

// wait is how long the limit keeps the next post away.
func (c *Channel) wait() time.Duration {
	if !c.limited {
		return 0
	}
	return c.next.Sub(c.now())
}

// arrived makes a message of what was taken, and starts the limit's second.
func (c *Channel) arrived(m *slack.WebhookMessage, about *slack.SlackMetadata) Received {
	now := c.now()
	c.serial++
	c.next = now.Add(time.Second)
	return Received{At: now, TS: fmt.Sprintf("%d.%06d", now.Unix(), c.serial), Message: m, Metadata: about, Pings: pings(m)}
}

func (c *Channel) show(m *slack.WebhookMessage, about *slack.SlackMetadata) (ts string) {
	r := c.arrived(m, about)
	c.messages = append(c.messages, &r)
	return r.TS
}

// find returns the message of that id, in a thread or not; nil when there is none.
func (c *Channel) find(ts string) *Received {
	for _, m := range c.messages {
		if m.TS == ts {
			return m
		}
		for i := range m.Replies {
			if m.Replies[i].TS == ts {
				return &m.Replies[i]
			}
		}
	}
	return nil
}

// parent returns the message that has or begins a thread; nil when there is none.
func (c *Channel) parent(ts string) *Received {
	i := slices.IndexFunc(c.messages, func(m *Received) bool { return m.TS == ts })
	if i < 0 {
		return nil
	}
	return c.messages[i]
}
