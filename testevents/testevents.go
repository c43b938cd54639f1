// Package testevents holds one example of every message that a function can
// receive, by the name of the function: seed of the fuzzers, input of the golden
// tests and of `steward invoke`. It says what arrives, never what to make of it.
package testevents

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed */*.json
var files embed.FS

// The folders that are no functions.
const (
	Ignored   = "ignored"   // well formed, and deliberately nothing to do
	Malformed = "malformed" // refused
)

// Case names one example.
type Case struct {
	Function string // folder
	Name     string // file without .json
}

func (c Case) String() string { return c.Function + "/" + c.Name }

// List is every example, in the order of folder and name.
func List() []Case {
	paths, err := fs.Glob(files, "*/*.json")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	cases := make([]Case, len(paths))
	for i, p := range paths {
		function, file := path.Split(p)
		cases[i] = Case{Function: path.Clean(function), Name: strings.TrimSuffix(file, ".json")}
	}
	return cases
}

// Read returns one example. The error for a name that does not exist lists those
// that do.
func Read(function, name string) ([]byte, error) {
	b, err := files.ReadFile(function + "/" + name + ".json")
	if err == nil {
		return b, nil
	}
	var functions, names []string
	for _, c := range List() {
		functions = append(functions, c.Function)
		if c.Function == function {
			names = append(names, c.Name)
		}
	}
	if names == nil {
		return nil, fmt.Errorf("no test events of %q: choose one of %s", function, strings.Join(slices.Compact(functions), ", "))
	}
	return nil, fmt.Errorf("no test event %q of %s: choose one of %s", name, function, strings.Join(names, ", "))
}
