package rollout

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
)

// An Obstacle is why a group is not begun now.
type Obstacle struct {
	Cause string // a stable word: one of the causes below, or unknown- and a part
	Text  string // one sentence
}

// The causes that tell what to do other than to try again later. Each is the only
// obstacle where it is one: the others do not matter then.
const (
	ObstacleGone     = "gone"      // the cluster or the group was deleted
	ObstacleInFlight = "in-flight" // an update of the group, to be followed instead
	ObstacleDone     = "done"      // the group has what it shall have
	// ObstacleChanged is a group that is another one, or has something else than
	// when the plan was made. The next plan takes it on.
	ObstacleChanged = "changed"
	// ObstacleNotAllowed is a group that lost the tag that lets it be rolled, or was
	// pinned to something else.
	ObstacleNotAllowed = "not-allowed"
	// ObstacleAhead is a control plane that was rolled back: nodes would pass it.
	ObstacleAhead = "ahead-of-control-plane"
)

const (
	// addressesPerNode is what a new node takes of its subnet: its own address and
	// those that the VPC CNI holds ready, by default all of its first interface, which
	// are 10 on a large instance. Bigger ones take more, but not before pods need
	// them, and those had addresses before.
	addressesPerNode = 10
	// startup is how long a pod may take until it is ready: one that is younger says
	// nothing about its workload.
	startup = 10 * time.Minute
)

// Preflight says what speaks against beginning a step now, and what a person would
// want to know although it does not. Whether a window is open and whether somebody
// approved is not its concern. What Kubernetes does not tell is an obstacle unless
// the policy says to proceed; what AWS does not tell always is one.
func Preflight(s Step, a Around, p Policy, now time.Time) (obstacles []Obstacle, warnings []string) {
	if o, final := a.settled(s); final {
		return []Obstacle{o}, nil
	}
	l := look{s: s, a: a, p: p, now: now}
	l.states()
	l.room()
	l.signals()
	l.insights()
	l.workloads()
	return l.obstacles, l.warnings
}

// settled finds the obstacle beside which no other matters.
func (a Around) settled(s Step) (Obstacle, bool) {
	g, has := a.Group.Value, nodesOf(a.Group.Value)
	pin := g.Tags[nodefreshness.PinRelease]
	switch {
	case a.Gone() != "":
		return Obstacle{ObstacleGone, a.Gone()}, true
	case a.Update.Known() && a.Update.Value.Status == "InProgress":
		return Obstacle{ObstacleInFlight, "An update of the group is in flight: " + a.Update.Value.ID + "."}, true
	case !a.Group.Known():
		return Obstacle{}, false
	case g.ARN != s.ARN:
		return Obstacle{ObstacleChanged, "The group was deleted and made anew since the plan was made."}, true
	case has != s.From && reached(has, s.To):
		return Obstacle{ObstacleDone, "The group has what it shall have: " + label(has) + "."}, true
	case has != s.From:
		return Obstacle{ObstacleChanged, fmt.Sprintf("The group had %s when the plan was made and has %s now.", label(s.From), label(has))}, true
	case g.Tags[nodefreshness.OptIn] != nodefreshness.Allowed:
		return Obstacle{ObstacleNotAllowed, fmt.Sprintf("The group no longer has the tag %s: %s.", nodefreshness.OptIn, nodefreshness.Allowed)}, true
	case pin != "" && pin != s.To.Release:
		return Obstacle{ObstacleNotAllowed, fmt.Sprintf("The group is pinned to %s (tag %s).", fleet.Clip(pin, 40), nodefreshness.PinRelease)}, true
	case a.Cluster.Known() && ahead(s.To.Version, a.Cluster.Value.Version):
		return Obstacle{ObstacleAhead, fmt.Sprintf("The nodes would get Kubernetes %s and pass their control plane, which has %s.", s.To.Version, cmp.Or(a.Cluster.Value.Version, "no version that is known"))}, true
	}
	return Obstacle{}, false
}

// reached reports whether nodes are what a plan wanted. Where it left the release
// to EKS, any will do.
func reached(has, want nodefreshness.Nodes) bool {
	return has.Version == want.Version &&
		(want.Release == "" || has.Release == want.Release) &&
		(want.Template == fleet.TemplateVersion{} || has.Template == want.Template)
}

// A look collects what speaks against one step.
type look struct {
	s         Step
	a         Around
	p         Policy
	now       time.Time
	obstacles []Obstacle
	warnings  []string
}

func (l *look) block(cause, format string, args ...any) {
	l.obstacles = append(l.obstacles, Obstacle{cause, fmt.Sprintf(format, args...)})
}

func (l *look) warn(format string, args ...any) {
	l.warnings = append(l.warnings, fmt.Sprintf(format, args...))
}

// told reports whether a part that AWS or the ledger tells is known; else it is an
// obstacle.
func told[T any](l *look, name string, part fleet.Part[T]) bool {
	if !part.Known() {
		l.block("unknown-"+name, "The %s could not be read: %s.", name, part.Why())
	}
	return part.Known()
}

// shown is told for a part that the cluster's API server tells.
func shown[T any](l *look, name string, part fleet.Part[T]) bool {
	if part.Known() || !l.p.Proceed {
		return told(l, name, part)
	}
	l.warn("The %s could not be read (%s); the policy is to proceed (whenUnknown: proceed).", name, part.Why())
	return false
}

// states holds EKS's own view of the cluster and the group. A status that is not
// known is not ACTIVE.
func (l *look) states() {
	if told(l, "cluster", l.a.Cluster) {
		c := l.a.Cluster.Value
		if c.Status != "ACTIVE" {
			l.block("cluster-not-active", "EKS calls the cluster %s, not ACTIVE.", cmp.Or(c.Status, "nothing"))
		}
		if len(c.Health) > 0 {
			l.block("cluster-health", "EKS finds issues with the cluster: %s.", issues(c.Health))
		}
	}
	if told(l, "group", l.a.Group) {
		g := l.a.Group.Value
		if g.Status != "ACTIVE" {
			l.block("group-not-active", "EKS calls the group %s, not ACTIVE.", cmp.Or(g.Status, "nothing"))
		}
		if len(g.Health) > 0 {
			l.block("group-health", "EKS finds issues with the group: %s.", issues(g.Health))
		}
	}
	if l.a.Update.Tried() {
		told(l, "update", l.a.Update)
	}
}

func issues(all []fleet.Issue) string {
	var texts []string
	for _, i := range all {
		text := cmp.Or(i.Code, "an issue without a code")
		if i.Message != "" {
			text += " (" + strings.TrimSuffix(fleet.Clip(i.Message, 200), ".") + ")"
		}
		texts = append(texts, text)
	}
	return some(texts)
}

// room holds what AWS has left against the nodes that an update adds before it
// takes the first one away.
func (l *look) room() {
	if !l.a.Group.Known() || l.a.Group.Value.Surge.Strategy == "MINIMAL" || !told(l, "room", l.a.Room) {
		return
	}
	room, more := l.a.Room.Value, added(l.a.Group.Value)
	if want := more * addressesPerNode; room.Addresses < want {
		l.block("addresses", "The subnets of the group have %s free, and %s more at a time want %d.", fleet.Count(room.Addresses, "address"), fleet.Count(more, "node"), want)
	}
	if want := more * room.EachVCPUs; room.VCPUs >= 0 && room.VCPUs < want {
		l.block("quota", "The EC2 quota leaves %s, and %s more at a time want %d.", fleet.Count(room.VCPUs, "vCPU"), fleet.Count(more, "node"), want)
	}
}

// added is the number of nodes by which EKS may enlarge a group during an update:
// the larger of twice its availability zones and maxUnavailable (EKS User Guide,
// Understand each phase of node updates). Its subnets are no fewer than its zones.
func added(g fleet.Nodegroup) int { return max(2*len(g.Subnets), g.Surge.Of(g.Nodes)) }

// signals holds what says whether this is a good moment.
func (l *look) signals() {
	if len(l.p.Alarms) > 0 && told(l, "alarms", l.a.Alarms) {
		for _, name := range l.p.Alarms {
			switch state := alarmState(l.a.Alarms.Value, name); state {
			case "OK":
			case "ALARM":
				l.block("alarm", "The alarm %s is in ALARM.", name)
			default:
				l.block("unknown-alarm", "The alarm %s says nothing: %s.", name, state)
			}
		}
	}
	if l.p.Calendar != "" && told(l, "calendar", l.a.Calendar) && !l.a.Calendar.Value {
		l.block("calendar", "The change calendar %s is closed.", l.p.Calendar)
	}
	if told(l, "etcd", l.a.EtcdCritical) && l.a.EtcdCritical.Value {
		l.block("etcd", "The etcd database of the cluster is critically full: evictions and new nodes write to it.")
	}
}

// alarmState is what an alarm says, or a word for why it says nothing.
func alarmState(all []fleet.Alarm, name string) string {
	i := slices.IndexFunc(all, func(a fleet.Alarm) bool { return a.Name == name })
	if i < 0 {
		return "there is none of that name"
	}
	return cmp.Or(all[i].State, "it has no state")
}

// kubeletSkew is what EKS calls the insight about nodes that are too old. It may
// outlive the upgrade of the control plane by a day, until EKS refreshes it.
const kubeletSkew = "Kubelet version skew"

// insights matter where the nodes change their minor version, and then those about
// that version: what EKS says of a later one is for the next upgrade, and of old
// kubelets new nodes are the cure. They are none for an old kube-proxy, which is an
// add-on's.
func (l *look) insights() {
	if !differs(l.s.From.Version, l.s.To.Version) || !told(l, "insights", l.a.Insights) {
		return
	}
	for _, i := range l.a.Insights.Value {
		if i.Category == "UPGRADE_READINESS" && i.Status == "ERROR" && i.Name != kubeletSkew && !differs(i.For, l.s.To.Version) {
			l.block("insights", "The EKS insight %q says that the cluster is not ready for Kubernetes %s.", fleet.Clip(i.Name, 100), l.s.To.Version)
		}
	}
}

// differs reports whether two minor versions are not the same; those that cannot
// be read differ from all.
func differs(a, b string) bool {
	v, err := fleet.ParseVersion(a)
	w, errW := fleet.ParseVersion(b)
	return err != nil || errW != nil || v != w
}

// workloads holds what runs on the nodes of the group.
func (l *look) workloads() {
	nodes, pods, budgets := shown(l, "nodes", l.a.Nodes), shown(l, "pods", l.a.Pods), shown(l, "budgets", l.a.Budgets)
	if !nodes || !pods {
		return
	}
	on := l.a.podsOn(l.a.nodes(l.s))
	if budgets {
		l.budgets(held(on, l.a.Budgets.Value))
	}
	var unready []string
	for _, p := range on {
		if !p.Ready && l.now.Sub(p.CreatedAt) > startup {
			unready = append(unready, p.String())
		}
	}
	if len(unready) > 0 {
		l.block("unready-pods", "On the nodes of the group %s not ready: %s.", are(len(unready), "pod"), some(unready))
	}
	single, orphans := lonely(on, l.a.Pods.Value)
	if len(single) > 0 {
		l.warn("%s the only one of its owner, whose work stops while it moves: %s.", are(len(single), "pod"), some(single))
	}
	if len(orphans) > 0 {
		l.warn("%s without an owner and gone for good after the drain: %s.", are(len(orphans), "pod"), some(orphans))
	}
}

// budgets makes one obstacle of each budget, however many pods it holds.
func (l *look) budgets(all []hold) {
	more := map[string]int{}
	for _, h := range all {
		more[h.budget()]++
	}
	for _, h := range all {
		n, unsaid := more[h.budget()]
		if !unsaid {
			continue
		}
		delete(more, h.budget())
		rest := ""
		if n > 1 {
			rest = fmt.Sprintf(", nor can %d more pods of the group", n-1)
		}
		l.block("budget", "%s: the pod %s on the node %s cannot be evicted%s.", h.why(), h.pod, h.pod.Node, rest)
	}
}
