package sim_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/sim"
)

func TestTheSmallFleetIsReadInFull(t *testing.T) {
	f, err := sim.Load("testdata/small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	search := f.Accounts[0].Regions[0].Clusters[1].Etcd
	if search == nil || len(search.Points) != 4 || search.Points[1] != (sim.Point{At: -2 * time.Hour, SizeGB: 3}) {
		t.Errorf("points are %+v", search)
	}
	if search.InUse == nil || search.InUse.SizeGB != 0.9 || search.Noise != 0.01 {
		t.Errorf("inUse and noise are %+v", search)
	}
	if gap := f.Accounts[0].Regions[0].Clusters[2].Etcd.Gap; gap == nil || gap.From != -30*time.Minute || gap.Until != nil {
		t.Errorf("gap is %+v", gap)
	}
	if role := f.Accounts[1].Roles[0]; role.ExternalID != "example-external-id" {
		t.Errorf("role is %+v", role)
	}
}

func TestBadFleetFilesAreRefusedInOneSentence(t *testing.T) {
	const head = "home: \"111122223333\"\naccounts:\n  - id: \"111122223333\"\n    regions:\n      - name: eu-west-1\n        clusters:\n"
	for _, row := range []struct{ name, yaml, want string }{
		{"an empty file", "", "give at least home"},
		{"an account without quotes loses digits", "home: 12345", "want 12 digits in quotes"},
		{"an unknown field tells its line", head + "          - name: a\n            colour: red\n", "[8:13]"},
		{"a region of no form", strings.ReplaceAll(head, "eu-west-1", "europe") + "          - name: a\n", "does not have the form of an AWS region"},
		{"a region that refuses for no known reason", strings.Replace(head, "        clusters:\n", "        refuses: mood\n", 1), "want not-opted-in or denied-by-policy"},
		{"a cluster name that EKS refuses", head + "          - name: a/b\n", "is not one EKS would accept"},
		{"two clusters of one name", head + "          - name: a\n          - name: a\n", "rename one"},
		{"an unknown kind", head + "          - { name: a, kind: self-made }\n", "want eks, connected or outpost"},
		{"metrics of a connected cluster", head + "          - { name: a, kind: connected, etcd: { sizeGB: 1 } }\n", "leave etcd out"},
		{"no size", head + "          - { name: a, etcd: { noise: 0.1 } }\n", "give either sizeGB or points"},
		{"two kinds of size", head + "          - { name: a, etcd: { sizeGB: 1, points: [{ at: 0s, sizeGB: 1 }] } }\n", "give either sizeGB or points"},
		{"a negative size", head + "          - { name: a, etcd: { sizeGB: -1 } }\n", "want more than 0"},
		{"a negative point", head + "          - { name: a, etcd: { points: [{ at: 0s, sizeGB: -1 }] } }\n", "point 1"},
		{"points in disorder", head + "          - { name: a, etcd: { points: [{ at: 0s, sizeGB: 1 }, { at: -1h, sizeGB: 1 }] } }\n", "put points in order of time"},
		{"noise above the size", head + "          - { name: a, etcd: { sizeGB: 1, noise: 2 } }\n", "between 0 and 1"},
		{"a gap that ends before it starts", head + "          - { name: a, etcd: { sizeGB: 1, gap: { from: -1h, until: -2h } } }\n", "not after its start"},
		{"nodegroups of a connected cluster", head + "          - { name: a, kind: connected, nodegroups: [{ name: blue }] }\n", "leave nodegroups and updates out"},
		{"a nodegroup name that EKS refuses", head + "          - { name: a, nodegroups: [{ name: a/b }] }\n", "is not one EKS would accept"},
		{"two nodegroups of one name", head + "          - { name: a, nodegroups: [{ name: blue }, { name: blue }] }\n", "two nodegroups named blue: rename one"},
		{"less than no nodes", head + "          - { name: a, nodegroups: [{ name: blue, nodes: -1 }] }\n", "want 0 or more"},
		{"an update of no nodegroup", head + "          - { name: a, updates: [{ at: 0s, nodegroup: blue }] }\n", "there is no nodegroup blue"},
		{"an add-on without a version", head + "          - { name: a, addons: [{ name: vpc-cni }] }\n", "a version such as"},
		{"two add-ons of one name", head + "          - { name: a, addons: [{ name: dns, version: v1 }, { name: dns, version: v2 }] }\n", "two addons named dns: leave one out"},
		{"an insight without a status", head + "          - { name: a, insights: [{ name: b }] }\n", "a status such as ERROR"},
		{"two insights of one name", head + "          - { name: a, insights: [{ name: b, status: ERROR }, { name: b, status: PASSING }] }\n", "two insights with the name or id of b"},
		{"less than no addresses", head + "          - { name: a, subnets: [{ id: subnet-0, freeIPs: -1 }] }\n", "freeIPs of 0 or more"},
		{"a key of another region", head + "          - { name: a }\n        keys: [{ id: \"arn:aws:kms:us-east-1:111122223333:key/1\" }]\n", "no key of this region"},
		{"two keys of one id", head + "          - { name: a }\n        keys: [{ id: \"1\" }, { id: \"1\" }]\n", "two keys 1: leave one out"},
		{"an alias without its prefix", head + "          - { name: a }\n        keys: [{ id: \"1\", aliases: [b] }]\n", "begins with alias/"},
		{"a grant for nobody", head + "          - { name: a }\n        keys: [{ id: \"1\", grants: [{ operations: [Decrypt] }] }]\n", "has no grantee"},
		{"two grants for one grantee", head + "          - { name: a }\n        keys: [{ id: \"1\", grants: [{ grantee: b }, { grantee: b }] }]\n", "two grants for b"},
		{"a parameter without a value", head + "          - { name: a }\n        parameters: { /a: \"\" }\n", "and a value"},
		{"a date of deletion for a key that stays", head + "          - { name: a }\n        keys: [{ id: \"1\", state: Enabled, deletionIn: 1h }]\n", "leave deletionIn out"},
		{"no date of deletion for a key that goes", head + "          - { name: a }\n        keys: [{ id: \"1\", state: PendingDeletion }]\n", "say when it will be deleted"},
		{"a leftover without an ARN", head + "          - { name: a }\n        leftovers: [{ arn: vol-0, tags: {} }]\n", "give it an ARN"},
		{"a quota of another service", head + "          - { name: a }\n        quotas: { L-0: 1 }\n", "is not simulated: want one of L-1216C47A"},
		{"live data without a size", head + "          - { name: a, etcd: { sizeGB: 1, inUse: {} } }\n", "inUse: give either"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := sim.Parse([]byte(row.yaml))
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error is %v, want one with %q", err, row.want)
			}
		})
	}
}

func TestTheExamplesOfTheDocumentationAreTaken(t *testing.T) {
	page, err := os.ReadFile("../../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := strings.Split(string(page), "```yaml\n")[1:]
	if len(examples) < 2 {
		t.Errorf("there are %d", len(examples))
	}
	for _, example := range examples {
		example, _, _ = strings.Cut(example, "```")
		account := "home: \"111122223333\"\naccounts:\n  - id: \"111122223333\"\n    regions:\n"
		if !strings.HasPrefix(example, "- name: eu-west-1") { // a cluster, then
			account += "      - name: eu-west-1\n        clusters:\n"
		}
		f, err := sim.Parse([]byte(account + "          " + strings.ReplaceAll(example, "\n", "\n          ")))
		if err != nil {
			t.Errorf("%v in\n%s", err, example)
			continue
		}
		start(t, f)
	}
}

func TestAMissingFleetFileIsNamed(t *testing.T) {
	if _, err := sim.Load("testdata/none.yaml"); err == nil || !strings.Contains(err.Error(), "testdata/none.yaml") {
		t.Errorf("error is %v, want the path in it", err)
	}
}
