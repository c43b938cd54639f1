package internal_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryFaultOfTheListHasATestAndEveryTestIsInTheList holds docs/faults.md
// to the tests: what it promises is shown somewhere.
func TestEveryFaultOfTheListHasATestAndEveryTestIsInTheList(t *testing.T) {
	list, err := os.ReadFile("../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := numbers(regexp.MustCompile(`(?m)^\| (\d\d) \|`), string(list))
	tested := map[string]bool{}
	named := regexp.MustCompile(`(?:func TestFault_|"FAULT )(\d\d)`)
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "cdk.out" || strings.HasPrefix(d.Name(), ".") && d.Name() != "..") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		maps.Copy(tested, numbers(named, string(source)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range slices.Sorted(maps.Keys(listed)) {
		if !tested[n] {
			t.Errorf("fault %s is in docs/faults.md and in no test", n)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(tested)) {
		if !listed[n] {
			t.Errorf("fault %s has a test and is not in docs/faults.md", n)
		}
	}
	if len(listed) == 0 {
		t.Error("docs/faults.md has no row: the test reads it wrongly")
	}
}

func numbers(pattern *regexp.Regexp, text string) map[string]bool {
	found := map[string]bool{}
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		found[m[1]] = true
	}
	return found
}
