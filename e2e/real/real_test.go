//go:build unix

// Package real_test lets the deployed binaries look at a real control plane: an
// etcd that is really filled, an API server that really checks their tokens, with
// nodes and with clients of its own. It holds what only the whole path can show,
// from the access entry or the event to the message; how each part judges is held
// by the part's own tests.
package real_test

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/e2e/cluster"
	"github.com/eks-steward/eks-steward/e2e/deployed"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi"
)

// Names in EKS that all lead to the same API server. Its authenticator takes
// only tokens that are signed for its own.
const (
	own      = "payments"
	measured = "orders"    // has datapoints, and so is not asked
	mistaken = "inventory" // has none
)

// One deployment and one control plane cost half a minute, so all that follows
// shares them, and comes in this order: first nobody may read the cluster, in the
// end the role may.
func TestTheDeployedBinariesAgainstARealCluster(t *testing.T) {
	control := cluster.Start(t, cluster.Options{Name: own, Workloads: true, RuntimeConfig: leaving + "=true"})
	p := deploy(t, control)

	t.Run("through CloudWatch one message opens and one resolves", func(t *testing.T) {
		p.joins(t, measured)
		p.incident(t, measured, "CloudWatch "+string(fleet.StorageSize), func(minutesAgo int) { p.publish(t, measured, minutesAgo) })
	})
	t.Run("a stranger is told to make an access entry", func(t *testing.T) {
		p.refused(t, own, "does not know role "+p.reader, "has no access entry there: create one")
	})
	p.admitted = []string{own, mistaken}
	t.Run("a role without the ClusterRole is told to apply it", func(t *testing.T) {
		p.refused(t, own, "does not let the caller read /metrics: apply manifests/steward-reader.yaml", "HTTP status 403")
	})
	p.mayReadMetrics(t)
	t.Run("a token for another cluster is that of nobody", func(t *testing.T) {
		p.joins(t, own) // passes by the same role, on the same server
		p.refused(t, mistaken, "refuses the token", "has an access entry there", "a cluster of another name")
	})
	t.Run("through /metrics one message opens and one resolves", func(t *testing.T) {
		p.joins(t, own)
		p.incident(t, own, "/metrics of the API server", func(int) {})
	})

	p.backedUp(t)
	// What an API server has served of a deprecated API it says until it ends, so
	// what is to be said of that comes last.
	t.Run("a node that is too far behind is told of with its name", p.nodeBehind)
	t.Run("a node ahead of its control plane is critical", p.nodeAhead)
	t.Run("an upgrade is followed to its end", p.upgrade)
	t.Run("a client of a deprecated API is in the way of the version that removes it", p.deprecatedAPI)
	t.Run("a deletion closes all that is open, once", p.deletion)
}

// incident fills the real etcd past the warning and empties it again, with the
// hourly look at each size. seen runs before each look with the age that its
// datapoint may have.
func (p *product) incident(t *testing.T, name, source string, seen func(minutesAgo int)) {
	t.Helper()
	look := func(minutesAgo int) []string {
		seen(minutesAgo)
		return p.Tick(t, deployed.Hourly)
	}
	deployed.None(t, look(11))
	p.control.Fill(t, fill)
	deployed.One(t, look(6), "WARNING", name, source)
	deployed.None(t, look(6))
	p.control.Purge(t)
	p.control.Compact(t)
	p.control.Defragment(t)
	deployed.One(t, look(1), "RESOLVED", name)
}

// refused adds a cluster that CloudWatch knows nothing of, expects to hear once
// why it could not be asked itself, and removes it.
func (p *product) refused(t *testing.T, name string, why ...string) {
	t.Helper()
	leave := p.joins(t, name)
	deployed.One(t, p.Tick(t, deployed.Hourly), append(why, name, "is unknown")...)
	leave()
	deployed.One(t, p.Tick(t, deployed.Hourly), name, "RESOLVED")
}

// mayReadMetrics applies what users apply, and returns when the API server acts
// by it: it takes a moment to see a role that it has stored.
func (p *product) mayReadMetrics(t *testing.T) {
	t.Helper()
	manifest, err := os.ReadFile("../../manifests/steward-reader.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p.control.Apply(t, manifest)
	p.served(t, "/metrics", http.Header{"Impersonate-User": {"somebody"}, "Impersonate-Group": {kubeapi.Group}})
}

// served waits until the API server answers a GET.
func (p *product) served(t *testing.T, path string, header http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.control.Endpoint+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	next := time.NewTicker(50 * time.Millisecond) // it needs the processor itself
	defer next.Stop()
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); <-next.C {
		response, err := p.control.Admin.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return
		}
	}
	t.Fatalf("the API server still does not serve %s", path)
}
