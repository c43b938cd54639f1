// Package moto runs the AWS emulator moto for tests that need a real protocol
// and real conditional writes: DynamoDB, SQS, SNS and more, on loopback. It
// installs what it needs once and ends its server with the test; it never speaks
// to AWS and never uses a credential of the machine.
package moto

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
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
}

// patience bounds the start of a server. It takes some four seconds on two idle
// cores; a busy machine takes a few times that.
const patience = time.Minute

// Start runs a server until t ends. It fails t if there is no Python.
func Start(t testing.TB) *Server {
	t.Helper()
	python, err := environment(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	url, err := serve(t, python)
	if err != nil {
		t.Fatalf("start moto: %v", err)
	}
	return &Server{URL: url, Config: aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: &url,
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
	}}
}

// serve starts the process and returns its URL once it listens. Port 0 lets the
// system choose a free one, so that there is no moment in which another process
// could take it.
func serve(t testing.TB, python string) (string, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(python, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0")
	cmd.Dir = filepath.Dir(python)
	cmd.Env = append(os.Environ(), "PYTHONUNBUFFERED=1")
	cmd.Stdout, cmd.Stderr = in, in
	started, ended := make(chan error), make(chan struct{})
	go func() {
		defer close(ended)
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
		return "", errors.Join(err, out.Close())
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		_ = out.Close()
	})
	if err := out.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	url, err := announced(out)
	if err != nil {
		return "", err
	}
	_ = out.SetReadDeadline(time.Time{})
	go func() { _, _ = io.Copy(io.Discard, out) }() // one line per request
	return url, nil
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
