//go:build unix

package cluster_test

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/e2e/cluster"
)

var capture = flag.String("capture", "", "write the /metrics page of an API server under load to this file, which make bench reads from .cache/bench/metrics.txt")

// TestCaptureMetrics makes the real page that the benchmark reads beside its generated one. A
// page is nearly all histograms by resource and verb, so what makes it large, here as in real
// clusters, is a number of custom resources that somebody works with.
func TestCaptureMetrics(t *testing.T) {
	if *capture == "" {
		t.Skip("no -capture")
	}
	const kinds = 60
	c := cluster.Start(t, cluster.Options{Workloads: true})
	for i := range kinds {
		c.Apply(t, fmt.Appendf(nil, customKind, i))
	}
	for i := range kinds {
		path := fmt.Sprintf("/apis/example.com/v1/namespaces/default/kind%ds", i)
		if err := cluster.Eventually(t, func() error { return expect(c, http.MethodGet, path, "", http.StatusOK) }); err != nil {
			t.Fatal(err)
		}
		work(t, c, path, fmt.Sprintf(`{"apiVersion": "example.com/v1", "kind": "Kind%d", "metadata": {"name": "one"}}`, i))
	}
	for _, deprecated := range []string{"/api/v1/componentstatuses", "/api/v1/endpoints"} {
		if err := expect(c, http.MethodGet, deprecated, "", http.StatusOK); err != nil {
			t.Error(err)
		}
	}
	page, err := c.Admin.Get(c.Endpoint + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	content, err := io.ReadAll(page.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(*capture), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(*capture, content, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes in %s", len(content), *capture)
}

const customKind = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: kind%[1]ds.example.com}
spec:
  group: example.com
  names: {kind: Kind%[1]d, plural: kind%[1]ds}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// work does with one kind what its users and controllers do.
func work(t *testing.T, c *cluster.Cluster, path, object string) {
	t.Helper()
	for _, step := range []struct {
		method, path, body string
		status             int
	}{
		{http.MethodPost, path, object, http.StatusCreated},
		{http.MethodPost, path, object, http.StatusConflict},
		{http.MethodGet, path + "/one", "", http.StatusOK},
		{http.MethodGet, path + "/none", "", http.StatusNotFound},
		{http.MethodPatch, path + "/one", `{"spec": {"a": "b"}}`, http.StatusOK},
		{http.MethodGet, path, "", http.StatusOK},
		{http.MethodGet, path + "?watch=true&timeoutSeconds=1", "", http.StatusOK},
		{http.MethodDelete, path + "/one", "", http.StatusOK},
		{http.MethodDelete, path, "", http.StatusOK},
	} {
		if err := expect(c, step.method, step.path, step.body, step.status); err != nil {
			t.Error(err)
		}
	}
}

// expect closes a watch as soon as it has begun.
func expect(c *cluster.Cluster, method, path, body string, status int) error {
	r, err := http.NewRequest(method, c.Endpoint+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		r.Header.Set("Content-Type", "application/merge-patch+json")
	}
	resp, err := c.Admin.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != status {
		return fmt.Errorf("%s %s: got %s, want %d", method, path, resp.Status, status)
	}
	return nil
}
