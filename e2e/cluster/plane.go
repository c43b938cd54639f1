//go:build unix

package cluster

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/e2e/cluster/authority"
	"github.com/eks-steward/eks-steward/e2e/cluster/components"
)

// serviceHost is where the API server is inside a cluster: the first address of its services.
const (
	serviceRange = "10.0.0.0/24"
	serviceHost  = "10.0.0.1"
	loopback     = "127.0.0.1"
	eksQuota     = 8 << 30
)

// plane is what the components of one cluster share while they start.
type plane struct {
	t         testing.TB
	dir       string
	programs  components.Programs
	authority *authority.Authority
	root      string // path of the authority's certificate
	accounts  files  // signs the tokens of service accounts
}

func (p *plane) startEtcd(c *Cluster, quota int64) {
	p.t.Helper()
	if quota == 0 {
		quota = eksQuota
	}
	c.etcd = "http://" + p.address()
	etcd := p.controlPlane("etcd",
		"--data-dir="+filepath.Join(p.dir, "etcd"),
		"--listen-client-urls="+c.etcd, "--advertise-client-urls="+c.etcd,
		"--listen-peer-urls=http://127.0.0.1:0", // it has no peers
		"--quota-backend-bytes="+strconv.FormatInt(quota, 10),
		"--unsafe-no-fsync", // nothing here outlives the machine
		"--log-level=warn",
	)
	p.until(etcd, http.DefaultClient, c.etcd+"/health")
}

// startAPIServer comes after startEtcd, so that a test's end stops it first: without etcd it
// would linger on its port.
func (p *plane) startAPIServer(c *Cluster, runtimeConfig string) {
	p.t.Helper()
	address := p.address()
	_, port, _ := net.SplitHostPort(address)
	c.Endpoint = "https://" + address
	serving := p.pair("apiserver", "kube-apiserver", "", loopback, serviceHost, "localhost", "kubernetes.default.svc")
	p.accounts = p.pair("service-accounts", "service-accounts", "")
	c.Kubeconfig = p.kubeconfig("admin", c.Endpoint, p.pair("admin", "admin", "system:masters"))
	c.Admin = p.client("admin")
	apiserver := p.controlPlane("kube-apiserver",
		"--etcd-servers="+c.etcd,
		"--bind-address="+loopback, "--advertise-address="+loopback, "--secure-port="+port,
		"--endpoint-reconciler-type=none", // an endpoint may not be on loopback
		"--tls-cert-file="+serving.certificate, "--tls-private-key-file="+serving.key,
		"--client-ca-file="+p.root,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+p.accounts.certificate, "--service-account-signing-key-file="+p.accounts.key,
		"--service-cluster-ip-range="+serviceRange,
		"--runtime-config="+runtimeConfig,
		"--authorization-mode=Node,RBAC",
		"--authentication-token-webhook-config-file="+p.kubeconfig("webhook", c.authenticator+"/authenticate", files{}),
		// No second cache: the API server believes a token for ten seconds in any case.
		"--authentication-token-webhook-cache-ttl=0",
	)
	p.until(apiserver, c.Admin, c.Endpoint+"/readyz")
}

// startWorkloads does not wait: AddNode does.
func (p *plane) startWorkloads(c *Cluster) {
	p.t.Helper()
	p.controller(c, "kube-controller-manager",
		"--service-account-private-key-file="+p.accounts.key, "--root-ca-file="+p.root,
		"--use-service-account-credentials", // the roles of its controllers are bound to these
		"--node-monitor-grace-period=1h",    // kwok's nodes have no heartbeat, and are never lost
	)
	p.controller(c, "kube-scheduler")
	p.start("kwok", p.programs.Kwok, nil,
		"--kubeconfig="+c.Kubeconfig, "--manage-all-nodes=true", "--server-address="+loopback+":0")
}

// controller starts a component that only talks to the API server: there is one of each, so
// they need no election, and nobody asks them anything by HTTP.
func (p *plane) controller(c *Cluster, name string, args ...string) {
	p.t.Helper()
	config := p.kubeconfig(name, c.Endpoint, p.pair(name, "system:"+name, ""))
	p.controlPlane(name, append(args, "--kubeconfig="+config, "--leader-elect=false", "--secure-port=0")...)
}

// controlPlane starts one component of Kubernetes.
func (p *plane) controlPlane(component string, args ...string) *process {
	p.t.Helper()
	return p.start(component, p.programs.ControlPlane, nil, append([]string{component}, args...)...)
}

// Ports that a system gives to nobody who asks for any: Linux begins at 32768 (ip(7)), others
// later. Below are those of services.
const firstPort, endOfPorts = 10_000, 32_768

// address is a free one of loopback; the components cannot choose their own. A port that the
// system gave could be a connection's before its component listens.
func (p *plane) address() string {
	p.t.Helper()
	var last error
	for range 100 {
		port := firstPort + rand.IntN(endOfPorts-firstPort) //nolint:gosec // no secret
		if last = p.take(port); last == nil {
			return net.JoinHostPort(loopback, strconv.Itoa(port))
		}
	}
	p.t.Fatalf("no port is free on loopback: %v", last)
	return ""
}

// take keeps a port from other tests of this machine until the test ends, if it is free: they
// might choose it before its component listens. Who takes a port has the one of UDP with the
// same number, which nothing here listens on and the kernel gives back, however a test ends.
func (p *plane) take(port int) (err error) {
	at := net.JoinHostPort(loopback, strconv.Itoa(port))
	mark, err := new(net.ListenConfig).ListenPacket(p.t.Context(), "udp", at)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", at)
	if err != nil {
		return errors.Join(err, mark.Close())
	}
	p.t.Cleanup(func() { _ = mark.Close() }) // when what listens there has ended
	return l.Close()
}

// files are the paths of a certificate and its key.
type files struct{ certificate, key string }

// pair writes what the authority issues to a component into a folder of its name.
func (p *plane) pair(component, user, group string, hosts ...string) files {
	p.t.Helper()
	subject := pkix.Name{CommonName: user}
	if group != "" {
		subject.Organization = []string{group}
	}
	issued, err := p.authority.Issue(subject, hosts...)
	if err != nil {
		p.t.Fatal(err)
	}
	return files{
		certificate: p.write(filepath.Join(component, "cert.pem"), issued.Certificate),
		key:         p.write(filepath.Join(component, "key.pem"), issued.Key),
	}
}

// client sends requests with the certificate that pair wrote for a component.
func (p *plane) client(component string) *http.Client {
	p.t.Helper()
	certificate, err := tls.LoadX509KeyPair(filepath.Join(p.dir, component, "cert.pem"), filepath.Join(p.dir, component, "key.pem"))
	if err != nil {
		p.t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: p.authority.Pool(), Certificates: []tls.Certificate{certificate},
	}}
	p.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// kubeconfig writes how to reach a server, with a client certificate if there is one.
func (p *plane) kubeconfig(name, server string, user files) string {
	p.t.Helper()
	credentials := map[string]string{}
	if user.key != "" {
		credentials = map[string]string{"client-certificate": user.certificate, "client-key": user.key}
	}
	// JSON is YAML, so that no encoder of YAML is needed.
	config, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": name,
		"clusters": []any{map[string]any{"name": name, "cluster": map[string]string{"server": server, "certificate-authority": p.root}}},
		"users":    []any{map[string]any{"name": name, "user": credentials}},
		"contexts": []any{map[string]any{"name": name, "context": map[string]string{"cluster": name, "user": name}}},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return p.write(name+".kubeconfig", config)
}

func (p *plane) write(file string, content []byte) string {
	p.t.Helper()
	path := filepath.Join(p.dir, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}
