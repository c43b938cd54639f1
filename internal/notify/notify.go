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

// The channels, as the ledger names them.
const (
	Slack = "slack"
	SNS   = "sns"
)

// When SNS hears of an incident.
const (
	Always   = "always"   // as every other channel
	Fallback = "fallback" // when Slack did not take it, and how that ended
)

// Rules say who hears of what, and how.
type Rules struct {
	MinSeverity fleet.Severity // below it nobody hears of an incident
	DigestAbove int            // more messages than this become one
	Location    *time.Location // zone of the times in messages; nil is UTC
	SNS         string         // Always or Fallback
}

// Kind is what a message is about.
type Kind string

// The kinds. The first three are what an incident did since the channel last
// heard of it, which is not always what the newest event said.
const (
	Opened    Kind = "opened"
	Changed   Kind = "changed"
	Resolved  Kind = "resolved"
	Digest    Kind = "digest"    // many incidents
	LedgerOut Kind = "emergency" // critical findings while the ledger is down
)

// Message is one post to one channel, before it is rendered.
type Message struct {
	Kind     Kind
	Notices  []Notice       // worst first; more than one in a Digest or with LedgerOut
	Location *time.Location // zone to print times in; nil is UTC
	Bucket   time.Time      // LedgerOut: the start of the hour that it stands for
	Cause    string         // LedgerOut: why there is no ledger
	Note     string         // about the delivery itself, such as that Slack did not answer
}

// Notice is one incident as a message tells it.
type Notice struct {
	Kind     Kind // Opened, Changed or Resolved
	Incident incident.Incident
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
