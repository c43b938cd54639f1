package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/eks-steward/eks-steward/internal/notify"
)

// Address knows the webhook's URL, which is a secret: whoever has it can post.
type Address interface {
	// Value returns the URL, possibly one read earlier.
	Value(ctx context.Context) (string, error)
	// Refresh reads it again: it may have been rotated.
	Refresh(ctx context.Context) (string, error)
}

// Webhook posts to one channel of Slack. It satisfies notify.Channel.
type Webhook struct {
	Address Address
	Client  *http.Client
	Now     func() time.Time // reads a Retry-After that is a date
	Buttons bool             // plans can be approved with a button: the function approve has a Function URL that Slack knows
}

var _ notify.Channel = (*Webhook)(nil)

// New returns a webhook with a client fit for Slack, which answers within a
// second and never redirects.
func New(a Address) *Webhook {
	return &Webhook{Address: a, Now: time.Now, Client: &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Post renders and posts a message, which stays as it is: a webhook says nothing
// about where it stands.
func (w *Webhook) Post(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	return "", w.say(ctx, m)
}

// say looks a webhook that Slack does not know any more up once more before it
// counts as revoked.
func (w *Webhook) say(ctx context.Context, m notify.Message) error {
	body, err := json.Marshal(Render(m, w.Buttons))
	if err != nil {
		return &notify.Refused{Reason: "the message cannot be encoded: " + err.Error()}
	}
	address, err := w.Address.Value(ctx)
	if err != nil {
		return &notify.Down{Err: fmt.Errorf("read the webhook's address: %w", err)}
	}
	err = w.post(ctx, address, body)
	if gone := (*goneError)(nil); !errors.As(err, &gone) {
		return err
	}
	fresh, refreshErr := w.Address.Refresh(ctx)
	switch {
	case refreshErr != nil:
		return &notify.Down{Err: fmt.Errorf("read the webhook's address again: %w", refreshErr)}
	case fresh != address:
		err = w.post(ctx, fresh, body)
	}
	if gone := (*goneError)(nil); errors.As(err, &gone) {
		return &notify.Refused{Reason: gone.reason + ": store the address of a working webhook in the secret"}
	}
	return err
}

// goneError says that Slack does not know the address, or not any more.
type goneError struct{ reason string }

func (e *goneError) Error() string { return e.reason }

func (w *Webhook) post(ctx context.Context, address string, body []byte) error {
	if err := valid(address); err != nil {
		return &goneError{reason: err.Error()}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return &goneError{reason: errAddress.Error()} // the cause would show the address
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	resp, err := w.Client.Do(req)
	if err != nil {
		return &notify.Down{Err: withoutAddress(err)}
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // Slack answers with one word
	if err != nil && resp.StatusCode == http.StatusOK {
		return &notify.Down{Err: errors.New("the answer broke off")}
	}
	return w.judge(resp, string(answer))
}

var errAddress = errors.New("the secret does not hold the address of a webhook: want https://hooks.slack.com/services/ and three codes")

// valid keeps the message and the secret off the open network.
func valid(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return errAddress
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback) {
		return errAddress
	}
	return nil
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

// judge turns Slack's answer into what it means for the message. Slack takes a
// message with 200 and the body "ok"; anything else with 200 comes from a proxy.
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
func (w *Webhook) judge(resp *http.Response, answer string) error {
	switch code := resp.StatusCode; {
	case code == http.StatusOK && answer == "ok":
		return nil
	case code == http.StatusTooManyRequests:
		return &notify.Busy{After: retryAfter(resp.Header.Get("Retry-After"), w.Now())}
	case code >= 500, code == http.StatusRequestTimeout:
		return &notify.Down{Err: fmt.Errorf("answer %d (%s)", code, word(answer))}
	case code == http.StatusForbidden, code == http.StatusNotFound, code == http.StatusGone:
		return &goneError{reason: fmt.Sprintf("answer %d (%s)", code, word(answer))}
	default:
		return &notify.Refused{Reason: fmt.Sprintf("answer %d (%s)", code, word(answer))}
	}
}

var slackWord = regexp.MustCompile(`^[a-z_]{1,60}$`)

// word is Slack's own word for what is wrong, such as invalid_payload. Nothing
// else of an answer is shown: it may repeat the address.
func word(answer string) string {
	if slackWord.MatchString(answer) {
		return answer
	}
	return "not Slack's own words"
}

// The longest and the usual time to wait. A webhook's limit is one message per
// second, so an answer without a time means a moment.
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
