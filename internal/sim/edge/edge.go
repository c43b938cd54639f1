// Package edge is what every simulated AWS service does before and after an
// operation runs: it reads who calls from the signature, counts the call,
// refuses it where the script of faults says so, and breaks the answer on its
// way out. It never verifies a signature and knows no service's nouns; services
// bring their operations and their wire protocol.
package edge

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Scope is one account in one region: what a request's signature names.
type Scope struct{ Account, Region string }

// Partition is the partition of the region, as ARNs spell it.
func (s Scope) Partition() string {
	switch {
	case strings.HasPrefix(s.Region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(s.Region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// ARN names a resource of the scope.
func (s Scope) ARN(service, resource string) string {
	return strings.Join([]string{"arn", s.Partition(), service, s.Region, s.Account, resource}, ":")
}

// A Principal is who signs with an access key.
type Principal struct {
	Account string
	ARN     string // as GetCallerIdentity says it
	UserID  string
	Role    string // ARN of the role behind a session; empty for any other key
}

// A Call is one request as an operation sees it.
type Call struct {
	Scope
	Caller     Principal
	RequestID  string
	LoopTokens bool // a fault: the next token must be the one of this very page
}

// An Operation is one call of a service's API, decoded and ready to run.
type Operation struct {
	Name     string
	Action   string   // IAM action, such as eks:ListClusters
	Also     []string // actions that the service asks others for in the caller's name
	Resource string   // within the scope, such as cluster/payments; "*" when IAM knows none
	Clusters []string // clusters the call is about
	Run      func(Call) (any, error)
}

// A Service is an API behind an Edge. An error of Route or of an operation is
// best a *Refusal; anything else is answered as an internal failure.
type Service struct {
	Name      string // signing name: eks, monitoring, sts
	Throttled Refusal
	Route     func(r *http.Request, body []byte) (Operation, error)
	Answer    func(v any) Response
	Refuse    func(r *Refusal, requestID string) Response
}

// A Response is an encoded answer.
type Response struct {
	Status int
	Header map[string]string
	Body   []byte
}

// Edge is the front of one simulated world. Its zero value is not usable.
type Edge struct {
	Faults *Faults
	Calls  *Recorder

	home     string
	requests atomic.Uint64
	mu       sync.Mutex
	owners   map[string]string // access key of a user to account
	sessions map[string]Principal
}

// New makes an edge where access keys that nobody bound belong to home.
func New(home string) *Edge {
	return &Edge{Faults: &Faults{}, Calls: &Recorder{}, home: home, owners: map[string]string{}, sessions: map[string]Principal{}}
}

// Own makes a long-lived access key sign as a user of an account.
func (e *Edge) Own(accessKey, account string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.owners[accessKey] = account
}

// Bind makes the access key of a session sign as p.
func (e *Edge) Bind(accessKey string, p Principal) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sessions[accessKey] = p
}

func (e *Edge) principal(s signature) Principal {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p, ok := e.sessions[s.accessKey]; ok {
		return p
	}
	in := Scope{Account: cmp.Or(e.owners[s.accessKey], e.home), Region: s.region}
	return Principal{
		Account: in.Account,
		ARN:     "arn:" + in.Partition() + ":iam::" + in.Account + ":user/simulated",
		UserID:  "AIDASIMULATED00000000",
	}
}

// Handler serves one service.
func (e *Edge) Handler(s Service) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := fmt.Sprintf("00000000-0000-4000-8000-%012d", e.requests.Add(1))
		response, action := e.answer(s, r, id)
		if !wait(r, e.Faults.delay()) {
			return
		}
		w.Header().Set("X-Amzn-Requestid", id)
		w.Header().Set("Date", e.Faults.clock().UTC().Format(http.TimeFormat))
		action.send(w, r, response)
	})
}

func (e *Edge) answer(s Service, r *http.Request, id string) (Response, Action) {
	v, action, err := e.run(s, r, id)
	if err != nil {
		return s.Refuse(refusalOf(err), id), action
	}
	return s.Answer(v), action
}

// run is the life of a call up to its encoding: who, what, may it, do it.
func (e *Edge) run(s Service, r *http.Request, id string) (any, Action, error) {
	sig, err := parseSignature(r)
	if err != nil {
		return nil, Action{}, err
	}
	body, err := readBody(r)
	if err != nil {
		return nil, Action{}, err
	}
	op, err := s.Route(r, body)
	if err != nil {
		return nil, Action{}, err
	}
	caller := e.principal(sig)
	call := Call{Scope: Scope{caller.Account, sig.region}, Caller: caller, RequestID: id}
	action, err := e.admit(s, op, call, sig.at)
	var v any
	if err == nil {
		call.LoopTokens = action.kind == repeatToken
		v, err = op.Run(call)
	}
	e.Calls.record(CallKey{call.Account, call.Region, s.Name, op.Name}, caller, append([]string{op.Action}, op.Also...), err)
	return v, action, err
}

// admit goes from what no retry can mend to what one can.
func (e *Edge) admit(s Service, op Operation, call Call, signed time.Time) (Action, error) {
	if err := e.Faults.permit(op, call, signed); err != nil {
		return Action{}, err
	}
	action := e.Faults.scripted(s.Name, op, call.Scope)
	if action.refusal != nil {
		return action, action.refusal
	}
	if !e.Faults.take(bucketKey{call.Scope, s.Name}, time.Now()) {
		return action, &s.Throttled
	}
	return action, nil
}

// A Refusal is an error that a service answers with. Services older than their
// JSON and CBOR protocols know most errors by a second, shorter code.
type Refusal struct {
	Status    int
	Code      string // such as ResourceNotFoundException
	QueryCode string // such as Throttling; empty when it equals Code
	Message   string
	Members   map[string]string // further members of the modelled error, such as clusterName
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Message }

// Query is the error's code in the query protocol.
func (r *Refusal) Query() string {
	if r.QueryCode != "" {
		return r.QueryCode
	}
	return r.Code
}

// Fault is the side to blame, as the query protocol spells it.
func (r *Refusal) Fault() string {
	if r.Status >= http.StatusInternalServerError {
		return "Receiver"
	}
	return "Sender"
}

func refusalOf(err error) *Refusal {
	var r *Refusal
	if errors.As(err, &r) {
		return r
	}
	return &Refusal{Status: http.StatusInternalServerError, Code: "InternalFailure", Message: err.Error()}
}

// maxBody bounds a request; the largest real one, 500 metric queries, is far
// below it.
const maxBody = 8 << 20

// readBody reads all of the request, also because net/http only notices a
// client that gives up once the body is read.
func readBody(r *http.Request) ([]byte, error) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		zipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, unreadable(err)
		}
		body = zipped
	}
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(body, maxBody+1))
	if err == nil && n > maxBody {
		err = errors.New("more than " + strconv.Itoa(maxBody) + " bytes")
	}
	if err != nil {
		return nil, unreadable(err)
	}
	return b.Bytes(), nil
}

func unreadable(err error) *Refusal {
	return &Refusal{Status: http.StatusBadRequest, Code: "SerializationException", QueryCode: "MalformedInput", Message: "The request cannot be read: " + err.Error()}
}
