// Package ssm simulates of Systems Manager what a program reads by its name: a
// parameter, a plain value with its version, and the state of change calendars.
// It keeps no history and no events, encrypts nothing and is written to from
// outside of the API alone.
package ssm

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/eks-steward/eks-steward/internal/sim/awsjson"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// Service is Systems Manager in every account and region of a world.
type Service struct {
	now func() time.Time

	mu         sync.RWMutex
	parameters map[edge.Scope]map[string]parameter // by name
	calendars  map[edge.Scope]map[string]bool      // by name: whether it is open
}

// parameter is the member Parameter of GetParameter's answer.
type parameter struct {
	Name     string
	Type     string
	Value    string
	Version  int
	Modified float64 `json:"LastModifiedDate"`
	ARN      string
	DataType string
}

// New makes a service without parameters and calendars.
func New(now func() time.Time) *Service {
	return &Service{now: now, parameters: map[edge.Scope]map[string]parameter{}, calendars: map[edge.Scope]map[string]bool{}}
}

// Put sets a parameter to a value, as its next version.
func (s *Service) Put(in edge.Scope, name, value string) { s.PutAt(in, name, value, s.now()) }

// PutAt does so with another time of change than now.
func (s *Service) PutAt(in edge.Scope, name, value string, modified time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parameters[in] == nil {
		s.parameters[in] = map[string]parameter{}
	}
	s.parameters[in][name] = parameter{
		Name: name, Type: "String", Value: value, Version: s.parameters[in][name].Version + 1,
		Modified: awsjson.Seconds(modified), ARN: owner(in, name).ARN("ssm", resource(name)), DataType: "text",
	}
}

// Value is that of a parameter, if it is there.
func (s *Service) Value(in edge.Scope, name string) (string, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p, ok := s.parameters[in][name]
	return p.Value, ok
}

// owner is who has a parameter: what AWS publishes is of no account. See
// https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters.html
func owner(in edge.Scope, name string) edge.Scope {
	if strings.HasPrefix(name, "/aws/service/") {
		in.Account = ""
	}
	return in
}

// Remove takes a parameter away.
func (s *Service) Remove(in edge.Scope, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.parameters[in], name)
}

// resource is what IAM checks. A name that is a path brings the slash.
func resource(name string) string { return "parameter/" + strings.TrimPrefix(name, "/") }

// Handler serves the API behind an edge.
func (s *Service) Handler(e *edge.Edge) http.Handler {
	return e.Handler(awsjson.API{
		Name: "ssm", Target: "AmazonSSM", Throttled: "ThrottlingException",
		Operations: map[string]func([]byte) (edge.Operation, error){"GetParameter": s.parameter, "GetCalendarState": s.calendarState},
	}.Service())
}

type input struct{ Name string } // or its ARN

type output struct{ Parameter parameter }

// parameter is GetParameter.
func (s *Service) parameter(body []byte) (edge.Operation, error) {
	in, err := awsjson.Decode[input](body)
	if err != nil {
		return edge.Operation{}, err
	}
	return edge.Operation{
		Name: "GetParameter", Action: "ssm:GetParameter", Resource: resource(in.Name),
		Run: func(c edge.Call) (any, error) {
			s.mu.RLock()
			defer s.mu.RUnlock()
			for _, p := range s.parameters[c.Scope] {
				if in.Name == p.Name || in.Name == p.ARN {
					return output{p}, nil
				}
			}
			return nil, awsjson.Refuse("ParameterNotFound", "")
		},
	}, nil
}
