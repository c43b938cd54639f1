// Package moto runs the AWS emulator moto for tests that need a real protocol
// and real conditional writes: DynamoDB, SQS, SNS and more, on loopback. It
// installs what it needs once and ends its server with the test; it never speaks
// to AWS and never uses a credential of the machine.
package moto

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// Server is one running emulator. Accounts and regions are apart, as in AWS.
type Server struct {
	URL string // http://127.0.0.1:port
	// Config points every SDK client at the server, as account 123456789012 in
	// us-east-1.
	Config aws.Config

	process *os.Process
	ended   chan struct{}
	out     *os.File
	said    tail
}

// Said is the end of what the server printed: what went wrong, if it answers
// with 500.
func (s *Server) Said() string { return s.said.String() }

// tail keeps the last few kilobytes that are written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-8<<10):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// patience bounds the start of a server. It takes some four seconds on two idle
// cores; a slow and busy machine takes many times that.
const patience = 5 * time.Minute

// Start runs a server until t ends. It fails t if there is no Python.
func Start(t testing.TB) *Server {
	t.Helper()
	server, err := Run(t.Context(), "-m", "moto.server")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}

// Run starts moto by a program of Python: its file, or -m and its module. The
// caller closes what Run returns. The error says what to install when there is
// no Python.
func Run(ctx context.Context, program ...string) (*Server, error) {
	python, err := Python(ctx)
	if err != nil {
		return nil, err
	}
	s, err := serve(python, program)
	if err != nil {
		return nil, fmt.Errorf("start moto: %w", err)
	}
	s.Config = aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: &s.URL,
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
	return s, nil
}

// Close ends the process and waits for it.
func (s *Server) Close() {
	_ = s.process.Kill()
	<-s.ended
	_ = s.out.Close()
}

// serve starts the process and waits until it listens. Port 0 lets the system
// choose a free one, so that there is no moment in which another process could
// take it.
func serve(python string, program []string) (*Server, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(python, append(program, "-H", "127.0.0.1", "-p", "0")...) //nolint:noctx // Close ends it: it outlives the call that starts it
	cmd.Dir = filepath.Dir(python)
	// Moto makes clients of AWS to read their models. They look for credentials, and would
	// ask for those of the instance.
	cmd.Env = append(os.Environ(), "PYTHONUNBUFFERED=1", "AWS_EC2_METADATA_DISABLED=true")
	cmd.Stdout, cmd.Stderr = in, in
	s := &Server{ended: make(chan struct{}), out: out}
	started := make(chan error)
	go func() {
		defer close(s.ended)
		// The kernel sends the parent-death signal when the thread that started
		// the child ends, not the process (golang.org/issue/27505): keep it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		dieWithParent(cmd)
		err := cmd.Start()
		_ = in.Close()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, errors.Join(err, out.Close())
	}
	s.process = cmd.Process
	if err := s.listens(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// listens waits for the server to say where it listens, and then reads on: it
// prints a line for every request.
func (s *Server) listens() (err error) {
	if err := s.out.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if s.URL, err = announced(s.out); err != nil {
		return err
	}
	if err := s.out.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	go func() { _, _ = io.Copy(&s.said, s.out) }()
	return nil
}

// announced reads up to the line by which the server says that it listens.
func announced(out io.Reader) (string, error) {
	var said strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, url, found := strings.Cut(lines.Text(), "Running on "); found {
			return strings.TrimSpace(url), nil
		}
		said.WriteString("\n" + lines.Text())
	}
	return "", errors.Join(errors.New("it did not say where it listens"+said.String()), lines.Err())
}
