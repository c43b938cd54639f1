package edge

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Faults is how a world misbehaves. Everything may be changed while calls are
// being served. Retries of the SDK are calls of their own.
type Faults struct {
	mu       sync.Mutex
	latency  time.Duration
	skew     time.Duration
	disabled []Scope
	denied   []Scope
	steps    []*Step
	rate     float64
	burst    int
	buckets  map[bucketKey]*bucket
}

// Latency delays every answer by d.
func (f *Faults) Latency(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.latency = d
}

// Throttle gives every service of every (account, region) a token bucket of
// burst calls, refilled at perSecond. A burst of zero takes the buckets away.
func (f *Faults) Throttle(perSecond float64, burst int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rate, f.burst, f.buckets = perSecond, burst, map[bucketKey]*bucket{}
}

// DisableRegion makes a region answer as one that the account has not opted in
// to: no credentials are known there. An empty account means all of them.
func (f *Faults) DisableRegion(account, region string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.disabled = append(f.disabled, Scope{account, region})
}

// DenyByPolicy makes a service control policy deny every action in a region. An
// empty account means all of them.
func (f *Faults) DenyByPolicy(account, region string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.denied = append(f.denied, Scope{account, region})
}

// ClockSkew moves the services' clock by d against the machine's. Signatures
// more than five minutes off are refused, and Date headers tell the services'
// time, so that an SDK can correct itself.
func (f *Faults) ClockSkew(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.skew = d
}

// Script adds steps. Where several match a call the first one acts; each counts
// the calls it matches for itself.
func (f *Faults) Script(steps ...Step) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range steps {
		s.seen = 0
		f.steps = append(f.steps, &s)
	}
}

// Clear mends everything.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.latency, f.skew, f.rate, f.burst = 0, 0, 0, 0
	f.disabled, f.denied, f.steps, f.buckets = nil, nil, nil, nil
}

// A Step says which calls to break, and how. Empty fields match anything.
type Step struct {
	Service   string // signing name: eks, monitoring, sts
	Operation string
	Account   string
	Region    string
	Cluster   string // among the clusters that the call is about
	Nth       int    // the first matching call to break, counted from 1; zero means 1
	Times     int    // how many calls to break from there; zero means 1, Always means all
	Do        Action

	seen int
}

// Always is a Step's Times for a fault that stays.
const Always = -1

func (s *Step) matches(service string, op Operation, scope Scope) bool {
	return is(s.Service, service) && is(s.Operation, op.Name) && is(s.Account, scope.Account) &&
		is(s.Region, scope.Region) && (s.Cluster == "" || slices.Contains(op.Clusters, s.Cluster))
}

func is(want, got string) bool { return want == "" || want == got }

// acts counts a matching call and says whether the step breaks it.
func (s *Step) acts() bool {
	s.seen++
	since := s.seen - max(s.Nth, 1)
	return since >= 0 && (s.Times == Always || since < max(s.Times, 1))
}

func (f *Faults) scripted(service string, op Operation, scope Scope) Action {
	f.mu.Lock()
	defer f.mu.Unlock()
	var first Action
	for _, s := range f.steps {
		if s.matches(service, op, scope) && s.acts() && first.kind == none {
			first = s.Do
		}
	}
	return first
}

func (f *Faults) delay() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.latency
}

// clock is the services' time. It follows the machine and not the world's
// injected clock, because the SDK signs with the machine's.
func (f *Faults) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Now().Add(f.skew)
}

// maxSkew is how far a signature's time may be off: "Signature expired" in the
// IAM user guide.
const maxSkew = 5 * time.Minute

// permit refuses what the whole region would refuse.
func (f *Faults) permit(op Operation, call Call, signed time.Time) error {
	if now := f.clock(); !signed.IsZero() && signed.Sub(now).Abs() > maxSkew {
		return skewed(signed, now)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if covers(f.disabled, call.Scope) {
		return &Refusal{Status: http.StatusForbidden, Code: "UnrecognizedClientException", QueryCode: "InvalidClientTokenId", Message: "The security token included in the request is invalid."}
	}
	if covers(f.denied, call.Scope) {
		return forbidden(op, call, "with an explicit deny in a service control policy")
	}
	return nil
}

func covers(scopes []Scope, s Scope) bool {
	return slices.ContainsFunc(scopes, func(x Scope) bool {
		return x.Region == s.Region && is(x.Account, s.Account)
	})
}

// forbidden is IAM's refusal of an operation, with the reason as IAM words it.
func forbidden(op Operation, call Call, why string) *Refusal {
	resource := op.Resource
	if resource != "*" && resource != "" {
		service, _, _ := strings.Cut(op.Action, ":")
		resource = call.ARN(service, resource)
	}
	return &Refusal{
		Status: http.StatusForbidden, Code: "AccessDeniedException", QueryCode: "AccessDenied",
		Message: fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s %s", call.Caller.ARN, op.Action, resource, why),
	}
}

func skewed(signed, now time.Time) *Refusal {
	const stamp = "20060102T150405Z"
	word, bound := "Signature expired: %s is now earlier than %s (%s - 5 min.)", now.Add(-maxSkew)
	if signed.After(now) {
		word, bound = "Signature not yet current: %s is still later than %s (%s + 5 min.)", now.Add(maxSkew)
	}
	return &Refusal{
		Status: http.StatusForbidden, Code: "InvalidSignatureException", QueryCode: "SignatureDoesNotMatch",
		Message: fmt.Sprintf(word, signed.UTC().Format(stamp), bound.UTC().Format(stamp), now.UTC().Format(stamp)),
	}
}
