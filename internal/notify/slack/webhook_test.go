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

// canary is the secret part of the webhook's address.
const canary = "/services/T0000/B0000/CANARYcanary"

// secret is an address that may have been rotated since it was read.
type secret struct {
	value, fresh string
	err          error
	refreshed    int
}

func (s *secret) Value(context.Context) (string, error) { return s.value, s.err }

func (s *secret) Refresh(context.Context) (string, error) {
	s.refreshed++
	if s.fresh != "" {
		s.value = s.fresh
	}
	return s.value, s.err
}

func now() time.Time { return notifytest.Start }

func critical() notify.Message {
	return notify.Message{Kind: notify.Opened, Notices: []notify.Notice{
		{Kind: notify.Opened, Incident: notifytest.Life(notifytest.Full("prod", fleet.Critical))},
	}}
}

// webhook is a webhook whose requests all reach h.
func webhook(t *testing.T, h http.Handler) (*slack.Webhook, *secret) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	s := &secret{value: server.URL + canary}
	w := slack.New(s)
	w.Now = now
	return w, s
}

// silent fails when an error shows the address, or a part of it.
func silent(t *testing.T, err error) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		for _, part := range []string{"CANARY", "T0000", "127.0.0.1", "hooks.invalid"} {
			if strings.Contains(e.Error(), part) {
				t.Errorf("%q shows %q", e, part)
			}
		}
	}
}

func TestAMessageArrives(t *testing.T) {
	c := stand.New(canary, now)
	w, _ := webhook(t, c)
	if _, err := w.Post(t.Context(), critical()); err != nil {
		t.Fatal(err)
	}
	got := c.Received()
	if len(got) != 1 || len(got[0].Pings) != 0 || got[0].Message.Text != "🔴 CRITICAL: etcd of prod is 87 % full" {
		t.Errorf("received %+v", got)
	}
}

func TestFault_48_RetryAfterIsReadAsSecondsOrAsADate(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"30":                            30 * time.Second,
		"Fri, 20 Nov 2026 02:15:45 GMT": 45 * time.Second,
		"Fri, 20 Nov 2026 02:00:00 GMT": time.Second, // in the past
		"":                              time.Second,
		"soon":                          time.Second,
		"-5":                            time.Second,
		"999999999999":                  time.Hour,
	} {
		c := stand.New(canary, now)
		c.Script(stand.Answer{Status: http.StatusTooManyRequests, Body: "rate_limited", RetryAfter: header})
		w, _ := webhook(t, c)
		var busy *notify.Busy
		if _, err := w.Post(t.Context(), critical()); !errors.As(err, &busy) || busy.After != want {
			t.Errorf("%q: got %v, want to wait %s", header, err, want)
		}
	}
}

func TestFault_49_AnswersAreToldApart(t *testing.T) {
	for name, c := range map[string]struct {
		answer  stand.Answer
		refused string // Slack's word; empty when trying again may help
	}{
		"an outage":                  {stand.Outage, ""},
		"a timeout":                  {stand.Timeout, ""},
		"a page of HTML with 200":    {stand.HTML, "not Slack's own words"},
		"a payload that is invalid":  {stand.InvalidPayload, "invalid_payload"},
		"a webhook that was revoked": {stand.Revoked, "no_service"},
		"a channel that is archived": {stand.Answer{Status: http.StatusGone, Body: "channel_is_archived"}, "channel_is_archived"},
		"an answer that repeats us":  {stand.Answer{Status: http.StatusForbidden, Body: "no " + canary}, "not Slack's own words"},
		"a redirect":                 {stand.Answer{Status: http.StatusFound, Body: "moved"}, "moved"},
	} {
		t.Run(name, func(t *testing.T) {
			channel := stand.New(canary, now)
			channel.Script(c.answer, c.answer)
			ctx, giveUp := context.WithCancel(t.Context())
			defer giveUp()
			w, _ := webhook(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if c.answer.Hang {
					giveUp()
				}
				channel.ServeHTTP(rw, r)
			}))
			_, err := w.Post(ctx, critical())
			silent(t, err)
			var (
				refused *notify.Refused
				down    *notify.Down
			)
			switch {
			case c.refused == "" && !errors.As(err, &down):
				t.Errorf("got %T %v, want one that says to try again", err, err)
			case c.refused != "" && (!errors.As(err, &refused) || !strings.Contains(refused.Reason, c.refused)):
				t.Errorf("got %T %v, want a refusal with %s", err, err, c.refused)
			}
		})
	}
}

func TestFault_55_ARotatedWebhookIsLookedUpOnceMore(t *testing.T) {
	t.Run("and found", func(t *testing.T) {
		c := stand.New(canary, now)
		w, s := webhook(t, c)
		c.Rotate(canary + "2")
		s.fresh = s.value + "2"
		if _, err := w.Post(t.Context(), critical()); err != nil || s.refreshed != 1 || len(c.Received()) != 1 {
			t.Errorf("error %v, refreshed %d times", err, s.refreshed)
		}
	})
	t.Run("and is still revoked", func(t *testing.T) {
		c := stand.New(canary, now)
		w, s := webhook(t, c)
		c.Rotate(canary + "2")
		var refused *notify.Refused
		_, err := w.Post(t.Context(), critical())
		silent(t, err)
		if !errors.As(err, &refused) || s.refreshed != 1 || len(c.Calls()) != 1 {
			t.Errorf("error %v, refreshed %d times, %d calls", err, s.refreshed, len(c.Calls()))
		}
	})
	t.Run("and cannot be read", func(t *testing.T) {
		w, s := webhook(t, stand.New(canary, now))
		s.err = errors.New("read secret slack: access denied")
		var down *notify.Down
		if _, err := w.Post(t.Context(), critical()); !errors.As(err, &down) || !strings.Contains(err.Error(), "access denied") {
			t.Errorf("got %v", err)
		}
	})
}

func TestNoTimeLeftIsATimeout(t *testing.T) {
	w, _ := webhook(t, stand.New(canary, now))
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	var down *notify.Down
	if _, err := w.Post(ctx, critical()); !errors.As(err, &down) || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("got %v", err)
	}
}

func TestTheAddressIsNeverShown(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	closed := server.URL
	server.Close()
	for name, address := range map[string]string{
		"a connection refused":      closed + canary,
		"a host that is not there":  "https://hooks.invalid" + canary,
		"plain HTTP to the network": "http://hooks.invalid" + canary,
		"a user in the address":     "https://CANARY:CANARY@hooks.invalid" + canary,
		"no address at all":         "CANARY\x7f",
		"another scheme":            "file:///CANARY",
	} {
		t.Run(name, func(t *testing.T) {
			w := slack.New(&secret{value: address})
			_, err := w.Post(t.Context(), critical())
			if err == nil {
				t.Fatal("no error")
			}
			silent(t, err)
		})
	}
}
