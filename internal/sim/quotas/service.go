// Package quotas simulates Service Quotas for the quotas of EKS and EC2 that bound
// a fleet: what applies, as it is written down. Nothing is counted against them,
// and nothing can be asked to be raised.
package quotas

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/eks-steward/eks-steward/internal/sim/awsjson"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/paging"
)

// A Quota is one limit of a service.
type Quota struct {
	Service string // code, such as eks
	Code    string
	Name    string
	Value   float64 // what applies unless an account says otherwise
	// Class is that of the vCPUs which CloudWatch counts against it, such as
	// Standard/OnDemand; empty where none are.
	Class string
}

// VCPUs is the code of "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z)
// instances", which is counted in vCPUs.
const VCPUs = "L-1216C47A"

// All are the quotas that are simulated, with AWS's defaults, by service and code.
// See https://docs.aws.amazon.com/general/latest/gr/eks.html#limits_eks and
// https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html
func All() []Quota {
	return []Quota{
		{Service: "ec2", Code: VCPUs, Name: "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", Value: 5, Class: "Standard/OnDemand"},
		{Service: "eks", Code: "L-1194D53C", Name: "Clusters", Value: 100},
		{Service: "eks", Code: "L-6D54EA21", Name: "Managed node groups per cluster", Value: 30},
		{Service: "eks", Code: "L-BD136A63", Name: "Nodes per managed node group", Value: 450},
	}
}

// services are the names of those that have quotas, by code.
func services() map[string]string {
	return map[string]string{"ec2": "Amazon Elastic Compute Cloud (Amazon EC2)", "eks": "Amazon Elastic Kubernetes Service (Amazon EKS)"}
}

// Service is Service Quotas in every account and region of a world.
type Service struct {
	mu      sync.RWMutex
	applied map[edge.Scope]map[string]float64 // by code, where it is not the default
}

// New makes a service where every default applies.
func New() *Service { return &Service{applied: map[edge.Scope]map[string]float64{}} }

// Apply sets the value of a quota in a scope.
func (s *Service) Apply(in edge.Scope, code string, value float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.applied[in] == nil {
		s.applied[in] = map[string]float64{}
	}
	s.applied[in][code] = value
}

// Handler serves the API behind an edge.
func (s *Service) Handler(e *edge.Edge) http.Handler {
	return e.Handler(awsjson.API{
		Name: "servicequotas", Target: "ServiceQuotasV20190624", Throttled: "TooManyRequestsException",
		Operations: map[string]func([]byte) (edge.Operation, error){
			"ListServiceQuotas": operation("ListServiceQuotas", s.list),
			"GetServiceQuota":   operation("GetServiceQuota", s.quota),
		},
	}.Service())
}

type input struct {
	ServiceCode string
	QuotaCode   string
	NextToken   string
	MaxResults  *int
}

func operation(name string, run func(edge.Call, input) (any, error)) func([]byte) (edge.Operation, error) {
	return func(body []byte) (edge.Operation, error) {
		in, err := awsjson.Decode[input](body)
		if err != nil {
			return edge.Operation{}, err
		}
		op := edge.Operation{Name: name, Action: "servicequotas:" + name, Resource: "*"}
		op.Run = func(c edge.Call) (any, error) {
			if services()[in.ServiceCode] == "" {
				return nil, awsjson.Refuse("NoSuchResourceException", "The request failed because the specified service does not exist.")
			}
			return run(c, in)
		}
		return op, nil
	}
}

type listOutput struct {
	NextToken string `json:",omitempty"`
	Quotas    []serviceQuota
}

type serviceQuota struct {
	ServiceCode         string
	ServiceName         string
	QuotaArn            string
	QuotaCode           string
	QuotaName           string
	Value               float64
	Unit                string
	Adjustable          bool
	GlobalQuota         bool
	QuotaAppliedAtLevel string
	UsageMetric         *usageMetric `json:",omitempty"`
}

// usageMetric names the metric that counts against a quota.
type usageMetric struct {
	MetricNamespace               string
	MetricName                    string
	MetricDimensions              map[string]string
	MetricStatisticRecommendation string
}

// maxPage is the most that a page holds, and what it holds when it is not asked
// for less.
const maxPage = 100

func (s *Service) list(c edge.Call, in input) (any, error) {
	size := maxPage
	if in.MaxResults != nil {
		size = *in.MaxResults
	}
	if size < 1 || size > maxPage {
		return nil, awsjson.Refuse("IllegalArgumentException", "MaxResults must be between 1 and 100.")
	}
	wanted := slices.DeleteFunc(All(), func(q Quota) bool {
		return q.Service != in.ServiceCode || in.QuotaCode != "" && q.Code != in.QuotaCode
	})
	cut, next, err := paging.Cut(wanted, func(q Quota) string { return q.Code }, strings.Compare,
		paging.Request{Token: in.NextToken, Size: size, Loop: c.LoopTokens})
	if err != nil {
		return nil, awsjson.Refuse("InvalidPaginationTokenException", "Invalid pagination token.")
	}
	out := listOutput{NextToken: next, Quotas: make([]serviceQuota, len(cut))}
	for i, q := range cut {
		out.Quotas[i] = s.describe(c.Scope, q)
	}
	return out, nil
}

type getOutput struct{ Quota serviceQuota }

func (s *Service) quota(c edge.Call, in input) (any, error) {
	all := All()
	i := slices.IndexFunc(all, func(q Quota) bool { return q.Service == in.ServiceCode && q.Code == in.QuotaCode })
	if i < 0 {
		return nil, awsjson.Refuse("NoSuchResourceException", "The request failed because the specified quota does not exist.")
	}
	return getOutput{s.describe(c.Scope, all[i])}, nil
}

func (s *Service) describe(in edge.Scope, q Quota) serviceQuota {
	s.mu.RLock()
	defer s.mu.RUnlock()
	value, ok := s.applied[in][q.Code]
	if !ok {
		value = q.Value
	}
	out := serviceQuota{
		ServiceCode: q.Service, ServiceName: services()[q.Service],
		QuotaArn: in.ARN("servicequotas", q.Service+"/"+q.Code), QuotaCode: q.Code, QuotaName: q.Name,
		Value: value, Unit: "None", Adjustable: true, QuotaAppliedAtLevel: "ACCOUNT",
	}
	if q.Class != "" {
		out.UsageMetric = &usageMetric{
			MetricNamespace: "AWS/Usage", MetricName: "ResourceCount", MetricStatisticRecommendation: "Maximum",
			MetricDimensions: map[string]string{"Service": "EC2", "Resource": "vCPU", "Type": "Resource", "Class": q.Class},
		}
	}
	return out
}

// Codes are those of the quotas that are simulated.
func Codes() []string {
	var codes []string
	for _, q := range All() {
		codes = append(codes, q.Code)
	}
	return codes
}
