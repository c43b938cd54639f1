package checks

import (
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// hoursPerMonth is what AWS multiplies an hourly price with for a month.
const hoursPerMonth = 730

// An ExtendedCost is what extended support of one cluster costs above standard
// support, in USD. All of it is zero for a cluster whose upgrade policy is not
// EXTENDED, and the amounts over time are zero where EKS gives no dates.
type ExtendedCost struct {
	PerMonth float64   // while it lasts
	SoFar    float64   // from Since to now
	Rest     float64   // from now, or from Since when that is still to come, to Until
	Since    time.Time // end of standard support; the cluster's creation when that is later
	Until    time.Time // end of extended support
}

// Cost is what a cluster pays, or will pay, if it stays on the version of row. A
// cluster with the upgrade policy STANDARD is upgraded instead (EKS User Guide,
// "Disable EKS extended support"), and what one that we do not know costs is
// unknown.
func Cost(c fleet.Cluster, row fleet.VersionSupport, r VersionSupport, now time.Time) ExtendedCost {
	if c.EffectiveSupport() != policyExtended {
		return ExtendedCost{}
	}
	perHour := r.ExtendedUSDPerHour - r.StandardUSDPerHour
	cost := ExtendedCost{PerMonth: perHour * hoursPerMonth}
	if row.EndOfStandard.IsZero() || row.EndOfExtended.IsZero() {
		return cost
	}
	cost.Since, cost.Until = row.EndOfStandard, row.EndOfExtended
	if c.CreatedAt.After(cost.Since) {
		cost.Since = c.CreatedAt
	}
	between := func(from, to time.Time) float64 { return perHour * max(to.Sub(from), 0).Hours() }
	whole := between(cost.Since, cost.Until)
	cost.SoFar = min(between(cost.Since, now), whole)
	cost.Rest = whole - cost.SoFar
	return cost
}
