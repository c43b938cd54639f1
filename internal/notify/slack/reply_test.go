package slack_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/internal/notify/slack"
)

// wire answers in the place of Slack, whatever the host's name is.
type wire func(*http.Request) (*http.Response, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

const responseURL = "https://hooks.slack.com/actions/T0000/1/CANARY"

// replier answers over a wire that says status, and keeps what it was sent.
func replier(status int) (*slack.Replier, *[]map[string]any) {
	var sent []map[string]any
	r := slack.NewReplier()
	r.Client.Transport = wire(func(req *http.Request) (*http.Response, error) {
		var m map[string]any
		if err := json.NewDecoder(req.Body).Decode(&m); err != nil {
			return nil, err
		}
		sent = append(sent, m)
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("ok")), Request: req, Header: http.Header{}}, nil
	})
	return r, &sent
}

func TestAReplyIsForAllOrForOneAndLeavesTheMessage(t *testing.T) {
	for everybody, want := range map[bool]string{true: "in_channel", false: "ephemeral"} {
		r, sent := replier(http.StatusOK)
		if err := r.Reply(t.Context(), responseURL, "Approved by <!channel> & alice", everybody); err != nil {
			t.Fatal(err)
		}
		if m := (*sent)[0]; m["response_type"] != want || m["replace_original"] != false || m["text"] != "Approved by &lt;!channel&gt; &amp; alice" {
			t.Errorf("sent %v", m)
		}
	}
}

func TestAReplyGoesToSlackOnly(t *testing.T) {
	for _, address := range []string{
		"", "http://hooks.slack.com/actions/CANARY", "https://example.com/CANARY", "https://slack.com.example.com/CANARY", "https://notslack.com/CANARY",
		"https://CANARY@hooks.slack.com/", "https://127.0.0.1/CANARY", "https://169.254.169.254/CANARY?.slack.com", "https://hooks.slack.com\x7f/CANARY",
	} {
		r, sent := replier(http.StatusOK)
		err := r.Reply(t.Context(), address, "x", true)
		if err == nil || len(*sent) > 0 {
			t.Errorf("%s: sent %v", address, *sent)
		}
		silent(t, err)
	}
	for _, address := range []string{responseURL, "https://hooks.slack-gov.com/actions/1"} {
		r, sent := replier(http.StatusOK)
		if err := r.Reply(t.Context(), address, "x", true); err != nil || len(*sent) != 1 {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestAReplyThatFailsDoesNotShowItsAddress(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusFound, http.StatusInternalServerError} {
		r, _ := replier(status)
		err := r.Reply(t.Context(), responseURL, "x", false)
		if err == nil {
			t.Errorf("%d is taken for success", status)
		}
		silent(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := slack.NewReplier()
	r.Client.Transport = wire(func(req *http.Request) (*http.Response, error) { return nil, req.Context().Err() })
	err := r.Reply(ctx, responseURL, "x", false)
	if err == nil {
		t.Error("nobody answered, and it is taken for success")
	}
	silent(t, err)
}
