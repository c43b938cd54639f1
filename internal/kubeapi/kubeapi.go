// Package kubeapi reads one cluster's API server as whom the cluster's access
// entries let in: its /metrics page itself, its objects for package objects. It
// tells apart every way in which an API server cannot be read, so that a finding
// can say what to do. It decides nothing about a cluster, writes nothing to it,
// and neither keeps nor shows a token.
package kubeapi

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi/metrics"
)

// Group is the Kubernetes group of the access entry that lets eks-steward in,
// and the subject of the role binding in manifests/steward-reader.yaml.
const Group = "eks-steward:readers"

// Tokens mints a token for a cluster, as if the time were now.
type Tokens interface {
	Token(ctx context.Context, cluster string, now time.Time) (string, error)
}

// An Endpoint is where a cluster's API server is, as DescribeCluster says.
type Endpoint struct {
	Cluster fleet.ClusterID
	URL     string // https://...
	CA      string // PEM in base64: certificateAuthority.data
}

// The most that is read of one answer in bytes (its header, its page as sent,
// its page as decompressed), and the most time for a page with every retry. Pages
// of large clusters are tens of megabytes, compressed to a twentieth.
const (
	maxHeader = 64 << 10
	maxSent   = 64 << 20
	maxPage   = 256 << 20
	deadline  = 30 * time.Second
)

// page is the path of the page of metrics.
const page = "/metrics"

// Client reads one API server. It trusts the cluster's own CA and nothing else,
// follows no redirect, and keeps no connection.
type Client struct {
	endpoint Endpoint
	url      *url.URL // of the endpoint
	http     *http.Client
	tokens   Tokens
}

// Option adjusts a Client.
type Option func(*http.Transport)

// Dial makes connections another way than the network's: through a tunnel to a
// private endpoint.
func Dial(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return func(t *http.Transport) { t.DialContext = dial }
}

// New returns a Client, or says what is wrong with the endpoint.
func New(e Endpoint, tokens Tokens, options ...Option) (*Client, error) {
	u, err := url.Parse(e.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("API server of %s: the endpoint is no https URL: read it from DescribeCluster, and only of an ACTIVE cluster", e.Cluster)
	}
	roots, err := pool(e.CA)
	if err != nil {
		return nil, fmt.Errorf("API server of %s: %w", e.Cluster, err)
	}
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: deadline / 3}).DialContext, // ends before the deadline, so that the error has the address
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    deadline / 3,
		MaxResponseHeaderBytes: maxHeader,
		DisableKeepAlives:      true, // one read every few minutes: no connection outlives a frozen Lambda
		DisableCompression:     true, // the cap on what is sent comes before decompression
	}
	for _, option := range options {
		option(t)
	}
	return &Client{
		endpoint: e,
		url:      u,
		tokens:   tokens,
		http: &http.Client{
			Transport: t,
			// A redirect would carry the token to wherever it leads.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func pool(ca string) (*x509.CertPool, error) {
	pem, err := base64.StdEncoding.DecodeString(ca)
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("the CA is no PEM certificate in base64: read certificateAuthority.data from DescribeCluster")
	}
	return roots, nil
}

// Metrics reads the wanted families of /metrics. The error is a *fleet.Trouble
// around an *Unreachable, or around what the token source answered.
func (c *Client) Metrics(ctx context.Context, want ...metrics.Family) (metrics.Page, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url.JoinPath(page).String(), nil)
	if err != nil {
		return metrics.Page{}, c.unreachable(page, err).Trouble()
	}
	request.Header.Set("Accept", "text/plain;version=0.0.4")
	request.Header.Set("Accept-Encoding", "gzip")
	response, err := c.send(request)
	if err != nil {
		return metrics.Page{}, err
	}
	defer response.Body.Close()
	var read metrics.Page
	err = decompressed(response, func(body io.Reader) (err error) {
		read, err = metrics.Scan(metrics.Capped(body, maxPage), want...)
		return err
	})
	if err != nil { // a page that was read in part is no page
		return metrics.Page{}, c.unreachable(page, err).Trouble()
	}
	return read, nil
}

// send asks until there is an answer, a refusal that another try does not change,
// or no time for one. Answers are those of status 200, and of the statuses that
// the caller understands. The error is a *fleet.Trouble.
func (c *Client) send(request *http.Request, understood ...int) (*http.Response, error) {
	ctx := request.Context()
	var skew time.Duration // of the server's clock, once it was needed
	corrected := false
	for attempt := 1; ; attempt++ {
		token, err := c.tokens.Token(ctx, c.endpoint.Cluster.Name, time.Now().Add(skew))
		if err != nil {
			return nil, fleet.TroubleOf(fmt.Errorf("mint a token for cluster %s: %w", c.endpoint.Cluster, err))
		}
		response, u := c.try(request, token, understood)
		switch {
		case u == nil:
			return response, nil
		case u.Kind == Unauthorized && corrected:
			u.Kind = ClockSkew
		case u.Kind == Unauthorized && u.skewed():
			skew, corrected = u.skew, true // sign once more with the server's time
			continue
		}
		if pause := u.pause(attempt); !u.passing() || attempt == attempts || !sleep(ctx, pause) {
			return nil, u.Trouble()
		}
	}
}

// try asks once.
func (c *Client) try(request *http.Request, token string, understood []int) (*http.Response, *Unreachable) {
	request = request.Clone(request.Context()) // the token stays in here
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("User-Agent", "eks-steward")
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.unreachable(request.URL.Path, err)
	}
	if response.StatusCode != http.StatusOK && !slices.Contains(understood, response.StatusCode) {
		response.Body.Close()
		return nil, c.refused(response, time.Now())
	}
	return response, nil
}

func decompressed(response *http.Response, scan func(io.Reader) error) error {
	sent := metrics.Capped(response.Body, maxSent)
	switch encoding := response.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
		return scan(sent)
	case "gzip":
		unzipped, err := gzip.NewReader(sent)
		if err != nil {
			return &metrics.Unreadable{Reason: metrics.Cut, Err: err}
		}
		return scan(unzipped)
	default:
		return &metrics.Unreadable{Reason: metrics.NotMetrics, Detail: "compressed with " + clip(encoding)}
	}
}

// sleep waits, unless the context ends before that.
func sleep(ctx context.Context, pause time.Duration) bool {
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= pause {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
