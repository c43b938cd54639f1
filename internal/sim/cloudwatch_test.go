package sim_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
)

// query asks for the maximum of one metric of each cluster, as q0, q1, ...
func query(metric fleet.Metric, period time.Duration, from, to time.Time, clusters ...string) *cloudwatch.GetMetricDataInput {
	in := &cloudwatch.GetMetricDataInput{StartTime: &from, EndTime: &to, ScanBy: types.ScanByTimestampAscending}
	for i, c := range clusters {
		in.MetricDataQueries = append(in.MetricDataQueries, types.MetricDataQuery{
			Id: aws.String(fmt.Sprintf("q%d", i)),
			MetricStat: &types.MetricStat{
				Metric: &types.Metric{
					Namespace: aws.String("AWS/EKS"), MetricName: aws.String(string(metric)),
					Dimensions: []types.Dimension{{Name: aws.String("ClusterName"), Value: aws.String(c)}},
				},
				Period: aws.Int32(int32(period.Seconds())), Stat: aws.String("Maximum"),
			},
		})
	}
	return in
}

// lastHour asks about the hour before noon in steps of five minutes.
func lastHour(metric fleet.Metric, clusters ...string) *cloudwatch.GetMetricDataInput {
	return query(metric, 5*time.Minute, noon.Add(-time.Hour), noon, clusters...)
}

// ask reads all pages and joins the series of each query.
func ask(ctx context.Context, c *cloudwatch.Client, in *cloudwatch.GetMetricDataInput) (series map[string]types.MetricDataResult, pages int, err error) {
	series = map[string]types.MetricDataResult{}
	p := cloudwatch.NewGetMetricDataPaginator(c, in)
	for p.HasMorePages() {
		page, err := p.NextPage(ctx)
		if err != nil {
			return series, pages, err
		}
		pages++
		for _, res := range page.MetricDataResults {
			all := series[*res.Id]
			res.Timestamps = append(all.Timestamps, res.Timestamps...)
			res.Values = append(all.Values, res.Values...)
			series[*res.Id] = res
		}
	}
	return series, pages, nil
}

func mustAsk(t *testing.T, c *cloudwatch.Client, in *cloudwatch.GetMetricDataInput) map[string]types.MetricDataResult {
	t.Helper()
	series, _, err := ask(t.Context(), c, in)
	if err != nil {
		t.Fatal(err)
	}
	return series
}

func TestGetMetricDataFollowsTheCurve(t *testing.T) {
	f := crowd(0)
	f.Accounts[0].Regions[0].Clusters = []sim.Cluster{{Name: "a", Etcd: &sim.Etcd{Curve: sim.Curve{Points: []sim.Point{
		{At: -2 * time.Hour, SizeGB: 1}, {At: -time.Hour, SizeGB: 1}, {At: 0, SizeGB: 2.2},
	}}}}}
	c := start(t, f).cloudwatch("eu-west-1")
	got := mustAsk(t, c, query(fleet.StorageSize, 5*time.Minute, noon.Add(-70*time.Minute), noon, "a"))["q0"]
	if len(got.Values) != 14 || got.StatusCode != types.StatusCodeComplete {
		t.Fatalf("%d points, %s; want 14, Complete", len(got.Values), got.StatusCode)
	}
	for i, at := range got.Timestamps {
		if want := noon.Add(-70*time.Minute + time.Duration(i)*5*time.Minute); !at.Equal(want) {
			t.Errorf("point %d is at %s, want %s", i, at, want)
		}
		last := at.Add(4 * time.Minute) // the newest of the period's samples, and the largest
		want := 1e9 + max(0, 1.2e9*last.Sub(noon.Add(-time.Hour)).Hours())
		if diff := got.Values[i] - want; diff > 1 || diff < -1 {
			t.Errorf("%s is %.0f, want %.0f", at, got.Values[i], want)
		}
	}
}

func TestGetMetricDataNewestFirstUnlessAsked(t *testing.T) {
	in := lastHour(fleet.StorageSize, "payments")
	in.ScanBy = ""
	got := mustAsk(t, small(t).cloudwatch("eu-west-1"), in)["q0"].Timestamps
	if len(got) != 12 || !got[0].After(got[11]) {
		t.Errorf("timestamps are %v, want 12 with the newest first", got)
	}
}

func TestGetMetricDataSaysWhatIsMissing(t *testing.T) {
	r := small(t)
	for _, row := range []struct {
		name, cluster string
		metric        fleet.Metric
		want          int
	}{
		{"a healthy cluster has every point", "payments", fleet.StorageSize, 12},
		{"no live data where the file has none", "payments", fleet.StorageInUse, 0},
		{"live data where it has", "search", fleet.StorageInUse, 12},
		{"nothing since the gap began", "silent", fleet.StorageSize, 6},
		{"nothing of a cluster that is not there", "nobody", fleet.StorageSize, 0},
		{"nothing of a connected cluster", "on-premises", fleet.StorageSize, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := mustAsk(t, r.cloudwatch("eu-west-1"), lastHour(row.metric, row.cluster))["q0"]
			if len(got.Values) != row.want || got.StatusCode != types.StatusCodeComplete {
				t.Errorf("%d points, %s; want %d, Complete", len(got.Values), got.StatusCode, row.want)
			}
		})
	}
}

func TestFault_46_PartialDataHoldsTheOlderHalf(t *testing.T) {
	r := small(t)
	cfg := r.config("us-east-1")
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIAMEMBER0000000000", SecretAccessKey: "simulated"}, nil
	})
	got := mustAsk(t, cloudwatch.NewFromConfig(cfg), lastHour(fleet.StorageSize, "payments"))["q0"]
	if got.StatusCode != types.StatusCodePartialData || len(got.Values) == 0 || len(got.Values) > 7 {
		t.Errorf("%d points, %s; want the older half, PartialData", len(got.Values), got.StatusCode)
	}
}

func TestGetMetricDataPagesJoinToTheWhole(t *testing.T) {
	r := start(t, crowd(7))
	c := r.cloudwatch("eu-west-1")
	names := []string{"c000", "c001", "c002", "c003", "c004", "c005", "c006"}
	whole := mustAsk(t, c, lastHour(fleet.StorageSize, names...))
	for _, size := range []int32{1, 3, 7, 10, 83, 84} {
		in := lastHour(fleet.StorageSize, names...)
		in.MaxDatapoints = aws.Int32(size)
		got, pages, err := ask(t.Context(), c, in)
		if err != nil {
			t.Fatal(err)
		}
		if want := (84 + int(size) - 1) / int(size); pages != want {
			t.Errorf("%d datapoints a page: %d pages, want %d", size, pages, want)
		}
		for id, s := range whole {
			if fmt.Sprint(got[id].Timestamps, got[id].Values, got[id].StatusCode) != fmt.Sprint(s.Timestamps, s.Values, s.StatusCode) {
				t.Errorf("%d datapoints a page: %s differs from the unpaged one", size, id)
			}
		}
	}
}

func TestGetMetricDataPagesByItselfAbove100800Datapoints(t *testing.T) {
	names := make([]string, 500)
	for i := range names {
		names[i] = fmt.Sprintf("c%03d", i)
	}
	r := start(t, crowd(500))
	in := query(fleet.StorageSize, time.Minute, noon.Add(-4*time.Hour), noon, names...)
	got, pages, err := ask(t.Context(), r.cloudwatch("eu-west-1"), in)
	if err != nil || pages != 2 { // 500 x 240 = 120,000
		t.Fatalf("%d pages, %v; want 2", pages, err)
	}
	if n := len(got["q499"].Values); n != 240 {
		t.Errorf("%d points of the last query, want 240", n)
	}
}

func TestGetMetricDataRefuses(t *testing.T) {
	c := small(t).cloudwatch("eu-west-1")
	five01 := make([]string, 501)
	for name, row := range map[string]struct {
		change func(*cloudwatch.GetMetricDataInput)
		code   string
	}{
		"more than 500 queries":        {func(in *cloudwatch.GetMetricDataInput) { *in = *lastHour(fleet.StorageSize, five01...) }, "ValidationError"},
		"more than 100,800 datapoints": {func(in *cloudwatch.GetMetricDataInput) { in.MaxDatapoints = aws.Int32(100_801) }, "ValidationError"},
		"an end before the start":      {func(in *cloudwatch.GetMetricDataInput) { in.EndTime = aws.Time(noon.Add(-2 * time.Hour)) }, "ValidationError"},
		"a period that is no minute": {func(in *cloudwatch.GetMetricDataInput) {
			in.MetricDataQueries[0].MetricStat.Period = aws.Int32(90)
		}, "ValidationError"},
		"an id with a capital": {func(in *cloudwatch.GetMetricDataInput) { in.MetricDataQueries[0].Id = aws.String("Q") }, "ValidationError"},
		"one id twice": {func(in *cloudwatch.GetMetricDataInput) {
			in.MetricDataQueries = append(in.MetricDataQueries, in.MetricDataQueries[0])
		}, "ValidationError"},
		"an unknown order":  {func(in *cloudwatch.GetMetricDataInput) { in.ScanBy = "Random" }, "ValidationError"},
		"a token of nobody": {func(in *cloudwatch.GetMetricDataInput) { in.NextToken = aws.String("x") }, "InvalidNextToken"},
	} {
		in := lastHour(fleet.StorageSize, "payments")
		row.change(in)
		_, err := c.GetMetricData(t.Context(), in)
		t.Run(name, func(t *testing.T) { wantCode(t, err, row.code) })
	}
}

func TestCloudWatchErrorsHaveTheSDKsTypes(t *testing.T) {
	c := small(t).cloudwatch("eu-west-1")
	in := lastHour(fleet.StorageSize, "payments")
	in.NextToken = aws.String("x")
	_, err := c.GetMetricData(t.Context(), in)
	var token *types.InvalidNextToken
	if !errors.As(err, &token) {
		t.Errorf("error is %T, want InvalidNextToken", err)
	}
	_, err = c.GetMetricData(t.Context(), lastHour(fleet.StorageSize))
	if err == nil {
		t.Error("no queries at all are accepted")
	}
}

func TestATokenServesOnlyItsOwnRequest(t *testing.T) {
	c := small(t).cloudwatch("eu-west-1")
	in := lastHour(fleet.StorageSize, "payments")
	in.MaxDatapoints = aws.Int32(5)
	page, err := c.GetMetricData(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	other := lastHour(fleet.StorageSize, "search")
	other.MaxDatapoints, other.NextToken = in.MaxDatapoints, page.NextToken
	_, err = c.GetMetricData(t.Context(), other)
	wantCode(t, err, "InvalidNextToken")
}

func TestOtherAccountsMetricsAreForbidden(t *testing.T) {
	in := lastHour(fleet.StorageSize, "payments")
	in.MetricDataQueries[0].AccountId = aws.String(member)
	got := mustAsk(t, small(t).cloudwatch("eu-west-1"), in)["q0"]
	if got.StatusCode != types.StatusCodeForbidden || len(got.Messages) != 1 {
		t.Errorf("status is %s with %d messages, want Forbidden with one", got.StatusCode, len(got.Messages))
	}
}

// A gzipper compresses requests, as SDKs do with large ones.
type gzipper struct{ base http.RoundTripper }

func (g gzipper) RoundTrip(r *http.Request) (*http.Response, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.Copy(z, r.Body); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	zipped := r.Clone(r.Context())
	zipped.Header.Set("Content-Encoding", "gzip")
	zipped.Body, zipped.ContentLength = io.NopCloser(&b), int64(b.Len())
	return g.base.RoundTrip(zipped)
}

func TestGzippedRequestsAreRead(t *testing.T) {
	cfg := small(t).config("eu-west-1")
	cfg.HTTPClient = &http.Client{Transport: gzipper{http.DefaultTransport}}
	got := mustAsk(t, cloudwatch.NewFromConfig(cfg), lastHour(fleet.StorageSize, "payments"))["q0"]
	if len(got.Values) != 12 {
		t.Errorf("%d points, want 12", len(got.Values))
	}
}

func TestNoiseIsTheSameOnEveryReadAndDiffersByCluster(t *testing.T) {
	f := crowd(2)
	for _, c := range f.Accounts[0].Regions[0].Clusters {
		c.Etcd.Noise = 0.1
	}
	c := start(t, f).cloudwatch("eu-west-1")
	in := lastHour(fleet.StorageSize, "c000", "c001")
	first, second := mustAsk(t, c, in), mustAsk(t, c, in)
	if !maps.EqualFunc(first, second, func(a, b types.MetricDataResult) bool { return fmt.Sprint(a.Values) == fmt.Sprint(b.Values) }) {
		t.Error("two reads of the past differ")
	}
	if fmt.Sprint(first["q0"].Values) == fmt.Sprint(first["q1"].Values) {
		t.Error("two clusters have the same noise")
	}
	for _, v := range first["q0"].Values {
		if v < 0.9e9 || v > 1.1e9 || v == 1e9 {
			t.Errorf("value %.0f is not within a tenth of 1 GB, or not noisy", v)
		}
	}
}
