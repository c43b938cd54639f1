package slack

import (
	"context"

	"github.com/eks-steward/eks-steward/internal/notify"
)

// Access is what the secret of a deployment opens: the address of an incoming
// webhook leads to one place, the token of a bot to every channel that its app is
// a member of.
type Access struct {
	Secret  Address
	API     string // https://slack.com/api where it is empty
	Buttons bool   // as in Webhook
}

// Token reports whether the secret holds the token of a bot.
func (a Access) Token(ctx context.Context) (bool, error) {
	value, err := a.Secret.Value(ctx)
	return IsToken(value), err
}

// Webhook is the one place of an incoming webhook.
func (a Access) Webhook() notify.Channel {
	w := New(a.Secret)
	w.Buttons = a.Buttons
	return w
}

// Channel is a channel of Slack, by its id.
func (a Access) Channel(id string) notify.Channel {
	b := NewBot(a.Secret, id)
	b.Buttons = a.Buttons
	if a.API != "" {
		b.API = a.API
	}
	return b
}
