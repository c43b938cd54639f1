//go:build unix

package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/goccy/go-yaml"

	"github.com/eks-steward/eks-steward/e2e/cluster"
	"github.com/eks-steward/eks-steward/e2e/cluster/sts"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi"
	"github.com/eks-steward/eks-steward/internal/kubeapi/ekstoken"
	"github.com/eks-steward/eks-steward/internal/kubeapi/objects"
)

// kubeProxy is what the EKS add-on puts into a cluster, as far as it is read.
const kubeProxy = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kube-proxy, namespace: kube-system}
spec:
  selector: {matchLabels: {k8s-app: kube-proxy}}
  template:
    metadata: {labels: {k8s-app: kube-proxy}}
    spec:
      containers:
        - {name: kube-proxy, image: "111122223333.dkr.ecr.eu-west-1.amazonaws.com/eks/kube-proxy:v1.34.1-minimal-eksbuild.2"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-proxy-config, namespace: kube-system}
data:
  config: |
    apiVersion: kubeproxy.config.k8s.io/v1alpha1
    kind: KubeProxyConfiguration
    mode: "ipvs"
`

// storageClass is one for encrypted volumes, and the default.
const storageClass = `
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: gp3, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: ebs.csi.aws.com
parameters: {type: gp3, encrypted: "true"}
`

// velero is the definition of its backups, and backups two of them.
const (
	velero = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: backups.velero.io}
spec:
  group: velero.io
  scope: Namespaced
  names: {kind: Backup, listKind: BackupList, plural: backups, singular: backup}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`
	backups = `
apiVersion: velero.io/v1
kind: Backup
metadata: {name: monday, namespace: default}
status: {phase: Completed, completionTimestamp: "2026-11-16T02:00:00Z"}
---
apiVersion: velero.io/v1
kind: Backup
metadata: {name: tuesday, namespace: default}
status: {phase: PartiallyFailed, completionTimestamp: "2026-11-17T02:00:00Z"}
`
)

// server is the API server as the deployed functions read it.
type server struct {
	page    *kubeapi.Client
	objects *objects.Reader
}

func connect(t *testing.T, c *cluster.Cluster) server {
	t.Helper()
	e := kubeapi.Endpoint{Cluster: fleet.ClusterID{Account: "111122223333", Region: sts.Region, Name: c.Name}, URL: c.Endpoint, CA: c.CA}
	tokens := ekstoken.New(sts.Region, credentials.StaticCredentialsProvider{Value: c.STS.Issue(session)})
	page, err := kubeapi.New(e, tokens)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := objects.New(e, tokens)
	if err != nil {
		t.Fatal(err)
	}
	return server{page, reader}
}

// refused are the paths that a deployed function may not read, and any failure
// that is no refusal.
func (s server) refused(ctx context.Context) ([]string, error) {
	_, metrics := s.page.DeprecatedAPIs(ctx)
	_, nodes := s.objects.Nodes(ctx)
	_, _, workloads := s.objects.Workloads(ctx)
	_, classes := s.objects.StorageClasses(ctx)
	_, proxy := s.objects.KubeProxy(ctx)
	_, backups := s.objects.Backups(ctx)
	var paths []string
	var failed error
	for _, err := range []error{metrics, nodes, workloads, classes, proxy, backups} {
		var u *kubeapi.Unreachable
		switch {
		case errors.As(err, &u) && u.Kind == kubeapi.Forbidden:
			paths = append(paths, u.Path)
		case err != nil:
			failed = errors.Join(failed, err)
		}
	}
	return paths, failed
}

// until asks until just these paths are refused: the API server takes a moment to
// see a role.
func (s server) until(t *testing.T, want ...string) {
	t.Helper()
	if err := cluster.Eventually(t, func() error {
		got, err := s.refused(t.Context())
		if err == nil && !slices.Equal(got, want) {
			err = fmt.Errorf("refused are %q, want %q", got, want)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

func TestTheProductReadsRealObjects(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Workloads: true})
	c.Grant(t, reader, "steward", kubeapi.Group)
	c.Apply(t, readerManifest(t))
	s := connect(t, c)
	s.until(t) // without kube-proxy and Velero, which is no refusal

	t.Run("nodes", func(t *testing.T) {
		for _, n := range []cluster.Node{
			{Name: "apps-1", Labels: map[string]string{"eks.amazonaws.com/nodegroup": "apps"}, KubeletVersion: "v1.34.2-eks-1a2b3c"},
			{Name: "auto-1", Labels: map[string]string{"eks.amazonaws.com/compute-type": "auto", "karpenter.sh/nodepool": "system"}, KubeletVersion: "v1.33.0-eks-1a2b3c"},
			{Name: "own-1", KubeletVersion: "v1.30.4"},
		} {
			c.AddNode(t, n)
		}
		c.Apply(t, []byte("{apiVersion: v1, kind: Node, metadata: {name: own-1}, spec: {unschedulable: true}}"))
		got, err := s.objects.Nodes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if time.Since(got[i].CreatedAt).Abs() > time.Hour {
				t.Errorf("%s was created at %s", got[i].Name, got[i].CreatedAt)
			}
			got[i].CreatedAt, got[i].OSImage = time.Time{}, "" // these are kwok's
		}
		want := []fleet.Node{
			{Name: "apps-1", Kubelet: "v1.34.2-eks-1a2b3c", Origin: fleet.Managed, Pool: "apps", Ready: true},
			{Name: "auto-1", Kubelet: "v1.33.0-eks-1a2b3c", Origin: fleet.AutoMode, Pool: "system", Ready: true},
			{Name: "own-1", Kubelet: "v1.30.4", Origin: fleet.SelfManaged, Ready: true, Cordoned: true},
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
	t.Run("storage classes", func(t *testing.T) {
		c.Apply(t, []byte(storageClass))
		got, err := s.objects.StorageClasses(t.Context())
		want := []fleet.StorageClass{{Name: "gp3", Provisioner: "ebs.csi.aws.com", Default: true, Encrypted: true, Type: "gp3"}}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("got %+v, error %v, want %+v", got, err, want)
		}
	})
	t.Run("pods and budgets", func(t *testing.T) { podsAndBudgets(t, c, s) })
	t.Run("kube-proxy", func(t *testing.T) {
		if got, err := s.objects.KubeProxy(t.Context()); err != nil || got != (fleet.KubeProxy{}) {
			t.Errorf("before there is one: %+v, %v", got, err)
		}
		c.Apply(t, []byte(kubeProxy))
		got, err := s.objects.KubeProxy(t.Context())
		if want := (fleet.KubeProxy{Version: "v1.34.1-minimal-eksbuild.2", Mode: "ipvs"}); err != nil || got != want {
			t.Errorf("got %+v, error %v, want %+v", got, err, want)
		}
	})
	t.Run("backups", func(t *testing.T) {
		if got, err := s.objects.Backups(t.Context()); err != nil || len(got) != 0 {
			t.Errorf("before there is Velero: %+v, %v", got, err)
		}
		c.Apply(t, []byte(velero))
		// Discovery, which Apply asks, learns of a new kind apart from those who serve it.
		for _, path := range []string{"/apis/velero.io/v1", "/apis/velero.io/v1/namespaces/default/backups"} {
			if err := cluster.Eventually(t, func() error { return served(t, c, path) }); err != nil {
				t.Fatal(err)
			}
		}
		c.Apply(t, []byte(backups))
		got, err := s.objects.Backups(t.Context())
		want := []fleet.Backup{{Tool: "velero", Last: time.Date(2026, 11, 16, 2, 0, 0, 0, time.UTC)}}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("got %v, error %v, want %v", got, err, want)
		}
	})
	t.Run("the manifest is enough, and each of its rules is needed", func(t *testing.T) { everyRuleIsNeeded(t, c, s) })
	t.Run("and it lets nothing else be read", func(t *testing.T) { nothingElse(t, c, s) })
}

// everyRuleIsNeeded takes out one rule after the other.
func everyRuleIsNeeded(t *testing.T, c *cluster.Cluster, s server) {
	s.until(t)
	paths := map[string][]string{ // what each rule of a role is for, in its order
		"ClusterRole": {"/metrics", "/api/v1/nodes", "/api/v1/pods", "/apis/policy/v1/poddisruptionbudgets", "/apis/storage.k8s.io/v1/storageclasses", "/apis/velero.io/v1/backups"},
		"Role":        {"/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy", "/api/v1/namespaces/kube-system/configmaps/kube-proxy-config"},
	}
	for _, document := range bytes.Split(readerManifest(t), []byte("\n---\n")) {
		var role map[string]any
		if err := yaml.Unmarshal(document, &role); err != nil {
			t.Fatal(err)
		}
		rules, _ := role["rules"].([]any)
		kind, _ := role["kind"].(string)
		if len(rules) != len(paths[kind]) {
			t.Fatalf("the %s has %d rules, of which the test knows %d", kind, len(rules), len(paths[kind]))
		}
		for i, path := range paths[kind] {
			role["rules"] = slices.Delete(slices.Clone(rules), i, i+1)
			less, err := yaml.Marshal(role)
			if err != nil {
				t.Fatal(err)
			}
			c.Apply(t, less)
			s.until(t, path)
		}
		c.Apply(t, document)
	}
	s.until(t)
}

// nothingElse asks for the neighbours of what may be read.
func nothingElse(t *testing.T, c *cluster.Cluster, s server) {
	client := http.Client{Transport: s.page}
	for _, path := range []string{
		"/api/v1/secrets", "/api/v1/namespaces/kube-system/secrets", "/api/v1/nodes/apps-1", "/api/v1/nodes/apps-1/proxy/metrics",
		"/api/v1/namespaces/default/pods/calm-0", "/api/v1/namespaces/default/pods/calm-0/log", "/api/v1/namespaces/default/pods/calm-0/exec?command=env",
		"/apis/policy/v1/namespaces/default/poddisruptionbudgets/calm", "/apis/apps/v1/statefulsets", "/api/v1/events",
		"/api/v1/namespaces/kube-system/configmaps", "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication",
		"/api/v1/namespaces/default/configmaps/kube-proxy-config", "/apis/apps/v1/namespaces/kube-system/daemonsets", "/apis/apps/v1/daemonsets",
		"/apis/velero.io/v1/namespaces/default/backups/monday", "/apis/rbac.authorization.k8s.io/v1/clusterroles", "/apis/storage.k8s.io/v1/storageclasses/gp3", "/logs",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.Endpoint+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(r)
		if err == nil {
			response.Body.Close()
		}
		if !errors.Is(err, kubeapi.Forbidden) {
			t.Errorf("%s: error %v, want %s", path, err, kubeapi.Forbidden)
		}
	}
}

// served says whether there is something at a path.
func served(t *testing.T, c *cluster.Cluster, path string) error {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.Endpoint+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := c.Admin.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, response.Status)
	}
	return nil
}
