// Package inmemory serves an API server of a test over pipes instead of a
// network, so that its clients can run under the fake clock of testing/synctest,
// where nothing may wait for a network. It answers nothing by itself.
package inmemory

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi"
)

// Server is one API server. It speaks TLS, with a certificate for example.com.
type Server struct {
	*httptest.Server
	pipes *pipes

	mu       sync.Mutex
	requests []*http.Request
}

// Serve starts one that ends with the test.
func Serve(t testing.TB, handle http.HandlerFunc) *Server {
	t.Helper()
	s := &Server{pipes: &pipes{conns: make(chan net.Conn), done: make(chan struct{})}}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r)
		s.mu.Unlock()
		handle(w, r)
	}))
	_ = s.Listener.Close() // nothing was accepted yet
	s.Listener = s.pipes
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // broken handshakes are meant
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// Dial connects to the server, whatever the address.
func (s *Server) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case s.pipes.conns <- hasty{there}:
		return hasty{here}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Endpoint is what DescribeCluster would say of a cluster with this API server.
func (s *Server) Endpoint(cluster fleet.ClusterID) kubeapi.Endpoint {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return kubeapi.Endpoint{Cluster: cluster, URL: "https://example.com", CA: base64.StdEncoding.EncodeToString(ca)}
}

// Requests are those that came, in their order.
func (s *Server) Requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Asked is how many requests came.
func (s *Server) Asked() int { return len(s.Requests()) }

// pipes is a listener without a network.
type pipes struct {
	conns  chan net.Conn
	done   chan struct{}
	closed sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.closed.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(203, 0, 113, 7), Port: 443} }

// hasty does not wait until its goodbye is read. A pipe holds nothing, and both
// ends may say goodbye at once; TLS sets a deadline for nothing else.
type hasty struct{ net.Conn }

func (h hasty) SetWriteDeadline(time.Time) error {
	return h.Conn.SetWriteDeadline(time.Now())
}
