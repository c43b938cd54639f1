// Package incident follows one trouble through its life: opened when a check
// first fails, changed when it gets better or worse in kind, resolved when the
// check passes. It decides whether an observation is news; it never reads a
// clock, stores or sends anything.
package incident

import (
	"slices"
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
	// Told is what people last heard, by route (slack, sns). Settled is the
	// revision up to which every route has heard what it has to hear: while it
	// is behind Revision somebody may still have to be told.
	Told    map[string]Told `json:"told,omitempty"`
	Settled int             `json:"settled"`
	// Look is when notify has to look again although nothing happened, because a
	// reminder is due or because quiet hours, a mute or the time in which a message
	// may not be changed again are over. It is zero for never.
	Look time.Time `json:"look,omitzero"`
}

// Told records the last delivery to one route.
type Told struct {
	Revision    int            `json:"revision"`
	State       State          `json:"state"`
	Fingerprint string         `json:"fingerprint"`
	Severity    fleet.Severity `json:"severity"` // that was told
	At          time.Time      `json:"at"`       // when it was told

	Receipt  string    `json:"receipt,omitempty"` // where the message can be changed; empty where it cannot
	Hash     string    `json:"hash,omitempty"`    // of what the message shows; empty when that is behind what was told
	Updated  time.Time `json:"updated,omitzero"`  // when the message was put up or last changed in place
	Reminded time.Time `json:"reminded,omitzero"` // when people were last told that it is still open
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
// numbers moved or time went by, which is recorded and told to nobody.
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
// one changes nothing: a slow run must not undo what a later one saw. Nor does a
// pass of a slow run resolve what a later one may have seen and not recorded.
func Next(prev *Incident, f fleet.Finding, now time.Time) (Incident, Transition) {
	trouble := f.Outcome == fleet.Fail || f.Outcome == fleet.Unknown
	switch {
	case prev == nil && !trouble:
		return Incident{}, Quiet
	case prev == nil:
		return Incident{State: Open, Worst: f.Severity, Finding: f, Opened: now, Changed: now, Revision: 1}, WasOpened
	case prev.State == Resolved && !trouble, f.At.Before(prev.Finding.At):
		return *prev, Quiet
	case !trouble && prev.overtaken(f.At, now):
		return *prev, Quiet // the next look decides
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
	next.Finding.Facts = slices.Concat(f.Facts, lasting(prev.Finding.Facts, f.Facts))
	next.Worst = max(next.Worst, next.Finding.Severity)
	if next.Fingerprint() != prev.Fingerprint() {
		return next.turn(now), WasChanged
	}
	for _, told := range next.Told {
		if at := next.Refresh(told); !at.IsZero() && (next.Look.IsZero() || at.Before(next.Look)) {
			next.Look = at
		}
	}
	return next, Refreshed
}

// A look that finds an open incident as it was is seldom worth a write.
const (
	// unrecorded is how far the newest look may be ahead of the recorded one.
	unrecorded = time.Hour
	// prompt is how long it takes at most from the read to the record in a run that
	// nothing holds up: etcdsize has two minutes for a whole target.
	prompt = 2 * time.Minute
)

// Again applies a look that found what is known already: its time is recorded once
// in an hour, and nothing else changes.
func (i Incident) Again(at time.Time) (Incident, Transition) {
	if i.lately(at) {
		return i, Quiet
	}
	i.Finding.At = at
	return i, Refreshed
}

// overtaken reports whether a later look may have found the trouble still there, and
// not been recorded, by the time at which one is recorded that was read at the given
// time: its run was held up, and a look so soon after the recorded one need not be
// written. What was read at the time of the recorded look is of the same run.
func (i Incident) overtaken(at, now time.Time) bool {
	return now.Sub(at) > prompt && at.After(i.Finding.At) && i.lately(at)
}

func (i Incident) lately(at time.Time) bool { return at.Before(i.Finding.At.Add(unrecorded)) }

// lasting are the facts that stay true although a look says no more about them.
func lasting(known, seen []fleet.Fact) []fleet.Fact {
	var kept []fleet.Fact
	for _, k := range known {
		again := func(s fleet.Fact) bool { return s.Label == k.Label }
		if k.Lasting && !slices.ContainsFunc(seen, again) {
			kept = append(kept, k)
		}
	}
	return kept
}

// How long a message stays as it is when nothing but its numbers moved. People
// watch our own work go on; of everything else they want to know where it stands.
const (
	restOfWork    = time.Minute
	restOfTrouble = time.Hour
)

// Refresh is when the message about the incident that was told may be brought up
// to date for the sake of its numbers; it is zero where no message can be changed.
func (i Incident) Refresh(told Told) time.Time {
	switch {
	case told.Receipt == "":
		return time.Time{}
	case i.Finding.Progress != nil:
		return told.Touched().Add(restOfWork)
	}
	return told.Touched().Add(restOfTrouble)
}

// Touched is when the message was last posted or changed.
func (t Told) Touched() time.Time {
	if t.Updated.IsZero() {
		return t.At
	}
	return t.Updated
}

// turn marks a transition.
func (i Incident) turn(now time.Time) Incident {
	i.Revision++
	i.Changed = now
	return i
}
