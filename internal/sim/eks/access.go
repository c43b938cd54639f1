package eks

import (
	"cmp"
	"maps"
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

	token string // of the request that created it
}

// Admit gives a principal an entry of type STANDARD in a cluster, or replaces
// the one that it has.
func (s *Service) Admit(in edge.Scope, cluster, principalARN string, groups ...string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_, err := s.admit(place{in, cluster}, AccessEntry{PrincipalARN: principalARN, KubernetesGroups: groups})
	return err
}

// admit keeps an entry once the real cluster lets its principal in, and fills in
// what is empty.
func (s *Service) admit(at place, e AccessEntry) (AccessEntry, error) {
	e.ClusterName, e.ARN, e.Type = at.cluster, at.ARN("eks", entryResource(at.cluster, e.PrincipalARN)), standard
	e.KubernetesGroups = slices.Concat([]string{}, e.KubernetesGroups)
	e.Username = cmp.Or(e.Username, e.PrincipalARN)
	e.ModifiedAt = Time{s.now()}
	e.CreatedAt = cmp.Or(e.CreatedAt, e.ModifiedAt)
	if e.Tags == nil {
		e.Tags = map[string]string{}
	}
	if err := s.mirrored(at, func(m Mirror) error { return m.Admit(e.PrincipalARN, e.Username, e.KubernetesGroups) }); err != nil {
		return e, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries[at] == nil {
		s.entries[at] = map[string]AccessEntry{}
	}
	s.entries[at][e.PrincipalARN] = e
	return e, nil
}

// standard is the type of the entries of people and of other roles than those of
// nodes.
const standard = "STANDARD"

// entryResource is the resource of an entry as ARNs spell it: the kind, the
// account and the name of its principal, and an id.
func entryResource(cluster, principalARN string) string {
	fields := strings.SplitN(principalARN, ":", 6)
	if len(fields) < 6 {
		return "access-entry/" + cluster
	}
	kind, name, _ := strings.Cut(fields[5], "/")
	name = name[strings.LastIndex(name, "/")+1:]
	return strings.Join([]string{"access-entry", cluster, kind, fields[4], name, someID}, "/")
}

var accessOperations = []operation{
	{name: "ListAccessEntries", method: http.MethodGet, path: "/clusters/{cluster}/access-entries", resource: clusterResource, run: (*Service).listAccessEntries},
	{name: "DescribeAccessEntry", method: http.MethodGet, path: "/clusters/{cluster}/access-entries/{principal}", resource: accessEntryResource, run: (*Service).describeAccessEntry},
	{name: "CreateAccessEntry", method: http.MethodPost, path: "/clusters/{cluster}/access-entries", resource: clusterResource, run: alone((*Service).createAccessEntry)},
	{name: "UpdateAccessEntry", method: http.MethodPost, path: "/clusters/{cluster}/access-entries/{principal}", resource: accessEntryResource, run: alone((*Service).updateAccessEntry)},
	{name: "DeleteAccessEntry", method: http.MethodDelete, path: "/clusters/{cluster}/access-entries/{principal}", resource: accessEntryResource, run: alone((*Service).deleteAccessEntry)},
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

type accessEntryOutput struct {
	AccessEntry AccessEntry `json:"accessEntry"`
}

func (s *Service) describeAccessEntry(c edge.Call, r request) (any, error) {
	e, err := s.entry(c.Scope, r)
	if err != nil {
		return nil, err
	}
	return accessEntryOutput{e}, nil
}

// entry finds the entry that a request names.
func (s *Service) entry(in edge.Scope, r request) (AccessEntry, error) {
	entries, err := s.entriesOf(in, r.path["cluster"])
	if err != nil {
		return AccessEntry{}, err
	}
	i := slices.IndexFunc(entries, func(e AccessEntry) bool { return e.PrincipalARN == r.path["principal"] })
	if i < 0 {
		return AccessEntry{}, &edge.Refusal{
			Status: http.StatusNotFound, Code: "ResourceNotFoundException",
			Message: "The specified principalArn could not be found. You can view your available access entries with 'list-access-entries'.",
		}
	}
	return entries[i], nil
}

type accessEntryInput struct {
	PrincipalARN     string            `json:"principalArn"`
	KubernetesGroups *[]string         `json:"kubernetesGroups"`
	Username         string            `json:"username"`
	Type             string            `json:"type"`
	Tags             map[string]string `json:"tags"`
	Token            string            `json:"clientRequestToken"`
}

// over is an entry as a request changes it: what is left out stays.
func (in accessEntryInput) over(e AccessEntry) (AccessEntry, error) {
	if in.KubernetesGroups != nil {
		e.KubernetesGroups = *in.KubernetesGroups
	}
	e.Username = cmp.Or(in.Username, e.Username)
	for _, g := range e.KubernetesGroups {
		if strings.HasPrefix(g, "system:") {
			return e, invalid("The kubernetes group name " + g + " is invalid, it cannot start with system:")
		}
	}
	return e, nil
}

func (s *Service) createAccessEntry(c edge.Call, r request) (any, error) {
	in, err := decode[accessEntryInput](r)
	if err != nil {
		return nil, err
	}
	cluster := r.path["cluster"]
	entries, err := s.entriesOf(c.Scope, cluster)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(entries, func(e AccessEntry) bool { return e.PrincipalARN == in.PrincipalARN }); i >= 0 {
		if in.Token != "" && entries[i].token == in.Token {
			return accessEntryOutput{entries[i]}, nil
		}
		return nil, inUse("The specified access entry resource is already in use on this cluster.", cluster, "")
	}
	if fields := strings.Split(in.PrincipalARN, ":"); len(fields) < 6 || fields[2] != "iam" {
		return nil, invalid("The principalArn parameter format is not valid")
	}
	if in.Type != "" && in.Type != standard {
		return nil, invalid("The simulator has only access entries of type " + standard)
	}
	e, err := in.over(AccessEntry{PrincipalARN: in.PrincipalARN, Tags: in.Tags, token: in.Token})
	if err != nil {
		return nil, err
	}
	return s.answerAdmitted(place{c.Scope, cluster}, e)
}

func (s *Service) updateAccessEntry(c edge.Call, r request) (any, error) {
	in, err := decode[accessEntryInput](r)
	if err != nil {
		return nil, err
	}
	e, err := s.entry(c.Scope, r)
	if err != nil {
		return nil, err
	}
	if e, err = in.over(e); err != nil {
		return nil, err
	}
	return s.answerAdmitted(place{c.Scope, r.path["cluster"]}, e)
}

func (s *Service) answerAdmitted(at place, e AccessEntry) (any, error) {
	e, err := s.admit(at, e)
	if err != nil {
		return nil, err
	}
	return accessEntryOutput{e}, nil
}

func (s *Service) deleteAccessEntry(c edge.Call, r request) (any, error) {
	e, err := s.entry(c.Scope, r)
	if err != nil {
		return nil, err
	}
	at := place{c.Scope, r.path["cluster"]}
	if err := s.mirrored(at, func(m Mirror) error { return m.Expel(e.PrincipalARN) }); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.entries[at], e.PrincipalARN)
	return struct{}{}, nil
}

// entriesOf returns the entries of a cluster by principal. A cluster whose
// authentication mode knows none refuses.
func (s *Service) entriesOf(in edge.Scope, cluster string) ([]AccessEntry, error) {
	c, ok := s.Cluster(in, cluster)
	if !ok {
		return nil, noCluster(cluster)
	}
	if c.Access == nil || c.Access.AuthenticationMode == "CONFIG_MAP" {
		return nil, wrongState("The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.")
	}
	return s.entriesAt(place{in, cluster}), nil
}

func (s *Service) entriesAt(at place) []AccessEntry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.SortedFunc(maps.Values(s.entries[at]), func(a, b AccessEntry) int { return cmp.Compare(a.PrincipalARN, b.PrincipalARN) })
}
