package eks

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// Images finds the newest AMI release of a type and minor version; false where
// nobody says which that is.
type Images func(in edge.Scope, amiType, version string) (release string, ok bool)

// Nodes are what the nodes of a group are started from.
type Nodes struct {
	Version, Release string
	LaunchTemplate   *LaunchTemplate // nil where EKS makes it
}

// renewed makes the group's nodes what an update that has succeeded leads to.
func (g *Nodegroup) renewed(n *Nodes, at time.Time) {
	if n == nil {
		return
	}
	g.Version, g.Release, g.LaunchTemplate = n.Version, n.Release, n.LaunchTemplate
	if at.After(g.ModifiedAt.Time) {
		g.ModifiedAt = Time{at}
	}
}

// SetHealth says what EKS finds wrong with a group. It is DEGRADED while there is
// something, and ACTIVE again without.
func (s *Service) SetHealth(in edge.Scope, cluster, group string, issues []Issue) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	at := place{in, cluster}
	if _, err := s.nodegroup(at, group); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.nodegroups[at][group]
	g.Health.Issues = issues
	if g.Status = active; len(issues) > 0 {
		g.Status = degraded
	}
	s.nodegroups[at][group] = g
	return nil
}

var renewalOperations = []operation{
	{name: "UpdateNodegroupVersion", method: http.MethodPost, path: "/clusters/{cluster}/node-groups/{nodegroup}/update-version", resource: nodegroupResource, run: alone((*Service).updateNodegroupVersion)},
}

type updateNodegroupVersionInput struct {
	Version        string          `json:"version"`
	Release        string          `json:"releaseVersion"`
	LaunchTemplate *LaunchTemplate `json:"launchTemplate"`
	Force          bool            `json:"force"`
	Token          string          `json:"clientRequestToken"`
}

// updateNodegroupVersion renews all nodes, also those that are what is asked for
// already: what EKS does then is not documented.
func (s *Service) updateNodegroupVersion(c edge.Call, r request) (any, error) {
	in, err := decode[updateNodegroupVersionInput](r)
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
	cluster, _ := s.Cluster(at.Scope, at.cluster)
	switch {
	case cluster.Status != active:
		return nil, wrongState("Cluster '" + at.cluster + "' is not in ACTIVE status")
	case g.Status != active && g.Status != degraded:
		return nil, inUse("Nodegroup cannot be updated as it is currently not in Active State", at.cluster, g.Name)
	}
	to, err := s.renewal(at, cluster, g, in)
	if err != nil {
		return nil, err
	}
	return updateOutput{s.roll(at, g, to, in)}, nil
}

// renewal is what the nodes of a group are to become, where EKS does not refuse.
func (s *Service) renewal(at place, cluster Cluster, g Nodegroup, in updateNodegroupVersionInput) (Nodes, error) {
	template, err := g.templateTo(in.LaunchTemplate)
	if err != nil {
		return Nodes{}, err
	}
	if g.AMIType == fleet.CustomAMI {
		if in.Version != "" || in.Release != "" {
			return Nodes{}, invalid("You cannot specify the field version or releaseVersion when the node group's launch template uses a custom AMI")
		}
		return Nodes{Version: g.Version, Release: g.Release, LaunchTemplate: template}, nil
	}
	to := Nodes{Version: cmp.Or(in.Version, cluster.Version), LaunchTemplate: template}
	if err := g.mayReach(cluster, to.Version); err != nil {
		return Nodes{}, err
	}
	newest, _ := s.images(at.Scope, g.AMIType, to.Version)
	to.Release = cmp.Or(in.Release, newest, to.Version+".1-20261101")
	if !offered(g.AMIType, to.Version, to.Release) {
		return Nodes{}, invalid("Requested release version " + to.Release + " is not valid for kubernetes version " + to.Version + ".")
	}
	return to, nil
}

// templateTo is the launch template that a request leads to. The simulator does
// not know which versions there are.
func (g Nodegroup) templateTo(asked *LaunchTemplate) (*LaunchTemplate, error) {
	switch old := g.LaunchTemplate; {
	case asked == nil:
		return old, nil
	case old == nil:
		return nil, invalid("You cannot specify a launch template when updating a node group that was not created with one.")
	case asked.ID != old.ID && (asked.Name == "" || asked.Name != old.Name), asked.ID != "" && asked.Name != "":
		return nil, invalid("You must specify the same launch template ID or name that was used to create the node group, and only one of them.")
	case asked.Version == "":
		return nil, invalid("The simulator wants the version of a launch template to be named")
	default:
		return &LaunchTemplate{ID: old.ID, Name: old.Name, Version: asked.Version}, nil
	}
}

// mayReach wants a version from the group's own up to the control plane's: a node
// is never newer than its API server, and a group never goes back.
func (g Nodegroup) mayReach(cluster Cluster, version string) error {
	from, errFrom := fleet.ParseVersion(g.Version)
	top, errTop := fleet.ParseVersion(cluster.Version)
	to, err := fleet.ParseVersion(version)
	if err != nil || errFrom != nil || errTop != nil || to.Compare(from) < 0 || to.Compare(top) > 0 {
		return invalid("Nodegroup " + g.Name + " of version " + g.Version + " cannot be updated to version " + version + ": the cluster has version " + cluster.Version)
	}
	return nil
}

var (
	releaseForm      = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\d+\.\d+\.\d+-\d{8}$`) })
	bottlerocketForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\d+\.\d+\.\d+-[0-9a-f]{8}$`) })
)

// offered reports whether EKS may offer a release: every one of the right form is.
// Those of Bottlerocket do not tell their minor.
func offered(amiType, version, release string) bool {
	if strings.HasPrefix(amiType, "BOTTLEROCKET_") {
		return bottlerocketForm().MatchString(release) || releaseForm().MatchString(release)
	}
	return releaseForm().MatchString(release) && strings.HasPrefix(release, version+".")
}

// roll begins the update. A real cluster that follows decides when and how it
// ends, unless it is to fail by a script.
func (s *Service) roll(at place, from Nodegroup, to Nodes, in updateNodegroupVersionInput) Update {
	s.mu.Lock()
	defer s.mu.Unlock()
	mirror, scripted := s.mirrors[at], s.failures[at]
	delete(s.failures, at)
	follows := mirror.Mirror != nil && len(scripted) == 0
	u := s.record(at, in.Token, Course{
		Type: versionUpdate, Nodegroup: from.Name, Params: to.params(in.LaunchTemplate), Nodes: &to, Open: follows,
		Began: s.now(), Ends: s.now().Add(s.durations.Nodegroup), Errors: scripted,
	})
	if id := u.id; follows {
		after := from
		after.renewed(&to, u.Began)
		s.rolling.Go(func() {
			errs := mirror.Roll(mirror.ctx, from.fleet(), after.fleet(), in.Force)
			if mirror.ctx.Err() == nil {
				s.end(at, id, errs)
			}
		})
	}
	return u.at(s.now())
}

// params are what an update lists.
func (n Nodes) params(asked *LaunchTemplate) []Param {
	params := []Param{{versionParam, n.Version}, {"ReleaseVersion", n.Release}}
	if asked != nil {
		params = append(params, Param{"LaunchTemplateName", n.LaunchTemplate.Name}, Param{"LaunchTemplateVersion", n.LaunchTemplate.Version})
	}
	return params
}

// end closes an update that was Open, if it is still known.
func (s *Service) end(at place, id string, errs []fleet.UpdateError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.updates[at], func(u update) bool { return u.id == id })
	if i < 0 {
		return
	}
	u := &s.updates[at][i]
	u.Open, u.Ends = false, s.now()
	for _, e := range errs {
		u.Errors = append(u.Errors, UpdateError{Code: e.Code, Message: e.Message, ResourceIDs: slices.Concat([]string{}, e.Resources)})
	}
}
