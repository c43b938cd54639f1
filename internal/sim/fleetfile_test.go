package sim_test

import (
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

func TestAMissingFleetFileIsNamed(t *testing.T) {
	if _, err := sim.Load("testdata/none.yaml"); err == nil || !strings.Contains(err.Error(), "testdata/none.yaml") {
		t.Errorf("error is %v, want the path in it", err)
	}
}
