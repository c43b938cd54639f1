package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
	"github.com/eks-steward/eks-steward/internal/rules"
)

// Nodegroups tell which managed nodegroups clusters have.
type Nodegroups interface {
	// Nodegroups are those of each cluster, in the order of the names.
	Nodegroups(ctx context.Context, t fleet.Target, clusters []string) []fleet.Part[[]fleet.Nodegroup]
}

// optIn is the subject of what is told of the tags that let nodes be renewed.
const optIn = "nodegroup-rollout tag"

// optIns looks at the tags by which clusters and nodegroups say whether rollouts may
// touch them. None of it is needed: whoever wants no rollouts has no tags.
func (p *patient) optIns(ctx context.Context, running []fleet.Cluster) {
	if p.order.Nodegroups == nil || len(running) == 0 {
		return
	}
	names := make([]string, len(running))
	for i, c := range running {
		names[i] = c.ID.Name
	}
	p.note(judgeModes(p.target, running)...)
	p.note(judgeOptIns(p.target, names, p.order.Nodegroups.Nodegroups(ctx, p.target, names))...)
}

// judgeModes is about clusters whose tag is no mode. A nodegroup's tag has the same
// key and other values, so that one is easily taken for the other.
func judgeModes(t fleet.Target, clusters []fleet.Cluster) []Examination {
	var wrong, names []string
	for _, c := range clusters {
		if value, ok := c.Tags[rules.RolloutTag]; ok && !slices.Contains(config.Modes, value) {
			wrong, names = append(wrong, fmt.Sprintf("%s has %q", c.ID.Name, value)), append(names, c.ID.Name)
		}
	}
	if wrong == nil {
		return nil
	}
	return []Examination{{
		Subject: optIn, Where: t.String(), Outcome: fleet.Fail, Optional: true,
		Tried:    "looked at the tag " + rules.RolloutTag + " of clusters",
		Seen:     fmt.Sprintf("%s: that is no mode and counts as %s", some(wrong), config.Report),
		Remedy:   "set the tag of a cluster to " + strings.Join(config.Modes, ", ") + " or take it off; " + nodefreshness.Allowed + " is for nodegroups",
		Clusters: names,
	}}
}

// judgeOptIns is about nodegroups that no rollout touches, since IAM asks for the tag
// of each. It is a fault only where others have it; where none has, nobody asked for
// rollouts.
func judgeOptIns(t fleet.Target, clusters []string, parts []fleet.Part[[]fleet.Nodegroup]) []Examination {
	e := Examination{Subject: optIn, Where: t.String(), Optional: true, Tried: "looked for the tag " + nodefreshness.OptIn + "=" + nodefreshness.Allowed + " of managed nodegroups"}
	var without, unread []string
	var first fleet.Nodegroup // without
	all, trouble := 0, (*fleet.Trouble)(nil)
	for i, part := range parts {
		if part.Trouble != nil {
			unread, trouble = append(unread, clusters[i]), part.Trouble
		}
		for _, g := range part.Value {
			if all++; g.Tags[nodefreshness.OptIn] == nodefreshness.Allowed {
				continue
			}
			if without == nil {
				first = g
			}
			without = append(without, clusters[i]+"/"+g.Name)
		}
	}
	var out []Examination
	switch {
	case all == 0:
	case without == nil:
		e.Outcome, e.Seen = fleet.Pass, fleet.Count(all, "nodegroup")+" with it"
		out = append(out, e)
	default:
		e.Outcome = fleet.Fail
		if len(without) == all {
			e.Outcome = fleet.NotApplicable
		}
		e.Seen = fmt.Sprintf("%d of %s without it, which no rollout touches: %s", len(without), fleet.Count(all, "nodegroup"), some(without))
		e.Remedy = "nothing, if that is wanted. To let one be renewed: aws eks tag-resource --region " + t.Region + " --resource-arn " + first.ARN +
			" --tags " + nodefreshness.OptIn + "=" + nodefreshness.Allowed
		out = append(out, e)
	}
	if unread != nil {
		e.Outcome, e.Clusters = fleet.Unknown, unread
		e.Seen, e.Remedy = "the nodegroups of "+fleet.Count(len(unread), "cluster")+" could not be read: "+sentence(trouble), "mend that first"
		out = append(out, e)
	}
	return out
}

// mostNamed is how many names one line holds.
const mostNamed = 20

// some names the first, and counts the others.
func some(names []string) string {
	if more := len(names) - mostNamed; more > 0 {
		return strings.Join(names[:mostNamed], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}
