package rollout_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/rollout"
)

// renewed is a step whose update went well, with three new nodes.
func renewed() (rollout.Step, rollout.StepState, rollout.Around, rollout.Policy) {
	s, a, p := quiet()
	a.Update = fleet.Read(fleet.Update{ID: "u-1", Status: "Successful", CreatedAt: evening}, nil, evening)
	a.Group.Value.Version, a.Group.Value.Release = s.To.Version, s.To.Release
	for i := range a.Nodes.Value {
		a.Nodes.Value[i].Kubelet, a.Nodes.Value[i].CreatedAt = "v1.36.2-eks-4d5e6f", evening.Add(time.Minute)
	}
	a.Nodes.Value = append(a.Nodes.Value, fleet.Node{Name: "other", Kubelet: "v1.35.4", Origin: fleet.Managed, Pool: "batch"})
	st := rollout.StepState{Phase: rollout.Gating, Attempt: 1, Update: "u-1", Began: evening, Before: rollout.Baseline{Pending: 1, Known: true}}
	return s, st, a, p
}

func pending(n int, age time.Duration) (pods []fleet.Pod) {
	for i := range n {
		pods = append(pods, fleet.Pod{Namespace: "shop", Name: fmt.Sprintf("new-%d", i), Phase: "Pending", CreatedAt: evening.Add(-age)})
	}
	return pods
}

func TestTheGateIsOpenOnlyWhenAllIsWell(t *testing.T) {
	const open, waits, halts = "open", "waits", "halts"
	type at struct {
		st *rollout.StepState
		a  *rollout.Around
		p  *rollout.Policy
	}
	blind := func(x at) {
		x.a.Nodes.Trouble, x.a.Pods.Trouble = unread(fleet.Private), unread(fleet.Private)
	}
	for _, c := range []struct {
		name   string
		change func(at)
		want   string
		says   string
	}{
		{"all is well", func(at) {}, open, ""},
		{"EKS is at it", func(x at) { x.a.Update.Value.Status = "InProgress" }, waits, "u-1"},
		{"FAULT 9 an update with a new status", func(x at) { x.a.Update.Value.Status = "Resting" }, waits, "Resting"},
		{"FAULT 10 an update without a status", func(x at) { x.a.Update.Value.Status = "" }, waits, "nothing"},
		{"the update could not be read", func(x at) { x.a.Update.Trouble = unread(fleet.Throttled) }, waits, "eks:Something"},
		{"the update was cancelled", func(x at) { x.a.Update.Value.Status = "Cancelled" }, halts, "Cancelled"},
		{"FAULT 18 the update failed", func(x at) {
			x.a.Update.Value.Status = "Failed"
			x.a.Update.Value.Errors = []fleet.UpdateError{{Code: "NodeCreationFailure", Message: "Instances failed to join.", Resources: []string{"i-1", "i-2"}}, {}}
		}, halts, "NodeCreationFailure: Instances failed to join (i-1, i-2). An error without a code."},
		{"nothing was updated, since the group had it", func(x at) { x.st.Update, x.a.Update = "", fleet.Part[fleet.Update]{} }, open, ""},
		{"FAULT 2 the cluster was deleted", func(x at) { x.a.Cluster.Trouble = unread(fleet.Gone) }, halts, "deleted"},
		{"FAULT 3 the group was deleted", func(x at) { x.a.Group.Trouble = unread(fleet.Gone) }, halts, "deleted"},

		{"FAULT 17 the update is Successful and the group DEGRADED", func(x at) { x.a.Group.Value.Status = "DEGRADED" }, halts, "DEGRADED"},
		{"FAULT 17 the update is Successful and the group has issues", func(x at) { x.a.Group.Value.Health = []fleet.Issue{{Code: "NodeCreationFailure"}} }, halts, "NodeCreationFailure"},
		{"the group is being changed", func(x at) { x.a.Group.Value.Status = "UPDATING" }, waits, "UPDATING"},
		{"FAULT 9 the group has a new status", func(x at) { x.a.Group.Value.Status = "RESTING" }, waits, "RESTING"},
		{"the group is another one", func(x at) { x.a.Group.Value.ARN += "2" }, halts, "made anew"},
		{"the group could not be read", func(x at) { x.a.Group.Trouble = unread(fleet.Throttled) }, waits, "eks:Something"},
		{"the group does not show its release yet", func(x at) { x.a.Group.Value.Release = "1.35.4-20260801" }, waits, "1.36.2-20261101"},

		{"an alarm is in ALARM", func(x at) { x.a.Alarms.Value[0].State = "ALARM" }, halts, "errors"},
		{"one alarm has no data and another is in ALARM", func(x at) {
			x.p.Alarms = []string{"errors", "other"}
			x.a.Alarms.Value[0].State = "INSUFFICIENT_DATA"
		}, halts, "other"},
		{"an alarm has no data", func(x at) { x.a.Alarms.Value[0].State = "INSUFFICIENT_DATA" }, waits, "INSUFFICIENT_DATA"},
		{"an alarm does not exist", func(x at) { x.a.Alarms.Value = nil }, waits, "none of that name"},
		{"alarms could not be read", func(x at) { x.a.Alarms.Trouble = unread(fleet.Denied) }, waits, "eks:Something"},

		{"a node is not Ready", func(x at) { x.a.Nodes.Value[1].Ready = false }, waits, "1 node is not Ready: node-1"},
		{"a node is an old one", func(x at) { x.a.Nodes.Value[1].Kubelet = "v1.35.4-eks-1a2b3c" }, waits, "1 node is not of Kubernetes 1.36: node-1"},
		{"FAULT 11 a node with a version that cannot be read", func(x at) { x.a.Nodes.Value[1].Kubelet = "" }, waits, "node-1"},
		{"a node is missing", func(x at) { x.a.Nodes.Value = x.a.Nodes.Value[:2] }, waits, "2 nodes are there and 3 wanted"},
		{"there are more nodes than were wanted", func(x at) { x.a.Group.Value.Nodes = 2 }, open, ""},
		{"nodes could not be read", func(x at) { x.a.Nodes.Trouble = unread(fleet.Private) }, waits, "private"},
		{"more pods are pending than before", func(x at) { x.a.Pods.Value = append(x.a.Pods.Value, pending(2, 3*time.Minute)...) }, waits, "2 pods are pending"},
		{"no more pods are pending than before", func(x at) { x.a.Pods.Value = append(x.a.Pods.Value, pending(1, time.Hour)...) }, open, ""},
		{"new pods may be pending", func(x at) { x.a.Pods.Value = append(x.a.Pods.Value, pending(9, 2*time.Minute)...) }, open, ""},
		{"nobody counted before", func(x at) {
			x.st.Before.Known = false
			x.a.Pods.Value = append(x.a.Pods.Value, pending(9, time.Hour)...)
		}, open, ""},
		{"pods could not be read", func(x at) { x.a.Pods.Trouble = unread(fleet.Private) }, waits, "private"},
		{"FAULT 42 nobody answers and the policy is to proceed", func(x at) { blind(x); x.p.Proceed = true }, open, ""},
		{"FAULT 17 to proceed is not for what EKS says", func(x at) { blind(x); x.p.Proceed, x.a.Group.Value.Status = true, "DEGRADED" }, halts, "DEGRADED"},
		{"FAULT 10 nothing was read at all", func(x at) { *x.a = rollout.Around{} }, waits, "not asked for"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, st, a, p := renewed()
			c.change(at{&st, &a, &p})
			v := rollout.Judge(s, st, a, p, evening)
			got := waits
			switch {
			case v.Open && v.Halt:
				t.Fatalf("both open and halted: %+v", v)
			case v.Open:
				got = open
			case v.Halt:
				got = halts
			}
			if got != c.want || !strings.Contains(v.Why, c.says) || v.Open != (v.Why == "") {
				t.Errorf("%s: %q, want %s: %q", got, v.Why, c.want, c.says)
			}
		})
	}
}

// stuck is a drain that a budget has held up on the one node that is still old.
func stuck() (rollout.Step, rollout.StepState, rollout.Around, rollout.Policy) {
	s, st, a, p := renewed()
	st.Phase = rollout.Updating
	a.Update.Value.Status = "Failed"
	a.Update.Value.Errors = []fleet.UpdateError{{Code: "PodEvictionFailure", Message: "Reached max retries while trying to evict pods from nodes in node group web", Resources: []string{"node-1"}}}
	a.Nodes.Value[1].Kubelet = "v1.35.4-eks-1a2b3c"
	a.Budgets.Value[0].Allowed = 0
	return s, st, a, p
}

func TestFault_15_WhatHoldsADrainUpIsNamed(t *testing.T) {
	s, st, a, p := stuck()
	v := rollout.Judge(s, st, a, p, evening)
	want := "EKS ended the update u-1: Failed. PodEvictionFailure: Reached max retries while trying to evict pods from nodes in node group web (node-1). " +
		"The pod shop/api-1 on the node node-1 is held by the PodDisruptionBudget shop/api."
	if !v.Halt || v.Why != want {
		t.Errorf("%+v, want\n%s", v, want)
	}
	blocker := rollout.Blocker{Pod: "shop/api-1", Node: "node-1", Budget: "shop/api"}
	if len(v.Blockers) != 1 || v.Blockers[0] != blocker {
		t.Errorf("blockers %+v", v.Blockers)
	}

	for name, c := range map[string]struct {
		change func(*rollout.Around)
		want   int
	}{
		"the budget has been relaxed":                        {func(a *rollout.Around) { a.Budgets.Value[0].Allowed = 1 }, 0},
		"nobody answered":                                    {func(a *rollout.Around) { a.Pods = fleet.Part[[]fleet.Pod]{} }, 0},
		"the node is of the right version, and EKS named it": {func(a *rollout.Around) { a.Nodes.Value[1].Kubelet = "v1.36.1" }, 1},
		"the node was there before the update": {func(a *rollout.Around) {
			a.Nodes.Value[1].Kubelet, a.Nodes.Value[1].CreatedAt = "v1.36.1", evening.Add(-time.Hour)
			a.Update.Value.Errors[0].Resources = nil
		}, 1},
		"the node is cordoned": {func(a *rollout.Around) {
			a.Nodes.Value[1].Kubelet, a.Nodes.Value[1].Cordoned, a.Update.Value.Errors[0].Resources = "v1.36.1", true, nil
		}, 1},
		"the node is new": {func(a *rollout.Around) {
			a.Nodes.Value[1].Kubelet, a.Update.Value.Errors[0].Resources = "v1.36.1", nil
		}, 0},
	} {
		s, _, a, _ := stuck()
		c.change(&a)
		if got := rollout.Blockers(s, a); len(got) != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestFault_15_APodThatDoesNotEndIsNamed(t *testing.T) {
	s, st, a, p := stuck()
	a.Pods.Value[2].Terminating = true // no budget holds it any more
	v := rollout.Judge(s, st, a, p, evening)
	if want := "The pod shop/api-1 on the node node-1 is being deleted and does not end."; !strings.HasSuffix(v.Why, want) || len(v.Blockers) != 1 || v.Blockers[0].Budget != "" {
		t.Errorf("%+v, want %s", v, want)
	}
}

func TestFault_15_ManyBlockersAreCounted(t *testing.T) {
	s, st, a, p := stuck()
	for i := range 30 {
		extra := pod(fmt.Sprintf("more-%02d", i), "node-1", "ReplicaSet/more")
		a.Pods.Value = append(a.Pods.Value, extra)
		a.Budgets.Value[0].Pods = append(a.Budgets.Value[0].Pods, extra.String())
	}
	v := rollout.Judge(s, st, a, p, evening)
	if len(v.Blockers) != 20 || len(rollout.Blockers(s, a)) != 20 || !strings.Contains(v.Why, "and likewise 30 more pods") {
		t.Errorf("%d blockers: %s", len(v.Blockers), v.Why)
	}
}

func TestTheBaselineCountsPodsWithoutAPlace(t *testing.T) {
	_, a, _ := quiet()
	a.Pods.Value = append(a.Pods.Value, pending(3, time.Hour)...)
	starting := pod("starting", "node-1", "ReplicaSet/api-7d")
	starting.Phase = "Pending"
	a.Pods.Value = append(a.Pods.Value, starting)
	if b := rollout.BaselineOf(a, evening); b != (rollout.Baseline{Pending: 3, Known: true}) {
		t.Errorf("the baseline is %+v", b)
	}
	if b := rollout.BaselineOf(rollout.Around{}, evening); b.Known {
		t.Errorf("what nobody read is known: %+v", b)
	}
}
