package eks

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// An Insight is the member insight of DescribeInsight's answer.
type Insight struct {
	InsightSummary
	Recommendation string          `json:"recommendation"`
	Resources      []struct{}      `json:"resources"` // none is simulated
	Summary        CategorySummary `json:"categorySpecificSummary"`
}

// InsightSummary is what ListInsights tells of an insight.
type InsightSummary struct {
	ID                 string        `json:"id"`
	Name               string        `json:"name"`
	Category           string        `json:"category"`
	KubernetesVersion  string        `json:"kubernetesVersion,omitempty"`
	LastRefreshTime    Time          `json:"lastRefreshTime"`
	LastTransitionTime Time          `json:"lastTransitionTime"`
	Description        string        `json:"description"`
	Status             InsightStatus `json:"insightStatus"`
}

// The parts of an Insight. Their names are those of the EKS model, shortened.
type (
	// InsightStatus is what EKS concluded.
	InsightStatus struct {
		Status string `json:"status"` // PASSING, WARNING, ERROR, UNKNOWN
		Reason string `json:"reason"`
	}
	// CategorySummary is the evidence.
	CategorySummary struct {
		Deprecations []Deprecation        `json:"deprecationDetails"`
		Addons       []AddonCompatibility `json:"addonCompatibilityDetails"`
	}
	// Deprecation is one API that a version stops to serve.
	Deprecation struct {
		Usage        string       `json:"usage"`
		ReplacedWith string       `json:"replacedWith,omitempty"`
		StopServing  string       `json:"stopServingVersion"`
		StartServing string       `json:"startServingReplacementVersion,omitempty"`
		Clients      []ClientStat `json:"clientStats"`
	}
	// ClientStat is who used it.
	ClientStat struct {
		UserAgent string `json:"userAgent"`
		Requests  int    `json:"numberOfRequestsLast30Days"`
		Last      Time   `json:"lastRequestTime,omitzero"`
	}
	// AddonCompatibility is which versions of an add-on would do.
	AddonCompatibility struct {
		Name       string   `json:"name"`
		Compatible []string `json:"compatibleVersions"`
	}
)

// PutInsights sets the insights of a cluster.
func (s *Service) PutInsights(in edge.Scope, cluster string, insights []Insight) {
	slices.SortFunc(insights, func(a, b Insight) int { return strings.Compare(a.ID, b.ID) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.insights[place{in, cluster}] = insights
}

var insightOperations = []operation{
	{name: "ListInsights", method: http.MethodPost, path: "/clusters/{cluster}/insights", resource: clusterResource, run: (*Service).listInsights},
	{name: "DescribeInsight", method: http.MethodGet, path: "/clusters/{cluster}/insights/{insight}", resource: clusterResource, run: (*Service).describeInsight},
}

type listInsightsInput struct {
	Filter     insightFilter `json:"filter"`
	MaxResults *int          `json:"maxResults"`
	NextToken  string        `json:"nextToken"`
}

type insightFilter struct {
	Categories         []string `json:"categories"`
	KubernetesVersions []string `json:"kubernetesVersions"`
	Statuses           []string `json:"statuses"`
}

func (f insightFilter) admits(i Insight) bool {
	return one(f.Categories, i.Category) && one(f.KubernetesVersions, i.KubernetesVersion) && one(f.Statuses, i.Status.Status)
}

type listInsightsOutput struct {
	Insights  []InsightSummary `json:"insights"`
	NextToken string           `json:"nextToken,omitempty"`
}

func (s *Service) listInsights(c edge.Call, r request) (any, error) {
	in, err := decode[listInsightsInput](r)
	if err != nil {
		return nil, err
	}
	insights, err := s.insightsOf(c.Scope, r.path["cluster"])
	if err != nil {
		return nil, err
	}
	var found []InsightSummary
	for _, i := range insights {
		if in.Filter.admits(i) {
			found = append(found, i.InsightSummary)
		}
	}
	cut, next, err := page(in.paging(), found, func(i InsightSummary) string { return i.ID }, strings.Compare, c.LoopTokens)
	if err != nil {
		return nil, err
	}
	return listInsightsOutput{Insights: cut, NextToken: next}, nil
}

// paging is what the other lists of EKS carry in the query.
func (in listInsightsInput) paging() url.Values {
	q := url.Values{"nextToken": {in.NextToken}}
	if in.MaxResults != nil {
		q.Set("maxResults", strconv.Itoa(*in.MaxResults))
	}
	return q
}

type describeInsightOutput struct {
	Insight Insight `json:"insight"`
}

func (s *Service) describeInsight(c edge.Call, r request) (any, error) {
	cluster, id := r.path["cluster"], r.path["insight"]
	insights, err := s.insightsOf(c.Scope, cluster)
	if err != nil {
		return nil, err
	}
	i, ok := slices.BinarySearchFunc(insights, id, func(i Insight, id string) int { return cmp.Compare(i.ID, id) })
	if !ok {
		return nil, &edge.Refusal{
			Status: http.StatusNotFound, Code: "ResourceNotFoundException",
			Message: "No insight found with id: " + id,
			Members: map[string]string{"clusterName": cluster},
		}
	}
	return describeInsightOutput{insights[i]}, nil
}

func (s *Service) insightsOf(in edge.Scope, cluster string) ([]Insight, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.runs(in, cluster); err != nil {
		return nil, err
	}
	return s.insights[place{in, cluster}], nil
}
