package slack_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/notify"
	"github.com/eks-steward/eks-steward/internal/notify/notifytest"
	"github.com/eks-steward/eks-steward/internal/notify/slack"
	stand "github.com/eks-steward/eks-steward/internal/sim/slack"
)

// botToken is a token that must never be shown.
const botToken = "xoxb-1-CANARY"

// bot is a bot whose requests all reach a workspace with one channel.
func bot(t *testing.T) (*slack.Bot, *secret, *stand.Workspace, *stand.Channel) {
	t.Helper()
	w := stand.NewWorkspace(botToken, now)
	c := w.Open("C0123", "eks-alerts", "")
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	s := &secret{value: botToken}
	b := slack.NewBot(s, "C0123")
	b.API, b.Now = server.URL+"/api", now
	return b, s, w, c
}

// post puts the usual message up.
func post(t *testing.T, b *slack.Bot) notify.Receipt {
	t.Helper()
	receipt, err := b.Post(t.Context(), critical())
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

func TestALifeIsOneMessageWithItsThread(t *testing.T) {
	b, _, w, c := bot(t)
	receipt := post(t, b)
	worse := about(notify.Changed, notifytest.Full("prod", fleet.Warning), notifytest.Full("prod", fleet.Critical))
	reminder := about(notify.Reminder, notifytest.Full("prod", fleet.Critical))
	reminder.Broadcast = true
	over := about(notify.Resolved, notifytest.Full("prod", fleet.Critical), notifytest.Passing("prod"))
	for _, err := range []error{
		b.Update(t.Context(), receipt, worse), b.Reply(t.Context(), receipt, worse),
		b.Reply(t.Context(), receipt, reminder),
		b.Update(t.Context(), receipt, over), b.Reply(t.Context(), receipt, over),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got := c.Received()
	if len(got) != 1 || len(got[0].Before) != 2 || len(got[0].Replies) != 3 || c.Woken() != 2 || len(w.Calls()) != 6 {
		t.Fatalf("%d messages, woken %d times, %v", len(got), c.Woken(), w.Calls())
	}
	if text := got[0].Message.Text; text != "🟢 RESOLVED: etcd of prod is 40 % full" {
		t.Errorf("the message reads %q", text)
	}
	for i, reply := range got[0].Replies {
		if reply.Broadcast != (i == 1) {
			t.Errorf("reply %d is broadcast: %t", i, reply.Broadcast)
		}
	}
	meta := got[0].Metadata
	if meta == nil || meta.EventType != "eks_steward_incident" || meta.EventPayload["incident"] != over.Notices[0].Incident.ID() || meta.EventPayload["revision"] != 2.0 {
		t.Errorf("metadata %+v", meta)
	}
}

func TestAListSaysOfNoSingleIncidentThatItIsAboutIt(t *testing.T) {
	b, _, _, c := bot(t)
	if _, err := b.Post(t.Context(), notify.Message{Kind: notify.Daily, Notices: critical().Notices}); err != nil {
		t.Fatal(err)
	}
	if meta := c.Received()[0].Metadata; meta != nil {
		t.Errorf("metadata %+v", meta)
	}
}

func TestAMessageThatIsGoneIsLost(t *testing.T) {
	lost := func(t *testing.T, b *slack.Bot, r notify.Receipt) {
		t.Helper()
		for what, err := range map[string]error{"update": b.Update(t.Context(), r, critical()), "reply": b.Reply(t.Context(), r, critical())} {
			if gone := (*notify.Lost)(nil); !errors.As(err, &gone) {
				t.Errorf("%s of %q: %v", what, r, err)
			}
		}
	}
	t.Run("since somebody deleted it", func(t *testing.T) {
		b, _, _, c := bot(t)
		receipt := post(t, b)
		_, ts, _ := strings.Cut(string(receipt), "/")
		if !c.Delete(ts) {
			t.Fatalf("no message %s", ts)
		}
		lost(t, b, receipt)
		if len(c.Received()) > 0 {
			t.Error("something was posted all the same")
		}
	})
	t.Run("since its receipt is of another kind of place", func(t *testing.T) {
		b, _, w, _ := bot(t)
		for _, r := range []notify.Receipt{"", "C0123", "/", "C0123/", "/1.2"} {
			lost(t, b, r)
		}
		if calls := w.Calls(); len(calls) > 0 {
			t.Errorf("Slack was asked: %v", calls)
		}
	})
	for _, said := range []string{"cant_update_message", "edit_window_closed", "cannot_reply_to_message", "thread_not_found"} {
		t.Run("since Slack says "+said, func(t *testing.T) {
			b, _, w, _ := bot(t)
			receipt := post(t, b)
			w.Script(stand.Failure(said), stand.Failure(said))
			lost(t, b, receipt)
		})
	}
}

func TestFault_48_ABotWaitsAsLongAsItIsAskedTo(t *testing.T) {
	for name, c := range map[string]struct {
		answer stand.Answer
		want   time.Duration
	}{
		"a status 429":          {stand.Busy(30 * time.Second), 30 * time.Second},
		"the word ratelimited":  {stand.Failure("ratelimited"), time.Second},
		"the word rate_limited": {stand.Answer{Status: http.StatusOK, Body: `{"ok":false,"error":"rate_limited"}`, RetryAfter: "7"}, 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			b, _, w, _ := bot(t)
			w.Script(c.answer)
			var busy *notify.Busy
			if _, err := b.Post(t.Context(), critical()); !errors.As(err, &busy) || busy.After != c.want {
				t.Errorf("got %v, want to wait %s", err, c.want)
			}
		})
	}
	b, _, w, _ := bot(t)
	w.Limit()
	post(t, b)
	var busy *notify.Busy
	if _, err := b.Post(t.Context(), critical()); !errors.As(err, &busy) || busy.After != time.Second {
		t.Errorf("a second message at once: %v", err)
	}
}

func TestFault_49_TheWordsOfTheWebAPIAreToldApart(t *testing.T) {
	answer := func(status int, body string) stand.Answer { return stand.Answer{Status: status, Body: body} }
	for name, c := range map[string]struct {
		answer  stand.Answer
		refused string // part of the reason; empty when trying again may help
	}{
		"an outage":                          {stand.Outage, ""},
		"a timeout":                          {stand.Timeout, ""},
		"an error of Slack's own":            {stand.Failure("internal_error"), ""},
		"an error of Slack's own, fatal":     {stand.Failure("fatal_error"), ""},
		"a page of HTML with 200":            {stand.HTML, ""},
		"JSON of somebody else with 200":     {answer(http.StatusOK, `{"status":"up"}`), ""},
		"an answer that broke off":           {answer(http.StatusOK, `{"ok":tr`), ""},
		"a channel that is not there":        {stand.Failure("channel_not_found"), "/invite"},
		"a channel without the app":          {stand.Failure("not_in_channel"), "/invite"},
		"a channel that is archived":         {stand.Failure("is_archived"), "is_archived for channel C0123: name another channel"},
		"a channel that few may post in":     {stand.Failure("restricted_action"), "allow the app to post"},
		"an app without the scope":           {stand.Failure("missing_scope"), "chat:write"},
		"blocks that are invalid":            {stand.Failure("invalid_blocks"), "invalid_blocks"},
		"a message that is too long":         {stand.Failure("msg_too_long"), "msg_too_long"},
		"an answer that repeats the token":   {stand.Failure(botToken), "not Slack's own words"},
		"a page that is forbidden":           {answer(http.StatusForbidden, "no "+botToken), "answer 403 (not Slack's own words)"},
		"a redirect":                         {answer(http.StatusFound, "moved"), "answer 302"},
		"a word with a status that is wrong": {answer(http.StatusBadRequest, `{"ok":false,"error":"invalid_blocks"}`), "invalid_blocks"},
	} {
		t.Run(name, func(t *testing.T) {
			b, _, w, channel := bot(t)
			w.Script(c.answer)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.answer.Hang {
				b.Client.Transport = wire(func(*http.Request) (*http.Response, error) { cancel(); return nil, ctx.Err() })
			}
			receipt, err := b.Post(ctx, critical())
			silent(t, err)
			var (
				refused *notify.Refused
				down    *notify.Down
			)
			switch {
			case receipt != "" || len(channel.Received()) > 0:
				t.Errorf("it arrived: %s", receipt)
			case c.refused == "" && !errors.As(err, &down):
				t.Errorf("got %T %v, want one that says to try again", err, err)
			case c.refused != "" && (!errors.As(err, &refused) || !strings.Contains(refused.Reason, c.refused)):
				t.Errorf("got %T %v, want a refusal with %s", err, err, c.refused)
			}
		})
	}
}

func TestFault_55_ARotatedTokenIsLookedUpOnceMore(t *testing.T) {
	for _, said := range []string{"invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive"} {
		t.Run("and found after "+said, func(t *testing.T) {
			b, s, w, c := bot(t)
			w.Script(stand.Failure(said))
			w.Rotate(botToken + "2")
			s.fresh = botToken + "2"
			if _, err := b.Post(t.Context(), critical()); err != nil || s.refreshed != 1 || len(c.Received()) != 1 {
				t.Errorf("error %v, refreshed %d times", err, s.refreshed)
			}
		})
	}
	t.Run("and is still revoked", func(t *testing.T) {
		b, s, w, _ := bot(t)
		w.Rotate(botToken + "2")
		var refused *notify.Refused
		_, err := b.Post(t.Context(), critical())
		silent(t, err)
		if !errors.As(err, &refused) || !strings.Contains(refused.Reason, "invalid_auth: store") || s.refreshed != 1 || len(w.Calls()) != 1 {
			t.Errorf("error %v, refreshed %d times, %v", err, s.refreshed, w.Calls())
		}
	})
	t.Run("and cannot be read", func(t *testing.T) {
		b, s, _, _ := bot(t)
		s.err = errors.New("read secret slack: access denied")
		var down *notify.Down
		if _, err := b.Post(t.Context(), critical()); !errors.As(err, &down) || !strings.Contains(err.Error(), "access denied") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("and is no token at all", func(t *testing.T) {
		b, s, w, _ := bot(t)
		s.value = "https://hooks.invalid" + canary
		_, err := b.Post(t.Context(), critical())
		silent(t, err)
		var refused *notify.Refused
		if !errors.As(err, &refused) || len(w.Calls()) > 0 {
			t.Errorf("error %v, %v", err, w.Calls())
		}
	})
}

func TestATokenIsKeptOffTheOpenNetwork(t *testing.T) {
	b, _, w, _ := bot(t)
	b.API = "http://hooks.invalid/api"
	_, err := b.Post(t.Context(), critical())
	silent(t, err)
	var refused *notify.Refused
	if !errors.As(err, &refused) || len(w.Calls()) > 0 {
		t.Errorf("error %v, %v", err, w.Calls())
	}
}

func TestATokenIsToldFromAWebhook(t *testing.T) {
	for secret, want := range map[string]bool{
		"xoxb-1-2-abcDEF": true, "xoxb-": false, "xoxp-1-2-abc": false, "xoxb-1\n": false, "xoxb-1 2": false, "": false,
		"https://hooks.slack.com/services/T0/B0/xoxb-1": false,
	} {
		if got := slack.IsToken(secret); got != want {
			t.Errorf("%q: %t", secret, got)
		}
	}
}

func TestASecretOpensAWebhookOrTheChannelsOfABot(t *testing.T) {
	w := stand.NewWorkspace(botToken, now)
	hooked, joined := w.Open("C0123", "hooked", canary), w.Open("C0456", "joined", "")
	server := httptest.NewServer(w)
	defer server.Close()
	for value, token := range map[string]bool{server.URL + canary: false, botToken: true} {
		access := slack.Access{Secret: &secret{value: value}, API: server.URL + "/api"}
		got, err := access.Token(t.Context())
		if err != nil || got != token {
			t.Errorf("taken for a token: %t, %v", got, err)
		}
		channel := access.Webhook()
		if token {
			channel = access.Channel("C0456")
		}
		if _, err := channel.Post(t.Context(), critical()); err != nil {
			t.Error(err)
		}
	}
	if len(hooked.Received()) != 1 || len(joined.Received()) != 1 {
		t.Errorf("%d by webhook, %d by the bot", len(hooked.Received()), len(joined.Received()))
	}
	unread := errors.New("access denied")
	if _, err := (slack.Access{Secret: &secret{err: unread}}).Token(t.Context()); !errors.Is(err, unread) {
		t.Errorf("a secret that cannot be read: %v", err)
	}
}
