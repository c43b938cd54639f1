// Package awsjson is AWS JSON 1.1, the protocol of KMS, the tagging API, Service
// Quotas and Systems Manager: one path, the operation in a header, every error of
// the caller with status 400. It knows no operation; services bring them.
// See https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
package awsjson

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// An API is a service that speaks the protocol.
type API struct {
	Name       string // signing name, such as kms
	Target     string // before the dot of X-Amz-Target, such as TrentService
	Throttled  string // error code of a call too many
	Operations map[string]func(body []byte) (edge.Operation, error)
}

// Service is what an edge needs to serve the API.
func (a API) Service() edge.Service {
	return edge.Service{
		Name:      a.Name,
		Throttled: edge.Refusal{Status: http.StatusBadRequest, Code: a.Throttled, Message: "Rate exceeded"},
		Route:     a.route,
		Answer:    func(v any) edge.Response { return encode(http.StatusOK, v) },
		Refuse:    refuse,
	}
}

func (a API) route(r *http.Request, body []byte) (edge.Operation, error) {
	target := r.Header.Get("X-Amz-Target")
	name, ok := strings.CutPrefix(target, a.Target+".")
	op := a.Operations[name]
	if !ok || op == nil || r.Method != http.MethodPost {
		return edge.Operation{}, Refuse("UnknownOperationException", "The simulator does not know "+r.Method+" "+target)
	}
	return op(body)
}

// Decode reads an operation's input.
func Decode[T any](body []byte) (T, error) {
	var in T
	if err := json.Unmarshal(body, &in); err != nil {
		return in, Refuse("SerializationException", err.Error())
	}
	return in, nil
}

// Refuse is an error of the caller.
func Refuse(code, message string) *edge.Refusal {
	return &edge.Refusal{Status: http.StatusBadRequest, Code: code, Message: message}
}

// Seconds is a moment on the wire: seconds since 1970. The zero time is 0, which
// omitempty leaves out.
func Seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func encode(status int, v any) edge.Response {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // the wire structs hold nothing that JSON cannot
	}
	return edge.Response{Status: status, Header: map[string]string{"Content-Type": "application/x-amz-json-1.1"}, Body: body}
}

// refuse answers 400 where other protocols have 403, 404 and 429.
func refuse(r *edge.Refusal, _ string) edge.Response {
	status := r.Status
	if status < http.StatusInternalServerError {
		status = http.StatusBadRequest
	}
	members := map[string]string{"__type": r.Code, "message": r.Message}
	for k, v := range r.Members {
		members[k] = v
	}
	return encode(status, members)
}
