// Package sns publishes messages to SNS: as plain text to a topic that people
// read, as JSON to one that machines read, both with attributes that subscriptions
// can filter on. It decides how a message reads, never whether anybody is told.
package sns

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/notify"
)

// The limits of Publish, in bytes. The size counts attributes as well:
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
const (
	maxSubject = 99
	maxMessage = 256 << 10
)

// Rendered is a message as SNS takes it.
type Rendered struct {
	Subject string // printable ASCII
	Body    string // UTF-8
	// Attributes have one value in a message about one incident. A digest has
	// all that occur in it, as SNS matches each value of a String.Array.
	Attributes map[string][]string
}

// Render writes a message. The result is always one that SNS accepts.
func Render(m notify.Message) Rendered {
	r := Rendered{Subject: subject(m.Headline()), Attributes: attributes(m)}
	r.Body = body(m, maxMessage-len(r.Subject)-weight(r.Attributes))
	return r
}

// subject makes s printable ASCII: an SNS subject holds no line break, no control
// character and nothing else, and is less than 100 characters long.
func subject(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			r = ' '
		case r > '~':
			r = '?'
		}
		b.WriteRune(r)
	}
	s = strings.Join(strings.Fields(b.String()), " ")
	if len(s) > maxSubject {
		s = strings.TrimSpace(s[:maxSubject-3]) + "..."
	}
	return s
}

// maxValues bounds an attribute of a digest: beyond it, the mildest incidents do
// not count. maxValue is in bytes; every name that AWS gives is shorter.
const (
	maxValues = 200
	maxValue  = 256
)

// attributes are what a filter policy can select by. A message about the ledger
// itself names the hour that it stands for, so that receivers can drop a second one.
func attributes(m notify.Message) map[string][]string {
	attrs := map[string][]string{"kind": {string(m.Kind)}}
	for _, n := range m.Notices {
		f := n.Incident.Finding
		for name, value := range map[string]string{
			"severity": n.Severity().String(), "check": f.Check,
			"account": f.Cluster.Account, "region": f.Cluster.Region, "cluster": f.Cluster.Name,
		} {
			value = first(plain(value), maxValue)
			if value != "" && len(attrs[name]) < maxValues && !slices.Contains(attrs[name], value) {
				attrs[name] = append(attrs[name], value)
			}
		}
	}
	if !m.Bucket.IsZero() {
		attrs["bucket"] = []string{m.Bucket.UTC().Format(time.RFC3339)}
	}
	return attrs
}

// first is as much of s as fits into limit bytes, in whole runes.
func first(s string, limit int) string {
	end := min(len(s), limit)
	for end > 0 && end < len(s) && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// weight is what attributes take of a message's size: names, types and values.
func weight(attrs map[string][]string) int {
	total := 0
	for name, values := range attrs {
		kind, value := typed(values)
		total += len(name) + len(kind) + len(value)
	}
	return total
}

// typed is the data type and the encoding of an attribute.
func typed(values []string) (kind, value string) {
	if len(values) == 1 {
		return "String", values[0]
	}
	b, _ := json.Marshal(values) // strings always encode
	return "String.Array", string(b)
}

// reserve is room for saying what was cut.
const reserve = 120

// body is the whole message as text. Incidents that do not fit are counted; a
// single one is cut.
func body(m notify.Message, limit int) string {
	var b strings.Builder
	b.WriteString(cut(plain(preface(m)), limit/4))
	if len(m.Notices) == 1 {
		return b.String() + cut(plain(notice(m, m.Notices[0])), limit-b.Len())
	}
	for i, n := range m.Notices {
		text := plain(notice(m, n))
		if b.Len()+len(text)+reserve > limit {
			fmt.Fprintf(&b, "\n%d more incidents do not fit into this message.\n", len(m.Notices)-i)
			break
		}
		b.WriteString(text)
	}
	return b.String()
}

// preface is what stands before the incidents.
func preface(m notify.Message) string {
	var b strings.Builder
	if m.Kind == notify.LedgerOut || len(m.Notices) != 1 {
		b.WriteString(m.Headline() + "\n")
	}
	if m.Note != "" {
		b.WriteString(m.Note + "\n")
	}
	if m.Kind == notify.LedgerOut {
		fmt.Fprintf(&b, "\n%s\nCause: %s\nDigest of the hour from %s.\n", notify.LedgerDown, m.Cause, notify.Clock(m.Bucket, m.Location))
	}
	if len(m.Notices) > 1 {
		b.WriteString("\n")
		for _, g := range m.Groups() {
			b.WriteString(g.Heading() + "\n")
		}
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	return b.String()
}

// notice is one incident in full.
func notice(m notify.Message, n notify.Notice) string {
	f := n.Incident.Finding
	var b strings.Builder
	if len(m.Notices) > 1 {
		b.WriteString(strings.Repeat("-", 72) + "\n")
	}
	fmt.Fprintf(&b, "%s: %s\n\n", n.Word(), n.Title())
	facts := append([]fleet.Fact{
		{Label: "Cluster", Value: f.Cluster.Name},
		{Label: "Account", Value: f.Cluster.Account},
		{Label: "Region", Value: f.Cluster.Region},
		{Label: "Observed", Value: f.Observed},
		{Label: "Expected", Value: f.Expected},
	}, f.Facts...)
	for _, fact := range facts {
		if fact.Value != "" {
			fmt.Fprintf(&b, "%-13s %s\n", fact.Label, fact.Value)
		}
	}
	if n.Kind == notify.Resolved {
		paragraph(&b, "Why it is over", f.Reason)
	} else {
		paragraph(&b, "What it means", f.Meaning)
		paragraph(&b, "What to do", notify.Steps(f.Remedy))
		paragraph(&b, "Why you are told", f.Reason)
		paragraph(&b, "Waits for approval", n.Approve(m.Location))
	}
	if len(m.Notices) == 1 {
		paragraph(&b, "Read on", links(m.Links))
	}
	fmt.Fprintf(&b, "\n%s\n", n.History(m.Location))
	return b.String()
}

func links(all []notify.Link) string {
	lines := make([]string, len(all))
	for i, l := range all {
		lines[i] = fmt.Sprintf("%-9s %s", l.Label, l.URL)
	}
	return strings.Join(lines, "\n")
}

func paragraph(b *strings.Builder, title, text string) {
	if text != "" {
		fmt.Fprintf(b, "\n%s\n  %s\n", title, strings.ReplaceAll(text, "\n", "\n  "))
	}
}

// plain drops what could move a terminal's cursor or turn the reading direction,
// what an SQS subscription cannot carry, and mends broken UTF-8:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case unicode.IsControl(r):
			return ' '
		case unicode.In(r, unicode.Bidi_Control, unicode.Noncharacter_Code_Point):
			return -1
		}
		return r
	}, s)
}

// cut shortens s to at most limit bytes, on a rune border, and says by how much.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	kept := first(s, max(limit-reserve, 0))
	return fmt.Sprintf("%s...\n(%d bytes do not fit into this message)\n", kept, len(s)-len(kept))
}
