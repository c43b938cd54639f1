// Package config is the product's configuration: the run-time file that names
// what is watched and how strictly, and the environment that the deployment
// gives to each function. It decides what a good configuration is and which
// values hold for a cluster. It never reads a file, a bucket or the process
// environment, and it knows no YAML: package yamlfile turns text into the Node
// tree that Build judges, so that a function which only reads an accepted
// configuration links no YAML parser.
package config

import (
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// SchemaVersion is the version of the run-time file that this release reads.
const SchemaVersion = 1

// MaxBytes bounds the run-time file, so that what is accepted fits one item of
// the ledger (DynamoDB: 400 KB) together with its keys.
const MaxBytes = 350 << 10

// OwnCredentials as a role means that nothing is assumed.
const OwnCredentials = "none"

// File is the run-time file. Build and Decode return only valid ones. What each
// key means, its unit and its bounds stand in Keys.
type File struct {
	SchemaVersion     int               `json:"schemaVersion"`
	Accounts          []Account         `json:"targets"`
	EtcdSize          EtcdSize          `json:"etcdSize"`
	VersionSupport    VersionSupport    `json:"versionSupport"`
	SecretsEncryption SecretsEncryption `json:"secretsEncryption"`
	NodegroupRollout  NodegroupRollout  `json:"nodegroupRollout"`
	Waves             Waves             `json:"waves"`
	Notify            Notify            `json:"notify"`
	Mutes             []Mute            `json:"mutes"`
	Overrides         []Override        `json:"overrides"`

	name  string         // as told to Build
	lines map[string]int // by path, the line of every value that Explain may name
}

// Account is one account and its regions: as many targets as it has regions.
type Account struct {
	Account string   `json:"account"`
	Regions []string `json:"regions"`
	Role    string   `json:"role"` // ARN, OwnCredentials, or empty for the usual reader role
}

// EtcdSize are the thresholds of the check etcd-size. Its fields are those of
// etcdsize.Rules, in the same order, so that one converts to the other.
type EtcdSize struct {
	WarnPercent       float64       `json:"warnPercent"`
	CriticalPercent   float64       `json:"criticalPercent"`
	HysteresisPercent float64       `json:"hysteresisPercent"`
	WatchPercent      float64       `json:"watchPercent"`
	StandardLimitGB   float64       `json:"standardLimitGB"`
	StaleAfter        time.Duration `json:"staleAfter"`
	History           time.Duration `json:"history"`
	GrowthHorizon     time.Duration `json:"growthHorizon"`
}

// VersionSupport are the rules of the check version-support. Its fields are
// those of checks.VersionSupport, in the same order.
type VersionSupport struct {
	Reminders          []int   `json:"reminders"` // days before the end of a support, the most first
	StandardUSDPerHour float64 `json:"standardUSDPerHour"`
	ExtendedUSDPerHour float64 `json:"extendedUSDPerHour"`
}

// SecretsEncryption says which key must encrypt the secrets of a cluster, and how
// far eks-steward goes to have it so.
type SecretsEncryption struct {
	Require  string   `json:"require"`  // AnyKey, CustomerKey or ListedKeys
	Keys     []string `json:"keys"`     // with ListedKeys, and never else
	Mode     string   `json:"mode"`     // Report, Approve or Enforce
	KeyGuard string   `json:"keyGuard"` // Report or Enforce
}

// RequiredKey is the part of SecretsEncryption that the check encryption-state
// goes by. Its fields are those of checks.SecretsEncryption, in the same order.
type RequiredKey struct {
	Require string
	Keys    []string
}

// Which key must encrypt the secrets of a cluster.
const (
	AnyKey      = "any"          // one that AWS owns will do
	CustomerKey = "customer-key" // any key of a customer
	ListedKeys  = "keys"         // one of those in SecretsEncryption.Keys
)

// Override holds other rules for the clusters that it matches. Its sections are
// complete: what an override leaves out was taken from the file's own.
type Override struct {
	Match             Match             `json:"match"`
	EtcdSize          EtcdSize          `json:"etcdSize"`
	VersionSupport    VersionSupport    `json:"versionSupport"`
	SecretsEncryption SecretsEncryption `json:"secretsEncryption"`
	NodegroupRollout  NodegroupRollout  `json:"nodegroupRollout"`
}

// unmatched is the override that changes nothing.
func (f *File) unmatched() Override {
	return Override{
		EtcdSize: f.EtcdSize, VersionSupport: f.VersionSupport,
		SecretsEncryption: f.SecretsEncryption, NodegroupRollout: f.NodegroupRollout,
	}
}

// Match selects clusters. A list that is not given matches everything; all
// lists that are given must match.
type Match struct {
	Accounts []string `json:"accounts"`
	Regions  []string `json:"regions"`
	Names    []string `json:"names"` // patterns of path.Match
}

// Default is the configuration of a file that sets nothing. It watches nothing
// either: a file must name its targets.
func Default() *File {
	return &File{
		SchemaVersion: SchemaVersion,
		EtcdSize: EtcdSize{
			WarnPercent: 70, CriticalPercent: 85, HysteresisPercent: 5, WatchPercent: 50, StandardLimitGB: 8,
			StaleAfter: 20 * time.Minute, History: 6 * time.Hour, GrowthHorizon: 4 * time.Hour,
		},
		// https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html
		VersionSupport:    VersionSupport{Reminders: []int{180, 90, 60, 30, 14, 7, 1}, StandardUSDPerHour: 0.10, ExtendedUSDPerHour: 0.60},
		SecretsEncryption: SecretsEncryption{Require: AnyKey, Mode: Report, KeyGuard: Report},
		NodegroupRollout: NodegroupRollout{
			Mode: Report, WhenUnknown: Block, Calendar: NoCalendar, MinReleaseAge: 72 * time.Hour, Template: TemplateDefault,
			Bake: 30 * time.Minute, NodeTime: 5 * time.Minute,
		},
		Waves: Waves{
			Tag: "environment", Order: []string{"dev", "stage", "prod"}, Others: OthersLast, MaxClusters: 3, MaxGroups: 1,
			Bake: 24 * time.Hour, Longest: 30 * 24 * time.Hour,
		},
		Notify: Notify{
			DigestAbove: 5, MinSeverity: fleet.Warning, TimeZone: "UTC", SNS: SNSAlways, Slack: true,
			RemindCritical: day, RemindWarning: 7 * day, OwnerTag: "owner",
			Runbooks: "https://github.com/eks-steward/eks-steward/blob/main/docs/runbooks",
		},
	}
}
