//go:build unix

// Package cluster starts a real Kubernetes control plane for a test, made to look like an EKS
// cluster: etcd and kube-apiserver, with the unmodified aws-iam-authenticator deciding about
// presigned tokens and an access file in the place of access entries; on demand also the
// controllers and kwok for nodes. Nothing of Kubernetes is imitated, except that nodes run
// nothing; what EKS adds around it is not here.
package cluster

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/eks-steward/eks-steward/e2e/cluster/authority"
	"github.com/eks-steward/eks-steward/e2e/cluster/components"
	"github.com/eks-steward/eks-steward/e2e/cluster/sts"
)

// Options are what may differ between clusters. The zero value is the smallest one.
type Options struct {
	// Name is the cluster's, which every token has to be signed for; "cluster" if empty.
	Name string
	// Quota is the size in bytes at which etcd refuses to grow; 0 is 8 GiB, as in EKS.
	Quota int64
	// Workloads starts kube-controller-manager, kube-scheduler and kwok as well, so that
	// nodes of AddNode get Ready, pods get Running there and budgets stop evictions.
	Workloads bool
	// RuntimeConfig is what the API server serves beside what it serves by itself, as its flag
	// of that name takes it, such as networking.k8s.io/v1beta1=true.
	RuntimeConfig string
}

// A Cluster runs until its test ends.
type Cluster struct {
	Name     string
	Endpoint string // https://127.0.0.1:port
	CA       string // of the endpoint: PEM in base64, as DescribeCluster gives it
	// Kubeconfig is the path of a file for client-go, with the certificate of Admin.
	Kubeconfig string
	// Admin sends requests as a member of system:masters.
	Admin *http.Client
	// STS issues the access keys whose tokens the authenticator believes.
	STS *sts.Server

	etcd          string // URL of its API
	authenticator string // URL
	webhook       *http.Client
	access        access
	filled        int // secrets that Fill made so far
}

// Start runs a control plane on free ports of loopback. It fails t, with the last lines of the
// log, when a component does not come up.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	programs, err := components.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	root, err := authority.New("test cluster")
	if err != nil {
		t.Fatal(err)
	}
	p := &plane{t: t, dir: t.TempDir(), programs: programs, authority: root}
	p.root = p.write("ca.pem", root.PEM)
	c := &Cluster{
		Name:   cmp.Or(o.Name, "cluster"),
		CA:     base64.StdEncoding.EncodeToString(root.PEM),
		STS:    sts.Start(t),
		access: access{path: filepath.Join(p.dir, "access.json")},
	}
	p.startEtcd(c, o.Quota)
	p.startAuthenticator(c)
	p.startAPIServer(c, o.RuntimeConfig)
	if o.Workloads {
		p.startWorkloads(c)
	}
	return c
}
