//go:build unix

package cluster

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/goccy/go-yaml"
)

// An object is as much of any object as Apply has to know.
type object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
}

// Apply does what "kubectl apply --server-side" does with the documents of a manifest. The
// API server takes a moment more to act by a role that it has stored.
func (c *Cluster) Apply(t testing.TB, manifest []byte) {
	t.Helper()
	documents := yaml.NewDecoder(bytes.NewReader(manifest))
	for {
		var document map[string]any
		if err := documents.Decode(&document); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("read a manifest: %v", err)
		}
		if document == nil {
			continue // only comments
		}
		content, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		c.admin(t, http.MethodPatch, c.pathOf(t, content)+"?fieldManager=test&force=true", "application/apply-patch+yaml", content)
	}
}

// pathOf asks the API server where objects of this kind are.
func (c *Cluster) pathOf(t testing.TB, content []byte) string {
	t.Helper()
	var o object
	if err := json.Unmarshal(content, &o); err != nil {
		t.Fatalf("read an object: %v", err)
	}
	base := "/apis/" + o.APIVersion
	if o.APIVersion == "v1" {
		base = "/api/v1"
	}
	var list struct {
		Resources []struct {
			Name       string `json:"name"`
			Kind       string `json:"kind"`
			Namespaced bool   `json:"namespaced"`
		} `json:"resources"`
	}
	if err := json.Unmarshal(c.admin(t, http.MethodGet, base, "", nil), &list); err != nil {
		t.Fatalf("read the resources of %s: %v", o.APIVersion, err)
	}
	for _, r := range list.Resources { // a resource comes before its subresources
		if r.Kind != o.Kind {
			continue
		}
		if r.Namespaced {
			base += "/namespaces/" + cmp.Or(o.Metadata.Namespace, "default")
		}
		return base + "/" + r.Name + "/" + o.Metadata.Name
	}
	t.Fatalf("%s has no kind %s", o.APIVersion, o.Kind)
	return ""
}

// A Node is one that kwok plays.
type Node struct {
	Name           string
	Labels         map[string]string
	KubeletVersion string // such as v1.36.2-eks-1234567; empty is kwok's own
}

// AddNode adds a node and returns when it is Ready and takes pods. It needs Workloads.
func (c *Cluster) AddNode(t testing.TB, n Node) {
	t.Helper()
	if err := c.Join(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if err := eventually(t.Context(), nil, func() error { return c.ready(t, n.Name) }); err != nil {
		t.Fatalf("node %s does not get ready: %v", n.Name, err)
	}
}

// Join adds a node, which gets Ready in a moment where there are Workloads.
func (c *Cluster) Join(ctx context.Context, n Node) error {
	node, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Node",
		"metadata": map[string]any{"name": n.Name, "labels": n.Labels},
		"status":   map[string]any{"nodeInfo": map[string]string{"kubeletVersion": n.KubeletVersion}},
	})
	if err != nil {
		return err
	}
	if _, err := request(ctx, c.Admin, http.MethodPost, c.Endpoint+"/api/v1/nodes", "application/json", node); err != nil {
		return fmt.Errorf("add node %s: %w", n.Name, err)
	}
	return nil
}

// Leave takes a node away at once, as when its instance is terminated.
func (c *Cluster) Leave(ctx context.Context, name string) error {
	if _, err := request(ctx, c.Admin, http.MethodDelete, c.Endpoint+"/api/v1/nodes/"+name, "", nil); err != nil {
		return fmt.Errorf("remove node %s: %w", name, err)
	}
	return nil
}

func (c *Cluster) ready(t testing.TB, name string) error {
	t.Helper()
	var node struct {
		Spec struct {
			Taints []struct {
				Key string `json:"key"`
			} `json:"taints"`
		} `json:"spec"`
		Status struct {
			Conditions []condition `json:"conditions"`
		} `json:"status"`
	}
	if err := json.Unmarshal(c.admin(t, http.MethodGet, "/api/v1/nodes/"+name, "", nil), &node); err != nil {
		return err
	}
	if !slices.Contains(node.Status.Conditions, condition{Type: "Ready", Status: "True"}) {
		return errors.New("it is not Ready")
	}
	if len(node.Spec.Taints) > 0 {
		return fmt.Errorf("it is tainted: %v", node.Spec.Taints)
	}
	return nil
}

type condition struct {
	Type   string `json:"type"`
	Status string `json:"status"`
}
