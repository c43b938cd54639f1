package eks

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// A Nodegroup is the member nodegroup of DescribeNodegroup's answer.
type Nodegroup struct {
	Name           string            `json:"nodegroupName"`
	ARN            string            `json:"nodegroupArn"`
	ClusterName    string            `json:"clusterName"`
	Version        string            `json:"version"`
	Release        string            `json:"releaseVersion"` // the id of the image when that is the owner's
	CreatedAt      Time              `json:"createdAt"`
	ModifiedAt     Time              `json:"modifiedAt"`
	Status         string            `json:"status"`
	CapacityType   string            `json:"capacityType"`
	Size           Size              `json:"scalingConfig"`
	InstanceTypes  []string          `json:"instanceTypes,omitempty"`
	Subnets        []string          `json:"subnets"`
	AMIType        string            `json:"amiType"`
	NodeRole       string            `json:"nodeRole"`
	Labels         map[string]string `json:"labels"`
	Resources      Resources         `json:"resources"`
	DiskSize       int               `json:"diskSize,omitempty"`
	Health         Health            `json:"health"`
	UpdateConfig   UpdateConfig      `json:"updateConfig"`
	LaunchTemplate *LaunchTemplate   `json:"launchTemplate,omitempty"`
	Tags           map[string]string `json:"tags"`
}

// The parts of a Nodegroup.
type (
	// Size is how many nodes a group may have, and has.
	Size struct {
		Min     int `json:"minSize"`
		Max     int `json:"maxSize"`
		Desired int `json:"desiredSize"`
	}
	// Resources are what a group is made of.
	Resources struct {
		AutoScalingGroups []AutoScalingGroup `json:"autoScalingGroups"`
	}
	// AutoScalingGroup is one of the Resources.
	AutoScalingGroup struct {
		Name string `json:"name"`
	}
	// UpdateConfig is how many nodes an update may take away at once.
	UpdateConfig struct {
		MaxUnavailable           int    `json:"maxUnavailable,omitempty"`
		MaxUnavailablePercentage int    `json:"maxUnavailablePercentage,omitempty"`
		Strategy                 string `json:"updateStrategy,omitempty"` // DEFAULT or MINIMAL
	}
	// LaunchTemplate is what the instances of a group are started from.
	LaunchTemplate struct {
		Name    string `json:"name,omitempty"`
		Version string `json:"version,omitempty"`
		ID      string `json:"id,omitempty"`
	}
)

// Statuses of clusters and nodegroups that the service gives by itself.
const (
	creating = "CREATING"
	active   = "ACTIVE"
	updating = "UPDATING"
	degraded = "DEGRADED"
	deleting = "DELETING"
)

// nodegroup is one and what becomes of it by itself.
type nodegroup struct {
	Nodegroup
	token string    // of the request that created it
	due   time.Time // when its status changes; zero means never
	then  string    // its status from then on; empty means that it is gone
}

// at is the group at a moment, if it is still there, before its updates.
func (g nodegroup) at(now time.Time) (Nodegroup, bool) {
	if g.due.IsZero() || now.Before(g.due) {
		return g.Nodegroup, true
	}
	g.Status = g.then
	return g.Nodegroup, g.then != ""
}

// Complete fills in what is empty: the group's identity and what EKS chooses
// when it is not told.
func (g *Nodegroup) Complete(in edge.Scope, cluster Cluster, now time.Time) {
	g.ClusterName, g.ARN = cluster.Name, in.ARN("eks", groupResource(cluster.Name, g.Name))
	g.Version = cmp.Or(g.Version, cluster.Version)
	g.AMIType = cmp.Or(g.AMIType, "AL2023_x86_64_STANDARD")
	if g.AMIType == fleet.CustomAMI {
		g.Release = cmp.Or(g.Release, "ami-00000000000000000")
		g.LaunchTemplate = cmp.Or(g.LaunchTemplate, &LaunchTemplate{ID: "lt-00000000000000000", Name: g.Name, Version: "1"})
	}
	g.Release = cmp.Or(g.Release, g.Version+".1-20261101")
	if g.LaunchTemplate == nil {
		g.DiskSize = cmp.Or(g.DiskSize, 20)
		if len(g.InstanceTypes) == 0 {
			g.InstanceTypes = []string{"t3.medium"}
		}
	}
	g.CreatedAt = cmp.Or(g.CreatedAt, Time{now})
	g.ModifiedAt = g.CreatedAt
	g.CapacityType = cmp.Or(g.CapacityType, "ON_DEMAND")
	g.NodeRole = cmp.Or(g.NodeRole, "arn:"+in.Partition()+":iam::"+in.Account+":role/eks-nodes")
	if g.UpdateConfig.MaxUnavailablePercentage == 0 {
		g.UpdateConfig.MaxUnavailable = cmp.Or(g.UpdateConfig.MaxUnavailable, 1)
	}
	g.Resources.AutoScalingGroups = []AutoScalingGroup{{Name: "eks-" + g.Name + "-" + someID}}
	g.Subnets, g.Health.Issues = slices.Concat([]string{}, g.Subnets), slices.Concat([]Issue{}, g.Health.Issues)
	if g.Labels == nil {
		g.Labels = map[string]string{}
	}
	if g.Tags == nil {
		g.Tags = map[string]string{}
	}
}

// fleet is the group as a Mirror is told of it.
func (g Nodegroup) fleet() fleet.Nodegroup {
	out := fleet.Nodegroup{
		Name: g.Name, ARN: g.ARN, Status: g.Status, Version: g.Version, Release: g.Release, AMIType: g.AMIType,
		Nodes: g.Size.Desired, Most: g.Size.Max, Tags: g.Tags, CreatedAt: g.CreatedAt.Time,
		Surge: fleet.Surge{
			Strategy: g.UpdateConfig.Strategy, Nodes: g.UpdateConfig.MaxUnavailable, Percent: g.UpdateConfig.MaxUnavailablePercentage,
		},
		InstanceTypes: g.InstanceTypes, Capacity: g.CapacityType, Subnets: g.Subnets,
	}
	if g.LaunchTemplate != nil {
		out.Template = fleet.TemplateVersion{ID: g.LaunchTemplate.ID, Version: g.LaunchTemplate.Version}
	}
	if g.AMIType == fleet.CustomAMI {
		out.Release = ""
	}
	for _, i := range g.Health.Issues {
		out.Health = append(out.Health, fleet.Issue{Code: i.Code, Message: i.Message, Resources: i.ResourceIDs})
	}
	return out
}

// PutNodegroups replaces the nodegroups of a cluster.
func (s *Service) PutNodegroups(in edge.Scope, cluster string, groups ...Nodegroup) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	at := place{in, cluster}
	kept := map[string]nodegroup{}
	for _, g := range groups {
		kept[g.Name] = nodegroup{Nodegroup: g}
	}
	for _, g := range s.nodegroupsAt(at) {
		if _, stays := kept[g.Name]; !stays {
			g.Size.Desired = 0
			groups = append(groups, g)
		}
	}
	for _, g := range groups {
		if err := s.mirrored(at, func(m Mirror) error { return m.Scale(g.fleet()) }); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodegroups[at] = kept
	return nil
}

// scaled keeps a group once the real cluster has as many of its nodes.
func (s *Service) scaled(at place, g nodegroup) error {
	if err := s.mirrored(at, func(m Mirror) error { return m.Scale(g.fleet()) }); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nodegroups[at] == nil {
		s.nodegroups[at] = map[string]nodegroup{}
	}
	s.nodegroups[at][g.Name] = g
	return nil
}

// nodegroupsAt lists the groups of a cluster by name, as they are by now.
func (s *Service) nodegroupsAt(at place) []Nodegroup {
	s.mu.RLock()
	defer s.mu.RUnlock()
	now := s.now()
	groups := make([]Nodegroup, 0, len(s.nodegroups[at]))
	for _, g := range s.nodegroups[at] {
		if g, ok := g.at(now); ok {
			groups = append(groups, g.updated(s.updates[at], now))
		}
	}
	slices.SortFunc(groups, func(a, b Nodegroup) int { return cmp.Compare(a.Name, b.Name) })
	return groups
}

// nodegroup finds a group of a cluster, as it is by now.
func (s *Service) nodegroup(at place, name string) (Nodegroup, error) {
	if _, ok := s.Cluster(at.Scope, at.cluster); !ok {
		return Nodegroup{}, noCluster(at.cluster)
	}
	groups := s.nodegroupsAt(at)
	i := slices.IndexFunc(groups, func(g Nodegroup) bool { return g.Name == name })
	if i < 0 {
		return Nodegroup{}, &edge.Refusal{
			Status: http.StatusNotFound, Code: "ResourceNotFoundException", Message: "No node group found for name: " + name + ".",
			Members: map[string]string{"clusterName": at.cluster, "nodegroupName": name},
		}
	}
	return groups[i], nil
}

var nodegroupOperations = []operation{
	{name: "ListNodegroups", method: http.MethodGet, path: "/clusters/{cluster}/node-groups", resource: clusterResource, run: (*Service).listNodegroups},
	{name: "CreateNodegroup", method: http.MethodPost, path: "/clusters/{cluster}/node-groups", resource: clusterResource, run: alone((*Service).createNodegroup)},
	{name: "DescribeNodegroup", method: http.MethodGet, path: "/clusters/{cluster}/node-groups/{nodegroup}", resource: nodegroupResource, run: (*Service).describeNodegroup},
	{name: "DeleteNodegroup", method: http.MethodDelete, path: "/clusters/{cluster}/node-groups/{nodegroup}", resource: nodegroupResource, run: alone((*Service).deleteNodegroup)},
	{name: "UpdateNodegroupConfig", method: http.MethodPost, path: "/clusters/{cluster}/node-groups/{nodegroup}/update-config", resource: nodegroupResource, run: alone((*Service).updateNodegroupConfig)},
}

func nodegroupResource(r request) string {
	return groupResource(r.path["cluster"], r.path["nodegroup"])
}

func groupResource(cluster, name string) string {
	return strings.Join([]string{"nodegroup", cluster, name, someID}, "/")
}

type listNodegroupsOutput struct {
	Nodegroups []string `json:"nodegroups"`
	NextToken  string   `json:"nextToken,omitempty"`
}

func (s *Service) listNodegroups(c edge.Call, r request) (any, error) {
	at := place{c.Scope, r.path["cluster"]}
	if _, ok := s.Cluster(at.Scope, at.cluster); !ok {
		return nil, noCluster(at.cluster)
	}
	var names []string
	for _, g := range s.nodegroupsAt(at) {
		names = append(names, g.Name)
	}
	same := func(name string) string { return name }
	names, next, err := page(r.query, names, same, cmp.Compare[string], c.LoopTokens)
	if err != nil {
		return nil, err
	}
	return listNodegroupsOutput{Nodegroups: names, NextToken: next}, nil
}

type nodegroupOutput struct {
	Nodegroup Nodegroup `json:"nodegroup"`
}

func (s *Service) describeNodegroup(c edge.Call, r request) (any, error) {
	g, err := s.nodegroup(place{c.Scope, r.path["cluster"]}, r.path["nodegroup"])
	if err != nil {
		return nil, err
	}
	return nodegroupOutput{g}, nil
}

type createNodegroupInput struct {
	Nodegroup // most members are those of the answer
	// Size is optional here, as a whole and each of its members.
	Size  *sizeInput `json:"scalingConfig"`
	Token string     `json:"clientRequestToken"`
}

// maxNodegroups is the quota "Managed node groups per cluster".
const maxNodegroups = 30

func (s *Service) createNodegroup(c edge.Call, r request) (any, error) {
	in, err := decode[createNodegroupInput](r)
	if err != nil {
		return nil, err
	}
	at := place{c.Scope, r.path["cluster"]}
	cluster, ok := s.Cluster(at.Scope, at.cluster)
	if !ok { // the model has no ResourceNotFoundException here
		return nil, invalid("No cluster found for name: " + at.cluster + ".")
	}
	if made, ok := s.madeBy(at, in.Token); ok {
		return nodegroupOutput{made}, nil
	}
	if err := s.mayCreate(at, cluster, in.Nodegroup); err != nil {
		return nil, err
	}
	g := nodegroup{Nodegroup: in.Nodegroup, token: in.Token, due: s.now().Add(s.durations.Nodegroup), then: active}
	if g.Size, err = in.Size.over(Size{Min: 1, Max: 2, Desired: 2}); err != nil {
		return nil, err
	}
	g.Status = creating
	g.Complete(at.Scope, cluster, s.now())
	if err := s.scaled(at, g); err != nil {
		return nil, err
	}
	return nodegroupOutput{g.Nodegroup}, nil
}

// madeBy finds the group that an earlier request with the same token made.
func (s *Service) madeBy(at place, token string) (Nodegroup, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, g := range s.nodegroups[at] {
		if token != "" && g.token == token {
			return g.at(s.now())
		}
	}
	return Nodegroup{}, false
}

func (s *Service) mayCreate(at place, cluster Cluster, g Nodegroup) error {
	groups := s.nodegroupsAt(at)
	switch {
	case fleet.ValidClusterName(g.Name) != nil || len(g.Name) > 63:
		return invalid("nodegroupName must be 1 to 63 letters, digits, hyphens and underscores, and not begin with a hyphen or underscore")
	case g.NodeRole == "" || len(g.Subnets) == 0:
		return invalid("nodeRole and subnets are required")
	case slices.ContainsFunc(groups, func(other Nodegroup) bool { return other.Name == g.Name }):
		return inUse("NodeGroup already exists with name "+g.Name+" and cluster name "+at.cluster, at.cluster, g.Name)
	case cluster.Status != active || cluster.Connector != nil:
		return wrongState("Cluster '" + at.cluster + "' is not in ACTIVE status")
	case len(groups) >= maxNodegroups:
		return &edge.Refusal{Status: http.StatusBadRequest, Code: "ResourceLimitExceededException", Message: "Nodegroup limit exceeded for cluster " + at.cluster}
	case g.Version != "" && g.Version != cluster.Version:
		return invalid("Requested Nodegroup version " + g.Version + " is not the cluster's, " + cluster.Version)
	}
	return nil
}

func (s *Service) deleteNodegroup(c edge.Call, r request) (any, error) {
	at := place{c.Scope, r.path["cluster"]}
	g, err := s.nodegroup(at, r.path["nodegroup"])
	if err != nil {
		return nil, err
	}
	if g.Status == deleting || g.Status == updating {
		return nil, inUse("Nodegroup "+g.Name+" is "+g.Status, at.cluster, g.Name)
	}
	g.Status, g.Size.Desired, g.ModifiedAt = deleting, 0, Time{s.now()}
	if err := s.scaled(at, nodegroup{Nodegroup: g, due: s.now().Add(s.durations.Nodegroup)}); err != nil {
		return nil, err
	}
	return nodegroupOutput{g}, nil
}

type updateNodegroupConfigInput struct {
	Size  *sizeInput `json:"scalingConfig"`
	Token string     `json:"clientRequestToken"`
}

func (s *Service) updateNodegroupConfig(c edge.Call, r request) (any, error) {
	in, err := decode[updateNodegroupConfigInput](r)
	if err != nil {
		return nil, err
	}
	at := place{c.Scope, r.path["cluster"]}
	g, err := s.nodegroup(at, r.path["nodegroup"])
	if err != nil {
		return nil, err
	}
	if u, ok := s.updateBy(at, in.Token); ok {
		return updateOutput{u}, nil
	}
	if g.Status != active && g.Status != degraded {
		return nil, inUse("Nodegroup cannot be updated as it is currently not in Active State", at.cluster, g.Name)
	}
	if in.Size == nil {
		return nil, invalid("The simulator changes nothing but the scalingConfig of a nodegroup")
	}
	if g.Size, err = in.Size.over(g.Size); err != nil {
		return nil, err
	}
	g.ModifiedAt = Time{s.now()}
	if err := s.scaled(at, nodegroup{Nodegroup: g}); err != nil {
		return nil, err
	}
	return updateOutput{s.begin(at, in.Token, Course{
		Type: "ConfigUpdate", Nodegroup: g.Name, Params: in.Size.params(), Ends: s.now().Add(s.durations.Nodegroup),
	})}, nil
}
