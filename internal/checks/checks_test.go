package checks_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

func TestEveryCheckHasAnIDOfItsOwnAndSaysWhatItLooksAt(t *testing.T) {
	form := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	seen := map[string]bool{}
	for _, c := range checks.List {
		if !form.MatchString(c.ID) {
			t.Errorf("id %q: want lower-case words with hyphens", c.ID)
		}
		if seen[c.ID] {
			t.Errorf("id %q is there twice", c.ID)
		}
		if seen[c.ID] = true; c.Doc == "" || c.Judge == nil {
			t.Errorf("%s has no Doc or no Judge", c.ID)
		}
		if shown, err := os.ReadFile(filepath.Join("testdata", c.ID+".txt")); err != nil || !strings.Contains(string(shown), "fail ") {
			t.Errorf("%s has no situation that it fails in testdata/%s.txt: %v", c.ID, c.ID, err)
		}
	}
}

func TestACheckOfWhatChangesOnceADayIsNotRunBetween(t *testing.T) {
	s := healthy(noon)
	s.Insights = fleet.Part[[]fleet.Insight]{}
	for _, c := range checks.List {
		found := judge(c.ID, s, defaults, noon)
		if c.Insights != (len(found) == 0) {
			t.Errorf("%s (daily: %t) says %q without insights", c.ID, c.Insights, render(found))
		}
	}
}

func TestAHealthyClusterPassesEveryCheck(t *testing.T) {
	found := checks.Evaluate(healthy(noon), defaults, noon)
	for _, f := range found {
		if f.Outcome != fleet.Pass || f.Severity != fleet.Info {
			t.Errorf("of a healthy cluster it is said:\n%s", render([]fleet.Finding{f}))
		}
		if f.Cluster.Name != "orders" || !f.At.Equal(noon) || f.Title == "" || f.Reason == "" {
			t.Errorf("%s leaves out what it is about: %+v", f.Check, f)
		}
	}
	for _, c := range checks.List {
		if !slices.ContainsFunc(found, func(f fleet.Finding) bool { return f.Check == c.ID }) {
			t.Errorf("%s says nothing", c.ID)
		}
	}
}

// broken are snapshots in which much is wrong or unread.
func broken() map[string]fleet.Snapshot {
	old := healthy(noon)
	old.Cluster.Value.Version, old.Cluster.Value.KeyARN = "1.27", ""
	old.Nodegroups.Value = []fleet.Nodegroup{{Name: "a", Version: "1.20", AMIType: "AL2_x86_64"}, {Name: "b"}}
	old.Addons.Value = []fleet.Addon{{Name: "vpc-cni", Version: "one", Status: "DEGRADED", Health: []fleet.Issue{{Code: "X"}}}}
	old.VolumesEncrypted.Value = false
	old.StorageClasses.Value = []fleet.StorageClass{{Name: "gp2", Provisioner: "kubernetes.io/aws-ebs"}}
	old.Update = fleet.Read(fleet.Update{Status: "Failed"}, nil, noon)

	lost := healthy(noon)
	lost.Key.Value.State = "PendingDeletion"
	lost.Subnets.Value = nil
	lost.Cluster.Value.Health = []fleet.Issue{{Code: "KmsKeyNotFound"}}
	lost.Insights.Value = []fleet.Insight{{Category: "UPGRADE_READINESS", Status: "ERROR", Deprecations: []fleet.Deprecation{{StopServing: "1.37", Clients: []fleet.Client{{}}}}}}
	lost.Nodes.Value = []fleet.Node{{Kubelet: "v1.99.0"}}

	denied := fleet.Snapshot{
		ID: lost.ID, Cluster: lost.Cluster, Versions: refused[[]fleet.VersionSupport]("a"), Nodegroups: refused[[]fleet.Nodegroup]("b"),
		Addons: refused[[]fleet.Addon]("c"), Insights: refused[[]fleet.Insight]("d"), Subnets: refused[[]fleet.Subnet]("e"), Key: refused[fleet.Key]("f"),
		Update: refused[fleet.Update]("g"), Releases: refused[[]fleet.AddonRelease]("h"), NextReleases: refused[[]fleet.AddonRelease]("h"),
		Nodes: refused[[]fleet.Node]("i"), KubeProxy: refused[fleet.KubeProxy]("j"), Backups: refused[[]fleet.Backup]("k"),
		VolumesEncrypted: refused[bool]("l"), DefaultVolumeKey: refused[string]("m"), StorageClasses: refused[[]fleet.StorageClass]("n"),
	}
	return map[string]fleet.Snapshot{"nothing read": {ID: lost.ID}, "old": old, "lost": lost, "denied": denied, "empty": {
		ID: lost.ID, Cluster: fleet.Read(fleet.Cluster{Kind: fleet.KindEKS}, nil, noon),
	}}
}

func TestWhatIsWrongIsToldInFull(t *testing.T) {
	for name, s := range broken() {
		t.Run(name, func(t *testing.T) {
			found := checks.Evaluate(s, defaults, noon)
			for _, f := range found {
				if f.Outcome != fleet.Fail && f.Outcome != fleet.Unknown {
					continue
				}
				for part, text := range map[string]string{"title": f.Title, "reason": f.Reason, "meaning": f.Meaning, "remedy": f.Remedy, "cause": f.Cause} {
					if text == "" {
						t.Errorf("%s %s has no %s:\n%s", f.Check, f.Resource, part, render([]fleet.Finding{f}))
					}
				}
				if !regexp.MustCompile(`\borders\b`).MatchString(f.Title) {
					t.Errorf("%s: the title %q does not name the cluster", f.Check, f.Title)
				}
			}
		})
	}
}

func TestEveryFindingNamesTheOwnerOfItsCluster(t *testing.T) {
	owned := healthy(noon)
	owned.Cluster.Value.Tags = map[string]string{"team": "payments", "owner": "somebody"}
	unread := owned
	unread.Cluster = refused[fleet.Cluster]("eks:DescribeCluster")
	for name, c := range map[string]struct {
		of       fleet.Snapshot
		tag, who string
	}{
		"the tag that the rules name":         {owned, "team", "payments"},
		"a tag that the cluster has not":      {owned, "squad", ""},
		"rules without a tag":                 {owned, "", ""},
		"FAULT 10 a cluster that nobody read": {unread, "team", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := defaults
			r.OwnerTag = c.tag
			for _, f := range checks.Evaluate(c.of, r, noon) {
				if f.Owner != c.who {
					t.Errorf("%s says that the cluster is of %q, want %q", f.Check, f.Owner, c.who)
				}
			}
		})
	}
}

func TestNoTwoFindingsAreAboutTheSame(t *testing.T) {
	for name, s := range broken() {
		seen := map[string]bool{}
		for _, f := range checks.Evaluate(s, defaults, noon) {
			subject := f.Check + "/" + f.Resource
			if seen[subject] {
				t.Errorf("%s: %s is there twice: one incident cannot say two things", name, subject)
			}
			seen[subject] = true
		}
	}
}

func TestFault_10_WhatNobodyReadIsUnknownToEveryCheck(t *testing.T) {
	s := fleet.Snapshot{ID: healthy(noon).ID}
	for _, f := range checks.Evaluate(s, defaults, noon) {
		// That nobody follows a change is no gap: it is looked for where there is one.
		if f.Outcome != fleet.Unknown && f.Check != "cluster-update" {
			t.Errorf("%s says %s (%s) of a cluster that nobody read", f.Check, f.Outcome, f.Title)
		}
	}
	checks.Evaluate(fleet.Snapshot{}, checks.Rules{}, noon) // must not panic
}

func TestFault_13_NothingIsHeldAgainstAClusterThatEKSDoesNotRun(t *testing.T) {
	for _, kind := range []fleet.ClusterKind{fleet.KindConnected, fleet.KindOutpost, "moon"} {
		s := fleet.Snapshot{ID: healthy(noon).ID, Cluster: fleet.Read(fleet.Cluster{Kind: kind, Version: "1.20"}, nil, noon)}
		found := checks.Evaluate(s, defaults, noon)
		if len(found) != len(checks.List) {
			t.Errorf("%s: %d findings, want one of each check", kind, len(found))
		}
		for _, f := range found {
			if f.Outcome != fleet.NotApplicable || f.Reason == "" {
				t.Errorf("%s: %s says %s of it, want not-applicable with a reason", kind, f.Check, f.Outcome)
			}
		}
	}
}

func TestFault_02_AClusterThatIsGoneIsHeldToNothing(t *testing.T) {
	gone := fleet.Read(fleet.Cluster{}, fmt.Errorf("describe cluster orders: %w", &fleet.Trouble{Kind: fleet.Gone, Action: "eks:DescribeCluster", Err: fmt.Errorf("no cluster found")}), noon)
	for _, f := range checks.Evaluate(fleet.Snapshot{ID: healthy(noon).ID, Cluster: gone}, defaults, noon) {
		if f.Outcome != fleet.NotApplicable || f.Cause != "deleted" {
			t.Errorf("%s says %s %s of a cluster that was deleted", f.Check, f.Outcome, f.Cause)
		}
	}
}

func TestSettle(t *testing.T) {
	of := func(check, resource string, o fleet.Outcome) fleet.Finding {
		return fleet.Finding{Check: check, Resource: resource, Outcome: o, Severity: fleet.Warning, Cause: "x", Cluster: healthy(noon).ID, Title: "old", Meaning: "old", Remedy: "old"}
	}
	tests := []struct {
		name   string
		found  []fleet.Finding
		open   fleet.Finding
		closed bool
	}{
		{"what is found again stays", []fleet.Finding{of("a", "x", fleet.Fail)}, of("a", "x", fleet.Fail), false},
		{"what passes now is closed by that finding itself", []fleet.Finding{of("a", "x", fleet.Pass)}, of("a", "x", fleet.Fail), false},
		{"what is gone is closed", []fleet.Finding{of("a", "", fleet.Pass)}, of("a", "x", fleet.Fail), true},
		{"what was about the whole cluster is closed by name of the check", []fleet.Finding{of("a", "x", fleet.Fail)}, of("a", "", fleet.Unknown), true},
		{"a check that could not look keeps all", []fleet.Finding{of("a", "", fleet.Unknown)}, of("a", "x", fleet.Fail), false},
		{"what could not be read keeps what is below it", []fleet.Finding{of("a", "nodes", fleet.Unknown)}, of("a", "nodes/karpenter/spot", fleet.Fail), false},
		{"but not what is beside it", []fleet.Finding{of("a", "nodes", fleet.Unknown)}, of("a", "nodegroup/x", fleet.Fail), true},
		{"nor what only begins alike", []fleet.Finding{of("a", "nodes", fleet.Unknown)}, of("a", "nodes-2", fleet.Fail), true},
		{"a failure of the whole does not keep its parts", []fleet.Finding{of("a", "nodes", fleet.Fail)}, of("a", "nodes/x", fleet.Fail), true},
		{"another check says nothing about it", []fleet.Finding{of("a", "", fleet.Pass), of("b", "x", fleet.Unknown)}, of("a", "x", fleet.Fail), true},
		{"a check that was not run closes nothing", []fleet.Finding{of("b", "", fleet.Pass)}, of("a", "x", fleet.Fail), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			closed := checks.Settle(test.found, []fleet.Finding{test.open}, noon)
			if (len(closed) == 1) != test.closed {
				t.Fatalf("closed %+v, want closed=%t", closed, test.closed)
			}
			for _, f := range closed {
				if f.Outcome != fleet.Pass || f.Severity != fleet.Info || f.Cause != "" || !f.At.Equal(noon) || f.Resource != test.open.Resource || f.Title == "old" || f.Title[0] == ' ' || f.Reason == "" || f.Meaning+f.Remedy != "" {
					t.Errorf("it is closed by %+v", f)
				}
			}
		})
	}
}
