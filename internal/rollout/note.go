package rollout

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Note has the rollout say what the progress of its member i says, and halts it
// where that demands it. It reports whether anything has changed. Progress older
// than what is noted already is nothing new, and a rollout that has ended stays as
// it is but for the counts.
func (r *Rollout) Note(i int, p Progress, now time.Time) bool {
	m := &r.Members[i]
	if p.Revision < m.Revision {
		return false
	}
	before := *m
	m.Done, m.Failed, m.Busy, m.Revision = 0, 0, 0, p.Revision
	for _, st := range p.Steps {
		switch {
		case st.UnderWay(), st.Untold():
			m.Busy++
		case st.Phase == Failed:
			m.Failed++
		case st.Phase != Waiting:
			m.Done++
		}
	}
	if m.Busy < before.Busy { // what the others of the cluster may have waited for
		m.NotBefore, m.Tries = time.Time{}, 0
	}
	changed := *m != before
	if why := r.halts(p, now); why != "" && (r.State == Running || r.State == Paused) {
		r.State, r.Why, r.By, r.Only = Halted, why, "", ""
		changed = true
	}
	return r.tried(p) || changed
}

// UnderWay reports whether EKS is at the group, or its gate is watched.
func (st StepState) UnderWay() bool { return st.Phase == Updating || st.Phase == Gating }

// again reports whether the group has had its turn and waits for another.
func (st StepState) again() bool {
	return st.Phase == Failed || st.Phase == Waiting && st.Attempt > 0
}

// Over reports whether the group is at an end, well or not.
func (st StepState) Over() bool { return st.Phase == Done || st.Phase == Failed || st.Phase == LeftOut }

// Untold reports whether the group has come to an end that the bus has not heard
// of.
func (st StepState) Untold() bool { return st.Over() && st.Told != st.Phase }

// halts says in a sentence why a rollout cannot go on with what has become of one
// cluster; empty when it can.
func (r Rollout) halts(p Progress, now time.Time) string {
	for i, st := range p.Steps {
		group := fmt.Sprintf("The group %s of %s", p.Cluster.Steps[i].Group, p.Cluster.ID)
		since := st.Shut
		if r.Resumed.After(since) {
			since = r.Resumed // a person wants it to have another hour
		}
		switch {
		case st.Phase == Failed && !r.Resumed.After(st.Ended):
			return fmt.Sprintf("%s failed: %s", group, st.Why)
		case st.UnderWay() && !st.Shut.IsZero() && now.Sub(since) >= MaxShut:
			return fmt.Sprintf("%s has not been found well for %s: %s", group, now.Sub(st.Shut).Truncate(time.Minute), st.Why)
		}
	}
	return ""
}

// tried ends the trial of the one group that a person wanted tried again: when it
// went well the rollout goes on, unless others that failed are left.
func (r *Rollout) tried(p Progress) bool {
	if r.Only == "" || r.State != Running || !names(r.Only, p.Cluster.ID, "") {
		return false
	}
	phase := Phase("no group of the cluster")
	for i, st := range p.Steps {
		if !names(r.Only, p.Cluster.ID, p.Cluster.Steps[i].Group) {
			continue
		}
		if phase = st.Phase; st.UnderWay() || st.again() {
			return false
		}
	}
	if phase != Done || slices.ContainsFunc(r.Members, func(m Member) bool { return m.Failed > 0 }) {
		r.State, r.By = Halted, ""
		r.Why = fmt.Sprintf("%s, which was to be tried again, is %s; the others that failed were not tried.", r.Only, phase)
	}
	r.Only = ""
	return true
}

// Turn takes a running rollout to its next wave or to its end, and halts one that
// takes too long. It reports whether anything has changed.
func (r *Rollout) Turn(w Waves, now time.Time) bool {
	if r.State != Running {
		return false
	}
	over := !slices.ContainsFunc(r.Members, func(m Member) bool { return m.Wave == r.Wave && !m.Over() })
	since := r.Started
	if r.Resumed.After(since) {
		since = r.Resumed
	}
	switch {
	case over && r.Wave >= len(r.Waves)-1:
		r.State, r.Why, r.By, r.Ended = Completed, "", "", now
	case over:
		r.Wave, r.Rested = r.Wave+1, now
	case w.Longest > 0 && now.Sub(since) > w.Longest:
		r.State, r.By, r.Only = Halted, "", ""
		r.Why = fmt.Sprintf("It was not over after %s. %s", w.Longest, r.waits())
	default:
		return false
	}
	return true
}

// waits says in a sentence what the clusters of the wave wait for.
func (r Rollout) waits() string {
	const most = 3 // more would fill a message with the same cause
	var said []string
	for _, m := range r.Members {
		if m.Wave == r.Wave && !m.Over() && len(said) < most {
			said = append(said, fmt.Sprintf("%s: %s", m.ID, cmp.Or(m.Waiting, "its window has not been open, or others were under way.")))
		}
	}
	return strings.Join(said, " ")
}

// PutOff notes why a cluster could not have a group begun, and tries it again
// later: after 5 minutes, then 10, 20, 40, then every hour.
func (m *Member) PutOff(why string, now time.Time) {
	const first, last = 5 * time.Minute, time.Hour
	m.NotBefore = now.Add(min(last, first<<min(m.Tries, 6)))
	m.Tries++
	m.Waiting = fleet.Clip(why, waitingText)
}

// waitingText is in runes: every member of a rollout has one, and they share one
// record of the ledger.
const waitingText = 300

// Bars says in a sentence why a group of member i must not be begun although it was
// chosen, because of what became of the rollout since; empty when it may.
func (r Rollout) Bars(i int, group string, w Waves) string {
	m, busy := r.Members[i], 0
	for k, other := range r.Members {
		if k != i && other.Busy > 0 {
			busy++
		}
	}
	switch {
	case r.State != Running:
		return fmt.Sprintf("The rollout is %s by now.", r.State)
	case m.Mode == Approve && r.Approved.IsZero():
		return "It waits for a person to approve the plan."
	case m.Wave != r.Wave:
		return "It is not the turn of the wave."
	case r.Skips(m.ID, group), r.Only != "" && !names(r.Only, m.ID, group):
		return "A person has taken the group out."
	case busy >= w.MaxClusters:
		return fmt.Sprintf("%d clusters are under way and no more may be.", busy)
	}
	return ""
}

// Reached reports whether a group has what the step wants.
func (s Step) Reached(g fleet.Nodegroup) bool { return reached(nodesOf(g), s.To) }
