package etcdsize

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/fanout"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Lister reads the clusters of a target. Errors carry a *fleet.Trouble; what was
// listed before one is returned with it.
type Lister interface {
	Clusters(ctx context.Context, t fleet.Target) ([]string, error)
	Cluster(ctx context.Context, t fleet.Target, name string) (fleet.Cluster, error)
	Limits(ctx context.Context, t fleet.Target, standardGB float64) (fleet.Limits, error)
}

// Meter reads one metric of many clusters. What was read before an error is
// returned with it.
type Meter interface {
	Sizes(ctx context.Context, t fleet.Target, m fleet.Metric, clusters []string, from, to time.Time) (map[string]fleet.Series, error)
}

// Prober asks a cluster's own API server for the size of etcd now, and for the
// live data where it has them.
type Prober interface {
	Storage(ctx context.Context, t fleet.Target, c fleet.Cluster, now time.Time) (size, inUse fleet.Series, err error)
}

// Source is where a scan reads.
type Source interface {
	Lister
	Meter
	Prober
}

// Order says what to scan and what is already known of it.
type Order struct {
	Target fleet.Target
	// Clusters narrows the scan; empty means all there are.
	Clusters []string
	// Held is the severity of the open findings by cluster name.
	Held map[string]fleet.Severity
	// AccessHeld says that the finding about the target is open.
	AccessHeld bool
	// Rules are the thresholds of each cluster.
	Rules func(fleet.ClusterID) Rules
	// OwnerTag is the tag of clusters that names their owner. The findings have it
	// of the clusters that are described, which are all that somebody must act on.
	OwnerTag string
}

// Report is what a scan saw.
type Report struct {
	Findings []fleet.Finding // one for every cluster, by name, then the target's own
	Watch    []string        // the clusters to look at again within five minutes
	Complete bool            // every cluster was listed and measured
	Passing  bool            // something went unseen for want of time, or for a trouble of AWS that may pass

	Sizes  map[string]fleet.Point // the fresh size by cluster name, where there is one
	Limits fleet.Limits           // of the region; zero when nothing made it necessary to ask
}

// Scan reads a target with ceil(clusters/100) ListClusters, one
// DescribeClusterVersions, ceil(clusters/500) GetMetricData, as many again for
// the clusters above the warning line, and one DescribeCluster for each cluster
// whose limit or existence matters. A cluster of which CloudWatch has no fresh
// size is asked itself, where it can be reached.
func Scan(ctx context.Context, src Source, o Order, now time.Time) Report {
	s := scan{source: src, order: o, now: now, readings: map[string]*Reading{}}
	names := s.list(ctx)
	s.limit(ctx)
	s.measure(ctx, fleet.StorageSize, names)
	s.blind = len(s.troubles) > 0
	s.describe(ctx, s.needDescription(names))
	s.measure(ctx, fleet.StorageInUse, s.aboveWarning(names))
	rep := s.report()
	rep.Passing = ctx.Err() != nil || s.passing()
	return rep
}

// scan is one run. Its steps fill readings and note what went wrong.
type scan struct {
	source Source
	order  Order
	now    time.Time

	limits   fleet.Limits
	readings map[string]*Reading
	troubles []*fleet.Trouble // of the target as a whole
	blind    bool             // the target could not be listed or measured in full
	unknown  int              // clusters that are unknown for the target's sake
}

func (s *scan) rules(name string) Rules { return s.order.Rules(s.order.Target.Cluster(name)) }

func (s *scan) note(err error) {
	if err != nil {
		s.troubles = append(s.troubles, fleet.TroubleOf(err))
	}
}

// list finds the names to look at.
func (s *scan) list(ctx context.Context) []string {
	names := s.order.Clusters
	if len(names) == 0 {
		listed, err := s.source.Clusters(ctx, s.order.Target)
		s.note(err)
		names = listed
	}
	for _, n := range names {
		s.readings[n] = &Reading{Cluster: s.order.Target.Cluster(n)}
	}
	return slices.Sorted(maps.Keys(s.readings))
}

func (s *scan) limit(ctx context.Context) {
	if len(s.readings) == 0 && len(s.order.Held) == 0 {
		return
	}
	standard := s.rules("").StandardLimitGB
	limits, err := s.source.Limits(ctx, s.order.Target, standard)
	s.note(err)
	s.limits = limits
	if err != nil {
		s.limits = fleet.Limits{Standard: int64(standard * 1e9)}
	}
}

func (s *scan) measure(ctx context.Context, m fleet.Metric, names []string) {
	if len(names) == 0 {
		return
	}
	history := s.rules("").History
	series, err := s.source.Sizes(ctx, s.order.Target, m, names, s.now.Add(-history), s.now)
	if m == fleet.StorageSize {
		s.note(err) // without the live data the file's size is still an answer
	}
	for name, data := range series {
		r, ok := s.readings[name]
		switch {
		case !ok: // a source may not add clusters
		case m == fleet.StorageSize:
			r.Size = data
		default:
			r.InUse = data
		}
	}
}

// needDescription names the clusters whose limit could change the outcome, that
// have no fresh size, or that have an open finding but are listed no more: that
// is how a deletion is noticed which no event told.
func (s *scan) needDescription(names []string) []string {
	var need []string
	for _, n := range names {
		if needsDescription(*s.readings[n], s.order.Held[n], s.rules(n), s.limits, s.now) {
			need = append(need, n)
		}
	}
	if len(s.order.Clusters) > 0 || len(s.troubles) > 0 {
		return need // not the whole list: absence from it says nothing
	}
	for n := range s.order.Held {
		if s.readings[n] == nil {
			s.readings[n] = &Reading{Cluster: s.order.Target.Cluster(n)}
			need = append(need, n)
		}
	}
	return need
}

// needsDescription reports whether the smallest limit of the region leaves the
// outcome open.
func needsDescription(r Reading, held fleet.Severity, rules Rules, limits fleet.Limits, now time.Time) bool {
	if _, ok := r.fresh(rules, now); !ok {
		return true
	}
	return Decide(r, held, rules, limits, now).Outcome != fleet.Pass
}

// describers is how many DescribeCluster calls are under way at once. Calling
// it too fast has kept nodes from joining; the SDK's adaptive retry does the
// rest of the pacing.
const describers = 4

func (s *scan) describe(ctx context.Context, names []string) {
	fanout.Each(len(names), describers, func(i int) {
		r := s.readings[names[i]]
		c, err := s.source.Cluster(ctx, s.order.Target, r.Cluster.Name)
		if err != nil {
			r.Trouble = fleet.TroubleOf(err)
			return
		}
		r.Described = &c
		if _, ok := r.fresh(s.rules(r.Cluster.Name), s.now); !ok {
			s.ask(ctx, r, c)
		}
	})
	for _, n := range names {
		if r := s.readings[n]; denied(*r) {
			s.note(r.Trouble)
		}
	}
}

// ask turns to the cluster itself when CloudWatch has no fresh size. What it says
// is one more point of the same metric.
func (s *scan) ask(ctx context.Context, r *Reading, c fleet.Cluster) {
	running := c.Status == "ACTIVE" || c.Status == "UPDATING"
	switch {
	case c.Kind != fleet.KindEKS || !running || c.Server.URL == "":
		return
	case !c.Server.Public:
		r.NotAsked = "Its API server has no public endpoint, so it could not be asked."
		return
	}
	size, inUse, err := s.source.Storage(ctx, s.order.Target, c, s.now)
	if err != nil {
		r.NotAsked = "It could not be asked itself either: " + fleet.Sentence(err.Error())
		return
	}
	r.Size.Points, r.InUse, r.Asked = append(r.Size.Points, size.Points...), inUse, true
}

// aboveWarning names the clusters for which the live data make a difference.
func (s *scan) aboveWarning(names []string) []string {
	var above []string
	for _, n := range names {
		r, rules := s.readings[n], s.rules(n)
		size, fresh := r.fresh(rules, s.now)
		limit, known := r.limit(s.limits)
		if fresh && known && !r.Asked && 100*size.Bytes/float64(limit) >= rules.WarnPercent {
			above = append(above, n)
		}
	}
	return above
}

func (s *scan) report() Report {
	rep := Report{Sizes: map[string]fleet.Point{}, Limits: s.limits}
	for _, n := range slices.Sorted(maps.Keys(s.readings)) {
		r, rules := *s.readings[n], s.rules(n)
		if size, ok := r.fresh(rules, s.now); ok {
			rep.Sizes[n] = size
		}
		f := Decide(r, s.order.Held[n], rules, s.limits, s.now)
		if f.Outcome == fleet.Unknown && (s.blind || denied(r)) {
			s.unknown++
			if f.Severity < fleet.Critical { // what may turn read-only is told for itself
				f.Cause = CauseTarget
			}
		}
		if r.Described != nil {
			f.Owner = r.Described.Tags[s.order.OwnerTag]
		}
		rep.Findings = append(rep.Findings, f)
		if worthWatching(r, f, rules, s.limits) {
			rep.Watch = append(rep.Watch, n)
		}
	}
	rep.Complete = len(s.troubles) == 0
	rep.Findings = append(rep.Findings, s.access())
	return rep
}

// passing reports whether a trouble may be over when the same is asked again.
func (s *scan) passing() bool {
	for _, r := range s.readings {
		if t := r.Trouble; t != nil && t.Kind != fleet.Gone && t.Passes() {
			return true
		}
	}
	return slices.ContainsFunc(s.troubles, (*fleet.Trouble).Passes)
}

func denied(r Reading) bool { return r.Trouble != nil && r.Trouble.Kind == fleet.Denied }

// worthWatching reports whether five minutes matter for this cluster: it is
// half full, has a finding, or grows towards the warning line within a day.
func worthWatching(r Reading, f fleet.Finding, rules Rules, limits fleet.Limits) bool {
	if f.Outcome == fleet.Fail {
		return true
	}
	size, ok := r.Size.Last()
	limit, known := r.limit(limits)
	if f.Outcome != fleet.Pass || !ok || !known {
		return false
	}
	if 100*size.Bytes/float64(limit) >= rules.WatchPercent {
		return true
	}
	t, err := forecast(r.Size, rules)
	return err == nil && crosses(t, rules.WarnPercent/100*float64(limit), 24*time.Hour)
}

// severest is the trouble that explains most, and whether it is one that a
// person has to mend.
func severest(troubles []*fleet.Trouble) *fleet.Trouble {
	order := []fleet.TroubleKind{fleet.RegionDisabled, fleet.Unreachable, fleet.Denied, fleet.ClockSkew, fleet.LoopingPages, fleet.Throttled}
	for _, kind := range order {
		for _, t := range troubles {
			if errors.Is(t, kind) {
				return t
			}
		}
	}
	return troubles[0]
}
