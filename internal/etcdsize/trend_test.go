package etcdsize_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/etcdsize"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

const (
	gb = 1e9
	mb = 1e6
)

// every5 samples size at the n five-minute marks up to now; ago is hours.
func every5(n int, size func(ago float64) float64) []fleet.Point {
	points := make([]fleet.Point, n)
	for i := range points {
		at := now.Add(-time.Duration(n-1-i) * 5 * time.Minute)
		points[i] = fleet.Point{At: at, Bytes: size(now.Sub(at).Hours())}
	}
	return points
}

func line(level, perHour float64) func(float64) float64 {
	return func(ago float64) float64 { return level - perHour*ago }
}

func TestATrendFindsTheSlopeOfALine(t *testing.T) {
	tr, err := etcdsize.FitTrend(every5(48, line(6*gb, 100*mb)))
	if err != nil {
		t.Fatal(err)
	}
	if got := tr.Slope * 3600; math.Abs(got-100*mb) > 1 {
		t.Errorf("slope = %f bytes/h, want 100 MB/h", got)
	}
	likely, earliest, latest := tr.Reaches(8 * gb)
	if likely.Round(time.Minute) != 20*time.Hour || earliest > likely || latest < likely {
		t.Errorf("full in %s (%s to %s), want 20h inside its bounds", likely, earliest, latest)
	}
}

func TestATrendIsNotTiltedByOddPoints(t *testing.T) {
	points := every5(48, line(6*gb, 100*mb))
	for _, i := range []int{3, 17, 30, 44} { // a member that lags, four times
		points[i].Bytes *= 0.95
	}
	tr, err := etcdsize.FitTrend(points)
	if err != nil {
		t.Fatal(err)
	}
	if got := tr.Slope * 3600; math.Abs(got-100*mb) > 5*mb {
		t.Errorf("slope = %.0f MB/h, want about 100", got/mb)
	}
}

func TestNoiseIsNotGrowth(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		tr, err := etcdsize.FitTrend(every5(48, func(float64) float64 { return 3*gb + r.NormFloat64()*20*mb }))
		if err != nil {
			t.Fatal(err)
		}
		if tr.Growing() && tr.Slope*3600 > 10*mb {
			t.Errorf("seed %d: noise was called growth of %.1f MB/h", seed, tr.Slope*3600/mb)
		}
	}
}

func TestATrendSpeaksOnlyOfTheTimeSinceTheLastDefragmentation(t *testing.T) {
	points := every5(72, func(ago float64) float64 {
		if ago > 2 {
			return 7*gb - 300*mb*ago // grew fast, then was defragmented to half
		}
		return 3*gb - 50*mb*ago
	})
	tr, err := etcdsize.FitTrend(points)
	if err != nil {
		t.Fatal(err)
	}
	if got := tr.Slope * 3600; math.Abs(got-50*mb) > 1 {
		t.Errorf("slope = %.0f MB/h, want the 50 since the defragmentation", got/mb)
	}
}

func TestWhereDataDoNotCarryATrendThereIsAReason(t *testing.T) {
	for name, points := range map[string][]fleet.Point{
		"no points":                     nil,
		"eleven points":                 every5(11, line(gb, mb)),
		"too soon after defragmenting":  every5(72, func(ago float64) float64 { return map[bool]float64{true: 6, false: 2}[ago > 0.5] * gb }),
		"twelve points at one instant":  repeat(fleet.Point{At: now, Bytes: gb}, 12),
		"twelve points in half an hour": every5(12, line(gb, mb))[6:],
	} {
		t.Run(name, func(t *testing.T) {
			if tr, err := etcdsize.FitTrend(points); err == nil {
				t.Errorf("got %+v, want no trend", tr)
			}
		})
	}
}

func repeat(p fleet.Point, n int) []fleet.Point {
	points := make([]fleet.Point, n)
	for i := range points {
		points[i] = p
	}
	return points
}

func TestALongSeriesKeepsItsNewestPoint(t *testing.T) {
	tr, err := etcdsize.FitTrend(every5(192, line(6*gb, 10*mb)))
	if err != nil {
		t.Fatal(err)
	}
	if !tr.End.Equal(now) {
		t.Errorf("trend ends at %s, want %s", tr.End, now)
	}
}

func BenchmarkFitTrend(b *testing.B) {
	points := every5(72, line(6*gb, 100*mb))
	for b.Loop() {
		if _, err := etcdsize.FitTrend(points); err != nil {
			b.Fatal(err)
		}
	}
}
