// Package metrics reads the page that an API server serves at /metrics, as a
// stream: it keeps the few families that are asked for and lets the rest pass in
// one buffer, however large the page is. It says why a page or a family could
// not be read, and never takes a part of a page for the whole. It judges no
// value beyond whether it is one.
//
// The format is Prometheus text exposition 0.0.4.
package metrics

import "fmt"

// A Family is one metric of the page and what is kept of it. A histogram's
// buckets are a family of their own, with the label le.
type Family struct {
	Name string
	// By are the labels that matter. Samples that agree in them become one Row;
	// with none the whole family is one.
	By []string
	// Join is how samples become one.
	Join Join
}

// Join is how the samples of a Row become one value.
type Join int

// The ways to join samples.
const (
	Largest Join = iota // of gauges: the fullest etcd member stops first
	Sum                 // of counters
)

// A Row is the samples of one family that agree in the labels it is kept by.
type Row struct {
	Labels []string // values of Family.By, in its order; "" where a sample has no such label
	Value  float64  // at least 0
}

// A Page is what was kept of one page that was read to its end.
type Page struct {
	readings []reading
}

// reading is one family of the page: its rows, or what spoilt it.
type reading struct {
	family string
	rows   []Row
	err    *Unreadable
}

// Rows are the rows of a family in the order of the page, or an *Unreadable that
// says why the family is unknown: an absent one too, since an API server leaves
// out what it has not counted yet.
func (p Page) Rows(family string) ([]Row, error) {
	r := p.reading(family)
	switch {
	case r.err != nil:
		return nil, r.err
	case len(r.rows) == 0:
		return nil, &Unreadable{Reason: Absent, Family: family}
	}
	return r.rows, nil
}

// reading is that of a family, without rows when the page does not have it.
func (p Page) reading(family string) reading {
	for _, r := range p.readings {
		if r.family == family {
			return r
		}
	}
	return reading{}
}

// Unreadable is why a page, or one family of it, is unknown.
type Unreadable struct {
	Reason Reason
	Family string // empty when it is the whole page
	Detail string // what was found; clipped, fit for a log
	Err    error  // what the stream answered, if it was that
}

// Reason sorts what can be wrong with a page.
type Reason string

// The reasons. Those below Absent spoil one family, the others the page.
const (
	Empty       Reason = "empty"       // there is no page
	Cut         Reason = "cut"         // it ends in the middle
	NotMetrics  Reason = "not-metrics" // HTML, JSON or something else
	TooLarge    Reason = "too-large"   // more bytes than allowed, before or after decompression
	LineTooLong Reason = "line-too-long"
	Absent      Reason = "absent"
	Malformed   Reason = "malformed"     // a sample that breaks the format
	NotAValue   Reason = "not-a-value"   // NaN, infinite or negative
	TooManyRows Reason = "too-many-rows" // more than any API server has
)

var sentences = map[Reason]string{
	Empty:       "the page is empty",
	Cut:         "the page ends in the middle",
	NotMetrics:  "the page is not Prometheus text",
	TooLarge:    "the page is larger than is read",
	LineTooLong: "the page has a line longer than any metric",
	Absent:      "the page does not have it",
	Malformed:   "a sample breaks the format",
	NotAValue:   "a sample is no size and no count",
	TooManyRows: "it has more label values than are kept",
}

func (r Reason) Error() string { return string(r) }

func (u *Unreadable) Error() string {
	s := sentences[u.Reason]
	if u.Family != "" {
		s = u.Family + ": " + s
	}
	if u.Detail != "" {
		s = fmt.Sprintf("%s: %q", s, u.Detail)
	}
	if u.Err != nil {
		s = fmt.Sprintf("%s: %v", s, u.Err)
	}
	return s
}

func (u *Unreadable) Unwrap() error { return u.Err }

// Is makes errors.Is(err, metrics.Cut) work for any wrapped Unreadable.
func (u *Unreadable) Is(target error) bool {
	reason, ok := target.(Reason)
	return ok && u.Reason == reason
}
