//go:build unix

package cluster_test

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/e2e/cluster"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// workloads are a set for each way in which a budget decides about a pod; a pod that no node
// has room for, one that nobody makes anew, and one of a job, which kwok ends at once.
var workloads = strings.Join([]string{
	set("calm", "maxUnavailable: 0"),
	set("spare", "minAvailable: 1"),
	set("enough", "minAvailable: 1"),
	set("broken", "minAvailable: 1"),
	set("lenient", "maxUnavailable: 0, unhealthyPodEvictionPolicy: AlwaysAllow"),
	`
apiVersion: v1
kind: Pod
metadata: {name: homeless, labels: {app: broken}}
spec: {nodeSelector: {kubernetes.io/hostname: nowhere}, containers: [{name: a, image: a}]}`,
	`
apiVersion: v1
kind: Pod
metadata: {name: once}
spec: {nodeName: apps-1, containers: [{name: a, image: a}]}`,
	`
apiVersion: batch/v1
kind: Job
metadata: {name: done}
spec: {template: {spec: {nodeName: apps-1, restartPolicy: Never, containers: [{name: a, image: a}]}}}`,
}, "\n---")

// set is two pods of the nodegroup apps and the budget that covers them.
func set(name, budget string) string {
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: %[1]s}
spec:
  replicas: 2
  serviceName: %[1]s
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {nodeSelector: {eks.amazonaws.com/nodegroup: apps}, containers: [{name: a, image: a}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: %[1]s}
spec: {%[2]s, selector: {matchLabels: {app: %[1]s}}}`, name, budget)
}

// podsAndBudgets holds what is read against what the real controllers made of it, and what is
// said of each pod against the real eviction API.
func podsAndBudgets(t *testing.T, c *cluster.Cluster, s server) {
	if err := cluster.Eventually(t, func() error { return served(t, c, "/api/v1/namespaces/default/serviceaccounts/default") }); err != nil {
		t.Fatal(err) // a pod is refused before there is one
	}
	c.Apply(t, []byte(workloads))
	runs := func(name string, ready bool) fleet.Pod {
		owner, _, _ := strings.Cut(name, "-")
		return fleet.Pod{Namespace: "default", Name: name, Node: "apps-1", Phase: "Running", Ready: ready, Owner: "StatefulSet/" + owner}
	}
	all := []fleet.Pod{
		runs("broken-0", true), runs("broken-1", true), runs("calm-0", true), runs("calm-1", true), runs("enough-0", true), runs("enough-1", true),
		{Namespace: "default", Name: "homeless", Phase: "Pending"},
		runs("lenient-0", true), runs("lenient-1", true),
		{Namespace: "default", Name: "once", Node: "apps-1", Phase: "Running", Ready: true},
		runs("spare-0", true), runs("spare-1", true),
	}
	s.untilWorkloads(t, all, []fleet.Budget{
		{Namespace: "default", Name: "broken", Allowed: 1, Healthy: 2, Wanted: 1, Pods: []string{"default/broken-0", "default/broken-1", "default/homeless"}},
		{Namespace: "default", Name: "calm", Healthy: 2, Wanted: 2, Pods: []string{"default/calm-0", "default/calm-1"}},
		{Namespace: "default", Name: "enough", Allowed: 1, Healthy: 2, Wanted: 1, Pods: []string{"default/enough-0", "default/enough-1"}},
		{Namespace: "default", Name: "lenient", Healthy: 2, Wanted: 2, EvictsUnready: true, Pods: []string{"default/lenient-0", "default/lenient-1"}},
		{Namespace: "default", Name: "spare", Allowed: 1, Healthy: 2, Wanted: 1, Pods: []string{"default/spare-0", "default/spare-1"}},
	})

	for i := range all {
		if slices.Contains([]string{"broken-0", "broken-1", "enough-1", "lenient-1"}, all[i].Name) {
			unready(t, c, all[i].Name)
			all[i].Ready = false
		}
	}
	budgets := s.untilWorkloads(t, all, []fleet.Budget{
		{Namespace: "default", Name: "broken", Healthy: 0, Wanted: 1, Pods: []string{"default/broken-0", "default/broken-1", "default/homeless"}},
		{Namespace: "default", Name: "calm", Healthy: 2, Wanted: 2, Pods: []string{"default/calm-0", "default/calm-1"}},
		{Namespace: "default", Name: "enough", Healthy: 1, Wanted: 1, Pods: []string{"default/enough-0", "default/enough-1"}},
		{Namespace: "default", Name: "lenient", Healthy: 1, Wanted: 2, EvictsUnready: true, Pods: []string{"default/lenient-0", "default/lenient-1"}},
		{Namespace: "default", Name: "spare", Allowed: 1, Healthy: 2, Wanted: 1, Pods: []string{"default/spare-0", "default/spare-1"}},
	})
	var held []string
	for _, p := range all {
		var says []string
		for _, b := range budgets {
			if slices.Contains(b.Pods, p.String()) && b.Holds(p) {
				says = append(says, b.String())
			}
		}
		if got := evictable(t, c, p.Name); got != (len(says) == 0) {
			t.Errorf("the API server would evict %s: %t; held by %q", p, got, says)
		}
		if len(says) > 0 {
			held = append(held, p.Name)
		}
	}
	if want := []string{"broken-0", "broken-1", "calm-0", "calm-1", "enough-0", "lenient-0"}; !slices.Equal(held, want) {
		t.Errorf("held are %q, want %q", held, want)
	}
}

// untilWorkloads reads until the pods and budgets are these: controllers take a moment.
func (s server) untilWorkloads(t *testing.T, pods []fleet.Pod, budgets []fleet.Budget) []fleet.Budget {
	t.Helper()
	var got []fleet.Budget
	if err := cluster.Eventually(t, func() error {
		known, found, err := s.objects.Workloads(t.Context())
		if err != nil {
			return err
		}
		for i := range known {
			if time.Since(known[i].CreatedAt).Abs() > time.Hour {
				return fmt.Errorf("%s was created at %s", known[i], known[i].CreatedAt)
			}
			known[i].CreatedAt = time.Time{}
		}
		if !slices.Equal(known, pods) || !reflect.DeepEqual(found, budgets) {
			return fmt.Errorf("got  %+v\nwant %+v\ngot  %+v\nwant %+v", known, pods, found, budgets)
		}
		got = found
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

// unready lets a pod say that it is not, which kwok does not take back.
func unready(t *testing.T, c *cluster.Cluster, pod string) {
	t.Helper()
	body := `{"status": {"conditions": [{"type": "Ready", "status": "False"}]}}`
	if status := send(t, c, http.MethodPatch, pod+"/status", "application/strategic-merge-patch+json", body); status != http.StatusOK {
		t.Fatalf("make %s unready: %d", pod, status)
	}
}

// evictable asks the API server whether it would evict a pod, without having it done.
func evictable(t *testing.T, c *cluster.Cluster, pod string) bool {
	t.Helper()
	body := `{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "` + pod + `"}, "deleteOptions": {"dryRun": ["All"]}}`
	switch status := send(t, c, http.MethodPost, pod+"/eviction", "application/json", body); status {
	case http.StatusCreated:
		return true
	case http.StatusTooManyRequests:
		return false
	default:
		t.Fatalf("evict %s: %d", pod, status)
		return false
	}
}

// send is a request of Admin about a pod of the default namespace.
func send(t *testing.T, c *cluster.Cluster, method, path, mediaType, body string) (status int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, c.Endpoint+"/api/v1/namespaces/default/pods/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", mediaType)
	resp, err := c.Admin.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
