// Package events is the vocabulary of the product: every message that a
// function can receive, the messages that the product sends to itself and to
// its users' rules, and the EventBridge patterns that select them. Decode turns
// bytes into one of the types below and refuses everything else. It never
// trusts what it reads: an event says where to look, not what is there.
package events

import (
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Event is one decoded message: *Tick, *TargetScan, *IncidentMoved, *PendingNotices,
// *PlanApproved, *PlanRollout, *RolloutCommand, *RolloutMoved, *EKSCall, *KMSCall,
// *AddonHealth or *Health.
type Event interface {
	// Head is what every event carries.
	Head() Header
}

// Header is what all events share.
type Header struct {
	ID      string    // unique per event; redeliveries repeat it
	Account string    // the account that the event speaks about; may be empty where the event is about none
	Region  string    // the region that the event speaks about; likewise
	Time    time.Time // when it happened, not when it arrived; UTC
}

// Head returns the header itself, so that embedding it makes an Event.
func (h Header) Head() Header { return h }

// Tick is the beat of a schedule.
type Tick struct {
	Header  `json:"-"`
	Cadence Cadence `json:"cadence"`
}

// Cadence names a schedule.
type Cadence string

// The schedules of the product.
const (
	Hourly      Cadence = "hourly"       // every target
	FiveMinutes Cadence = "five-minutes" // watch lists, follow-ups, outbox
	Daily       Cadence = "daily"        // every check of every cluster
)

// Interval is the time between two ticks; zero for an unknown cadence.
func (c Cadence) Interval() time.Duration {
	switch c {
	case Hourly:
		return time.Hour
	case FiveMinutes:
		return 5 * time.Minute
	case Daily:
		return 24 * time.Hour
	}
	return 0
}

// TargetScan asks a function to look at one target.
type TargetScan struct {
	Header  `json:"-"`   // account and region are the target's
	Cadence Cadence      `json:"cadence"` // of the tick behind it
	Target  fleet.Target `json:"target"`
	// Clusters narrows the scan to these; empty means every cluster there is.
	Clusters []string `json:"clusters,omitempty"`
	// Update is the id of a change of the one cluster's control plane, to follow
	// to its end.
	Update string `json:"update,omitempty"`
}

// IncidentMoved says that an incident was opened, changed or resolved. It names
// the incident; what is true of it is in the ledger.
type IncidentMoved struct {
	Header        `json:"-"`     // account and region are the cluster's
	SchemaVersion int            `json:"schemaVersion"` // Message and Entry always write SchemaVersion
	Incident      string         `json:"incident"`      // incident.ID
	Transition    string         `json:"transition"`    // opened, changed, resolved
	Revision      int            `json:"revision"`
	Severity      fleet.Severity `json:"severity"`
	Finding       fleet.Finding  `json:"finding"`
}

// PendingNotices asks notify to tell whatever is still untold.
type PendingNotices struct {
	Header `json:"-"`
}

// PlanApproved says that somebody allowed a plan. It says where to look: whether
// the plan is approved is in the ledger.
type PlanApproved struct {
	Header     `json:"-"`      // account and region are the cluster's
	Plan       string          `json:"plan"`       // hash
	Capability string          `json:"capability"` // that made the plan: secrets-encryption, nodegroup-rollout
	Cluster    fleet.ClusterID `json:"cluster"`    // without a name when the plan is about many
	By         string          `json:"by"`         // for people
	Via        string          `json:"via"`        // ViaSlack or ViaCommandLine
}

// How a plan can be approved.
const (
	ViaSlack       = "slack"
	ViaCommandLine = "command line"
)

// EKSCall is a call of the EKS API that CloudTrail saw succeed.
type EKSCall struct {
	Header
	Call      string // CreateCluster, DeleteCluster, ...
	Cluster   string // grammar checked; empty when the record leaves it out: look at the whole region
	Update    string // id of the change that the call began; empty when the record has none
	Principal string // ARN of the role behind the session, else of the caller; empty when the record has neither
}

// KMSCall is a call of the KMS API that can hurt or heal a key.
type KMSCall struct {
	Header
	Call      string
	Keys      []string // ARNs, sorted; empty when the record names none: look at every key of the region
	Principal string   // as of an EKSCall, else what else is known of the caller: an account, or the name of a service
}

// AddonHealth is what EKS itself says of an add-on: that it was created, updated
// or deleted, that it could not be, that it degraded or is well again.
type AddonHealth struct {
	Header
	Cluster string // grammar checked; empty when the event does not say: look at the whole region
}

// Health is an AWS Health event about EKS. An organisation's view receives those
// of other accounts: the header names the affected account and region.
type Health struct {
	Header
	Notice   string    // ARN of the event, which all its updates share; the header's id when not said
	TypeCode string    // such as AWS_EKS_PLANNED_LIFECYCLE_EVENT
	Category string    // issue, scheduledChange, accountNotification
	Status   string    // open, closed, upcoming; empty when not said
	Start    time.Time // zero when not said
	End      time.Time // zero when not said
	Entities []string  // ARNs or names of what is affected, unchecked: compare, never request
	Resolved []string  // likewise, of what the event named before and affects no longer
	Text     string    // the English description, unchecked: for people
}
