package nodegroup_test

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodegrouprollout"
	"github.com/eks-steward/eks-steward/internal/rollout"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// everything is a look at all there is.
var everything = nodegrouprollout.Look{Alarms: []string{"latency", "errors", "absent"}, Calendar: "releases", Begin: true}

func TestACandidateIsWhatAPlanNeeds(t *testing.T) {
	r := payments()
	r.LaunchTemplates = []sim.LaunchTemplate{{ID: "lt-1"}, {ID: "lt-1", Version: 2}}
	r.Clusters[0].Nodegroups = append(r.Clusters[0].Nodegroups, sim.Nodegroup{Name: "green", LaunchTemplate: &sim.TemplateVersion{ID: "lt-1"}})
	w := enter(t, r)
	got := w.reader.Candidate(t.Context(), target, "payments")
	if got.Target != target || got.ID != target.Cluster("payments") || got.Cluster.Value.Version != "1.34" || !got.Cluster.Known() {
		t.Errorf("got %+v", got)
	}
	if !got.Groups.Known() || len(got.Groups.Value) != 2 || got.Groups.Value[0].Name != "blue" {
		t.Errorf("groups %+v", got.Groups)
	}
	if !got.Images.Known() || len(got.Images.Value) != 2 || got.Images.Value[1].Release != "1.34.2-20261110" {
		t.Errorf("images %+v", got.Images)
	}
	if want := []fleet.TemplateHead{{ID: "lt-1", Default: 2, Latest: 2}}; !got.Heads.Known() || !reflect.DeepEqual(got.Heads.Value, want) {
		t.Errorf("heads %+v, want %+v", got.Heads, want)
	}
}

func TestImagesAreReadOnceForAPlanAndAnewForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose time passes at once: so many calls are paced
		r := payments()
		for i := range 30 {
			c := r.Clusters[0]
			c.Name = fmt.Sprintf("c%02d", i)
			r.Clusters = append(r.Clusters, c)
		}
		w := enter(t, r)
		plan := func() {
			for _, c := range r.Clusters {
				if got := w.reader.Candidate(t.Context(), target, c.Name); len(got.Images.Value) != 2 {
					t.Errorf("%s: %+v", c.Name, got.Images)
				}
			}
		}
		plan()
		if n := w.Calls().Of("GetParameter").Total(); n != 2 {
			t.Errorf("%d parameters were read", n)
		}
		w.now = w.now.Add(5 * time.Minute)
		plan()
		if n := w.Calls().Of("GetParameter").Total(); n != 4 {
			t.Errorf("%d parameters were read with the next plan", n)
		}
	})
}

func TestFault_13_AClusterThatEKSDoesNotRunHasNoGroups(t *testing.T) {
	r := payments()
	r.Clusters = append(r.Clusters, sim.Cluster{Name: "office", Kind: fleet.KindConnected})
	w := enter(t, r)
	for _, name := range []string{"office", "gone"} {
		if got := w.reader.Candidate(t.Context(), target, name); got.Groups.Tried() || got.Images.Tried() || !got.Cluster.Tried() {
			t.Errorf("%s: %+v", name, got)
		}
	}
	troubleIn(t, w.reader.Candidate(t.Context(), target, "gone").Cluster, fleet.Gone, "eks:DescribeCluster")
}

func TestWhatIsAroundAGroupBeforeItIsBegun(t *testing.T) {
	w := enter(t, payments())
	got := w.reader.Around(t.Context(), target, "payments", "blue", everything)
	if !got.Cluster.Known() || got.Group.Value.Name != "blue" || !got.Group.Known() {
		t.Errorf("cluster %+v, group %+v", got.Cluster, got.Group)
	}
	if got.Update.Tried() {
		t.Errorf("a group at rest has no update: %+v", got.Update)
	}
	if want := (rollout.Room{Addresses: 253, VCPUs: 40, EachVCPUs: 4}); !got.Room.Known() || got.Room.Value != want {
		t.Errorf("room %+v, want %+v", got.Room, want)
	}
	if want := []fleet.Alarm{{Name: "errors", State: "OK"}, {Name: "latency", State: "ALARM", Reason: "Threshold crossed."}}; !got.Alarms.Known() || !reflect.DeepEqual(got.Alarms.Value, want) {
		t.Errorf("alarms %+v, want %+v", got.Alarms, want)
	}
	if !got.Calendar.Known() || !got.Calendar.Value {
		t.Errorf("calendar %+v", got.Calendar)
	}
	if !got.Insights.Known() || len(got.Insights.Value) != 1 || got.Insights.Value[0].ID != "insight-1" {
		t.Errorf("insights %+v", got.Insights)
	}
	for _, p := range []*fleet.Trouble{got.Nodes.Trouble, got.Pods.Trouble, got.Budgets.Trouble} {
		if p == nil || p.Kind != fleet.Private {
			t.Errorf("FAULT 42 an API server without a public endpoint: %v", p)
		}
	}
	if got.EtcdCritical.Tried() {
		t.Errorf("etcd is the caller's to add: %+v", got.EtcdCritical)
	}
}

func TestNoMoreIsAskedThanIsLookedFor(t *testing.T) {
	for name, tt := range map[string]struct {
		look nodegrouprollout.Look
		want []string
	}{
		"the gate without alarms and calendar": {nodegrouprollout.Look{}, nil},
		"an update that is under way":          {nodegrouprollout.Look{Brief: true, Update: "u-1", Alarms: []string{"latency"}, Calendar: "shut", Begin: true}, []string{"DescribeUpdate"}},
		"the gate with alarms":                 {nodegrouprollout.Look{Alarms: []string{"latency"}}, []string{"DescribeAlarms"}},
		"the gate with a calendar":             {nodegrouprollout.Look{Calendar: "shut"}, []string{"GetCalendarState"}},
		"the begin":                            {nodegrouprollout.Look{Begin: true}, []string{"DescribeInstanceTypes", "DescribeSubnets", "GetMetricData", "GetServiceQuota", "ListInsights"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := enter(t, payments())
			w.reader.Around(t.Context(), target, "payments", "blue", tt.look)
			var got []string
			for key := range w.Calls() {
				if !slices.Contains([]string{"AssumeRole", "DescribeCluster", "DescribeNodegroup"}, key.Operation) {
					got = append(got, key.Operation)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("called %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFault_05_ADeniedPartOfAroundLeavesTheOthersIntact(t *testing.T) {
	parts := func(a rollout.Around) map[string]*fleet.Trouble {
		return map[string]*fleet.Trouble{
			"cluster": a.Cluster.Trouble, "group": a.Group.Trouble, "update": a.Update.Trouble, "room": a.Room.Trouble,
			"alarms": a.Alarms.Trouble, "calendar": a.Calendar.Trouble, "insights": a.Insights.Trouble,
		}
	}
	for action, part := range map[string]string{
		"eks:DescribeCluster": "cluster", "eks:DescribeNodegroup": "group", "eks:ListUpdates": "update", "eks:ListInsights": "insights",
		"ec2:DescribeSubnets": "room", "ec2:DescribeInstanceTypes": "room", "servicequotas:GetServiceQuota": "room", "cloudwatch:GetMetricData": "room",
		"cloudwatch:DescribeAlarms": "alarms", "ssm:GetCalendarState": "calendar",
	} {
		t.Run(action, func(t *testing.T) {
			r := payments()
			if part == "update" {
				r.Clusters[0].Nodegroups[0].Status = "UPDATING"
			}
			w := enter(t, r)
			w.Faults().Script(denied(action[len(service(action))+1:], action))
			got := parts(w.reader.Around(t.Context(), target, "payments", "blue", everything))
			for name, trouble := range got {
				switch {
				case name == part && (trouble == nil || trouble.Kind != fleet.Denied || trouble.Action != action):
					t.Errorf("%s: %v", name, trouble)
				case name != part && trouble != nil:
					t.Errorf("%s is troubled too: %v", name, trouble)
				}
			}
		})
	}
}

// service is the prefix of an IAM action.
func service(action string) string {
	for i, c := range action {
		if c == ':' {
			return action[:i]
		}
	}
	return ""
}

func TestFault_03_AGroupThatIsGoneIsToldAsGone(t *testing.T) {
	w := enter(t, payments())
	got := w.reader.Around(t.Context(), target, "payments", "red", everything)
	troubleIn(t, got.Group, fleet.Gone, "eks:DescribeNodegroup")
	if got.Room.Tried() || got.Update.Tried() || !got.Cluster.Known() || !got.Alarms.Known() {
		t.Errorf("got %+v", got)
	}
}

// served is an API server of a cluster that answers each path with a page.
func served(t *testing.T, pages map[string]string) (endpoint, ca string) {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		page, ok := pages[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = w.Write([]byte(page))
	}))
	t.Cleanup(s.Close)
	pemCA := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return s.URL, base64.StdEncoding.EncodeToString(pemCA)
}

const (
	twoNodes = `{"kind":"NodeList","apiVersion":"v1","metadata":{},"items":[
		{"metadata":{"name":"node-1","labels":{"eks.amazonaws.com/nodegroup":"blue"}}},
		{"metadata":{"name":"node-2","labels":{"eks.amazonaws.com/nodegroup":"green"}}},
		{"metadata":{"name":"node-3","labels":{"karpenter.sh/nodepool":"blue"}}}]}`
	onePod    = `{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[{"metadata":{"namespace":"shop","name":"api-1","labels":{"app":"api"}},"spec":{"nodeName":"node-1"},"status":{"phase":"Running"}}]}`
	oneBudget = `{"kind":"PodDisruptionBudgetList","apiVersion":"policy/v1","metadata":{},"items":[{"metadata":{"namespace":"shop","name":"api"},"spec":{"selector":{"matchLabels":{"app":"api"}}},"status":{"disruptionsAllowed":1}}]}`
)

func TestTheAPIServerTellsOfTheGroupsNodesAndOfAllPods(t *testing.T) {
	r := payments()
	r.Clusters[0].Endpoint, r.Clusters[0].CA = served(t, map[string]string{
		"/api/v1/nodes": twoNodes, "/api/v1/pods": onePod, "/apis/policy/v1/poddisruptionbudgets": oneBudget,
	})
	got := enter(t, r).reader.Around(t.Context(), target, "payments", "blue", nodegrouprollout.Look{})
	if !got.Nodes.Known() || len(got.Nodes.Value) != 1 || got.Nodes.Value[0].Name != "node-1" {
		t.Errorf("nodes %+v, %s", got.Nodes.Value, got.Nodes.Why())
	}
	if !got.Pods.Known() || len(got.Pods.Value) != 1 || got.Pods.Value[0].String() != "shop/api-1" {
		t.Errorf("pods %+v, %s", got.Pods.Value, got.Pods.Why())
	}
	if !got.Budgets.Known() || len(got.Budgets.Value) != 1 || !slices.Equal(got.Budgets.Value[0].Pods, []string{"shop/api-1"}) {
		t.Errorf("budgets %+v, %s", got.Budgets.Value, got.Budgets.Why())
	}
}

func TestFault_43_BudgetsThatMayNotBeReadAreUnknownWithTheirPods(t *testing.T) {
	r := payments()
	r.Clusters[0].Endpoint, r.Clusters[0].CA = served(t, map[string]string{"/api/v1/nodes": twoNodes, "/api/v1/pods": onePod})
	got := enter(t, r).reader.Around(t.Context(), target, "payments", "blue", nodegrouprollout.Look{})
	if !got.Nodes.Known() || !got.Pods.Tried() || got.Pods.Known() || !got.Budgets.Tried() || got.Budgets.Known() || got.Budgets.Trouble.Kind != fleet.Denied {
		t.Errorf("nodes %s, pods %s, budgets %s", got.Nodes.Why(), got.Pods.Why(), got.Budgets.Why())
	}
}

func TestFault_01_AThrottledReadIsRepeatedAndThenUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := enter(t, payments())
		throttled := edge.Answer(http.StatusBadRequest, "ThrottlingException", "Rate exceeded")
		w.Faults().Script(edge.Step{Operation: "DescribeNodegroup", Times: 2, Do: throttled})
		if got := w.reader.Around(t.Context(), target, "payments", "blue", everything); !got.Group.Known() || !got.Room.Known() {
			t.Errorf("group %s, room %s", got.Group.Why(), got.Room.Why())
		}
		w.Faults().Script(edge.Step{Operation: "GetCalendarState", Times: edge.Always, Do: throttled})
		troubleIn(t, w.reader.Around(t.Context(), target, "payments", "blue", everything).Calendar, fleet.Throttled, "ssm:GetCalendarState")
	})
}
