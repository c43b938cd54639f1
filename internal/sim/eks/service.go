// Package eks simulates the EKS API as far as it is written down here: one file
// per noun, each with its wire structs and its rows of the operation table. It
// answers in the restJson1 protocol and only with errors that AWS's model lists
// for the operation. It is not AWS: what a cluster does comes from whoever puts
// it here.
package eks

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// Service is EKS in every account and region of a world.
type Service struct {
	now       func() time.Time
	versions  []Version
	tiers     []Tier
	releases  []AddonRelease
	durations Durations
	keys      Keys
	images    Images

	// writing is held by one change at a time, from its check to its effect on a
	// real cluster, which may take a while; mu only around the memory below, so
	// that reads go on meanwhile.
	writing sync.Mutex

	mu         sync.RWMutex
	clusters   map[edge.Scope]map[string]Cluster
	entries    map[place]map[string]AccessEntry // by principal
	nodegroups map[place]map[string]nodegroup
	updates    map[place][]update // in the order of their ids
	failures   map[place][]UpdateError
	mirrors    map[place]coupling
	addons     map[place][]Addon   // by name
	insights   map[place][]Insight // by id
	made       int                 // ids that were handed out

	rolling sync.WaitGroup // updates that real clusters are at
}

// New makes a service that offers the given Kubernetes versions, newest last,
// control-plane scaling tiers and add-on releases, newest first, takes its time
// for changes, encrypts with the given keys and starts nodes from the given images.
func New(now func() time.Time, versions []Version, tiers []Tier, releases []AddonRelease, durations Durations, keys Keys, images Images) *Service {
	return &Service{
		now: now, versions: versions, tiers: tiers, releases: releases, durations: durations, keys: keys, images: images,
		clusters: map[edge.Scope]map[string]Cluster{}, entries: map[place]map[string]AccessEntry{},
		nodegroups: map[place]map[string]nodegroup{}, updates: map[place][]update{}, failures: map[place][]UpdateError{},
		mirrors: map[place]coupling{}, addons: map[place][]Addon{}, insights: map[place][]Insight{},
	}
}

// Put adds a cluster, or replaces the one of its name.
func (s *Service) Put(in edge.Scope, c Cluster) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clusters[in] == nil {
		s.clusters[in] = map[string]Cluster{}
	}
	s.clusters[in][c.Name] = c
}

// Cluster finds a cluster, as its creation and its updates have made it by now.
func (s *Service) Cluster(in edge.Scope, name string) (Cluster, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c, ok := s.clusters[in][name]
	return updated(c.created(s.now()), s.updates[place{in, name}], s.now()), ok
}

// place is where the parts of a cluster are kept.
type place struct {
	edge.Scope
	cluster string
}

// Remove takes a cluster away with everything in it, and says whether there was
// one. A real cluster behind it is left as it is.
func (s *Service) Remove(in edge.Scope, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.clusters[in][name]
	delete(s.clusters[in], name)
	at := place{in, name}
	delete(s.entries, at)
	delete(s.nodegroups, at)
	delete(s.updates, at)
	delete(s.failures, at)
	s.mirrors[at].end()
	delete(s.mirrors, at)
	delete(s.addons, at)
	delete(s.insights, at)
	return ok
}

// Handler serves the API behind an edge.
func (s *Service) Handler(e *edge.Edge) http.Handler {
	return e.Handler(edge.Service{
		Name: "eks",
		// What DescribeCluster answers when called too fast:
		// https://github.com/awslabs/amazon-eks-ami/pull/218
		Throttled: edge.Refusal{Status: http.StatusTooManyRequests, Code: "TooManyRequestsException", Message: "Too Many Requests"},
		Route:     s.route,
		Answer:    answer,
		Refuse:    refuse,
	})
}

// An operation is a row of the table: a request line and what it runs.
type operation struct {
	name   string
	method string
	path   string // segments in braces are parameters
	// resource is what IAM checks; nil means the operation knows only "*".
	resource func(request) string
	// cluster is the one that the request is about; nil means that of its path.
	cluster func(request) string
	also    []string // actions that EKS asks other services for, in the caller's name
	run     func(*Service, edge.Call, request) (any, error)
}

var operations = slices.Concat(clusterOperations, creationOperations, encryptionOperations, versionOperations, accessOperations, nodegroupOperations, renewalOperations, updateOperations, addonOperations, insightOperations)

// A request is what an operation reads of HTTP.
type request struct {
	path  map[string]string
	query url.Values
	body  []byte
}

// decode reads the body of a request.
func decode[T any](r request) (T, error) {
	var v T
	if err := json.Unmarshal(r.body, &v); err != nil {
		return v, &edge.Refusal{Status: http.StatusBadRequest, Code: "SerializationException", Message: "The request cannot be read: " + err.Error()}
	}
	return v, nil
}

func (s *Service) route(r *http.Request, body []byte) (edge.Operation, error) {
	for _, op := range operations {
		path, ok := match(op.path, r.URL.EscapedPath())
		if !ok || op.method != r.Method {
			continue
		}
		req := request{path: path, query: r.URL.Query(), body: body}
		return s.operation(op, req), nil
	}
	return edge.Operation{}, &edge.Refusal{Status: http.StatusNotFound, Code: "UnknownOperationException", Message: "The simulator does not know " + r.Method + " " + r.URL.Path}
}

func (s *Service) operation(op operation, req request) edge.Operation {
	out := edge.Operation{
		Name: op.name, Action: "eks:" + op.name, Resource: "*", Also: op.also,
		Run: func(c edge.Call) (any, error) { return op.run(s, c, req) },
	}
	if op.resource != nil {
		out.Resource = op.resource(req)
	}
	name := req.path["cluster"]
	if op.cluster != nil {
		name = op.cluster(req)
	}
	if name != "" {
		out.Clusters = []string{name}
	}
	return out
}

// match takes the parameters out of an escaped path.
func match(pattern, path string) (map[string]string, bool) {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return nil, false
	}
	params := map[string]string{}
	for i, w := range want {
		name, isParam := strings.CutPrefix(w, "{")
		if !isParam {
			if w != got[i] {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(got[i])
		if err != nil || value == "" {
			return nil, false
		}
		params[strings.TrimSuffix(name, "}")] = value
	}
	return params, true
}

func answer(v any) edge.Response {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // the wire structs hold nothing that JSON cannot
	}
	return edge.Response{Status: http.StatusOK, Header: map[string]string{"Content-Type": "application/json"}, Body: body}
}

func refuse(r *edge.Refusal, _ string) edge.Response {
	members := map[string]string{"message": r.Message}
	for k, v := range r.Members {
		members[k] = v
	}
	resp := answer(members)
	resp.Status = r.Status
	resp.Header["X-Amzn-Errortype"] = r.Code
	return resp
}

func invalid(message string) *edge.Refusal {
	return &edge.Refusal{Status: http.StatusBadRequest, Code: "InvalidParameterException", Message: message}
}

func wrongState(message string) *edge.Refusal {
	return &edge.Refusal{Status: http.StatusBadRequest, Code: "InvalidRequestException", Message: message}
}

// inUse names the cluster, and its nodegroup where the refusal is about one.
func inUse(message, cluster, nodegroup string) *edge.Refusal {
	members := map[string]string{"clusterName": cluster}
	if nodegroup != "" {
		members["nodegroupName"] = nodegroup
	}
	return &edge.Refusal{Status: http.StatusConflict, Code: "ResourceInUseException", Message: message, Members: members}
}

// someID stands where ARNs and names have an id that means nothing.
const someID = "00000000-0000-4000-8000-000000000000"

// Time is a moment as restJson1 writes it: seconds since 1970, with fractions.
type Time struct{ time.Time }

// MarshalJSON writes epoch seconds.
func (t Time) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(t.UnixMilli()) / 1000)
}
