package clustercheck

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// A Wait is a change of a cluster that takes longer than a look.
type Wait struct {
	Update string // id of a change of the control plane; empty for the deletion of the cluster
	// Over says that nobody has to look again: it ended, or it never did.
	Over  bool
	after time.Duration // at which it was given up; zero when it was not
}

// How long a change is followed before somebody is told that it does not end. An
// upgrade of a control plane takes minutes, and up to an hour with trouble; a
// deletion less.
const (
	UpgradePatience  = 3 * time.Hour
	DeletionPatience = 2 * time.Hour
)

// tired is for how long a change was followed, once that is too long.
func (s *scan) tired(patience time.Duration, at time.Time) (time.Duration, bool) {
	after := at.Sub(s.order.Since)
	return after, !s.order.Since.IsZero() && after >= patience
}

// updateCheck is the check that tells how a change of the control plane ended.
const updateCheck = "cluster-update"

// followed is the id of the change that an open finding says is under way, so
// that its end is told even when whoever followed it was lost.
func followed(open []fleet.Finding) string {
	for _, f := range of(updateCheck, open) {
		for _, fact := range f.Facts {
			if fact.Label == "Update" && f.Cause == "in-progress" {
				return fact.Value
			}
		}
	}
	return ""
}

// failed reports whether an open finding is about a change that came to nothing:
// it stays until another comes to its end.
func failed(open []fleet.Finding) bool {
	return slices.ContainsFunc(of(updateCheck, open), func(f fleet.Finding) bool { return f.Outcome == fleet.Fail })
}

// waits says what of a cluster has to be looked at again.
func (s *scan) waits(snap fleet.Snapshot, at time.Time) []Wait {
	update, asked := snap.Update, s.order.Update
	w := Wait{Update: cmp.Or(asked, update.Value.ID)}
	switch {
	case update.Known() && slices.Contains([]string{"Successful", "Failed", "Cancelled"}, update.Value.Status):
		w.Over = true
	case w.Update == "" && s.order.Since.IsZero():
		return nil
	case w.Update == "":
		return []Wait{{Over: true}} // it may have been followed to its deletion, and it is there
	default: // in progress, in a newer word for that, or not read
		if after, ok := s.tired(UpgradePatience, at); ok {
			w.Over, w.after = true, after
		}
	}
	return []Wait{w}
}

// givenUp is after how long a change was given up.
func givenUp(waits []Wait) (time.Duration, bool) {
	for _, w := range waits {
		if w.after > 0 {
			return w.after, true
		}
	}
	return 0, false
}

// neverEnded takes the place of what cluster-update says of a change that was
// followed for too long.
func neverEnded(f fleet.Finding, after time.Duration) fleet.Finding {
	f.Outcome, f.Severity, f.Cause = fleet.Unknown, fleet.Warning, "never-ended"
	f.Title = fmt.Sprintf("how the change of the control plane of %s ends is unknown", f.Cluster.Name)
	f.Reason = fmt.Sprintf("It was followed for %s, and EKS did not say in that time that it ended.", after.Round(time.Minute))
	f.Meaning = "It may fail unseen. The daily look follows it again if it is still under way."
	f.Remedy = "Look at the update in the EKS console, or with aws eks describe-update. If it does not end, ask AWS Support: an update cannot be cancelled."
	return f
}
