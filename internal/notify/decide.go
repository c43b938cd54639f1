package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
)

// Act is what is done on a route about an incident.
type Act string

// The acts. All but Post need a message that can be changed.
const (
	Hold    Act = ""        // nothing
	Post    Act = "post"    // a message of its own
	Revise  Act = "revise"  // the message is changed, and its thread says why
	Reply   Act = "reply"   // the thread alone says it
	Refresh Act = "refresh" // the message is changed, and nobody is woken
)

// Decision is what a route hears of an incident, and why.
type Decision struct {
	Act    Act
	Kind   Kind      // of the message; empty with Hold
	Reason string    // one sentence
	Look   time.Time // with Hold: when it may be something else although nothing happened; zero for never
}

// rest is how long a message stays as it is once it was posted or changed.
const rest = time.Minute

// liftedWithin is how soon a mute that the configuration lifts early is noticed.
const liftedWithin = time.Hour

const (
	// came is why nobody hears of what went by itself.
	came = "opened and resolved before anybody was told"
	// touched is why a message stays as it is for now.
	touched = "its message was touched a short while ago"
)

// Decide holds what is true of an incident against what the route heard last.
// A route that stands behind others hears of what they tell only how it ended, if it
// was told before; everything else is decided as if it stood alone.
func Decide(inc incident.Incident, route Route, rules Rules, now time.Time) Decision {
	if route.ID == Machines {
		return decideMachines(inc)
	}
	d := decideNews(inc, route, rules, now)
	if d.Act == Hold {
		return d
	}
	if until, reason := rules.muted(inc.Finding, now); now.Before(until) {
		return later(fmt.Sprintf("muted until %s: %s", Clock(until, rules.Location), reason), earlier(until, now.Add(liftedWithin)))
	}
	wakes := d.Act != Refresh && max(inc.Finding.Severity, inc.Told[route.ID].Severity) < fleet.Critical
	if until := route.Quiet.until(now, rules.Location); wakes && !until.IsZero() {
		return later("quiet hours until "+Clock(until, rules.Location), until)
	}
	return d
}

func decideNews(inc incident.Incident, route Route, rules Rules, now time.Time) Decision {
	last, heard := inc.Told[route.ID]
	open := heard && last.State == incident.Open
	switch {
	case inc.State == incident.Resolved:
		return decideOver(inc, route, open, now)
	case open && last.Fingerprint == inc.Fingerprint():
		return decideSame(inc, route, rules, now)
	case route.leaves(inc):
		return skip("left to Slack")
	case open:
		return news(Changed, fmt.Sprintf("changed since revision %d", last.Revision), last, route, now)
	case route.DigestOnly:
		return skip("left to the daily digest")
	case !route.hears(inc.Finding):
		return skip("not for this route")
	case !route.weighs(inc.Finding):
		return skip("below the minimum severity")
	}
	return Decision{Act: Post, Kind: Opened, Reason: "open, and not heard of yet"}
}

// decideOver is about an incident that is resolved. Whoever heard that it was
// open hears that it is over, however mild it had become.
func decideOver(inc incident.Incident, route Route, open bool, now time.Time) Decision {
	last := inc.Told[route.ID]
	switch {
	case open:
		return news(Resolved, fmt.Sprintf("over, and heard of as open at revision %d", last.Revision), last, route, now)
	case last.Revision >= inc.Revision:
		return skip(nothingNew(last))
	case inc.Worst < route.MinSeverity:
		return skip("below the minimum severity")
	case route.leaves(inc):
		return skip("left to Slack")
	}
	return skip(came)
}

// news is said where the trouble was told, if that can be. A message that was
// touched just now says in its thread what changed. An end can wait: it may not
// last, and what comes back within the minute has not been away.
func news(kind Kind, reason string, last incident.Told, route Route, now time.Time) Decision {
	free := last.Touched().Add(rest)
	switch {
	case !route.edits(last):
		return Decision{Act: Post, Kind: kind, Reason: reason}
	case !now.Before(free):
		return Decision{Act: Revise, Kind: kind, Reason: reason}
	case kind == Resolved:
		return later(touched, free)
	}
	return Decision{Act: Reply, Kind: kind, Reason: reason + "; " + touched}
}

// decideSame is about an incident that is as bad as the route heard: its message
// may show old numbers, or it may be time to say that it is still there.
func decideSame(inc incident.Incident, route Route, rules Rules, now time.Time) Decision {
	last := inc.Told[route.ID]
	text := decideText(inc, route, now)
	every := rules.remindAfter(inc.Finding)
	if every == 0 || route.leaves(inc) {
		return text
	}
	due := last.At.Add(every)
	if last.Reminded.After(last.At) {
		due = last.Reminded.Add(every)
	}
	switch {
	case now.Before(due):
		if text.Act == Hold {
			text.Look = earlier(text.Look, due)
		}
		return text
	case route.edits(last):
		return Decision{Act: Reply, Kind: Reminder, Reason: "still open"}
	}
	return Decision{Act: Post, Kind: Reminder, Reason: "still open"}
}

// decideText is about an incident that is as the route heard: does its message
// show what is true? After news that only the thread has it does not; after a
// change that was taken back it may not, since a run that died can have shown it.
func decideText(inc incident.Incident, route Route, now time.Time) Decision {
	last := inc.Told[route.ID]
	var (
		back   = last.Revision < inc.Revision
		behind = back || last.Hash == ""
		due    = inc.Refresh(last)
	)
	if behind {
		due = last.Touched().Add(rest)
	}
	switch {
	case !route.edits(last) && back:
		return skip("changed and changed back")
	case !route.edits(last), !behind && last.Hash == hash(inc):
		return skip(nothingNew(last))
	case now.Before(due):
		return later(touched, due)
	}
	return Decision{Act: Refresh, Kind: standing(inc), Reason: "its message may show what was true earlier"}
}

// decideMachines lets machines hear of every revision, whoever else does.
func decideMachines(inc incident.Incident) Decision {
	if last, heard := inc.Told[Machines]; heard && last.Revision >= inc.Revision {
		return skip(nothingNew(last))
	}
	return Decision{Act: Post, Kind: standing(inc), Reason: "machines hear of every revision"}
}

// standing is the kind of a message that shows an incident as it is.
func standing(inc incident.Incident) Kind {
	switch inc.LastMove() {
	case incident.WasResolved:
		return Resolved
	case incident.WasChanged:
		return Changed
	}
	return Opened
}

// hash is equal for two states of an incident that a message shows alike: when
// they were read does not count.
func hash(inc incident.Incident) string {
	shown := struct {
		State   incident.State
		Worst   fleet.Severity // of what is over
		Finding fleet.Finding
	}{State: inc.State, Finding: inc.Finding}
	shown.Finding.At = time.Time{}
	if inc.State == incident.Resolved {
		shown.Worst = inc.Worst
	}
	text, err := json.Marshal(shown)
	if err != nil { // a severity or an outcome that there is not; the ledger could not have held it
		return inc.Fingerprint()
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// nextLook is when an incident that is told everywhere may be worth a message
// although nothing happens; zero for never.
func nextLook(inc incident.Incident, routes []Route, rules Rules, now time.Time) time.Time {
	var look time.Time
	for _, route := range routes {
		d := Decide(inc, route, rules, now)
		if d.Act != Hold {
			return now // such as new numbers right after a reminder
		}
		look = earlier(look, d.Look)
	}
	return look
}

// earlier is the earlier of two times, of which the zero one is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func nothingNew(last incident.Told) string {
	return fmt.Sprintf("already told: nothing new since revision %d", last.Revision)
}

func skip(reason string) Decision { return Decision{Reason: reason} }

func later(reason string, look time.Time) Decision { return Decision{Reason: reason, Look: look} }
