package rollout

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
)

const (
	// maxClusters of a plan: with the longest names and what each waits for, a
	// rollout of so many is, compressed, within the 400 KB of one record of the
	// ledger (DynamoDB item limit). The next plan takes on the rest.
	maxClusters = 2000
	// settling is what an update takes beside its nodes: EKS makes a version of the
	// launch template before, and scales the group back after.
	settling = 5 * time.Minute
	// othersWave is the name of the wave of clusters that have none.
	othersWave = "others"
)

// Make plans what is rolled. The same candidates make the same plan, in whatever
// order they come.
func Make(all []Candidate, w Waves, now time.Time) Plan {
	all = slices.SortedFunc(slices.Values(all), func(a, b Candidate) int { return byName(a.ID, b.ID) })
	var plan Plan
	waves := make([]Wave, len(w.Order)+1)
	for _, c := range all {
		i := w.of(c.Cluster.Value)
		if why := c.leave(i < len(w.Order) || w.Others != OthersNever); why != "" {
			plan.Left = append(plan.Left, Left{ID: c.ID, Why: why})
			continue
		}
		steps, left := c.steps(now)
		plan.Left = append(plan.Left, left...)
		if len(steps) > 0 {
			waves[i].Clusters = append(waves[i].Clusters, ClusterPlan{
				Target: c.Target, ID: c.ID, ARN: c.Cluster.Value.ARN, Version: c.Cluster.Value.Version, Mode: c.Policy.Mode, Steps: steps,
			})
		}
	}
	plan.take(waves, w.Order)
	return plan
}

// take moves what fits one rollout into the plan, first wave first.
func (p *Plan) take(waves []Wave, order []string) {
	room := maxClusters
	for i, wave := range waves {
		wave.Name = othersWave
		if i < len(order) {
			wave.Name = order[i]
		}
		fits := min(room, len(wave.Clusters))
		room -= fits
		for _, c := range wave.Clusters[fits:] {
			p.Left = append(p.Left, Left{ID: c.ID, Stale: true, Why: fmt.Sprintf("It is left for the next rollout: one takes %d clusters at most.", maxClusters)})
		}
		if wave.Clusters = wave.Clusters[:fits]; fits > 0 {
			p.Waves = append(p.Waves, wave)
		}
	}
}

// of is the index of a cluster's wave; one past the last for those of none, a
// value that nobody has ordered among them.
func (w Waves) of(c fleet.Cluster) int {
	if i := slices.Index(w.Order, c.Tags[w.Tag]); i >= 0 {
		return i
	}
	return len(w.Order)
}

// leave says in a sentence why nothing of the cluster is rolled; empty when it
// may be.
func (c Candidate) leave(waved bool) string {
	cluster := c.Cluster.Value
	switch _, err := fleet.ParseVersion(cluster.Version); {
	case isGone(c.Cluster.Trouble) || isGone(c.Groups.Trouble):
		return "It was deleted."
	case !c.Cluster.Known():
		return "The cluster could not be read: " + c.Cluster.Why() + "."
	case cluster.Kind != fleet.KindEKS:
		return fmt.Sprintf("EKS does not run its control plane (it is a cluster of the kind %s).", cmp.Or(string(cluster.Kind), "unknown"))
	case cluster.Status != "ACTIVE":
		return fmt.Sprintf("EKS calls the cluster %s, not ACTIVE.", cmp.Or(cluster.Status, "nothing"))
	case cluster.AutoMode:
		return "EKS Auto Mode makes its nodes and renews them by itself."
	case !c.Groups.Known():
		return "Its nodegroups could not be read: " + c.Groups.Why() + "."
	case len(c.Groups.Value) == 0:
		return "It has no managed nodegroups: whoever makes its nodes, such as Karpenter or Fargate, renews them."
	case err != nil:
		return "The version of its control plane is not known, and nodes must never be newer than that."
	case !waved:
		return "It has none of the waves' tags, and clusters of no wave are left alone (others: never)."
	}
	return ""
}

// steps are the groups of a cluster that need new nodes, in order, and those that
// are left alone.
func (c Candidate) steps(now time.Time) (steps []Step, left []Left) {
	known := nodefreshness.Known{Cluster: c.Cluster.Value, Images: c.Images, Heads: c.Heads}
	for _, g := range slices.SortedFunc(slices.Values(c.Groups.Value), func(a, b fleet.Nodegroup) int { return strings.Compare(a.Name, b.Name) }) {
		known.Forced = slices.Contains(c.Forced, "*") || slices.Contains(c.Forced, g.Name)
		v := nodefreshness.Judge(g, known, c.Policy.Freshness, now)
		if why := leaveGroup(g, v, c.Cluster.Value.Version); why != "" {
			left = append(left, Left{ID: c.ID, Group: g.Name, Why: why, Stale: len(v.Reasons) > 0})
		} else if len(v.Reasons) > 0 {
			steps = append(steps, c.step(g, v))
		}
	}
	slices.SortFunc(steps, func(a, b Step) int {
		return cmp.Or(cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.Nodes, b.Nodes), strings.Compare(a.Group, b.Group))
	})
	return steps, left
}

// leaveGroup says in a sentence why a group is left alone; empty when it may be
// rolled or is fresh.
func leaveGroup(g fleet.Nodegroup, v nodefreshness.Verdict, controlPlane string) string {
	stale := len(v.Reasons) > 0
	switch {
	case v.Left != "":
		return v.Left
	case !stale && v.Unknown != "":
		return v.Unknown
	case stale && g.Status != "ACTIVE":
		return fmt.Sprintf("EKS calls the group %s, not ACTIVE.", cmp.Or(g.Status, "nothing"))
	case stale && ahead(v.Want.Version, controlPlane):
		return fmt.Sprintf("Its nodes would get Kubernetes %q and pass their control plane, which has %s.", v.Want.Version, controlPlane)
	}
	return ""
}

// ahead reports whether nodes of a version would be newer than a control plane.
// What cannot be compared counts as newer.
func ahead(nodes, controlPlane string) bool {
	n, err := fleet.ParseVersion(nodes)
	c, errC := fleet.ParseVersion(controlPlane)
	return err != nil || errC != nil || n.Compare(c) > 0
}

func (c Candidate) step(g fleet.Nodegroup, v nodefreshness.Verdict) Step {
	expected := c.Usual[g.Name]
	if expected <= 0 {
		surge := g.Surge.Of(g.Nodes)
		expected = c.Policy.NodeTime*time.Duration((g.Nodes+surge-1)/surge) + settling
	}
	return Step{
		Group: g.Name, ARN: g.ARN, From: nodesOf(g), To: v.Want, Nodes: g.Nodes,
		Rank: rank(g.Tags[nodefreshness.Order]), Reasons: v.Reasons, Expected: expected,
	}
}

// nodesOf is what a group has now.
func nodesOf(g fleet.Nodegroup) nodefreshness.Nodes {
	return nodefreshness.Nodes{Version: g.Version, Release: g.Release, Template: g.Template}
}

func rank(tag string) Rank {
	switch tag {
	case nodefreshness.OrderCanary:
		return Canary
	case nodefreshness.OrderCritical:
		return Critical
	}
	return Ordinary
}

func byName(a, b fleet.ClusterID) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Account, b.Account), strings.Compare(a.Region, b.Region))
}

// isGone takes a trouble that may be nil.
func isGone(t *fleet.Trouble) bool { return t != nil && errors.Is(t, fleet.Gone) }

// Hash identifies what the plan does: SHA-256 over the clusters, their versions
// and modes, the groups, what they have and get, and the order of all that, in
// hexadecimal. How many nodes there are and how long they take is no part of it,
// nor are clusters of the mode Report: nothing is done to them.
func (p Plan) Hash() string {
	type step struct {
		ARN      string
		From, To nodefreshness.Nodes
	}
	type cluster struct {
		ARN, Version string
		Mode         Mode
		Steps        []step
	}
	type wave struct {
		Name     string
		Clusters []cluster
	}
	var waves []wave
	for _, w := range p.Waves {
		hashed := wave{Name: w.Name}
		for _, c := range w.Clusters {
			if !c.writes() {
				continue
			}
			k := cluster{ARN: c.ARN, Version: c.Version, Mode: c.Mode}
			for _, s := range c.Steps {
				k.Steps = append(k.Steps, step{ARN: s.ARN, From: s.From, To: s.To})
			}
			hashed.Clusters = append(hashed.Clusters, k)
		}
		if len(hashed.Clusters) > 0 {
			waves = append(waves, hashed)
		}
	}
	b, _ := json.Marshal(waves) // strings always can be
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Short is the beginning of the hash that people use: 12 characters.
func (p Plan) Short() string { return p.Hash()[:12] }

// Writes reports whether anything of the plan may be carried out: in a cluster of
// the mode Report nothing is.
func (p Plan) Writes() bool {
	return slices.ContainsFunc(p.Waves, func(w Wave) bool { return slices.ContainsFunc(w.Clusters, ClusterPlan.writes) })
}

func (c ClusterPlan) writes() bool { return c.Mode == Approve || c.Mode == Enforce }

func (c ClusterPlan) nodes() int {
	n := 0
	for _, s := range c.Steps {
		n += s.Nodes
	}
	return n
}

// Begin makes a rollout of what the plan may carry out. Clusters of the mode
// Report are not in it, nor are waves that have no others.
func Begin(p Plan, by string, now time.Time) (Rollout, []Progress) {
	r := Rollout{
		ID:   now.UTC().Format("20060102-1504") + "-" + p.Short(),
		Plan: p.Hash(), State: Running, By: by, Started: now,
	}
	var all []Progress
	for _, w := range p.Waves {
		before := len(all)
		for _, c := range w.Clusters {
			if !c.writes() {
				continue
			}
			r.Members = append(r.Members, Member{Target: c.Target, ID: c.ID, Wave: len(r.Waves), Mode: c.Mode, Groups: len(c.Steps), Nodes: c.nodes()})
			all = append(all, Progress{Rollout: r.ID, Cluster: c, Steps: slices.Repeat([]StepState{{Phase: Waiting}}, len(c.Steps))})
		}
		if len(all) > before {
			r.Waves = append(r.Waves, w.Name)
		}
	}
	return r, all
}

// Planned is the plan that a rollout was begun from, as far as it is carried out,
// by the progress of its clusters in any order.
func Planned(r Rollout, all []Progress) Plan {
	by := make(map[fleet.ClusterID]ClusterPlan, len(all))
	for _, p := range all {
		by[p.Cluster.ID] = p.Cluster
	}
	var plan Plan
	for i, name := range r.Waves {
		w := Wave{Name: name}
		for _, m := range r.Members {
			if c, ok := by[m.ID]; ok && m.Wave == i {
				w.Clusters = append(w.Clusters, c)
			}
		}
		plan.Waves = append(plan.Waves, w)
	}
	return plan
}
