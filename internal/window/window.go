// Package window says whether work may begin at a moment: within a maintenance
// window, outside every freeze. It decides nothing but that; where a local time
// is ambiguous or does not exist, the window is closed.
package window

import (
	"fmt"
	"strings"
	"time"
)

// A Schedule is when work may begin. The zero Schedule is always open.
type Schedule struct {
	Windows []Window // in any of them; none means at any time
	Freezes []Freeze // in none of them
}

// A Window opens again and again.
type Window struct {
	Cron     string        // five fields: minute hour day-of-month month day-of-week
	Duration time.Duration // how long it stays open
	Zone     string        // IANA name in which Cron is meant, such as Europe/Berlin
}

// A Freeze is a span of whole days in which nothing begins.
type Freeze struct {
	From, To string // days such as 2026-12-18, both included
	Zone     string // IANA name in which the days are meant
	Reason   string // for people
}

// An Answer is what a schedule says of a moment.
type Answer struct {
	Open bool
	// Next is when it opens where it is closed; zero if not within a year.
	Next time.Time
	Why  string // one sentence, where it is closed
}

// How long a window may stay open. EKS needs some minutes for one node, so that
// nothing fits in a shorter one; a longer one than a week has no need of a cron.
const (
	Shortest = 15 * time.Minute
	Longest  = 7 * 24 * time.Hour
)

// Check says in one sentence what is wrong with a window, or nil.
func (w Window) Check() error {
	if w.Duration < Shortest || w.Duration > Longest {
		return fmt.Errorf("duration %s is not one of a window: want %s to %s", words(w.Duration), words(Shortest), words(Longest))
	}
	_, err := w.recurrence()
	return err
}

// Check says in one sentence what is wrong with a freeze, or nil.
func (f Freeze) Check() error {
	_, err := f.span()
	return err
}

// At says whether work may begin now. A schedule that Check would refuse is
// closed.
func (s Schedule) At(now time.Time) Answer {
	c, err := s.calendar()
	if err != nil {
		return unreadable(err)
	}
	return c.at(now)
}

// Fits reports whether work that takes d may begin now and will be done before
// the schedule closes. The sentence says what is missing; it is empty where
// nothing is.
func (s Schedule) Fits(now time.Time, d time.Duration) (bool, string) {
	c, err := s.calendar()
	if err != nil {
		return false, unreadable(err).Why
	}
	a := c.at(now)
	if !a.Open {
		return false, a.Why
	}
	done := now.Add(d)
	closing := c.closing(now, done)
	if !closing.Before(done) {
		return true, ""
	}
	ends := "The window closes"
	if f, frozen := c.freeze(closing); frozen {
		ends = "A freeze " + f.name + " begins"
	}
	return false, fmt.Sprintf("%s at %s and the group usually takes %s.", ends, c.clock(closing), words(d))
}

func unreadable(err error) Answer {
	return Answer{Why: "The maintenance windows cannot be read: " + err.Error() + "."}
}

// words writes a duration without what is nought: 40m, 1h30m, 168h.
func words(d time.Duration) string {
	s := d.Round(time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
