//go:build unix

package rollout_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/e2e/deployed"
	"github.com/eks-steward/eks-steward/e2e/moto"
)

var update = flag.Bool("update", false, "write the golden file")

// says runs the command line, and expects what it says.
func (p *product) says(t *testing.T, args []string, says ...string) {
	t.Helper()
	said(t, p.Command(t, p.steward, args...), 0, says...)
}

// planned expects what steward plan says of the fleet. It reads what there is of it
// without the policies of the deployed roles, as somebody who may read everything.
func (p *product) planned(t *testing.T, says ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "steward.yaml")
	if err := os.WriteFile(file, []byte(deployed.File(enforce)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := p.Command(t, p.steward, "plan", "--file", file)
	cmd.Env = append(cmd.Env, "AWS_ENDPOINT_URL="+p.open)
	said(t, cmd, 1, says...) // there is something to do
}

func said(t *testing.T, cmd *exec.Cmd, code int, says ...string) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code {
		t.Fatalf("%q: %v, want the exit code %d\n%s", cmd.Args, err, code, out)
	}
	for _, want := range says {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q says %s\nwant it to say %q", cmd.Args, out, want)
		}
	}
}

// A transcript is what somebody sees who watches a rollout to its end.
type transcript struct {
	path string
	cmd  *exec.Cmd
}

// watched begins a transcript. It stays in .cache/e2e at the root of the
// repository.
func (p *product) watched(t *testing.T) *transcript {
	t.Helper()
	module, err := moto.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(filepath.Dir(module), ".cache", "e2e")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	s := &transcript{path: filepath.Join(dir, "rollout-status.txt"), cmd: p.Command(p.whole, p.steward, "rollout", "status", "--watch")}
	file, err := os.Create(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() // the process has its own
	s.cmd.Stdout, s.cmd.Stderr = file, file
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

// shows waits until the transcript says all of it.
func (s *transcript) shows(t *testing.T, says ...string) {
	t.Helper()
	eventually(t, func() error {
		text := s.text(t)
		for _, want := range says {
			if !strings.Contains(text, want) {
				return fmt.Errorf("steward rollout status does not show %q:\n%s", want, text)
			}
		}
		return nil
	})
}

func (s *transcript) text(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// ends waits until the command has ended by itself, and holds its last screen
// against the golden.
func (s *transcript) ends(t *testing.T) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- s.cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatalf("steward rollout status --watch: %v\n%s", err, s.text(t))
		}
	case <-time.After(2 * time.Minute): // it looks every five seconds, and is slow where all is
		t.Fatalf("steward rollout status --watch does not end:\n%s", s.text(t))
	}
	screens := strings.Split("\n"+s.text(t), "\nRollout ")
	got := mask("Rollout " + screens[len(screens)-1])
	golden := filepath.Join("testdata", "last-screen.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the last screen is\n%s\nwant\n%s", got, want)
	}
}

// mask takes out what differs from run to run.
func mask(screen string) string {
	for _, m := range []struct{ pattern, word string }{
		{`\b\d{8}-\d{4}-[0-9a-f]{12}\b`, "ROLLOUT"},
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`, "TIME"},
		{`\bPlan [0-9a-f]{12}\b`, "Plan HASH"},
		{`\b(took|after) \d+m\b`, "$1 A WHILE"},
	} {
		screen = regexp.MustCompile(m.pattern).ReplaceAllString(screen, m.word)
	}
	return screen
}
