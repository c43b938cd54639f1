package cloudwatch

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

func (s *Service) getMetricData(body []byte) (edge.Operation, error) {
	req, err := parse(body)
	op := edge.Operation{Name: "GetMetricData", Action: "cloudwatch:GetMetricData", Resource: "*"}
	for _, q := range req.queries {
		op.Clusters = append(op.Clusters, q.cluster)
	}
	op.Run = func(c edge.Call) (any, error) {
		if err != nil {
			return nil, err
		}
		return s.page(c, req)
	}
	return op, nil // what is wrong with the input is told after who calls has been judged
}

// page answers one page. The datapoints of a request form a grid, a row per
// period and a column per query; a page is a run of its cells, so that all series
// advance together, in the order of ScanBy. A cell without a sample counts: the
// API reference bounds what is looked at, not only what is found.
func (s *Service) page(c edge.Call, req request) (any, error) {
	from, err := req.offset()
	if err != nil {
		return nil, err
	}
	rows := 0
	for _, q := range req.queries {
		rows = max(rows, req.span(q.period, s.now()).periods)
	}
	to := from + req.maxDatapoints
	results := make(cbor.List, 0, len(req.queries))
	for column, q := range req.queries {
		results = append(results, s.result(c, req, q, req.row(from, column), req.row(to, column)))
	}
	out := cbor.Map{"MetricDataResults": results, "Messages": cbor.List{}}
	more := to < rows*len(req.queries)
	if more {
		out["NextToken"] = cbor.String(req.tokenAt(to))
	}
	if c.LoopTokens {
		out["NextToken"] = cbor.String(req.tokenAt(from))
	}
	return out, nil
}

// row is the first row of a column whose cell is at or after the given one.
func (r request) row(cell, column int) int {
	return (cell - column + len(r.queries) - 1) / len(r.queries)
}

// A span is the periods that a query looks at, in the order of ScanBy.
type span struct {
	start       time.Time
	period      time.Duration
	periods     int
	newestFirst bool
}

// span rounds the start down, the further back the coarser (see StartTime in the
// API reference), and aligns periods to the clock.
func (r request) span(period time.Duration, now time.Time) span {
	start := r.start.Truncate(max(period, rounding(now.Sub(r.start))))
	periods := int((r.end.Sub(start) + period - 1) / period)
	return span{start: start, period: period, periods: periods, newestFirst: r.newestFirst}
}

func (s span) at(row int) time.Time {
	if s.newestFirst {
		row = s.periods - 1 - row
	}
	return s.start.Add(time.Duration(row) * s.period)
}

func rounding(age time.Duration) time.Duration {
	const day = 24 * time.Hour
	switch {
	case age > 63*day:
		return time.Hour
	case age > 15*day:
		return 5 * time.Minute
	}
	return time.Minute
}

// result is one MetricDataResult with the rows [first, last) of its column.
func (s *Service) result(c edge.Call, req request, q query, first, last int) cbor.Map {
	if q.account != "" && q.account != c.Account {
		return resultOf(q, "Forbidden", nil, nil)
	}
	now := s.now()
	span := req.span(q.period, now)
	status := "Complete"
	if last < span.periods {
		status = "PartialData"
	}
	storage, _ := s.storage(c.Scope, q.cluster)
	if storage.Partial {
		status = "PartialData"
		now = req.start.Add(min(req.end.Sub(req.start), now.Sub(req.start)) / 2)
	}
	maximum := s.maximum(c.Scope, q, storage)
	var times, values cbor.List
	for row := first; row < min(last, span.periods); row++ {
		if v, ok := maximum(span.at(row), now); ok {
			times = append(times, &cbor.Tag{ID: 1, Value: cbor.Float64(span.at(row).Unix())})
			values = append(values, cbor.Float64(v))
		}
	}
	return resultOf(q, status, times, values)
}

// maximum is the largest sample that a query finds in the period from a time on,
// and false when there is none yet or none at all.
func (s *Service) maximum(in edge.Scope, q query, storage Storage) func(from, now time.Time) (float64, bool) {
	if n, ok := s.inUse(in, q); ok {
		return func(from, now time.Time) (float64, bool) { return float64(n), !from.After(now) }
	}
	curve := storage.curve(q.metric)
	if q.namespace != "AWS/EKS" || len(curve) == 0 || (q.unit != "" && q.unit != "Bytes") {
		return func(time.Time, time.Time) (float64, bool) { return 0, false }
	}
	return func(from, now time.Time) (float64, bool) { return storage.maximum(curve, from, q.period, now) }
}

func resultOf(q query, status string, times, values cbor.List) cbor.Map {
	out := cbor.Map{
		"Id": cbor.String(q.id), "Label": cbor.String(q.metric), "StatusCode": cbor.String(status),
		"Timestamps": times, "Values": values,
	}
	if status == "Forbidden" {
		out["Messages"] = cbor.List{cbor.Map{"Code": cbor.String("Forbidden"), "Value": cbor.String("The account cannot be read from here.")}}
	}
	return out
}

func (r request) tokenAt(cell int) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%08x/%d", r.sum, cell))
}

func (r request) offset() (int, error) {
	if r.token == "" {
		return 0, nil
	}
	var sum uint32
	var cell int
	b, err := base64.RawURLEncoding.DecodeString(r.token)
	if err == nil {
		_, err = fmt.Sscanf(string(b), "%08x/%d", &sum, &cell)
	}
	if err != nil || sum != r.sum || cell < 0 {
		return 0, &edge.Refusal{Status: http.StatusBadRequest, Code: "InvalidNextToken", Message: "The next token specified is invalid."}
	}
	return cell, nil
}
