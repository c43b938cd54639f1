package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// The geometry of the timeline in units of its SVG, which scales to the page.
const (
	width   = 960.0
	margin  = 150.0 // of the labels on the left
	right   = 14.0
	head    = 30.0 // of the years
	foot    = 24.0 // of today
	pitch   = 34.0 // from one version to the next
	barHigh = 16.0
)

// timeline is the support of every version that the fleet runs.
type timeline struct {
	Width, Height float64
	Years         []mark
	Today         mark
	Lanes         []lane
	Unlisted      []string // versions that EKS does not list
}

// mark is a vertical line.
type mark struct {
	X, Bottom float64
	Text      string
}

// lane is one version.
type lane struct {
	Y        float64
	Version  string
	Clusters string // how many
	Standard bar
	Extended bar
	Title    string // for those who do not see the picture, and on hover
}

type bar struct{ X, Y, Width, Height float64 }

// scale puts dates on the width of the picture.
type scale struct{ from, to time.Time }

func (s scale) x(t time.Time) float64 {
	share := float64(t.Sub(s.from)) / float64(s.to.Sub(s.from))
	return margin + min(max(share, 0), 1)*(width-margin-right)
}

// supportOf draws the versions that the clusters run, newest first.
func supportOf(clusters []Cluster, now time.Time) timeline {
	rows, count, unlisted := versionsIn(clusters)
	t := timeline{Width: width, Height: head + pitch*float64(len(rows)) + foot, Unlisted: unlisted}
	if len(rows) == 0 {
		return t
	}
	s, bottom := scaleOf(rows, now), t.Height-foot+4
	for y := s.from.Year() + 1; y <= s.to.Year(); y++ {
		t.Years = append(t.Years, mark{s.x(time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC)), bottom, fmt.Sprint(y)})
	}
	t.Today = mark{s.x(now), bottom, "today"}
	for i, r := range rows {
		t.Lanes = append(t.Lanes, laneOf(s, r, head+pitch*float64(i), count[r.Version]))
	}
	return t
}

func laneOf(s scale, r fleet.VersionSupport, y float64, clusters int) lane {
	start, turn, end := s.x(r.Released), s.x(r.EndOfStandard), s.x(r.EndOfExtended)
	top := y + (pitch-barHigh)/2
	return lane{
		Y: y + pitch/2, Version: r.Version, Clusters: fleet.Count(clusters, "cluster"),
		Standard: bar{start, top, turn - start, barHigh},
		Extended: bar{turn, top, end - turn, barHigh},
		Title: fmt.Sprintf("Kubernetes %s: standard support until %s, extended support until %s",
			r.Version, r.EndOfStandard.Format(time.DateOnly), r.EndOfExtended.Format(time.DateOnly)),
	}
}

// scaleOf spans a year back at least, and as far ahead as anything is supported.
func scaleOf(rows []fleet.VersionSupport, now time.Time) scale {
	s := scale{from: now.AddDate(-1, 0, 0), to: now.AddDate(1, 0, 0)}
	for _, r := range rows {
		if r.EndOfStandard.Before(s.from) {
			s.from = r.EndOfStandard.AddDate(0, -3, 0)
		}
		if r.EndOfExtended.After(s.to) {
			s.to = r.EndOfExtended
		}
	}
	return s
}

// versionsIn finds the rows of the calendar for the versions that clusters run,
// newest first, how many clusters run each, and the versions without a row.
func versionsIn(clusters []Cluster) (rows []fleet.VersionSupport, count map[string]int, unlisted []string) {
	count = map[string]int{}
	for _, c := range clusters {
		s := c.Snapshot
		if !s.Cluster.Known() || s.Cluster.Value.Kind != fleet.KindEKS {
			continue
		}
		r, ok := fleet.Supported(s.Versions.Value, s.Cluster.Value.Version)
		switch {
		case ok:
			if count[r.Version]++; count[r.Version] == 1 {
				rows = append(rows, r)
			}
		case s.Cluster.Value.Version != "" && !slices.Contains(unlisted, s.Cluster.Value.Version):
			unlisted = append(unlisted, s.Cluster.Value.Version)
		}
	}
	slices.SortFunc(rows, func(a, b fleet.VersionSupport) int { return byVersion(b.Version, a.Version) })
	slices.SortFunc(unlisted, byVersion)
	return rows, count, unlisted
}

// byVersion compares by number where both are versions.
func byVersion(a, b string) int {
	v, errV := fleet.ParseVersion(a)
	w, errW := fleet.ParseVersion(b)
	if errV != nil || errW != nil {
		return strings.Compare(a, b)
	}
	return cmp.Or(v.Compare(w), strings.Compare(a, b))
}
