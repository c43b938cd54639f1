// Package internal_test holds the floors of the building: who may import whom,
// and what a function's binary may carry.
package internal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/eks-steward/eks-steward"

type pkg struct {
	ImportPath string
	Name       string
	Standard   bool
	Imports    []string
}

// ours reports the path of one of our packages below the module, "" for others.
func ours(importPath string) string {
	path, _ := strings.CutPrefix(importPath, module+"/")
	if path == importPath {
		return ""
	}
	return path
}

// below reports whether path is one of the folders or lies in one.
func below(path string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool {
		return path == f || strings.HasPrefix(path, f+"/")
	})
}

// graph is every package of the module and all that they link, by import path,
// as they are built for Lambda.
var graph = sync.OnceValues(func() (map[string]pkg, error) {
	// go list reads files that the test cache does not see; having looked at
	// every folder, a cached result ends with any change.
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != ".." {
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	c := exec.Command("go", "list", "-deps", "-tags", "lambda.norpc", "-json=ImportPath,Name,Standard,Imports", "./...")
	c.Dir = ".."
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64")
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		return nil, err
	}
	packages := map[string]pkg{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		packages[p.ImportPath] = p
	}
})

func load(t *testing.T) map[string]pkg {
	t.Helper()
	g, err := graph()
	if err != nil {
		t.Fatalf("list the packages: %v", err)
	}
	return g
}

// closure is everything that a package links, itself included, with a path to it.
func closure(g map[string]pkg, from string) map[string][]string {
	reached := map[string][]string{from: {from}}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, next := range g[queue[0]].Imports {
			if _, seen := reached[next]; !seen {
				reached[next] = append(slices.Clone(reached[queue[0]]), next)
				queue = append(queue, next)
			}
		}
	}
	return reached
}

// adapters are where AWS's types live; wiring is who may choose an adapter.
var (
	adapters = []string{
		"internal/awsfleet", "internal/kubeapi/ekstoken", "internal/kubeapi/objects", "internal/bus", "internal/queue", "internal/secret", "internal/configstore",
		"internal/killswitch", "internal/ledger/dynamo", "internal/ledger/file", "internal/notify/slack", "internal/notify/sns",
	}
	wiring = []string{"cmd", "e2e", "bench"}
)

// isWiring is true of the mains: functions/<name> itself, but not its handler.
func isWiring(p pkg) bool {
	return below(ours(p.ImportPath), wiring...) || (below(ours(p.ImportPath), "functions") && p.Name == "main")
}

func TestEachFloorImportsOnlyTheFloorsBelowIt(t *testing.T) {
	floors := []struct {
		folder string
		may    []string // folders of ours beside itself
	}{
		{"internal/fleet", nil},
		{"internal/fanout", nil},
		{"internal/incident", []string{"internal/fleet"}},
		{"events", []string{"internal/fleet"}},
		{"internal/etcdsize", []string{"internal/fanout", "internal/fleet"}},
		{"internal/window", []string{"internal/fleet"}},
		{"internal/nodefreshness", []string{"internal/fleet"}},
		{"internal/keyguard", []string{"internal/fleet"}},
		{"internal/checks", []string{"internal/fleet", "internal/keyguard", "internal/nodefreshness"}},
		{"internal/rollout", []string{"internal/fleet", "internal/nodefreshness", "internal/window"}},
		{"internal/nodegrouprollout", []string{"internal/fleet", "internal/ledger", "internal/nodefreshness", "internal/rollout", "internal/window"}},
		{"internal/clustercheck", []string{"internal/fanout", "internal/fleet", "internal/checks", "internal/nodefreshness"}},
		{"internal/secretsencryption", []string{"internal/fleet", "internal/keyguard", "internal/ledger"}},
		{"internal/config", []string{"internal/fleet", "internal/window"}},
		{"internal/rules", []string{"internal/fleet", "internal/checks", "internal/config", "internal/nodefreshness", "internal/rollout", "internal/window"}},
		{"internal/worker", []string{"events", "internal/fleet"}},
		{"internal/ledger", []string{"internal/fleet", "internal/incident", "internal/nodefreshness", "internal/rollout"}},
		{"internal/kubeapi", []string{"internal/fleet", "internal/awsfleet/refusal"}},
		// What is read around a nodegroup, and asked of one, are nouns of the rollout.
		{"internal/awsfleet", []string{"internal/fanout", "internal/fleet", "internal/kubeapi", "internal/rollout", "internal/nodegrouprollout"}},
		{"internal/killswitch", []string{"internal/fleet", "internal/awsfleet/refusal"}},
	}
	g := load(t)
	for _, floor := range floors {
		t.Run(floor.folder, func(t *testing.T) {
			found := false
			for path, p := range g {
				if !below(ours(path), floor.folder) {
					continue
				}
				found = true
				for _, i := range p.Imports {
					if to := ours(i); to != "" && !below(to, floor.folder) && !below(to, floor.may...) {
						t.Errorf("%s imports %s; it may import %v", ours(path), to, floor.may)
					}
				}
			}
			if !found {
				t.Errorf("there is no package %s: was it renamed?", floor.folder)
			}
		})
	}
}

func TestOnlyTheWiringChoosesAdapters(t *testing.T) {
	for path, p := range load(t) {
		if ours(path) == "" || isWiring(p) {
			continue
		}
		for _, i := range p.Imports {
			if to := ours(i); below(to, adapters...) && !below(ours(path), adapters...) {
				t.Errorf("%s imports the adapter %s: declare the interface that it needs and let main.go pass the adapter", ours(path), to)
			}
		}
	}
}

func TestAWSTypesStopAtTheAdapters(t *testing.T) {
	for path, p := range load(t) {
		if ours(path) == "" || isWiring(p) || below(ours(path), adapters...) {
			continue
		}
		for _, i := range p.Imports {
			if strings.HasPrefix(i, "github.com/aws/aws-sdk-go-v2/") {
				t.Errorf("%s imports %s: AWS types stop at the adapters", ours(path), i)
			}
			if strings.HasPrefix(i, "github.com/aws/aws-cdk-go/") && !below(ours(path), "infra") {
				t.Errorf("%s imports %s: only infra speaks CDK", ours(path), i)
			}
		}
	}
}

// functions are the Lambda functions that must exist.
var functions = []string{"functions/approve", "functions/clustercheck", "functions/dispatch", "functions/etcdsize", "functions/nodegrouprollout", "functions/notify", "functions/secretsencryption"}

func TestEveryFunctionIsThere(t *testing.T) {
	g := load(t)
	for _, f := range functions {
		if g[module+"/"+f].Name != "main" {
			t.Errorf("%s is missing or is no command", f)
		}
	}
	for path, p := range g {
		if path := ours(path); below(path, "functions") && p.Name == "main" && !slices.Contains(functions, path) {
			t.Errorf("%s is not in this test's list of functions", path)
		}
	}
}

func TestAFunctionCarriesNothingThatOnlyToolsNeed(t *testing.T) {
	heavy := []string{
		"testing", "net/http/pprof", "net/http/httptest",
		"github.com/spf13/cobra", "go.etcd.io/bbolt", "github.com/jedib0t/go-pretty", "github.com/slack-go/slack",
		"github.com/invopop/jsonschema", "pgregory.net/rapid", module + "/internal/sim", module + "/testevents",
	}
	// What only some functions need: client-go alone doubles a cold start.
	only := map[string][]string{
		"functions/dispatch": {"github.com/goccy/go-yaml"}, // it reads the run-time file
		"functions/clustercheck": {
			"k8s.io/client-go", "k8s.io/api", "k8s.io/apimachinery",
			"github.com/aws/aws-sdk-go-v2/service/ec2", "github.com/aws/aws-sdk-go-v2/service/kms",
			"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi",
			"github.com/aws/aws-sdk-go-v2/service/ssm", // which AMI releases there are
		},
		"functions/nodegrouprollout": {
			"k8s.io/client-go", "k8s.io/api", "k8s.io/apimachinery",
			"github.com/aws/aws-sdk-go-v2/service/ec2", "github.com/aws/aws-sdk-go-v2/service/ssm",
			// The snapshot that it shares with clustercheck reads keys, too.
			"github.com/aws/aws-sdk-go-v2/service/kms", "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi",
		},
		"functions/secretsencryption": {
			"github.com/aws/aws-sdk-go-v2/service/kms", "github.com/aws/aws-sdk-go-v2/service/ssm",
			"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi",
		},
	}
	g := load(t)
	for _, f := range functions {
		banned := slices.Clone(heavy)
		for _, packages := range only {
			banned = append(banned, packages...)
		}
		banned = slices.DeleteFunc(banned, func(p string) bool { return slices.Contains(only[f], p) })
		for path, chain := range closure(g, module+"/"+f) {
			if below(path, banned...) {
				t.Errorf("%s links %s: %s", f, path, strings.Join(chain, " -> "))
			}
		}
	}
}

func TestFault_37_FunctionsThatReadTimeZonesCarryThem(t *testing.T) {
	g := load(t)
	for _, f := range []string{"functions/dispatch", "functions/nodegrouprollout", "functions/notify"} {
		if _, ok := closure(g, module+"/"+f)["time/tzdata"]; !ok {
			t.Errorf("%s does not link time/tzdata, and provided.al2023 has none: import it in its main.go", f)
		}
	}
}
