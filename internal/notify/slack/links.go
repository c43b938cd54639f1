package slack

import (
	"cmp"
	"net/url"
	"strconv"
	"strings"

	"github.com/eks-steward/eks-steward/internal/approval"
	"github.com/eks-steward/eks-steward/internal/notify"
)

// What a message shows of links and mentions; configuration gives fewer.
const (
	maxLinks    = 5
	maxMentions = 10
	maxURL      = 380 // escaped: five of them are not to fill a message
)

// appendLinks shows where to read on: as buttons where somebody listens, since
// Slack sends even the press of a button that only opens a page to the app and
// warns the user when nobody takes it; as words elsewhere.
// https://docs.slack.dev/reference/block-kit/block-elements/button-element
func appendLinks(blocks []Block, links []notify.Link, buttons bool) []Block {
	var elements []any
	for _, l := range links[:min(len(links), maxLinks)] {
		to, name := secure(l.URL), cmp.Or(clip(strings.ReplaceAll(l.Label, "\n", " "), maxButton), "Open")
		switch {
		case to == "":
		case buttons:
			id := approval.LinkAction + strconv.Itoa(len(elements)+1)
			elements = append(elements, Button{Type: "button", Text: plain(name), URL: to, Action: id})
		default:
			elements = append(elements, Text{Type: "mrkdwn", Text: "<" + clip(to, maxField) + "|" + name + ">"})
		}
	}
	if len(elements) == 0 {
		return blocks
	}
	kind := "context"
	if buttons {
		kind = "actions"
	}
	return append(blocks, Block{Type: kind, Elements: elements})
}

// secure is an address that a browser opens over TLS and that means nothing to
// Slack's notation, or empty for any other.
func secure(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return ""
	}
	s := u.String()
	if strings.ContainsAny(s, "<>|\" ") || clip(s, maxURL) != clip(s, maxField) {
		return ""
	}
	return s
}

// calling wakes people and groups by their ids. What is no id is left out.
// https://docs.slack.dev/messaging/formatting-message-text#mentioning-users
func calling(ids []string) string {
	var words []string
	for _, id := range ids {
		if len(id) < 2 || len(id) > label || len(words) == maxMentions || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
			continue
		}
		switch id[0] {
		case 'U', 'W':
			words = append(words, "<@"+id+">")
		case 'S':
			words = append(words, "<!subteam^"+id+">")
		}
	}
	if len(words) == 0 {
		return ""
	}
	return "\nFor " + strings.Join(words, " ")
}
