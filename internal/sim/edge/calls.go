package edge

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
)

// A CallKey is what calls are counted by.
type CallKey struct{ Account, Region, Service, Operation string }

// A Count sorts calls by how they ended. A call that was answered badly on
// purpose, such as with half a body, counts as served.
type Count struct{ Served, Throttled, Refused int }

// Total is every call, however it ended.
func (c Count) Total() int { return c.Served + c.Throttled + c.Refused }

// Calls is a copy of the counts at one moment.
type Calls map[CallKey]Count

// Of sums the counts of one operation over all accounts and regions.
func (c Calls) Of(operation string) Count {
	var sum Count
	for k, n := range c {
		if k.Operation == operation {
			sum.Served += n.Served
			sum.Throttled += n.Throttled
			sum.Refused += n.Refused
		}
	}
	return sum
}

// A Recorder counts calls and remembers which IAM actions each role needed. Its
// zero value is ready.
type Recorder struct {
	mu      sync.Mutex
	calls   Calls
	actions map[string]map[string]bool
}

func (r *Recorder) record(k CallKey, by Principal, actions []string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calls == nil {
		r.calls, r.actions = Calls{}, map[string]map[string]bool{}
	}
	n := r.calls[k]
	switch {
	case err == nil:
		n.Served++
	case throttle(refusalOf(err).Code):
		n.Throttled++
	default:
		n.Refused++
	}
	r.calls[k] = n
	who := cmp.Or(by.Role, by.ARN)
	if r.actions[who] == nil {
		r.actions[who] = map[string]bool{}
	}
	for _, a := range actions {
		r.actions[who][a] = true
	}
}

func throttle(code string) bool {
	return strings.HasPrefix(code, "Throttl") || code == "TooManyRequestsException" || code == "RequestLimitExceeded"
}

// Calls is what was counted since the last Reset.
func (r *Recorder) Calls() Calls {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := maps.Clone(r.calls)
	if c == nil {
		c = Calls{}
	}
	return c
}

// Actions lists the IAM actions that were asked for, allowed or not, by the ARN
// of the role behind the session, or of the user where there was no role.
func (r *Recorder) Actions() map[string][]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string][]string{}
	for who, set := range r.actions {
		out[who] = slices.Sorted(maps.Keys(set))
	}
	return out
}

// Reset forgets calls and actions.
func (r *Recorder) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls, r.actions = nil, nil
}
