package clustercheck

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Order says what to look at and what is known of it already.
type Order struct {
	Target fleet.Target
	// Clusters narrows the scan; empty means all there are.
	Clusters []string
	// Insights asks for those of EKS too, which change once a day.
	Insights bool
	// Update is the id of a change of the one cluster's control plane to follow.
	Update string
	// Since is when somebody began to follow the one cluster; zero when nobody does.
	Since time.Time
	// Open are the open findings of the checks that Holds reports, by cluster
	// name. Those about the target itself have none.
	Open map[string][]fleet.Finding
	// Notices are what AWS Health has announced, by cluster name.
	Notices map[string][]fleet.Notice
	// Releases are the AMI releases that were seen in the region before.
	Releases []fleet.AMIRelease
	// Rules are what the configuration says about each cluster.
	Rules func(fleet.ClusterID) checks.Rules
}

// whole reports whether every cluster of the target is asked for.
func (o Order) whole() bool { return len(o.Clusters) == 0 }

// Report is what a scan came to.
type Report struct {
	Clusters int      // that were looked at
	Rest     []string // names that there was no time left for, sorted
	// Listing is why there may be more clusters than these; nil when there are not.
	Listing *fleet.Trouble
	// Access says what of the target could not be read.
	Access fleet.Finding
	// Passing are the troubles of clusters that may be over when the same is asked
	// again.
	Passing []error
}

// Holds reports whether the findings of a check are this package's to close.
func Holds(check string) bool {
	return check == DeletionCheck || check == AccessCheck ||
		slices.ContainsFunc(checks.List, func(c checks.Check) bool { return c.ID == check })
}

const (
	// enough is the time that reading and recording a cluster may take: with less
	// than this left none is begun.
	enough = 30 * time.Second
	// recording is the time that is kept for what a cluster came to.
	recording = 10 * time.Second
)

// Scan looks at the clusters of a target and hands over what each came to, one
// after another, as it comes. A cluster whose reading the end of ctx cut short is
// among the rest: half a reading would call unknown what was only not awaited.
func Scan(ctx context.Context, survey Survey, o Order, now func() time.Time, keep func(Look)) Report {
	s := scan{survey: survey, order: o, now: now, refusals: map[string]*refusal{}}
	read := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		read, cancel = context.WithDeadline(ctx, deadline.Add(-recording))
		defer cancel()
	}
	names := s.list(read)
	for l := range several(names, func(n string) Look { return s.look(read, n) }) {
		if !l.read {
			s.report.Rest = append(s.report.Rest, l.Cluster.Name)
			continue
		}
		s.report.Clusters++
		s.note(l)
		keep(l)
	}
	slices.Sort(s.report.Rest)
	s.report.Access = s.access()
	return s.report
}

// scan is one run.
type scan struct {
	survey Survey
	order  Order
	now    func() time.Time

	report   Report
	refusals map[string]*refusal // by word
}

// list finds the names to look at. A cluster that is listed no more and has open
// findings is one of them: that is how a deletion is noticed which no event told.
func (s *scan) list(ctx context.Context) []string {
	if !s.order.whole() {
		return slices.Compact(slices.Sorted(slices.Values(s.order.Clusters)))
	}
	names, err := s.survey.Clusters(ctx)
	if err != nil {
		s.report.Listing = fleet.TroubleOf(err)
		return names // not the whole list: absence from it says nothing
	}
	all := map[string]bool{}
	for _, n := range names {
		all[n] = true
	}
	for n := range s.order.Open {
		all[n] = true
	}
	delete(all, "") // the target itself
	return slices.Sorted(maps.Keys(all))
}

// late reports whether there is no time left to begin a cluster.
func late(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && time.Until(deadline) < enough-recording
}

// Complete reports whether every cluster was listed, and read in full.
func (r Report) Complete() bool {
	return r.Listing == nil && len(r.Rest) == 0 && r.Access.Outcome == fleet.Pass
}
