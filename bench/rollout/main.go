// Command rollout has a simulated fleet of 300 clusters with 2,000 nodegroups kept
// fresh for a quarter, five minutes at a time on a clock that is moved by hand, and
// prints what that took of Lambda, AWS APIs and the ledger, and what it would cost.
// Dispatch and nodegrouprollout are the real ones, over the SDK as it is. It judges
// nothing but that every rollout goes well.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"time"

	"github.com/eks-steward/eks-steward/events"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := start(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rollout:", err)
		os.Exit(1)
	}
}

// file is the run-time file, less how many clusters and groups may be under way.
const file = `
schemaVersion: 1
targets:
  - {account: "111122223333", regions: [eu-central-1, eu-west-1]}
  - {account: "222233334444", regions: [eu-central-1, eu-west-1]}
  - {account: "333344445555", regions: [eu-central-1, eu-west-1]}
nodegroupRollout:
  mode: enforce
  whenUnknown: proceed # the simulated clusters have no API server
  windows: [{cron: "0 22 * * TUE-THU", duration: 6h, timeZone: Europe/Berlin}]
  freezes: [{from: "2026-12-18", to: "2027-01-03", timeZone: Europe/Berlin, reason: holidays}]
  alarms: [checkout-5xx]
  calendar: change-freeze
waves: {maxClusters: %d, maxGroups: %d, longest: 1440h}
`

func start(ctx context.Context) error {
	weeks := flag.Int("weeks", 13, "how long to keep the fleet fresh; one week has no upgrade of a control plane")
	flag.Parse()
	if *weeks < 1 {
		return fmt.Errorf("-weeks is %d: want at least 1", *weeks)
	}
	debug.SetGCPercent(800) // there is little to keep, and much that is read and forgotten
	if err := quarter(ctx, *weeks); err != nil {
		return err
	}
	return compare(ctx)
}

func quarter(ctx context.Context, weeks int) error {
	const maxClusters, maxGroups = 30, 2
	p, err := newProduct(size{300, twoThousand}, maxClusters, maxGroups)
	if err != nil {
		return err
	}
	defer p.server.Close()
	for end := begin.Add(time.Duration(weeks) * week); p.now().Before(end); {
		if err := p.pass(ctx); err != nil {
			return err
		}
	}
	fmt.Printf("%d clusters in %d targets, %d nodegroups, %d weeks; up to %d clusters with %d groups each under way\n",
		len(p.clusters), len(targets()), p.groups, weeks, maxClusters, maxGroups)
	tellMonth(p.runs, time.Duration(weeks)*week)
	tellRollouts(p.runs)
	tellTicks(p.runs)
	return nil
}

// compare has two fleets renew their first groups with the same number under way.
func compare(ctx context.Context) error {
	const maxClusters, maxGroups = 3, 2
	fmt.Printf("\nthe first night with up to %d clusters and %d groups each under way\n", maxClusters, maxGroups)
	for _, clusters := range []int{30, 300} {
		p, err := newProduct(size{clusters, twoThousand}, maxClusters, maxGroups)
		if err != nil {
			return err
		}
		defer p.server.Close()
		if err := p.night(ctx, 4*time.Hour); err != nil {
			return err
		}
		fmt.Printf("  in a fleet of %d clusters with %d nodegroups\n", clusters, p.groups)
		tellTicks(p.runs)
	}
	return nil
}

// opens is when the first window does, at 22:00 in Berlin.
var opens = begin.Add(day + 20*time.Hour)

// night makes a plan an hour before the first window, and goes on for so long into
// it.
func (p *product) night(ctx context.Context, long time.Duration) error {
	p.set(opens.Add(-time.Hour))
	if err := p.check(ctx); err != nil {
		return err
	}
	if err := p.tick(ctx, events.Daily); err != nil {
		return err
	}
	for p.now().Before(opens.Add(long)) {
		if err := p.pass(ctx); err != nil {
			return err
		}
	}
	return nil
}
