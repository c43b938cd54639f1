// Command listen searches what tests print for the secrets that they use. It
// reads the output of go test -json, shows what go test shows without it and the
// attributes of tests, and fails when a secret is in there, or when it heard none
// of the suite.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/eks-steward/eks-steward/internal/canary"
)

func main() {
	if err := listen(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "listen:", err)
		os.Exit(1)
	}
}

// event is one line of go test -json (go doc test2json).
type event struct {
	Action     string
	Package    string
	ImportPath string // in place of Package while it is built
	Test       string
	Output     string
	Key, Value string // of an attribute
}

// maxLine is far above what go test puts into one line.
const maxLine = 16 << 20

var (
	errShown   = errors.New("a secret is shown: mend what printed it, and never print a secret to say so")
	errNothing = errors.New("the test that prints for the search was not heard, so silence means nothing: run the whole suite with -json")
)

// listen fails with errShown or errNothing, or when the input ends in mid-air.
func listen(in io.Reader, out io.Writer) error {
	l := listener{out: out, packages: map[string]*output{}}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Action == "" {
			e = event{Action: "output", Output: lines.Text() + "\n"} // of the go command itself
		}
		l.take(e)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read what the tests print: %w", err)
	}
	switch {
	case l.shown:
		return errShown
	case !l.heard:
		return errNothing
	}
	return nil
}

// listener follows the packages of one run.
type listener struct {
	out          io.Writer
	packages     map[string]*output
	shown, heard bool
}

// output is what one package printed.
type output struct {
	tail  string // of all of it, where a secret may have begun
	tests map[string]*strings.Builder
}

func (l *listener) take(e event) {
	name := e.Package + e.ImportPath
	p := l.packages[name]
	if p == nil {
		p = &output{tests: map[string]*strings.Builder{}}
		l.packages[name] = p
	}
	l.search(e, p)
	switch {
	case e.Test == "" && e.Output != "PASS\n":
		_, _ = io.WriteString(l.out, hidden(e.Output)) // the terminal: nobody else would hear of a failure
	case e.Test == "":
	case e.Action == "attr": // such as a seed: what to know of a test that passes too
		fmt.Fprintf(l.out, "%s: %s %s\n", e.Test, e.Key, hidden(e.Value))
	case e.Action == "fail":
		if b := p.tests[e.Test]; b != nil {
			_, _ = io.WriteString(l.out, hidden(b.String()))
		}
		delete(p.tests, e.Test)
	case e.Action == "pass", e.Action == "skip":
		delete(p.tests, e.Test)
	case e.Output != "":
		if p.tests[e.Test] == nil {
			p.tests[e.Test] = &strings.Builder{}
		}
		p.tests[e.Test].WriteString(e.Output)
	}
}

// search looks into an output and over the seam to the one before it.
func (l *listener) search(e event, p *output) {
	if e.Output == "" {
		return
	}
	all := p.tail + e.Output
	if strings.Contains(all, canary.Word) {
		l.shown = true
		fmt.Fprintf(l.out, "a secret is shown by %s %s: %s\n", e.Package, e.Test, hidden(strings.TrimSpace(e.Output)))
		all = ""
	}
	l.heard = l.heard || strings.Contains(all, canary.Heard)
	p.tail = all[max(0, len(all)-len(canary.Heard)):]
}

func hidden(s string) string { return strings.ReplaceAll(s, canary.Word, "[secret]") }
