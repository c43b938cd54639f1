// Package sts simulates AssumeRole and GetCallerIdentity in the query protocol.
// A session's access key belongs, from then on, to the account of its role,
// which is how one world serves many accounts. It checks that the role is there
// and that the ExternalId fits; it evaluates no policy.
package sts

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// Service is STS in every region of a world.
type Service struct {
	bind     func(accessKey string, p edge.Principal)
	sessions atomic.Uint64

	mu       sync.RWMutex
	accounts map[string][]Role
}

// A Role may be assumed by anybody who knows its ExternalID, if it has one.
type Role struct {
	Name       string // with its path, as in the ARN after role/
	ExternalID string
}

// New makes a service that tells the edge whose its sessions are.
func New(bind func(accessKey string, p edge.Principal)) *Service {
	return &Service{bind: bind, accounts: map[string][]Role{}}
}

// PutAccount adds an account. Without roles, every role name is there.
func (s *Service) PutAccount(id string, roles []Role) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts[id] = roles
}

// trusts says whether a role is there and opens to the ExternalId.
func (s *Service) trusts(account, role, externalID string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	roles, known := s.accounts[account]
	for _, r := range roles {
		if r.Name == role {
			return r.ExternalID == "" || r.ExternalID == externalID
		}
	}
	return known && len(roles) == 0
}

// Handler serves the API behind an edge.
func (s *Service) Handler(e *edge.Edge) http.Handler {
	return e.Handler(edge.Service{
		Name:      "sts",
		Throttled: edge.Refusal{Status: http.StatusBadRequest, Code: "Throttling", Message: "Rate exceeded"},
		Route:     s.route,
		Answer:    func(v any) edge.Response { return encode(http.StatusOK, v) },
		Refuse:    refuse,
	})
}

func (s *Service) route(r *http.Request, body []byte) (edge.Operation, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return edge.Operation{}, &edge.Refusal{Status: http.StatusBadRequest, Code: "MalformedQueryString", Message: err.Error()}
	}
	switch action := form.Get("Action"); action {
	case "AssumeRole":
		return s.assumeRole(form), nil
	case "GetCallerIdentity":
		return edge.Operation{Name: action, Action: "sts:GetCallerIdentity", Resource: "*", Run: callerIdentity}, nil
	default:
		return edge.Operation{}, &edge.Refusal{Status: http.StatusBadRequest, Code: "InvalidAction", Message: "The simulator does not know the action " + strconv.Quote(action)}
	}
}

func encode(status int, v any) edge.Response {
	body, err := xml.Marshal(v)
	if err != nil {
		panic(err) // the wire structs hold nothing that XML cannot
	}
	return edge.Response{Status: status, Header: map[string]string{"Content-Type": "text/xml"}, Body: body}
}

type errorResponse struct {
	XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

func refuse(r *edge.Refusal, requestID string) edge.Response {
	return encode(r.Status, errorResponse{Type: r.Fault(), Code: r.Query(), Message: r.Message, RequestID: requestID})
}

func invalid(format string, args ...any) *edge.Refusal {
	return &edge.Refusal{Status: http.StatusBadRequest, Code: "ValidationError", Message: fmt.Sprintf(format, args...)}
}
