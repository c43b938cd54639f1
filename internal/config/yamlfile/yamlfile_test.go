package yamlfile_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/config/yamlfile"
)

var update = flag.Bool("update", false, "write the golden files")

// TestFault_54_EveryProblemIsToldWithItsPlace holds the messages for bad files:
// testdata/bad/<name>.yaml is refused with the text of <name>.golden.
func TestFault_54_EveryProblemIsToldWithItsPlace(t *testing.T) {
	for _, path := range list(t, "testdata/bad/*.yaml") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			_, err := yamlfile.Parse("steward.yaml", read(t, path))
			var problems config.Problems
			if !errors.As(err, &problems) {
				t.Fatalf("Parse accepted the file or failed otherwise: %v", err)
			}
			compare(t, strings.TrimSuffix(path, ".yaml")+".golden", problems.Error()+"\n")
		})
	}
}

func compare(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := string(read(t, path)); got != want {
		t.Errorf("%s:\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

func TestGoodFilesAreAccepted(t *testing.T) {
	for _, path := range list(t, "testdata/good/*.yaml") {
		if _, err := yamlfile.Parse(path, read(t, path)); err != nil {
			t.Error(err)
		}
	}
}

func TestFault_54_NoSecretIsRepeated(t *testing.T) {
	_, err := yamlfile.Parse("steward.yaml", read(t, "testdata/bad/webhook-in-the-file.yaml"))
	if err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("got %v", err)
	}
}

// A file within the size limit must not exhaust the memory or the stack of the
// function that reads it, whatever it holds.
func TestFault_54_HostileFilesAreRefused(t *testing.T) {
	full := func(s string) string { return strings.Repeat(s, config.MaxBytes/len(s)) }
	nested := func(of string) string {
		var b strings.Builder
		for i := 0; b.Len() < config.MaxBytes-2000; i++ {
			b.WriteString(strings.Repeat(" ", i) + of + "\n")
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"open brackets":        full("["),
		"open braces":          full("{"),
		"braces with keys":     full("{a: "),
		"dashes in one line":   full("- "),
		"question marks":       full("? "),
		"colons":               full(": "),
		"nested keys":          nested("a:"),
		"nested dashes":        nested("-"),
		"anchors":              full("&a "),
		"tags":                 full("!!map "),
		"aliases of aliases":   "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n",
		"quotes":               full(`"`),
		"one endless key":      full("a"),
		"document headers":     full("---\n"),
		"empty keys":           full("a:\n"),
		"pairs of keys":        full("a:\nb: {}\n"),
		"keys over items":      full("a:\n- x\n"),
		"one byte too many":    full("#") + "##",
		"unknown keys":         full("abcdefgh: 1\n"),
		"a key of many words":  full("warnpercent ") + ": 1",
		"a target without end": "targets: [" + full(`{account: "1"},`)[:config.MaxBytes-100] + "]",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := yamlfile.Parse("steward.yaml", []byte(text)); err == nil {
				t.Error("the file was accepted")
			}
		})
	}
}

func list(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files like %s: %v", pattern, err)
	}
	return files
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// FuzzParse holds that a file is either accepted, and then survives being
// stored, or refused with problems that lie within it.
func FuzzParse(f *testing.F) {
	for _, path := range append(list(f, "testdata/good/*.yaml"), list(f, "testdata/bad/*.yaml")...) {
		f.Add(read(f, path))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := yamlfile.Parse("steward.yaml", data)
		if err == nil {
			stored, err := config.Encode(file)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := config.Decode(stored); err != nil || !reflect.DeepEqual(got, file) {
				t.Errorf("stored as %s, read as %+v, %v", stored, got, err)
			}
			return
		}
		var problems config.Problems
		if !errors.As(err, &problems) || len(problems) == 0 {
			t.Fatalf("refused without a problem: %v", err)
		}
		lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + 1
		for _, p := range problems {
			if p.Line < 1 && len(data) <= config.MaxBytes || p.Line > lines || strings.ContainsAny(p.Error(), "\n\r") {
				t.Errorf("problem out of place among %d lines: %q", lines, p)
			}
		}
	})
}

func TestALargeOrganisationFitsOneFile(t *testing.T) {
	for name, form := range map[string]string{
		"block": "  - account: \"%012d\"\n    regions: [eu-west-1]\n",
		"flow":  "  - {account: \"%012d\", regions: [eu-west-1]}\n",
	} {
		var b strings.Builder
		b.WriteString("schemaVersion: 1\ntargets:\n")
		for i := range 5000 {
			fmt.Fprintf(&b, form, i)
		}
		f, err := yamlfile.Parse("steward.yaml", []byte(b.String()))
		if err != nil || len(f.Targets()) != 5000 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
