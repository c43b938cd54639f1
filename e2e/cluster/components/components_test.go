//go:build unix

package components

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOutsideTheRepositoryOneSentenceSaysWhatToDo(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := Build(t.Context())
	if err == nil || !strings.Contains(err.Error(), "run this inside the repository") {
		t.Fatalf("got %v", err)
	}
}

func TestAProgramIsBuiltOnceForEachSource(t *testing.T) {
	p, cache := sample(t, "package main\n\nfunc main() { /* 1 */ }\n"), t.TempDir()
	first, err := p.build(t.Context(), cache)
	if err != nil {
		t.Fatal(err)
	}
	write(t, first, "left alone")
	again, err := p.build(t.Context(), cache)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(again); err != nil || string(got) != "left alone" {
		t.Errorf("it was built again: %v", err)
	}
	for _, change := range []struct {
		name string
		make func(p *program)
	}{
		{"another source", func(p *program) {
			write(t, filepath.Join(p.dir, "main.go"), "package main\n\nfunc main() { /* 2 */ }\n")
		}},
		{"another checksum", func(p *program) { write(t, filepath.Join(p.dir, "go.sum"), "\n") }},
		{"another flag of the linker", func(p *program) { p.ldflags = "-s" }},
	} {
		t.Run(change.name, func(t *testing.T) {
			changed := p
			change.make(&changed)
			if path, err := changed.build(t.Context(), cache); err != nil || path == first {
				t.Errorf("got %s, %v", path, err)
			}
		})
	}
}

func TestAProgramThatDoesNotCompileIsQuotedAndNotKept(t *testing.T) {
	p, cache := sample(t, "package main\n\nfunc main() { missing() }\n"), t.TempDir()
	for range 2 {
		if _, err := p.build(t.Context(), cache); err == nil || !strings.Contains(err.Error(), "undefined: missing") {
			t.Fatalf("got %v, want what the compiler said", err)
		}
	}
}

func TestTheControlPlaneTakesItsVersionFromItsModule(t *testing.T) {
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	p, err := controlPlane(root)
	if err != nil {
		t.Fatal(err)
	}
	gomod, err := os.ReadFile(filepath.Join(p.dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	_, version, _ := strings.Cut(p.ldflags, "gitVersion=")
	version, _, _ = strings.Cut(version, " ")
	if !strings.HasPrefix(version, "v1.") || !strings.Contains(string(gomod), "k8s.io/kubernetes "+version+"\n") {
		t.Errorf("the linker is told %q", version)
	}
}

// sample is a program of one file.
func sample(t *testing.T, main string) program {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module example.com/sample\n\ngo 1.26.0\n")
	write(t, filepath.Join(dir, "main.go"), main)
	return program{name: "sample", dir: dir, pkg: ".", ldflags: "-s -w"}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
