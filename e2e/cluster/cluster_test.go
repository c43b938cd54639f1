//go:build unix

package cluster_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/eks-steward/eks-steward/e2e/cluster"
	"github.com/eks-steward/eks-steward/e2e/cluster/sts"
)

const (
	reader   = "arn:aws:iam::111122223333:role/steward/steward-reader"
	session  = "arn:aws:sts::111122223333:assumed-role/steward-reader/etcdsize"
	stranger = "arn:aws:sts::444455556666:assumed-role/stranger/etcdsize"
)

func TestTheAuthenticatorDecidesAboutPresignedTokens(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Name: "blue"})
	c.Grant(t, reader, "steward", "eks-steward:readers")
	key := c.STS.Issue(session)
	tampered := key
	tampered.SecretAccessKey += "?"

	status := func(key aws.Credentials, name string) int { return ask(t, c, token(t, key, name)) }
	if got := status(key, "blue"); got != http.StatusForbidden {
		t.Errorf("without the ClusterRole: got %d, want 403", got)
	}
	c.Apply(t, readerManifest(t))
	if err := cluster.Eventually(t, func() error { // the API server takes a moment to see a role
		if got := status(key, "blue"); got != http.StatusOK {
			return fmt.Errorf("got %d, want 200", got)
		}
		return nil
	}); err != nil {
		t.Errorf("with the ClusterRole: %v", err)
	}
	for _, row := range []struct {
		name    string
		key     aws.Credentials
		cluster string
	}{
		{"a role without access is a stranger", c.STS.Issue(stranger), "blue"},
		{"a token for another cluster is of no use here", key, "green"},
		{"a signature with another secret is refused", tampered, "blue"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := status(row.key, row.cluster); got != http.StatusUnauthorized {
				t.Errorf("got %d, want 401", got)
			}
		})
	}
	c.Revoke(t, reader)
	if got := status(c.STS.Issue(session), "blue"); got != http.StatusUnauthorized {
		t.Errorf("after the access was taken back: got %d, want 401", got)
	}
}

func TestTheStorageGrowsAndShrinks(t *testing.T) {
	const mebibyte = 1 << 20
	c := cluster.Start(t, cluster.Options{Quota: 64 * mebibyte})
	empty := c.StorageSize(t)
	c.Fill(t, 20)
	full := c.StorageSize(t)
	if full < empty+15*mebibyte {
		t.Errorf("20 MiB of secrets took the storage from %d to %d bytes", empty, full)
	}
	c.Purge(t)
	if purged := c.StorageSize(t); purged < full {
		t.Errorf("deletion alone took the storage from %d to %d bytes: it may not shrink", full, purged)
	}
	c.Compact(t)
	c.Defragment(t)
	if got := c.StorageSize(t); got > full/2 {
		t.Errorf("got %d bytes of %d after deletion, compaction and defragmentation", got, full)
	}
}

// The rest of a cluster whose etcd is full can still be read, which is how its size gets out.
func TestAFullEtcdRefusesWritesAndAnswersReads(t *testing.T) {
	const quota = 16 << 20
	c := cluster.Start(t, cluster.Options{Quota: quota})
	secret := `{"apiVersion": "v1", "kind": "Secret", "metadata": {"generateName": "large-"}, "stringData": {"large": "` + strings.Repeat("x", 1<<20) + `"}}`
	for range 2 * quota >> 20 {
		resp, err := c.Admin.Post(c.Endpoint+"/api/v1/namespaces/kube-system/secrets", "application/json", strings.NewReader(secret))
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode == http.StatusCreated {
			continue
		}
		if !strings.Contains(string(answer), "database space exceeded") {
			t.Fatalf("got %s: %s", resp.Status, answer)
		}
		// The quota is not exact: etcd counts what a write may take, and allocates in steps.
		if got := c.StorageSize(t); got < quota/2 || got > quota*3/2 {
			t.Errorf("full at %d bytes of %d", got, quota)
		}
		return
	}
	t.Fatal("it took twice its quota")
}

func TestTheVersionIsTheOneThatWasBuilt(t *testing.T) {
	c := cluster.Start(t, cluster.Options{})
	var version struct{ Major, Minor, GitVersion string }
	read(t, c, "/version", &version)
	if version.Major != "1" || !strings.HasPrefix(version.GitVersion, "v1."+version.Minor+".") {
		t.Errorf("got %+v", version)
	}
}

const twoPodsThatMayNotGo = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {maxUnavailable: 0, selector: {matchLabels: {app: web}}}
`

func TestANodeTakesPodsThatABudgetProtects(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Workloads: true})
	const version = "v1.35.2-eks-1234567"
	c.AddNode(t, cluster.Node{Name: "node-1", Labels: map[string]string{"eks.amazonaws.com/nodegroup": "blue"}, KubeletVersion: version})
	var node struct {
		Status struct {
			NodeInfo struct{ KubeletVersion string }
		}
	}
	read(t, c, "/api/v1/nodes/node-1", &node)
	if got := node.Status.NodeInfo.KubeletVersion; got != version {
		t.Errorf("the node has version %s, want %s", got, version)
	}
	c.Apply(t, []byte(twoPodsThatMayNotGo))
	if err := cluster.Eventually(t, func() error {
		var budget struct{ Status struct{ CurrentHealthy int } }
		read(t, c, "/apis/policy/v1/namespaces/default/poddisruptionbudgets/web", &budget)
		if budget.Status.CurrentHealthy != 2 {
			return fmt.Errorf("%d pods are healthy", budget.Status.CurrentHealthy)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var pods struct {
		Items []struct{ Metadata struct{ Name string } }
	}
	read(t, c, "/api/v1/namespaces/default/pods?fieldSelector=spec.nodeName=node-1", &pods)
	if len(pods.Items) != 2 {
		t.Fatalf("node-1 has %d pods, want 2", len(pods.Items))
	}
	pod := pods.Items[0].Metadata.Name
	resp, err := c.Admin.Post(c.Endpoint+"/api/v1/namespaces/default/pods/"+pod+"/eviction", "application/json",
		strings.NewReader(`{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "`+pod+`"}}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("eviction: got %s, want 429", resp.Status)
	}
}

// read decodes what Admin reads.
func read(t *testing.T, c *cluster.Cluster, path string, v any) {
	t.Helper()
	resp, err := c.Admin.Get(c.Endpoint + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", path, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		t.Fatal(err)
	}
}

// readerManifest is the role that users of the product apply.
func readerManifest(t *testing.T) []byte {
	t.Helper()
	manifest, err := os.ReadFile("../../manifests/steward-reader.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return manifest
}

func token(t *testing.T, key aws.Credentials, name string) string {
	t.Helper()
	token, err := sts.Token(t.Context(), key, name)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// ask reads /metrics with a token, as somebody who knows only what DescribeCluster says.
func ask(t *testing.T, c *cluster.Cluster, token string) (status int) {
	t.Helper()
	ca, err := base64.StdEncoding.DecodeString(c.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.Endpoint+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}
