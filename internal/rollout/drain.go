package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// nodes are those of a step's group, as the cluster's API server knows them.
func (a Around) nodes(s Step) []fleet.Node {
	var all []fleet.Node
	for _, n := range a.Nodes.Value {
		if n.Origin == fleet.Managed && n.Pool == s.Group {
			all = append(all, n)
		}
	}
	return all
}

// podsOn are the pods on some nodes that a drain has to evict, by name: those that
// have ended or belong to their node are not in its way (kubectl drain
// --ignore-daemonsets, as EKS does it).
func (a Around) podsOn(nodes []fleet.Node) []fleet.Pod {
	names := make(map[string]bool, len(nodes))
	for _, n := range nodes {
		names[n.Name] = true
	}
	var all []fleet.Pod
	for _, p := range a.Pods.Value {
		if names[p.Node] && !ended(p) && !p.Daemon() {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b fleet.Pod) int { return strings.Compare(a.String(), b.String()) })
	return all
}

func ended(p fleet.Pod) bool { return p.Phase == "Succeeded" || p.Phase == "Failed" }

// A hold is a pod that the API server would not let be evicted, and the budgets
// that are the cause.
type hold struct {
	pod     fleet.Pod
	budgets []fleet.Budget
}

// held are the pods among these that budgets hold now, by name.
func held(pods []fleet.Pod, budgets []fleet.Budget) []hold {
	cover := map[string][]fleet.Budget{}
	for _, b := range budgets {
		for _, pod := range b.Pods {
			cover[pod] = append(cover[pod], b)
		}
	}
	var all []hold
	for _, p := range pods {
		// The eviction API refuses a pod of two budgets, whatever they allow, unless it
		// has not begun or is ending (Kubernetes, API-initiated eviction).
		several := p.Phase != "Pending" && !p.Terminating
		if over := cover[p.String()]; len(over) > 1 && several || len(over) == 1 && over[0].Holds(p) {
			all = append(all, hold{p, over})
		}
	}
	return all
}

// budget names what holds the pod.
func (h hold) budget() string {
	names := make([]string, len(h.budgets))
	for i, b := range h.budgets {
		names[i] = b.String()
	}
	return strings.Join(names, " and ")
}

// why says what is wrong with the budgets.
func (h hold) why() string {
	if len(h.budgets) > 1 {
		return fmt.Sprintf("The PodDisruptionBudgets %s cover the same pod, which Kubernetes never evicts", h.budget())
	}
	b := h.budgets[0]
	return fmt.Sprintf("The PodDisruptionBudget %s allows no disruption (%d pods are ready and %d have to be)", b, b.Healthy, b.Wanted)
}

// maxBlockers are told of one step: the record of a cluster holds those of all its
// groups, and nobody reads more.
const maxBlockers = 20

// Blockers are the pods that keep the old nodes of a group from being drained:
// those that a budget holds, with the budget, then those that are being deleted and
// do not end. There are 20 at most; Judge says how many there are. None are found
// where the API server did not tell.
func Blockers(s Step, a Around) []Blocker {
	all := a.blockers(s)
	return all[:min(len(all), maxBlockers)]
}

func (a Around) blockers(s Step) []Blocker {
	pods := a.podsOn(a.oldNodes(s))
	var all []Blocker
	for _, h := range held(pods, a.Budgets.Value) {
		all = append(all, Blocker{Pod: h.pod.String(), Node: h.pod.Node, Budget: h.budget()})
	}
	for _, p := range pods {
		if p.Terminating {
			all = append(all, Blocker{Pod: p.String(), Node: p.Node})
		}
	}
	return all
}

// oldNodes are those that the update has not replaced: EKS names them in its error
// or has cordoned them, or they have another minor version, or they were there
// before it.
func (a Around) oldNodes(s Step) []fleet.Node {
	u := a.Update.Value
	var stuck []string
	for _, e := range u.Errors {
		stuck = append(stuck, e.Resources...)
	}
	return slices.DeleteFunc(a.nodes(s), func(n fleet.Node) bool {
		old := n.Cordoned || slices.Contains(stuck, n.Name) || differs(n.Kubelet, s.To.Version) || n.CreatedAt.Before(u.CreatedAt)
		return !old
	})
}

// lonely finds the pods that are out of work while they move: those that are the
// only one of their owner, and those that nobody makes anew.
func lonely(pods, all []fleet.Pod) (single, orphans []string) {
	siblings := map[string]int{}
	for _, p := range all {
		if !ended(p) {
			siblings[p.Namespace+"/"+p.Owner]++
		}
	}
	for _, p := range pods {
		replicated := strings.HasPrefix(p.Owner, "ReplicaSet/") || strings.HasPrefix(p.Owner, "StatefulSet/")
		switch {
		case p.Owner == "":
			orphans = append(orphans, p.String())
		case replicated && siblings[p.Namespace+"/"+p.Owner] == 1:
			single = append(single, p.String())
		}
	}
	return single, orphans
}

// patience is how long a new pod may be pending before it counts: the scheduler
// and the autoscaler need their time.
const patience = 2 * time.Minute

// BaselineOf counts the pods that no node has room for.
func BaselineOf(a Around, now time.Time) Baseline {
	b := Baseline{Known: a.Pods.Known()}
	for _, p := range a.Pods.Value {
		if p.Phase == "Pending" && p.Node == "" && now.Sub(p.CreatedAt) > patience {
			b.Pending++
		}
	}
	return b
}

// named is how many things a sentence names; it counts the rest.
const named = 5

// some names the first few of many, and counts the rest.
func some(names []string) string {
	if rest := len(names) - named; rest > 0 {
		return strings.Join(names[:named], ", ") + fmt.Sprintf(" and %d more", rest)
	}
	return strings.Join(names, ", ")
}

// are is a number with its noun and verb.
func are(n int, noun string) string {
	if n == 1 {
		return fleet.Count(n, noun) + " is"
	}
	return fleet.Count(n, noun) + " are"
}
