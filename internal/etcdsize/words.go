package etcdsize

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// What a full etcd means, and what to do. The objects that fill an etcd are
// counted by every API server: apiserver_storage_objects, and from Kubernetes
// 1.34 apiserver_resource_objects.
const (
	meaning = "When etcd is full it refuses every write: the cluster turns read-only, and no pod can be created, moved, scaled or even cleaned up until space is freed."
	remedy  = "1. See what fills it: kubectl get --raw /metrics | grep -E '^apiserver_(storage|resource)_objects' | sort -k2 -g | tail. " +
		"2. Delete what nobody needs (old Helm release Secrets, finished Jobs, stale custom resources, Events kept too long) and stop what writes it. " +
		"3. EKS compacts and defragments by itself; if the size does not follow, open a support case. " +
		"4. If the data are needed, move to a larger control-plane tier: its limit is higher."
)

// title says how full it is, and when that is not what is wrong, how soon it
// will be full.
func (g gauge) title(cluster string) string {
	full := fmt.Sprintf("etcd of %s is %s full", cluster, percent(g.percent()))
	if g.percent() < g.rules.WarnPercent && g.fullSoon() {
		likely, _, _ := g.trend.Reaches(g.limit)
		return fmt.Sprintf("%s and will be full in %s", full, words(likely))
	}
	return full
}

// facts are the numbers behind a finding, most telling first.
func (g gauge) facts(r Reading) []fleet.Fact {
	facts := []fleet.Fact{{Label: "Growth", Value: g.growth()}}
	if g.trendErr == nil && g.trend.Growing() {
		facts = append(facts, fleet.Fact{Label: "Time to full", Value: g.timeToFull()})
	} else {
		facts = append(facts, fleet.Fact{Label: "Time to full", Value: "no forecast: " + g.noForecast()})
	}
	facts = append(facts, fleet.Fact{Label: "Limit", Value: gigabytes(g.limit) + " (" + tier(r) + ")"})
	if g.liveKnown {
		facts = append(facts, fleet.Fact{Label: "Live data", Value: fmt.Sprintf("%s (%s of the file)", gigabytes(g.live), percent(100*g.live/max(g.last, 1)))})
	}
	source := "CloudWatch " + string(fleet.StorageSize)
	if r.Asked {
		source = "/metrics of the API server, as CloudWatch has nothing fresh"
	}
	if g.liveKnown && !r.Asked {
		source += " and " + string(fleet.StorageInUse)
	}
	return append(facts, fleet.Fact{Label: "Source", Value: source})
}

func tier(r Reading) string {
	switch {
	case r.Described == nil:
		return "the smallest of the region"
	case r.Described.Tier == "":
		return fleet.StandardTier + " tier"
	}
	return r.Described.Tier
}

func (g gauge) growth() string {
	switch {
	case g.trendErr != nil:
		return "unknown"
	case g.trend.Growing() || g.trend.High < 0:
		return fmt.Sprintf("%+.0f MB/h (%+.0f to %+.0f) in the last %s",
			perHour(g.trend.Slope), perHour(g.trend.Low), perHour(g.trend.High), words(g.trend.End.Sub(g.trend.Begin)))
	}
	return "flat"
}

func perHour(slope float64) float64 { return slope * 3600 / 1e6 }

func (g gauge) noForecast() string {
	switch {
	case g.trendErr != nil:
		return g.trendErr.Error()
	case g.trend.High < 0:
		return "it shrinks"
	}
	return "growth cannot be told from noise"
}

func (g gauge) timeToFull() string {
	likely, earliest, latest := g.trend.Reaches(g.limit)
	if earliest > maxForecast {
		return "more than " + words(maxForecast)
	}
	return fmt.Sprintf("%s (%s to %s)", words(likely), words(earliest), latestWords(latest))
}

// maxForecast is as far as hours of history can honestly look.
const maxForecast = 30 * 24 * time.Hour

func latestWords(d time.Duration) string {
	if d > maxForecast {
		return "more than " + words(maxForecast)
	}
	return words(d)
}

// gigabytes prints decimal gigabytes. EKS states its limits in GB.
func gigabytes(b float64) string {
	s := strconv.FormatFloat(b/1e9, 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + " GB"
}

// percent rounds down, so that nothing below a threshold reads as being at it.
func percent(p float64) string { return strconv.FormatFloat(math.Floor(p+1e-9), 'f', 0, 64) + " %" }

// words prints a duration with at most two units.
func words(d time.Duration) string {
	d = d.Round(time.Minute)
	days, hours, minutes := int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60
	switch {
	case days >= 3:
		return fmt.Sprintf("%d days", days)
	case days > 0:
		return fmt.Sprintf("%d h", days*24+hours)
	case hours > 0 && minutes > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	case hours > 0:
		return fmt.Sprintf("%d h", hours)
	}
	return fmt.Sprintf("%d min", minutes)
}
