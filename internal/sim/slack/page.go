package slack

import (
	_ "embed"
	"fmt"
	"html"
	"html/template"
	"io"
	"regexp"
	"strings"

	"github.com/slack-go/slack"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"blocks": blocksOf, "mrkdwn": mrkdwn, "kind": func(b slack.Block) string { return string(b.BlockType()) },
	"clock": func(r Received) string { return r.At.Format("15:04:05") },
	"day":   func(r Received) string { return r.At.Format("Monday, 2 January 2006") },
}).Parse(pageSource))

// Page writes what the channel shows as one HTML page that needs nothing else.
func (c *Channel) Page(w io.Writer) error {
	if err := page.Execute(w, c.Received()); err != nil {
		return fmt.Errorf("render the channel's page: %w", err)
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

func styled(s string) string {
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

// Lines are what the channel shows, for a terminal.
func (c *Channel) Lines() []string {
	var lines []string
	for _, r := range c.Received() {
		indent := r.At.Format("15:04:05") + "  "
		for _, text := range plainLines(r) {
			lines = append(lines, indent+text)
			indent = strings.Repeat(" ", len("15:04:05  "))
		}
	}
	return lines
}

func plainLines(r Received) []string {
	var lines []string
	for _, b := range blocksOf(r) {
		if s, ok := b.(*slack.SectionBlock); ok && s.Text == nil {
			for _, f := range s.Fields {
				lines = append(lines, strings.ReplaceAll(bare(f.Text), "\n", ": "))
			}
			continue
		}
		one := slack.WebhookMessage{Blocks: &slack.Blocks{BlockSet: []slack.Block{b}}}
		for _, t := range texts(&one) {
			lines = append(lines, strings.Split(bare(t.Text), "\n")...)
		}
	}
	return lines
}

var bold = regexp.MustCompile(`(^|[\s(])\*([^*\n]+)\*`)

// bare is mrkdwn without its marks.
func bare(s string) string { return escapes.Replace(bold.ReplaceAllString(s, "$1$2")) }
