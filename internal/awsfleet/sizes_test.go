package awsfleet_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// A sample is one query of a GetMetricData request, read back from the wire.
type sample struct{ id, cluster, metric, stat string }

func asked(t *testing.T, c call) (samples []sample, token string, from, to time.Time) {
	t.Helper()
	v, err := cbor.Decode(c.body)
	if err != nil {
		t.Fatalf("decode request: %v", err)
	}
	in := v.(cbor.Map)
	for _, q := range in["MetricDataQueries"].(cbor.List) {
		stat := q.(cbor.Map)["MetricStat"].(cbor.Map)
		metric := stat["Metric"].(cbor.Map)
		dimension := metric["Dimensions"].(cbor.List)[0].(cbor.Map)
		if metric["Namespace"] != cbor.String("AWS/EKS") || dimension["Name"] != cbor.String("ClusterName") || stat["Period"] != cbor.Uint(300) {
			t.Errorf("query %v", q)
		}
		samples = append(samples, sample{text(q.(cbor.Map)["Id"]), text(dimension["Value"]), text(metric["MetricName"]), text(stat["Stat"])})
	}
	if next, ok := in["NextToken"]; ok {
		token = text(next)
	}
	return samples, token, instant(in["StartTime"]), instant(in["EndTime"])
}

func text(v cbor.Value) string { return string(v.(cbor.String)) }

func instant(v cbor.Value) time.Time {
	switch n := v.(*cbor.Tag).Value.(type) {
	case cbor.Float64:
		return time.Unix(int64(n), 0).UTC()
	case cbor.Uint:
		return time.Unix(int64(n), 0).UTC()
	}
	panic(fmt.Sprintf("not a time: %v", v))
}

// result is one series on the wire: values five minutes apart from minute.
func result(id, status string, minute int, values ...float64) cbor.Map {
	var times, numbers cbor.List
	for i, v := range values {
		at := now.Add(time.Duration(minute+5*i) * time.Minute)
		times = append(times, &cbor.Tag{ID: 1, Value: cbor.Float64(at.Unix())})
		numbers = append(numbers, cbor.Float64(v))
	}
	return cbor.Map{
		"Id": cbor.String(id), "Label": cbor.String("web"), "StatusCode": cbor.String(status),
		"Timestamps": times, "Values": numbers,
	}
}

func page(next string, results ...cbor.Map) cbor.Map {
	var list cbor.List
	for _, r := range results {
		list = append(list, r)
	}
	p := cbor.Map{"MetricDataResults": list}
	if next != "" {
		p["NextToken"] = cbor.String(next)
	}
	return p
}

func points(minute int, values ...float64) []fleet.Point {
	var p []fleet.Point
	for i, v := range values {
		p = append(p, fleet.Point{At: now.Add(time.Duration(minute+5*i) * time.Minute), Bytes: v})
	}
	return p
}

func same(a, b []fleet.Point) bool {
	return slices.EqualFunc(a, b, func(p, q fleet.Point) bool { return p.At.Equal(q.At) && p.Bytes == q.Bytes })
}

func message(code, value string) cbor.List {
	return cbor.List{cbor.Map{"Code": cbor.String(code), "Value": cbor.String(value)}}
}

func TestSizesReadsOneClusterTheWayCloudWatchSaysIt(t *testing.T) {
	with := func(m cbor.Map, key string, v cbor.Value) cbor.Map { m[key] = v; return m }
	tests := map[string]struct {
		pages   []cbor.Map
		want    []fleet.Point
		trouble string // words of it; empty means none
	}{
		"a complete series": {
			pages: []cbor.Map{page("", result("m0", "Complete", -10, 1, 2))},
			want:  points(-10, 1, 2),
		},
		"FAULT 46 no points at all is an answer without points": {
			pages: []cbor.Map{page("", result("m0", "Complete", 0))},
		},
		"a series over two pages is partial only in between": {
			pages: []cbor.Map{page("two", result("m0", "PartialData", -10, 1)), page("", result("m0", "Complete", -5, 2))},
			want:  points(-10, 1, 2),
		},
		"FAULT 46 partial data at the end": {
			pages: []cbor.Map{page("", result("m0", "PartialData", -5, 1))},
			want:  points(-5, 1), trouble: "PartialData",
		},
		"FAULT 46 partial data that the next page does not complete": {
			pages: []cbor.Map{page("two", result("m0", "PartialData", -5, 1)), page("")},
			want:  points(-5, 1), trouble: "PartialData",
		},
		"an internal error":                      {pages: []cbor.Map{page("", result("m0", "InternalError", 0))}, trouble: "InternalError"},
		"forbidden":                              {pages: []cbor.Map{page("", result("m0", "Forbidden", 0))}, trouble: "Forbidden"},
		"FAULT 09 an unknown status is not fine": {pages: []cbor.Map{page("", result("m0", "Odd", 0))}, trouble: "Odd"},
		"a cluster that the answer leaves out":   {pages: []cbor.Map{page("")}, trouble: "left the cluster out"},
		"an id that nobody asked for":            {pages: []cbor.Map{page("", result("m7", "Complete", -5, 9), result("m0", "Complete", -5, 1))}, want: points(-5, 1)},
		"a message about the series":             {pages: []cbor.Map{page("", with(result("m0", "Complete", -5, 1), "Messages", message("Odd", "look out")))}, want: points(-5, 1), trouble: "Odd: look out"},
		"a message about the whole call":         {pages: []cbor.Map{with(page("", result("m0", "Complete", -5, 1)), "Messages", message("MaxQueryTimeRangeExceeded", "too long"))}, want: points(-5, 1), trouble: "MaxQueryTimeRangeExceeded"},
		"FAULT 45 NaN, infinite and negative":    {pages: []cbor.Map{page("", result("m0", "Complete", -20, math.NaN(), math.Inf(1), -3, 4))}, want: points(-5, 4), trouble: "no size"},
		"newest first all the same":              {pages: []cbor.Map{page("two", result("m0", "PartialData", -5, 2)), page("", result("m0", "Complete", -10, 1))}, want: points(-10, 1, 2)},
		"one time twice: the larger":             {pages: []cbor.Map{page("two", result("m0", "PartialData", -5, 2)), page("", result("m0", "Complete", -5, 3))}, want: points(-5, 3)},
		"values without times":                   {pages: []cbor.Map{page("", with(result("m0", "Complete", -10, 1, 2), "Values", cbor.List{cbor.Float64(1)}))}, want: points(-10, 1), trouble: "without a time or a value"},
		"FAULT 10 a result of nothing but an id": {pages: []cbor.Map{page("", cbor.Map{"Id": cbor.String("m0")})}, trouble: "left the cluster out"},
		"FAULT 10 a result of nothing":           {pages: []cbor.Map{page("", cbor.Map{})}, trouble: "left the cluster out"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			n := 0
			f, _ := connect(t, func(call) reply {
				n++
				return cborBody(tt.pages[min(n, len(tt.pages))-1])
			})
			got, err := f.Sizes(t.Context(), target, fleet.StorageSize, []string{"web"}, now.Add(-time.Hour), now)
			if err != nil {
				t.Fatal(err)
			}
			s, ok := got["web"]
			if !ok || !same(s.Points, tt.want) {
				t.Errorf("points %v, want %v", s.Points, tt.want)
			}
			if (s.Trouble == "") != (tt.trouble == "") || !strings.Contains(s.Trouble, tt.trouble) {
				t.Errorf("trouble %q, want words %q", s.Trouble, tt.trouble)
			}
		})
	}
}

func TestFault_46_PartialDataIsTroubleAndNeverZero(t *testing.T) {
	f, _ := connect(t, func(call) reply {
		return cborBody(page("", result("m0", "PartialData", 0), result("m1", "Complete", 0)))
	})
	got, err := f.Sizes(t.Context(), target, fleet.StorageSize, []string{"api", "web"}, now.Add(-time.Hour), now)
	if err != nil {
		t.Fatal(err)
	}
	if s := got["api"]; s.Trouble == "" || len(s.Points) != 0 {
		t.Errorf("partial: %+v", s)
	}
	if s, ok := got["web"]; !ok || s.Trouble != "" || len(s.Points) != 0 {
		t.Errorf("no datapoints: %+v, asked for: %v", s, ok)
	}
}

func TestSizesAsksInBatchesAndTellsResultsByID(t *testing.T) {
	var clusters []string
	for i := range 1200 {
		clusters = append(clusters, fmt.Sprintf("c%04d", i))
	}
	f, w := connect(t, func(c call) reply {
		samples, _, _, _ := asked(t, c)
		var results []cbor.Map
		for i, s := range slices.Backward(samples) { // any order, and every label is the same
			if s.id != fmt.Sprintf("m%d", i) || s.metric != "etcd_mvcc_db_total_size_in_use_in_bytes" || s.stat != "Maximum" {
				t.Errorf("query %+v", s)
			}
			var size float64
			_, _ = fmt.Sscanf(s.cluster, "c%f", &size)
			results = append(results, result(s.id, "Complete", -5, size))
		}
		return cborBody(page("", results...))
	})
	got, err := f.Sizes(t.Context(), target, fleet.StorageInUse, clusters, now.Add(-6*time.Hour), now)
	if err != nil || len(got) != 1200 {
		t.Fatalf("%d clusters, %v", len(got), err)
	}
	for i, name := range clusters {
		if p, ok := got[name].Last(); !ok || p.Bytes != float64(i) {
			t.Fatalf("%s has %+v", name, got[name])
		}
	}
	var batches []int
	for _, c := range w.made("GetMetricData") {
		samples, _, _, _ := asked(t, c)
		batches = append(batches, len(samples))
	}
	if !slices.Equal(batches, []int{500, 500, 200}) {
		t.Errorf("batches of %v", batches)
	}
}

func TestSizesStaysBelowTheLimitOfDatapoints(t *testing.T) {
	var clusters []string
	for i := range 500 {
		clusters = append(clusters, fmt.Sprintf("c%d", i))
	}
	for _, hours := range []int{1, 6, 16, 17, 48, 24 * 7, 24 * 400} {
		synctest.Test(t, func(t *testing.T) { // some take hundreds of calls, which are paced
			f, w := connect(t, func(call) reply { return cborBody(page("")) })
			to := now.Add(7*time.Minute + time.Second)
			if _, err := f.Sizes(t.Context(), target, fleet.StorageSize, clusters, to.Add(-time.Duration(hours)*time.Hour), to); err != nil {
				t.Fatal(err)
			}
			total := 0
			for _, c := range w.made("GetMetricData") {
				samples, _, from, until := asked(t, c)
				total += len(samples)
				datapoints := len(samples) * int(until.Sub(from)/(5*time.Minute)+1)
				if len(samples) > 500 || datapoints > 100_800 && len(samples) > 1 {
					t.Errorf("%d queries with %d datapoints for %d hours", len(samples), datapoints, hours)
				}
			}
			if total != 500 {
				t.Errorf("%d clusters were asked for in %d hours", total, hours)
			}
		})
	}
}

func TestSizesOfAFailingBatchDoNotHideTheOthers(t *testing.T) {
	var clusters []string
	for i := range 600 {
		clusters = append(clusters, fmt.Sprintf("c%04d", i))
	}
	f, _ := connect(t, func(c call) reply {
		samples, _, _, _ := asked(t, c)
		if len(samples) == 500 {
			return metricsError(403, "AccessDenied", "User: arn:aws:sts::111122223333:assumed-role/reader/x is not authorized to perform: cloudwatch:GetMetricData")
		}
		return cborBody(page("", result("m0", "Complete", -5, 7)))
	})
	got, err := f.Sizes(t.Context(), target, fleet.StorageSize, clusters, now.Add(-time.Hour), now)
	if tr := trouble(t, err, fleet.Denied); tr.Action != "cloudwatch:GetMetricData" {
		t.Errorf("action %s", tr.Action)
	}
	if s := got["c0500"]; !same(s.Points, points(-5, 7)) {
		t.Errorf("the good batch is lost: %+v", s)
	}
	if s := got["c0000"]; !strings.Contains(s.Trouble, "(denied)") {
		t.Errorf("the bad batch does not say why: %+v", s)
	}
}

func TestFault_01_ThrottledMetricsAreAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		f, w := connect(t, func(c call) reply {
			n++
			_, token, _, _ := asked(t, c)
			switch {
			case n%2 == 1:
				return metricsError(400, "Throttling", "Rate exceeded")
			case token == "":
				return cborBody(page("two", result("m0", "PartialData", -10, 1)))
			}
			return cborBody(page("", result("m0", "Complete", -5, 2)))
		})
		got, err := f.Sizes(t.Context(), target, fleet.StorageSize, []string{"web"}, now.Add(-time.Hour), now)
		if err != nil || !same(got["web"].Points, points(-10, 1, 2)) || got["web"].Trouble != "" {
			t.Fatalf("got %+v, %v", got, err)
		}
		var tokens []string
		for _, c := range w.made("GetMetricData") {
			_, token, _, _ := asked(t, c)
			tokens = append(tokens, token)
		}
		if !slices.Equal(tokens, []string{"", "", "two", "two"}) {
			t.Errorf("tokens %q", tokens)
		}
	})
}

func TestFault_04_LoopingMetricPagesStop(t *testing.T) {
	f, w := connect(t, func(call) reply { return cborBody(page("again", result("m0", "PartialData", -5, 1))) })
	got, err := f.Sizes(t.Context(), target, fleet.StorageSize, []string{"web"}, now.Add(-time.Hour), now)
	trouble(t, err, fleet.LoopingPages)
	if s := got["web"]; !same(s.Points, points(-5, 1)) || s.Trouble == "" {
		t.Errorf("got %+v", s)
	}
	if n := len(w.made("GetMetricData")); n != 2 {
		t.Errorf("%d calls", n)
	}
}

func TestSizesOfNoClusterAsksNothing(t *testing.T) {
	f, w := connect(t, func(call) reply { return cborBody(page("")) })
	got, err := f.Sizes(t.Context(), target, fleet.StorageSize, nil, now.Add(-time.Hour), now)
	if err != nil || len(got) != 0 || len(w.calls) != 0 {
		t.Errorf("got %v, %v after %d calls", got, err, len(w.calls))
	}
}
