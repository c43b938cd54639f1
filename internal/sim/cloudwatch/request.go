package cloudwatch

import (
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"net/http"
	"regexp"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// Limits of one GetMetricData call, from its API reference.
const (
	maxQueries    = 500
	maxDatapoints = 100_800
)

// A request is GetMetricData's input, checked.
type request struct {
	queries       []query
	start, end    time.Time
	newestFirst   bool
	maxDatapoints int
	token         string
	sum           uint32 // of everything but the token: a token serves only its own request
}

// A query is one MetricDataQuery.
type query struct {
	id, account       string
	namespace, metric string
	cluster           string // value of the only dimension, ClusterName; empty when there are others
	class             string // value of Class beside the dimensions of vCPUs; empty when there are others
	unit              string
	period            time.Duration
}

func parse(body []byte) (request, error) {
	v, err := cbor.Decode(body)
	if err != nil {
		return request{}, malformed(err)
	}
	m, ok := v.(cbor.Map)
	if !ok {
		return request{}, malformed(errors.New("the body is not a map"))
	}
	f := fields{m: m, err: &err}
	req := request{
		start: f.time("StartTime"), end: f.time("EndTime"),
		maxDatapoints: f.integer("MaxDatapoints", maxDatapoints),
		newestFirst:   f.text("ScanBy") != "TimestampAscending",
		token:         f.text("NextToken"),
	}
	for _, q := range f.list("MetricDataQueries") {
		req.queries = append(req.queries, f.query(q))
	}
	if err != nil {
		return request{}, malformed(err)
	}
	req.sum = crc32.ChecksumIEEE(fmt.Append(nil, req.queries, req.start, req.end, req.newestFirst))
	return req, req.check(f.text("ScanBy"))
}

func (r request) check(scanBy string) error {
	switch {
	case len(r.queries) == 0:
		return invalid("The parameter MetricDataQueries is required.")
	case len(r.queries) > maxQueries:
		return invalid(fmt.Sprintf("The collection MetricDataQueries must not have a size greater than %d.", maxQueries))
	case r.start.IsZero() || r.end.IsZero():
		return invalid("The parameters StartTime and EndTime are required.")
	case !r.start.Before(r.end):
		return invalid("The parameter StartTime must be less than the parameter EndTime.")
	case r.maxDatapoints < 1 || r.maxDatapoints > maxDatapoints:
		return invalid(fmt.Sprintf("The value %d for parameter MaxDatapoints must be between 1 and %d.", r.maxDatapoints, maxDatapoints))
	case scanBy != "" && scanBy != "TimestampAscending" && scanBy != "TimestampDescending":
		return invalid("The value " + scanBy + " for parameter ScanBy is not supported.")
	}
	seen := map[string]bool{}
	for i, q := range r.queries {
		if err := q.check(i + 1); err != nil {
			return err
		}
		if seen[q.id] {
			return invalid("The values for parameter id in MetricDataQueries are not unique.")
		}
		seen[q.id] = true
	}
	return nil
}

var queryID = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]{0,254}$`)

func (q query) check(n int) error {
	switch {
	case !queryID.MatchString(q.id):
		return invalid(fmt.Sprintf("The value %s for parameter MetricDataQueries.member.%d.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$.", q.id, n))
	case q.period < time.Minute || q.period%time.Minute != 0:
		return invalid(fmt.Sprintf("The value %d for parameter MetricDataQueries.member.%d.MetricStat.Period must be a multiple of 60.", int(q.period.Seconds()), n))
	}
	return nil
}

// fields reads a decoded CBOR map. The first thing that is wrong, there or in a
// structure within, is kept in err.
type fields struct {
	m   cbor.Map
	err *error
}

func (f fields) fail(format string, args ...any) {
	if *f.err == nil {
		*f.err = fmt.Errorf(format, args...)
	}
}

func (f fields) wrong(name, want string, v cbor.Value) {
	f.fail("%s is not a %s but a %T", name, want, v)
}

func (f fields) text(name string) string {
	v, ok := f.m[name]
	if !ok {
		return ""
	}
	s, ok := v.(cbor.String)
	if !ok {
		f.wrong(name, "string", v)
	}
	return string(s)
}

func (f fields) integer(name string, absent int) int {
	v, ok := f.m[name]
	if !ok {
		return absent
	}
	n, err := cbor.AsInt32(v)
	if err != nil {
		f.wrong(name, "number", v)
	}
	return int(n)
}

func (f fields) time(name string) time.Time {
	v, ok := f.m[name]
	if !ok {
		return time.Time{}
	}
	t, err := cbor.AsTime(v)
	if err != nil {
		f.wrong(name, "timestamp", v)
	}
	return t
}

func (f fields) list(name string) cbor.List {
	v, ok := f.m[name]
	if !ok {
		return nil
	}
	l, ok := v.(cbor.List)
	if !ok {
		f.wrong(name, "list", v)
	}
	return l
}

// texts is a list of strings.
func (f fields) texts(name string) []string {
	var all []string
	for _, v := range f.list(name) {
		text, ok := v.(cbor.String)
		if !ok {
			f.wrong(name+".member", "string", v)
		}
		all = append(all, string(text))
	}
	return all
}

// in reads a structure within this one; absent is empty.
func (f fields) in(name string, v cbor.Value) fields {
	m, ok := v.(cbor.Map)
	if !ok && v != nil {
		f.wrong(name, "structure", v)
	}
	return fields{m: m, err: f.err}
}

func (f fields) query(v cbor.Value) query {
	q := f.in("MetricDataQueries.member", v)
	stat := q.in("MetricStat", q.m["MetricStat"])
	metric := stat.in("Metric", stat.m["Metric"])
	out := query{
		id: q.text("Id"), account: q.text("AccountId"),
		namespace: metric.text("Namespace"), metric: metric.text("MetricName"),
		unit:   stat.text("Unit"),
		period: time.Duration(stat.integer("Period", 0)) * time.Second,
	}
	dims := map[string]string{}
	for _, v := range metric.list("Dimensions") {
		d := metric.in("Dimensions.member", v)
		dims[d.text("Name")] = d.text("Value")
	}
	if len(dims) == 1 {
		out.cluster = dims["ClusterName"]
	}
	out.class = dims["Class"]
	if delete(dims, "Class"); !maps.Equal(dims, vcpuDimensions()) {
		out.class = ""
	}
	_, math := q.m["Expression"]
	if name := stat.text("Stat"); math || name != "Maximum" {
		f.fail("the simulator answers only MetricStat queries with Stat Maximum")
	}
	return out
}

func malformed(err error) *edge.Refusal {
	return &edge.Refusal{Status: http.StatusBadRequest, Code: "SerializationException", QueryCode: "MalformedInput", Message: err.Error()}
}
