//go:build unix

package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"testing"
)

// What Fill writes lies in a namespace of its own.
const (
	fillNamespace = "filling"
	fillSecrets   = "/api/v1/namespaces/" + fillNamespace + "/secrets"
)

// Fill writes as many secrets of one MiB, the most that Kubernetes takes, beside those that are
// there.
func (c *Cluster) Fill(t testing.TB, megabytes int) {
	t.Helper()
	c.Apply(t, []byte(`{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "`+fillNamespace+`"}}`))
	large := bytes.Repeat([]byte("x"), 1<<20)
	for range megabytes {
		c.filled++
		secret, err := json.Marshal(map[string]any{
			"apiVersion": "v1", "kind": "Secret",
			"metadata": map[string]string{"name": fmt.Sprintf("large-%d", c.filled)},
			"data":     map[string][]byte{"large": large},
		})
		if err != nil {
			t.Fatal(err)
		}
		c.admin(t, http.MethodPost, fillSecrets, "application/json", secret)
	}
}

// Purge deletes what Fill wrote. etcd keeps it as history until Compact.
func (c *Cluster) Purge(t testing.TB) {
	t.Helper()
	c.admin(t, http.MethodDelete, fillSecrets, "", nil)
}

// Compact makes etcd forget all history and returns when the space is free for reuse. The
// file keeps its size until Defragment.
func (c *Cluster) Compact(t testing.TB) {
	t.Helper()
	var status struct {
		Header struct {
			Revision string `json:"revision"`
		} `json:"header"`
	}
	if err := json.Unmarshal(c.maintain(t, "maintenance/status", `{}`), &status); err != nil {
		t.Fatalf("read the status of etcd: %v", err)
	}
	c.maintain(t, "kv/compaction", `{"revision": "`+status.Header.Revision+`", "physical": true}`)
}

// Defragment makes etcd give free space back to the file system.
func (c *Cluster) Defragment(t testing.TB) {
	t.Helper()
	c.maintain(t, "maintenance/defragment", `{}`)
}

// maintain calls etcd's own API in its JSON form, which saves a gRPC client. See "Why gRPC
// gateway" of the etcd documentation.
func (c *Cluster) maintain(t testing.TB, call, body string) []byte {
	t.Helper()
	answer, err := request(t.Context(), http.DefaultClient, http.MethodPost, c.etcd+"/v3/"+call, "application/json", []byte(body))
	if err != nil {
		t.Fatalf("etcd: %s: %v", call, err)
	}
	return answer
}

var storageSize = regexp.MustCompile(`(?m)^apiserver_storage_size_bytes\{[^}]*\} (\S+)$`)

// StorageSize is the size of etcd's file in bytes, as the API server's /metrics tells it now.
func (c *Cluster) StorageSize(t testing.TB) int64 {
	t.Helper()
	found := storageSize.FindSubmatch(c.admin(t, http.MethodGet, "/metrics", "", nil))
	if found == nil {
		t.Fatal("no apiserver_storage_size_bytes in /metrics")
	}
	size, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return int64(size)
}

// admin sends a request that has to succeed.
func (c *Cluster) admin(t testing.TB, method, path, mediaType string, body []byte) []byte {
	t.Helper()
	answer, err := request(t.Context(), c.Admin, method, c.Endpoint+path, mediaType, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer
}
