//go:build unix

package coupled

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
)

// Two kinds of Kubernetes, as far as a drain is about them.
type (
	nodeObject struct {
		Spec struct {
			Taints []struct{ Key string }
		}
		Status struct{ Conditions []condition }
	}
	condition struct{ Type, Status string }
	pod       struct {
		Metadata struct {
			Namespace, Name   string
			DeletionTimestamp string
			OwnerReferences   []struct {
				Kind       string
				Controller bool
			}
		}
	}
)

// path is where the API server has the pod.
func (p pod) path() string {
	return "/api/v1/namespaces/" + p.Metadata.Namespace + "/pods/" + p.Metadata.Name
}

// leaving reports whether the pod is on its way out.
func (p pod) leaving() bool { return p.Metadata.DeletionTimestamp != "" }

// daemon reports whether the pod belongs to its node and goes with it.
func (p pod) daemon() bool {
	for _, o := range p.Metadata.OwnerReferences {
		if o.Controller && o.Kind == "DaemonSet" {
			return true
		}
	}
	return false
}

// ready says whether a node takes pods.
func (m *Mirror) ready(ctx context.Context, name string) (bool, error) {
	var n nodeObject
	if err := m.ask(ctx, http.MethodGet, "/api/v1/nodes/"+name, nil, &n); err != nil {
		return false, err
	}
	return len(n.Spec.Taints) == 0 && slices.Contains(n.Status.Conditions, condition{"Ready", "True"}), nil
}

// cordon keeps pods and load balancers off a node.
func (m *Mirror) cordon(ctx context.Context, name string) error {
	return m.ask(ctx, http.MethodPatch, "/api/v1/nodes/"+name, map[string]any{
		"metadata": map[string]any{"labels": map[string]string{"node.kubernetes.io/exclude-from-external-load-balancers": "true"}},
		"spec":     map[string]any{"unschedulable": true},
	}, nil)
}

// evict asks a pod to leave by way of its budgets.
func (m *Mirror) evict(ctx context.Context, p pod) error {
	return m.ask(ctx, http.MethodPost, p.path()+"/eviction", map[string]any{
		"apiVersion": "policy/v1", "kind": "Eviction",
		"metadata": map[string]string{"namespace": p.Metadata.Namespace, "name": p.Metadata.Name},
	}, nil)
}

// remove deletes a pod that nothing runs any more.
func (m *Mirror) remove(ctx context.Context, p pod) error {
	return m.ask(ctx, http.MethodDelete, p.path()+"?gracePeriodSeconds=0", nil, nil)
}

func (m *Mirror) podsOn(ctx context.Context, node string) ([]pod, error) {
	var list struct{ Items []pod }
	err := m.ask(ctx, http.MethodGet, "/api/v1/pods?fieldSelector="+url.QueryEscape("spec.nodeName="+node), nil, &list)
	return list.Items, err
}

// A refusal is an answer of the API server that is none of success.
type refusal struct {
	status  int
	message string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d: %s", r.status, r.message) }

// ask sends an object and reads another one; either may be nil. The error is a *refusal where
// the API server has answered. A patch is a merge patch.
func (m *Mirror) ask(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	mediaType := "application/json"
	if method == http.MethodPatch {
		mediaType = "application/merge-patch+json"
	}
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, m.control.Endpoint+path, body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", mediaType)
	resp, err := m.control.Admin.Do(r)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %w", method, path, &refusal{resp.StatusCode, string(answer)})
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}
