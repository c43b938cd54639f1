package window

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// A recurrence is a window that has been read. Of the cron library only the
// fields are used: its Next moves a start that does not exist to another hour.
type recurrence struct {
	fields   *cron.SpecSchedule
	clocks   []time.Duration // since midnight, the earliest first
	duration time.Duration
	zone     *time.Location
}

const cronForm = "want minute, hour, day of month, month and day of week, such as \"0 2 * * sat\""

func (w Window) recurrence() (recurrence, error) {
	zone, err := location(w.Zone)
	if err != nil {
		return recurrence{}, err
	}
	shownAs := fleet.Clip(w.Cron, 60)
	// The library would also read @daily, @every 5m and TZ=..., and panics at some
	// of them.
	if n := len(strings.Fields(w.Cron)); n != 5 || strings.ContainsAny(w.Cron, "@=") {
		return recurrence{}, fmt.Errorf("cron %q has not five fields: %s", shownAs, cronForm)
	}
	parsed, err := cron.ParseStandard(w.Cron)
	if err != nil {
		return recurrence{}, fmt.Errorf("cron %q cannot be read, %s: %s", shownAs, fleet.Clip(err.Error(), 120), cronForm)
	}
	fields, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return recurrence{}, fmt.Errorf("cron %q is not a recurring time: %s", shownAs, cronForm)
	}
	r := recurrence{fields: fields, clocks: clocks(fields), duration: w.Duration, zone: zone}
	if !r.comes() {
		return recurrence{}, fmt.Errorf("cron %q never comes: %s", shownAs, cronForm)
	}
	return r, nil
}

func clocks(fields *cron.SpecSchedule) []time.Duration {
	var all []time.Duration
	for hour := range 24 {
		for minute := range 60 {
			if has(fields.Hour, hour) && has(fields.Minute, minute) {
				all = append(all, time.Duration(hour)*time.Hour+time.Duration(minute)*time.Minute)
			}
		}
	}
	return all
}

// comes is false of the 31st of February. A leap year has every day of a month
// that there is.
func (r recurrence) comes() bool {
	leap := time.Date(2028, time.January, 1, 0, 0, 0, 0, time.UTC)
	for n := range 366 {
		if r.on(leap.AddDate(0, 0, n)) {
			return len(r.clocks) > 0
		}
	}
	return false
}

// has reports whether a field of a cron has a value.
func has(field uint64, value int) bool { return field&(1<<value) != 0 }

// star is the bit by which the library marks a field that was *.
const star = 63

// on reports whether the window opens on a local day. As in every cron, one of the
// two fields of a day is enough where both are narrowed.
func (r recurrence) on(day time.Time) bool {
	if !has(r.fields.Month, int(day.Month())) {
		return false
	}
	inMonth, inWeek := has(r.fields.Dom, day.Day()), has(r.fields.Dow, int(day.Weekday()))
	if has(r.fields.Dom, star) || has(r.fields.Dow, star) {
		return inMonth && inWeek
	}
	return inMonth || inWeek
}

// span is how long a window is open that opens at a local time: not at all where
// that does not exist, and only where both readings say so where it occurs twice.
func (r recurrence) span(local time.Time) (span, bool) {
	at := moments(local, r.zone)
	if len(at) == 0 {
		return span{}, false
	}
	s := span{begin: at[len(at)-1], end: at[0].Add(r.duration)}
	return s, s.begin.Before(s.end)
}

// covering is the span that a moment lies in, of several the one that began last.
func (r recurrence) covering(t time.Time) (span, bool) {
	// A window counts from the last reading of its start and up to the first one's
	// end: only what a clock has shown within its duration can be the start.
	opens := t.Add(-r.duration)
	first, last := shown(opens, r.zone), shown(t, r.zone)
	for day := dayOf(t, r.zone); !day.Before(dayOf(opens, r.zone)); day = day.AddDate(0, 0, -1) {
		if !r.on(day) {
			continue
		}
		for _, clock := range slices.Backward(r.clocks) {
			local := day.Add(clock)
			if local.Before(first) || local.After(last) {
				continue
			}
			if s, ok := r.span(local); ok && s.contains(t) {
				return s, true
			}
		}
	}
	return span{}, false
}

// opening is when the window opens next after a moment, up to a horizon.
func (r recurrence) opening(t, horizon time.Time) (time.Time, bool) {
	last := dayOf(horizon, r.zone)
	for day := dayOf(t, r.zone).AddDate(0, 0, -1); !day.After(last); day = day.AddDate(0, 0, 1) {
		if !r.on(day) {
			continue
		}
		for _, clock := range r.clocks {
			if s, ok := r.span(day.Add(clock)); ok && s.begin.After(t) {
				return s.begin, true
			}
		}
	}
	return time.Time{}, false
}
