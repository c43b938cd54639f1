// Package slack renders messages in Block Kit and brings them to Slack: to an
// incoming webhook, or as a bot that changes them in place and answers in their
// threads. It decides how a message looks and what Slack's answer means, never
// whether anybody should be told; it never shows the webhook's address or a token.
package slack

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/eks-steward/eks-steward/internal/approval"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/notify"
)

// What a phone can show of a message at night; all of it together stays below
// Slack's limits.
const (
	headline  = 300
	paragraph = 600  // what it means, why
	remedy    = 1800 // what to do
	label     = 80
	value     = 210
	line      = 190 // one incident in a digest: ten of them, with their places, fit into a section
	region    = 48  // where it is
)

// What a digest shows by name: so many incidents of one group and in all, and so
// many groups, as long as their texts are short. A group is up to three blocks, and
// up to eight stand around them.
const (
	namedOfGroup = 10
	namedInAll   = 40
	groups       = 14
	listed       = maxMessage - 4200 // characters of all groups; the rest is for what stands around them
)

// Render lays out a message. The result is always one that Slack accepts.
// buttons says that somebody listens when one is pressed.
func Render(m notify.Message, buttons bool) Payload {
	n, ok := alone(m)
	if ok && m.Kind == notify.Reminder {
		return short(m, n, buttons)
	}
	p := Payload{Text: clip(emoji(m)+" "+m.Headline(), headline)}
	p.Blocks = append(p.Blocks, header(emoji(m)+" "+m.Headline()))
	if ok {
		p.Blocks = append(p.Blocks, single(m, n, buttons)...)
	} else {
		p.Blocks = appendLinks(append(p.Blocks, digest(m)...), m.Links, buttons)
	}
	return p.noted(m)
}

// alone is the incident of a message that is about one and no list.
func alone(m notify.Message) (notify.Notice, bool) {
	if len(m.Notices) != 1 || m.Kind == notify.LedgerOut || m.Kind == notify.Daily || m.Kind == notify.Digest {
		return notify.Notice{}, false
	}
	return m.Notices[0], true
}

// noted adds what the message has to say about its own delivery.
func (p Payload) noted(m notify.Message) Payload {
	if note := clip(m.Note, paragraph); note != "" {
		p.Blocks = append(p.Blocks, footnote(note))
	}
	return p
}

// single is one incident, what is most urgent to know first.
func single(m notify.Message, n notify.Notice, buttons bool) []Block {
	f := n.Incident.Finding
	blocks := []Block{section(where(n) + calling(m.Mention))}
	if n.Kind == notify.Resolved {
		blocks = appendText(blocks, "Why it is over", f.Reason, paragraph)
		blocks = appendNumbers(blocks, f)
	} else {
		blocks = appendText(blocks, "What it means", f.Meaning, paragraph)
		blocks = appendNumbers(blocks, f)
		blocks = appendText(blocks, "What to do", notify.Steps(f.Remedy), remedy)
		blocks = appendText(blocks, "Why you are told", f.Reason, paragraph)
		blocks = appendText(blocks, "Waits for approval", n.Approve(m.Location), paragraph)
		if f.Approval != nil && buttons {
			blocks = append(blocks, approve(*f.Approval))
		}
	}
	blocks = appendLinks(blocks, m.Links, buttons)
	return append(blocks, footnote(clip(n.History(m.Location), paragraph)))
}

// approve is the button that allows a plan. What cannot be taken back is asked
// for twice.
func approve(a fleet.Approval) Block {
	return Block{Type: "actions", Elements: []any{Button{
		Type: "button", Text: plain("Approve"), Action: approval.Action, Value: approval.Value(a.Plan, a.Nonce), Style: "primary",
		Confirm: &Confirmation{
			Title: plain("This cannot be taken back"), Text: plain(cmp.Or(clip(a.Text, maxConfirm), "The plan is carried out at once.")),
			Confirm: plain("Approve"), Deny: plain("Not now"), Style: "danger",
		},
	}}}
}

// where names the place in bold: it is what the reader looks up next.
func where(n notify.Notice) string {
	f := n.Incident.Finding
	rest := "account " + clip(f.Cluster.Account, label) + ", " + clip(f.Cluster.Region, label)
	if owner := clip(f.Owner, label); owner != "" {
		rest += ", owner " + owner
	}
	if f.Cluster.Name == "" {
		return rest
	}
	return "*" + clip(f.Cluster.Name, value) + "*, " + rest
}

// appendNumbers shows how far work has come, and the values.
func appendNumbers(blocks []Block, f fleet.Finding) []Block {
	if f.Progress != nil {
		blocks = append(blocks, section(bar(*f.Progress)))
	}
	if fields := numbers(f); len(fields) > 0 {
		blocks = append(blocks, Block{Type: "section", Fields: fields})
	}
	return blocks
}

// bar draws progress in tenths; only what is done is drawn as full.
func bar(p fleet.Progress) string {
	const cells = 10
	done := min(max(p.Done, 0), max(p.Total, 0))
	full := 0
	if p.Total > 0 {
		full = int(float64(done) / float64(p.Total) * cells)
	}
	return fmt.Sprintf("%s%s %d of %d", strings.Repeat("▓", full), strings.Repeat("░", cells-full), done, max(p.Total, 0))
}

// numbers are the values of a finding. What does not fit is counted.
func numbers(f fleet.Finding) []Text {
	facts := append([]fleet.Fact{{Label: "Observed", Value: f.Observed}, {Label: "Expected", Value: f.Expected}}, f.Facts...)
	var fields []Text
	for _, fact := range facts {
		if shown := clip(fact.Value, value); shown != "" {
			fields = append(fields, Text{Type: "mrkdwn", Text: "*" + clip(fact.Label, label) + "*\n" + shown})
		}
	}
	if left := len(fields) - maxFields; left > 0 {
		fields = fields[:maxFields]
		fields[maxFields-1] = Text{Type: "mrkdwn", Text: fmt.Sprintf("and %d more values", left+1)}
	}
	return fields
}

func appendText(blocks []Block, title, text string, limit int) []Block {
	text = clip(text, limit)
	if text == "" {
		return blocks
	}
	return append(blocks, section("*"+title+"*\n"+text))
}

// digest is many incidents, grouped by what is the same about them.
func digest(m notify.Message) []Block {
	var blocks []Block
	if m.Kind == notify.LedgerOut {
		blocks = append(blocks, section(notify.LedgerDown))
		blocks = appendText(blocks, "Cause", m.Cause, paragraph)
		blocks = append(blocks, footnote("digest of the hour from "+notify.Clock(m.Bucket, m.Location)))
	}
	named, rest := grouped(m)
	return append(append(blocks, named...), others(rest)...)
}

// grouped names the groups that there is room for, and returns the rest.
func grouped(m notify.Message) (blocks []Block, rest []notify.Group) {
	all := m.Groups()
	room, left := namedInAll, listed
	said := map[string]bool{} // groups of one check often have the same remedy
	for i, g := range all {
		names := min(len(g.Notices), namedOfGroup, room)
		text := list(m, g, names)
		if left -= width(text); left < 0 || i == groups {
			return blocks, all[i:]
		}
		room -= names
		blocks = append(blocks, divider(), section(text))
		if what := g.Remedy(); !said[what] && left >= paragraph+label {
			said[what] = true
			blocks = appendText(blocks, "What to do", notify.Steps(what), paragraph)
			left -= paragraph + label
		}
	}
	return blocks, nil
}

// others counts the groups that are not named.
func others(rest []notify.Group) []Block {
	if len(rest) == 0 {
		return nil
	}
	left := 0
	for _, g := range rest {
		left += len(g.Notices)
	}
	return []Block{divider(), section(fmt.Sprintf("and %d more, of %s", left, fleet.Count(len(rest), "other kind")))}
}

// list is the heading of a group and its first incidents; the others are counted.
func list(m notify.Message, g notify.Group, names int) string {
	var b strings.Builder
	b.WriteString("*" + mark(g.Severity, g.Resolved) + " " + clip(g.Heading(), line) + "*")
	for _, n := range g.Notices[:names] {
		c := n.Incident.Finding.Cluster
		b.WriteString("\n• " + clip(n.Title(), line) + " (" + clip(c.Account+", "+c.Region, region))
		if m.Kind == notify.Daily {
			b.WriteString(", since " + notify.Clock(n.Incident.Opened, m.Location))
		}
		b.WriteString(")")
	}
	if left := len(g.Notices) - names; left > 0 {
		fmt.Fprintf(&b, "\nand %d more", left)
	}
	return b.String()
}

func emoji(m notify.Message) string {
	switch {
	case m.Kind == notify.LedgerOut:
		return "🚨"
	case len(m.Notices) == 0:
		return mark(fleet.Info, false)
	}
	worst := m.Notices[0]
	return mark(worst.Severity(), worst.Kind == notify.Resolved)
}

func mark(s fleet.Severity, resolved bool) string {
	switch {
	case resolved:
		return "🟢"
	case s >= fleet.Critical:
		return "🔴"
	case s == fleet.Warning:
		return "🟠"
	}
	return "🔵"
}
