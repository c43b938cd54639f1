package slack

import (
	_ "embed"
	"fmt"
	"html"
	"html/template"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"blocks": blocksOf, "mrkdwn": mrkdwn, "kind": func(b slack.Block) string { return string(b.BlockType()) },
	"clock": func(t time.Time) string { return t.Format("15:04:05") },
	"day":   func(r Received) string { return r.At.Format("Monday, 2 January 2006") },
	"style": func(b *slack.ButtonBlockElement) string { return string(b.Style) },
}).Parse(pageSource))

// view is what the page shows of one channel.
type view struct {
	Name     string
	Messages []Received
}

// Page writes what the channel shows as one HTML page that needs nothing else.
func (c *Channel) Page(w io.Writer) error { return write(w, view{c.name, c.Received()}) }

// Page writes what all channels show as one HTML page that needs nothing else.
func (w *Workspace) Page(to io.Writer) error {
	w.mu.Lock()
	channels := slices.Clone(w.channels)
	w.mu.Unlock()
	var views []view
	for _, c := range channels {
		views = append(views, view{c.name, c.Received()})
	}
	return write(to, views...)
}

func write(to io.Writer, views ...view) error {
	if err := page.Execute(to, views); err != nil {
		return fmt.Errorf("render the page of Slack: %w", err)
	}
	return nil
}

// blocksOf shows a message without blocks as one section, as Slack does.
func blocksOf(r Received) []slack.Block {
	if m := r.Message; m.Blocks != nil && len(m.Blocks.BlockSet) > 0 {
		return m.Blocks.BlockSet
	}
	return []slack.Block{slack.NewSectionBlock(slack.NewTextBlockObject(slack.MarkdownType, r.Message.Text, false, false), nil, nil)}
}

// The marks of mrkdwn that stand at the borders of words. Code comes first and
// is left alone by the others, for which plain text is split at it.
var (
	code  = regexp.MustCompile("`([^`\n]+)`")
	marks = []struct {
		find    *regexp.Regexp
		replace string
	}{
		{regexp.MustCompile(`(^|[\s(])\*([^*\n]+)\*`), "$1<b>$2</b>"},
		{regexp.MustCompile(`(^|[\s(])_([^_\n]+)_`), "$1<i>$2</i>"},
		{regexp.MustCompile(`(^|[\s(])~([^~\n]+)~`), "$1<s>$2</s>"},
	}
)

// mrkdwn turns a text object into HTML. Everything in it is escaped but for the
// tags that are made here.
func mrkdwn(e any) template.HTML {
	t, ok := e.(*slack.TextBlockObject)
	if !ok || t == nil {
		return ""
	}
	if t.Type == slack.PlainTextType {
		return template.HTML(safe(t.Text)) //nolint:gosec // safe escapes it
	}
	var b strings.Builder
	rest := t.Text
	for {
		at := code.FindStringSubmatchIndex(rest)
		if at == nil {
			b.WriteString(styled(rest))
			break
		}
		b.WriteString(styled(rest[:at[0]]) + "<code>" + safe(rest[at[2]:at[3]]) + "</code>")
		rest = rest[at[1]:]
	}
	return template.HTML(b.String()) //nolint:gosec // safe escapes every piece
}

// angle is what stands between < and >, which Slack gives a meaning to: a mention,
// or a link with its label.
var angle = regexp.MustCompile(`<([^<>\s|]+)(?:\|([^<>]*))?>`)

func styled(s string) string {
	var b strings.Builder
	for {
		at := angle.FindStringSubmatchIndex(s)
		if at == nil {
			return b.String() + marked(s)
		}
		label := ""
		if at[4] >= 0 {
			label = s[at[4]:at[5]]
		}
		b.WriteString(marked(s[:at[0]]) + meant(s[at[2]:at[3]], label))
		s = s[at[1]:]
	}
}

// meant shows a mention or a link. Links lead nowhere: the page is only to be read.
func meant(what, label string) string {
	switch what[0] {
	case '@', '!':
		name := strings.TrimPrefix(strings.TrimLeft(what, "@!"), "subteam^")
		return `<span class="mention">@` + safe(name) + `</span>`
	}
	if label == "" {
		label = what
	}
	return `<span class="link">` + safe(label) + `</span>`
}

func marked(s string) string {
	s = safe(s)
	for _, m := range marks {
		s = m.find.ReplaceAllString(s, m.replace)
	}
	return s
}

// escapes are the three that Slack knows.
var escapes = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")

// safe makes HTML of text that is escaped for Slack.
func safe(s string) string { return html.EscapeString(escapes.Replace(s)) }

// Lines are what the channel shows, for a terminal. Threads are set in.
func (c *Channel) Lines() []string {
	var lines []string
	for _, r := range c.Received() {
		lines = append(lines, timed(r, "")...)
		for _, reply := range r.Replies {
			lines = append(lines, timed(reply, "  │ ")...)
		}
	}
	return lines
}

// Lines are the message as it is, for a terminal and without its thread.
func (r Received) Lines() []string { return timed(r, "") }

// timed puts the time before the first line of a message.
func timed(r Received, before string) []string {
	at := r.At.Format("15:04:05") + "  "
	var lines []string
	for _, text := range plainLines(r) {
		lines = append(lines, at+before+text)
		at = strings.Repeat(" ", len("15:04:05  "))
	}
	if !r.Edited.IsZero() && len(lines) > 0 {
		lines[0] += " (edited " + r.Edited.Format("15:04:05") + ")"
	}
	return lines
}

func plainLines(r Received) []string {
	var lines []string
	for _, b := range blocksOf(r) {
		one := slack.WebhookMessage{Blocks: &slack.Blocks{BlockSet: []slack.Block{b}}}
		switch b := b.(type) {
		case *slack.SectionBlock:
			if b.Text != nil {
				lines = append(lines, strings.Split(bare(b.Text.Text), "\n")...)
			}
			for _, f := range b.Fields {
				lines = append(lines, strings.ReplaceAll(bare(f.Text), "\n", ": "))
			}
		case *slack.ActionBlock:
			var labels []string
			for _, t := range texts(&one) {
				labels = append(labels, "["+bare(t.Text)+"]")
			}
			lines = append(lines, strings.Join(labels, " "))
		default:
			for _, t := range texts(&one) {
				lines = append(lines, strings.Split(bare(t.Text), "\n")...)
			}
		}
	}
	return lines
}

var bold = regexp.MustCompile(`(^|[\s(])\*([^*\n]+)\*`)

// bare is mrkdwn without its marks.
func bare(s string) string {
	s = angle.ReplaceAllStringFunc(s, func(word string) string {
		parts := angle.FindStringSubmatch(word)
		switch what, label := parts[1], parts[2]; {
		case what[0] == '@' || what[0] == '!':
			return "@" + strings.TrimPrefix(strings.TrimLeft(what, "@!"), "subteam^")
		case label != "":
			return label + " (" + what + ")"
		default:
			return what
		}
	})
	return escapes.Replace(bold.ReplaceAllString(s, "$1$2"))
}
