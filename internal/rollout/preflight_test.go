package rollout_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
	"github.com/eks-steward/eks-steward/internal/rollout"
)

// quiet is a step and its surroundings in which nothing is in the way: three nodes
// with a pod of three replicas on each.
func quiet() (rollout.Step, rollout.Around, rollout.Policy) {
	one := candidate(europe, "orders", "prod", old("web", 3))
	step := rollout.Make([]rollout.Candidate{one}, waves, evening).Waves[0].Clusters[0].Steps[0]
	var nodes []fleet.Node
	var pods []fleet.Pod
	for i := range 3 {
		node := fmt.Sprintf("node-%d", i)
		nodes = append(nodes, fleet.Node{Name: node, Kubelet: "v1.35.4-eks-1a2b3c", Origin: fleet.Managed, Pool: "web", Ready: true, CreatedAt: evening.AddDate(0, 0, -60)})
		pods = append(pods,
			pod(fmt.Sprintf("api-%d", i), node, "ReplicaSet/api-7d"),
			pod(fmt.Sprintf("log-%d", i), node, "DaemonSet/log"))
	}
	budget := fleet.Budget{Namespace: "shop", Name: "api", Allowed: 1, Healthy: 3, Wanted: 2, Pods: []string{"shop/api-0", "shop/api-1", "shop/api-2"}}
	return step, rollout.Around{
		Cluster: one.Cluster, Group: fleet.Read(one.Groups.Value[0], nil, evening),
		Room:         fleet.Read(rollout.Room{Addresses: 40, VCPUs: 16, EachVCPUs: 4}, nil, evening),
		Alarms:       fleet.Read([]fleet.Alarm{{Name: "errors", State: "OK"}, {Name: "other", State: "ALARM"}}, nil, evening),
		Calendar:     fleet.Read(true, nil, evening),
		Insights:     fleet.Read([]fleet.Insight{{Name: "Deprecated APIs removed in Kubernetes v1.37", Category: "UPGRADE_READINESS", Status: "ERROR", For: "1.37"}, {Name: "old", Category: "MISCONFIGURATION", Status: "ERROR", For: "1.36"}}, nil, evening),
		EtcdCritical: fleet.Read(false, nil, evening),
		Nodes:        fleet.Read(nodes, nil, evening), Pods: fleet.Read(pods, nil, evening), Budgets: fleet.Read([]fleet.Budget{budget}, nil, evening),
	}, rollout.Policy{Mode: rollout.Enforce, Alarms: []string{"errors"}, Calendar: "changes"}
}

func pod(name, node, owner string) fleet.Pod {
	return fleet.Pod{Namespace: "shop", Name: name, Node: node, Phase: "Running", Ready: true, Owner: owner, CreatedAt: evening.AddDate(0, 0, -30)}
}

func unread(kind fleet.TroubleKind) *fleet.Trouble {
	return &fleet.Trouble{Kind: kind, Action: "eks:Something", Err: errors.New("no")}
}

func causes(all []rollout.Obstacle) string {
	var words []string
	for _, o := range all {
		words = append(words, o.Cause)
	}
	return strings.Join(words, " ")
}

type around struct {
	s *rollout.Step
	a *rollout.Around
	p *rollout.Policy
}

func TestPreflightFindsWhatIsInTheWay(t *testing.T) {
	tight := func(x around) { x.a.Budgets.Value[0].Allowed = 0 }
	for _, c := range []struct {
		name   string
		change func(around)
		want   string // causes
		says   string
	}{
		{"nothing is in the way", func(around) {}, "", ""},

		{"FAULT 2 the cluster was deleted", func(x around) { x.a.Cluster.Trouble = unread(fleet.Gone) }, "gone", "cluster"},
		{"FAULT 3 the group was deleted", func(x around) { x.a.Group.Trouble = unread(fleet.Gone) }, "gone", "group"},
		{"FAULT 14 an update is in flight, and nothing else matters", func(x around) {
			x.a.Group.Value.Status = "UPDATING"
			x.a.Update = fleet.Read(fleet.Update{ID: "u-9", Status: "InProgress"}, nil, evening)
		}, "in-flight", "u-9"},
		{"an update that ended is none in flight", func(x around) { x.a.Update = fleet.Read(fleet.Update{ID: "u-9", Status: "Failed"}, nil, evening) }, "", ""},
		{"an update could not be read", func(x around) { x.a.Update = fleet.Read(fleet.Update{}, unread(fleet.Throttled), evening) }, "unknown-update", "eks:Something"},
		{"another group has the name", func(x around) { x.a.Group.Value.ARN += "2" }, "changed", "made anew"},
		{"somebody else renewed the group", func(x around) {
			x.a.Group.Value.Version, x.a.Group.Value.Release = "1.36", "1.36.2-20261101"
		}, "done", "1.36.2-20261101"},
		{"EKS may choose the release, and somebody else renewed the group", func(x around) {
			x.s.To.Release, x.a.Group.Value.Version, x.a.Group.Value.Release = "", "1.36", "1.36.2-20261115"
		}, "done", "1.36.2-20261115"},
		{"somebody else brought the group elsewhere", func(x around) { x.a.Group.Value.Release = "1.35.5-20260901" }, "changed", "1.35.4-20260801"},
		{"somebody else moved the group to another launch template", func(x around) { x.a.Group.Value.Template = fleet.TemplateVersion{ID: "lt-1", Version: "4"} }, "changed", "template 4"},
		{"a person wants new nodes of the same kind", func(x around) { x.s.To = x.s.From }, "", ""},
		{"the group lost its tag", func(x around) { clear(x.a.Group.Value.Tags) }, "not-allowed", nodefreshness.OptIn},
		{"the group was pinned to what it has", func(x around) { x.a.Group.Value.Tags[nodefreshness.PinRelease] = "current" }, "not-allowed", "current"},
		{"the group was pinned to something else", func(x around) { x.a.Group.Value.Tags[nodefreshness.PinRelease] = "1.36.2-20261008" }, "not-allowed", "1.36.2-20261008"},
		{"the group is pinned to what it shall get", func(x around) { x.a.Group.Value.Tags[nodefreshness.PinRelease] = "1.36.2-20261101" }, "", ""},
		{"FAULT 19 the control plane was rolled back", func(x around) { x.a.Cluster.Value.Version = "1.35" }, "ahead-of-control-plane", "1.35"},
		{"FAULT 19 the version of the control plane is no longer known", func(x around) { x.a.Cluster.Value.Version = "" }, "ahead-of-control-plane", "known"},
		{"FAULT 11 versions are compared by number", func(x around) { x.a.Cluster.Value.Version = "1.4" }, "ahead-of-control-plane", "1.4"},
		{"the control plane is ahead", func(x around) { x.a.Cluster.Value.Version = "1.37" }, "", ""},

		{"the cluster is being changed", func(x around) { x.a.Cluster.Value.Status = "UPDATING" }, "cluster-not-active", "UPDATING"},
		{"FAULT 9 the cluster has a new status", func(x around) { x.a.Cluster.Value.Status = "RESTING" }, "cluster-not-active", "RESTING"},
		{"the cluster has issues", func(x around) { x.a.Cluster.Value.Health = []fleet.Issue{{Code: "KmsKeyDisabled"}} }, "cluster-health", "KmsKeyDisabled"},
		{"the group is being changed", func(x around) { x.a.Group.Value.Status = "UPDATING" }, "group-not-active", "UPDATING"},
		{"FAULT 10 the group has no status", func(x around) { x.a.Group.Value.Status = "" }, "group-not-active", "nothing"},
		{"FAULT 17 the group has issues", func(x around) {
			x.a.Group.Value.Status = "DEGRADED"
			x.a.Group.Value.Health = []fleet.Issue{{Code: "AsgInstanceLaunchFailures", Message: "none left."}, {}}
		}, "group-not-active group-health", "AsgInstanceLaunchFailures (none left), an issue without a code"},
		{"the cluster could not be read", func(x around) { x.a.Cluster.Trouble = unread(fleet.Denied) }, "unknown-cluster", "eks:Something"},
		{"the group could not be read", func(x around) { x.a.Group.Trouble = unread(fleet.Throttled) }, "unknown-group", "eks:Something"},

		{"too few addresses", func(x around) { x.a.Room.Value.Addresses = 39 }, "addresses", "39 addresses free, and 4 nodes more at a time want 40"},
		{"too little quota", func(x around) { x.a.Room.Value.VCPUs = 15 }, "quota", "15 vCPUs"},
		{"no quota that is known", func(x around) { x.a.Room.Value.VCPUs = -1 }, "", ""},
		{"more nodes at a time than two in each zone", func(x around) { x.a.Group.Value.Surge.Nodes = 5 }, "addresses quota", "5 nodes"},
		{"nodes that go before others come need no room", func(x around) {
			x.a.Group.Value.Surge.Strategy, x.a.Room = "MINIMAL", fleet.Part[rollout.Room]{}
		}, "", ""},
		{"FAULT 9 a strategy that is new needs room", func(x around) {
			x.a.Group.Value.Surge.Strategy, x.a.Room.Value.Addresses = "GENTLE", 0
		}, "addresses", "0 addresses"},
		{"room could not be read", func(x around) { x.a.Room.Trouble = unread(fleet.Denied) }, "unknown-room", "eks:Something"},

		{"an alarm is in ALARM", func(x around) { x.p.Alarms = []string{"errors", "other"} }, "alarm", "other"},
		{"an alarm has no data", func(x around) { x.a.Alarms.Value[0].State = "INSUFFICIENT_DATA" }, "unknown-alarm", "INSUFFICIENT_DATA"},
		{"FAULT 10 an alarm has no state", func(x around) { x.a.Alarms.Value[0].State = "" }, "unknown-alarm", "no state"},
		{"an alarm does not exist", func(x around) { x.p.Alarms = []string{"gone"} }, "unknown-alarm", "none of that name"},
		{"alarms could not be read", func(x around) { x.a.Alarms.Trouble = unread(fleet.Denied) }, "unknown-alarms", "eks:Something"},
		{"nobody trusts an alarm", func(x around) { x.p.Alarms, x.a.Alarms = nil, fleet.Part[[]fleet.Alarm]{} }, "", ""},
		{"the calendar is closed", func(x around) { x.a.Calendar.Value = false }, "calendar", "changes"},
		{"the calendar could not be read", func(x around) { x.a.Calendar = fleet.Read(true, unread(fleet.Denied), evening) }, "unknown-calendar", "eks:Something"},
		{"there is no calendar", func(x around) { x.p.Calendar, x.a.Calendar = "", fleet.Part[bool]{} }, "", ""},
		{"etcd is full", func(x around) { x.a.EtcdCritical.Value = true }, "etcd", "full"},
		{"nobody knows about etcd", func(x around) { x.a.EtcdCritical = fleet.Part[bool]{} }, "unknown-etcd", "not asked for"},
		{"an insight speaks against the version", func(x around) { x.a.Insights.Value[0].For = "1.36" }, "insights", "Deprecated APIs"},
		{"old kubelets do not hold back the nodes that replace them", func(x around) {
			x.a.Insights.Value[0].For, x.a.Insights.Value[0].Name = "1.36", "Kubelet version skew"
		}, "", ""},
		{"an old kube-proxy would run on the new nodes too", func(x around) {
			x.a.Insights.Value[0].For, x.a.Insights.Value[0].Name = "1.36", "kube-proxy version skew"
		}, "insights", "kube-proxy"},
		{"insights could not be read", func(x around) { x.a.Insights.Trouble = unread(fleet.Denied) }, "unknown-insights", "eks:Something"},
		{"insights do not matter where the version stays", func(x around) {
			x.s.To.Version, x.s.To.Release, x.a.Insights = "1.35", "1.35.6-20261101", fleet.Part[[]fleet.Insight]{}
		}, "", ""},

		{"FAULT 15 a budget allows nothing", tight, "budget", "The PodDisruptionBudget shop/api allows no disruption (3 pods are ready and 2 have to be): the pod shop/api-0 on the node node-0 cannot be evicted, nor can 2 more pods of the group"},
		{"the budget is about pods of other nodes", func(x around) {
			tight(x)
			for i := range x.a.Nodes.Value {
				x.a.Nodes.Value[i].Pool = "other"
			}
		}, "", ""},
		{"the budget is about pods that belong to their nodes", func(x around) { tight(x); x.a.Budgets.Value[0].Pods = []string{"shop/log-0"} }, "", ""},
		{"a pod that has ended may go", func(x around) {
			tight(x)
			x.a.Budgets.Value[0].Pods = x.a.Budgets.Value[0].Pods[:1]
			x.a.Pods.Value[0].Phase = "Succeeded"
		}, "", ""},
		{"a pod that is not ready may go where the budget says so", func(x around) {
			tight(x)
			b := &x.a.Budgets.Value[0]
			b.Pods, b.EvictsUnready, b.Healthy = b.Pods[:1], true, 0
			x.a.Pods.Value[0].Ready, x.a.Pods.Value[0].CreatedAt = false, evening
		}, "", ""},
		{"a pod that is not ready may go where enough others are", func(x around) {
			tight(x)
			b := &x.a.Budgets.Value[0]
			b.Pods, b.Healthy = b.Pods[:1], 2
			x.a.Pods.Value[0].Ready, x.a.Pods.Value[0].CreatedAt = false, evening
		}, "", ""},
		{"a pod that is not ready may not go where too few others are", func(x around) {
			tight(x)
			b := &x.a.Budgets.Value[0]
			b.Pods, b.Healthy = b.Pods[:1], 1
			x.a.Pods.Value[0].Ready, x.a.Pods.Value[0].CreatedAt = false, evening
		}, "budget", "shop/api-0"},
		{"two budgets cover a pod", func(x around) {
			x.a.Budgets.Value = append(x.a.Budgets.Value, fleet.Budget{Namespace: "shop", Name: "all", Allowed: 5, Pods: []string{"shop/api-1"}})
		}, "budget", "shop/api and shop/all cover the same pod"},
		{"two budgets cover a pod that has not begun", func(x around) {
			x.a.Budgets.Value = append(x.a.Budgets.Value, fleet.Budget{Namespace: "shop", Name: "all", Allowed: 5, Pods: []string{"shop/api-1"}})
			x.a.Pods.Value[2].Phase = "Pending"
		}, "", ""},
		{"a pod is not ready for long", func(x around) { x.a.Pods.Value[2].Ready = false }, "unready-pods", "1 pod is not ready: shop/api-1"},
		{"a pod has only just begun", func(x around) {
			x.a.Pods.Value[2].Ready, x.a.Pods.Value[2].CreatedAt = false, evening.Add(-10*time.Minute)
		}, "", ""},
		{"nodes could not be read", func(x around) { x.a.Nodes.Trouble = unread(fleet.Private) }, "unknown-nodes", "private"},
		{"pods could not be read", func(x around) { x.a.Pods.Trouble = unread(fleet.Private) }, "unknown-pods", "private"},
		{"budgets could not be read", func(x around) { x.a.Budgets = fleet.Part[[]fleet.Budget]{} }, "unknown-budgets", "not asked for"},
		{"FAULT 42 nobody answers and the policy is to proceed", func(x around) {
			x.p.Proceed = true
			x.a.Nodes.Trouble, x.a.Pods.Trouble, x.a.Budgets.Trouble = unread(fleet.Private), unread(fleet.Private), unread(fleet.Private)
		}, "", ""},
		{"to proceed is not for what AWS does not tell", func(x around) { x.p.Proceed, x.a.Room.Trouble = true, unread(fleet.Denied) }, "unknown-room", ""},
		{"FAULT 10 nothing was read at all", func(x around) { *x.a = rollout.Around{} }, "unknown-cluster unknown-group unknown-alarms unknown-calendar unknown-etcd unknown-insights unknown-nodes unknown-pods unknown-budgets", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, a, p := quiet()
			c.change(around{&s, &a, &p})
			obstacles, warnings := rollout.Preflight(s, a, p, evening)
			if got := causes(obstacles); got != c.want {
				t.Fatalf("obstacles %q, want %q: %+v", got, c.want, obstacles)
			}
			if !slices.ContainsFunc(obstacles, func(o rollout.Obstacle) bool { return strings.Contains(o.Text, c.says) }) && c.says != "" {
				t.Errorf("nothing says %q: %+v", c.says, obstacles)
			}
			for _, o := range obstacles {
				if !strings.HasSuffix(o.Text, ".") {
					t.Errorf("%q is no sentence", o.Text)
				}
			}
			if proceeds := strings.Contains(c.name, "FAULT 42"); proceeds != (len(warnings) > 0) {
				t.Errorf("warnings: %q", warnings)
			}
		})
	}
}

func TestWarningsDoNotHoldAGroup(t *testing.T) {
	s, a, p := quiet()
	lone, orphan, elsewhere := pod("lone-0", "node-1", "StatefulSet/lone"), pod("bare", "node-2", ""), pod("far-0", "node-9", "ReplicaSet/far")
	ended := pod("job", "node-1", "")
	ended.Phase = "Succeeded"
	namesake := pod("lone-0", "node-9", "StatefulSet/lone")
	namesake.Namespace = "other"
	a.Pods.Value = append(a.Pods.Value, lone, orphan, elsewhere, ended, namesake)
	obstacles, warnings := rollout.Preflight(s, a, p, evening)
	want := []string{
		"1 pod is the only one of its owner, whose work stops while it moves: shop/lone-0.",
		"1 pod is without an owner and gone for good after the drain: shop/bare.",
	}
	if len(obstacles) > 0 || !slices.Equal(warnings, want) {
		t.Errorf("obstacles %+v, warnings\n%s", obstacles, strings.Join(warnings, "\n"))
	}

	for i := range 10 {
		a.Pods.Value = append(a.Pods.Value, pod(fmt.Sprintf("bare-%d", i), "node-2", ""))
	}
	if _, warnings = rollout.Preflight(s, a, p, evening); !strings.HasSuffix(warnings[1], "shop/bare-3 and 6 more.") {
		t.Errorf("many are named as %q", warnings[1])
	}
}
