//go:build unix

package rollout_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/e2e/cluster"
	"github.com/eks-steward/eks-steward/e2e/coupled"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi"
	"github.com/eks-steward/eks-steward/internal/sim"
)

const readers = kubeapi.Group

// A real cluster follows one of EKS. EKS begins an update of its groups at once,
// and gets on with it when the test says so.
type real struct {
	sim.Cluster // name, tags and nodegroups
	*coupled.Mirror
	control *cluster.Cluster
	turns   chan struct{}
}

// start starts the control plane of a cluster with an application on its nodes.
func start(t *testing.T, c sim.Cluster) *real {
	t.Helper()
	control := cluster.Start(t, cluster.Options{Name: c.Name, Workloads: true})
	r := &real{Cluster: c, Mirror: coupled.New(control), control: control, turns: make(chan struct{})}
	manifest, err := os.ReadFile("../../manifests/steward-reader.yaml")
	if err != nil {
		t.Fatal(err)
	}
	control.Apply(t, manifest)
	control.Apply(t, fmt.Appendf(nil, checkout, 1))
	return r
}

// Roll waits for its turn.
func (r *real) Roll(ctx context.Context, from, to fleet.Nodegroup, force bool) []fleet.UpdateError {
	select {
	case <-r.turns:
		return r.Mirror.Roll(ctx, from, to, force)
	case <-ctx.Done():
		return nil
	}
}

// checkout is an application of two pods, of which some may be away at a time.
const checkout = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: checkout}}
  template:
    metadata: {labels: {app: checkout}}
    spec:
      terminationGracePeriodSeconds: 1
      nodeSelector: {eks.amazonaws.com/nodegroup: workers}
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, nodeTaintsPolicy: Honor, labelSelector: {matchLabels: {app: checkout}}}
      containers: [{name: checkout, image: example.com/checkout}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: checkout, namespace: default}
spec: {maxUnavailable: %d, selector: {matchLabels: {app: checkout}}}
`

// allow has the budget allow so many disruptions, and returns when it does.
func (r *real) allow(t *testing.T, disruptions int) {
	t.Helper()
	r.control.Apply(t, fmt.Appendf(nil, checkout, disruptions))
	r.settled(t, disruptions)
}

// settled returns when both pods are ready and the budget allows so many of them to
// go.
func (r *real) settled(t *testing.T, disruptions int) {
	t.Helper()
	eventually(t, func() error {
		var budget struct {
			Metadata struct{ Generation int }
			Status   struct{ ObservedGeneration, DisruptionsAllowed, CurrentHealthy int }
		}
		if err := r.get(t.Context(), "/apis/policy/v1/namespaces/default/poddisruptionbudgets/checkout", &budget); err != nil {
			return err
		}
		if budget.Metadata.Generation != budget.Status.ObservedGeneration || budget.Status.DisruptionsAllowed != disruptions || budget.Status.CurrentHealthy != 2 {
			return fmt.Errorf("the budget of %s is %+v", r.Name, budget)
		}
		return nil
	})
}

// A node of a cluster.
type node struct {
	name, kubelet string
	cordoned      bool
}

// nodes are those of a group, by name.
func (r *real) nodes(t *testing.T, group string) []node {
	t.Helper()
	var list struct {
		Items []struct {
			Metadata struct {
				Name   string
				Labels map[string]string
			}
			Spec   struct{ Unschedulable bool }
			Status struct {
				NodeInfo struct{ KubeletVersion string }
			}
		}
	}
	if err := r.get(t.Context(), "/api/v1/nodes?labelSelector=eks.amazonaws.com%2Fnodegroup%3D"+group, &list); err != nil {
		t.Fatal(err)
	}
	var all []node
	for _, n := range list.Items {
		all = append(all, node{n.Metadata.Name, n.Status.NodeInfo.KubeletVersion, n.Spec.Unschedulable})
	}
	slices.SortFunc(all, func(a, b node) int { return strings.Compare(a.name, b.name) })
	return all
}

// A drain is how pods go while nodes are renewed.
type drain struct {
	mu               sync.Mutex
	evicted, deleted []string // names, by the eviction API and in other ways
}

// drains follows the pods from now on, until the test ends.
func (r *real) drains(t *testing.T) *drain {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.control.Endpoint+"/api/v1/namespaces/default/pods?watch=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	watching := *r.control.Admin
	watching.Timeout = 0 // it would end the watch, and what goes later would be missing
	response, err := watching.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	var d drain
	var following sync.WaitGroup
	t.Cleanup(following.Wait) // after the test's context has ended
	following.Go(func() {
		defer response.Body.Close()
		d.follow(response.Body)
	})
	return &d
}

// went returns how pods have gone, sorted, when so many have.
func (d *drain) went(t *testing.T, pods int) (evicted, deleted []string) {
	t.Helper()
	eventually(t, func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		evicted, deleted = slices.Sorted(slices.Values(d.evicted)), slices.Sorted(slices.Values(d.deleted))
		if n := len(evicted) + len(deleted); n < pods {
			return fmt.Errorf("%d pods have gone, want %d", n, pods)
		}
		return nil
	})
	return evicted, deleted
}

// follow reads events of pods to their end. The API server notes on a pod that it
// was evicted.
// https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions
func (d *drain) follow(events io.Reader) {
	type condition struct{ Type, Status, Reason string }
	for decoder := json.NewDecoder(events); ; {
		var e struct {
			Type   string
			Object struct {
				Metadata struct{ Name string }
				Status   struct{ Conditions []condition }
			}
		}
		if err := decoder.Decode(&e); err != nil {
			return // whoever asks for more will say so
		}
		d.mu.Lock()
		switch name := e.Object.Metadata.Name; {
		case e.Type != "DELETED":
		case slices.Contains(e.Object.Status.Conditions, condition{"DisruptionTarget", "True", "EvictionByEvictionAPI"}):
			d.evicted = append(d.evicted, name)
		default:
			d.deleted = append(d.deleted, name)
		}
		d.mu.Unlock()
	}
}

// pods are those of the application, and the nodes that they are on.
func (r *real) pods(t *testing.T) map[string]string {
	t.Helper()
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Spec     struct{ NodeName string }
		}
	}
	if err := r.get(t.Context(), "/api/v1/namespaces/default/pods", &list); err != nil {
		t.Fatal(err)
	}
	on := map[string]string{}
	for _, p := range list.Items {
		on[p.Metadata.Name] = p.Spec.NodeName
	}
	return on
}

func (r *real) get(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.control.Endpoint+path, nil)
	if err != nil {
		return err
	}
	response, err := r.control.Admin.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// goesOn lets EKS get on with the update of a group that is under way, and returns
// how it ended.
func (p *product) goesOn(t *testing.T, name, group string) *types.Update {
	t.Helper()
	list, err := p.eks.ListUpdates(t.Context(), &eks.ListUpdatesInput{Name: &name, NodegroupName: &group})
	if err != nil {
		t.Fatal(err)
	}
	var ended *types.Update
	for _, id := range list.UpdateIds {
		look := func() *types.Update {
			out, err := p.eks.DescribeUpdate(t.Context(), &eks.DescribeUpdateInput{Name: &name, NodegroupName: &group, UpdateId: &id})
			if err != nil {
				t.Fatal(err)
			}
			return out.Update
		}
		if look().Status != types.UpdateStatusInProgress {
			continue
		}
		p.fleet[name].turns <- struct{}{}
		eventually(t, func() error {
			if ended = look(); ended.Status == types.UpdateStatusInProgress {
				return fmt.Errorf("the update of %s/%s is %s", name, group, ended.Status)
			}
			return nil
		})
	}
	if ended == nil {
		t.Fatalf("no update of %s/%s is under way", name, group)
	}
	return ended
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
