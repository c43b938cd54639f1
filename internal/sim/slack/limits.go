package slack

import (
	"net/url"
	"strings"
	"unicode/utf16"

	"github.com/slack-go/slack"
)

// Slack's limits for blocks in a message, in characters and numbers:
// https://docs.slack.dev/reference/block-kit/blocks
const (
	maxBlocks   = 50
	maxHeader   = 150
	maxSection  = 3000
	maxFields   = 10
	maxField    = 2000
	maxElements = 10
	maxButtons  = 25
	maxButton   = 75
	maxAction   = 255
	maxValue    = 2000
	maxURL      = 3000
	maxTitle    = 100 // of a confirmation
	maxConfirm  = 300
)

// maxAll is of the texts of all blocks together. Slack documents no such limit. It
// was seen to refuse 11,341 characters, and its people speak of 12,000 with what
// holds the texts (slackapi/bolt-js, issues 2509 and 2867).
const maxAll = 11_000

func validBlocks(blocks *slack.Blocks) bool {
	if blocks == nil {
		return true
	}
	if len(blocks.BlockSet) > maxBlocks {
		return false
	}
	for _, b := range blocks.BlockSet {
		if !validBlock(b) {
			return false
		}
	}
	return true
}

// validBlock knows the blocks that an alert is made of. Slack has more; a test
// that needs one adds it here.
func validBlock(b slack.Block) bool {
	switch b := b.(type) {
	case *slack.HeaderBlock:
		return b.Text != nil && b.Text.Type == slack.PlainTextType && validText(b.Text, maxHeader)
	case *slack.SectionBlock:
		return validSection(b)
	case *slack.ContextBlock:
		return validContext(b)
	case *slack.ActionBlock:
		return validActions(b)
	case *slack.DividerBlock:
		return true
	}
	return false
}

func validSection(b *slack.SectionBlock) bool {
	if b.Text == nil && len(b.Fields) == 0 || len(b.Fields) > maxFields {
		return false
	}
	for _, f := range b.Fields {
		if !validText(f, maxField) {
			return false
		}
	}
	return b.Text == nil || validText(b.Text, maxSection)
}

func validContext(b *slack.ContextBlock) bool {
	elements := b.ContextElements.Elements
	if len(elements) == 0 || len(elements) > maxElements {
		return false
	}
	for _, e := range elements {
		if t, ok := e.(*slack.TextBlockObject); !ok || !validText(t, maxField) {
			return false
		}
	}
	return true
}

func validActions(b *slack.ActionBlock) bool {
	if b.Elements == nil || len(b.Elements.ElementSet) == 0 || len(b.Elements.ElementSet) > maxButtons {
		return false
	}
	ids := map[string]bool{}
	for _, e := range b.Elements.ElementSet {
		button, ok := e.(*slack.ButtonBlockElement)
		if !ok || ids[button.ActionID] || !validButton(button) {
			return false
		}
		ids[button.ActionID] = true
	}
	return true
}

func validButton(b *slack.ButtonBlockElement) bool {
	if !validText(b.Text, maxButton) || b.Text.Type != slack.PlainTextType || b.ActionID == "" ||
		len(b.ActionID) > maxAction || len(b.Value) > maxValue || !validURL(b.URL) {
		return false
	}
	c := b.Confirm
	return c == nil || validText(c.Title, maxTitle) && validText(c.Text, maxConfirm) && validText(c.Confirm, maxButton)
}

// validURL takes what a button may open, and no address at all.
func validURL(address string) bool {
	u, err := url.Parse(address)
	return err == nil && len(address) <= maxURL && (address == "" || u.Scheme == "https" && u.Host != "")
}

// validText counts in UTF-16, the most that Slack may count.
func validText(t *slack.TextBlockObject, limit int) bool {
	if t == nil || t.Type != slack.PlainTextType && t.Type != slack.MarkdownType {
		return false
	}
	return strings.TrimSpace(t.Text) != "" && width([]*slack.TextBlockObject{t}) <= limit
}

func width(texts []*slack.TextBlockObject) int {
	n := 0
	for _, t := range texts {
		n += len(utf16.Encode([]rune(t.Text)))
	}
	return n
}

// texts are all text objects of a message, in the order they are shown.
func texts(m *slack.WebhookMessage) []*slack.TextBlockObject {
	if m.Blocks == nil {
		return nil
	}
	var all []*slack.TextBlockObject
	for _, b := range m.Blocks.BlockSet {
		switch b := b.(type) {
		case *slack.HeaderBlock:
			all = append(all, b.Text)
		case *slack.SectionBlock:
			if b.Text != nil {
				all = append(all, b.Text)
			}
			all = append(all, b.Fields...)
		case *slack.ContextBlock:
			for _, e := range b.ContextElements.Elements {
				if t, ok := e.(*slack.TextBlockObject); ok {
					all = append(all, t)
				}
			}
		case *slack.ActionBlock:
			all = append(all, buttons(b)...)
		}
	}
	return all
}

func buttons(b *slack.ActionBlock) []*slack.TextBlockObject {
	var all []*slack.TextBlockObject
	for _, e := range b.Elements.ElementSet {
		if button, ok := e.(*slack.ButtonBlockElement); ok {
			all = append(all, button.Text)
		}
	}
	return all
}

// buttonsOf are all buttons of a message.
func buttonsOf(m *slack.WebhookMessage) []*slack.ButtonBlockElement {
	var all []*slack.ButtonBlockElement
	if m.Blocks == nil {
		return nil
	}
	for _, b := range m.Blocks.BlockSet {
		actions, ok := b.(*slack.ActionBlock)
		if !ok {
			continue
		}
		for _, e := range actions.Elements.ElementSet {
			if button, ok := e.(*slack.ButtonBlockElement); ok {
				all = append(all, button)
			}
		}
	}
	return all
}
