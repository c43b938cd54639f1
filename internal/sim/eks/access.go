package eks

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// An AccessEntry is the member accessEntry of DescribeAccessEntry's answer: a
// principal of IAM that a cluster lets in, and as whom.
type AccessEntry struct {
	ClusterName      string            `json:"clusterName"`
	PrincipalARN     string            `json:"principalArn"`
	KubernetesGroups []string          `json:"kubernetesGroups"`
	ARN              string            `json:"accessEntryArn"`
	CreatedAt        Time              `json:"createdAt"`
	ModifiedAt       Time              `json:"modifiedAt"`
	Tags             map[string]string `json:"tags"`
	Username         string            `json:"username"`
	Type             string            `json:"type"`
}

// Admit gives a principal an entry of type STANDARD in a cluster, or replaces
// the one that it has.
func (s *Service) Admit(in edge.Scope, cluster, principalARN string, groups ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := place{in, cluster}
	if s.entries[at] == nil {
		s.entries[at] = map[string]AccessEntry{}
	}
	s.entries[at][principalARN] = AccessEntry{
		ClusterName: cluster, PrincipalARN: principalARN, KubernetesGroups: slices.Concat([]string{}, groups),
		ARN: in.ARN("eks", entryResource(cluster, principalARN)), Username: principalARN, Type: "STANDARD",
		CreatedAt: Time{s.now()}, ModifiedAt: Time{s.now()}, Tags: map[string]string{},
	}
}

// place is where entries are kept.
type place struct {
	edge.Scope
	cluster string
}

// entryResource is the resource of an entry as ARNs spell it: the kind, the
// account and the name of its principal, and an id.
func entryResource(cluster, principalARN string) string {
	fields := strings.SplitN(principalARN, ":", 6)
	if len(fields) < 6 {
		return "access-entry/" + cluster
	}
	kind, name, _ := strings.Cut(fields[5], "/")
	name = name[strings.LastIndex(name, "/")+1:]
	return strings.Join([]string{"access-entry", cluster, kind, fields[4], name, "00000000-0000-4000-8000-000000000000"}, "/")
}

var accessOperations = []operation{
	{name: "ListAccessEntries", method: http.MethodGet, path: "/clusters/{cluster}/access-entries", resource: clusterResource, run: (*Service).listAccessEntries},
	{name: "DescribeAccessEntry", method: http.MethodGet, path: "/clusters/{cluster}/access-entries/{principal}", resource: accessEntryResource, run: (*Service).describeAccessEntry},
}

func accessEntryResource(r request) string {
	return entryResource(r.path["cluster"], r.path["principal"])
}

type listAccessEntriesOutput struct {
	AccessEntries []string `json:"accessEntries"`
	NextToken     string   `json:"nextToken,omitempty"`
}

func (s *Service) listAccessEntries(c edge.Call, r request) (any, error) {
	entries, err := s.entriesOf(c.Scope, r.path["cluster"])
	if err != nil {
		return nil, err
	}
	same := func(principal string) string { return principal }
	cut, next, err := page(r.query, principals(entries), same, cmp.Compare[string], c.LoopTokens)
	if err != nil {
		return nil, err
	}
	return listAccessEntriesOutput{AccessEntries: cut, NextToken: next}, nil
}

func principals(entries []AccessEntry) []string {
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.PrincipalARN
	}
	return names
}

type describeAccessEntryOutput struct {
	AccessEntry AccessEntry `json:"accessEntry"`
}

func (s *Service) describeAccessEntry(c edge.Call, r request) (any, error) {
	entries, err := s.entriesOf(c.Scope, r.path["cluster"])
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(entries, func(e AccessEntry) bool { return e.PrincipalARN == r.path["principal"] })
	if i < 0 {
		return nil, &edge.Refusal{
			Status: http.StatusNotFound, Code: "ResourceNotFoundException",
			Message: "The specified principalArn could not be found. You can view your available access entries with 'list-access-entries'.",
		}
	}
	return describeAccessEntryOutput{entries[i]}, nil
}

// entriesOf returns the entries of a cluster by principal. A cluster whose
// authentication mode knows none refuses.
func (s *Service) entriesOf(in edge.Scope, cluster string) ([]AccessEntry, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c, ok := s.clusters[in][cluster]
	if !ok {
		return nil, noCluster(cluster)
	}
	if c.Access == nil || c.Access.AuthenticationMode == "CONFIG_MAP" {
		return nil, &edge.Refusal{
			Status: http.StatusBadRequest, Code: "InvalidRequestException",
			Message: "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.",
		}
	}
	entries := make([]AccessEntry, 0, len(s.entries[place{in, cluster}]))
	for _, e := range s.entries[place{in, cluster}] {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b AccessEntry) int { return cmp.Compare(a.PrincipalARN, b.PrincipalARN) })
	return entries, nil
}
