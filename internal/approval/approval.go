// Package approval decides whose word counts for a plan or a rollout: a request
// that Slack signed, from a user who may approve, or a message of a person whom AWS
// vouches for. It never decides whether the plan still holds or the rollout can
// obey: the ledger does, and the function that carries it out reads the cluster
// again.
package approval

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/eks-steward/eks-steward/events"
)

// QueueName is the name of the queue for approvals in the account of the
// deployment. It is fixed, so that a person needs to know no more than the plan.
const QueueName = "eks-steward-approvals"

// A Word is what lies in the queue: somebody approves of a plan, or wants something
// of a rollout.
type Word struct {
	Plan    string   `json:"plan,omitempty"`    // its hash, or how that begins
	Slack   *Press   `json:"slack,omitempty"`   // only the function itself may speak for users of Slack
	Rollout *Command `json:"rollout,omitempty"` // without a plan, and never from Slack
}

// A Voice is who approves, and in which way.
type Voice struct {
	By    string // id that AWS or Slack vouches for
	Via   string // events.ViaSlack or events.ViaCommandLine
	Nonce string // of the button that was pressed; empty for a person whom AWS vouches for
}

// The reasons why a message of the queue does not count.
var (
	ErrNobody   = errors.New("SQS does not say who sent the approval")
	ErrPretends = errors.New("only eks-steward itself may say what somebody pressed in Slack: approve with steward approve")
	ErrNoPress  = errors.New("the approval names nobody: eks-steward itself cannot approve")
)

// Parse reads a message of the queue. What it does not know it refuses: an
// approval that means more than is understood must not count.
func Parse(message []byte) (Word, error) {
	var w Word
	d := json.NewDecoder(bytes.NewReader(message))
	d.DisallowUnknownFields()
	if err := d.Decode(&w); err != nil {
		return Word{}, errors.New(`the approval is no JSON of the form {"plan": "..."} or {"rollout": {...}}: send it with steward approve or steward rollout`)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Word{}, errors.New("something follows the approval: want one JSON object")
	}
	if w.Rollout != nil {
		if w.Plan != "" || w.Slack != nil {
			return Word{}, errors.New("a command for a rollout comes alone: without a plan, and not from Slack")
		}
		return w, w.Rollout.valid()
	}
	if err := ValidPlan(w.Plan); err != nil {
		return Word{}, err
	}
	if w.Slack != nil && (w.Slack.Plan != w.Plan || !isNonce(w.Slack.Nonce) || w.Slack.User == "") {
		return Word{}, errors.New("the approval from Slack is not complete")
	}
	return w, nil
}

// Message is the word as Parse reads it back.
func (w Word) Message() ([]byte, error) {
	b, err := json.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("encode what is to be sent: %w", err)
	}
	if _, err := Parse(b); err != nil {
		return nil, err
	}
	return b, nil
}

// Voice says who speaks. sender is what SQS says of the sender, which nobody can
// choose: the id of a user, or of a role with the session's name
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids).
// self is what SQS says when the function itself sends.
func (w Word) Voice(sender, self string) (Voice, error) {
	switch {
	case sender == "" || self == "":
		return Voice{}, ErrNobody
	case sender == self && w.Slack == nil:
		return Voice{}, ErrNoPress
	case sender == self:
		return Voice{By: w.Slack.Who(), Via: events.ViaSlack, Nonce: w.Slack.Nonce}, nil
	case w.Slack != nil:
		return Voice{}, ErrPretends
	}
	return Voice{By: sender, Via: events.ViaCommandLine}, nil
}

// The lengths of a plan's hash, a SHA-256 in hexadecimal digits: whole, and what
// a person has to type of it at least.
const (
	wholePlan = 64
	shortPlan = 12
)

// ValidPlan refuses what is neither the hash of a plan nor the beginning of one.
func ValidPlan(s string) error {
	if len(s) < shortPlan || len(s) > wholePlan || strings.Trim(s, "0123456789abcdef") != "" {
		return fmt.Errorf("%q is no plan: want the hexadecimal digits that the message names, the first %d of them or more", cut(s), shortPlan)
	}
	return nil
}

// Short is a plan as a person types it.
func Short(plan string) string { return plan[:min(len(plan), shortPlan)] }

// A nonce has at least 16 and at most 128 letters and digits.
func isNonce(s string) bool {
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return false
		}
	}
	return len(s) >= 16 && len(s) <= 128
}

// cut keeps what a stranger wrote short.
func cut(s string) string {
	const most = 80
	for i := range s {
		if i >= most {
			return s[:i] + "..."
		}
	}
	return s
}
