// Package notify tells people about incidents, each move once in every channel.
// It decides what is worth a message from what the channel heard last, so that
// neither the order nor the number of the events that woke it matters. It never
// judges a cluster and never formats for a channel: packages slack and sns do.
package notify

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
)

// The routes that every deployment may have, as the ledger names them. A channel
// that a Slack app posts to is named by SlackChannel.
const (
	Slack    = "slack"        // the incoming webhook
	SNS      = "sns"          // the topic for people
	Machines = "sns/machines" // the topic for machines
)

// SlackChannel names the route to a channel of a Slack app, such as C0123456789.
func SlackChannel(id string) string { return Slack + "/" + id }

// When SNS hears of an incident.
const (
	Always   = "always"   // as every other channel
	Fallback = "fallback" // when no place in Slack tells it or took it, and how that ended
)

// Rules hold on every route.
type Rules struct {
	DigestAbove int            // more new messages than this become one
	Location    *time.Location // zone of messages, quiet hours and days; nil is UTC
	SNS         string         // Always or Fallback

	RemindCritical time.Duration // how long after it was told an incident is told again; 0 for never
	RemindWarning  time.Duration

	// Muted says until when nobody is to hear of a finding, and why: a time that is
	// over when it is not muted. It may be nil.
	Muted func(f fleet.Finding, now time.Time) (until time.Time, reason string)
	// Mention is the Slack id of whoever owns clusters under this name; empty for
	// nobody. It may be nil.
	Mention func(owner string) string
	Links   Links
}

func (r Rules) muted(f fleet.Finding, now time.Time) (until time.Time, reason string) {
	if r.Muted == nil {
		return time.Time{}, ""
	}
	return r.Muted(f, now)
}

func (r Rules) mutes(f fleet.Finding, now time.Time) bool {
	until, _ := r.muted(f, now)
	return now.Before(until)
}

// remindAfter is 0 where nobody is reminded. Our own work says itself how it goes.
func (r Rules) remindAfter(f fleet.Finding) time.Duration {
	switch {
	case f.Progress != nil:
		return 0
	case f.Severity == fleet.Critical:
		return r.RemindCritical
	case f.Severity == fleet.Warning:
		return r.RemindWarning
	}
	return 0
}

// Kind is what a message is about.
type Kind string

// The kinds. The first three are what an incident did since the channel last
// heard of it, which is not always what the newest event said.
const (
	Opened    Kind = "opened"
	Changed   Kind = "changed"
	Resolved  Kind = "resolved"
	Reminder  Kind = "reminder"  // still open, long after it was told
	Digest    Kind = "digest"    // many incidents
	Daily     Kind = "daily"     // all that is open, once a day
	LedgerOut Kind = "emergency" // critical findings while the ledger is down
)

// Message is one post to one channel, before it is rendered.
type Message struct {
	Kind     Kind
	Notices  []Notice       // worst first; more than one in a Digest, a Daily or with LedgerOut
	Location *time.Location // zone to print times in; nil is UTC
	Bucket   time.Time      // LedgerOut: the start of the hour that it stands for
	Cause    string         // LedgerOut: why there is no ledger
	Note     string         // about the delivery itself, such as that Slack did not answer
	Mention  []string       // Slack ids of whom to wake: users (U...) and user groups (S...)
	Links    []Link         // where to read on

	Broadcast bool // as a Reply: those who do not follow the thread are to see it too
	Muted     bool // a mute keeps it from people; machines are told all the same
	Test      bool // a sample: it says so first
}

// Link is a place to read on.
type Link struct {
	Label string // Console, Runbook, Dashboard
	URL   string // https
}

// Notice is one incident as a message tells it.
type Notice struct {
	Kind     Kind // Opened, Changed, Resolved or Reminder
	Incident incident.Incident
	Before   incident.Told // what the reader heard last of it; zero when nothing
}

// Severity is how much the incident matters: once it is over, how much it did.
func (n Notice) Severity() fleet.Severity {
	if n.Kind == Resolved {
		return n.Incident.Worst
	}
	return n.Incident.Finding.Severity
}

// Title is the finding in one line, never empty.
func (n Notice) Title() string {
	f := n.Incident.Finding
	if title := strings.Join(strings.Fields(f.Title), " "); title != "" {
		return title
	}
	return f.Check + " has a finding about " + n.Place()
}

// Place is where the incident is: cluster, account, region.
func (n Notice) Place() string {
	c := n.Incident.Finding.Cluster
	place := "account " + c.Account + ", " + c.Region
	if c.Name != "" {
		place = c.Name + ", " + place
	}
	return place
}

// rank orders notices as a reader should meet them: what is still wrong before
// what is over, the worst first, then the oldest.
func rank(a, b Notice) int {
	return cmp.Or(
		cmp.Compare(over(a), over(b)),
		cmp.Compare(b.Severity(), a.Severity()),
		a.Incident.Opened.Compare(b.Incident.Opened),
		cmp.Compare(a.Incident.ID(), b.Incident.ID()),
	)
}

func over(n Notice) int {
	if n.Kind == Resolved {
		return 1
	}
	return 0
}

// A Group is the part of a digest that says the same: one check, one severity.
type Group struct {
	Check    string
	Severity fleet.Severity
	Resolved bool
	Notices  []Notice // in the order of the message
}

// Groups sorts the notices of a message by check and severity, worst first.
func (m Message) Groups() []Group {
	var groups []Group
	for _, n := range m.Notices {
		g := Group{Check: n.Incident.Finding.Check, Severity: n.Severity(), Resolved: n.Kind == Resolved}
		i := slices.IndexFunc(groups, func(h Group) bool {
			return h.Check == g.Check && h.Severity == g.Severity && h.Resolved == g.Resolved
		})
		if i < 0 {
			i, groups = len(groups), append(groups, g)
		}
		groups[i].Notices = append(groups[i].Notices, n)
	}
	slices.SortFunc(groups, func(a, b Group) int { return rank(a.Notices[0], b.Notices[0]) })
	return groups
}

// Remedy is what to do about every notice of the group, and empty when that
// differs or nothing is to be done any more.
func (g Group) Remedy() string {
	remedy := g.Notices[0].Incident.Finding.Remedy
	differs := func(n Notice) bool { return n.Incident.Finding.Remedy != remedy }
	if g.Resolved || slices.ContainsFunc(g.Notices, differs) {
		return ""
	}
	return remedy
}
