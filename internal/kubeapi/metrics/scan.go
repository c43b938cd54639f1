package metrics

import (
	"bytes"
	"errors"
	"io"
)

// longestLine is in bytes, and the whole memory for the page: no line of an API
// server comes near it.
const longestLine = 64 << 10

// Scan reads a page to its end and keeps the wanted families. It holds one line
// at a time and the rows that it keeps, whatever the size of the page. The error
// is an *Unreadable about the page; what is wrong with one family is told by
// Page.Rows, and spoils no other.
func Scan(r io.Reader, want ...Family) (Page, error) {
	s := newScanner(want)
	buffer := make([]byte, longestLine)
	rest := 0 // bytes of a line whose end was not read yet
	for idle := 0; ; idle++ {
		n, err := r.Read(buffer[rest:])
		if n > 0 {
			s.begun, idle = true, 0
		}
		left, bad := s.lines(buffer[:rest+n])
		if bad != nil {
			return Page{}, bad
		}
		rest = copy(buffer, left)
		switch {
		case err != nil:
			return s.end(err, rest)
		case rest == len(buffer):
			return Page{}, &Unreadable{Reason: LineTooLong, Detail: clip(left)}
		case idle == maxIdle:
			return s.end(io.ErrNoProgress, rest)
		}
	}
}

// maxIdle is how often a reader may say that it has read nothing (bufio has the
// same bound).
const maxIdle = 100

// scanner holds what is kept of a page.
type scanner struct {
	families []gathered
	begun    bool // a byte was read
	// passing is the name of an unwanted family with the byte that ends it. A
	// family's samples stand together, so nearly every line of a page is passed
	// over by comparing it with the line before.
	passing []byte
	name    [128]byte // backs passing
}

func newScanner(want []Family) *scanner {
	s := &scanner{families: make([]gathered, len(want))}
	s.pass([]byte("#"))
	for i, f := range want {
		s.families[i].family = f
	}
	return s
}

// wanted is the family of a name, or nil.
func (s *scanner) wanted(name []byte) *gathered {
	for i := range s.families {
		if string(name) == s.families[i].family.Name {
			return &s.families[i]
		}
	}
	return nil
}

// lines takes in every whole line and returns what follows the last one.
func (s *scanner) lines(page []byte) ([]byte, error) {
	for {
		end := bytes.IndexByte(page, '\n')
		if end < 0 {
			return page, nil
		}
		if !bytes.HasPrefix(page, s.passing) {
			if err := s.line(page[:end]); err != nil {
				return nil, err
			}
		}
		page = page[end+1:]
	}
}

// line takes in one line that is not of the family that is passing.
func (s *scanner) line(line []byte) error {
	line = trimBlanks(line)
	if len(line) == 0 || line[0] == '#' {
		return nil
	}
	end := nameEnd(line)
	if end == 0 || end == len(line) || !endsName[line[end]] {
		return &Unreadable{Reason: NotMetrics, Detail: clip(line)}
	}
	if g := s.wanted(line[:end]); g != nil {
		g.take(line[end:])
	} else if end < len(s.name) {
		s.pass(line[:end+1])
	}
	return nil
}

// pass lets lines through that begin so, until another family comes. The bytes
// are copied: the buffer moves on.
func (s *scanner) pass(begin []byte) {
	s.passing = s.name[:copy(s.name[:], begin)]
}

// end closes the page: whole only when the stream ended by itself, after a
// newline.
func (s *scanner) end(err error, rest int) (Page, error) {
	var known *Unreadable
	switch {
	case errors.As(err, &known):
		return Page{}, known
	case !errors.Is(err, io.EOF):
		return Page{}, &Unreadable{Reason: Cut, Err: err}
	case rest > 0:
		return Page{}, &Unreadable{Reason: Cut, Detail: "no newline at its end"}
	case !s.begun:
		return Page{}, &Unreadable{Reason: Empty}
	}
	p := Page{readings: make([]reading, len(s.families))}
	for i := range s.families {
		p.readings[i] = s.families[i].reading()
	}
	return p, nil
}

// Capped returns a reader that ends with an *Unreadable of reason TooLarge where
// r would go beyond so many bytes.
func Capped(r io.Reader, most int64) io.Reader { return &capped{r, most} }

type capped struct {
	r    io.Reader
	left int64
}

func (c *capped) Read(p []byte) (int, error) {
	if int64(len(p)) > c.left+1 { // one more, to see whether r ends here
		p = p[:c.left+1]
	}
	n, err := c.r.Read(p)
	if int64(n) > c.left {
		n, err = int(c.left), &Unreadable{Reason: TooLarge}
	}
	c.left -= int64(n)
	return n, err
}

// clip makes the beginning of a line fit for a log: a page may come from a
// stranger.
func clip(line []byte) string {
	const enough = 60
	short := bytes.ToValidUTF8(line[:min(len(line), enough)], []byte("?"))
	if len(line) > enough {
		short = append(bytes.Clone(short), "..."...)
	}
	return string(short)
}
