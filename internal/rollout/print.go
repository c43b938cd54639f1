package rollout

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
)

// forGood is what everybody has to know of an update before it.
const forGood = "An update that has begun can be neither paused nor cancelled: EKS replaces every node of the group."

// Text says to people what the plan does, that an update cannot be stopped, and
// what makes the plan void. Clusters of the mode Report are not in it.
func (p Plan) Text() string {
	var total tally
	var waves []string
	for _, w := range p.Waves {
		var t tally
		var names []string
		for _, c := range w.Clusters {
			if c.writes() {
				t.add(c)
				names = append(names, c.ID.Name)
			}
		}
		if t.clusters > 0 {
			total.join(t)
			waves = append(waves, fmt.Sprintf("%d. %s: %s (%s).", len(waves)+1, w.Name, t, some(names)))
		}
	}
	return fmt.Sprintf("Replace the nodes of %s, one wave after the other:\n%s\n"+
		"%s Between two groups the rollout can be paused and aborted, and it halts by itself when something is wrong. "+
		"The plan %s is for what the clusters and groups have now; any change of that, or of what they get, makes it void. steward rollout status shows each group and why.",
		total, strings.Join(waves, "\n"), forGood, p.Short())
}

// A tally is how much there is to do.
type tally struct{ clusters, groups, nodes int }

func (t *tally) add(c ClusterPlan) { t.join(tally{1, len(c.Steps), c.nodes()}) }

func (t *tally) join(u tally) {
	t.clusters += u.clusters
	t.groups += u.groups
	t.nodes += u.nodes
}

func (t tally) String() string {
	return fmt.Sprintf("%s in %s with %s", fleet.Count(t.groups, "nodegroup"), fleet.Count(t.clusters, "cluster"), fleet.Count(t.nodes, "node"))
}

// Print shows a plan to the person at a terminal: each wave with its groups and
// why they need new nodes, then what is left alone and why.
func Print(w io.Writer, p Plan) error {
	var page bytes.Buffer
	var total tally
	for _, wave := range p.Waves {
		total.join(wave.print(&page))
	}
	head := fmt.Sprintf("Plan %s: %s.\n%s\n", p.Short(), total, forGood)
	switch {
	case len(p.Waves) == 0:
		head = "No nodegroup is to be rolled.\n"
	case !p.Writes():
		head += "Nothing of this plan is carried out: every cluster of it has the mode report.\n"
	}
	var stale, other []Left
	for _, l := range p.Left {
		if l.Stale {
			stale = append(stale, l)
		} else {
			other = append(other, l)
		}
	}
	printLeft(&page, "Left alone although new nodes are needed", stale)
	printLeft(&page, "Left alone", other)
	_, err := io.WriteString(w, head+page.String())
	return err
}

func (w Wave) print(page *bytes.Buffer) tally {
	var t tally
	for _, c := range w.Clusters {
		t.add(c)
	}
	fmt.Fprintf(page, "\nWave %s: %s\n\n", w.Name, t)
	rows := table(page, "CLUSTER", "WHERE", "MODE", "GROUP", "ORDER", "NODES", "FROM", "TO", "TAKES", "WHY")
	for _, c := range w.Clusters {
		cluster := []string{c.ID.Name, c.Target.String(), string(c.Mode)}
		for _, s := range c.Steps {
			cells := slices.Concat(cluster, []string{s.Group, s.Rank.String(), fmt.Sprint(s.Nodes), label(s.From), label(s.To), short(s.Expected)})
			for _, r := range s.Reasons {
				row(rows, append(cells, r.Text)...)
				cells = make([]string, len(cells)) // a second reason stands alone in its line
			}
			cluster = []string{"", "", ""}
		}
	}
	_ = rows.Flush() // a buffer takes everything
	return t
}

func printLeft(page *bytes.Buffer, title string, all []Left) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(page, "\n%s:\n\n", title)
	rows := table(page, "CLUSTER", "WHERE", "GROUP", "WHY")
	for _, l := range all {
		row(rows, l.ID.Name, l.ID.Account+"/"+l.ID.Region, cmp.Or(l.Group, "all"), l.Why)
	}
	_ = rows.Flush() // a buffer takes everything
}

func table(w io.Writer, header ...string) *tabwriter.Writer {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row(t, header...)
	return t
}

// row writes cells. A tab or line break in one, from a message of AWS, would end it.
func row(w io.Writer, cells ...string) {
	for i, c := range cells {
		if i > 0 {
			fmt.Fprint(w, "\t")
		}
		fmt.Fprint(w, strings.Join(strings.Fields(c), " "))
	}
	fmt.Fprintln(w)
}

// String is the word that tells a rank from the others; Ordinary has none.
func (r Rank) String() string {
	switch r {
	case Canary:
		return "canary"
	case Critical:
		return "critical"
	}
	return "-"
}

// label names nodes by their release, and by what that does not say.
func label(n nodefreshness.Nodes) string {
	text := cmp.Or(n.Version, "no version")
	switch {
	case strings.HasPrefix(n.Release, n.Version+"."):
		text = n.Release
	case n.Release != "":
		text += " " + n.Release
	}
	if n.Template != (fleet.TemplateVersion{}) {
		text += " template " + n.Template.Version
	}
	return text
}

// short is a time as people say it, in minutes: 45m, 2h, 2h5m.
func short(d time.Duration) string {
	text := strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return cmp.Or(text, "0m")
}
