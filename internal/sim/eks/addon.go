package eks

import (
	"net/http"
	"slices"
	"strings"

	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// An Addon is the member addon of DescribeAddon's answer.
type Addon struct {
	Name        string            `json:"addonName"`
	ClusterName string            `json:"clusterName"`
	Status      string            `json:"status"`
	Version     string            `json:"addonVersion"`
	Health      Health            `json:"health"`
	ARN         string            `json:"addonArn"`
	CreatedAt   Time              `json:"createdAt"`
	ModifiedAt  Time              `json:"modifiedAt"`
	Tags        map[string]string `json:"tags"`
}

// PutAddons sets the add-ons of a cluster.
func (s *Service) PutAddons(in edge.Scope, cluster string, addons []Addon) {
	for i := range addons {
		a := &addons[i]
		a.ClusterName = cluster
		a.ARN = in.ARN("eks", "addon/"+cluster+"/"+a.Name+"/00000000-0000-4000-8000-000000000000")
	}
	slices.SortFunc(addons, func(a, b Addon) int { return strings.Compare(a.Name, b.Name) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addons[place{in, cluster}] = addons
}

var addonOperations = []operation{
	{name: "ListAddons", method: http.MethodGet, path: "/clusters/{cluster}/addons", resource: clusterResource, run: (*Service).listAddons},
	{name: "DescribeAddon", method: http.MethodGet, path: "/clusters/{cluster}/addons/{addon}", resource: addonResource, run: (*Service).describeAddon},
	{name: "DescribeAddonVersions", method: http.MethodGet, path: "/addons/supported-versions", run: (*Service).describeAddonVersions},
}

func addonResource(r request) string {
	return "addon/" + r.path["cluster"] + "/" + r.path["addon"] + "/*"
}

type listAddonsOutput struct {
	Addons    []string `json:"addons"`
	NextToken string   `json:"nextToken,omitempty"`
}

func (s *Service) listAddons(c edge.Call, r request) (any, error) {
	addons, err := s.addonsOf(c.Scope, r.path["cluster"])
	if err != nil {
		return nil, err
	}
	names := make([]string, len(addons))
	for i, a := range addons {
		names[i] = a.Name
	}
	same := func(name string) string { return name }
	names, next, err := page(r.query, names, same, strings.Compare, c.LoopTokens)
	if err != nil {
		return nil, err
	}
	return listAddonsOutput{Addons: names, NextToken: next}, nil
}

type describeAddonOutput struct {
	Addon Addon `json:"addon"`
}

func (s *Service) describeAddon(c edge.Call, r request) (any, error) {
	cluster, name := r.path["cluster"], r.path["addon"]
	addons, err := s.addonsOf(c.Scope, cluster)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(addons, func(a Addon) bool { return a.Name == name })
	if i < 0 {
		return nil, &edge.Refusal{
			Status: http.StatusNotFound, Code: "ResourceNotFoundException",
			Message: "No addon: " + name + " found in cluster: " + cluster,
			Members: map[string]string{"clusterName": cluster, "addonName": name},
		}
	}
	return describeAddonOutput{addons[i]}, nil
}

func (s *Service) addonsOf(in edge.Scope, cluster string) ([]Addon, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.runs(in, cluster); err != nil {
		return nil, err
	}
	return s.addons[place{in, cluster}], nil
}

// runs refuses what only a cluster has whose control plane EKS runs in the
// region. The caller holds the lock.
func (s *Service) runs(in edge.Scope, cluster string) error {
	c, ok := s.clusters[in][cluster]
	switch {
	case !ok:
		return noCluster(cluster)
	case c.Connector != nil || c.Outpost != nil:
		return &edge.Refusal{
			Status: http.StatusBadRequest, Code: "InvalidRequestException",
			Message: "This operation is not supported for the cluster " + cluster + ", which EKS does not run in the region.",
			Members: map[string]string{"clusterName": cluster},
		}
	}
	return nil
}
