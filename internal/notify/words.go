package notify

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/approval"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// LedgerDown explains LedgerOut to whoever reads it at night.
const LedgerDown = "The ledger cannot be reached, so nobody knows what was told before: this may repeat what you have heard already. " +
	"Until it is back only critical findings are told, in one digest per hour, and nothing is changed in any cluster."

// Headline is the message in one line: how urgent, and what.
func (m Message) Headline() string {
	if m.Test {
		m.Test = false
		return "TEST, " + m.Headline()
	}
	switch {
	case m.Kind == LedgerOut:
		return fmt.Sprintf("CRITICAL: %s while the ledger is down", fleet.Count(len(m.Notices), "finding"))
	case m.Kind == Daily:
		return fmt.Sprintf("DAILY: %s open (%s)", fleet.Count(len(m.Notices), "incident"), m.tally())
	case len(m.Notices) == 1:
		n := m.Notices[0]
		return n.Word() + ": " + n.Title()
	}
	return fmt.Sprintf("%s: %s (%s)", m.word(), fleet.Count(len(m.Notices), "incident"), m.tally())
}

// word is how urgent a digest is: its worst severity, or that all is over.
func (m Message) word() string {
	switch {
	case len(m.Notices) == 0:
		return severityWord(fleet.Info)
	case m.Notices[0].Kind == Resolved:
		return "RESOLVED"
	}
	return severityWord(m.Notices[0].Severity())
}

// Word says how urgent the incident is, or that it is over.
func (n Notice) Word() string {
	switch n.Kind {
	case Resolved:
		return "RESOLVED"
	case Changed:
		return "CHANGED, " + severityWord(n.Severity())
	case Reminder:
		return "STILL OPEN, " + severityWord(n.Severity())
	}
	return severityWord(n.Severity())
}

// Turn is the news of a notice in one sentence, for whoever has the message above
// it in view: from what to what, and since when.
func (n Notice) Turn(zone *time.Location) string {
	i := n.Incident
	switch {
	case n.Kind == Resolved:
		return fmt.Sprintf("Resolved %s, after %s.", Clock(i.Changed, zone), span(i.Changed.Sub(i.Opened)))
	case n.Kind == Reminder:
		return fmt.Sprintf("Still open, since %s, and still %s.", Clock(i.Opened, zone), i.Finding.Severity)
	case n.Before.At.IsZero():
		return fmt.Sprintf("Open since %s, and %s.", Clock(i.Opened, zone), i.Finding.Severity)
	case n.Before.Severity < i.Finding.Severity:
		return fmt.Sprintf("Worse since %s: %s, no longer %s.", Clock(i.Changed, zone), i.Finding.Severity, n.Before.Severity)
	case n.Before.Severity > i.Finding.Severity:
		return fmt.Sprintf("Better since %s: %s, no longer %s.", Clock(i.Changed, zone), i.Finding.Severity, n.Before.Severity)
	}
	return fmt.Sprintf("Changed %s, and still %s.", Clock(i.Changed, zone), i.Finding.Severity)
}

// Heading is the first line of the group.
func (g Group) Heading() string {
	word := severityWord(g.Severity)
	if g.Resolved {
		word = "RESOLVED, was " + g.Severity.String()
	}
	return fmt.Sprintf("%s: %s of %s", word, fleet.Count(len(g.Notices), "incident"), g.Check)
}

func severityWord(s fleet.Severity) string { return strings.ToUpper(s.String()) }

// tally counts notices by severity, the worst first.
func (m Message) tally() string {
	counts := map[string]int{}
	for _, n := range m.Notices {
		if n.Kind == Resolved {
			counts["resolved"]++
		} else {
			counts[n.Severity().String()]++
		}
	}
	var parts []string
	for _, word := range []string{fleet.Critical.String(), fleet.Warning.String(), fleet.Info.String(), "resolved"} {
		if counts[word] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[word], word))
		}
	}
	return strings.Join(parts, ", ")
}

// History is the last line of a notice: which check, since when, which revision.
func (n Notice) History(zone *time.Location) string {
	i := n.Incident
	parts := []string{"check " + i.Finding.Check}
	if i.Finding.Resource != "" {
		parts = append(parts, "resource "+i.Finding.Resource)
	}
	parts = append(parts, "opened "+Clock(i.Opened, zone))
	switch n.Kind {
	case Resolved:
		parts = append(parts, "resolved "+Clock(i.Changed, zone)+" after "+span(i.Changed.Sub(i.Opened)))
	case Changed:
		parts = append(parts, "changed "+Clock(i.Changed, zone))
	}
	if i.Finding.At.Sub(i.Changed).Abs() >= time.Minute && !i.Finding.At.IsZero() {
		parts = append(parts, "read "+Clock(i.Finding.At, zone))
	}
	if i.Revision > 0 {
		parts = append(parts, fmt.Sprintf("revision %d", i.Revision))
	}
	return strings.Join(parts, ", ")
}

// Clock prints a time in zone; nil is UTC.
func Clock(t time.Time, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format("2006-01-02 15:04 MST")
}

// span prints a duration with at most two units.
func span(d time.Duration) string {
	d = max(d, 0).Round(time.Minute)
	hours, minutes := int(d.Hours()), int(d.Minutes())%60
	switch {
	case hours >= 72:
		return fmt.Sprintf("%d days", hours/24)
	case hours > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	}
	return fmt.Sprintf("%d min", minutes)
}

// Approve says what an approval would allow and how a person gives it, and is
// empty when the notice asks for none.
func (n Notice) Approve(zone *time.Location) string {
	a := n.Incident.Finding.Approval
	if a == nil {
		return ""
	}
	return fmt.Sprintf("%s\nTo approve until %s: steward approve %s", a.Text, Clock(a.Expires, zone), approval.Short(a.Plan))
}

var step = regexp.MustCompile(` ([2-9])\. `)

// Steps puts every step of a remedy such as "1. Look. 2. Mend." on its own line.
func Steps(remedy string) string {
	if !strings.HasPrefix(remedy, "1. ") {
		return remedy
	}
	return step.ReplaceAllString(remedy, "\n$1. ")
}
