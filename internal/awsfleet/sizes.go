package awsfleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// The limits of one GetMetricData call (CloudWatch API reference), and the
// period of a point: EKS publishes every minute, but five minutes decide nothing
// about a database's size and keep hours of 500 clusters within one call, which
// is the product's main cost.
const (
	maxQueries    = 500
	maxDatapoints = 100_800
	period        = 5 * time.Minute
)

// Sizes reads a metric of the clusters between from and to, in bytes, one point
// for every five minutes. Every cluster that was asked for has an entry, an
// empty one when CloudWatch has no data. A batch of clusters that could not be
// read carries its trouble in its entries and in the error; the other batches
// are returned all the same.
func (f *Fleet) Sizes(ctx context.Context, t fleet.Target, m fleet.Metric, clusters []string, from, to time.Time) (map[string]fleet.Series, error) {
	client := f.at(t).cloudwatch
	names := slices.Compact(slices.Sorted(slices.Values(clusters)))
	sizes := make(map[string]fleet.Series, len(names))
	var failures []error
	for some := range slices.Chunk(names, perCall(from, to)) {
		b := newBatch(m, some)
		if err := b.read(ctx, client, from, to); err != nil {
			failures = append(failures, err)
		}
		for _, s := range b.series {
			sizes[s.cluster] = s.fleet()
		}
	}
	return sizes, errors.Join(failures...)
}

// perCall is how many clusters one call may ask for without going over the
// limit of data points.
func perCall(from, to time.Time) int {
	points := int(to.Sub(from)/period) + 2 // both ends may cut a period
	return max(1, min(maxQueries, maxDatapoints/max(1, points)))
}

// batch is one GetMetricData call with all its pages.
type batch struct {
	queries []types.MetricDataQuery
	series  map[string]*series // by id of the query: labels are for people
}

func newBatch(m fleet.Metric, clusters []string) batch {
	b := batch{series: map[string]*series{}}
	for i, name := range clusters {
		id := fmt.Sprintf("m%d", i) // must start with a lower-case letter (CloudWatch API reference)
		b.queries = append(b.queries, query(id, m, name))
		b.series[id] = &series{cluster: name}
	}
	return b
}

func query(id string, m fleet.Metric, cluster string) types.MetricDataQuery {
	return types.MetricDataQuery{
		Id: &id,
		MetricStat: &types.MetricStat{
			Metric: &types.Metric{
				Namespace:  aws.String("AWS/EKS"),
				MetricName: aws.String(string(m)),
				Dimensions: []types.Dimension{{Name: aws.String("ClusterName"), Value: &cluster}},
			},
			Period: aws.Int32(int32(period / time.Second)),
			Stat:   aws.String("Maximum"), // of the members: the fullest one stops first
		},
	}
}

func (b batch) read(ctx context.Context, client *cloudwatch.Client, from, to time.Time) error {
	in := &cloudwatch.GetMetricDataInput{
		MetricDataQueries: b.queries,
		StartTime:         aws.Time(from.Truncate(period)), // aligned times are answered faster (CloudWatch API reference)
		EndTime:           aws.Time(to),
		ScanBy:            types.ScanByTimestampAscending,
		MaxDatapoints:     aws.Int32(maxDatapoints),
	}
	err := Pages("cloudwatch:GetMetricData", func(token *string) (*string, error) {
		in.NextToken = token
		out, err := client.GetMetricData(ctx, in)
		if err != nil {
			return nil, err
		}
		b.add(out)
		return out.NextToken, nil
	})
	if err != nil {
		b.spoil(err.Error())
	}
	return err
}

// add takes in one page. What was not asked for is left out.
func (b batch) add(page *cloudwatch.GetMetricDataOutput) {
	for _, r := range page.MetricDataResults {
		if s, ok := b.series[aws.ToString(r.Id)]; ok {
			s.add(r)
		}
	}
	for _, m := range page.Messages {
		b.spoil(said(m))
	}
}

// spoil marks every series of the batch.
func (b batch) spoil(trouble string) {
	for _, s := range b.series {
		s.note(trouble)
	}
}

// series gathers one cluster's points over the pages.
type series struct {
	cluster  string
	points   []fleet.Point
	status   types.StatusCode // of the last page that had the series; earlier ones are partial by nature
	troubles []string
}

func (s *series) add(r types.MetricDataResult) {
	s.status = r.StatusCode
	for _, m := range r.Messages {
		s.note(said(m))
	}
	if len(r.Timestamps) != len(r.Values) {
		s.note("CloudWatch sent points without a time or a value")
	}
	for i := range min(len(r.Timestamps), len(r.Values)) {
		v := r.Values[i]
		if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
			s.note("CloudWatch sent points that are no size")
			continue
		}
		s.points = append(s.points, fleet.Point{At: r.Timestamps[i], Bytes: v})
	}
}

func (s *series) note(trouble string) {
	if !slices.Contains(s.troubles, trouble) {
		s.troubles = append(s.troubles, trouble)
	}
}

// fleet returns the points, oldest first, each time once.
func (s *series) fleet() fleet.Series {
	switch s.status {
	case types.StatusCodeComplete:
	case "":
		if len(s.troubles) == 0 {
			s.note("CloudWatch left the cluster out of its answer")
		}
	default:
		s.note("CloudWatch answered with status " + string(s.status))
	}
	slices.SortStableFunc(s.points, func(a, b fleet.Point) int {
		return cmp.Or(a.At.Compare(b.At), -cmp.Compare(a.Bytes, b.Bytes)) // of two at one time the larger counts
	})
	points := slices.CompactFunc(s.points, func(a, b fleet.Point) bool { return a.At.Equal(b.At) })
	return fleet.Series{Points: points, Trouble: strings.Join(s.troubles, "; ")}
}

func said(m types.MessageData) string {
	return "CloudWatch says " + aws.ToString(m.Code) + ": " + aws.ToString(m.Value)
}
