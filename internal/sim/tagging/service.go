// Package tagging simulates GetResources of the Resource Groups Tagging API over
// resources that are written down: what a deleted cluster leaves behind. It knows
// what they are only by their ARNs, and neither tags nor deletes anything.
package tagging

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/eks-steward/eks-steward/internal/sim/awsjson"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/paging"
)

// A Resource is anything with tags.
type Resource struct {
	ARN  string
	Tags map[string]string
}

// Service is the tagging API in every account and region of a world.
type Service struct {
	mu        sync.RWMutex
	resources map[edge.Scope][]Resource // by ARN
}

// New makes a service without resources.
func New() *Service { return &Service{resources: map[edge.Scope][]Resource{}} }

// Put adds resources to those of a scope.
func (s *Service) Put(in edge.Scope, added ...Resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Concat(s.resources[in], added)
	slices.SortStableFunc(all, func(a, b Resource) int { return strings.Compare(a.ARN, b.ARN) })
	s.resources[in] = all
}

// Handler serves the API behind an edge.
func (s *Service) Handler(e *edge.Edge) http.Handler {
	return e.Handler(awsjson.API{
		Name: "tagging", Target: "ResourceGroupsTaggingAPI_20170126", Throttled: "ThrottledException",
		Operations: map[string]func([]byte) (edge.Operation, error){"GetResources": s.getResources},
	}.Service())
}

type getResourcesInput struct {
	PaginationToken     string
	ResourcesPerPage    *int
	TagFilters          []tagFilter
	ResourceTypeFilters []string
	ResourceARNList     []string
}

type tagFilter struct {
	Key    string
	Values []string
}

type getResourcesOutput struct {
	PaginationToken        string // empty on the last page, and sent
	ResourceTagMappingList []tagMapping
}

type tagMapping struct {
	ResourceARN string
	Tags        []tag
}

type tag struct{ Key, Value string }

func (s *Service) getResources(body []byte) (edge.Operation, error) {
	in, err := awsjson.Decode[getResourcesInput](body)
	if err != nil {
		return edge.Operation{}, err
	}
	return edge.Operation{
		Name: "GetResources", Action: "tag:GetResources", Resource: "*",
		Run: func(c edge.Call) (any, error) { return s.page(c, in) },
	}, nil
}

func (s *Service) page(c edge.Call, in getResourcesInput) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	size := defaultPage
	if in.ResourcesPerPage != nil {
		size = *in.ResourcesPerPage
	}
	found, next, err := paging.Cut(s.matching(c.Scope, in), func(r Resource) string { return r.ARN }, strings.Compare,
		paging.Request{Token: in.PaginationToken, Size: size, Loop: c.LoopTokens})
	if err != nil {
		return nil, awsjson.Refuse("PaginationTokenExpiredException", "The pagination token is not one of this request.")
	}
	out := getResourcesOutput{PaginationToken: next, ResourceTagMappingList: make([]tagMapping, len(found))}
	for i, r := range found {
		out.ResourceTagMappingList[i] = mappingOf(r)
	}
	return out, nil
}

func mappingOf(r Resource) tagMapping {
	m := tagMapping{ResourceARN: r.ARN, Tags: make([]tag, 0, len(r.Tags))}
	for k, v := range r.Tags {
		m.Tags = append(m.Tags, tag{k, v})
	}
	slices.SortFunc(m.Tags, func(a, b tag) int { return strings.Compare(a.Key, b.Key) })
	return m
}

func (s *Service) matching(in edge.Scope, want getResourcesInput) []Resource {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []Resource
	for _, r := range s.resources[in] {
		if want.admits(r) {
			found = append(found, r)
		}
	}
	return found
}
