package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/events"
)

// Prices in USD of us-east-1 in November 2026, without free tiers; see docs/cost.md.
const (
	gigabyteSecond = 0.0000133334 // Lambda, arm64
	invocation     = 0.20 / 1e6
	message        = 3 * 0.40 / 1e6 // SQS: it is sent, received and deleted
	customEvent    = 1.00 / 1e6
	readPrice      = 0.125 / 1e6 // of a read unit of DynamoDB, on demand
	writePrice     = 0.625 / 1e6
	metric         = 0.01 / 1e3 // of GetMetricData, and a call of DescribeAlarms
)

// How long a run takes is not simulated. Every call is taken to wait for the one
// before, though many are made at once.
const (
	memoryGB   = 0.5
	perRun     = 200 * time.Millisecond
	perCall    = 100 * time.Millisecond
	perRequest = 10 * time.Millisecond // of DynamoDB
)

// A sum is what several runs took.
type sum struct {
	runs   int // invocations of nodegrouprollout
	calls  map[string]int
	events int
	records
}

func sumOf(runs []run) sum {
	s := sum{calls: map[string]int{}}
	for _, r := range runs {
		if r.event != "" {
			s.runs++
		}
		for action, n := range r.calls {
			s.calls[action] += n
		}
		s.events += r.events
		s.add(r.records)
	}
	return s
}

func (s sum) all() int {
	n := 0
	for _, calls := range s.calls {
		n += calls
	}
	return n
}

func (s sum) began() int { return s.calls["eks:UpdateNodegroupVersion"] }

// lasted is for how long Lambda runs.
func (s sum) lasted() time.Duration {
	return time.Duration(s.runs)*perRun + time.Duration(s.all())*perCall + time.Duration(s.reads+s.writes)*perRequest
}

// An item is one line of a bill.
type item struct {
	what string
	usd  float64
}

func (s sum) bill() []item {
	return []item{
		{"Lambda, arm64, 512 MB", s.lasted().Seconds()*memoryGB*gigabyteSecond + float64(s.runs)*invocation},
		{"SQS", float64(s.runs) * message},
		{"DynamoDB, on demand", s.readUnits*readPrice + s.writeUnits*writePrice},
		{"EventBridge, custom events", float64(s.events) * customEvent},
		{"GetMetricData, DescribeAlarms", float64(s.calls["cloudwatch:GetMetricData"]+s.calls["cloudwatch:DescribeAlarms"]) * metric},
		{"other calls of AWS APIs", 0},
	}
}

func (s sum) usd() float64 {
	total := 0.0
	for _, i := range s.bill() {
		total += i.usd
	}
	return total
}

// tellMonth prints what a month of 30 days took on average.
func tellMonth(runs []run, of time.Duration) {
	share := float64(30*day) / float64(of)
	s := sumOf(runs)
	line := func(what string, n float64) { fmt.Printf("    %-38s %12.0f\n", what, n*share) }
	fmt.Println("  in a month of 30 days")
	byEvent := map[string]int{}
	for _, r := range runs {
		byEvent[r.event]++
	}
	delete(byEvent, "")
	line("invocations of nodegrouprollout", float64(s.runs))
	for _, event := range slices.Sorted(maps.Keys(byEvent)) {
		line("  for "+event, float64(byEvent[event]))
	}
	line("calls of AWS APIs", float64(s.all()))
	for _, action := range slices.Sorted(maps.Keys(s.calls)) {
		line("  "+action, float64(s.calls[action]))
	}
	line("reads of the ledger", float64(s.reads))
	line("  units of 4 KB", s.readUnits)
	line("writes of the ledger", float64(s.writes))
	line("  units of 1 KB", s.writeUnits)
	line("events on the bus", float64(s.events))
	line("seconds of Lambda, by assumption", s.lasted().Seconds())
	for _, i := range s.bill() {
		fmt.Printf("    %-38s %12s\n", i.what, fmt.Sprintf("$%.2f", i.usd*share))
	}
	fmt.Printf("    %-38s %12s\n", "all", fmt.Sprintf("$%.2f", s.usd()*share))
}

// tellRollouts prints what each rollout took that began something.
func tellRollouts(runs []run) {
	by := map[string][]run{}
	for _, r := range runs {
		if r.rollout != "" {
			by[r.rollout] = append(by[r.rollout], r)
		}
	}
	fmt.Println("  a rollout              days  groups  invocations  AWS calls  a group    reads   writes    USD")
	abandoned := 0
	for _, id := range slices.Sorted(maps.Keys(by)) {
		s := sumOf(by[id])
		if s.began() == 0 {
			abandoned++
			continue
		}
		lasted := by[id][len(by[id])-1].at.Sub(by[id][0].at)
		fmt.Printf("    %-19s %5.1f %7d %12d %10d %8.1f %8d %8d %6.2f\n",
			id[:len("20261005-0630")], lasted.Hours()/24, s.began(), s.runs, s.all(), float64(s.all())/float64(s.began()), s.reads, s.writes, s.usd())
	}
	if abandoned > 0 {
		fmt.Printf("    %d more were replaced before anything began\n", abandoned)
	}
}

// A kind of tick, in the order in which they are told.
type kind struct {
	order int
	name  string
}

// kindOf sorts a run; false when it is none to be told of: one that was no tick of
// five minutes, or that dispatch passed on, which is told of where it arrived.
func kindOf(r run) (kind, bool) {
	switch {
	case r.event == "" && r.cadence == events.FiveMinutes && !r.passed:
		return kind{0, "without a rollout: dispatch alone"}, true
	case r.event != "Tick":
		return kind{}, false
	case r.began() > 0:
		return kind{2, "that begins groups"}, true
	case r.under == 0:
		return kind{1, "with a rollout that waits"}, true
	}
	const wide = 10
	low := (r.under - 1) / wide * wide
	return kind{3 + low, fmt.Sprintf("with %d to %d groups under way", low+1, low+wide)}, true
}

// tellTicks prints what a tick took on average, by how much was under way.
func tellTicks(runs []run) {
	rows := map[kind][]run{}
	for _, r := range runs {
		if k, ok := kindOf(r); ok {
			rows[k] = append(rows[k], r)
		}
	}
	fmt.Printf("  %-40s %7s %11s %8s %8s %12s %13s\n", "a tick", "ticks", "AWS calls", "reads", "writes", "read units", "write units")
	for _, k := range slices.SortedFunc(maps.Keys(rows), func(a, b kind) int { return cmp.Compare(a.order, b.order) }) {
		s, n := sumOf(rows[k]), float64(len(rows[k]))
		fmt.Printf("    %-38s %7d %11.1f %8.1f %8.1f %12.1f %13.1f\n",
			k.name, len(rows[k]), float64(s.all())/n, float64(s.reads)/n, float64(s.writes)/n, s.readUnits/n, s.writeUnits/n)
	}
}
