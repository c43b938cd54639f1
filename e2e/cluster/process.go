//go:build unix

package cluster

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// patience bounds how long a component may take to get ready. It is some three seconds on two
// idle cores; a slow and busy machine takes many times that.
const patience = 5 * time.Minute

// poll is how often readiness is asked for.
const poll = 50 * time.Millisecond

// A process is one running component.
type process struct {
	name  string
	log   string // path
	ended chan struct{}
}

// start runs a program until the test ends. It sees nothing of the environment of the test, so
// that no credential and no configuration of this machine gets into it.
func (p *plane) start(name, program string, env []string, args ...string) *process {
	p.t.Helper()
	running := &process{name: name, log: filepath.Join(p.dir, name+".log"), ended: make(chan struct{})}
	log, err := os.Create(running.log)
	if err != nil {
		p.t.Fatal(err)
	}
	// The context of a test ends before its cleanup, which has an order to keep.
	cmd := exec.CommandContext(context.WithoutCancel(p.t.Context()), program, args...)
	cmd.Dir = p.dir
	cmd.Env = slices.Concat([]string{"HOME=" + p.dir, "PATH=" + os.Getenv("PATH")}, env)
	cmd.Stdout, cmd.Stderr = log, log
	started := make(chan error)
	go func() {
		defer close(running.ended)
		// The kernel sends the parent-death signal when the thread that started the child
		// ends, not the process (golang.org/issue/27505): keep it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		dieWithParent(cmd)
		err := cmd.Start()
		_ = log.Close()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		p.t.Fatalf("start %s: %v", name, err)
	}
	p.t.Cleanup(func() {
		if p.t.Failed() {
			p.t.Logf("%s said last:\n%s", name, running.tail())
		}
		// Nothing is worth an orderly end: what they write is thrown away.
		_ = cmd.Process.Kill()
		<-running.ended
	})
	return running
}

// until waits for 200 from url, or fails the test when the process ends before.
func (p *plane) until(running *process, client *http.Client, url string) {
	p.t.Helper()
	ready := func() error { return answers(p.t.Context(), client, url) }
	if err := eventually(p.t.Context(), running.ended, ready); err != nil {
		p.t.Fatalf("%s does not get ready: %v", running.name, err)
	}
}

// tail is the end of the log.
func (r *process) tail() []byte {
	const size = 4 << 10
	log, err := os.ReadFile(r.log)
	if err != nil {
		return fmt.Append(nil, err)
	}
	if len(log) > size {
		log = log[len(log)-size:]
		_, log, _ = bytes.Cut(log, []byte("\n"))
	}
	return log
}
