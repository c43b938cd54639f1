package etcdsize_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/etcdsize"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

var (
	rules = etcdsize.Rules{
		WarnPercent: 70, CriticalPercent: 85, HysteresisPercent: 5, WatchPercent: 50, StandardLimitGB: 8,
		StaleAfter: 20 * time.Minute, History: 6 * time.Hour, GrowthHorizon: 4 * time.Hour,
	}
	limits = fleet.Limits{Standard: 8 * gb, ByTier: map[string]int64{"tier-xl": 16 * gb}}
	id     = fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: "prod"}
)

func active(tier string) *fleet.Cluster {
	return &fleet.Cluster{ID: id, Status: "ACTIVE", Version: "1.34", Tier: tier, Kind: fleet.KindEKS, CreatedAt: now.AddDate(-1, 0, 0)}
}

func flat(bytes float64) fleet.Series { return fleet.Series{Points: every5(72, line(bytes, 0))} }

func reading(size fleet.Series) etcdsize.Reading {
	return etcdsize.Reading{Cluster: id, Size: size, Described: active("")}
}

func TestDecide(t *testing.T) {
	type want struct {
		outcome  fleet.Outcome
		severity fleet.Severity
		cause    string
		reason   string // a part of it
	}
	stale := func(bytes float64, age time.Duration) fleet.Series {
		s := flat(bytes)
		for i := range s.Points {
			s.Points[i].At = s.Points[i].At.Add(-age)
		}
		return s
	}
	denied := &fleet.Trouble{Kind: fleet.Denied, Action: "eks:DescribeCluster", Err: errors.New("AccessDeniedException")}
	for name, c := range map[string]struct {
		reading etcdsize.Reading
		held    fleet.Severity
		want    want
	}{
		"a third full passes":                    {reading: reading(flat(2.7 * gb)), want: want{outcome: fleet.Pass, reason: "33 %"}},
		"just below the warning line passes":     {reading: reading(flat(5.59 * gb)), want: want{outcome: fleet.Pass, reason: "69 %"}},
		"at the warning line warns":              {reading: reading(flat(5.6 * gb)), want: want{fleet.Fail, fleet.Warning, "filling", "at 70 %"}},
		"at the critical line is critical":       {reading: reading(flat(6.8 * gb)), want: want{fleet.Fail, fleet.Critical, "filling", "85 %"}},
		"a held warning is kept within 5 points": {reading: reading(flat(5.3 * gb)), held: fleet.Warning, want: want{fleet.Fail, fleet.Warning, "filling", "at or above 65 %, where an alert that began at 70 % ends"}},
		"a held warning is let go below that":    {reading: reading(flat(5.1 * gb)), held: fleet.Warning, want: want{outcome: fleet.Pass}},
		"a held critical is kept within points":  {reading: reading(flat(6.5 * gb)), held: fleet.Critical, want: want{fleet.Fail, fleet.Critical, "filling", "at or above 80 %, where an alert that began at 85 % ends"}},
		"a held critical steps down to warning":  {reading: reading(flat(6.3 * gb)), held: fleet.Critical, want: want{fleet.Fail, fleet.Warning, "filling", "78 %"}},

		"growth that fills it within four hours warns": {
			reading: reading(fleet.Series{Points: every5(72, line(4*gb, 1.2*gb))}),
			want:    want{fleet.Fail, fleet.Warning, "filling", "it is full in"},
		},
		"growth of the last hour alone counts": {
			reading: reading(fleet.Series{Points: every5(72, func(ago float64) float64 { return 4*gb + 1.5*gb*max(0, 1.25-ago) })}),
			want:    want{fleet.Fail, fleet.Warning, "filling", "it is full in"},
		},
		"growth that ten minutes ago was not predicted to fill it is waited for": {
			reading: reading(fleet.Series{Points: every5(72, func(ago float64) float64 { return 4.2*gb + 1.5*gb*max(0, 40./60-ago) })}),
			want:    want{outcome: fleet.Pass},
		},
		"a swing that is no growth fills nothing": {
			reading: reading(fleet.Series{Points: swing(14, line(5.2*gb, 0.75*gb), 0.24*gb)}),
			want:    want{outcome: fleet.Pass},
		},
		"slower growth passes":                {reading: reading(fleet.Series{Points: every5(72, line(4*gb, 0.5*gb))}), want: want{outcome: fleet.Pass}},
		"a burst of ten minutes is no growth": {reading: reading(fleet.Series{Points: every5(72, func(ago float64) float64 { return 3*gb + map[bool]float64{true: gb}[ago < 0.15] })}), want: want{outcome: fleet.Pass}},
		"nearly full for ten minutes is critical whatever the live data": {
			reading: withLive(reading(flat(7.7*gb)), 1*gb),
			want:    want{fleet.Fail, fleet.Critical, "filling", "95 %"},
		},
		"nearly full for five minutes is not yet": {
			reading: withLive(reading(fleet.Series{Points: every5(72, func(ago float64) float64 { return map[bool]float64{true: 7.7, false: 6}[ago < 0.1] * gb })}), 1*gb),
			want:    want{fleet.Fail, fleet.Warning, "filling", "96 %"},
		},
		"a fragmented file is a warning, not critical": {
			reading: withLive(reading(flat(7*gb)), 2*gb),
			want:    want{fleet.Fail, fleet.Warning, "filling", "free pages"},
		},
		"live data at the critical line are critical": {
			reading: withLive(reading(flat(7*gb)), 6.9*gb),
			want:    want{fleet.Fail, fleet.Critical, "filling", "live data are at 86 %"},
		},
		"FAULT 47 the limit comes from the tier": {
			reading: etcdsize.Reading{Cluster: id, Size: flat(7 * gb), Described: active("tier-xl")},
			want:    want{outcome: fleet.Pass, reason: "43 %"},
		},
		"an unlisted tier has no known limit": {
			reading: etcdsize.Reading{Cluster: id, Size: flat(7 * gb), Described: active("tier-16xl")},
			want:    want{fleet.Unknown, fleet.Critical, "limit-unknown", "tier-16xl"},
		},
		"FAULT 05 a denied description leaves the limit unknown": {
			reading: etcdsize.Reading{Cluster: id, Size: flat(6 * gb), Trouble: denied},
			want:    want{fleet.Unknown, fleet.Warning, "limit-unknown", "eks:DescribeCluster"},
		},
		"FAULT 46 no datapoint is unknown, not zero": {reading: reading(fleet.Series{}), want: want{fleet.Unknown, fleet.Warning, "no-datapoint", "no datapoint"}},
		"FAULT 46 a stale datapoint is unknown":      {reading: reading(stale(gb, 25*time.Minute)), want: want{fleet.Unknown, fleet.Warning, "no-datapoint", "25 min old"}},
		"FAULT 46 a datapoint 20 minutes old counts": {reading: reading(stale(gb, 20*time.Minute)), want: want{outcome: fleet.Pass}},
		"FAULT 46 partial data say so": {
			reading: reading(fleet.Series{Trouble: "PartialData"}),
			want:    want{fleet.Unknown, fleet.Warning, "no-datapoint", "CloudWatch says: PartialData."},
		},
		"an old version explains the missing metric": {
			reading: etcdsize.Reading{Cluster: id, Described: &fleet.Cluster{Status: "ACTIVE", Version: "1.27", Kind: fleet.KindEKS, CreatedAt: now.AddDate(-2, 0, 0)}},
			want:    want{fleet.Unknown, fleet.Warning, "no-datapoint", "from Kubernetes 1.28"},
		},
		"FAULT 02 a deleted cluster is gone": {
			reading: etcdsize.Reading{Cluster: id, Size: flat(7 * gb), Trouble: &fleet.Trouble{Kind: fleet.Gone, Action: "eks:DescribeCluster"}},
			want:    want{outcome: fleet.NotApplicable, cause: "deleted", reason: "no longer exists"},
		},
		"a cluster being created has nothing to say": {
			reading: etcdsize.Reading{Cluster: id, Described: &fleet.Cluster{Status: "CREATING", Kind: fleet.KindEKS, CreatedAt: now}},
			want:    want{outcome: fleet.NotApplicable, reason: "new"},
		},
		"a cluster that takes hours to be created has nothing to say": {
			reading: etcdsize.Reading{Cluster: id, Described: &fleet.Cluster{Status: "CREATING", Kind: fleet.KindEKS, CreatedAt: now.Add(-3 * time.Hour)}},
			want:    want{outcome: fleet.NotApplicable, reason: "new"},
		},
		"a cluster that is being deleted has nothing to say": {
			reading: etcdsize.Reading{Cluster: id, Size: flat(7 * gb), Described: &fleet.Cluster{Status: "DELETING", Kind: fleet.KindEKS}},
			want:    want{outcome: fleet.NotApplicable, reason: "being deleted"},
		},
		"FAULT 13 a connected cluster is not judged": {
			reading: etcdsize.Reading{Cluster: id, Described: &fleet.Cluster{Status: "ACTIVE", Kind: fleet.KindConnected}},
			want:    want{outcome: fleet.NotApplicable, reason: "EKS does not run"},
		},
		"FAULT 09 an unknown status is judged by its size": {
			reading: etcdsize.Reading{Cluster: id, Size: flat(7 * gb), Described: &fleet.Cluster{Status: "HIBERNATING", Kind: fleet.KindEKS}},
			want:    want{fleet.Fail, fleet.Critical, "filling", "87 %"},
		},
		"FAULT 10 a cluster without any field is unknown": {
			reading: etcdsize.Reading{Cluster: id, Described: &fleet.Cluster{}},
			want:    want{fleet.Unknown, fleet.Warning, "no-datapoint", "no datapoint"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := etcdsize.Decide(c.reading, c.held, rules, limits, now)
			if f.Outcome != c.want.outcome || f.Severity != c.want.severity || f.Cause != c.want.cause {
				t.Errorf("got %s/%s/%q, want %s/%s/%q (%s)", f.Outcome, f.Severity, f.Cause, c.want.outcome, c.want.severity, c.want.cause, f.Reason)
			}
			if !strings.Contains(f.Reason, c.want.reason) {
				t.Errorf("reason %q does not say %q", f.Reason, c.want.reason)
			}
			if f.Outcome == fleet.Fail && (f.Meaning == "" || f.Remedy == "" || f.Observed == "" || f.Expected == "") {
				t.Errorf("a failing finding must state observed, expected, meaning and remedy: %+v", f)
			}
		})
	}
}

// swing moves every other point up, and the others down.
func swing(n int, size func(ago float64) float64, by float64) []fleet.Point {
	points := every5(n, size)
	for i := range points {
		if (n-i)%2 == 1 {
			points[i].Bytes -= by
		} else {
			points[i].Bytes += by
		}
	}
	return points
}

func withLive(r etcdsize.Reading, bytes float64) etcdsize.Reading {
	r.InUse = flat(bytes)
	return r
}

func TestWhatIsExpectedIsWhatWouldPass(t *testing.T) {
	for held, want := range map[fleet.Severity]string{fleet.Info: "below 70 %", fleet.Warning: "below 65 %"} {
		if f := etcdsize.Decide(reading(flat(6*gb)), held, rules, limits, now); !strings.HasPrefix(f.Expected, want) {
			t.Errorf("held at %s: expected %q, want it to be %s", held, f.Expected, want)
		}
	}
}

// TestFault_53_AFlappingValueIsToldOnce swings a size around the warning line
// and counts how often the outcome turns.
func TestFault_53_AFlappingValueIsToldOnce(t *testing.T) {
	held, turns := fleet.Info, 0
	for i := range 40 {
		bytes := 5.58 * gb
		if i%2 == 1 {
			bytes = 5.62 * gb
		}
		f := etcdsize.Decide(reading(flat(bytes)), held, rules, limits, now)
		if f.Severity != held {
			turns++
		}
		held = f.Severity
	}
	if turns != 1 {
		t.Errorf("a value between 69.75 %% and 70.25 %% turned %d times, want once", turns)
	}
}

func TestTheForecastStatesItsUncertainty(t *testing.T) {
	f := etcdsize.Decide(reading(fleet.Series{Points: every5(72, line(6*gb, 0.1*gb))}), fleet.Info, rules, limits, now)
	facts := map[string]string{}
	for _, fact := range f.Facts {
		facts[fact.Label] = fact.Value
	}
	if got, want := facts["Growth"], "+100 MB/h (+100 to +100) in the last 5 h 55 min"; got != want {
		t.Errorf("growth = %q, want %q", got, want)
	}
	if got, want := facts["Time to full"], "20 h (20 h to 20 h)"; got != want {
		t.Errorf("time to full = %q, want %q", got, want)
	}
	f = etcdsize.Decide(reading(fleet.Series{Points: every5(5, line(6*gb, 0.1*gb))}), fleet.Info, rules, limits, now)
	if got := f.Facts[1].Value; !strings.HasPrefix(got, "no forecast: 5 of the 12 datapoints") {
		t.Errorf("time to full = %q, want no forecast and why", got)
	}
}
