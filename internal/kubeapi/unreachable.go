package kubeapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi/metrics"
)

// Unreachable is why an API server could not be read.
type Unreachable struct {
	Kind       Kind
	Cluster    fleet.ClusterID
	Path       string        // what was asked for, such as /metrics
	Status     int           // of the HTTP answer; 0 when there was none
	RetryAfter time.Duration // that the server asked for; 0 when it did not
	Err        error         // what was seen, without a token; nil when the status says it all

	skew time.Duration // of the server's clock against ours
}

// Kind sorts failures by what a person would do about them.
type Kind string

// The kinds of failure.
const (
	Unauthorized Kind = "unauthorized"  // 401: the cluster does not know the caller
	Forbidden    Kind = "forbidden"     // 403: it knows the caller, who may not read this
	Throttled    Kind = "throttled"     // 429: still, after every retry
	ServerFailed Kind = "server-failed" // 5xx: still, after every retry
	Redirected   Kind = "redirected"    // 3xx: not followed
	OtherStatus  Kind = "other-status"  // none of these
	ClockSkew    Kind = "clock-skew"    // 401 with our time, and again with the server's
	WrongCA      Kind = "wrong-ca"      // a certificate that the cluster's CA did not sign
	TLSFailed    Kind = "tls-failed"    // another failure of the handshake
	Private      Kind = "private"       // the address is one of a VPC
	Unresolved   Kind = "unresolved"    // the name has no address
	Refused      Kind = "refused"       // nobody listens there
	TimedOut     Kind = "timed-out"     // no whole answer in time
	Broken       Kind = "broken"        // the connection failed otherwise
	BadPage      Kind = "bad-page"      // an answer that is no page of metrics: Err is a *metrics.Unreadable
)

// remedies says for each kind what is wrong and what to do, after "the API
// server of <cluster> ". {path} is what was asked for.
var remedies = map[Kind]string{
	Unauthorized: "does not know the caller: create an access entry for the role that reads the cluster (docs/kubernetes-access.md), and see that the cluster's authentication mode includes API",
	Forbidden:    "does not let the caller read {path}: apply manifests/steward-reader.yaml, and see that the access entry names the group " + Group,
	Throttled:    "has too many requests: nothing to do if it passes; if it stays, see which clients load it",
	ServerFailed: "failed: nothing to do if it passes; if it stays, see the cluster's health in the EKS console",
	Redirected:   "redirects elsewhere, which is not followed: see that nothing stands between, such as a proxy that asks for a login",
	OtherStatus:  "gave an answer that no API server gives: see that the endpoint is that of DescribeCluster",
	ClockSkew:    "refused a token signed with this host's time and one signed with its own: see that the clock here is right, and that the role has an access entry (docs/kubernetes-access.md)",
	WrongCA:      "shows a certificate that the cluster's CA did not sign: see that no proxy opens the connection; a cluster made anew under its old name has another CA",
	TLSFailed:    "broke off the TLS handshake: see that no proxy opens the connection",
	Private:      "has a private address and cannot be reached from here: nothing to do if that is wanted, its size is read from CloudWatch, and a rollout needs whenUnknown: proceed; else open the public endpoint to this caller",
	Unresolved:   "has no address: see that the cluster still exists and that DNS works here",
	Refused:      "refused the connection: see that the endpoint is that of DescribeCluster and that no firewall stands between",
	TimedOut:     "gave no whole answer in time: see whether the endpoint's public access list shuts this caller out; a deployed function has no fixed address",
	Broken:       "could not be reached: nothing to do if it passes; if it stays, see the network between",
	BadPage:      "gave an answer that cannot be read: see that nothing stands between that answers for it",
}

func (k Kind) Error() string { return string(k) }

func (u *Unreachable) Error() string {
	s := fmt.Sprintf("the API server of %s %s", u.Cluster, strings.Replace(remedies[u.Kind], "{path}", u.Path, 1))
	var seen []string
	if u.Status != 0 {
		seen = append(seen, fmt.Sprintf("HTTP status %d", u.Status))
	}
	if u.RetryAfter > 0 {
		seen = append(seen, fmt.Sprintf("asks to wait %s", u.RetryAfter))
	}
	if u.Err != nil {
		seen = append(seen, u.Err.Error())
	}
	if len(seen) > 0 {
		s += " (" + strings.Join(seen, ", ") + ")"
	}
	return s
}

func (u *Unreachable) Unwrap() error { return u.Err }

// Is makes errors.Is(err, kubeapi.Forbidden) work for any wrapped Unreachable.
func (u *Unreachable) Is(target error) bool {
	kind, ok := target.(Kind)
	return ok && u.Kind == kind
}

// Trouble says it in the fleet's words. A Trouble of kind Unreachable is a role
// that cannot be assumed, which this never is.
func (u *Unreachable) Trouble() *fleet.Trouble {
	kind := fleet.Failed
	switch u.Kind {
	case Unauthorized, Forbidden:
		kind = fleet.Denied
	case Throttled:
		kind = fleet.Throttled
	case ClockSkew:
		kind = fleet.ClockSkew
	case Private:
		kind = fleet.Private
	}
	return &fleet.Trouble{Kind: kind, Action: "get " + u.Path, Err: u}
}

// attempts is how often a failure that may pass is met before it is told.
const attempts = 3

// passing reports whether another try may help. A refusal stays one: the second
// request would only be noise in the audit log.
func (u *Unreachable) passing() bool {
	switch u.Kind {
	case Throttled, ServerFailed, Broken:
		return true
	}
	return false
}

// pause is how long to wait after an attempt.
func (u *Unreachable) pause(attempt int) time.Duration {
	return max(u.RetryAfter, time.Second<<(attempt-1))
}

// tolerance is how far two clocks may differ before it matters: the token's URL
// is signed for one minute (EKS user guide).
const tolerance = time.Minute

func (u *Unreachable) skewed() bool { return u.skew.Abs() > tolerance }

// refused sorts an answer by its status.
func (c *Client) refused(response *http.Response, now time.Time) *Unreachable {
	u := &Unreachable{Cluster: c.endpoint.Cluster, Path: response.Request.URL.Path, Status: response.StatusCode}
	switch code := response.StatusCode; {
	case code == http.StatusUnauthorized:
		u.Kind = Unauthorized
		if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
			u.skew = date.Sub(now)
		}
	case code == http.StatusForbidden:
		u.Kind = Forbidden
	case code == http.StatusTooManyRequests:
		u.Kind = Throttled
		u.RetryAfter = retryAfter(response.Header.Get("Retry-After"), now)
	case code >= 500:
		u.Kind = ServerFailed
		u.RetryAfter = retryAfter(response.Header.Get("Retry-After"), now)
	case code >= 300 && code < 400:
		u.Kind = Redirected
	default:
		u.Kind = OtherStatus
	}
	return u
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3); 0 when it is neither.
func retryAfter(header string, now time.Time) time.Duration {
	const longest = 24 * time.Hour
	if seconds, err := strconv.Atoi(header); err == nil {
		return time.Duration(min(max(seconds, 0), int(longest/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return min(max(at.Sub(now), 0), longest)
	}
	return 0
}

// unreachable sorts what the connection or the page's reader answered.
func (c *Client) unreachable(path string, err error) *Unreachable {
	u := &Unreachable{Kind: Broken, Cluster: c.endpoint.Cluster, Path: path, Err: err}
	var request *url.Error
	if errors.As(err, &request) { // its own text repeats the URL
		u.Err = request.Err
	}
	var (
		page      *metrics.Unreadable
		name      *net.DNSError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		verify    *tls.CertificateVerificationError
		alert     tls.AlertError
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), timeout(err):
		u.Kind = TimedOut
		if private(err) {
			u.Kind = Private
		}
	case errors.As(err, &page):
		u.Kind = BadPage
	case errors.As(err, &authority), errors.As(err, &host), errors.As(err, &verify):
		u.Kind = WrongCA
	case errors.As(err, &alert), errors.Is(err, http.ErrSchemeMismatch):
		u.Kind = TLSFailed
	case errors.As(err, &name):
		u.Kind = Unresolved
	case private(err):
		u.Kind = Private
	case errors.Is(err, syscall.ECONNREFUSED):
		u.Kind = Refused
	}
	return u
}

func timeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// private reports whether a connection to an address of a VPC could not be made.
// The name of a private endpoint resolves anywhere, to addresses that only its
// VPC reaches (EKS user guide, "Cluster API server endpoint").
func private(err error) bool {
	var dial *net.OpError
	if !errors.As(err, &dial) || dial.Op != "dial" || dial.Addr == nil {
		return false
	}
	at, err := netip.ParseAddrPort(dial.Addr.String())
	ip := at.Addr().Unmap()
	return err == nil && (ip.IsPrivate() || shared.Contains(ip))
}

// shared is address space that VPCs use too (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

// clip bounds what a stranger's header can add to a message.
func clip(s string) string {
	const enough = 40
	return strings.ToValidUTF8(s[:min(len(s), enough)], "?")
}
