package cloudwatch

import (
	"hash/fnv"
	"sort"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// Storage is how the etcd of one cluster fills over time.
type Storage struct {
	Size     Curve     // of the database file; empty means that the metric is not published
	InUse    Curve     // of the live data in it; likewise
	Noise    float64   // every sample moves by up to this fraction, up or down
	Since    time.Time // the first sample; zero means for ever
	Until    time.Time // samples end before it; zero means never
	GapFrom  time.Time // no samples from here ...
	GapUntil time.Time // ... to here; zero means that the gap lasts
	Partial  bool      // answers hold only the older half of the points and say PartialData

	seed uint64
}

// A Curve is a size in bytes over time: linear between its points, which are in
// order of time, and flat before the first and after the last.
type Curve []fleet.Point

func (c Curve) at(t time.Time) float64 {
	i := sort.Search(len(c), func(i int) bool { return c[i].At.After(t) })
	switch i {
	case 0:
		return c[0].Bytes
	case len(c):
		return c[len(c)-1].Bytes
	}
	a, b := c[i-1], c[i]
	passed := float64(t.Sub(a.At)) / float64(b.At.Sub(a.At))
	return a.Bytes + passed*(b.Bytes-a.Bytes)
}

func (s Storage) curve(metric string) Curve {
	switch fleet.Metric(metric) {
	case fleet.StorageSize:
		return s.Size
	case fleet.StorageInUse:
		return s.InUse
	}
	return nil
}

// resolution is how often EKS publishes a sample.
const resolution = time.Minute

// retention is how long CloudWatch keeps anything: "Metrics retention" in its
// user guide.
const retention = 455 * 24 * time.Hour

// maximum is the largest sample of [from, from+period), and false when there is
// none yet or none at all.
func (s Storage) maximum(c Curve, from time.Time, period time.Duration, now time.Time) (float64, bool) {
	highest, found := 0.0, false
	end := from.Add(period)
	if oldest := now.Add(-retention).Truncate(resolution); from.Before(oldest) {
		from = oldest
	}
	for t := from; t.Before(end) && !t.After(now); t = t.Add(resolution) {
		if !s.sampled(t) {
			continue
		}
		highest, found = max(highest, c.at(t)*(1+s.Noise*s.jitter(t))), true
	}
	return highest, found
}

func (s Storage) sampled(t time.Time) bool {
	switch {
	case t.Before(s.Since), !s.Until.IsZero() && !t.Before(s.Until):
		return false
	case s.GapFrom.IsZero() || t.Before(s.GapFrom):
		return true
	}
	return !s.GapUntil.IsZero() && !t.Before(s.GapUntil)
}

// jitter is a number in [-1, 1) that is always the same for a minute and a
// cluster, so that two reads of the past agree. The mixing is SplitMix64's.
func (s Storage) jitter(t time.Time) float64 {
	z := s.seed + uint64(t.Unix())*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return float64(int64(z^z>>31)) / (1 << 63)
}

func seedOf(in edge.Scope, cluster string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(in.Account + "/" + in.Region + "/" + cluster)) // a hash never fails
	return h.Sum64()
}
