package slack

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/slack-go/slack"
)

// Click is a person's press of a button.
type Click struct {
	Channel, TS string // the message that it stands in
	Action      string // action_id of the button
	User, Name  string // id and name of who pressed
}

// Press sends a click to the app's request URL and returns the status of its
// answer.
func (w *Workspace) Press(ctx context.Context, client *http.Client, to string, c Click) (int, error) {
	header, body, err := w.Pressed(c)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("send the press of %s: %w", c.Action, err)
	}
	req.Header = header
	resp, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("send the press of %s: %w", c.Action, err)
	}
	return resp.StatusCode, resp.Body.Close()
}

// Pressed is the request that Slack makes of a click, signed now. It fails when
// the message or the button is not there: nobody could have pressed it.
// https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
func (w *Workspace) Pressed(c Click) (http.Header, []byte, error) {
	button, err := w.button(c)
	if err != nil {
		return nil, nil, err
	}
	payload, err := json.Marshal(map[string]any{
		"type": "block_actions", "team": map[string]string{"id": w.Team}, "channel": map[string]string{"id": c.Channel},
		"user":      map[string]string{"id": c.User, "username": c.Name, "name": c.Name, "team_id": w.Team},
		"container": map[string]string{"type": "message", "channel_id": c.Channel, "message_ts": c.TS},
		"actions":   []map[string]string{{"type": "button", "block_id": "of the stand-in", "action_id": button.ActionID, "value": button.Value}},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("encode the press of %s: %w", c.Action, err)
	}
	body := []byte(url.Values{"payload": {string(payload)}}.Encode())
	header := sign(w.Signing, w.now(), body)
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	return header, body, nil
}

// button finds what is pressed in the message as it is now.
func (w *Workspace) button(c Click) (*slack.ButtonBlockElement, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, channel := range w.channels {
		if channel.id != c.Channel {
			continue
		}
		channel.mu.Lock()
		defer channel.mu.Unlock()
		if m := channel.find(c.TS); m != nil {
			for _, b := range buttonsOf(m.Message) {
				if b.ActionID == c.Action {
					return b, nil
				}
			}
		}
	}
	return nil, fmt.Errorf("channel %s shows no button %s in a message %s", c.Channel, c.Action, c.TS)
}

// sign returns the headers with which Slack vouches for a body:
// https://docs.slack.dev/authentication/verifying-requests-from-slack
func sign(secret string, at time.Time, body []byte) http.Header {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + stamp + ":"))
	mac.Write(body)
	return http.Header{
		"X-Slack-Request-Timestamp": {stamp},
		"X-Slack-Signature":         {"v0=" + hex.EncodeToString(mac.Sum(nil))},
	}
}
