package slack

import (
	"cmp"
	"slices"
	"strings"

	"github.com/eks-steward/eks-steward/internal/notify"
)

// RenderReply lays out what is said in the thread of a message: it stands right
// below the place, the meaning and the remedy, and does not repeat them.
func RenderReply(m notify.Message, buttons bool) Payload {
	n, ok := alone(m)
	if !ok {
		return Render(m, buttons)
	}
	return short(m, n, buttons)
}

// short is one incident in a few lines. What is broadcast is read away from the
// message that it belongs to, and says what it is about and where to read on; a
// reminder is read long after it, and says again what the trouble means.
func short(m notify.Message, n notify.Notice, buttons bool) Payload {
	f := n.Incident.Finding
	title := clip(emoji(m)+" "+m.Headline(), headline)
	lines := []string{"*" + oneLine(title) + "*"}
	reminder := m.Kind == notify.Reminder
	if reminder || m.Broadcast {
		lines = append(lines, where(n))
	}
	if f.Progress != nil {
		lines = append(lines, bar(*f.Progress))
	}
	why := []string{f.Reason, f.Meaning}
	if reminder {
		slices.Reverse(why)
	}
	lines = append(lines, clip(n.Turn(m.Location), line), cmp.Or(clip(why[0], paragraph), clip(why[1], paragraph)))
	lines = slices.DeleteFunc(lines, func(s string) bool { return s == "" })
	p := Payload{Text: title, Blocks: []Block{section(strings.Join(lines, "\n") + calling(m.Mention))}}
	if reminder || m.Broadcast {
		p.Blocks = appendLinks(p.Blocks, m.Links, buttons)
	}
	return p.noted(m)
}

// oneLine keeps bold text bold: in Slack's notation it ends with the line.
func oneLine(s string) string { return strings.ReplaceAll(s, "\n", " ") }
