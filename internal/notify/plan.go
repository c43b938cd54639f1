package notify

import (
	"fmt"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
)

// Delivery is one message on its way to a route.
type Delivery struct {
	Act     Act // never Hold
	Message Message
}

// Silence is an incident that a route does not hear of, and why.
type Silence struct {
	Incident incident.Incident
	Reason   string
}

// Plan turns incidents into what is said on one route, the worst first. More new
// messages than rules.DigestAbove become one digest: a channel that scrolls is not
// read, and Slack takes only one message per second. Messages that are changed in
// place scroll nothing, and stay one by one.
func Plan(incs []incident.Incident, route Route, rules Rules, now time.Time) (out []Delivery, silent []Silence) {
	var posts []Notice
	passed := 0
	for _, inc := range incs {
		d := Decide(inc, route, rules, now)
		n := Notice{Kind: d.Kind, Incident: inc, Before: inc.Told[route.ID]}
		switch d.Act {
		case Hold:
			silent = append(silent, Silence{Incident: inc, Reason: d.Reason})
			if d.Reason == came {
				passed++
			}
		case Post:
			posts = append(posts, n)
		default:
			out = append(out, Delivery{Act: d.Act, Message: message(n, d.Act, rules)})
		}
	}
	if route.ID != Machines && len(posts) > max(rules.DigestAbove, 1) {
		slices.SortFunc(posts, rank)
		out = append(out, Delivery{Act: Post, Message: digest(posts, passed, rules)})
	} else {
		for _, n := range posts {
			m := message(n, Post, rules)
			m.Muted = rules.mutes(n.Incident.Finding, now) // Machines: others hear nothing then
			out = append(out, Delivery{Act: Post, Message: m})
		}
	}
	slices.SortStableFunc(out, func(a, b Delivery) int { return rank(a.Message.Notices[0], b.Message.Notices[0]) })
	return out, silent
}

// message is about one incident.
func message(n Notice, act Act, rules Rules) Message {
	f := n.Incident.Finding
	m := Message{
		Kind: n.Kind, Notices: []Notice{n}, Location: rules.Location, Links: rules.Links.about(f),
		Broadcast: n.Kind == Reminder || n.Kind == Changed && f.Severity > n.Before.Severity,
	}
	if n.Kind == Opened && act == Post && f.Severity >= fleet.Warning && f.Owner != "" && rules.Mention != nil {
		if who := rules.Mention(f.Owner); who != "" {
			m.Mention = []string{who}
		}
	}
	return m
}

// digest is about many, and mentions how many came and went unheard.
func digest(notices []Notice, passed int, rules Rules) Message {
	m := Message{Kind: Digest, Notices: notices, Location: rules.Location, Links: rules.Links.overview()}
	switch passed {
	case 0:
	case 1:
		m.Note = "1 more opened and was resolved meanwhile."
	default:
		m.Note = fmt.Sprintf("%d more opened and were resolved meanwhile.", passed)
	}
	return m
}

// PlanDaily is the daily digest of a route: of incs, whatever is open and for it.
// It has no notices when there is nothing to tell.
func PlanDaily(incs []incident.Incident, route Route, rules Rules, now time.Time) Message {
	m := Message{Kind: Daily, Location: rules.Location, Links: rules.Links.overview()}
	muted := 0
	for _, inc := range incs {
		if inc.State != incident.Open || !route.hears(inc.Finding) || !route.weighs(inc.Finding) {
			continue
		}
		if rules.mutes(inc.Finding, now) {
			muted++
			continue
		}
		m.Notices = append(m.Notices, Notice{Kind: Opened, Incident: inc, Before: inc.Told[route.ID]})
	}
	slices.SortFunc(m.Notices, rank)
	if muted > 0 {
		m.Note = fmt.Sprintf("%d more are muted.", muted)
		if muted == 1 {
			m.Note = "1 more is muted."
		}
	}
	return m
}

// Emergency is the digest of the critical findings among findings, for when the
// ledger is down and nobody knows what was told. bucket is any moment of the hour
// it stands for: receivers can drop a second digest of the same hour. Without a
// critical finding it has no notices, and there is nothing to tell.
func Emergency(findings []fleet.Finding, bucket time.Time, cause string) Message {
	m := Message{Kind: LedgerOut, Bucket: bucket.UTC().Truncate(time.Hour), Cause: cause}
	for _, f := range findings {
		if f.Severity < fleet.Critical || f.Outcome == fleet.Pass || f.Outcome == fleet.NotApplicable {
			continue
		}
		m.Notices = append(m.Notices, Notice{Kind: Opened, Incident: incident.Incident{
			State: incident.Open, Worst: f.Severity, Finding: f, Opened: f.At, Changed: f.At,
		}})
	}
	slices.SortFunc(m.Notices, rank)
	return m
}
