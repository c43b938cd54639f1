// Package incident follows one trouble through its life: opened when a check
// first fails, changed when it gets better or worse in kind, resolved when the
// check passes. It decides whether an observation is news; it never reads a
// clock, stores or sends anything.
package incident

import (
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Incident is the record of one trouble of one resource.
type Incident struct {
	State    State          `json:"state"`
	Worst    fleet.Severity `json:"worst"`   // since it was opened: a resolved incident is told where it was told
	Finding  fleet.Finding  `json:"finding"` // the newest observation
	Opened   time.Time      `json:"opened"`
	Changed  time.Time      `json:"changed"` // last transition
	Revision int            `json:"revision"`

	// Published is the revision that was last put on the bus: while it is
	// behind Revision the incident is in the outbox. An alert cannot be lost
	// between the write that records it and the call that announces it.
	Published int `json:"published"`
	// Told is what people last heard, by channel (slack, sns). Settled is the
	// revision up to which every channel has heard what it has to hear: while it
	// is behind Revision somebody may still have to be told.
	Told    map[string]Told `json:"told,omitempty"`
	Settled int             `json:"settled"`
}

// Told records the last delivery to one channel.
type Told struct {
	Revision    int       `json:"revision"`
	State       State     `json:"state"`
	Fingerprint string    `json:"fingerprint"`
	At          time.Time `json:"at"`
}

// State says whether the trouble is still there.
type State string

// The states of an incident.
const (
	Open     State = "open"
	Resolved State = "resolved"
)

// Transition is what one observation did to an incident.
type Transition string

// The transitions. Quiet means there is nothing to record; Refreshed means only
// numbers moved, which is recorded and told to nobody.
const (
	Quiet       Transition = ""
	Refreshed   Transition = "refreshed"
	WasOpened   Transition = "opened"
	WasChanged  Transition = "changed"
	WasResolved Transition = "resolved"
)

// News reports whether people and machines should hear of the transition.
func (t Transition) News() bool { return t == WasOpened || t == WasChanged || t == WasResolved }

// ID names the incident that a finding belongs to: one per account, region,
// cluster, check and resource.
func ID(f fleet.Finding) string {
	return strings.Join([]string{f.Cluster.Account, f.Cluster.Region, f.Cluster.Name, f.Check, f.Resource}, "/")
}

// ID is the incident's own name.
func (i Incident) ID() string { return ID(i.Finding) }

// Fingerprint is equal for two states of an incident that say the same thing
// to a reader. Numbers are left out: a size that grew by one MiB is no news.
func (i Incident) Fingerprint() string {
	return strings.Join([]string{string(i.State), i.Finding.Outcome.String(), i.Finding.Severity.String(), i.Finding.Cause}, "/")
}

// LastMove is the transition that made the present revision.
func (i Incident) LastMove() Transition {
	switch {
	case i.State == Resolved:
		return WasResolved
	case i.Changed.Equal(i.Opened):
		return WasOpened
	}
	return WasChanged
}

// Next applies an observation to what is known; prev is nil when nothing is.
//
// A trouble that can no longer be read stays open with the severity it had:
// what is not seen has not healed. An observation older than the newest known
// one changes nothing: a slow run must not undo what a later one saw.
func Next(prev *Incident, f fleet.Finding, now time.Time) (Incident, Transition) {
	trouble := f.Outcome == fleet.Fail || f.Outcome == fleet.Unknown
	switch {
	case prev == nil && !trouble:
		return Incident{}, Quiet
	case prev == nil:
		return Incident{State: Open, Worst: f.Severity, Finding: f, Opened: now, Changed: now, Revision: 1}, WasOpened
	case prev.State == Resolved && !trouble, f.At.Before(prev.Finding.At):
		return *prev, Quiet
	}
	next := *prev
	next.Finding = f
	switch {
	case prev.State == Resolved:
		next.State, next.Opened, next.Worst = Open, now, f.Severity
		return next.turn(now), WasOpened
	case !trouble:
		next.State = Resolved
		return next.turn(now), WasResolved
	}
	if f.Outcome == fleet.Unknown {
		next.Finding.Severity = max(f.Severity, prev.Finding.Severity)
	}
	next.Worst = max(next.Worst, next.Finding.Severity)
	if next.Fingerprint() != prev.Fingerprint() {
		return next.turn(now), WasChanged
	}
	return next, Refreshed
}

// turn marks a transition.
func (i Incident) turn(now time.Time) Incident {
	i.Revision++
	i.Changed = now
	return i
}
