// Package kms simulates what KMS tells about a key that encrypts a cluster's
// secrets, the few calls by which a key is lost or saved (disable, enable,
// schedule and cancel its deletion), and the grants by which it is used. It
// encrypts nothing, makes no keys and knows no policy; a key of another account
// is denied.
package kms

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/eks-steward/eks-steward/internal/sim/awsjson"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/paging"
)

// Service is KMS in every account and region of a world.
type Service struct {
	now func() time.Time

	mu   sync.RWMutex
	keys map[edge.Scope]map[string]Key // by id
	made int                           // grants without a name
}

// New makes a service without keys.
func New(now func() time.Time) *Service {
	return &Service{now: now, keys: map[edge.Scope]map[string]Key{}}
}

// Put adds a key, or replaces the one of its id.
func (s *Service) Put(in edge.Scope, k Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys[in] == nil {
		s.keys[in] = map[string]Key{}
	}
	s.keys[in][k.ID] = k
}

// Handler serves the API behind an edge.
func (s *Service) Handler(e *edge.Edge) http.Handler {
	ops := map[string]func([]byte) (edge.Operation, error){}
	for name, run := range operations {
		ops[name] = func(body []byte) (edge.Operation, error) { return s.operation(name, run, body) }
	}
	return e.Handler(awsjson.API{Name: "kms", Target: "TrentService", Throttled: "ThrottlingException", Operations: ops}.Service())
}

// operations is the table of what is simulated, by name.
var operations = map[string]func(*Service, edge.Call, input) (any, error){
	"DescribeKey":          (*Service).describeKey,
	"GetKeyRotationStatus": (*Service).rotationStatus,
	"ListAliases":          (*Service).listAliases,
	"GetKeyPolicy":         (*Service).keyPolicy,
	"ListResourceTags":     (*Service).listResourceTags,
	"ScheduleKeyDeletion":  (*Service).scheduleDeletion,
	"CancelKeyDeletion":    (*Service).cancelDeletion,
	"DisableKey":           (*Service).disableKey,
	"EnableKey":            (*Service).enableKey,
	"CreateGrant":          (*Service).createGrant,
	"ListGrants":           (*Service).listGrants,
	"RetireGrant":          (*Service).retireGrant,
	"RevokeGrant":          (*Service).revokeGrant,
}

// input is what any of the operations takes.
type input struct {
	KeyID               string `json:"KeyId"`
	PolicyName          string
	PendingWindowInDays *int
	Limit               *int
	Marker              string
	GrantID             string `json:"GrantId"`
	GrantToken          string
	GranteePrincipal    string
	RetiringPrincipal   string
	Operations          []string
	Name                string
	Constraints         *Constraints
}

func (s *Service) operation(name string, run func(*Service, edge.Call, input) (any, error), body []byte) (edge.Operation, error) {
	in, err := awsjson.Decode[input](body)
	if err != nil {
		return edge.Operation{}, err
	}
	return edge.Operation{
		Name: name, Action: "kms:" + name, Resource: resource(name, in.KeyID),
		Run: func(c edge.Call) (any, error) { return run(s, c, in) },
	}, nil
}

// resource is what IAM checks: the key, or any where a list is asked for.
func resource(operation, keyID string) string {
	if operation == "ListAliases" || keyID == "" {
		return "*"
	}
	if strings.HasPrefix(keyID, "alias/") {
		return keyID
	}
	return "key/" + keyID[strings.LastIndex(keyID, "/")+1:]
}

// page cuts one page as Limit and Marker ask. most is the most that it may hold.
func page[T any](c edge.Call, in input, most int, items []T, key func(T) string) ([]T, string, error) {
	const usual = 50 // the default of every list of KMS
	size := usual
	if in.Limit != nil {
		size = *in.Limit
	}
	if size < 1 || size > most {
		return nil, "", invalid("limit", size)
	}
	slices.SortFunc(items, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	cut, next, err := paging.Cut(items, key, strings.Compare, paging.Request{Token: in.Marker, Size: size, Loop: c.LoopTokens})
	if err != nil {
		return nil, "", awsjson.Refuse("InvalidMarkerException", "Could not deserialize marker "+in.Marker)
	}
	return cut, next, nil
}
