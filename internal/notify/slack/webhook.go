package slack

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/eks-steward/eks-steward/internal/notify"
)

// Webhook posts to the one channel of an incoming webhook. It satisfies
// notify.Channel.
type Webhook struct {
	Address Address
	Client  *http.Client
	Now     func() time.Time // reads a Retry-After that is a date
	Buttons bool             // somebody listens when one is pressed: the function approve has a Function URL that Slack knows
}

var _ notify.Channel = (*Webhook)(nil)

// New returns a webhook with a client fit for Slack.
func New(a Address) *Webhook { return &Webhook{Address: a, Now: time.Now, Client: newClient()} }

// Post renders and posts a message, which stays as it is: a webhook says nothing
// about where it stands.
func (w *Webhook) Post(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	body, err := json.Marshal(Render(m, w.Buttons))
	if err != nil {
		return "", &notify.Refused{Reason: "the message cannot be encoded: " + err.Error()}
	}
	return "", withSecret(ctx, w.Address, "the address of a working webhook", func(address string) error {
		return w.post(ctx, address, body)
	})
}

func (w *Webhook) post(ctx context.Context, address string, body []byte) error {
	if !private(address) {
		return &goneError{reason: "the secret does not hold the address of a webhook: want https://hooks.slack.com/services/ and three codes"}
	}
	a, err := send(ctx, w.Client, address, "", body)
	if err != nil {
		return err
	}
	return w.judge(a)
}

// judge turns Slack's answer into what it means for the message. Slack takes a
// message with 200 and the body "ok"; anything else with 200 comes from a proxy.
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
func (w *Webhook) judge(a answer) error {
	if err := a.trouble(w.Now()); err != nil {
		return err
	}
	switch a.status {
	case http.StatusOK:
		if string(a.body) == "ok" {
			return nil
		}
	case http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		return &goneError{reason: a.String()}
	}
	return &notify.Refused{Reason: a.String()}
}
