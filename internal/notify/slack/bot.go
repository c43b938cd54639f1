package slack

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/notify"
)

// webAPI is where Slack takes calls of its methods.
const webAPI = "https://slack.com/api"

// Bot posts to one channel through the Web API, changes what it posted and
// answers in its threads. It satisfies notify.Editor. Its app needs the scope
// chat:write and must be a member of the channel; it reads nothing.
type Bot struct {
	Token   Address
	Channel string // id, such as C0123456789
	API     string // https://slack.com/api but in tests
	Client  *http.Client
	Now     func() time.Time // reads a Retry-After that is a date
	Buttons bool             // as in Webhook
}

var _ notify.Editor = (*Bot)(nil)

// NewBot returns a bot in a channel, with a client fit for Slack.
func NewBot(token Address, channel string) *Bot {
	return &Bot{Token: token, Channel: channel, API: webAPI, Now: time.Now, Client: newClient()}
}

// IsToken tells the token of a bot from the address of a webhook.
func IsToken(secret string) bool {
	rest, found := strings.CutPrefix(secret, "xoxb-")
	plain := strings.Trim(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
	return found && rest != "" && plain
}

// Post puts a message up. Slack documents no token by which it would drop a
// second one, so that a message whose answer is lost can come twice; its metadata
// tell which incident and revision each is about.
// https://docs.slack.dev/reference/methods/chat.postMessage
func (b *Bot) Post(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	return b.call(ctx, "chat.postMessage", post{text: text{b.Channel, Render(m, b.Buttons), about(m)}})
}

// Update puts m in the place of an earlier message, and wakes nobody.
// https://docs.slack.dev/reference/methods/chat.update
func (b *Bot) Update(ctx context.Context, earlier notify.Receipt, m notify.Message) error {
	channel, ts, err := place(earlier)
	if err != nil {
		return err
	}
	_, err = b.call(ctx, "chat.update", change{text: text{channel, Render(m, b.Buttons), about(m)}, TS: ts})
	return err
}

// Reply says m in the thread of an earlier message, and in the channel too where
// m is to be broadcast.
func (b *Bot) Reply(ctx context.Context, earlier notify.Receipt, m notify.Message) error {
	channel, ts, err := place(earlier)
	if err != nil {
		return err
	}
	_, err = b.call(ctx, "chat.postMessage", post{
		text: text{channel, RenderReply(m, b.Buttons), about(m)}, Thread: ts, Broadcast: m.Broadcast,
	})
	return err
}

// A receipt is the id of the channel, a slash, and the message's time stamp, which
// is its id within the channel.
func receipt(channel, ts string) notify.Receipt {
	if channel == "" || ts == "" {
		return "" // it stands somewhere, and nobody can say where
	}
	return notify.Receipt(channel + "/" + ts)
}

// place reads a receipt. One that is not of this kind of channel leads nowhere.
func place(r notify.Receipt) (channel, ts string, err error) {
	channel, ts, found := strings.Cut(string(r), "/")
	if !found || channel == "" || ts == "" {
		return "", "", &notify.Lost{}
	}
	return channel, ts, nil
}

// text are the arguments of both methods.
type text struct {
	Channel string `json:"channel"`
	Payload
	Metadata *metadata `json:"metadata,omitempty"`
}

// post are the arguments of chat.postMessage.
type post struct {
	text
	Thread    string `json:"thread_ts,omitempty"` // of the message to answer
	Broadcast bool   `json:"reply_broadcast,omitempty"`
	// Previews of what a text mentions would bury it.
	UnfurlLinks bool `json:"unfurl_links"`
	UnfurlMedia bool `json:"unfurl_media"`
}

// change are the arguments of chat.update.
type change struct {
	text
	TS string `json:"ts"` // of the message to change
}

// metadata is what machines can read of a message:
// https://docs.slack.dev/messaging/message-metadata
type metadata struct {
	Type    string `json:"event_type"`
	Payload struct {
		Incident string `json:"incident"`
		Revision int    `json:"revision"`
	} `json:"event_payload"`
}

// maxID is in bytes, and far above any incident's id: Slack refuses a message
// whose metadata it finds too large, and does not say how large that is.
const maxID = 1000

// about names the incident of a message that is about one.
func about(m notify.Message) *metadata {
	n, ok := alone(m)
	if !ok || len(n.Incident.ID()) > maxID {
		return nil
	}
	about := metadata{Type: "eks_steward_incident"}
	about.Payload.Incident = n.Incident.ID()
	about.Payload.Revision = n.Incident.Revision
	return &about
}

// call calls a method with the token, and once more with a fresh one where Slack
// does not know it.
func (b *Bot) call(ctx context.Context, method string, arguments any) (r notify.Receipt, err error) {
	body, err := json.Marshal(arguments)
	if err != nil {
		return "", &notify.Refused{Reason: "the message cannot be encoded: " + err.Error()}
	}
	address := b.API + "/" + method
	if !private(address) {
		return "", &notify.Refused{Reason: "Slack's API is only called over https"}
	}
	err = withSecret(ctx, b.Token, "the bot token of an app that is installed", func(token string) (err error) {
		if !IsToken(token) {
			return &goneError{reason: "the secret does not hold the token of a bot: want xoxb- and its codes"}
		}
		a, err := send(ctx, b.Client, address, token, body)
		if err == nil {
			r, err = b.judge(a)
		}
		return err
	})
	return r, err
}

// judge turns Slack's answer into what it means for the message. The Web API
// answers with 200 whether it took a message or not; what is not its JSON comes
// from a proxy, or from a Slack that is down.
func (b *Bot) judge(a answer) (notify.Receipt, error) {
	if err := a.trouble(b.Now()); err != nil {
		return "", err
	}
	var said struct {
		OK      bool   `json:"ok"`
		Error   string `json:"error"`
		Channel string `json:"channel"`
		TS      string `json:"ts"`
	}
	err := json.Unmarshal(a.body, &said)
	switch {
	case (err != nil || !said.OK && said.Error == "") && a.status == http.StatusOK:
		return "", &notify.Down{Err: errors.New(a.String())}
	case err != nil || !said.OK && said.Error == "":
		return "", &notify.Refused{Reason: a.String()}
	case said.OK:
		return receipt(said.Channel, said.TS), nil
	}
	return "", b.meaning(said.Error, retryAfter(a.retryAfter, b.Now()))
}

// meaning of the words with which Slack does not take a message. The methods'
// pages list them; a word that is not known here is a refusal.
func (b *Bot) meaning(said string, wait time.Duration) error {
	switch said {
	case "ratelimited", "rate_limited", "message_limit_exceeded":
		return &notify.Busy{After: wait}
	case "message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found", "cannot_reply_to_message":
		return &notify.Lost{}
	case "fatal_error", "internal_error", "service_unavailable", "request_timeout", "update_failed", "team_added_to_org":
		return &notify.Down{Err: errors.New(said)}
	case "invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive":
		return &goneError{reason: said}
	case "channel_not_found", "not_in_channel":
		return b.refused(said, "invite the app: type /invite and its name in the channel, or correct the channel's id in the configuration")
	case "is_archived":
		return b.refused(said, "name another channel in the configuration, or take this one out of the archive")
	case "missing_scope", "not_allowed_token_type", "no_permission":
		return b.refused(said, "give the app the bot scope chat:write and install it again")
	case "restricted_action", "restricted_action_read_only_channel", "restricted_action_thread_only_channel":
		return b.refused(said, "allow the app to post in the channel: its settings leave that to some members")
	}
	return &notify.Refused{Reason: word(said)}
}

func (b *Bot) refused(said, advice string) error {
	return &notify.Refused{Reason: said + " for channel " + clip(b.Channel, label) + ": " + advice}
}
