package metrics

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The most that one family keeps, in rows and in bytes of label values. A cluster
// has hundreds of resources and of pairs of verb and bucket, not thousands.
const (
	mostRows = 4096
	mostText = 1 << 20
)

// gathered is one family while the page is read. Labels lie in one piece of
// memory: a row of its own for each would be an allocation for each.
type gathered struct {
	family Family
	text   []byte // label values of all rows, each ended by terminator
	ends   []int  // of each row in text
	values []float64
	last   int    // row of the sample before
	key    []byte // of this sample
	spans  []span // of this sample's labels, in family.By's order
	err    *Unreadable
}

// span is the raw value of one label, with its escapes.
type span struct {
	value   []byte
	escaped bool
	present bool
}

// terminator is no part of any UTF-8 text.
const terminator = 0xff

// take adds the sample of a line, given without its name. The first that cannot
// be read spoils the family: its value could have been the one that matters.
func (g *gathered) take(sample []byte) {
	if g.err != nil {
		return
	}
	g.spans = append(g.spans[:0], make([]span, len(g.family.By))...)
	rest, ok := g.labels(trimBlanks(sample))
	if !ok {
		g.spoil(Malformed, sample)
		return
	}
	v, ok := value(rest)
	switch {
	case !ok:
		g.spoil(Malformed, sample)
	case math.IsNaN(v) || math.IsInf(v, 0) || v < 0:
		g.spoil(NotAValue, sample)
	default:
		g.add(v)
	}
}

func (g *gathered) spoil(reason Reason, sample []byte) {
	g.err = &Unreadable{Reason: reason, Family: g.family.Name, Detail: clip(sample)}
}

// add joins a value to the row that has this sample's labels.
func (g *gathered) add(v float64) {
	g.key = g.key[:0]
	for _, s := range g.spans {
		g.key = append(appendUnescaped(g.key, s), terminator)
	}
	row, found := g.find()
	switch {
	case !found && (row == mostRows || len(g.text)+len(g.key) > mostText):
		g.spoil(TooManyRows, nil)
		return
	case !found:
		g.text = append(g.text, g.key...)
		g.ends = append(g.ends, len(g.text))
		g.values = append(g.values, v)
	case g.family.Join == Sum:
		g.values[row] += v
	default:
		g.values[row] = max(g.values[row], v)
	}
	g.last = row
}

// find looks for the row of key, or tells where it will be. It starts where the
// last sample was found: labels are sorted, so it is that row or the next one.
func (g *gathered) find() (int, bool) {
	rows := len(g.ends)
	for i := range rows {
		row := g.last + i
		if row >= rows {
			row -= rows
		}
		if bytes.Equal(g.row(row), g.key) {
			return row, true
		}
	}
	return rows, false
}

func (g *gathered) row(i int) []byte {
	begin := 0
	if i > 0 {
		begin = g.ends[i-1]
	}
	return g.text[begin:g.ends[i]]
}

// reading is what is known at the end of the page.
func (g *gathered) reading() reading {
	r := reading{family: g.family.Name, err: g.err}
	if g.err != nil || len(g.values) == 0 {
		return r
	}
	labels, n := g.split(), len(g.family.By)
	r.rows = make([]Row, len(g.values))
	for i, v := range g.values {
		r.rows[i] = Row{Labels: labels[i*n : (i+1)*n : (i+1)*n], Value: v}
	}
	return r
}

// split returns the label values of all rows, one after the other.
func (g *gathered) split() []string {
	text := string(g.text)
	labels := make([]string, 0, len(g.family.By)*len(g.values))
	for len(text) > 0 {
		end := strings.IndexByte(text, terminator)
		labels = append(labels, text[:end])
		text = text[end+1:]
	}
	return labels
}

// labels reads a label set, if there is one, and returns what follows it.
func (g *gathered) labels(s []byte) ([]byte, bool) {
	if len(s) == 0 || s[0] != '{' {
		return s, true
	}
	for s = trimBlanks(s[1:]); len(s) > 0 && s[0] != '}'; {
		var ok bool
		if s, ok = g.label(s); !ok {
			return nil, false
		}
	}
	if len(s) == 0 {
		return nil, false
	}
	return s[1:], true
}

// label reads one name="value" with the comma that may follow it.
func (g *gathered) label(s []byte) ([]byte, bool) {
	end := nameEnd(s)
	name, s := s[:end], trimBlanks(s[end:])
	if end == 0 || bytes.IndexByte(name, ':') >= 0 || len(s) == 0 || s[0] != '=' {
		return nil, false
	}
	s = trimBlanks(s[1:])
	if len(s) == 0 || s[0] != '"' {
		return nil, false
	}
	v, s, ok := quoted(s[1:])
	if !ok || !g.keep(name, v) {
		return nil, false
	}
	if s = trimBlanks(s); len(s) > 0 && s[0] == ',' {
		return trimBlanks(s[1:]), true
	}
	return s, len(s) > 0 && s[0] == '}'
}

// keep notes a label that the family is kept by, once.
func (g *gathered) keep(name []byte, v span) bool {
	for i, by := range g.family.By {
		if string(name) == by {
			again := g.spans[i].present
			g.spans[i] = v
			return !again
		}
	}
	return true
}

// quoted reads to the closing quote, and returns what follows it.
func quoted(s []byte) (span, []byte, bool) {
	escaped := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return span{s[:i], escaped, true}, s[i+1:], utf8.Valid(s[:i])
		case '\\':
			i++
			if i == len(s) || s[i] != '\\' && s[i] != '"' && s[i] != 'n' {
				return span{}, nil, false
			}
			escaped = true
		}
	}
	return span{}, nil, false
}

func appendUnescaped(to []byte, s span) []byte {
	if !s.escaped {
		return append(to, s.value...)
	}
	for i := 0; i < len(s.value); i++ {
		c := s.value[i]
		if c == '\\' {
			i++
			if c = s.value[i]; c == 'n' {
				c = '\n'
			}
		}
		to = append(to, c)
	}
	return to
}

// value reads the number and the timestamp in milliseconds that may follow it.
func value(s []byte) (float64, bool) {
	number, stamp := word(trimBlanks(s))
	if len(stamp) > 0 {
		if _, err := strconv.ParseInt(string(trimBlanks(stamp)), 10, 64); err != nil {
			return 0, false
		}
	}
	// The format's numbers are Go's, without hexadecimal ones and underscores.
	if len(number) == 0 || slices.ContainsFunc(number, func(c byte) bool { return c == 'p' || c == 'P' || c == '_' }) {
		return 0, false
	}
	v, err := strconv.ParseFloat(string(number), 64)
	return v, err == nil
}

// word splits s at the first blank.
func word(s []byte) ([]byte, []byte) {
	for i, c := range s {
		if c == ' ' || c == '\t' {
			return s[:i], s[i:]
		}
	}
	return s, nil
}

func trimBlanks(s []byte) []byte {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	return s
}

// nameEnd is the length of the metric's or label's name that s begins with.
func nameEnd(s []byte) int {
	if len(s) > 0 && '0' <= s[0] && s[0] <= '9' {
		return 0
	}
	for i, c := range s {
		if !inName[c] {
			return i
		}
	}
	return len(s)
}

var inName = bytesOf("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:")

var endsName = bytesOf("{ \t")

func bytesOf(chars string) (set [256]bool) {
	for _, c := range []byte(chars) {
		set[c] = true
	}
	return set
}
