package notify

import (
	"fmt"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
)

// A Route is one place that hears of some incidents.
type Route struct {
	ID          string // as the ledger names it: Slack, SNS, Machines or a SlackChannel
	Channel     Channel
	MinSeverity fleet.Severity             // below it this place hears of nothing but our own work
	Checks      []string                   // only incidents of these; empty for all
	Match       func(fleet.ClusterID) bool // only incidents of these clusters; nil for all
	Quiet       Quiet
	DigestAt    string // HH:MM of the daily digest; empty for none
	DigestOnly  bool   // nothing but the daily digest is told here
}

// Quiet are hours of the day in which only what is critical is told. Both are
// HH:MM; From may be later than To, and both are empty for none.
type Quiet struct{ From, To string }

// edits reports whether the message that was told can be changed.
func (r Route) edits(told incident.Told) bool {
	_, ok := r.Channel.(Editor)
	return ok && told.Receipt != ""
}

// hears reports whether incidents such as f's are told on the route at all.
func (r Route) hears(f fleet.Finding) bool {
	return (len(r.Checks) == 0 || slices.Contains(r.Checks, f.Check)) && (r.Match == nil || r.Match(f.Cluster))
}

// weighs reports whether f is bad enough for the route; our own work always is.
func (r Route) weighs(f fleet.Finding) bool {
	return f.Severity >= r.MinSeverity || f.Progress != nil
}

// until is the end of the quiet hours that now lies in, and zero outside of them.
func (q Quiet) until(now time.Time, zone *time.Location) time.Time {
	if q.From == "" || q.To == "" {
		return time.Time{}
	}
	// Hours that pass midnight may have begun the day before.
	for day := -1; day <= 0; day++ {
		from, to := clockOn(now, day, q.From, zone), clockOn(now, day, q.To, zone)
		if !to.After(from) {
			to = clockOn(now, day+1, q.To, zone)
		}
		if !now.Before(from) && now.Before(to) {
			return to.UTC()
		}
	}
	return time.Time{}
}

// clockOn is the moment at which clocks in zone show hhmm, so many days from now.
func clockOn(now time.Time, days int, hhmm string, zone *time.Location) time.Time {
	if zone == nil {
		zone = time.UTC
	}
	var hour, minute int
	if _, err := fmt.Sscanf(hhmm, "%d:%d", &hour, &minute); err != nil {
		return time.Time{} // the configuration refuses what is not a time
	}
	year, month, day := now.In(zone).Date()
	return time.Date(year, month, day+days, hour, minute, 0, 0, zone)
}

// belated is how late a daily digest may come, after an outage of Slack's or of
// ours; later it is left to the next day.
const belated = 12 * time.Hour

// digestDay is the day, such as 2026-11-20, whose digest is due on the route by
// now; empty when none is. Just after midnight that may be the day before.
func (r Route) digestDay(now time.Time, zone *time.Location) string {
	if r.DigestAt == "" {
		return ""
	}
	at := clockOn(now, 0, r.DigestAt, zone)
	if now.Before(at) {
		at = clockOn(now, -1, r.DigestAt, zone)
	}
	if now.Sub(at) > belated {
		return ""
	}
	return at.Format(time.DateOnly)
}
