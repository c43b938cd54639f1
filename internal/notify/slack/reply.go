package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxReply is in characters; an answer is a sentence or two.
const maxReply = 1000

// Replier answers whoever pressed a button.
type Replier struct{ Client *http.Client }

// NewReplier returns one that gives up before a run of the function ends.
func NewReplier() *Replier {
	client := newClient()
	client.Timeout = 2 * time.Second
	return &Replier{Client: client}
}

// Reply posts a text at the address that Slack sent with the press, which works
// five times within 30 minutes: to everybody in the channel, or only to the one
// who pressed. The message with the button stays as it is. No error shows the
// address, since whoever has it can post.
// https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
func (r *Replier) Reply(ctx context.Context, address, text string, everybody bool) error {
	if !isSlack(address) {
		return errors.New("the address to answer at is not Slack's")
	}
	kind := "ephemeral"
	if everybody {
		kind = "in_channel"
	}
	body, err := json.Marshal(map[string]any{"response_type": kind, "replace_original": false, "text": clip(text, maxReply)})
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	got, err := send(ctx, r.Client, address, "", body)
	if err != nil {
		return err
	}
	if got.status != http.StatusOK {
		return fmt.Errorf("answer %d", got.status)
	}
	return nil
}

// isSlack is true of the addresses of Slack and of its GovSlack.
func isSlack(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.User != nil || u.Scheme != "https" {
		return false
	}
	return strings.HasSuffix(u.Hostname(), ".slack.com") || strings.HasSuffix(u.Hostname(), ".slack-gov.com")
}
