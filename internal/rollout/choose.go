package rollout

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// MaxShut is how long a gate may stay shut, or an update not be read, before a
// rollout halts. EKS itself gives a drain up after 15 minutes, and a metric or an
// API server that is away for an hour is not a passing trouble.
const MaxShut = time.Hour

// A Choice is what a rollout may begin now.
type Choice struct {
	Try []int // indexes of Members, in the order to try: those already begun first
	// Slots is how many more clusters may become busy.
	Slots int
	Why   string // one sentence, where there is nothing to try
	// Asks says that a cluster waits for a person to approve the plan.
	Asks bool
	// WaveOver says that nothing is left to be done in the current wave, and Over
	// that it is the last one.
	WaveOver, Over bool
}

// Choose decides which clusters may have a group begun now, as far as the rollout
// itself tells. What holds for the cluster's next group is for NextStep to say.
// policy is that of a cluster without regard to its tags.
func Choose(r Rollout, w Waves, policy func(fleet.ClusterID) Policy, now time.Time) Choice {
	if r.State != Running {
		return Choice{Why: fmt.Sprintf("The rollout is %s.", r.State)}
	}
	c := Choice{Slots: w.MaxClusters, WaveOver: true}
	for _, m := range r.Members {
		if m.Busy > 0 {
			c.Slots--
		}
		if m.Wave == r.Wave && !m.Over() {
			c.WaveOver = false
		}
	}
	c.Slots = max(c.Slots, 0)
	if c.WaveOver {
		c.Over = r.Wave >= len(r.Waves)-1
		return c
	}
	if rested := r.Rested.Add(w.Bake); !r.Rested.IsZero() && now.Before(rested) {
		c.Why = fmt.Sprintf("The wave %s begins at %s.", r.Waves[r.Wave], rested.UTC().Format(time.RFC3339))
		return c
	}
	for i, m := range r.Members {
		if m.Wave != r.Wave || m.Over() {
			continue
		}
		why, asks := r.keeps(m, w, c.Slots, policy(m.ID), now)
		c.Asks = c.Asks || asks
		if why == "" {
			c.Try = append(c.Try, i)
		} else {
			c.Why = cmp.Or(c.Why, fmt.Sprintf("%s: %s", m.ID, why))
		}
	}
	slices.SortStableFunc(c.Try, func(a, b int) int { return begun(r.Members[b]) - begun(r.Members[a]) })
	if len(c.Try) > 0 {
		c.Why = ""
	}
	return c
}

// begun is 1 for a cluster in which something was begun, else 0.
func begun(m Member) int { return min(1, m.Busy+m.Done+m.Failed) }

// keeps says what keeps a cluster of the current wave from being tried; empty when
// nothing does.
func (r Rollout) keeps(m Member, w Waves, slots int, p Policy, now time.Time) (why string, asks bool) {
	switch mode := p.Mode.Within(m.Mode); {
	case m.Done+m.Busy >= m.Groups:
		return "its last groups are under way", false
	case r.Only != "" && !names(r.Only, m.ID, ""):
		return fmt.Sprintf("%s is tried first", r.Only), false
	case mode == Report || m.Failed > 0 && skipsIn(r.Skip, m.ID):
		return "", false // nothing is begun: its groups are left out, at any time
	case m.Busy == 0 && slots == 0:
		return fmt.Sprintf("%d clusters are under way and no more may be", w.MaxClusters), false
	case m.Busy >= w.MaxGroups:
		return fmt.Sprintf("%d groups are under way and no more may be", m.Busy), false
	case mode == Approve && r.Approved.IsZero():
		return "it waits for a person to approve the plan", true
	case now.Before(m.NotBefore):
		return cmp.Or(m.Waiting, "it is tried again later"), false
	}
	if a := p.Schedule.At(now); !a.Open {
		return a.Why, false
	}
	return "", false
}

// NextStep decides which group of a cluster may begin: the first one that is left,
// within the number that may be under way, its window open for as long as it
// usually takes. A canary is over before anything else begins, and everything else
// before the critical groups. Groups that failed have their turn again only when a
// person resumed the rollout afterwards. Where there is none, why says so.
func NextStep(r Rollout, p Progress, w Waves, policy Policy, now time.Time) (i int, ok bool, why string) {
	busy, lowest := 0, Critical // rank of what is under way
	for i, st := range p.Steps {
		if st.Phase == Updating || st.Phase == Gating {
			busy++
			lowest = min(lowest, p.Cluster.Steps[i].Rank)
		}
	}
	if busy >= w.MaxGroups {
		return 0, false, fmt.Sprintf("%d groups are under way and no more may be.", busy)
	}
	for i, st := range p.Steps {
		s := p.Cluster.Steps[i]
		switch {
		case st.Phase != Waiting && st.Phase != Failed, r.Skips(p.Cluster.ID, s.Group):
			continue
		case r.Only != "" && !(names(r.Only, p.Cluster.ID, s.Group) && st.again()):
			continue
		case st.Phase == Failed && !r.Resumed.After(st.Ended):
			return 0, false, fmt.Sprintf("The group %s has failed.", s.Group)
		case busy > 0 && s.Rank > lowest:
			return 0, false, fmt.Sprintf("The group %s waits for those before it to be done.", s.Group)
		}
		fits, why := policy.Schedule.Fits(now, s.Expected)
		return i, fits, why
	}
	return 0, false, "No group is left to begin."
}

// Skips reports whether a person has taken a group out of the rollout.
func (r Rollout) Skips(c fleet.ClusterID, group string) bool {
	return slices.ContainsFunc(r.Skip, func(name string) bool { return names(name, c, group) })
}

func skipsIn(skip []string, c fleet.ClusterID) bool {
	return slices.ContainsFunc(skip, func(name string) bool { return names(name, c, "") })
}

// names reports whether a person's name for a group, cluster/group or
// account/region/cluster/group, means a group of a cluster, or any group of it
// where group is empty.
func names(name string, c fleet.ClusterID, group string) bool {
	cluster, last := path.Split(name)
	cluster = cluster[:max(0, len(cluster)-1)] // less the slash
	return (cluster == c.Name || cluster == c.String()) && (group == "" || group == last)
}

// Within is the lower of two modes. One that nobody knows is Report.
func (m Mode) Within(bound Mode) Mode {
	order := []Mode{Report, Approve, Enforce}
	return order[max(0, min(slices.Index(order, m), slices.Index(order, bound)))]
}

// Forces reports whether an update of a group, as cluster/group, may delete pods
// past their budgets: where the policy names the group and it has failed that
// often.
func (p Policy) Forces(group string, st StepState) bool {
	return p.ForceAfter > 0 && st.Failures >= p.ForceAfter && slices.ContainsFunc(p.ForceGroups, func(pattern string) bool {
		ok, err := path.Match(pattern, group)
		return err == nil && ok
	})
}
