// Package sts stands in for AWS STS towards programs that may not be changed: they reach it as
// sts.<region>.amazonaws.com by HTTPS_PROXY and trust it by SSL_CERT_FILE. It answers
// GetCallerIdentity alone, and only to a presigned URL whose signature it has computed again
// from the key's secret; it knows no policy and never speaks to AWS.
package sts

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/eks-steward/eks-steward/e2e/cluster/authority"
)

// A Caller is whose an access key is.
type Caller struct {
	ARN          string // as GetCallerIdentity says it: of a session, for a role
	Secret       string
	SessionToken string // empty for a key that lasts
}

// Server is one running stand-in.
type Server struct {
	environment []string
	authority   *authority.Authority

	mu      sync.Mutex
	callers map[string]Caller
	ask     func(accessKeyID string) (Caller, bool)
}

// Start serves on a free port of loopback until t ends.
func Start(t testing.TB) *Server {
	t.Helper()
	root, err := authority.New("stand-in for STS")
	if err != nil {
		t.Fatal(err)
	}
	roots := filepath.Join(t.TempDir(), "sts.pem")
	if err := os.WriteFile(roots, root.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{
		environment: []string{"HTTPS_PROXY=http://" + l.Addr().String(), "SSL_CERT_FILE=" + roots},
		authority:   root,
		callers:     map[string]Caller{},
	}
	inside := listenInside()
	proxy := &http.Server{Handler: http.HandlerFunc(inside.connect), ReadHeaderTimeout: time.Minute}
	service := &http.Server{Handler: http.HandlerFunc(s.callerIdentity), ReadHeaderTimeout: time.Minute}
	go func() { _ = proxy.Serve(l) }() // both end by Close
	go func() { _ = service.Serve(tls.NewListener(inside, &tls.Config{GetCertificate: s.certificate})) }()
	t.Cleanup(func() {
		proxy.Close()
		service.Close()
	})
	return s
}

// Environment is what a process needs in its environment to take the stand-in for STS. It
// trusts no other HTTPS server then.
func (s *Server) Environment() []string { return s.environment }

// Issue makes an access key of the principal that arn names, such as
// arn:aws:sts::111122223333:assumed-role/steward-reader/test.
func (s *Server) Issue(arn string) aws.Credentials {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.callers) + 1
	key := aws.Credentials{
		AccessKeyID:     fmt.Sprintf("ASIASTANDIN%09d", n),
		SecretAccessKey: fmt.Sprintf("secret-%d", n),
		SessionToken:    fmt.Sprintf("session/%d+=", n), // with what a URL has to escape
	}
	s.callers[key.AccessKeyID] = Caller{ARN: arn, Secret: key.SecretAccessKey, SessionToken: key.SessionToken}
	return key
}

// Ask makes the stand-in ask f about the keys that it did not issue, such as those that
// another emulator hands out.
func (s *Server) Ask(f func(accessKeyID string) (Caller, bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ask = f
}

func (s *Server) caller(accessKeyID string) (Caller, bool) {
	s.mu.Lock()
	c, ok := s.callers[accessKeyID]
	ask := s.ask
	s.mu.Unlock()
	if !ok && ask != nil {
		return ask(accessKeyID)
	}
	return c, ok
}

// callerIdentity answers in JSON, as AWS does to a client that accepts it.
func (s *Server) callerIdentity(w http.ResponseWriter, r *http.Request) {
	caller, refused := s.verify(r, time.Now())
	if refused != nil {
		answer(w, http.StatusForbidden, map[string]any{"Error": refused, "RequestId": requestID})
		return
	}
	account, user := identify(caller.ARN)
	answer(w, http.StatusOK, map[string]any{"GetCallerIdentityResponse": map[string]any{
		"GetCallerIdentityResult": map[string]string{"Account": account, "Arn": caller.ARN, "UserId": user},
		"ResponseMetadata":        map[string]string{"RequestId": requestID},
	}})
}

const requestID = "00000000-0000-0000-0000-000000000000"

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// identify reads the account out of an ARN and makes a unique id, which AWS draws at random:
// AROA and the session's name for a role, AIDA for a user.
func identify(arn string) (account, userID string) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return "", arn
	}
	path := strings.Split(parts[5], "/")
	if path[0] == "assumed-role" {
		return parts[4], "AROASTANDIN" + strings.ToUpper(path[1]) + ":" + path[len(path)-1]
	}
	return parts[4], "AIDASTANDIN" + strings.ToUpper(path[len(path)-1])
}

// certificate signs for whatever region is asked for.
func (s *Server) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	pair, err := s.authority.Issue(pkix.Name{CommonName: hello.ServerName}, hello.ServerName)
	if err != nil {
		return nil, err
	}
	c, err := pair.TLS()
	return &c, err
}
