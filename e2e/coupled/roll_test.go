//go:build unix

package coupled_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/e2e/cluster"
	"github.com/eks-steward/eks-steward/internal/sim"
)

// site runs three pods of a Deployment, one to a node, and one of a DaemonSet on each, which no
// budget would let go.
const site = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: site}
spec:
  replicas: 3
  selector: {matchLabels: {app: site}}
  template:
    metadata: {labels: {app: site}}
    spec:
      terminationGracePeriodSeconds: 1
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, nodeTaintsPolicy: Honor, labelSelector: {matchLabels: {app: site}}}
      containers: [{name: site, image: example.com/site}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      tolerations: [{operator: Exists}]
      containers: [{name: agent, image: example.com/agent}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: site}
spec: {maxUnavailable: %d, selector: {matchLabels: {app: site}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: agent}
spec: {minAvailable: 99, selector: {matchLabels: {app: agent}}}
`

// The cases follow each other: a group whose update has failed is updated again.
func TestAnUpdateReallyDrainsTheNodes(t *testing.T) {
	control := cluster.Start(t, cluster.Options{Name: payments.Name, Workloads: true})
	client, mirror := follow(t, control, sim.Nodegroup{Name: "first", Version: "1.34", Nodes: 3})
	ready(t, control, "first", 3, "v1.34.1-eks-0000000")
	control.Apply(t, fmt.Appendf(nil, site, 1))
	eventually(t, func() error { return running(t, control, 3, "site") })
	first, _ := nodeNames(t, control)
	var spare string // the new node of an update that has failed

	t.Run("every node is new, and the pods run there", func(t *testing.T) {
		if u := roll(t, client, "1.35.1-20261101", false); u.Status != types.UpdateStatusSuccessful {
			t.Fatalf("the update ended as %+v", u)
		}
		ready(t, control, "first", 3, "v1.35.1-eks-0000000")
		second, cordoned := nodeNames(t, control)
		if len(cordoned) > 0 || slices.ContainsFunc(second, func(name string) bool { return slices.Contains(first, name) }) {
			t.Errorf("nodes are %q after %q, and %q are cordoned", second, first, cordoned)
		}
		eventually(t, func() error { return running(t, control, 3, "site") })
		eventually(t, func() error { return running(t, control, 3, "agent") })
	})
	t.Run("FAULT 15 a budget that allows nothing ends it with PodEvictionFailure", func(t *testing.T) {
		control.Apply(t, fmt.Appendf(nil, site, 0))
		eventually(t, func() error { return allowed(t, control, 0) })
		before, _ := nodeNames(t, control)
		mirror.EvictionTimeout = time.Second
		u := roll(t, client, "1.35.2-20261115", false)
		if u.Status != types.UpdateStatusFailed || len(u.Errors) != 1 || u.Errors[0].ErrorCode != types.ErrorCodePodEvictionFailure {
			t.Fatalf("the update ended as %+v", u)
		}
		if on := u.Errors[0].ResourceIds; len(on) != 1 || !slices.Contains(before, on[0]) {
			t.Errorf("it names %q, want one of %q", on, before)
		}
		g, err := client.DescribeNodegroup(t.Context(), &eks.DescribeNodegroupInput{ClusterName: &payments.Name, NodegroupName: new("first")})
		if err != nil || g.Nodegroup.Status != types.NodegroupStatusActive || *g.Nodegroup.ReleaseVersion != "1.35.1-20261101" {
			t.Errorf("the group is %+v, %v", g, err)
		}
		after, cordoned := nodeNames(t, control)
		if len(after) != 4 || !slices.Equal(after[:3], before) || !slices.Equal(cordoned, before) {
			t.Fatalf("nodes are %q, and %q are cordoned; want %q and a new one", after, cordoned, before)
		}
		spare = after[3]
		if err := running(t, control, 3, "site"); err != nil {
			t.Error(err)
		}
	})
	t.Run("it goes on from there when the budget is relaxed", func(t *testing.T) {
		mirror.EvictionTimeout = time.Minute
		control.Apply(t, fmt.Appendf(nil, site, 1))
		if u := roll(t, client, "1.35.2-20261115", false); u.Status != types.UpdateStatusSuccessful {
			t.Fatalf("the update ended as %+v", u)
		}
		ready(t, control, "first", 3, "v1.35.2-eks-0000000")
		if names, _ := nodeNames(t, control); !slices.Contains(names, spare) {
			t.Errorf("the new node %s was taken away", spare)
		}
		eventually(t, func() error { return running(t, control, 3, "site") })
	})
	t.Run("with force the pods go past their budget", func(t *testing.T) {
		control.Apply(t, fmt.Appendf(nil, site, 0))
		eventually(t, func() error { return allowed(t, control, 0) })
		mirror.EvictionTimeout = 200 * time.Millisecond
		if u := roll(t, client, "1.35.3-20261116", true); u.Status != types.UpdateStatusSuccessful {
			t.Fatalf("the update ended as %+v", u)
		}
		ready(t, control, "first", 3, "v1.35.3-eks-0000000")
		eventually(t, func() error { return running(t, control, 3, "site") })
	})
	t.Run("nodes that do not get Ready end it with NodeCreationFailure", func(t *testing.T) {
		mirror.ReadyTimeout = 0
		u := roll(t, client, "1.35.4-20261117", false)
		if u.Status != types.UpdateStatusFailed || u.Errors[0].ErrorCode != types.ErrorCodeNodeCreationFailure || len(u.Errors[0].ResourceIds) != 1 {
			t.Fatalf("the update ended as %+v", u)
		}
	})
}

// roll updates the group first and waits for the end.
func roll(t *testing.T, client *eks.Client, release string, force bool) *types.Update {
	t.Helper()
	out, err := client.UpdateNodegroupVersion(t.Context(), &eks.UpdateNodegroupVersionInput{
		ClusterName: &payments.Name, NodegroupName: new("first"), Version: new("1.35"), ReleaseVersion: &release, Force: force,
	})
	if err != nil || out.Update.Status != types.UpdateStatusInProgress {
		t.Fatalf("update is %+v, %v", out, err)
	}
	var u *types.Update
	eventually(t, func() error {
		out, err := client.DescribeUpdate(t.Context(), &eks.DescribeUpdateInput{Name: &payments.Name, NodegroupName: new("first"), UpdateId: out.Update.Id})
		if err != nil {
			return err
		}
		if u = out.Update; u.Status == types.UpdateStatusInProgress {
			return fmt.Errorf("the update is %s", u.Status)
		}
		return nil
	})
	return u
}

// running says whether so many pods of an app run, all on nodes that are there, and no
// others are there.
func running(t *testing.T, control *cluster.Cluster, want int, app string) error {
	var pods struct {
		Items []struct {
			Metadata struct{ Name, DeletionTimestamp string }
			Spec     struct{ NodeName string }
			Status   struct{ Phase string }
		}
	}
	get(t, control, "/api/v1/namespaces/default/pods?labelSelector=app%3D"+app, &pods)
	if len(pods.Items) != want {
		return fmt.Errorf("%s has %d pods, want %d", app, len(pods.Items), want)
	}
	there, _ := nodeNames(t, control)
	for _, p := range pods.Items {
		if p.Status.Phase != "Running" || p.Metadata.DeletionTimestamp != "" || !slices.Contains(there, p.Spec.NodeName) {
			return fmt.Errorf("pod %s is %s on node %q", p.Metadata.Name, p.Status.Phase, p.Spec.NodeName)
		}
	}
	return nil
}

// allowed says whether the budget of the site allows so many disruptions.
func allowed(t *testing.T, control *cluster.Cluster, want int) error {
	var budget struct {
		Metadata struct{ Generation int }
		Status   struct{ ObservedGeneration, DisruptionsAllowed int }
	}
	get(t, control, "/apis/policy/v1/namespaces/default/poddisruptionbudgets/site", &budget)
	if budget.Metadata.Generation != budget.Status.ObservedGeneration || budget.Status.DisruptionsAllowed != want {
		return fmt.Errorf("the budget is %+v", budget)
	}
	return nil
}

// nodeNames are those of all nodes, and of the cordoned ones, oldest first.
func nodeNames(t *testing.T, control *cluster.Cluster) (all, cordoned []string) {
	t.Helper()
	var nodes struct {
		Items []struct {
			Metadata struct{ Name string }
			Spec     struct{ Unschedulable bool }
		}
	}
	get(t, control, "/api/v1/nodes", &nodes)
	for _, n := range nodes.Items {
		all = append(all, n.Metadata.Name)
		if n.Spec.Unschedulable {
			cordoned = append(cordoned, n.Metadata.Name)
		}
	}
	slices.SortFunc(all, byNumber)
	slices.SortFunc(cordoned, byNumber)
	return all, cordoned
}

// byNumber orders names of nodes, in which a number counts up.
func byNumber(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

func get(t *testing.T, control *cluster.Cluster, path string, into any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, control.Endpoint+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := control.Admin.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v", path, resp.Status, err)
	}
}

// eventually asks until there is no error. Only a very busy machine takes minutes.
func eventually(t *testing.T, ask func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	next := time.NewTicker(50 * time.Millisecond)
	defer next.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-next.C:
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}
