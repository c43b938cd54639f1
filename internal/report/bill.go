package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// bill is what extended support costs the fleet, in USD.
type bill struct {
	Lines                 []charge
	PerMonth, SoFar, Rest string
	PerMonthNow           string // of those that pay already
}

// charge is one cluster's share.
type charge struct {
	Name, Place, Version  string
	Since, Until          string
	PerMonth, SoFar, Rest string

	cost checks.ExtendedCost
}

// soon is how far ahead the end of standard support is part of the bill.
const soon = 180 * 24 * time.Hour

// billOf lists the clusters that pay for extended support, and those that will
// before long, by the day on which it begins.
func billOf(clusters []Cluster, now time.Time) bill {
	var b bill
	var all checks.ExtendedCost
	paying := 0.0
	for _, c := range clusters {
		cost, ok := costOf(c, now)
		if !ok {
			continue
		}
		b.Lines = append(b.Lines, chargeOf(c, cost))
		all.PerMonth += cost.PerMonth
		all.SoFar += cost.SoFar
		all.Rest += cost.Rest
		if !cost.Since.After(now) {
			paying += cost.PerMonth
		}
	}
	slices.SortStableFunc(b.Lines, func(x, y charge) int { return cmp.Or(x.cost.Since.Compare(y.cost.Since), cmp.Compare(x.Name, y.Name)) })
	b.PerMonth, b.SoFar, b.Rest, b.PerMonthNow = dollars(all.PerMonth), dollars(all.SoFar), dollars(all.Rest), dollars(paying)
	return b
}

// costOf is what a cluster pays or will pay soon, and false when that is nothing.
func costOf(c Cluster, now time.Time) (checks.ExtendedCost, bool) {
	s := c.Snapshot
	if !s.Cluster.Known() || s.Cluster.Value.Kind != fleet.KindEKS {
		return checks.ExtendedCost{}, false
	}
	row, ok := fleet.Supported(s.Versions.Value, s.Cluster.Value.Version)
	if !ok {
		return checks.ExtendedCost{}, false
	}
	cost := checks.Cost(s.Cluster.Value, row, c.Rules.VersionSupport, now)
	over := !cost.Until.After(now)
	return cost, cost.PerMonth > 0 && !cost.Since.IsZero() && cost.Since.Sub(now) <= soon && !over
}

func chargeOf(c Cluster, cost checks.ExtendedCost) charge {
	return charge{
		Name: c.Snapshot.ID.Name, Place: placeOf(c.Snapshot.ID), Version: c.Snapshot.Cluster.Value.Version,
		Since: cost.Since.UTC().Format(time.DateOnly), Until: cost.Until.UTC().Format(time.DateOnly),
		PerMonth: dollars(cost.PerMonth), SoFar: dollars(cost.SoFar), Rest: dollars(cost.Rest), cost: cost,
	}
}

// dollars groups thousands: 12,345.
func dollars(usd float64) string {
	digits := fmt.Sprintf("%.0f", usd)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return "$" + digits
}
