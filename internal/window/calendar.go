package window

import (
	"fmt"
	"time"
)

// year is how far ahead a calendar looks.
const year = 366 * 24 * time.Hour

// A calendar is a schedule that has been read.
type calendar struct {
	windows []recurrence
	freezes []span
	zone    *time.Location // in which to speak to people
}

// A span is the time from its begin to just before its end.
type span struct {
	begin, end time.Time
	name       string // of a freeze
}

func (s span) contains(t time.Time) bool { return !t.Before(s.begin) && t.Before(s.end) }

func (s Schedule) calendar() (calendar, error) {
	var c calendar
	for _, f := range s.Freezes {
		frozen, err := f.span()
		if err != nil {
			return calendar{}, err
		}
		// A day that a zone has skipped altogether freezes nothing.
		if frozen.begin.Before(frozen.end) {
			c.freezes = append(c.freezes, frozen)
			c.zone = frozen.begin.Location()
		}
	}
	for _, w := range s.Windows {
		r, err := w.recurrence()
		if err != nil {
			return calendar{}, err
		}
		c.windows = append(c.windows, r)
		c.zone = r.zone
	}
	return c, nil
}

// clock is a moment as people of the schedule's zone read it.
func (c calendar) clock(t time.Time) string { return t.In(c.zone).Format("2006-01-02 15:04 MST") }

func (c calendar) at(now time.Time) Answer {
	f, frozen := c.freeze(now)
	if !frozen && c.open(now) {
		return Answer{Open: true}
	}
	why := "No maintenance window is open"
	if frozen {
		why = "There is a freeze " + f.name
	}
	next := c.next(now)
	if next.IsZero() {
		return Answer{Why: why + "; nothing may begin within a year."}
	}
	return Answer{Next: next, Why: fmt.Sprintf("%s; work may begin again at %s.", why, c.clock(next))}
}

// freeze finds one that a moment lies in.
func (c calendar) freeze(t time.Time) (span, bool) {
	for _, f := range c.freezes {
		if f.contains(t) {
			return f, true
		}
	}
	return span{}, false
}

// open reports whether a moment lies in a window, freezes aside.
func (c calendar) open(t time.Time) bool {
	_, ok := c.covering(t)
	return ok || len(c.windows) == 0
}

// covering is the end of the window that a moment lies in, of several the latest.
func (c calendar) covering(t time.Time) (end time.Time, ok bool) {
	for _, r := range c.windows {
		if s, in := r.covering(t); in && s.end.After(end) {
			end, ok = s.end, true
		}
	}
	return end, ok
}

// closing is when an open schedule closes: one window may lead into the next, and
// a freeze ends them all. It is sought no further than where it is enough to know
// that the schedule has been open so far, for windows without a break close never.
func (c calendar) closing(now, enough time.Time) time.Time {
	closing := enough
	if len(c.windows) > 0 {
		closing = c.lasting(now, enough)
	}
	for _, f := range c.freezes {
		if f.begin.After(now) && f.begin.Before(closing) {
			closing = f.begin
		}
	}
	return closing
}

// lasting is when the windows that follow each other without a break end, or
// enough or later.
func (c calendar) lasting(now, enough time.Time) time.Time {
	t := now
	for t.Before(enough) {
		end, ok := c.covering(t)
		if !ok {
			break
		}
		t = end
	}
	return t
}

// next is the first moment from now on at which work may begin; zero when that is
// not within a year.
func (c calendar) next(now time.Time) time.Time {
	horizon := now.Add(year)
	for t := now; !t.IsZero() && t.Before(horizon); {
		if f, frozen := c.freeze(t); frozen {
			t = f.end
			continue
		}
		if c.open(t) {
			return t
		}
		t = c.opening(t, horizon)
	}
	return time.Time{}
}

// opening is when the next window opens, freezes aside; zero when none does
// before the horizon.
func (c calendar) opening(t, horizon time.Time) time.Time {
	var first time.Time
	for _, r := range c.windows {
		if at, ok := r.opening(t, horizon); ok && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// span is the freeze as a span, from the begin of its first day to the end of its
// last: 23 or 25 hours a day where the clock is changed.
func (f Freeze) span() (span, error) {
	zone, err := location(f.Zone)
	if err != nil {
		return span{}, err
	}
	from, err := date("from", f.From)
	if err != nil {
		return span{}, err
	}
	to, err := date("to", f.To)
	if err != nil {
		return span{}, err
	}
	if to.Before(from) {
		return span{}, fmt.Errorf("the freeze ends on %s, before it begins on %s: want from and to as the first and the last day", f.To, f.From)
	}
	name := "from " + f.From + " to " + f.To
	if f.Reason != "" {
		name += " (" + f.Reason + ")"
	}
	first, _ := midnight(from, zone)
	_, last := midnight(to.AddDate(0, 0, 1), zone)
	return span{first, last, name}, nil
}
