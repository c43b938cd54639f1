// Package cloudwatch simulates GetMetricData for the two AWS/EKS metrics that
// tell the size of a cluster's etcd and for the vCPUs in use of AWS/Usage, and
// DescribeAlarms. It speaks Smithy RPC v2 CBOR with the error headers of a service
// that once spoke the query protocol. Points are computed when they are asked for,
// from a few words about how the size moves. It knows no other metric, no metric
// math and no statistic but Maximum; an alarm has the state that it is given.
package cloudwatch

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// Service is CloudWatch in every account and region of a world.
type Service struct {
	now func() time.Time

	mu       sync.RWMutex
	clusters map[clusterKey]Storage
	vcpus    map[edge.Scope]map[string]int   // in use, by class
	alarms   map[edge.Scope]map[string]alarm // by name
}

type clusterKey struct {
	edge.Scope
	cluster string
}

// New makes a service without metrics.
func New(now func() time.Time) *Service {
	return &Service{
		now: now, clusters: map[clusterKey]Storage{},
		vcpus: map[edge.Scope]map[string]int{}, alarms: map[edge.Scope]map[string]alarm{},
	}
}

// Put sets what is measured of a cluster, past and future.
func (s *Service) Put(in edge.Scope, cluster string, st Storage) {
	st.seed = seedOf(in, cluster)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clusters[clusterKey{in, cluster}] = st
}

// Stop ends a cluster's series now. What was measured stays, as it does in
// CloudWatch when a cluster is deleted.
func (s *Service) Stop(in edge.Scope, cluster string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := clusterKey{in, cluster}
	if st, ok := s.clusters[k]; ok {
		st.Until = s.now()
		s.clusters[k] = st
	}
}

func (s *Service) storage(in edge.Scope, cluster string) (Storage, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st, ok := s.clusters[clusterKey{in, cluster}]
	return st, ok
}

// Handler serves the API behind an edge.
func (s *Service) Handler(e *edge.Edge) http.Handler {
	return e.Handler(edge.Service{
		Name:      "monitoring",
		Throttled: edge.Refusal{Status: http.StatusBadRequest, Code: "ThrottlingException", QueryCode: "Throttling", Message: "Rate exceeded"},
		Route:     s.route,
		Answer:    answer,
		Refuse:    refuse,
	})
}

// operations is the table of what is simulated, by name.
var operations = map[string]func(s *Service, body []byte) (edge.Operation, error){
	"GetMetricData":  (*Service).getMetricData,
	"DescribeAlarms": (*Service).describeAlarms,
}

// path is where Smithy RPC v2 puts an operation of this service; see
// https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
const path = "/service/GraniteServiceVersion20100801/operation/"

func (s *Service) route(r *http.Request, body []byte) (edge.Operation, error) {
	name, ok := strings.CutPrefix(r.URL.Path, path)
	op := operations[name]
	if !ok || op == nil || r.Header.Get("Smithy-Protocol") != "rpc-v2-cbor" {
		return edge.Operation{}, &edge.Refusal{Status: http.StatusNotFound, Code: "UnknownOperationException", Message: "The simulator does not know " + r.Method + " " + r.URL.Path + " in this protocol"}
	}
	return op(s, body)
}

func answer(v any) edge.Response {
	return edge.Response{
		Status: http.StatusOK,
		Header: map[string]string{"Content-Type": "application/cbor", "Smithy-Protocol": "rpc-v2-cbor"},
		Body:   cbor.Encode(v.(cbor.Value)),
	}
}

// refuse adds the header by which clients of the query protocol's time still
// know the error: https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
func refuse(r *edge.Refusal, _ string) edge.Response {
	resp := answer(cbor.Map{"__type": cbor.String("com.amazonaws.cloudwatch#" + r.Code), "message": cbor.String(r.Message)})
	resp.Status = r.Status
	resp.Header["X-Amzn-Query-Error"] = r.Query() + ";" + r.Fault()
	return resp
}

func invalid(message string) *edge.Refusal {
	return &edge.Refusal{Status: http.StatusBadRequest, Code: "ValidationException", QueryCode: "ValidationError", Message: message}
}
