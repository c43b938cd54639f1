// Package yamlfile reads the run-time file as people write it. It turns YAML
// into the nodes that package config judges, and refuses those parts of YAML in
// which a file can mean something else than it seems to: anchors, tags, merge
// keys, several documents. It never decides what a key means, and only
// functions that read a new file should import it: the others read the accepted
// one with config.Decode and link no YAML parser.
package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/eks-steward/eks-steward/internal/config"
)

// Parse reads and judges a run-time file; name is what messages call it. The
// error is config.Problems: everything that is wrong, with line, column and the
// wanted form. Where the text is no YAML at all only the first problem is known.
func Parse(name string, data []byte) (*config.File, error) {
	root, problems := tree(data)
	for i := range problems {
		problems[i].File = name
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return config.Build(name, root)
}

// tree is the document as nodes.
func tree(data []byte) (config.Node, config.Problems) {
	if problem, ok := unreadable(data); ok {
		return config.Node{}, config.Problems{problem}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // some editors write a byte order mark
	tokens := lexer.Tokenize(string(data))
	if problems := refused(tokens); len(problems) > 0 {
		return config.Node{}, problems
	}
	// Keys given twice pass here, so that config reports them with all the rest.
	doc, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return config.Node{}, config.Problems{syntax(err, data)}
	}
	var r reader
	for _, d := range doc.Docs {
		if d.Body != nil {
			return r.node(d.Body), r.problems
		}
	}
	return config.Node{}, config.Problems{{Place: config.Place{Line: 1, Column: 1}, Text: "the file is empty: want a mapping with schemaVersion and targets"}}
}

// unreadable finds what must not reach the parser.
func unreadable(data []byte) (config.Problem, bool) {
	if len(data) > config.MaxBytes {
		return config.Problem{Text: fmt.Sprintf("the file has %d bytes: want at most %d (%d KB), so that it fits the ledger; use patterns in overrides instead of single clusters", len(data), config.MaxBytes, config.MaxBytes>>10)}, true
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return config.Problem{Place: placeOf(data, i), Text: fmt.Sprintf("byte 0x%02x is not UTF-8: save the file as UTF-8", data[i])}, true
		}
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' {
			return config.Problem{Place: placeOf(data, i), Text: fmt.Sprintf("control character 0x%02x: want plain text", r)}, true
		}
		i += size
	}
	return config.Problem{}, false
}

func placeOf(data []byte, offset int) config.Place {
	before := data[:offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	return config.Place{Line: bytes.Count(before, []byte("\n")) + 1, Column: utf8.RuneCount(before[start:]) + 1}
}

// The parser recurses once per level, and its work grows with the square of the
// keys of one mapping, so an endless row of brackets, dashes or keys would
// exhaust its stack or time. Both bounds are far beyond any real file.
const (
	maxNesting = 32
	maxKeys    = 64
)

// refused looks at the flat list of tokens for what a configuration must not
// hold. Nothing has been expanded or nested yet, so a hostile file costs no more
// than its length.
func refused(tokens token.Tokens) config.Problems {
	var problems config.Problems
	var open scopes
	dashes, line := 0, 0
	for i, t := range tokens {
		if t.Position.Line != line {
			line, dashes = t.Position.Line, 0
		}
		if t.Type == token.SequenceEntryType {
			dashes++
		}
		if keys := open.read(t); keys > maxKeys {
			return append(problems, config.Problem{Place: placeAt(t), Text: fmt.Sprintf("a mapping has more than %d keys: want the form that the documentation shows", maxKeys)})
		}
		if len(open) > maxNesting || dashes > maxNesting {
			return append(problems, config.Problem{Place: placeAt(t), Text: fmt.Sprintf("values are nested more than %d deep: want the form that the documentation shows", maxNesting)})
		}
		if text, ok := foreign(t, i); ok {
			problems = append(problems, config.Problem{Place: placeAt(t), Text: text})
		}
	}
	return problems
}

// scopes are the mappings and brackets that are open at a token, outermost
// first: the column of a mapping's keys, or 0 for a bracket, and its keys.
type scopes []struct{ column, keys int }

// read takes in one token, and returns how many keys its mapping has so far.
func (s *scopes) read(t *token.Token) int {
	switch t.Type {
	case token.SequenceStartType, token.MappingStartType:
		*s = append(*s, struct{ column, keys int }{})
	case token.SequenceEndType, token.MappingEndType:
		s.close(0)
		*s = (*s)[:max(len(*s)-1, 0)]
	case token.SequenceEntryType:
		s.close(t.Position.Column)
	case token.MappingValueType:
		return s.key(t)
	}
	return 0
}

// close ends the mappings whose keys stand right of a column, up to a bracket.
func (s *scopes) close(column int) {
	for len(*s) > 0 && (*s)[len(*s)-1].column > column {
		*s = (*s)[:len(*s)-1]
	}
}

// key counts the key before a colon to its mapping.
func (s *scopes) key(colon *token.Token) int {
	column := colon.Position.Column
	if colon.Prev != nil {
		column = colon.Prev.Position.Column
	}
	s.close(column)
	if last := len(*s) - 1; last < 0 || (*s)[last].column != 0 && (*s)[last].column < column {
		*s = append(*s, struct{ column, keys int }{column: column})
	}
	last := &(*s)[len(*s)-1]
	last.keys++
	return last.keys
}

// foreign says what to write in place of a part of YAML that is not read.
func foreign(t *token.Token, i int) (string, bool) {
	switch t.Type {
	case token.AnchorType, token.AliasType, token.MergeKeyType:
		return "anchors, aliases and merge keys are not read: write the value out", true
	case token.TagType:
		return "tags are not read: write the plain value", true
	case token.DirectiveType:
		return "directives are not read: remove the line", true
	case token.MappingKeyType:
		return "keys that start with ? are not read: write key: value", true
	case token.DocumentHeaderType:
		return "a second document begins here: want one document in the file", i > 0 && t.Prev != nil && t.Prev.Type != token.CommentType
	}
	return "", false
}

func placeAt(t *token.Token) config.Place {
	if t == nil || t.Position == nil {
		return config.Place{Line: 1, Column: 1}
	}
	return config.Place{Line: t.Position.Line, Column: t.Position.Column}
}

// syntax words the parser's error. A tab is the usual reason, and the parser
// rarely says so.
func syntax(err error, data []byte) config.Problem {
	var e yaml.Error
	if !errors.As(err, &e) {
		return config.Problem{Text: "this is not YAML: " + config.Redact(err.Error())}
	}
	at := placeAt(e.GetToken())
	if tab, ok := firstTab(data); ok && tab.Line <= at.Line+1 {
		return config.Problem{Place: tab, Text: "a tab indents this line, which YAML forbids: want spaces"}
	}
	return config.Problem{Place: at, Text: "this is not YAML: " + config.Redact(e.GetMessage())}
}

// firstTab finds the first line that is indented with a tab.
func firstTab(data []byte) (config.Place, bool) {
	for i, line := range strings.Split(string(data), "\n") {
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if tab := strings.IndexByte(indent, '\t'); tab >= 0 && len(indent) < len(strings.TrimRight(line, "\r")) {
			return config.Place{Line: i + 1, Column: tab + 1}, true
		}
	}
	return config.Place{}, false
}

// reader turns the parser's tree into nodes.
type reader struct{ problems config.Problems }

func (r *reader) node(n ast.Node) config.Node {
	at := placeAt(n.GetToken())
	switch n := n.(type) {
	case *ast.MappingNode:
		return r.mapping(placeAt(start(n)), n.Values)
	case *ast.MappingValueNode:
		return r.mapping(placeAt(n.Key.GetToken()), []*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		list := config.Node{Kind: config.List, Place: at}
		for _, item := range n.Values {
			list.Items = append(list.Items, r.node(item))
		}
		return list
	case *ast.LiteralNode:
		return config.Node{Kind: config.Text, Text: n.Value.Value, Place: at}
	case *ast.StringNode:
		return config.Node{Kind: kindOf(n), Text: n.Value, Place: at}
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return config.Node{Kind: config.Number, Text: n.GetToken().Value, Place: at}
	case *ast.BoolNode:
		return config.Node{Kind: config.Bool, Text: n.Token.Value, Place: at}
	case *ast.NullNode:
		return config.Node{Kind: config.Null, Place: at}
	}
	r.problems = append(r.problems, config.Problem{Place: at, Text: "this part of YAML is not read: want plain keys, lists and values"})
	return config.Node{Place: at}
}

func (r *reader) mapping(at config.Place, values []*ast.MappingValueNode) config.Node {
	m := config.Node{Kind: config.Mapping, Place: at}
	for _, v := range values {
		key := v.Key.GetToken()
		m.Entries = append(m.Entries, config.Entry{Key: key.Value, Place: placeAt(key), Value: r.node(v.Value)})
	}
	return m
}

// start is the first token of a mapping: its bracket, or its first key.
func start(n *ast.MappingNode) *token.Token {
	if n.IsFlowStyle || len(n.Values) == 0 {
		return n.Start
	}
	return n.Values[0].Key.GetToken()
}

var digits = regexp.MustCompile(`^[0-9]+$`)

// kindOf tells text from a number that only this parser takes for text: other
// tools read a plain 012345678901 as a number and drop its zero.
func kindOf(n *ast.StringNode) config.Kind {
	if n.Token.Type == token.StringType && digits.MatchString(n.Value) {
		return config.Number
	}
	return config.Text
}
