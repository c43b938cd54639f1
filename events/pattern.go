package events

// Pattern is an EventBridge event pattern: a field matches when it has one of
// the listed values. Its JSON is what a rule takes.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
type Pattern struct {
	Source     []string       `json:"source"`
	DetailType []string       `json:"detail-type"`
	Detail     *DetailPattern `json:"detail,omitempty"`
}

// DetailPattern selects by the fields of the detail.
type DetailPattern struct {
	EventSource []string `json:"eventSource,omitempty"`
	EventName   []string `json:"eventName,omitempty"`
	ErrorCode   []Exists `json:"errorCode,omitempty"`
	Service     []string `json:"service,omitempty"`
	Capability  []string `json:"capability,omitempty"`

	Finding *FindingPattern `json:"finding,omitempty"`
}

// FindingPattern selects by the fields of the finding of an incident that moved.
type FindingPattern struct {
	Check []string `json:"check"`
}

// Exists matches a field by its being there.
type Exists struct {
	Exists bool `json:"exists"`
}

// The patterns of the product's rules. Each selects what Decode makes an event
// of, so that nothing is paid for that is then ignored.
var (
	// EKSCalls are the successful calls that any check depends on.
	EKSCalls = calls(sourceEKS, []string{typeAPICall}, endpointEKS, eksCalls)
	// EtcdSizeCalls are those of them that change which clusters there are, or
	// how large their etcd may become.
	EtcdSizeCalls = calls(sourceEKS, []string{typeAPICall}, endpointEKS, []string{CreateCluster, DeleteCluster, UpdateClusterConfig})
	// SecretsEncryptionCalls are those of them after which a cluster may need a key,
	// or has one.
	SecretsEncryptionCalls = calls(sourceEKS, []string{typeAPICall}, endpointEKS, []string{CreateCluster, UpdateClusterConfig, AssociateEncryptionConfig})
	// ClusterCheckCalls are all of them: a check looks at what each changes.
	ClusterCheckCalls = EKSCalls
	// AddonHealthEvents are what EKS itself says of add-ons.
	AddonHealthEvents = Pattern{Source: []string{sourceEKS}, DetailType: addonTypes}
	// KMSCalls hurt or heal a key.
	KMSCalls = calls(sourceKMS, []string{typeAPICall, typeServiceEvent}, endpointKMS, kmsCalls)
	// HealthEvents are about EKS.
	HealthEvents = Pattern{
		Source:     []string{sourceHealth},
		DetailType: []string{typeHealth},
		Detail:     &DetailPattern{Service: []string{healthService}},
	}
	// Findings are what our own bus carries of incidents.
	Findings = Pattern{
		Source:     []string{Source},
		DetailType: []string{typeFindingOpened, typeFindingChanged, typeFindingResolved},
	}
	// EncryptionFindings are those of them that say that a cluster's key is not the
	// one that it should have, or is not rotated.
	EncryptionFindings = Pattern{
		Source:     []string{Source},
		DetailType: []string{typeFindingOpened, typeFindingChanged},
		Detail:     &DetailPattern{Finding: &FindingPattern{Check: []string{EncryptionState}}},
	}
	// NodegroupRolloutFindings are those of them that say that nodes are old.
	NodegroupRolloutFindings = Pattern{
		Source:     []string{Source},
		DetailType: []string{typeFindingOpened, typeFindingChanged},
		Detail:     &DetailPattern{Finding: &FindingPattern{Check: []string{NodeFreshness}}},
	}
	// RolloutCommands are what people want of rollouts.
	RolloutCommands = Pattern{Source: []string{Source}, DetailType: []string{typeRolloutCommand}}
	// RolloutApprovals are the approvals of rollouts' plans.
	RolloutApprovals = Pattern{
		Source:     []string{Source},
		DetailType: []string{typePlanApproved},
		Detail:     &DetailPattern{Capability: []string{nodegroupRollout}},
	}
	// RolloutMoves are what our own bus carries of rollouts.
	RolloutMoves = Pattern{
		Source: []string{Source},
		DetailType: []string{
			typeRolloutStarted, typeRolloutGroupBegun, typeRolloutGroupCompleted, typeRolloutGroupFailed,
			typeRolloutHalted, typeRolloutPaused, typeRolloutResumed, typeRolloutCompleted, typeRolloutAborted,
		},
	}
)

// The ids of checks in package checks.
const (
	EncryptionState = "encryption-state"
	NodeFreshness   = "node-freshness"
)

// The capabilities whose plans people approve, as the plans name them.
const (
	secretsEncryption = "secrets-encryption"
	nodegroupRollout  = "nodegroup-rollout"
)

// calls selects the named calls that succeeded. The names alone would not do:
// Redshift has a CreateCluster too. That none of them only reads, the names say;
// older records do not.
func calls(source string, types []string, endpoint string, names []string) Pattern {
	return Pattern{
		Source:     []string{source},
		DetailType: types,
		Detail: &DetailPattern{
			EventSource: []string{endpoint},
			EventName:   names,
			ErrorCode:   []Exists{{false}},
		},
	}
}
