package slack

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Payload is what a message shows: the body of a post to an incoming webhook, and
// part of a call to the Web API.
type Payload struct {
	Text   string  `json:"text"` // for notifications and screen readers
	Blocks []Block `json:"blocks"`
}

// Block is one Block Kit block: header, section, context, actions or divider.
type Block struct {
	Type     string `json:"type"`
	Text     *Text  `json:"text,omitempty"`
	Fields   []Text `json:"fields,omitempty"`
	Elements []any  `json:"elements,omitempty"` // Text in context, Button in actions
}

// Text is a text object of Block Kit.
type Text struct {
	Type string `json:"type"` // plain_text or mrkdwn
	Text string `json:"text"`
}

// Button is a button that asks for confirmation, or that opens a page.
type Button struct {
	Type    string        `json:"type"` // button
	Text    Text          `json:"text"`
	Action  string        `json:"action_id"`
	Value   string        `json:"value,omitempty"`
	URL     string        `json:"url,omitempty"`
	Style   string        `json:"style,omitempty"`
	Confirm *Confirmation `json:"confirm,omitempty"`
}

// Confirmation is what a button asks before it counts as pressed.
type Confirmation struct {
	Title   Text   `json:"title"`
	Text    Text   `json:"text"`
	Confirm Text   `json:"confirm"`
	Deny    Text   `json:"deny"`
	Style   string `json:"style"`
}

// Slack's limits. Beyond any of them it refuses the whole message:
// https://docs.slack.dev/reference/block-kit/blocks
const (
	maxBlocks  = 50
	maxHeader  = 150
	maxSection = 3000
	maxFields  = 10
	maxField   = 2000
	maxMessage = 11_000 // texts of all blocks; not documented, see slackapi/bolt-js, issue 2867
	maxConfirm = 300    // https://docs.slack.dev/reference/block-kit/composition-objects/confirmation-dialog-object
	maxButton  = 75     // https://docs.slack.dev/reference/block-kit/block-elements/button-element
)

func header(text string) Block {
	return Block{Type: "header", Text: &Text{Type: "plain_text", Text: clip(text, maxHeader)}}
}

// section takes mrkdwn that is escaped already and within maxSection.
func section(mrkdwn string) Block {
	return Block{Type: "section", Text: &Text{Type: "mrkdwn", Text: mrkdwn}}
}

// footnote takes mrkdwn that is escaped already and within maxField.
func footnote(mrkdwn string) Block {
	return Block{Type: "context", Elements: []any{Text{Type: "mrkdwn", Text: mrkdwn}}}
}

// plain takes a short text of ours.
func plain(text string) Text { return Text{Type: "plain_text", Text: text} }

func divider() Block { return Block{Type: "divider"} }

// clip makes s inert and at most limit characters long, counted as Slack may
// count them at worst: escaped, in UTF-16. What does not fit gives way to an
// ellipsis, between two runes and never inside of an escape.
func clip(s string, limit int) string {
	var b strings.Builder
	used, fits := 0, 0 // fits is the length of b that leaves room for the ellipsis
	for _, r := range strings.TrimSpace(s) {
		piece := inert(r)
		n := width(piece)
		if used+n > limit {
			return b.String()[:fits] + "…"
		}
		b.WriteString(piece)
		if used += n; used < limit {
			fits = b.Len()
		}
	}
	return strings.TrimSpace(b.String()) // Slack refuses blank texts
}

// inert escapes what Slack gives a meaning to: & < > are the characters of
// mentions and links (https://docs.slack.dev/messaging/formatting-message-text).
// Characters that move the cursor or turn the reading direction are dropped.
func inert(r rune) string {
	switch {
	case r == '&':
		return "&amp;"
	case r == '<':
		return "&lt;"
	case r == '>':
		return "&gt;"
	case r == '\n', r == utf8.RuneError:
		return string(r)
	case r == '\t':
		return " "
	case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
		return ""
	}
	return string(r)
}

func width(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}
