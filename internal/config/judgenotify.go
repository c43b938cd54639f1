package config

import (
	"fmt"
	"time"
)

func (b *builder) judgeNotify() {
	n := b.file.Notify
	if !n.Slack && n.SNS != SNSAlways {
		key, _ := KeyOf("notify.sns")
		b.clash("notify.sns", n.SNS, "slack is false and nobody would be told", key.Want, "notify.slack")
	}
	b.judgeQuiet("notify", n.QuietFrom, n.QuietTo)
	b.judgeRoutes(n.Routes)
	b.judgeOwners(n.Owners)
}

// judgeQuiet has the two ends of quiet hours go together.
func (b *builder) judgeQuiet(section, from, to string) {
	begin, end := section+".quietFrom", section+".quietTo"
	key, _ := KeyOf(end)
	switch {
	case from != "" && to == "":
		b.clash(begin, from, "quietTo is missing", "both or neither", end)
	case from == "" && to != "":
		b.clash(end, to, "quietFrom is missing", "both or neither", begin)
	case from != "" && from == to:
		b.clash(end, to, "quietFrom is the same", key.Want, begin)
	}
}

// judgeRoutes leaves the accounts and regions of a match alone: what is found
// about the product itself belongs to those of the deployment, which no file names.
func (b *builder) judgeRoutes(routes []Route) {
	seen := map[string]int{}
	for i, r := range routes {
		item := fmt.Sprintf("notify.routes[%d]", i)
		b.judgeQuiet(item, r.QuietFrom, r.QuietTo)
		b.judgePatterns(item+".match.names", r.Match.Names, `"prod-*"`)
		b.judgeOnce(item+".channel", r.Channel, seen, "each channel once")
	}
}

func (b *builder) judgeOwners(owners []Owner) {
	seen := map[string]int{}
	for i, o := range owners {
		b.judgeOnce(fmt.Sprintf("notify.owners[%d].tag", i), o.Tag, seen, "each owner once")
	}
}

// judgeOnce refuses a text that an earlier item has; seen are their lines.
func (b *builder) judgeOnce(at, text string, seen map[string]int, want string) {
	if first, again := seen[text]; again {
		b.clash(at, text, fmt.Sprintf("line %d has it already", first), want)
		return
	}
	if !b.bad[at] && b.given(at) {
		seen[text] = b.places[at].Line
	}
}

// judgeMutes does not ask what day it is: a file must not become bad by time
// passing. A mute that is over mutes nothing.
func (b *builder) judgeMutes() {
	for i, m := range b.file.Mutes {
		item := fmt.Sprintf("mutes[%d]", i)
		if b.badBelow(item+".") || b.bad[item] {
			continue
		}
		b.judgePatterns(item+".match.names", m.Match.Names, `"prod-*"`)
		b.judgePatterns(item+".resources", m.Resources, `"nodegroup/batch-*"`)
		if m.Ends(time.UTC).IsZero() {
			key, _ := KeyOf(item + ".until")
			b.clash(item+".until", m.Until, "there is no such day or time", key.Want)
		}
		if key, _ := KeyOf(item); !b.given(item+".match") && m.Checks == nil && m.Resources == nil {
			b.report(item, b.places[item], fmt.Sprintf("%s would mute everything: want %s", item, key.Want))
		}
	}
}
