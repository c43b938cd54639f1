// Package window says whether work may begin at a moment: within a maintenance
// window, outside every freeze. It decides nothing but that; where a local time
// is ambiguous or does not exist, the window is closed.
package window

import "time"

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
	// Until is when it closes; zero means that nothing is known to close it.
	Until time.Time
	// Next is when it opens where it is closed; zero if not within a year.
	Next time.Time
	Why  string // one sentence, where it is closed
}
