package report

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

//go:embed page.html
var source string

var page = sync.OnceValue(func() *template.Template { return template.Must(template.New("report").Parse(source)) })

// Write writes the page. The clusters appear worst first.
func Write(w io.Writer, f Fleet) error {
	f.Clusters = slices.SortedFunc(slices.Values(f.Clusters), worst)
	if err := page().Execute(w, viewOf(f)); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// view is the page as its template sees it: text, and numbers only where a
// picture needs them.
type view struct {
	At, Day  string
	Tiles    []tile
	Timeline timeline
	Bill     bill
	Rows     []row
	Sections []section
	Unread   []unread
}

// tile is one number that matters.
type tile struct {
	Value, Label string
	Kind         string // a standing, for its colour
}

// row is a cluster in the overview.
type row struct {
	Name, Place string
	Cells       []cell
	Etcd        cell
	Level       *level // in the place of Etcd, where it is known
}

// cell is what one check says, in few words.
type cell struct {
	Standing string // empty where there is nothing to say
	Text     string
	WayBack  []string // to the version before, while there is one
}

// level is a bar of 120 units.
type level struct {
	Width float64
	Text  string
}

// section is what there is to do in one cluster.
type section struct {
	Name, Place string
	Findings    []item // the most urgent first
	Notes       []fleet.Finding
}

type item struct {
	Standing standing
	fleet.Finding
}

// unread is one thing about which nothing is known.
type unread struct{ Subject, Place, What, Why string }

func viewOf(f Fleet) view {
	at := f.At.UTC()
	v := view{
		At: at.Format("2 January 2006 at 15:04 UTC"), Day: at.Format(time.DateOnly),
		Timeline: supportOf(f.Clusters, at),
		Bill:     billOf(f.Clusters, at),
	}
	for _, c := range f.Clusters {
		v.Rows = append(v.Rows, rowOf(c))
		if s := sectionOf(c); len(s.Findings)+len(s.Notes) > 0 {
			v.Sections = append(v.Sections, s)
		}
		v.Unread = append(v.Unread, unreadOf(c)...)
	}
	for _, t := range f.Targets {
		if t.Outcome == fleet.Unknown {
			v.Unread = append(v.Unread, unread{t.Cluster.Account, t.Cluster.Region, t.Title, t.Reason})
		}
	}
	v.Tiles = tilesOf(f.Clusters, v)
	return v
}

// tilesOf counts clusters by the worst that is said of them.
func tilesOf(clusters []Cluster, v view) []tile {
	count := map[standing]int{}
	for _, c := range clusters {
		count[standing(urgency(c.Findings))]++
	}
	number := func(n int) string { return fmt.Sprint(n) }
	return []tile{
		{number(len(clusters)), "clusters", ""},
		{number(count[critical]), "critical", critical.String()},
		{number(count[warning]), "with a warning", warning.String()},
		{number(len(v.Unread)), "things not known", unseen.String()},
		{v.Bill.PerMonthNow, "a month for extended support", ""},
	}
}

// overview are the checks of each column.
var overview = [][]string{{"version-support"}, {"upgrade-readiness"}, {"encryption-state", "key-guard"}}

func rowOf(c Cluster) row {
	id := c.Snapshot.ID
	r := row{Name: id.Name, Place: placeOf(id), Etcd: c.cell("etcd-size"), Level: levelOf(c.Etcd)}
	for _, checks := range overview {
		r.Cells = append(r.Cells, c.cell(checks...))
	}
	return r
}

func (c Cluster) cell(of ...string) cell {
	f, ok := c.of(of...)
	switch {
	case !ok:
		return cell{Standing: unseen.String(), Text: "not looked at"}
	case f.Outcome == fleet.NotApplicable:
		return cell{Text: "does not apply"}
	}
	shown := cell{Standing: standingOf(f).String(), Text: cmp.Or(f.Observed, f.Title)}
	for _, fact := range f.Facts {
		if fact.Label == checks.WayBack {
			shown.WayBack = append(shown.WayBack, fact.Value)
		}
	}
	return shown
}

func placeOf(id fleet.ClusterID) string { return id.Account + " " + id.Region }

func levelOf(e Etcd) *level {
	if e.Limit <= 0 {
		return nil
	}
	const gigabyte = 1e9
	share := float64(e.Bytes) / float64(e.Limit) // shown as etcd-size says it, never more than there is
	return &level{
		Width: 120 * min(max(share, 0), 1),
		Text:  fmt.Sprintf("%.1f of %.0f GB (%.0f %%)", float64(e.Bytes)/gigabyte, float64(e.Limit)/gigabyte, math.Floor(100*share)),
	}
}

func sectionOf(c Cluster) section {
	s := section{Name: c.Snapshot.ID.Name, Place: placeOf(c.Snapshot.ID)}
	for _, f := range c.Findings {
		switch standing := standingOf(f); standing {
		case warning, critical:
			s.Findings = append(s.Findings, item{standing, f})
		case note:
			s.Notes = append(s.Notes, f)
		}
	}
	slices.SortStableFunc(s.Findings, func(a, b item) int { return int(b.Standing - a.Standing) })
	return s
}

// unreadOf lists what the checks could not judge.
func unreadOf(c Cluster) []unread {
	var all []unread
	for _, f := range c.Findings {
		if f.Outcome == fleet.Unknown {
			id := c.Snapshot.ID
			all = append(all, unread{id.Name, placeOf(id), strings.TrimSuffix(f.Title, "."), f.Reason})
		}
	}
	return all
}
