package eks

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// Durations are how long EKS takes for its changes.
type Durations struct {
	ControlPlane time.Duration // to create or update a cluster
	Nodegroup    time.Duration // to create, change or delete a nodegroup
}

// An Update is the member update of DescribeUpdate's answer.
type Update struct {
	ID        string        `json:"id"`
	Status    string        `json:"status"`
	Type      string        `json:"type"`
	Params    []Param       `json:"params"`
	CreatedAt Time          `json:"createdAt"`
	Errors    []UpdateError `json:"errors"`
}

// The parts of an Update.
type (
	// Param is one thing that an update changes.
	Param struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	}
	// UpdateError is a reason why an update failed.
	UpdateError struct {
		Code        string   `json:"errorCode"`
		Message     string   `json:"errorMessage"`
		ResourceIDs []string `json:"resourceIds"`
	}
)

// Statuses and types of updates.
const (
	inProgress = "InProgress"
	successful = "Successful"
	failed     = "Failed"

	versionUpdate   = "VersionUpdate"
	versionRollback = "VersionRollback"
	versionParam    = "Version"
)

// rollbackWindow is how long after an upgrade a cluster may go back:
// https://docs.aws.amazon.com/eks/latest/userguide/update-cluster.html
const rollbackWindow = 7 * 24 * time.Hour

// A Course is how an update goes, from its beginning to its end.
type Course struct {
	Type        string // such as VersionUpdate
	Nodegroup   string // that it is about; empty means the cluster itself
	Params      []Param
	Began, Ends time.Time
	Errors      []UpdateError // with which it fails; none means that it succeeds
	// Encryption is the cluster's once the update is Successful; none where that
	// is not what it is about.
	Encryption []EncryptionConfig
	// Nodes are those of the nodegroup once the update is Successful; nil where they
	// stay what they are.
	Nodes *Nodes
	// Open means that the update ends by Service.end, not at Ends.
	Open bool
}

// update is one that was recorded.
type update struct {
	Course
	id    string
	token string // of the request that began it
	// version is the cluster's once the update is Successful; empty when that
	// changes nothing any more.
	version string
}

// at is the update at a moment.
func (u update) at(now time.Time) Update {
	out := Update{ID: u.id, Status: inProgress, Type: u.Type, Params: u.Params, CreatedAt: Time{u.Began}, Errors: []UpdateError{}}
	switch {
	case u.Open || now.Before(u.Ends):
	case len(u.Errors) > 0:
		out.Status, out.Errors = failed, u.Errors
	default:
		out.Status = successful
	}
	return out
}

// leadsTo is the version that an update is about, if it is about one.
func (c Course) leadsTo() string {
	i := slices.IndexFunc(c.Params, func(p Param) bool { return p.Type == versionParam })
	if i < 0 {
		return ""
	}
	return c.Params[i].Value
}

// updated is a cluster as its updates have made it by a moment.
func updated(c Cluster, updates []update, now time.Time) Cluster {
	for _, u := range updates {
		if u.Nodegroup != "" {
			continue
		}
		switch u.at(now).Status {
		case inProgress:
			if c.Status == active {
				c.Status = updating
			}
		case successful:
			c.Version = cmp.Or(u.version, c.Version)
			if len(u.Encryption) > 0 {
				c.EncryptionConfig = u.Encryption
			}
		}
	}
	return c
}

// updated is a group as its updates have made it by a moment. Those of another one
// that had its name before are none of its own.
func (g Nodegroup) updated(updates []update, now time.Time) Nodegroup {
	for _, u := range updates {
		if u.Nodegroup != g.Name || u.Began.Before(g.CreatedAt.Time) {
			continue
		}
		switch u.at(now).Status {
		case inProgress:
			if g.Status == active || g.Status == degraded {
				g.Status = updating
			}
		case successful:
			g.renewed(u.Nodes, u.Ends)
		}
	}
	return g
}

// PutUpdates replaces the updates of a cluster and its nodegroups. Those that
// have ended by now are history: the cluster has the version that it was put with.
func (s *Service) PutUpdates(in edge.Scope, cluster string, courses ...Course) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := place{in, cluster}
	s.updates[at] = nil
	for _, c := range courses {
		u := s.record(at, "", c)
		if !s.now().Before(c.Ends) {
			u.version = ""
		}
	}
}

// Fail makes the next update of a cluster, or of one of its nodegroups, end as
// Failed.
func (s *Service) Fail(in edge.Scope, cluster string, errs ...UpdateError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures[place{in, cluster}] = errs
}

// begin records an update that begins now.
func (s *Service) begin(at place, token string, c Course) Update {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Began, c.Errors = s.now(), s.failures[at]
	delete(s.failures, at)
	return s.record(at, token, c).at(s.now())
}

// record wants mu to be held.
func (s *Service) record(at place, token string, c Course) *update {
	s.made++
	u := update{Course: c, id: fmt.Sprintf("00000000-0000-4000-8000-%012d", s.made), token: token}
	if c.Nodegroup == "" {
		u.version = c.leadsTo()
	}
	s.updates[at] = append(s.updates[at], u)
	return &s.updates[at][len(s.updates[at])-1]
}

// updateBy finds the update that an earlier request with the same token began.
func (s *Service) updateBy(at place, token string) (Update, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, u := range s.updates[at] {
		if token != "" && u.token == token {
			return u.at(s.now()), true
		}
	}
	return Update{}, false
}

var updateOperations = []operation{
	{name: "ListUpdates", method: http.MethodGet, path: "/clusters/{cluster}/updates", resource: updatedResource, run: (*Service).listUpdates},
	{name: "DescribeUpdate", method: http.MethodGet, path: "/clusters/{cluster}/updates/{update}", resource: updatedResource, run: (*Service).describeUpdate},
	{name: "UpdateClusterVersion", method: http.MethodPost, path: "/clusters/{cluster}/updates", resource: clusterResource, run: alone((*Service).updateClusterVersion)},
}

// updatedResource is what an update is about.
func updatedResource(r request) string {
	if name := r.query.Get("nodegroupName"); name != "" {
		return groupResource(r.path["cluster"], name)
	}
	return clusterResource(r)
}

// updatesOf lists the updates that a request asks for, in the order in which
// they began: those of a nodegroup that it names, else those of the cluster.
func (s *Service) updatesOf(in edge.Scope, r request) ([]Update, error) {
	at, group := place{in, r.path["cluster"]}, r.query.Get("nodegroupName")
	if _, ok := s.Cluster(in, at.cluster); !ok {
		return nil, noCluster(at.cluster)
	}
	if group != "" {
		if _, err := s.nodegroup(at, group); err != nil {
			return nil, err
		}
	}
	if r.query.Has("addonName") || r.query.Has("capabilityName") {
		return nil, nil // nothing simulated updates these
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []Update
	for _, u := range s.updates[at] {
		if u.Nodegroup == group {
			found = append(found, u.at(s.now()))
		}
	}
	return found, nil
}

type listUpdatesOutput struct {
	UpdateIDs []string `json:"updateIds"`
	NextToken string   `json:"nextToken,omitempty"`
}

func (s *Service) listUpdates(c edge.Call, r request) (any, error) {
	updates, err := s.updatesOf(c.Scope, r)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, u := range updates {
		ids = append(ids, u.ID)
	}
	same := func(id string) string { return id }
	ids, next, err := page(r.query, ids, same, cmp.Compare[string], c.LoopTokens)
	if err != nil {
		return nil, err
	}
	return listUpdatesOutput{UpdateIDs: ids, NextToken: next}, nil
}

type updateOutput struct {
	Update Update `json:"update"`
}

func (s *Service) describeUpdate(c edge.Call, r request) (any, error) {
	updates, err := s.updatesOf(c.Scope, r)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(updates, func(u Update) bool { return u.ID == r.path["update"] })
	if i < 0 {
		return nil, &edge.Refusal{Status: http.StatusNotFound, Code: "ResourceNotFoundException", Message: "No update found for ID: " + r.path["update"]}
	}
	return updateOutput{updates[i]}, nil
}

type updateClusterVersionInput struct {
	Version string `json:"version"`
	Token   string `json:"clientRequestToken"`
	Force   bool   `json:"force"`
}

func (s *Service) updateClusterVersion(c edge.Call, r request) (any, error) {
	in, err := decode[updateClusterVersionInput](r)
	if err != nil {
		return nil, err
	}
	at := place{c.Scope, r.path["cluster"]}
	cluster, ok := s.Cluster(at.Scope, at.cluster)
	if !ok {
		return nil, noCluster(at.cluster)
	}
	if u, ok := s.updateBy(at, in.Token); ok {
		return updateOutput{u}, nil
	}
	if cluster.Status != active {
		return nil, inUse("Cannot UpdateClusterVersion because cluster "+at.cluster+" is "+cluster.Status, at.cluster, "")
	}
	kind, err := s.wayTo(at, cluster, in.Version)
	if err != nil {
		return nil, err
	}
	if !in.Force && s.unready(at, kind, in.Version) {
		return nil, &edge.Refusal{
			Status: http.StatusBadRequest, Code: "InvalidStateException", Members: map[string]string{"clusterName": at.cluster},
			Message: "Amazon EKS detected readiness issues. Call the ListInsights API to view them. Pass the force flag to override.",
		}
	}
	return updateOutput{s.begin(at, in.Token, Course{
		Type: kind, Ends: s.now().Add(s.durations.ControlPlane),
		Params: []Param{{versionParam, in.Version}, {"PlatformVersion", cluster.PlatformVersion}},
	})}, nil
}

// wayTo is the type of update that leads a cluster to a version, unless EKS
// refuses to go there.
func (s *Service) wayTo(at place, cluster Cluster, version string) (string, error) {
	unsupported := invalid("Unsupported Kubernetes minor version update from " + cluster.Version + " to " + version)
	if !slices.ContainsFunc(s.versions, func(v Version) bool { return v.Name == version }) {
		return "", unsupported
	}
	from, errFrom := fleet.ParseVersion(cluster.Version)
	to, errTo := fleet.ParseVersion(version)
	if errFrom != nil || errTo != nil || from.Major != to.Major {
		return "", unsupported
	}
	switch to.Minor - from.Minor {
	case 1:
		return versionUpdate, s.nodesAllow(at, func(node fleet.Version) bool { return node.Compare(from) == 0 }, cluster.Version)
	case -1:
		if !s.mayRollBack(at, cluster) {
			return "", wrongState("Cluster " + at.cluster + " was not upgraded to " + cluster.Version + " in the last 7 days")
		}
		return versionRollback, s.nodesAllow(at, func(node fleet.Version) bool { return node.Compare(to) <= 0 }, version)
	}
	return "", unsupported
}

// unready reports whether an insight speaks against a step to a version.
func (s *Service) unready(at place, kind, version string) bool {
	category := "UPGRADE_READINESS"
	if kind == versionRollback {
		category = "ROLLBACK_READINESS"
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.ContainsFunc(s.insights[at], func(i Insight) bool {
		return i.Category == category && i.Status.Status == "ERROR" && (i.KubernetesVersion == "" || i.KubernetesVersion == version)
	})
}

// mayRollBack reports whether the cluster has reached its version by an upgrade
// that is recent enough.
func (s *Service) mayRollBack(at place, cluster Cluster) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	now := s.now()
	return slices.ContainsFunc(s.updates[at], func(u update) bool {
		return u.Type == versionUpdate && u.Nodegroup == "" && u.leadsTo() == cluster.Version &&
			u.at(now).Status == successful && now.Sub(u.Ends) <= rollbackWindow
	})
}

// nodesAllow wants the managed nodegroups to be where a step of their control
// plane does not leave them behind, or ahead. EKS does not know what a custom
// image runs.
func (s *Service) nodesAllow(at place, fits func(fleet.Version) bool, wanted string) error {
	for _, g := range s.nodegroupsAt(at) {
		v, err := fleet.ParseVersion(g.Version)
		if g.AMIType != fleet.CustomAMI && (err != nil || !fits(v)) {
			return wrongState("Nodegroup " + g.Name + " must be at version " + wanted + " before the cluster's version is updated: it is at " + g.Version)
		}
	}
	return nil
}
