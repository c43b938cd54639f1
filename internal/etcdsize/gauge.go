package etcdsize

import (
	"fmt"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// A gauge holds one fresh size against one limit.
type gauge struct {
	rules Rules
	size  fleet.Series
	last  float64 // bytes of the file
	limit float64 // bytes
	held  fleet.Severity

	live      float64 // bytes of live data
	liveKnown bool

	trend    Trend
	trendErr error // why there is no trend
}

func (g gauge) percent() float64 { return 100 * g.last / g.limit }

// pressing is the share that counts towards critical: free pages inside the
// file are written before the file grows, so live data press where known.
func (g gauge) pressing() float64 {
	if g.liveKnown {
		return 100 * min(g.live, g.last) / g.limit
	}
	return g.percent()
}

// threshold is the percentage at which a severity is reached, or left when it
// is held.
func (g gauge) threshold(s fleet.Severity, percent float64) float64 {
	if g.held >= s {
		return percent - g.rules.HysteresisPercent
	}
	return percent
}

// bar names a threshold. Of one that is held it says both where it began and where
// it ends: the second stands in no configuration.
func (g gauge) bar(s fleet.Severity, configured float64) string {
	if at := g.threshold(s, configured); at != configured {
		return fmt.Sprintf("%s, where an alert that began at %s ends", percent(at), percent(configured))
	}
	return fmt.Sprintf("the %s threshold of %s", s, percent(configured))
}

// judge is the rule of the whole package. The reason names what decided.
func (g gauge) judge() (fleet.Severity, string) {
	var why []string
	severity := fleet.Info
	mark := func(s fleet.Severity, reason string) {
		severity = max(severity, s)
		why = append(why, reason)
	}
	critical, warn := g.threshold(fleet.Critical, g.rules.CriticalPercent), g.threshold(fleet.Warning, g.rules.WarnPercent)
	switch {
	case g.heldFull():
		mark(fleet.Critical, fmt.Sprintf("The database file has been at or above %d %% of the limit for %s.", fullPercent, words(settling)))
	case g.pressing() >= critical:
		mark(fleet.Critical, fmt.Sprintf("%s %s of the limit, at or above %s.", g.subject(), percent(g.pressing()), g.bar(fleet.Critical, g.rules.CriticalPercent)))
	case g.percent() >= warn:
		mark(fleet.Warning, fmt.Sprintf("The database file is at %s of the limit, at or above %s.", percent(g.percent()), g.bar(fleet.Warning, g.rules.WarnPercent)))
	}
	if g.fullSoon() {
		mark(fleet.Warning, fmt.Sprintf("At the present growth it is full in %s.", g.timeToFull()))
	}
	if severity == fleet.Info {
		mark(fleet.Info, fmt.Sprintf("The database file is at %s of the limit, below %s.", percent(g.percent()), g.bar(fleet.Warning, g.rules.WarnPercent)))
	}
	if g.fragmented() {
		why = append(why, fmt.Sprintf("Only %s of the file are live data: the rest is free pages, which are reused before the file grows.", gigabytes(g.live)))
	}
	return severity, strings.Join(why, " ")
}

func (g gauge) subject() string {
	if g.liveKnown {
		return "The live data are at"
	}
	return "The database file is at"
}

// heldFull reports whether every datapoint of the last minutes is nearly full.
func (g gauge) heldFull() bool {
	end := g.size.Points[len(g.size.Points)-1].At
	for i := len(g.size.Points) - 1; i >= 0; i-- {
		p := g.size.Points[i]
		if 100*p.Bytes/g.limit < fullPercent {
			return false
		}
		if end.Sub(p.At) >= settling {
			return true
		}
	}
	return false
}

// horizon is how far ahead growth is looked at; a finding is let go only when
// the danger has moved half as far again.
func (g gauge) horizon() time.Duration {
	if g.held >= fleet.Warning {
		return g.rules.GrowthHorizon * 3 / 2
	}
	return g.rules.GrowthHorizon
}

// fullSoon is the etcd project's growth alert with a robust line in the place
// of predict_linear: predicted over the limit now, and ten minutes ago as well.
func (g gauge) fullSoon() bool {
	if g.trendErr != nil || !crosses(g.trend, g.limit, g.horizon()) {
		return false
	}
	before, err := forecast(until(g.size, g.trend.End.Add(-settling)), g.rules)
	return err == nil && crosses(before, g.limit, g.horizon())
}

func crosses(t Trend, bytes float64, within time.Duration) bool {
	return t.Growing() && t.At(t.End.Add(within)) > bytes
}

// burst is the shortest time over which growth counts.
const burst = time.Hour

// forecast draws lines through the last hour, the growth horizon and the whole
// history, and takes the steepest that can be told from noise: what began to
// grow lately is full before the long view notices. Where none grows, it is the
// longest line that there is.
func forecast(s fleet.Series, rules Rules) (Trend, error) {
	last, ok := s.Last()
	if !ok {
		return FitTrend(nil)
	}
	best, err := FitTrend(s.Points)
	for _, window := range []time.Duration{rules.GrowthHorizon, burst} {
		t, e := FitTrend(since(s, last.At.Add(-window)).Points)
		if e == nil && t.Growing() && (!best.Growing() || t.Slope > best.Slope) {
			best, err = t, nil
		}
	}
	return best, err
}

func since(s fleet.Series, t time.Time) fleet.Series {
	for i, p := range s.Points {
		if !p.At.Before(t) {
			return fleet.Series{Points: s.Points[i:]}
		}
	}
	return fleet.Series{}
}

func until(s fleet.Series, t time.Time) fleet.Series {
	n := len(s.Points)
	for n > 0 && s.Points[n-1].At.After(t) {
		n--
	}
	return fleet.Series{Points: s.Points[:n]}
}

func (g gauge) fragmented() bool {
	return g.liveKnown && g.live > fragmentedBytes && g.live < fragmentedShare*g.last
}
