package fleet

import (
	"encoding"
	"fmt"
	"time"
)

// A Finding is what one check says about one resource at one moment: what is
// there, what should be, and what to do. Its texts are for people and are
// complete sentences; Cause is for machines.
type Finding struct {
	Check    string    `json:"check"` // id of the check, such as etcd-size
	Cluster  ClusterID `json:"cluster"`
	Resource string    `json:"resource,omitempty"` // within the cluster; empty when it is the cluster itself
	Owner    string    `json:"owner,omitempty"`    // whose cluster it is, by its tag; empty where the tag is missing or was not read
	Outcome  Outcome   `json:"outcome"`
	Severity Severity  `json:"severity"` // of a Fail or Unknown; Info otherwise

	// Cause is a stable word for the kind of trouble (size, growth,
	// no-datapoint). Two findings of one incident with the same outcome,
	// severity and cause say the same thing, whatever their numbers are.
	Cause string `json:"cause,omitempty"`

	Title    string `json:"title"`              // one line, names the cluster
	Reason   string `json:"reason"`             // why this outcome; fit for a ticket
	Meaning  string `json:"meaning,omitempty"`  // what happens if nobody acts
	Observed string `json:"observed,omitempty"` // the value that was read
	Expected string `json:"expected,omitempty"` // the value that would pass
	Remedy   string `json:"remedy,omitempty"`   // what to do, in order
	Facts    []Fact `json:"facts,omitempty"`    // more numbers, in the order to show them

	// Approval is what a person can allow to have the remedy carried out; nil when
	// there is nothing to allow.
	Approval *Approval `json:"approval,omitempty"`
	// Progress is how far work of ours has come; nil when the finding is not about
	// any. A finding with progress is told whatever its severity.
	Progress *Progress `json:"progress,omitempty"`

	At time.Time `json:"at"` // when the state was read
}

// A Fact is one labelled value of a finding.
type Fact struct {
	Label string `json:"label"`
	Value string `json:"value"`
	// Lasting is of what only one look can know, such as who made the call that it
	// is about: an incident keeps the fact until it is over.
	Lasting bool `json:"lasting,omitempty"`
}

// An Approval asks a person to allow one plan.
type Approval struct {
	Plan    string    `json:"plan"`  // hash of the plan: what is allowed is this and nothing else
	Nonce   string    `json:"nonce"` // has to come back with a button; a new one with every time of asking
	Text    string    `json:"text"`  // what will be done, and that it cannot be taken back where that is so
	Expires time.Time `json:"expires"`
}

// Progress is how much of a piece of work is done, in parts of it.
type Progress struct {
	Done  int `json:"done"`
	Total int `json:"total"`
}

// Outcome is what a check concluded. The zero value is Unknown: what nobody
// decided is not healthy.
type Outcome int

// The outcomes. NotApplicable means the check has nothing to say here.
const (
	Unknown Outcome = iota
	Pass
	Fail
	NotApplicable
)

var outcomeNames = []string{"unknown", "pass", "fail", "not-applicable"}

func (o Outcome) String() string { return name(outcomeNames, int(o)) }

// MarshalText writes the outcome's word.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads the word that MarshalText writes.
func (o *Outcome) UnmarshalText(b []byte) error {
	i, err := index("outcome", outcomeNames, b)
	*o = Outcome(i)
	return err
}

// Severity says how soon somebody must act.
type Severity int

// The severities, mildest first.
const (
	Info     Severity = iota // worth knowing
	Warning                  // act in working hours
	Critical                 // act now
)

var severityNames = []string{"info", "warning", "critical"}

func (s Severity) String() string { return name(severityNames, int(s)) }

// MarshalText writes the severity's word.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word that MarshalText writes.
func (s *Severity) UnmarshalText(b []byte) error {
	i, err := index("severity", severityNames, b)
	*s = Severity(i)
	return err
}

var (
	_ encoding.TextUnmarshaler = (*Outcome)(nil)
	_ encoding.TextUnmarshaler = (*Severity)(nil)
)

func name(names []string, i int) string {
	if i < 0 || i >= len(names) {
		return fmt.Sprintf("invalid(%d)", i)
	}
	return names[i]
}

func index(kind string, names []string, b []byte) (int, error) {
	for i, n := range names {
		if n == string(b) {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%s %q is not one of %q", kind, b, names)
}
