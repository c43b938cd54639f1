// Package ec2 simulates EC2's form of the query protocol, and as much of EC2 as
// tells how many addresses a subnet still has, what new nodes are started from and
// whether their volumes are encrypted. It counts no interface and makes no volume
// and no instance; a subnet has the addresses that it is given.
package ec2

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// Service is EC2 in every account and region of a world.
type Service struct {
	mu        sync.RWMutex
	subnets   map[edge.Scope]map[string]Subnet // by id
	volumes   map[edge.Scope]VolumeDefaults
	templates map[edge.Scope][]LaunchTemplate
}

// New makes a service without subnets and launch templates.
func New() *Service {
	return &Service{
		subnets: map[edge.Scope]map[string]Subnet{},
		volumes: map[edge.Scope]VolumeDefaults{}, templates: map[edge.Scope][]LaunchTemplate{},
	}
}

// Handler serves the API behind an edge.
func (s *Service) Handler(e *edge.Edge) http.Handler {
	return e.Handler(edge.Service{
		Name:      "ec2",
		Throttled: edge.Refusal{Status: http.StatusServiceUnavailable, Code: "RequestLimitExceeded", Message: "Request limit exceeded."},
		Route:     s.route,
		Answer:    func(v any) edge.Response { return encode(http.StatusOK, v) },
		Refuse:    refuse,
	})
}

func (s *Service) route(_ *http.Request, body []byte) (edge.Operation, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return edge.Operation{}, &edge.Refusal{Status: http.StatusBadRequest, Code: "MalformedQueryString", Message: err.Error()}
	}
	action := form.Get("Action")
	run, ok := operations[action]
	if !ok {
		return edge.Operation{}, &edge.Refusal{Status: http.StatusBadRequest, Code: "InvalidAction", Message: "The simulator does not know the action " + strconv.Quote(action)}
	}
	return edge.Operation{
		Name: action, Action: "ec2:" + action, Resource: "*",
		Run: func(c edge.Call) (any, error) { return run(s, c, form) },
	}, nil
}

// operations is the table of what is simulated, by name.
var operations = map[string]func(*Service, edge.Call, url.Values) (any, error){
	"DescribeSubnets":                (*Service).describeSubnets,
	"GetEbsEncryptionByDefault":      (*Service).encryptionByDefault,
	"GetEbsDefaultKmsKeyId":          (*Service).defaultKey,
	"DescribeLaunchTemplateVersions": (*Service).describeTemplateVersions,
	"DescribeLaunchTemplates":        (*Service).describeTemplates,
	"DescribeInstanceTypes":          (*Service).describeInstanceTypes,
}

// members reads a list of the ec2 protocol: name.1, name.2, ... without a gap.
func members(form url.Values, name string) []string {
	var all []string
	for i := 1; form.Has(fmt.Sprintf("%s.%d", name, i)); i++ {
		all = append(all, form.Get(fmt.Sprintf("%s.%d", name, i)))
	}
	return all
}

func encode(status int, v any) edge.Response {
	body, err := xml.Marshal(v)
	if err != nil {
		panic(err) // the wire structs hold nothing that XML cannot
	}
	return edge.Response{Status: status, Header: map[string]string{"Content-Type": "text/xml;charset=UTF-8"}, Body: body}
}

type errorResponse struct {
	XMLName   xml.Name `xml:"Response"`
	Code      string   `xml:"Errors>Error>Code"`
	Message   string   `xml:"Errors>Error>Message"`
	RequestID string   `xml:"RequestID"`
}

// common is how EC2 spells the errors that every service has: "Common client
// error codes" in its API reference. The words of IAM follow its own.
var common = map[string]struct {
	status int
	code   string
	before string
}{
	"AccessDeniedException":       {http.StatusForbidden, "UnauthorizedOperation", "You are not authorized to perform this operation. "},
	"UnrecognizedClientException": {http.StatusUnauthorized, "AuthFailure", ""},
	"InvalidSignatureException":   {http.StatusBadRequest, "RequestExpired", ""},
}

func refuse(r *edge.Refusal, requestID string) edge.Response {
	status, code, message := r.Status, r.Query(), r.Message
	if own, ok := common[r.Code]; ok {
		status, code, message = own.status, own.code, own.before+message
	}
	return encode(status, errorResponse{Code: code, Message: message, RequestID: requestID})
}

func invalid(code, format string, args ...any) *edge.Refusal {
	return &edge.Refusal{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...)}
}
