package config

import (
	"regexp"
	"sync"
)

// A Grammar is a regular expression that is compiled at its first use. Most
// functions read an accepted configuration and judge no text: their cold start
// should not pay for every pattern there is.
type Grammar struct {
	source   string
	compiled func() *regexp.Regexp
}

func grammar(source string) *Grammar {
	return &Grammar{source, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(source) })}
}

// MatchString reports whether the grammar matches within s.
func (g *Grammar) MatchString(s string) bool { return g.compiled().MatchString(s) }

// String is the expression.
func (g *Grammar) String() string { return g.source }
