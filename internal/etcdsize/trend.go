package etcdsize

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// A Trend is a straight line through a series that single odd points cannot
// tilt: the Theil-Sen estimator, the median of the slopes between all pairs of
// points, with the interval that Sen (1968) derived from Kendall's rank
// statistic.
type Trend struct {
	Slope     float64 // bytes per second
	Low, High float64 // bounds of the slope
	Level     float64 // bytes at End, on the line
	Begin     time.Time
	End       time.Time
}

// The least a series must offer before a line through it means something.
const (
	minPoints = 12
	minSpan   = 55 * time.Minute // twelve points five minutes apart
)

// maxPoints bounds the work: n points have n(n-1)/2 slopes.
const maxPoints = 96

// z is the normal quantile of a 99 % interval. It is wider than usual, because
// samples five minutes apart are not independent of one another.
const z = 2.576

// reclaimed is the fall between two neighbours, as a share, that only
// defragmentation explains; what was before it says nothing about growth.
const reclaimed = 0.10

// FitTrend draws the line through the points since the last defragmentation.
// Where they do not carry one, the error says why: there is no forecast then,
// which is not the same as no growth.
func FitTrend(points []fleet.Point) (Trend, error) {
	points = thin(sinceReclaim(points), maxPoints)
	n := len(points)
	if n < minPoints {
		return Trend{}, fmt.Errorf("%d of the %d datapoints it takes since the database last shrank", n, minPoints)
	}
	if span := points[n-1].At.Sub(points[0].At); span < minSpan {
		return Trend{}, fmt.Errorf("the datapoints span %s of the %s it takes", words(span), words(minSpan))
	}
	slopes := pairSlopes(points)
	t := Trend{Slope: median(slopes), Begin: points[0].At, End: points[n-1].At}
	spread := z * math.Sqrt(float64(n*(n-1)*(2*n+5))/18)
	low := int((float64(len(slopes)) - spread) / 2)
	t.Low, t.High = slopes[max(low, 0)], slopes[min(len(slopes)-1-low, len(slopes)-1)]
	t.Level = level(points, t)
	return t, nil
}

// Growing reports whether growth can be told from noise.
func (t Trend) Growing() bool { return t.Low > 0 }

// At is the predicted size in bytes.
func (t Trend) At(when time.Time) float64 {
	return t.Level + t.Slope*when.Sub(t.End).Seconds()
}

// Reaches says how long after End the line meets a size: most likely, and at the
// earliest and latest by the slope's bounds. All are zero when it is there
// already. Call it only on a growing trend.
func (t Trend) Reaches(bytes float64) (likely, earliest, latest time.Duration) {
	left := max(bytes-t.Level, 0)
	return eta(left, t.Slope), eta(left, t.High), eta(left, t.Low)
}

// eta keeps far futures inside what a Duration can hold.
func eta(bytes, slope float64) time.Duration {
	const century = 100 * 365 * 24 * time.Hour
	if slope <= 0 || bytes/slope >= century.Seconds() {
		return century
	}
	return time.Duration(bytes / slope * float64(time.Second))
}

func sinceReclaim(points []fleet.Point) []fleet.Point {
	for i := len(points) - 1; i > 0; i-- {
		if points[i].Bytes < points[i-1].Bytes*(1-reclaimed) {
			return points[i:]
		}
	}
	return points
}

// thin keeps at most n points, evenly, and always the newest.
func thin(points []fleet.Point, n int) []fleet.Point {
	if len(points) <= n {
		return points
	}
	step := (len(points) + n - 1) / n
	var kept []fleet.Point
	for i := (len(points) - 1) % step; i < len(points); i += step {
		kept = append(kept, points[i])
	}
	return kept
}

func pairSlopes(points []fleet.Point) []float64 {
	slopes := make([]float64, 0, len(points)*(len(points)-1)/2)
	for i, a := range points {
		for _, b := range points[i+1:] {
			if dt := b.At.Sub(a.At).Seconds(); dt > 0 {
				slopes = append(slopes, (b.Bytes-a.Bytes)/dt)
			}
		}
	}
	slices.Sort(slopes)
	return slopes
}

// level is the median of what each point says the size at the end is.
func level(points []fleet.Point, t Trend) float64 {
	ends := make([]float64, len(points))
	for i, p := range points {
		ends[i] = p.Bytes + t.Slope*t.End.Sub(p.At).Seconds()
	}
	slices.Sort(ends)
	return median(ends)
}

func median(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}
