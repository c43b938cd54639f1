package slack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/notify"
)

// Address knows the secret that opens the way to Slack: the URL of an incoming
// webhook or the token of a bot. Whoever has it can post.
type Address interface {
	// Value returns the secret, possibly one read earlier.
	Value(ctx context.Context) (string, error)
	// Refresh reads it again: it may have been rotated.
	Refresh(ctx context.Context) (string, error)
}

// newClient is fit for Slack, which answers within a second and never redirects:
// what a redirect leads to must not see the secret.
func newClient() *http.Client {
	return &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// goneError says that Slack does not know the secret, or not any more.
type goneError struct{ reason string }

func (e *goneError) Error() string { return e.reason }

// withSecret tries with the secret and once more with a fresh one, before one
// that Slack does not know counts as revoked. wanted is what to store instead.
func withSecret(ctx context.Context, a Address, wanted string, try func(secret string) error) error {
	secret, err := a.Value(ctx)
	if err != nil {
		return &notify.Down{Err: fmt.Errorf("read Slack's secret: %w", err)}
	}
	err = try(secret)
	if gone := (*goneError)(nil); !errors.As(err, &gone) {
		return err
	}
	fresh, refreshErr := a.Refresh(ctx)
	switch {
	case refreshErr != nil:
		return &notify.Down{Err: fmt.Errorf("read Slack's secret again: %w", refreshErr)}
	case fresh != secret:
		err = try(fresh)
	}
	if gone := (*goneError)(nil); errors.As(err, &gone) {
		return &notify.Refused{Reason: gone.reason + ": store " + wanted + " in the secret"}
	}
	return err
}

// answer is what came back over HTTP.
type answer struct {
	status     int
	retryAfter string // header
	body       []byte
}

// maxAnswer bounds what is read: the Web API repeats the whole message.
const maxAnswer = 1 << 20

// send posts a body of JSON. token is empty for a webhook. Its error is a
// *notify.Down and shows neither the address nor the token.
func send(ctx context.Context, client *http.Client, address, token string, body []byte) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return answer{}, &notify.Down{Err: errors.New("the address is none")} // the cause would show it
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, &notify.Down{Err: withoutAddress(err)}
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil && resp.StatusCode == http.StatusOK {
		return answer{}, &notify.Down{Err: errors.New("the answer broke off")}
	}
	return answer{status: resp.StatusCode, retryAfter: resp.Header.Get("Retry-After"), body: read}, nil
}

// trouble is what a status means whatever Slack says with it: a *notify.Busy, a
// *notify.Down, or nil.
func (a answer) trouble(now time.Time) error {
	switch {
	case a.status == http.StatusTooManyRequests:
		return &notify.Busy{After: retryAfter(a.retryAfter, now)}
	case a.status >= 500, a.status == http.StatusRequestTimeout:
		return &notify.Down{Err: errors.New(a.String())}
	}
	return nil
}

func (a answer) String() string { return fmt.Sprintf("answer %d (%s)", a.status, word(string(a.body))) }

// private keeps messages and secrets off the open network.
func private(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && loopback
}

// withoutAddress drops the URL that net/http puts into its errors, and the host
// names that the network adds below it.
func withoutAddress(err error) error {
	var (
		network net.Error
		dns     *net.DNSError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return errors.New("no answer in time")
	case errors.As(err, &dns):
		return errors.New("the host name cannot be resolved")
	}
	return errors.New("no connection, or it broke off")
}

// word is Slack's own word for what is wrong, such as invalid_payload. Nothing
// else of an answer is shown: it may repeat the address.
func word(answer string) string {
	if answer == "" || len(answer) > 60 || strings.Trim(answer, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "not Slack's own words"
	}
	return answer
}

// The longest and the usual time to wait. The limit is one message per second and
// channel, so an answer without a time means a moment.
const (
	usualWait   = time.Second
	longestWait = time.Hour
)

// retryAfter reads the two forms of the header (RFC 9110, section 10.2.3).
func retryAfter(header string, now time.Time) time.Duration {
	wait := usualWait
	if seconds, err := strconv.Atoi(header); err == nil {
		wait = time.Duration(min(seconds, int(longestWait/time.Second))) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, usualWait), longestWait)
}
