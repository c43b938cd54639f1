package objects_test

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi"
	"github.com/eks-steward/eks-steward/internal/kubeapi/inmemory"
)

const (
	podsPath    = "/api/v1/pods"
	budgetsPath = "/apis/policy/v1/poddisruptionbudgets"
)

// workloads is an API server with these budgets, and with pages of pods in turn,
// the last one again and again.
func workloads(t *testing.T, budgets []policyv1.PodDisruptionBudget, pages ...func(http.ResponseWriter)) *inmemory.Server {
	t.Helper()
	return inmemory.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == budgetsPath {
			answer(w, 200, &policyv1.PodDisruptionBudgetList{Items: budgets})
			return
		}
		pages[0](w)
		pages = pages[min(1, len(pages)-1):]
	})
}

// pods is a page of pods that run.
func pods(next string, items ...corev1.Pod) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		answer(w, 200, &corev1.PodList{ListMeta: metav1.ListMeta{Continue: next}, Items: items})
	}
}

// pod is one by namespace/name, with labels.
func pod(name string, labels map[string]string) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: path.Dir(name), Name: path.Base(name), Labels: labels},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning},
	}
}

// selecting is a budget of namespace shop with a selector.
func selecting(s *metav1.LabelSelector) policyv1.PodDisruptionBudget {
	return policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "b"},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: s},
	}
}

func TestAPodKeepsWhatTheFleetHasWordsFor(t *testing.T) {
	born := time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)
	yes := true
	full := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "api-1", CreationTimestamp: metav1.NewTime(born),
			OwnerReferences: []metav1.OwnerReference{{Kind: "Backup", Name: "b"}, {Kind: "ReplicaSet", Name: "api-7d4b9c", Controller: &yes}},
		},
		Spec: corev1.PodSpec{NodeName: "ip-10-0-3-4"},
		Status: corev1.PodStatus{
			Phase:      corev1.PodRunning,
			Conditions: []corev1.PodCondition{{Type: corev1.ContainersReady, Status: corev1.ConditionFalse}, {Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		},
	}
	want := fleet.Pod{
		Namespace: "shop", Name: "api-1", Node: "ip-10-0-3-4", Phase: "Running", Ready: true,
		Owner: "ReplicaSet/api-7d4b9c", CreatedAt: born,
	}
	tests := map[string]struct {
		change func(*corev1.Pod)
		want   func(*fleet.Pod)
	}{
		"all of it":             {func(*corev1.Pod) {}, func(*fleet.Pod) {}},
		"it waits for a node":   {func(p *corev1.Pod) { p.Spec.NodeName, p.Status.Phase = "", corev1.PodPending }, func(p *fleet.Pod) { p.Node, p.Phase = "", "Pending" }},
		"a phase to come":       {func(p *corev1.Pod) { p.Status.Phase = "Paused" }, func(p *fleet.Pod) { p.Phase = "Paused" }},
		"it is not ready":       {func(p *corev1.Pod) { p.Status.Conditions[1].Status = corev1.ConditionFalse }, func(p *fleet.Pod) { p.Ready = false }},
		"its kubelet is silent": {func(p *corev1.Pod) { p.Status.Conditions[1].Status = corev1.ConditionUnknown }, func(p *fleet.Pod) { p.Ready = false }},
		"only its containers are": {func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.ContainersReady, Status: corev1.ConditionTrue}}
		}, func(p *fleet.Pod) { p.Ready = false }},
		"nothing is said of readiness": {func(p *corev1.Pod) { p.Status.Conditions = nil }, func(p *fleet.Pod) { p.Ready = false }},
		"it is being deleted":          {func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: born} }, func(p *fleet.Pod) { p.Terminating = true }},
		"nobody makes it anew":         {func(p *corev1.Pod) { p.OwnerReferences = p.OwnerReferences[:1] }, func(p *fleet.Pod) { p.Owner = "" }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			given, want := *full.DeepCopy(), want
			tt.change(&given)
			tt.want(&want)
			s := workloads(t, nil, pods("", given))
			got, _, err := connect(t, s, s.Dial).Workloads(t.Context())
			if err != nil || len(got) != 1 || got[0] != want {
				t.Errorf("got  %+v, error %v\nwant %+v", got, err, want)
			}
		})
	}
}

func TestPodsThatHaveEndedAreLeftOut(t *testing.T) {
	ended := func(name string, phase corev1.PodPhase) corev1.Pod {
		p := pod(name, nil)
		p.Status.Phase = phase
		return p
	}
	s := workloads(t, []policyv1.PodDisruptionBudget{selecting(&metav1.LabelSelector{})},
		pods("", ended("shop/done", corev1.PodSucceeded), ended("shop/failed", corev1.PodFailed), pod("shop/runs", nil)))
	got, budgets, err := connect(t, s, s.Dial).Workloads(t.Context())
	if err != nil || len(got) != 1 || got[0].Name != "runs" || !slices.Equal(budgets[0].Pods, []string{"shop/runs"}) {
		t.Errorf("got %+v and %+v, error %v", got, budgets, err)
	}
}

func TestABudgetCoversThePodsThatItSelectsInItsNamespace(t *testing.T) {
	tests := map[string]struct {
		selector *metav1.LabelSelector
		want     string
	}{
		"by labels":                           {&metav1.LabelSelector{MatchLabels: map[string]string{"app": "api"}}, "shop/api-1 shop/api-2"},
		"by an expression":                    {&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"api"}}}}, "shop/bare shop/web-1"},
		"an empty selector covers all of it":  {&metav1.LabelSelector{}, "shop/api-1 shop/api-2 shop/bare shop/web-1"},
		"no selector covers none":             {nil, ""},
		"a selector of nobody covers none":    {&metav1.LabelSelector{MatchLabels: map[string]string{"app": "gone"}}, ""},
		"one that is not understood likewise": {&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Resembles"}}}, ""},
	}
	api, web := map[string]string{"app": "api", "tier": "back"}, map[string]string{"app": "web"}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := workloads(t, []policyv1.PodDisruptionBudget{selecting(tt.selector)},
				pods("two", pod("shop/web-1", web), pod("other/api-1", api), pod("shop/api-2", api)),
				pods("", pod("shop/api-1", api), pod("shop/bare", nil)))
			got, budgets, err := connect(t, s, s.Dial).Workloads(t.Context())
			if err != nil || len(got) != 5 || len(budgets) != 1 || strings.Join(budgets[0].Pods, " ") != tt.want {
				t.Errorf("got %d pods and %+v, error %v, want %s", len(got), budgets, err, tt.want)
			}
			if want := budgetsPath + ", " + podsPath + ", " + podsPath + " from two"; asked(s) != want {
				t.Errorf("asked %s, want %s", asked(s), want)
			}
		})
	}
}

func TestABudgetAllowsWhatTheEvictionAPIWould(t *testing.T) {
	always, healthy, other := policyv1.AlwaysAllow, policyv1.IfHealthyBudget, policyv1.UnhealthyPodEvictionPolicyType("Sometimes")
	status := policyv1.PodDisruptionBudgetStatus{ObservedGeneration: 3, DisruptionsAllowed: 2, CurrentHealthy: 5, DesiredHealthy: 3}
	want := fleet.Budget{Namespace: "shop", Name: "b", Allowed: 2, Healthy: 5, Wanted: 3}
	tests := map[string]struct {
		change func(*policyv1.PodDisruptionBudget)
		want   func(*fleet.Budget)
	}{
		"what its status says":                  {func(*policyv1.PodDisruptionBudget) {}, func(*fleet.Budget) {}},
		"nothing, while its status is behind":   {func(b *policyv1.PodDisruptionBudget) { b.Generation = 4 }, func(b *fleet.Budget) { b.Allowed = 0 }},
		"nothing, when it was never observed":   {func(b *policyv1.PodDisruptionBudget) { b.Status = policyv1.PodDisruptionBudgetStatus{} }, func(b *fleet.Budget) { b.Allowed, b.Healthy, b.Wanted = 0, 0, 0 }},
		"nothing for a negative number":         {func(b *policyv1.PodDisruptionBudget) { b.Status.DisruptionsAllowed = -1 }, func(b *fleet.Budget) { b.Allowed = 0 }},
		"pods that are not ready, when it says": {func(b *policyv1.PodDisruptionBudget) { b.Spec.UnhealthyPodEvictionPolicy = &always }, func(b *fleet.Budget) { b.EvictsUnready = true }},
		"and not when it says the default":      {func(b *policyv1.PodDisruptionBudget) { b.Spec.UnhealthyPodEvictionPolicy = &healthy }, func(*fleet.Budget) {}},
		"nor by a policy to come":               {func(b *policyv1.PodDisruptionBudget) { b.Spec.UnhealthyPodEvictionPolicy = &other }, func(*fleet.Budget) {}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			given, want := selecting(nil), want
			given.Generation, given.Status = 3, status
			tt.change(&given)
			tt.want(&want)
			s := workloads(t, []policyv1.PodDisruptionBudget{given}, pods(""))
			_, got, err := connect(t, s, s.Dial).Workloads(t.Context())
			if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
				t.Errorf("got  %+v, error %v\nwant %+v", got, err, want)
			}
		})
	}
}

// The names under a budget are of the same list as the pods.
func TestFault_4_PageTokensOfPods(t *testing.T) {
	everything := []policyv1.PodDisruptionBudget{selecting(&metav1.LabelSelector{})}
	refused := func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) }
	tests := map[string]struct {
		pages []func(http.ResponseWriter)
		want  string
		fleet fleet.TroubleKind
	}{
		"a token that comes back stops the reading": {
			[]func(http.ResponseWriter){pods("x", pod("shop/a", nil)), pods("y", pod("shop/b", nil)), pods("x", pod("shop/c", nil))},
			"shop/a shop/b shop/c", fleet.LoopingPages,
		},
		"a token that is too old begins the list again": {
			[]func(http.ResponseWriter){pods("x", pod("shop/a", nil), pod("shop/gone", nil)), expired, pods("", pod("shop/a", nil))},
			"shop/a", "",
		},
		"what was read before a refusal is kept": {
			[]func(http.ResponseWriter){pods("x", pod("shop/a", nil)), refused},
			"shop/a", fleet.Denied,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := workloads(t, everything, tt.pages...)
			got, budgets, err := connect(t, s, s.Dial).Workloads(t.Context())
			var names []string
			for _, p := range got {
				names = append(names, p.String())
			}
			if strings.Join(names, " ") != tt.want || len(budgets) != 1 || !slices.Equal(budgets[0].Pods, names) {
				t.Errorf("got %v and %+v, want %s", names, budgets, tt.want)
			}
			if (tt.fleet == "") != (err == nil) || err != nil && !errors.Is(err, tt.fleet) {
				t.Errorf("error %v, want %q", err, tt.fleet)
			}
		})
	}
}

func TestPodsThatCannotBeReadAreUnknown(t *testing.T) {
	tests := map[string]struct {
		page  func(http.ResponseWriter)
		fleet fleet.TroubleKind
		kind  kubeapi.Kind
	}{
		"FAULT 43 they are forbidden": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) }, fleet.Denied, kubeapi.Forbidden},
		"FAULT 45 another list":       {func(w http.ResponseWriter) { answer(w, 200, nodes("", "a")) }, fleet.Failed, kubeapi.BadPage},
		"FAULT 45 protobuf that is none": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", runtime.ContentTypeProtobuf)
			fmt.Fprint(w, "k8s\x00\xff\xff\xff")
		}, fleet.Failed, kubeapi.BadPage},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := workloads(t, nil, tt.page)
			got, _, err := connect(t, s, s.Dial).Workloads(t.Context())
			troubled(t, err, podsPath, tt.fleet, tt.kind)
			if len(got) != 0 {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestBudgetsThatCannotBeReadLeaveThePodsUnread(t *testing.T) {
	s := inmemory.Serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	got, budgets, err := connect(t, s, s.Dial).Workloads(t.Context())
	troubled(t, err, budgetsPath, fleet.Denied, kubeapi.Forbidden)
	if got != nil || budgets != nil || asked(s) != budgetsPath {
		t.Errorf("got %v and %v after %s", got, budgets, asked(s))
	}
}

func TestFault_44_BudgetsAndPodsHaveOneDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inmemory.Serve(t, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			if r.URL.Path == budgetsPath {
				answer(w, 200, &policyv1.PodDisruptionBudgetList{})
				return
			}
			pods(r.URL.Query().Get("continue")+"x", pod("shop/a", nil))(w)
		})
		begin := time.Now()
		got, _, err := connect(t, s, s.Dial).Workloads(t.Context())
		troubled(t, err, podsPath, fleet.Failed, kubeapi.TimedOut)
		if took := time.Since(begin); took != time.Minute || len(got) == 0 {
			t.Errorf("took %s for %d pods", took, len(got))
		}
	})
}
