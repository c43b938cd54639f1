package fleet

import (
	"errors"
	"fmt"
)

// Trouble is why something could not be read or done. Adapters return it so that
// deciders can say what is wrong without knowing AWS's error types.
type Trouble struct {
	Kind   TroubleKind
	Action string // the IAM action of the call, such as eks:ListClusters
	Err    error  // what the service answered
}

// TroubleKind sorts failures by what a person would do about them.
type TroubleKind string

// The kinds of trouble.
const (
	Gone           TroubleKind = "gone"            // the resource no longer exists
	Denied         TroubleKind = "denied"          // IAM refused the action
	Unreachable    TroubleKind = "unreachable"     // the role could not be assumed
	RegionDisabled TroubleKind = "region-disabled" // not opted in, or denied by an SCP
	Throttled      TroubleKind = "throttled"       // still throttled after every retry
	LoopingPages   TroubleKind = "looping-pages"   // the service repeated a page token
	Private        TroubleKind = "private"         // the API server has no public endpoint
	ClockSkew      TroubleKind = "clock-skew"      // the signature's time was refused twice
	Busy           TroubleKind = "busy"            // another update of the resource is under way
	Refused        TroubleKind = "refused"         // the service understood the request and declines it
	Failed         TroubleKind = "failed"          // anything else: outage, network, bad answer
)

func (t *Trouble) Error() string { return fmt.Sprintf("%s (%s): %v", t.Action, t.Kind, t.Err) }

func (t *Trouble) Unwrap() error { return t.Err }

// Is makes errors.Is(err, fleet.Gone) work for any wrapped Trouble.
func (t *Trouble) Is(target error) bool {
	kind, ok := target.(TroubleKind)
	return ok && t.Kind == kind
}

// Passes reports whether the trouble may be over when the same is asked again.
func (t *Trouble) Passes() bool {
	return !errors.Is(t, Denied) && !errors.Is(t, Unreachable) && !errors.Is(t, RegionDisabled)
}

func (k TroubleKind) Error() string { return string(k) }

// TroubleOf finds the Trouble in err, or wraps err as one of kind Failed.
func TroubleOf(err error) *Trouble {
	var t *Trouble
	if errors.As(err, &t) {
		return t
	}
	return &Trouble{Kind: Failed, Err: err}
}
