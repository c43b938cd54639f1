package lambda

import (
	"encoding/json"
	"fmt"
	"time"
)

// fault is a failure that Lambda itself reports in a function's place.
type fault struct{ kind, message string }

func (f fault) Error() string { return f.kind + ": " + f.message }

func taskTimedOut(after time.Duration) fault {
	return fault{"Sandbox.Timedout", fmt.Sprintf("Task timed out after %.2f seconds", after.Seconds())}
}

// fail makes the result what Lambda answers in the function's place.
func (r *Result) fail(f fault) {
	r.FunctionError = "Unhandled"
	r.Payload, _ = json.Marshal(struct { // strings always marshal
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}{f.kind, fmt.Sprintf("RequestId: %s Error: %s", r.RequestID, f.message)})
}

// take makes the result what the function answered.
func (r *Result) take(said statement) {
	switch {
	case len(said.body) > maxPayload:
		r.fail(fault{"Function.ResponseSizeTooLarge", fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", maxPayload)})
	case said.failed:
		r.Payload, r.FunctionError = said.body, "Unhandled"
	default:
		r.Payload = said.body
	}
}
