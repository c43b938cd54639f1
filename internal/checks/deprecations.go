package checks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// upgradeInsight is the category of what EKS finds in the way of an upgrade.
const upgradeInsight = "UPGRADE_READINESS"

// EKS counts the use of a deprecated API over 30 days, so that an insight stays
// red that long after the last request (EKS User Guide, Cluster insights). A use
// that nobody has repeated for a day has probably ended.
const (
	counted = 30 * 24 * time.Hour
	quiet   = 24 * time.Hour
)

// insights are what EKS itself finds in the way: an ERROR is about the next
// version, a WARNING about a later one.
func (c climb) insights() []obstacle {
	var all []obstacle
	for _, i := range c.s.Insights.Value {
		if i.Category == upgradeInsight && (i.Status == "ERROR" || i.Status == "WARNING") {
			all = append(all, c.insight(i))
		}
	}
	return all
}

// insight tells a deprecated API in use from one that is only still counted.
func (c climb) insight(i fleet.Insight) obstacle {
	o := obstacle{
		kind: "insight-warning", blocks: i.Status == "ERROR",
		what:   fmt.Sprintf("EKS insight %q is %s%s.", clip(insightName(i)), i.Status, because(i.Reason)),
		remedy: fleet.Sentence(cmp.Or(clip(i.Recommendation), fmt.Sprintf("Do what EKS insight %q asks for", clip(insightName(i))))),
	}
	if o.blocks {
		o.kind = "insight-error"
	}
	if len(i.Deprecations) == 0 {
		return o
	}
	live := slices.DeleteFunc(slices.Clone(i.Deprecations), func(d fleet.Deprecation) bool { return !c.live(d) })
	switch {
	case len(live) == 0:
		o.kind, o.blocks = "deprecated-api-quiet", false
		last := lastUse(i.Deprecations)
		o.what += fmt.Sprintf(" It was last asked for %s: probably fixed, EKS keeps it red for 30 days.", ago(last, c.now))
		o.remedy = fmt.Sprintf("Make sure that the callers named by EKS insight %q are mended; it turns green by %s. Before that, --force makes EKS upgrade all the same.",
			clip(insightName(i)), day(last.Add(counted+quiet)))
	case o.blocks, slices.ContainsFunc(live, func(d fleet.Deprecation) bool { return c.removedByNext(d.StopServing) }):
		o.kind, o.blocks = "deprecated-api", true
	default:
		o.kind = "deprecated-api-later"
	}
	if len(live) > 0 {
		o.what += " " + c.inUse(live)
		o.remedy = move(live) + " " + o.remedy
	}
	return o
}

// inUse names the APIs that are in use and who uses them.
func (c climb) inUse(live []fleet.Deprecation) string {
	var uses []string
	for _, d := range live {
		var callers []string
		for _, cl := range slices.DeleteFunc(slices.Clone(d.Clients), func(cl fleet.Client) bool { return !c.asks(cl) }) {
			callers = append(callers, caller(cl))
		}
		uses = append(uses, fmt.Sprintf("%s (gone in %s) by %s", clip(d.Usage), cmp.Or(d.StopServing, "a version not said"), cmp.Or(few(callers), "callers that EKS does not name")))
	}
	return "In use: " + strings.Join(uses, "; ") + "."
}

// move is the remedy against the use of deprecated APIs.
func move(live []fleet.Deprecation) string {
	var moves []string
	for _, d := range live {
		moves = append(moves, fmt.Sprintf("from %s to %s", clip(d.Usage), cmp.Or(clip(d.ReplacedWith), "what replaces it")))
	}
	return "Move every caller " + few(moves) + "."
}

func caller(cl fleet.Client) string { return cmp.Or(clip(cl.UserAgent), "a client without a name") }

// live reports whether an API is in use. When nobody says when it was last asked
// for, it is.
func (c climb) live(d fleet.Deprecation) bool {
	return len(d.Clients) == 0 || slices.ContainsFunc(d.Clients, c.asks)
}

func (c climb) asks(cl fleet.Client) bool { return cl.Last.IsZero() || c.now.Sub(cl.Last) <= quiet }

// lastUse is when any client asked last.
func lastUse(all []fleet.Deprecation) time.Time {
	var last time.Time
	for _, d := range all {
		for _, cl := range d.Clients {
			if cl.Last.After(last) {
				last = cl.Last
			}
		}
	}
	return last
}

// deprecationFacts tell who uses what, how often, and whether still.
func (c climb) deprecationFacts() []fleet.Fact {
	var facts []fleet.Fact
	for _, i := range c.s.Insights.Value {
		if i.Category != upgradeInsight || i.Status == "PASSING" {
			continue
		}
		for _, d := range i.Deprecations {
			facts = append(facts, fleet.Fact{Label: "Deprecated API", Value: c.usage(d)})
		}
		for _, a := range i.Addons {
			facts = append(facts, fleet.Fact{Label: "Add-on " + a.Name, Value: "versions that would do: " + cmp.Or(few(a.Compatible), "none")})
		}
	}
	return facts
}

func (c climb) usage(d fleet.Deprecation) string {
	text := fmt.Sprintf("%s, gone in %s", clip(d.Usage), cmp.Or(d.StopServing, "a version not said"))
	if d.ReplacedWith != "" {
		text += ", use " + clip(d.ReplacedWith)
	}
	var clients []string
	for _, cl := range d.Clients {
		asked := "last request not said"
		if !cl.Last.IsZero() {
			asked = "last " + ago(cl.Last, c.now)
		}
		if !c.asks(cl) {
			asked = "last asked for " + ago(cl.Last, c.now) + ": probably fixed, EKS keeps it red for 30 days"
		}
		clients = append(clients, fmt.Sprintf("%s (%s in 30 days, %s)", caller(cl), fleet.Count(cl.Requests, "request"), asked))
	}
	if len(clients) == 0 {
		return text + "; EKS names no client"
	}
	return text + "; by " + few(clients)
}

// seenAtMetrics are the deprecated APIs that the API server which answered has
// served since it started. One whose removal is not planned is not in the way.
func (c climb) seenAtMetrics() []obstacle {
	var now, later []string
	for _, d := range c.s.Deprecations.Value {
		switch _, err := fleet.ParseVersion(d.RemovedIn); {
		case err != nil:
		case c.removedByNext(d.RemovedIn):
			now = append(now, apiPath(d))
		default:
			later = append(later, apiPath(d))
		}
	}
	var all []obstacle
	add := func(kind string, blocks bool, apis []string) {
		if len(apis) > 0 {
			slices.Sort(apis)
			all = append(all, obstacle{
				kind: kind, blocks: blocks,
				what:   "An API server has been asked for deprecated APIs since it started: " + few(apis) + ".",
				remedy: "Find who asks for " + few(apis) + " (the audit log has the annotation k8s.io/deprecated) and move it to the API that replaces it.",
			})
		}
	}
	add("deprecated-api", true, now)
	add("deprecated-api-later", false, later)
	return all
}

// metricsFact says what /metrics showed. That it showed nothing is not that
// there is nothing: one API server of several was asked.
func (c climb) metricsFact() []fleet.Fact {
	if len(c.s.Deprecations.Value) == 0 {
		if !c.s.Deprecations.Known() {
			return nil // among the gaps
		}
		return []fleet.Fact{{Label: "Deprecated APIs at /metrics", Value: "not known: the API server that answered has seen none since it started, and the others were not asked"}}
	}
	var apis []string
	for _, d := range c.s.Deprecations.Value {
		apis = append(apis, apiPath(d))
	}
	slices.Sort(apis)
	return []fleet.Fact{{Label: "Deprecated APIs at /metrics", Value: few(apis)}}
}

// apiPath names an API as a request does, with the version that removes it.
func apiPath(d fleet.DeprecatedAPI) string {
	p := "/apis/" + d.Group + "/" + d.Version + "/" + d.Resource
	if d.Group == "" {
		p = "/api/" + d.Version + "/" + d.Resource
	}
	return strings.TrimSuffix(p+"/"+d.Subresource, "/") + " (gone in " + cmp.Or(d.RemovedIn, "no version yet") + ")"
}
