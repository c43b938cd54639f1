package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A Node is one value of a configuration document and where it stands. It is
// what YAML and JSON have in common.
type Node struct {
	Kind    Kind
	Text    string  // of a scalar, without quotes
	Entries []Entry // of a mapping, in order, duplicates included
	Items   []Node  // of a list
	Place
}

// Place is a position in a document, from 1; zero when it has none. What has been
// stored keeps its line only.
type Place struct{ Line, Column int }

// Entry is one key of a mapping with its value.
type Entry struct {
	Key   string
	Place // of the key
	Value Node
}

// Kind is the form of a node.
type Kind int

// The kinds of node. Null is the zero value: a key without anything after it.
const (
	Null Kind = iota
	Mapping
	List
	Text
	Number
	Bool
)

// shown is the node as it appears in a message: short, and without secrets.
func (n Node) shown() string {
	switch n.Kind {
	case Mapping:
		if len(n.Entries) == 0 {
			return "an empty mapping"
		}
		return "a mapping"
	case List:
		if len(n.Items) == 0 {
			return "an empty list"
		}
		return "a list"
	case Text:
		return strconv.Quote(clip(Redact(n.Text)))
	case Number, Bool:
		return clip(n.Text)
	}
	return "empty"
}

var plainKey = grammar(`^[0-9A-Za-z_-]{1,60}$`)

// asKey is a text as part of a path: plain where that is safe.
func (n Node) asKey() string {
	if plainKey.MatchString(n.Text) && Redact(n.Text) == n.Text {
		return n.Text
	}
	return n.shown()
}

// clip bounds what one value adds to a message.
func clip(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}

// secret finds what people paste into the wrong place: the path of a Slack
// webhook is its password, and so is a Slack token.
var secret = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(hooks\.slack(?:-gov)?\.com|xox[a-z]-|xapp-)[^\s"']+`)
})

// Redact leaves out the secrets that s may hold.
func Redact(s string) string { return secret().ReplaceAllString(s, "$1[redacted]") }

// A Problem is one thing that is wrong with a configuration, and where.
type Problem struct {
	File string
	Place
	Text string // what is there and what is wanted
}

// Error is file:line:column: text, as editors and terminals link it.
func (p Problem) Error() string {
	switch {
	case p.Line == 0:
		return fmt.Sprintf("%s: %s", p.File, p.Text)
	case p.Column == 0:
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Text)
}

// Problems are all that is wrong with a configuration, in the order of the file.
type Problems []Problem

// Error is one problem per line. It is bounded, since it ends in logs and
// messages; the slice holds all.
func (ps Problems) Error() string {
	const most = 50
	var lines []string
	for _, p := range ps[:min(len(ps), most)] {
		lines = append(lines, p.Error())
	}
	if len(ps) > most {
		lines = append(lines, fmt.Sprintf("and %d more problems", len(ps)-most))
	}
	return strings.Join(lines, "\n")
}

// Sort puts the problems in the order of the file.
func (ps Problems) Sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
