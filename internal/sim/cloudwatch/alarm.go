package cloudwatch

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/paging"
)

// An alarm is one of a single metric, since when it is in its state.
type alarm struct {
	fleet.Alarm
	since time.Time
}

// PutAlarm adds an alarm, or replaces the one of its name.
func (s *Service) PutAlarm(in edge.Scope, a fleet.Alarm) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.alarms[in] == nil {
		s.alarms[in] = map[string]alarm{}
	}
	s.alarms[in][a.Name] = alarm{Alarm: a, since: s.now()}
}

// An alarmsRequest is DescribeAlarms' input.
type alarmsRequest struct {
	names         []string
	prefix, state string
	metric        bool // alarms of a metric are asked for, not only composite ones
	token         string
	size          int
}

// Limits of DescribeAlarms, from its API reference: of a page, which holds so many
// also when it is not asked for less, and of the names in a request.
const maxAlarms, usualAlarms, maxNames = 100, 50, 100

func parseAlarms(body []byte) (alarmsRequest, error) {
	v, err := cbor.Decode(body)
	if err != nil {
		return alarmsRequest{}, malformed(err)
	}
	f := fields{err: &err}
	f = f.in("the body", v)
	req := alarmsRequest{
		names: f.texts("AlarmNames"), prefix: f.text("AlarmNamePrefix"), state: f.text("StateValue"),
		token: f.text("NextToken"), size: f.integer("MaxRecords", usualAlarms),
	}
	types := f.texts("AlarmTypes")
	req.metric = len(types) == 0 || slices.Contains(types, "MetricAlarm")
	switch {
	case err != nil:
		return alarmsRequest{}, malformed(err)
	case req.size < 1 || req.size > maxAlarms:
		return alarmsRequest{}, invalid("1 validation error detected: MaxRecords must be between 1 and 100")
	case len(req.names) > maxNames || len(req.names) > 0 && req.prefix != "":
		return alarmsRequest{}, invalid("AlarmNames must be 100 at most, and without an AlarmNamePrefix")
	}
	return req, nil
}

func (r alarmsRequest) wants(a fleet.Alarm) bool {
	return r.metric && (len(r.names) == 0 || slices.Contains(r.names, a.Name)) &&
		strings.HasPrefix(a.Name, r.prefix) && (r.state == "" || r.state == a.State)
}

// describeAlarms leaves out names that nobody has, as CloudWatch does.
func (s *Service) describeAlarms(body []byte) (edge.Operation, error) {
	req, err := parseAlarms(body)
	op := edge.Operation{Name: "DescribeAlarms", Action: "cloudwatch:DescribeAlarms", Resource: "*"}
	op.Run = func(c edge.Call) (any, error) {
		if err != nil {
			return nil, err
		}
		return s.alarmsPage(c, req)
	}
	return op, nil
}

func (s *Service) alarmsPage(c edge.Call, req alarmsRequest) (any, error) {
	cut, next, err := paging.Cut(s.alarmsOf(c.Scope, req), func(a alarm) string { return a.Name }, strings.Compare,
		paging.Request{Token: req.token, Size: req.size, Loop: c.LoopTokens})
	if err != nil {
		return nil, &edge.Refusal{Status: 400, Code: "InvalidNextToken", Message: "The next token specified is invalid."}
	}
	alarms := cbor.List{}
	for _, a := range cut {
		alarms = append(alarms, cbor.Map{
			"AlarmName": cbor.String(a.Name), "AlarmArn": cbor.String(c.ARN("cloudwatch", "alarm:"+a.Name)),
			"StateValue": cbor.String(a.State), "StateReason": cbor.String(a.Reason), "ActionsEnabled": cbor.Bool(true),
			"StateUpdatedTimestamp": &cbor.Tag{ID: 1, Value: cbor.Float64(a.since.Unix())},
		})
	}
	out := cbor.Map{"MetricAlarms": alarms, "CompositeAlarms": cbor.List{}}
	if next != "" {
		out["NextToken"] = cbor.String(next)
	}
	return out, nil
}

// alarmsOf lists what a request wants by name.
func (s *Service) alarmsOf(in edge.Scope, req alarmsRequest) []alarm {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := slices.SortedFunc(maps.Values(s.alarms[in]), func(a, b alarm) int { return cmp.Compare(a.Name, b.Name) })
	return slices.DeleteFunc(all, func(a alarm) bool { return !req.wants(a.Alarm) })
}
