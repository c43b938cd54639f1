package etcdsize

import (
	"fmt"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// newborn is how long a cluster may take to publish its first datapoint.
const newborn = 30 * time.Minute

// fragmented: less than half of a file holds live data, and those are more than
// 100 MiB, as in the etcd project's alert etcdDatabaseHighFragmentationRatio.
const (
	fragmentedShare = 0.5
	fragmentedBytes = 100 << 20
)

// Decide says how full one cluster's etcd is. held is the severity of the
// cluster's open finding, Info when there is none: thresholds are left only
// with some distance, so that a value that swings around one is told once.
func Decide(r Reading, held fleet.Severity, rules Rules, limits fleet.Limits, now time.Time) fleet.Finding {
	if f, ok := outOfScope(r, now); ok {
		return f
	}
	size, ok := r.fresh(rules, now)
	if !ok {
		return unseen(r, rules, now)
	}
	limit, known := r.limit(limits)
	if !known {
		return withoutLimit(r, size, limits, held, rules, now)
	}
	return measured(r, size, float64(limit), held, rules, now)
}

// measured judges a fresh size against a known limit.
func measured(r Reading, size fleet.Point, limit float64, held fleet.Severity, rules Rules, now time.Time) fleet.Finding {
	g := gauge{rules: rules, size: r.Size, last: size.Bytes, limit: limit, held: held}
	g.live, g.liveKnown = live(r, rules, now)
	g.trend, g.trendErr = forecast(r.Size, rules)
	severity, reason := g.judge()

	f := fleet.Finding{
		Check: Check, Cluster: r.Cluster, Outcome: fleet.Pass, At: now,
		Title:    g.title(r.Cluster.Name),
		Reason:   reason,
		Observed: fmt.Sprintf("%s of %s (%s)", gigabytes(size.Bytes), gigabytes(limit), percent(g.percent())),
		Expected: fmt.Sprintf("below %s, and not predicted to be full within %s", percent(g.threshold(fleet.Warning, rules.WarnPercent)), words(rules.GrowthHorizon)),
		Facts:    g.facts(r),
	}
	if severity > fleet.Info {
		f.Outcome, f.Severity, f.Cause = fleet.Fail, severity, CauseFilling
		f.Meaning, f.Remedy = meaning, remedy
	}
	return f
}

// live is the size of the live data, when that metric exists and is fresh.
func live(r Reading, rules Rules, now time.Time) (float64, bool) {
	p, ok := freshest(r.InUse, rules, now)
	return p.Bytes, ok
}

// outOfScope finds the clusters about which this check has nothing to say.
func outOfScope(r Reading, now time.Time) (fleet.Finding, bool) {
	f := fleet.Finding{Check: Check, Cluster: r.Cluster, Outcome: fleet.NotApplicable, At: now}
	f.Title = "etcd of " + r.Cluster.Name + " is not checked"
	if r.Trouble != nil && r.Trouble.Kind == fleet.Gone {
		f.Title = "cluster " + r.Cluster.Name + " was deleted"
		f.Cause, f.Reason = CauseDeleted, "The cluster no longer exists."
		return f, true
	}
	c := r.Described
	if c == nil {
		return f, false
	}
	_, measured := r.Size.Last()
	switch {
	case c.Kind != fleet.KindEKS && c.Kind != "":
		f.Reason = fmt.Sprintf("EKS does not run this control plane (%s cluster), so it publishes no etcd size.", c.Kind)
	case c.Status == "DELETING":
		f.Reason = "The cluster is being deleted."
	case !measured && (c.Status == "CREATING" || now.Sub(c.CreatedAt) < newborn):
		f.Reason = "The cluster is new and has not published a size yet."
	default:
		return f, false
	}
	return f, true
}

// metricsFrom is the first version whose size EKS publishes in CloudWatch.
var metricsFrom = fleet.Version{Major: 1, Minor: 28}

// unseen is the finding about a cluster without a fresh size: unknown, with the
// best reason there is.
func unseen(r Reading, rules Rules, now time.Time) fleet.Finding {
	f := fleet.Finding{
		Check: Check, Cluster: r.Cluster, Outcome: fleet.Unknown, Severity: fleet.Warning, Cause: CauseNoDatapoint, At: now,
		Title:    "etcd size of " + r.Cluster.Name + " is unknown",
		Observed: "no datapoint of AWS/EKS " + string(fleet.StorageSize),
		Expected: fmt.Sprintf("a datapoint not older than %s", words(rules.StaleAfter)),
		Meaning:  "Nobody would notice this etcd filling up.",
		Remedy:   "Look whether the cluster is healthy in the EKS console and whether the metric is there in CloudWatch, namespace AWS/EKS, dimension ClusterName.",
		Reason:   "CloudWatch has no datapoint for this cluster.",
	}
	if p, ok := r.Size.Last(); ok {
		f.Observed = fmt.Sprintf("%s at %s, nothing since", gigabytes(p.Bytes), p.At.UTC().Format(time.RFC3339))
		f.Reason = fmt.Sprintf("The newest datapoint is %s old.", words(now.Sub(p.At)))
	}
	switch {
	case r.Size.Trouble != "":
		f.Reason += " CloudWatch says: " + fleet.Sentence(r.Size.Trouble)
	case r.Described != nil:
		if v, err := fleet.ParseVersion(r.Described.Version); err == nil && v.Compare(metricsFrom) < 0 {
			f.Reason += fmt.Sprintf(" EKS publishes this metric from Kubernetes %s; the cluster runs %s.", metricsFrom, v)
		}
	case r.Trouble != nil:
		f.Reason += " The cluster could not be described either: " + fleet.Sentence(r.Trouble.Error())
	}
	if r.NotAsked != "" {
		f.Reason += " " + r.NotAsked
	}
	return f
}

// withoutLimit judges a size whose limit could not be read: unknown, as urgent
// as it would be under the smallest limit.
func withoutLimit(r Reading, size fleet.Point, limits fleet.Limits, held fleet.Severity, rules Rules, now time.Time) fleet.Finding {
	f := measured(r, size, float64(limits.Smallest()), held, rules, now)
	f.Outcome, f.Cause = fleet.Unknown, CauseNoLimit
	f.Severity = max(f.Severity, fleet.Warning)
	f.Title = "etcd limit of " + r.Cluster.Name + " is unknown"
	f.Expected = "a known limit to hold the size against"
	why := "EKS does not list the database size of this control-plane tier."
	if r.Described != nil {
		why = fmt.Sprintf("EKS does not list the database size of control-plane tier %s.", r.Described.Tier)
	} else if r.Trouble != nil {
		why = "The cluster could not be described: " + fleet.Sentence(r.Trouble.Error())
	}
	f.Reason = fmt.Sprintf("%s Held against the smallest limit, %s: %s", why, gigabytes(float64(limits.Smallest())), f.Reason)
	return f
}
