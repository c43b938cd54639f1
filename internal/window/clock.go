package window

import (
	"fmt"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// A local time, as a clock on the wall shows it, is kept as the moment at which a
// clock in UTC shows it. So days can be counted without asking a zone.

// shown is what a clock of the zone shows at a moment.
func shown(t time.Time, zone *time.Location) time.Time {
	_, offset := t.In(zone).Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// dayOf is the local day of a moment.
func dayOf(t time.Time, zone *time.Location) time.Time {
	y, m, d := shown(t, zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// moments are when a clock of the zone shows a local time: once as a rule, never
// where the clock is put forward over it, twice where it is put back. The earlier
// comes first.
func moments(local time.Time, zone *time.Location) []time.Time {
	begin, guess, end := around(local, zone)
	var found []time.Time
	for _, near := range []time.Time{begin.Add(-1), guess, end} {
		_, offset := near.Zone()
		t := local.Add(-time.Duration(offset) * time.Second).In(zone)
		if shown(t, zone).Equal(local) {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, time.Time.Compare)
	return slices.CompactFunc(found, time.Time.Equal)
}

// around is a moment near a local time, by one of the offsets that the zone has
// around it, and when that offset begins and ends.
func around(local time.Time, zone *time.Location) (begin, near, end time.Time) {
	y, m, d := local.Date()
	near = time.Date(y, m, d, local.Hour(), local.Minute(), 0, 0, zone)
	begin, end = near.ZoneBounds()
	return begin, near, end
}

// midnight is when a local day begins. It is more than one moment where the clock
// is put back over midnight, and the moment of the change where there is no
// midnight.
func midnight(day time.Time, zone *time.Location) (first, last time.Time) {
	if at := moments(day, zone); len(at) > 0 {
		return at[0], at[len(at)-1]
	}
	begin, near, end := around(day, zone)
	if shown(near, zone).Before(day) {
		return end, end
	}
	return begin, begin
}

// location finds a zone by its name. Neither UTC by omission nor whatever zone
// the machine is in are meant.
func location(name string) (*time.Location, error) {
	if name != "" && name != "Local" {
		if zone, err := time.LoadLocation(name); err == nil {
			return zone, nil
		}
	}
	return nil, fmt.Errorf("zone %q is not a time zone: want an IANA name such as Europe/Berlin, or UTC", fleet.Clip(name, 40))
}

// date reads the day of a member.
func date(member, text string) (time.Time, error) {
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s %q is not a day: want one like 2026-12-18", member, fleet.Clip(text, 40))
	}
	return day, nil
}
