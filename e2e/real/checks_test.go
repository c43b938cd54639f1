//go:build unix

package real_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/eks-steward/eks-steward/e2e/cluster"
	"github.com/eks-steward/eks-steward/e2e/deployed"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/dynamo"
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
	none(t, p.tick(t, daily))
	leave := p.node(t, "old-node", "v1.32.7-eks-1a2b3c4")
	all(t, p.tick(t, daily),
		[]string{"CRITICAL", own, "self-managed nodes", "too old for its control plane (1.32 against 1.36)", "old-node"},
		[]string{"WARNING", own, "not ready for Kubernetes " + next, "self-managed (1.32)"},
	)
	none(t, p.tick(t, daily))
	leave()
	all(t, p.tick(t, daily), []string{"RESOLVED", own}, []string{"RESOLVED", own})
}

func (p *product) nodeAhead(t *testing.T) {
	p.joins(t, own)
	leave := p.node(t, "new-node", "v1.37.0-eks-1a2b3c4")
	one(t, p.tick(t, daily), "CRITICAL", own, "is ahead of its control plane (1.37 against 1.36)", "new-node")
	leave()
	one(t, p.tick(t, daily), "RESOLVED", own)
}

// upgrade is begun by the SDK, as by anybody, and told to the product by
// CloudTrail.
func (p *product) upgrade(t *testing.T) {
	p.joins(t, own)
	none(t, p.tick(t, daily))
	begun, err := p.operator(t).UpdateClusterVersion(t.Context(), &eks.UpdateClusterVersionInput{Name: aws.String(own), Version: aws.String(next)})
	if err != nil {
		t.Fatal(err)
	}
	p.happens(t, testevents.Case{Function: "clustercheck", Name: "UpdateClusterVersion"},
		"my-cluster", own, "1.36", next, "3141b835-8103-423a-8e68-12c2521ffa4d", *begun.Update.Id)
	one(t, p.news(t), "WARNING", own, "is being upgraded to "+next, *begun.Update.Id)

	p.hasten(t, 1)
	none(t, p.tick(t, fiveMinutes)) // it is under way as before
	p.later.Add(int64(time.Hour))
	p.hasten(t, 1)
	one(t, p.tick(t, fiveMinutes), "RESOLVED", "upgrade of "+own+" to "+next+" was successful")
	p.hasten(t, 0)
}

// deprecatedAPI ends with a deletion of which no event tells.
func (p *product) deprecatedAPI(t *testing.T) {
	leave := p.joins(t, own)
	none(t, p.tick(t, daily))
	p.callDeprecated(t)
	one(t, p.tick(t, daily), "WARNING", own, "not ready for Kubernetes "+next, "/apis/"+leaving+"/servicecidrs (gone in 1.37)")
	leave()
	one(t, p.tick(t, daily), "RESOLVED", own, "was deleted")
}

func (p *product) deletion(t *testing.T) {
	leave := p.joins(t, own)
	p.callDeprecated(t)
	p.node(t, "new-node", "v1.37.0-eks-1a2b3c4")
	all(t, p.tick(t, daily), []string{"CRITICAL", own, "ahead"}, []string{"WARNING", own, "not ready"})
	leave()
	p.happens(t, testevents.Case{Function: "etcdsize", Name: "DeleteCluster"}, "my-cluster", own)
	all(t, p.news(t), []string{"RESOLVED", own, "was deleted"}, []string{"RESOLVED", own, "was deleted"})
	none(t, p.tick(t, daily))
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

// hasten makes the looks due that are planned for the next hour, in the place of
// waiting for them, and expects so many.
func (p *product) hasten(t *testing.T, want int) {
	t.Helper()
	table := dynamo.New(dynamodb.NewFromConfig(p.Config), p.Hub.ID("Ledger"))
	planned, err := ledger.New(table, func() time.Time { return time.Now().Add(time.Hour) }).DueFollowUps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(planned) != want {
		t.Fatalf("%d looks are planned, want %d", len(planned), want)
	}
	for _, f := range planned {
		f.Next = time.Now().Add(-time.Second)
		if err := ledger.New(table, time.Now).Schedule(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
}
