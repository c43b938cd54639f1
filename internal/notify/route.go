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

	// Behind are the places that the route leaves incidents to, as SNS does as a
	// fallback; none for a route that speaks for itself.
	Behind []Route
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

// leaves reports whether a place that r stands behind tells what there is to tell
// of an incident: one that heard of it hears how it goes on, and one that it is for
// will hear. A daily digest is soon enough for what is not critical, unless r has
// told it: then nobody but r tells how it goes on.
func (r Route) leaves(inc incident.Incident) bool {
	return slices.ContainsFunc(r.Behind, func(place Route) bool {
		last, heard := inc.Told[place.ID]
		switch {
		case heard && (last.State == incident.Open || last.Revision >= inc.Revision):
			return true
		case inc.State == incident.Resolved, !place.hears(inc.Finding), !place.weighs(inc.Finding):
			return false
		}
		return !place.DigestOnly || inc.Finding.Severity < fleet.Critical && inc.Told[r.ID].State != incident.Open
	})
}

// until is the end of the quiet hours that now lies in, and zero outside of them.
func (q Quiet) until(now time.Time, zone *time.Location) time.Time {
	if q.From == "" || q.To == "" {
		return time.Time{}
	}
	// Hours that pass midnight may have begun the day before.
	for day := -1; day <= 0; day++ {
		from, to := clockOn(now, day, q.From, zone), clockOn(now, day, q.To, zone)
		if q.To < q.From { // not by the moments: in an hour that the clocks skip both may be the same
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
