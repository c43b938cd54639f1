// Package etcdsize decides how close a cluster's etcd is to its limit: how full
// it is, how fast it grows, when it would be full. An etcd at its limit refuses
// every write, which turns the whole cluster read-only.
//
// Scan collects what the decision needs in as few calls as AWS allows; Decide
// and everything below it are functions over values. Nothing here stores,
// notifies or changes anything.
package etcdsize

import (
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Check is the id of the finding about one cluster.
const Check = "etcd-size"

// AccessCheck is the id of the finding about a target as a whole: whether it
// could be read, and read to the end.
const AccessCheck = "target-access"

// The causes of a finding. Two findings with the same cause, outcome and
// severity say the same thing.
const (
	CauseFilling     = "filling"       // at, or soon at, a threshold
	CauseNoDatapoint = "no-datapoint"  // CloudWatch has nothing, or nothing fresh
	CauseNoLimit     = "limit-unknown" // the cluster's limit could not be read
	CauseDeleted     = "deleted"
	// CauseTarget marks a cluster that is unknown only because its target is:
	// the target's own finding says it once for all of them.
	CauseTarget = "target"
)

// Rules are the thresholds for one cluster, in percent of its own limit.
type Rules struct {
	WarnPercent       float64       // from here on a finding
	CriticalPercent   float64       // from here on a critical one
	HysteresisPercent float64       // points below a threshold before a finding is let go
	WatchPercent      float64       // from here on looked at every five minutes
	StandardLimitGB   float64       // limit when EKS lists none for the standard tier
	StaleAfter        time.Duration // age at which the newest datapoint says nothing any more
	History           time.Duration // how far back sizes are read
	GrowthHorizon     time.Duration // predicted full within this time is a finding
}

// fullPercent is critical whatever the live data say, as in the etcd project's
// own alert etcdDatabaseQuotaLowSpace.
const fullPercent = 95

// settling is how long that, and a prediction, must hold: one odd datapoint is
// no finding (the etcd alerts use the same ten minutes).
const settling = 10 * time.Minute

// Reading is all that was seen of one cluster.
type Reading struct {
	Cluster fleet.ClusterID
	Size    fleet.Series
	InUse   fleet.Series // asked for only above the warning line
	// Described is nil when nothing made it necessary to ask.
	Described *fleet.Cluster
	// Trouble is why Described is nil although it was asked for.
	Trouble *fleet.Trouble
	// Asked says that the newest size is from the cluster's own API server,
	// since CloudWatch had none; NotAsked is why it is not, as a sentence.
	Asked    bool
	NotAsked string
}

// limit is the reading's own limit in bytes. A cluster that nobody described is
// far below every threshold of the smallest limit, so that one serves.
func (r Reading) limit(limits fleet.Limits) (int64, bool) {
	if r.Described == nil {
		return limits.Smallest(), r.Trouble == nil
	}
	return limits.Of(r.Described.Tier)
}

// fresh is the newest size, unless it is too old to say anything about now.
func (r Reading) fresh(rules Rules, now time.Time) (fleet.Point, bool) {
	return freshest(r.Size, rules, now)
}

func freshest(s fleet.Series, rules Rules, now time.Time) (fleet.Point, bool) {
	p, ok := s.Last()
	return p, ok && now.Sub(p.At) <= rules.StaleAfter
}
