package snapshot_test

import (
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
)

// served is a cluster with an API server that answers every path with a status,
// but for those that it has pages for.
func served(t *testing.T, status int, pages map[string]string) (sim.Cluster, *atomic.Int64) {
	t.Helper()
	asked := new(atomic.Int64)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body, ok := pages[r.URL.Path]
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer k8s-aws-v1.") {
			t.Errorf("%s is asked without a token", r.URL)
		}
		w.Header().Set("Content-Type", "application/json")
		if strings.HasPrefix(body, "#") {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		}
		if !ok {
			w.WriteHeader(status)
		}
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return sim.Cluster{Name: "payments", Version: "1.34", Endpoint: s.URL, CA: base64.StdEncoding.EncodeToString(ca)}, asked
}

func TestTheAPIServerTellsItsParts(t *testing.T) {
	c, _ := served(t, http.StatusNotFound, map[string]string{
		"/api/v1/nodes": `{"kind":"NodeList","apiVersion":"v1","metadata":{},"items":[{"metadata":{"name":"node-1","labels":{"eks.amazonaws.com/nodegroup":"blue"}},"status":{"nodeInfo":{"kubeletVersion":"v1.33.5-eks-1a2b3c"}}}]}`,
		"/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy": `{"kind":"DaemonSet","apiVersion":"apps/v1","metadata":{"name":"kube-proxy"},"spec":{"template":{"spec":{"containers":[{"name":"kube-proxy","image":"registry/eks/kube-proxy:v1.33.3-minimal-eksbuild.4"}]}}}}`,
		"/apis/storage.k8s.io/v1/storageclasses":                     `{"kind":"StorageClassList","apiVersion":"storage.k8s.io/v1","metadata":{},"items":[{"metadata":{"name":"gp3"},"provisioner":"ebs.csi.aws.com","parameters":{"encrypted":"true"}}]}`,
		"/metrics": "# TYPE apiserver_requested_deprecated_apis gauge\n" +
			`apiserver_requested_deprecated_apis{group="policy",removed_release="1.35",resource="things",subresource="",version="v1beta1"} 1` + "\n",
	})
	s, _ := survey(t, sim.Region{Clusters: []sim.Cluster{c}})
	got := s.Snapshot(t.Context(), "payments", fleet.Wanted{Insights: true})
	if n := got.Nodes; !n.Known() || len(n.Value) != 1 || n.Value[0].Origin != fleet.Managed || n.Value[0].Pool != "blue" || n.Value[0].Kubelet != "v1.33.5-eks-1a2b3c" {
		t.Errorf("nodes %+v, %s", n, n.Why())
	}
	if p := got.KubeProxy; !p.Known() || !strings.HasPrefix(p.Value.Version, "v1.33.3") {
		t.Errorf("kube-proxy %+v, %s", p, p.Why())
	}
	if b := got.Backups; !b.Known() || len(b.Value) != 0 {
		t.Errorf("backups %+v, %s", b, b.Why())
	}
	same(t, "storage classes", got.StorageClasses, []fleet.StorageClass{{Name: "gp3", Provisioner: "ebs.csi.aws.com", Encrypted: true}})
	same(t, "deprecated APIs", got.Deprecations, []fleet.DeprecatedAPI{{Group: "policy", Version: "v1beta1", Resource: "things", RemovedIn: "1.35"}})
}

// parts are those of an API server.
func parts(s fleet.Snapshot) map[string]*fleet.Trouble {
	return map[string]*fleet.Trouble{
		"nodes": s.Nodes.Trouble, "kube-proxy": s.KubeProxy.Trouble, "backups": s.Backups.Trouble, "deprecations": s.Deprecations.Trouble,
		"storage classes": s.StorageClasses.Trouble,
	}
}

func TestFault_42_AnAPIServerThatCannotBeReachedIsNotAsked(t *testing.T) {
	public, asked := served(t, http.StatusOK, nil)
	creating := public
	creating.Status = "CREATING"
	newer := public
	newer.Status = "HIBERNATING"
	tests := map[string]sim.Cluster{
		"it has no public endpoint":                       {Name: "payments", Version: "1.34"},
		"the cluster is not running yet":                  creating,
		"FAULT 09 the cluster's state is none we know of": newer,
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			s, _ := survey(t, sim.Region{Clusters: []sim.Cluster{c}})
			got := s.Snapshot(t.Context(), "payments", fleet.Wanted{Insights: true})
			for part, trouble := range parts(got) {
				if trouble == nil || trouble.Kind != fleet.Private || !strings.Contains(trouble.Error(), target.Cluster("payments").String()) {
					t.Errorf("%s: %v", part, trouble)
				}
			}
			if !got.Nodegroups.Known() {
				t.Errorf("nodegroups: %s", got.Nodegroups.Why())
			}
		})
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests reached the API server", n)
	}
}

func TestFault_43_ARefusalOfOnePartIsToldFromARefusalOfTheCaller(t *testing.T) {
	tests := []struct {
		name   string
		status int
		asked  int64
	}{
		{"a caller whom the cluster does not know is refused once", http.StatusUnauthorized, 1},
		{"a caller who may not read one part may read another", http.StatusForbidden, 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, asked := served(t, tt.status, nil)
			s, _ := survey(t, sim.Region{Clusters: []sim.Cluster{c}})
			for part, trouble := range parts(s.Snapshot(t.Context(), "payments", fleet.Wanted{Insights: true})) {
				if trouble == nil || trouble.Kind != fleet.Denied {
					t.Errorf("%s: %v", part, trouble)
				}
			}
			if n := asked.Load(); n != tt.asked {
				t.Errorf("%d requests, want %d", n, tt.asked)
			}
		})
	}
}

func TestAnEndpointThatIsNoneTroublesOnlyItsParts(t *testing.T) {
	s, _ := survey(t, sim.Region{Clusters: []sim.Cluster{{Name: "payments", Version: "1.34", Endpoint: "http://plain.invalid"}}})
	got := s.Snapshot(t.Context(), "payments", fleet.Wanted{Insights: true})
	for part, trouble := range parts(got) {
		if trouble == nil || trouble.Kind != fleet.Failed || !strings.Contains(trouble.Error(), "https") {
			t.Errorf("%s: %v", part, trouble)
		}
	}
	if !got.Addons.Known() {
		t.Errorf("add-ons: %s", got.Addons.Why())
	}
}
