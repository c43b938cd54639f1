package slack

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"
)

// Workspace is a workspace with one app: its bot calls the Web API, its channels
// may have webhooks. Its methods may be called while it serves.
type Workspace struct {
	Team    string // id
	Signing string // the app's signing secret

	now func() time.Time

	mu       sync.Mutex
	token    string
	channels []*Channel
	limited  bool
	updates  []time.Time // of the last minute
	faults   faults
	calls    []Call
}

// NewWorkspace returns a workspace without channels, whose bot has that token.
func NewWorkspace(token string, now func() time.Time) *Workspace {
	return &Workspace{Team: "T0000000000", Signing: "signing secret of the stand-in", token: token, now: now}
}

// Open adds a channel that the app is a member of. path is where its incoming
// webhook is, and may be empty.
func (w *Workspace) Open(id, name, path string) *Channel {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := &Channel{now: w.now, id: id, name: name, path: path, limited: w.limited}
	w.channels = append(w.channels, c)
	return c
}

// Limit holds every channel and every method to the pace that Slack documents:
// https://docs.slack.dev/apis/web-api/rate-limits
func (w *Workspace) Limit() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limited = true
	for _, c := range w.channels {
		c.Limit()
	}
}

// Rotate gives the bot another token; the old one is revoked.
func (w *Workspace) Rotate(token string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.token = token
}

// Script answers the next requests, whatever they are, in this order.
func (w *Workspace) Script(answers ...Answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults.script = append(w.faults.script, answers...)
}

// Break answers every request with a until Mend.
func (w *Workspace) Break(a Answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults.broken = &a
}

// Mend ends what Break began.
func (w *Workspace) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults.broken = nil
}

// Calls are all calls of the Web API so far, oldest first.
func (w *Workspace) Calls() []Call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

// ServeHTTP answers the Web API below /api/ and the webhooks of the channels.
func (w *Workspace) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
	if err != nil {
		http.Error(rw, "invalid_payload", http.StatusBadRequest)
		return
	}
	w.answer(r, body).write(rw, r)
}

func (w *Workspace) answer(r *http.Request, body []byte) Answer {
	w.mu.Lock()
	defer w.mu.Unlock()
	fault, faulty := w.faults.next()
	method, api := strings.CutPrefix(r.URL.Path, "/api/")
	switch {
	case !api && faulty:
		return fault
	case !api:
		return w.hook(r, body)
	case !faulty:
		fault = w.judge(method, r, body)
	case fault.Took:
		w.judge(method, r, body) // arrives, but nobody hears that it did
	}
	w.calls = append(w.calls, Call{At: w.now(), Method: method, Status: fault.Status, Word: fault.word()})
	return fault
}

// hook hands a post on to the channel whose webhook it is for.
func (w *Workspace) hook(r *http.Request, body []byte) Answer {
	for _, c := range w.channels {
		if c.hears(r.URL.Path) {
			return c.answer(r, body)
		}
	}
	return Revoked
}

func (c *Channel) hears(path string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.path != "" && c.path == path
}

// arguments are those of both methods, beside the message itself.
type arguments struct {
	Channel   string               `json:"channel"`
	TS        string               `json:"ts"`
	Thread    string               `json:"thread_ts"`
	Broadcast bool                 `json:"reply_broadcast"`
	Metadata  *slack.SlackMetadata `json:"metadata"`
}

// judge decides under the lock what becomes of a call.
func (w *Workspace) judge(method string, r *http.Request, body []byte) Answer {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	var args arguments
	switch {
	case r.Method != http.MethodPost || !isJSON(r):
		return Failure("invalid_post_type")
	case !bearer || token == "":
		return Failure("not_authed")
	case token != w.token:
		return Failure("invalid_auth")
	case json.Unmarshal(body, &args) != nil:
		return Failure("invalid_json")
	}
	i := slices.IndexFunc(w.channels, func(c *Channel) bool { return c.id == args.Channel })
	if i < 0 {
		return Failure("channel_not_found")
	}
	c := w.channels[i]
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case method == "chat.postMessage":
		return c.post(args, body)
	case method != "chat.update":
		return Failure("unknown_method")
	}
	if wait := w.tier3(); wait > 0 {
		return Busy(wait)
	}
	return c.update(args, body)
}

// tier is how many calls of a method of tier 3 a workspace may make in a minute.
const tier = 50

// tier3 counts an update, or says how long it has to wait.
func (w *Workspace) tier3() time.Duration {
	now := w.now()
	w.updates = slices.DeleteFunc(w.updates, func(t time.Time) bool { return now.Sub(t) >= time.Minute })
	if w.limited && len(w.updates) >= tier {
		return w.updates[0].Add(time.Minute).Sub(now)
	}
	w.updates = append(w.updates, now)
	return 0
}

// open is Slack's word for why the channel takes nothing, and else empty.
func (c *Channel) open() string {
	switch {
	case c.archived:
		return "is_archived"
	case c.left:
		return "not_in_channel"
	}
	return ""
}

// read holds a message against Slack's limits.
func (args arguments) read(body []byte) (*slack.WebhookMessage, string) {
	m, word := Decode(body)
	if word == "" && args.Metadata != nil && (args.Metadata.EventType == "" || args.Metadata.EventPayload == nil) {
		word = "invalid_metadata_format"
	}
	return m, word
}

func (c *Channel) post(args arguments, body []byte) Answer {
	if word := c.open(); word != "" {
		return Failure(word)
	}
	if wait := c.wait(); wait > 0 {
		return Busy(wait)
	}
	m, word := args.read(body)
	if word != "" {
		return Failure(word)
	}
	if args.Thread == "" {
		return c.done(c.show(m, args.Metadata))
	}
	parent := c.parent(args.Thread)
	if parent == nil {
		return Failure("thread_not_found")
	}
	r := c.arrived(m, args.Metadata)
	r.Broadcast = args.Broadcast
	parent.Replies = append(parent.Replies, r)
	return c.done(r.TS)
}

func (c *Channel) update(args arguments, body []byte) Answer {
	if word := c.open(); word != "" {
		return Failure(word)
	}
	m, word := args.read(body)
	if word != "" {
		return Failure(word)
	}
	r := c.find(args.TS)
	if r == nil {
		return Failure("message_not_found")
	}
	r.Before = append(r.Before, r.Message)
	r.Message, r.Edited = m, c.now()
	if args.Metadata != nil {
		r.Metadata = args.Metadata
	}
	return c.done(r.TS)
}

func (c *Channel) done(ts string) Answer {
	return Answer{Status: http.StatusOK, Body: fmt.Sprintf(`{"ok":true,"channel":%q,"ts":%q}`, c.id, ts)}
}
