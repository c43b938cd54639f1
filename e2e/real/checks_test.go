//go:build unix

package real_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/eks-steward/eks-steward/e2e/cluster"
	"github.com/eks-steward/eks-steward/e2e/deployed"
	"github.com/eks-steward/eks-steward/testevents"
)

// leaving is a version of an API that Kubernetes 1.37 removes. 1.36 serves it
// only where it is asked to.
const leaving = "networking.k8s.io/v1beta1"

// backup is one that Velero has made.
const backup = `
apiVersion: velero.io/v1
kind: Backup
metadata: {name: nightly, namespace: default}
status: {phase: Completed, completionTimestamp: "2026-11-20T03:00:00Z"}
`

const backupKind = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: backups.velero.io}
spec:
  group: velero.io
  names: {kind: Backup, plural: backups}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// backedUp leaves nothing in the way of an upgrade but what a story puts there.
func (p *product) backedUp(t *testing.T) {
	t.Helper()
	p.control.Apply(t, []byte(backupKind))
	p.served(t, "/apis/velero.io/v1", nil)
	p.served(t, "/apis/velero.io/v1/backups", nil)
	p.control.Apply(t, []byte(backup))
}

// nodeBehind also shows what the next version says of such a node.
func (p *product) nodeBehind(t *testing.T) {
	p.joins(t, own)
	deployed.None(t, p.Tick(t, deployed.Daily))
	leave := p.node(t, "old-node", "v1.32.7-eks-1a2b3c4")
	deployed.All(t, p.Tick(t, deployed.Daily),
		[]string{"CRITICAL", own, "self-managed nodes", "too old for its control plane (1.32 against 1.36)", "old-node"},
		[]string{"WARNING", own, "not ready for Kubernetes " + next, "self-managed (1.32)"},
	)
	deployed.None(t, p.Tick(t, deployed.Daily))
	leave()
	deployed.All(t, p.Tick(t, deployed.Daily), []string{"RESOLVED", own}, []string{"RESOLVED", own})
}

func (p *product) nodeAhead(t *testing.T) {
	p.joins(t, own)
	leave := p.node(t, "new-node", "v1.37.0-eks-1a2b3c4")
	deployed.One(t, p.Tick(t, deployed.Daily), "CRITICAL", own, "is ahead of its control plane (1.37 against 1.36)", "new-node")
	leave()
	deployed.One(t, p.Tick(t, deployed.Daily), "RESOLVED", own)
}

// upgrade is begun by the SDK, as by anybody, and told to the product by
// CloudTrail.
func (p *product) upgrade(t *testing.T) {
	p.joins(t, own)
	deployed.None(t, p.Tick(t, deployed.Daily))
	begun, err := p.operator(t).UpdateClusterVersion(t.Context(), &eks.UpdateClusterVersionInput{Name: aws.String(own), Version: aws.String(next)})
	if err != nil {
		t.Fatal(err)
	}
	p.happens(t, testevents.Case{Function: "clustercheck", Name: "UpdateClusterVersion"},
		"my-cluster", own, "1.36", next, "3141b835-8103-423a-8e68-12c2521ffa4d", *begun.Update.Id)
	deployed.One(t, p.News(t), "WARNING", own, "is being upgraded to "+next, *begun.Update.Id)

	p.Hasten(t, 1)
	deployed.None(t, p.Tick(t, deployed.FiveMinutes)) // it is under way as before
	p.later.Add(int64(time.Hour))
	p.Hasten(t, 1)
	deployed.One(t, p.Tick(t, deployed.FiveMinutes), "RESOLVED", "upgrade of "+own+" to "+next+" was successful")
	p.Hasten(t, 0)
}

// deprecatedAPI ends with a deletion of which no event tells.
func (p *product) deprecatedAPI(t *testing.T) {
	leave := p.joins(t, own)
	deployed.None(t, p.Tick(t, deployed.Daily))
	p.callDeprecated(t)
	deployed.One(t, p.Tick(t, deployed.Daily), "WARNING", own, "not ready for Kubernetes "+next, "/apis/"+leaving+"/servicecidrs (gone in 1.37)")
	leave()
	deployed.One(t, p.Tick(t, deployed.Daily), "RESOLVED", own, "was deleted")
}

func (p *product) deletion(t *testing.T) {
	leave := p.joins(t, own)
	p.callDeprecated(t)
	p.node(t, "new-node", "v1.37.0-eks-1a2b3c4")
	deployed.All(t, p.Tick(t, deployed.Daily), []string{"CRITICAL", own, "ahead"}, []string{"WARNING", own, "not ready"})
	leave()
	p.happens(t, testevents.Case{Function: "etcdsize", Name: "DeleteCluster"}, "my-cluster", own)
	deployed.All(t, p.News(t), []string{"RESOLVED", own, "was deleted"}, []string{"RESOLVED", own, "was deleted"})
	deployed.None(t, p.Tick(t, deployed.Daily))
}

// node adds one to the real cluster that EKS knows nothing of. It stays until it
// is told to leave.
func (p *product) node(t *testing.T, name, kubelet string) (leave func()) {
	t.Helper()
	p.control.AddNode(t, cluster.Node{Name: name, KubeletVersion: kubelet})
	return func() {
		t.Helper()
		if err := p.control.Leave(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
}

// callDeprecated is a client of an API that is to be removed.
func (p *product) callDeprecated(t *testing.T) {
	t.Helper()
	response, err := p.control.Admin.Get(p.control.Endpoint + "/apis/" + leaving + "/servicecidrs")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("the API server does not serve %s: %s", leaving, response.Status)
	}
}

// operator speaks to EKS as somebody who may do everything there.
func (p *product) operator(t *testing.T) *eks.Client {
	t.Helper()
	server := httptest.NewServer(p.world.EKS())
	t.Cleanup(server.Close)
	return eks.New(eks.Options{Region: deployed.Region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIAHOME000000000000", "simulated", "")})
}

// happens puts a test event where those of CloudTrail are, with other words.
func (p *product) happens(t *testing.T, e testevents.Case, words ...string) {
	t.Helper()
	if err := p.Happens(t.Context(), e, words...); err != nil {
		t.Fatal(err)
	}
}
