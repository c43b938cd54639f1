package nodegrouprollout

import (
	"time"

	"github.com/eks-steward/eks-steward/internal/rollout"
)

var zero time.Time

// again is a step that waits for another attempt.
func (t task) again(st rollout.StepState) rollout.StepState {
	return rollout.StepState{Phase: rollout.Waiting, Attempt: st.Attempt, Failures: st.Failures, Told: st.Told}
}

// failed is a step that came to nothing. The blockers and failures of earlier
// attempts stay with it.
func (t task) failed(st rollout.StepState, why string) rollout.StepState {
	st.Phase, st.Why, st.Ended, st.Claim = rollout.Failed, why, t.now(), zero
	return st
}

// leftOut is a step in which nothing is to be done any more. Nobody has to hear of
// it on its own.
func (t task) leftOut(st rollout.StepState, why string) rollout.StepState {
	st.Phase, st.Why, st.Ended, st.Claim = rollout.LeftOut, why, t.now(), zero
	st.Told = rollout.LeftOut
	return st
}

// unseen is a step that was not found to be well. It may become so.
func (t task) unseen(st rollout.StepState, why string) rollout.StepState {
	if st.Shut.IsZero() {
		st.Shut = t.now()
	}
	st.Open, st.Why = zero, why
	return st
}
