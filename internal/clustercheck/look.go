package clustercheck

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
)

// A Look is what one cluster came to.
type Look struct {
	Cluster fleet.ClusterID
	// Findings are those worth recording: troubles, and what closes open ones.
	Findings []fleet.Finding
	// Waits are the changes under way in it.
	Waits []Wait
	// Key is the ARN of the customer key that encrypts its secrets; empty when it
	// names none, or is gone.
	Key fleet.Part[string]

	// Releases are the newest AMI releases for its nodes where they are news.
	Releases []fleet.AMIRelease

	read    bool
	refused []*fleet.Trouble // told for the whole target, not for each cluster
}

// look reads a cluster and judges it.
func (s *scan) look(ctx context.Context, name string) Look {
	l := Look{Cluster: s.order.Target.Cluster(name)}
	if late(ctx) {
		return l
	}
	at, open := s.now(), s.order.Open[name]
	snap := s.survey.Snapshot(ctx, name, fleet.Wanted{Insights: s.order.Insights, Update: cmp.Or(s.order.Update, followed(open))})
	snap.Notices = s.order.Notices[name]
	if newest := snap.Images.Value; len(newest) > 0 {
		l.Releases = unseen(newest, s.order.Releases)
		snap.Images.Value = nodefreshness.WithOlder(newest, s.order.Releases)
	}
	l.Key = keyOf(snap, at)
	switch {
	case gone(snap):
		s.buried(ctx, &l, open, at)
	case snap.Cluster.Known() && snap.Cluster.Value.Status == "DELETING":
		s.dying(&l, snap, at)
	default:
		s.judge(&l, snap, open, at)
	}
	l.read = ctx.Err() == nil
	return l
}

// unseen are the releases that were not seen before.
func unseen(newest, seen []fleet.AMIRelease) []fleet.AMIRelease {
	return slices.DeleteFunc(slices.Clone(newest), func(n fleet.AMIRelease) bool { return slices.ContainsFunc(seen, n.Equal) })
}

func gone(s fleet.Snapshot) bool {
	return s.Cluster.Trouble != nil && s.Cluster.Trouble.Kind == fleet.Gone
}

// keyOf tells the cluster's key by what KMS calls it: EKS says what the cluster was
// created with, which may be an alias.
func keyOf(s fleet.Snapshot, at time.Time) fleet.Part[string] {
	switch {
	case gone(s):
		return fleet.Read("", nil, at)
	case !s.Cluster.Known():
		return fleet.Part[string]{}
	case s.Cluster.Value.KeyARN == "":
		return fleet.Read("", nil, at)
	}
	return fleet.Read(cmp.Or(s.Key.Value.ARN, s.Cluster.Value.KeyARN), nil, at)
}

// judge holds a cluster that is there to every check.
func (s *scan) judge(l *Look, snap fleet.Snapshot, open []fleet.Finding, at time.Time) {
	l.refused = shared(snap)
	l.Waits = s.waits(snap, at)
	found := checks.Evaluate(snap, s.order.Rules(l.Cluster), at)
	var told []fleet.Finding
	for _, f := range found {
		if f.Check == updateCheck {
			if after, ok := givenUp(l.Waits); ok {
				f = neverEnded(f, after)
			} else if !snap.Update.Tried() && failed(open) {
				continue // what is open is about a change that nobody asked for now
			}
		}
		if !because(l.refused, snap, f) {
			told = append(told, f)
		}
	}
	l.Findings = worth(told, open)
	if !snap.Cluster.Known() {
		return
	}
	l.Findings = append(l.Findings, checks.Settle(found, without(DeletionCheck, open), at)...)
	for _, f := range of(DeletionCheck, open) {
		l.Findings = append(l.Findings, closed(f, at, "is there", "A cluster of that name exists, and it is not being deleted."))
	}
}

// worth leaves out what would change nothing: what passes and was not open.
func worth(found, open []fleet.Finding) []fleet.Finding {
	var worth []fleet.Finding
	for _, f := range found {
		held := slices.ContainsFunc(open, func(o fleet.Finding) bool { return o.Check == f.Check && o.Resource == f.Resource })
		if held || f.Outcome == fleet.Fail || f.Outcome == fleet.Unknown {
			worth = append(worth, f)
		}
	}
	return worth
}

// shared are the troubles that are not the cluster's own: what its role may not
// read in any cluster, what the clusters of the region have in common, and a
// description that nobody got, without which every check would say the same.
func shared(s fleet.Snapshot) []*fleet.Trouble {
	var all []*fleet.Trouble
	for _, t := range []*fleet.Trouble{s.Cluster.Trouble, s.Versions.Trouble, s.Releases.Trouble, s.NextReleases.Trouble, s.VolumesEncrypted.Trouble, s.DefaultVolumeKey.Trouble} {
		if t != nil {
			all = append(all, t)
		}
	}
	for _, t := range []*fleet.Trouble{s.Nodegroups.Trouble, s.Addons.Trouble, s.Insights.Trouble, s.Subnets.Trouble, s.Key.Trouble, s.Update.Trouble, s.Templates.Trouble, s.VolumeKeys.Trouble} {
		if t != nil && !t.Passes() {
			all = append(all, t)
		}
	}
	return all
}

// because reports whether a finding is unknown for the target's sake: its reason
// names the action that was refused, or the cluster itself was not described.
func because(refused []*fleet.Trouble, s fleet.Snapshot, f fleet.Finding) bool {
	if f.Outcome != fleet.Unknown {
		return false
	}
	return s.Cluster.Trouble != nil || slices.ContainsFunc(refused, func(t *fleet.Trouble) bool {
		return t.Action != "" && strings.Contains(f.Reason, t.Action)
	})
}

func of(check string, findings []fleet.Finding) []fleet.Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f fleet.Finding) bool { return f.Check != check })
}

func without(check string, findings []fleet.Finding) []fleet.Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f fleet.Finding) bool { return f.Check == check })
}

// closed is an open finding that is over for a reason of the cluster's own.
func closed(f fleet.Finding, at time.Time, fate, reason string) fleet.Finding {
	f.Outcome, f.Severity, f.Cause, f.At = fleet.Pass, fleet.Info, "", at
	f.Title, f.Reason = f.Cluster.Name+" "+fate, reason
	f.Meaning, f.Observed, f.Expected, f.Remedy, f.Facts = "", "", "", "", nil
	return f
}
