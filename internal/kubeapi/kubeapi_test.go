package kubeapi_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi"
	"github.com/eks-steward/eks-steward/internal/kubeapi/inmemory"
	"github.com/eks-steward/eks-steward/internal/kubeapi/metrics"
)

var web = fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: "web"}

const page = "apiserver_storage_size_bytes{storage_cluster_id=\"etcd-0\"} 6.1e+09\n"

// serve starts an API server that ends with the test.
func serve(t *testing.T, handle http.HandlerFunc) *inmemory.Server {
	t.Helper()
	return inmemory.Serve(t, handle)
}

// secret is what no error may show.
const secret = "k8s-aws-v1.c2VjcmV0"

// tokens mints tokens that say when.
type tokens struct{ err error }

func (k tokens) Token(_ context.Context, cluster string, now time.Time) (string, error) {
	return fmt.Sprintf("%s.%s.%d", secret, cluster, now.Unix()), k.err
}

func connect(t *testing.T, s *inmemory.Server) *kubeapi.Client {
	t.Helper()
	return dialled(t, s.Endpoint(web), s.Dial)
}

func dialled(t *testing.T, e kubeapi.Endpoint, dial func(context.Context, string, string) (net.Conn, error)) *kubeapi.Client {
	t.Helper()
	c, err := kubeapi.New(e, tokens{}, kubeapi.Dial(dial))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// failure reads the metrics and checks what is true of every failure.
func failure(t *testing.T, c *kubeapi.Client) *kubeapi.Unreachable {
	t.Helper()
	p, err := c.Metrics(t.Context(), metrics.EtcdSizes...)
	var trouble *fleet.Trouble
	var u *kubeapi.Unreachable
	if !errors.As(err, &trouble) || !errors.As(err, &u) {
		t.Fatalf("error %v", err)
	}
	if g, err := p.Largest(metrics.EtcdSizes); err == nil {
		t.Errorf("a failed read gave a size: %v", g)
	}
	if s := err.Error(); strings.Contains(s, secret) || strings.Contains(s, "\n") || !strings.Contains(s, web.String()) || !strings.Contains(s, ": ") {
		t.Errorf("error %q", s)
	}
	return u
}

func body(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, page) }

func TestMetricsAreReadAsTheCaller(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" || r.Method != http.MethodGet || !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer "+secret+".web.") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		body(w, r)
	})
	p, err := connect(t, s).Metrics(t.Context(), metrics.EtcdSizes...)
	if err != nil {
		t.Fatal(err)
	}
	if g, err := p.Largest(metrics.EtcdSizes); err != nil || g.Value != 6.1e9 {
		t.Errorf("size %v, error %v", g, err)
	}
}

func zipped(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, text)
	w.Close()
	return b.Bytes()
}

// gzipped answers with the same bytes again and again: gzip members may follow
// one another.
func gzipped(member []byte, times int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		for range times {
			w.Write(member)
		}
	}
}

func TestACompressedPageIsRead(t *testing.T) {
	p, err := connect(t, serve(t, gzipped(zipped(page), 1))).Metrics(t.Context(), metrics.EtcdSizes...)
	if err != nil {
		t.Fatal(err)
	}
	if g, err := p.Largest(metrics.EtcdSizes); err != nil || g.Value != 6.1e9 {
		t.Errorf("size %v, error %v", g, err)
	}
}

func TestFault_43_StatusesAreToldApart(t *testing.T) {
	tests := map[string]struct {
		status int
		header string // Retry-After
		kind   kubeapi.Kind
		fleet  fleet.TroubleKind
		asked  int
		waited time.Duration
		word   string
	}{
		"401 is not asked again":            {401, "", kubeapi.Unauthorized, fleet.Denied, 1, 0, "access entry"},
		"403 is not asked again":            {403, "", kubeapi.Forbidden, fleet.Denied, 1, 0, "steward-reader.yaml"},
		"429 is asked again":                {429, "", kubeapi.Throttled, fleet.Throttled, 3, 3 * time.Second, "429"},
		"429 is asked again when it says":   {429, "5", kubeapi.Throttled, fleet.Throttled, 3, 10 * time.Second, "asks to wait 5s"},
		"429 for longer than there is time": {429, "3600", kubeapi.Throttled, fleet.Throttled, 1, 0, "asks to wait 1h0m0s"},
		"429 until a date":                  {429, "Sat, 01 Jan 2000 00:00:20 GMT", kubeapi.Throttled, fleet.Throttled, 3, 22 * time.Second, "429"},
		"429 until a date long gone":        {429, "Sat, 01 Jan 1990 00:00:20 GMT", kubeapi.Throttled, fleet.Throttled, 3, 3 * time.Second, "429"},
		"429 with a wait that is none":      {429, "-7", kubeapi.Throttled, fleet.Throttled, 3, 3 * time.Second, "429"},
		"500 is asked again":                {500, "", kubeapi.ServerFailed, fleet.Failed, 3, 3 * time.Second, "HTTP status 500"},
		"503 is asked again when it says":   {503, "2", kubeapi.ServerFailed, fleet.Failed, 3, 4 * time.Second, "HTTP status 503"},
		"a redirect is not followed":        {302, "", kubeapi.Redirected, fleet.Failed, 1, 0, "not followed"},
		"404 is no API server":              {404, "", kubeapi.OtherStatus, fleet.Failed, 1, 0, "HTTP status 404"},
		"204 is no page":                    {204, "", kubeapi.OtherStatus, fleet.Failed, 1, 0, "HTTP status 204"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Location", "https://elsewhere.example.com/")
					if tt.header != "" {
						w.Header().Set("Retry-After", tt.header)
					}
					w.WriteHeader(tt.status)
				})
				begin := time.Now()
				u := failure(t, connect(t, s))
				if u.Kind != tt.kind || u.Status != tt.status || !strings.Contains(u.Error(), tt.word) {
					t.Errorf("%s: %v", u.Kind, u)
				}
				if n := s.Asked(); n != tt.asked {
					t.Errorf("asked %d times, want %d", n, tt.asked)
				}
				if waited := time.Since(begin); waited != tt.waited {
					t.Errorf("waited %s, want %s", waited, tt.waited)
				}
				if _, err := connect(t, s).Metrics(t.Context()); !errors.Is(err, tt.fleet) || !errors.Is(err, tt.kind) {
					t.Errorf("in the fleet's words: %v", err)
				}
			})
		})
	}
}

func TestFault_43_WhatPassesIsReadInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		statuses := []int{429, 503, 200}
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(statuses[0])
			if statuses[0] == 200 {
				body(w, r)
			}
			statuses = statuses[1:]
		})
		if _, err := connect(t, s).Metrics(t.Context(), metrics.EtcdSizes...); err != nil {
			t.Error(err)
		}
		seen := map[string]bool{}
		for _, r := range s.Requests() {
			seen[r.Header.Get("Authorization")] = true
		}
		if len(seen) != 3 {
			t.Errorf("%d tokens for 3 requests: each has its own", len(seen))
		}
	})
}

func TestFault_38_WrongClockIsCorrectedOnce(t *testing.T) {
	tests := map[string]struct {
		skew  time.Duration
		knows bool // the server takes a token with its own time
		kind  kubeapi.Kind
		asked int
	}{
		"ours is slow":                         {20 * time.Minute, true, "", 2},
		"ours is fast":                         {-20 * time.Minute, true, "", 2},
		"and still refused":                    {20 * time.Minute, false, kubeapi.ClockSkew, 2},
		"a difference that does not matter":    {30 * time.Second, false, kubeapi.Unauthorized, 1},
		"the same time, so it is the identity": {0, false, kubeapi.Unauthorized, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, func(w http.ResponseWriter, r *http.Request) {
					theirs := time.Now().Add(tt.skew)
					if tt.knows && strings.HasSuffix(r.Header.Get("Authorization"), fmt.Sprintf(".%d", theirs.Unix())) {
						body(w, r)
						return
					}
					w.Header().Set("Date", theirs.UTC().Format(http.TimeFormat))
					w.WriteHeader(http.StatusUnauthorized)
				})
				c := connect(t, s)
				if tt.knows {
					if _, err := c.Metrics(t.Context(), metrics.EtcdSizes...); err != nil {
						t.Error(err)
					}
				} else if u := failure(t, c); u.Kind != tt.kind {
					t.Errorf("%s: %v", u.Kind, u)
				}
				if n := s.Asked(); n != tt.asked {
					t.Errorf("asked %d times, want %d", n, tt.asked)
				}
			})
		})
	}
}

func TestFault_42_ConnectionsThatFailAreToldApart(t *testing.T) {
	dialError := func(ip string, err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.ParseIP(ip), Port: 443}, Err: err}
	}
	tests := map[string]struct {
		err  error
		kind kubeapi.Kind
		took time.Duration
	}{
		"refused":                                 {dialError("203.0.113.7", syscall.ECONNREFUSED), kubeapi.Refused, 0},
		"a private address refuses":               {dialError("10.0.3.4", syscall.ECONNREFUSED), kubeapi.Private, 0},
		"a private address does not answer":       {dialError("172.31.0.9", os.ErrDeadlineExceeded), kubeapi.Private, 0},
		"no route to a private address":           {dialError("fd00::7", syscall.EHOSTUNREACH), kubeapi.Private, 0},
		"an address of a VPC's secondary range":   {dialError("100.64.3.4", os.ErrDeadlineExceeded), kubeapi.Private, 0},
		"a public address does not answer":        {dialError("203.0.113.7", os.ErrDeadlineExceeded), kubeapi.TimedOut, 0},
		"the name does not exist":                 {&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "example.com", IsNotFound: true}}, kubeapi.Unresolved, 0},
		"reset, which may pass and is tried anew": {dialError("203.0.113.7", syscall.ECONNRESET), kubeapi.Broken, 3 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, body)
				begin := time.Now()
				u := failure(t, dialled(t, s.Endpoint(web), func(context.Context, string, string) (net.Conn, error) { return nil, tt.err }))
				if u.Kind != tt.kind || !errors.Is(u, tt.kind) || errors.Is(u.Trouble(), fleet.Private) != (tt.kind == kubeapi.Private) {
					t.Errorf("%s: %v", u.Kind, u.Trouble())
				}
				if took := time.Since(begin); took != tt.took {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

func TestFault_42_StrangersCertificateIsRefused(t *testing.T) {
	own, stranger := serve(t, body), strangersCA(t)
	tests := map[string]struct {
		change func(*kubeapi.Endpoint)
		kind   kubeapi.Kind
	}{
		"another CA":   {func(e *kubeapi.Endpoint) { e.CA = stranger }, kubeapi.WrongCA},
		"another name": {func(e *kubeapi.Endpoint) { e.URL = "https://elsewhere.invalid" }, kubeapi.WrongCA},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := own.Endpoint(web)
			tt.change(&e)
			if u := failure(t, dialled(t, e, own.Dial)); u.Kind != tt.kind {
				t.Errorf("%s: %v", u.Kind, u)
			}
		})
	}
	if n := own.Asked(); n != 0 {
		t.Errorf("the token was sent %d times", n)
	}
}

func TestFault_42_WhatDoesNotSpeakTLSIsToldApart(t *testing.T) {
	s := serve(t, body)
	u := failure(t, dialled(t, s.Endpoint(web), func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			there.Read(make([]byte, 4096))
			io.WriteString(there, "HTTP/1.0 400 Bad Request\r\n\r\n")
		}()
		return here, nil
	}))
	if u.Kind != kubeapi.TLSFailed {
		t.Errorf("%s: %v", u.Kind, u)
	}
}

func TestFault_44_DeadlineHolds(t *testing.T) {
	tests := map[string]http.HandlerFunc{
		"nothing comes": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"a line a second": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				io.WriteString(w, page)
				w.(http.Flusher).Flush()
				time.Sleep(time.Second)
			}
		},
	}
	for name, handle := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, handle)
				begin := time.Now()
				if u := failure(t, connect(t, s)); u.Kind != kubeapi.TimedOut {
					t.Errorf("%s: %v", u.Kind, u)
				}
				if took := time.Since(begin); took != 30*time.Second {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

func TestFault_44_PageLargerThanAllowedIsStopped(t *testing.T) {
	mega := strings.Repeat("# a comment that compresses well\n", 1<<20/33)
	tests := map[string]http.HandlerFunc{
		"as sent": func(w http.ResponseWriter, _ *http.Request) {
			for range 70 {
				io.WriteString(w, mega)
			}
		},
		"as decompressed": gzipped(zipped(mega), 270),
	}
	for name, handle := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if u := failure(t, connect(t, serve(t, handle))); u.Kind != kubeapi.BadPage || !errors.Is(u, metrics.TooLarge) {
					t.Errorf("%s: %v", u.Kind, u)
				}
			})
		})
	}
}

func TestFault_44_HeaderLargerThanAllowedIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 70<<10))
			body(w, r)
		})
		if u := failure(t, connect(t, s)); u.Kind != kubeapi.Broken {
			t.Errorf("%s: %v", u.Kind, u)
		}
	})
}

func TestFault_45_AnswerThatIsNoPageIsUnknown(t *testing.T) {
	whole := zipped(strings.Repeat(page, 100))
	tests := map[string]struct {
		handle http.HandlerFunc
		reason metrics.Reason
	}{
		"HTML": {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>Please log in</html>\n") }, metrics.NotMetrics},
		"cut against its length": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, page)
		}, metrics.Cut},
		"cut between two chunks": {func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, page)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, metrics.Cut},
		"gzip that is cut":        {gzipped(whole[:len(whole)-4], 1), metrics.Cut},
		"gzip that is none":       {gzipped([]byte(page), 1), metrics.Cut},
		"gzip that is damaged":    {gzipped(append(bytes.Clone(whole[:len(whole)-5]), 1, 2, 3, 4, 5), 1), metrics.Cut},
		"a compression not asked": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Encoding", "br"); body(w, nil) }, metrics.NotMetrics},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if u := failure(t, connect(t, serve(t, tt.handle))); u.Kind != kubeapi.BadPage || !errors.Is(u, tt.reason) {
					t.Errorf("%s: %v", u.Kind, u)
				}
			})
		})
	}
}

func TestATokenThatCannotBeMintedIsTheRolesTrouble(t *testing.T) {
	s := serve(t, body)
	role := &fleet.Trouble{Kind: fleet.Unreachable, Action: "sts:AssumeRole", Err: errors.New("no")}
	c, err := kubeapi.New(s.Endpoint(web), tokens{role}, kubeapi.Dial(s.Dial))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Metrics(t.Context()); !errors.Is(err, fleet.Unreachable) || s.Asked() != 0 {
		t.Errorf("error %v, %d requests", err, s.Asked())
	}
}

func TestAnEndpointThatIsNoneIsRefused(t *testing.T) {
	good := serve(t, body).Endpoint(web)
	tests := map[string]kubeapi.Endpoint{
		"not there yet":         {Cluster: web, CA: good.CA},
		"without TLS":           {Cluster: web, URL: "http://example.com", CA: good.CA},
		"with a password":       {Cluster: web, URL: "https://u:" + secret + "@example.com", CA: good.CA},
		"that does not parse":   {Cluster: web, URL: "https://\x7f" + secret, CA: good.CA},
		"without a CA":          {Cluster: web, URL: good.URL},
		"with a CA in no form":  {Cluster: web, URL: good.URL, CA: "@"},
		"with a CA that is not": {Cluster: web, URL: good.URL, CA: base64.StdEncoding.EncodeToString([]byte("no"))},
	}
	for name, e := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := kubeapi.New(e, tokens{}); err == nil || !strings.Contains(err.Error(), "DescribeCluster") || strings.Contains(err.Error(), secret) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// strangersCA is a CA of another cluster: the certificate of this test's own
// making.
func strangersCA(t *testing.T) string {
	t.Helper()
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: selfSigned(t)}))
}
