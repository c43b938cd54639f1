package rollout

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// A Verdict is what the gate says of a group whose update is under way or done.
type Verdict struct {
	// Open says that all is well right now, Halt that it will not get well by
	// waiting. With neither, Why says what is waited for.
	Open, Halt bool
	Why        string    // one or more sentences; empty where it is open
	Blockers   []Blocker // of a drain that failed
}

// Gone says in a sentence that the cluster or the group is no longer there; empty
// when it is, or when that is not known.
func (a Around) Gone() string {
	switch {
	case isGone(a.Cluster.Trouble):
		return "The cluster was deleted."
	case isGone(a.Group.Trouble):
		return "The group was deleted."
	}
	return ""
}

// Judge says whether a group went well so far. What cannot be told is waited for;
// but for Kubernetes where the policy says to proceed.
func Judge(s Step, st StepState, a Around, p Policy, now time.Time) Verdict {
	for _, gate := range []func() Verdict{
		func() Verdict { return a.updateGate(s, st) },
		func() Verdict { return a.groupGate(s) },
		func() Verdict { return a.alarmGate(p.Alarms) },
		func() Verdict { return a.nodeGate(s, p) },
		func() Verdict { return a.podGate(st.Before, p, now) },
	} {
		if v := gate(); !v.Open {
			return v
		}
	}
	return open
}

var open = Verdict{Open: true}

func wait(format string, args ...any) Verdict { return Verdict{Why: fmt.Sprintf(format, args...)} }

func halt(format string, args ...any) Verdict {
	return Verdict{Halt: true, Why: fmt.Sprintf(format, args...)}
}

// updateGate holds what EKS says of the update. A step without one was found to
// have what it wants.
func (a Around) updateGate(s Step, st StepState) Verdict {
	u := a.Update.Value
	switch {
	case a.Gone() != "":
		return halt("%s", a.Gone())
	case st.Update == "":
		return open
	case !a.Update.Known():
		return wait("The update %s could not be read: %s.", st.Update, a.Update.Why())
	}
	switch u.Status {
	case "Successful":
		return open
	case "InProgress":
		return wait("EKS is at the update %s.", u.ID)
	case "Failed", "Cancelled":
		all := a.blockers(s)
		v := halt("EKS ended the update %s: %s.%s%s", u.ID, u.Status, updateErrors(u.Errors), heldUp(all))
		v.Blockers = all[:min(len(all), maxBlockers)]
		return v
	}
	return wait("EKS calls the update %s %s, and it is not known what that means.", u.ID, cmp.Or(u.Status, "nothing"))
}

// updateErrors words what EKS gives as reasons, each a sentence.
func updateErrors(all []fleet.UpdateError) string {
	var b strings.Builder
	for _, e := range all[:min(len(all), named)] {
		fmt.Fprintf(&b, " %s", cmp.Or(e.Code, "An error without a code"))
		if e.Message != "" {
			b.WriteString(": " + strings.TrimSuffix(fleet.Clip(e.Message, 300), "."))
		}
		if len(e.Resources) > 0 {
			b.WriteString(" (" + some(e.Resources) + ")")
		}
		b.WriteByte('.')
	}
	return b.String()
}

// heldUp names the first pod that held a drain up, and counts the others.
func heldUp(all []Blocker) string {
	if len(all) == 0 {
		return ""
	}
	rest := ""
	if n := len(all) - 1; n > 0 {
		rest = ", and likewise " + fleet.Count(n, "more pod")
	}
	held := "is being deleted and does not end"
	if all[0].Budget != "" {
		held = "is held by the PodDisruptionBudget " + all[0].Budget
	}
	return fmt.Sprintf(" The pod %s on the node %s %s%s.", all[0].Pod, all[0].Node, held, rest)
}

// groupGate holds what EKS says of the group.
func (a Around) groupGate(s Step) Verdict {
	g := a.Group.Value
	if !a.Group.Known() {
		return wait("The group could not be read: %s.", a.Group.Why())
	}
	switch {
	case g.ARN != s.ARN:
		return halt("The group was deleted and made anew during the update.")
	case len(g.Health) > 0:
		return halt("EKS calls the group %s and finds issues: %s.", cmp.Or(g.Status, "nothing"), issues(g.Health))
	}
	switch g.Status {
	case "ACTIVE":
	case "DEGRADED", "DELETING", "CREATE_FAILED", "DELETE_FAILED":
		return halt("EKS calls the group %s.", g.Status)
	default:
		return wait("EKS calls the group %s, not ACTIVE.", cmp.Or(g.Status, "nothing"))
	}
	if !reached(nodesOf(g), s.To) {
		return wait("The group has %s and not yet %s.", label(nodesOf(g)), label(s.To))
	}
	return open
}

func (a Around) alarmGate(names []string) Verdict {
	if len(names) > 0 && !a.Alarms.Known() {
		return wait("The alarms could not be read: %s.", a.Alarms.Why())
	}
	states := make([]string, len(names))
	for i, name := range names {
		states[i] = alarmState(a.Alarms.Value, name)
	}
	if i := slices.Index(states, "ALARM"); i >= 0 {
		return halt("The alarm %s is in ALARM.", names[i])
	}
	if i := slices.IndexFunc(states, func(s string) bool { return s != "OK" }); i >= 0 {
		return wait("The alarm %s says nothing: %s.", names[i], states[i])
	}
	return open
}

// nodeGate wants as many nodes as the group asks for, each of them Ready and of
// the version that was asked for.
func (a Around) nodeGate(s Step, p Policy) Verdict {
	if !a.Nodes.Known() {
		return unseen("nodes", a.Nodes.Why(), p)
	}
	nodes, wanted := a.nodes(s), a.Group.Value.Nodes
	var old, unready []string
	for _, n := range nodes {
		switch {
		case differs(n.Kubelet, s.To.Version):
			old = append(old, n.Name)
		case !n.Ready:
			unready = append(unready, n.Name)
		}
	}
	switch {
	case len(old) > 0:
		return wait("%s not of Kubernetes %s: %s.", are(len(old), "node"), s.To.Version, some(old))
	case len(unready) > 0:
		return wait("%s not Ready: %s.", are(len(unready), "node"), some(unready))
	case len(nodes) < wanted:
		return wait("%s there and %d wanted.", are(len(nodes), "node"), wanted)
	}
	return open
}

// podGate wants no more pods without a place than there were before. Where that is
// not known there is nothing to hold them against.
func (a Around) podGate(before Baseline, p Policy, now time.Time) Verdict {
	switch after := BaselineOf(a, now); {
	case !before.Known:
		return open
	case !after.Known:
		return unseen("pods", a.Pods.Why(), p)
	case after.Pending > before.Pending:
		return wait("%s pending in the cluster, and before it were %d.", are(after.Pending, "pod"), before.Pending)
	}
	return open
}

// unseen is the verdict on what the API server did not tell.
func unseen(part, why string, p Policy) Verdict {
	if p.Proceed {
		return open
	}
	return wait("The %s could not be read: %s.", part, why)
}
