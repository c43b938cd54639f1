package config

import "time"

// NodegroupRollout says when the nodes of a cluster's nodegroups are renewed, and
// how far eks-steward goes in it.
type NodegroupRollout struct {
	Mode          string              `json:"mode"`        // Report, Approve or Enforce
	WhenUnknown   string              `json:"whenUnknown"` // Block or Proceed
	Windows       []MaintenanceWindow `json:"windows"`     // none means at any time
	Freezes       []Freeze            `json:"freezes"`
	Calendar      string              `json:"calendar"`      // name or ARN of an SSM Change Calendar, or NoCalendar
	Alarms        []string            `json:"alarms"`        // names, of CloudWatch
	MinReleaseAge time.Duration       `json:"minReleaseAge"` // of an AMI
	MaxNodeAge    time.Duration       `json:"maxNodeAge"`    // 0 is no bound
	Template      string              `json:"template"`      // TemplateDefault, TemplateLatest or TemplateIgnore
	Bake          time.Duration       `json:"bake"`          // after each nodegroup
	NodeTime      time.Duration       `json:"nodeTime"`
	ForceAfter    int                 `json:"forceAfter"`  // failures; 0 is never
	ForceGroups   []string            `json:"forceGroups"` // patterns of path.Match over cluster/group, with ForceAfter and never else
}

// What becomes of a nodegroup when something about Kubernetes could not be read.
const (
	Block   = "block"   // it is not begun
	Proceed = "proceed" // it is begun, and that is said
)

// NoCalendar as a calendar means that none has to be open.
const NoCalendar = "none"

// Which version of a launch template nodes should have.
const (
	TemplateDefault = "default"
	TemplateLatest  = "latest"
	TemplateIgnore  = "ignore"
)

// MaintenanceWindow is when nodegroups may be begun. Its fields are those of
// window.Window, in the same order.
type MaintenanceWindow struct {
	Cron     string        `json:"cron"`
	Duration time.Duration `json:"duration"`
	Zone     string        `json:"timeZone"`
}

// Freeze is when nothing may be begun. Its fields are those of window.Freeze, in
// the same order.
type Freeze struct {
	From   string `json:"from"` // such as 2026-12-18
	To     string `json:"to"`   // the last day
	Zone   string `json:"timeZone"`
	Reason string `json:"reason"`
}

// Waves say in which order the clusters of the fleet get new nodes. Its fields are
// those of rollout.Waves, in the same order.
type Waves struct {
	Tag         string        `json:"tag"`   // of clusters
	Order       []string      `json:"order"` // values of the tag
	Others      string        `json:"others"`
	MaxClusters int           `json:"maxClusters"`
	MaxGroups   int           `json:"maxGroups"` // in each of them
	Bake        time.Duration `json:"bake"`      // between waves
	Longest     time.Duration `json:"longest"`
}

// What becomes of the clusters whose tag names no wave.
const (
	OthersLast  = "last"  // a wave of their own after all others
	OthersNever = "never" // left alone
)
