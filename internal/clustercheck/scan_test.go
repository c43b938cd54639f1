package clustercheck_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/clustercheck"
	"github.com/eks-steward/eks-steward/internal/clustercheck/surveytest"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

var (
	_      clustercheck.Survey = surveytest.Survey{}
	noon                       = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	target                     = fleet.Target{Account: "111122223333", Region: "eu-west-1"}
)

func rules(fleet.ClusterID) checks.Rules {
	return checks.Rules{
		VersionSupport:    checks.VersionSupport{Reminders: []int{180, 90, 60, 30, 14, 7, 1}, StandardUSDPerHour: 0.10, ExtendedUSDPerHour: 0.60},
		SecretsEncryption: checks.SecretsEncryption{Require: checks.AnyKey},
		OwnerTag:          "owner",
	}
}

// scan runs an order at a time and returns what each cluster came to.
func scan(ctx context.Context, r *surveytest.Region, o clustercheck.Order, at time.Time) ([]fleet.Finding, []clustercheck.Wait, clustercheck.Report) {
	o.Target, o.Rules, o.Insights = target, rules, o.Update == ""
	var found []fleet.Finding
	var waits []clustercheck.Wait
	rep := clustercheck.Scan(ctx, r.Survey(), o, func() time.Time { return at }, func(l clustercheck.Look) {
		found, waits = append(found, l.Findings...), append(waits, l.Waits...)
	})
	return found, waits, rep
}

// words are findings in the form "cluster check/resource outcome cause", sorted.
func words(found []fleet.Finding) []string {
	var out []string
	for _, f := range found {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s/%s %s %s", f.Cluster.Name, f.Check, f.Resource, f.Outcome, f.Cause)))
	}
	slices.Sort(out)
	return out
}

func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n  %s\nwant\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func open(check, resource, cluster string, edit ...func(*fleet.Finding)) map[string][]fleet.Finding {
	f := fleet.Finding{Check: check, Resource: resource, Cluster: target.Cluster(cluster), Outcome: fleet.Fail, Severity: fleet.Warning, Cause: "x", At: noon.Add(-time.Hour)}
	for _, e := range edit {
		e(&f)
	}
	return map[string][]fleet.Finding{cluster: {f}}
}

func TestAHealthyTargetHasNothingToRecord(t *testing.T) {
	found, waits, rep := scan(t.Context(), surveytest.New(target, noon, "a", "b"), clustercheck.Order{}, noon)
	want(t, "findings", words(found))
	if len(waits) != 0 || rep.Clusters != 2 || !rep.Complete() {
		t.Errorf("waits %v, report %+v; want none, two clusters, complete", waits, rep)
	}
}

func TestAReleaseIsNewsOnce(t *testing.T) {
	r := surveytest.New(target, noon, "a")
	named := r.Clusters["a"].Images.Value
	again := slices.Clone(named)
	again[0].Published = again[0].Published.Add(time.Hour) // AWS went away from it, and came back
	for name, tt := range map[string]struct{ seen, news []fleet.AMIRelease }{
		"at first":             {nil, named},
		"not when it is known": {named, nil},
		"when it comes again":  {again, named},
	} {
		o := clustercheck.Order{Target: target, Rules: rules, Releases: tt.seen}
		clustercheck.Scan(t.Context(), r.Survey(), o, func() time.Time { return noon }, func(l clustercheck.Look) {
			if !slices.Equal(l.Releases, tt.news) {
				t.Errorf("%s: news %v, want %v", name, l.Releases, tt.news)
			}
		})
	}
}

func TestFault_02_AClusterDeletedBetweenListAndDescribeIsGoneAlone(t *testing.T) {
	r := surveytest.New(target, noon, "a", "b")
	r.Clusters["a"].Cluster = fleet.Read(fleet.Cluster{}, surveytest.Trouble(fleet.Gone, "eks:DescribeCluster"), noon)
	r.Clusters["b"].Cluster.Value.Version = "1.30"
	found, _, rep := scan(t.Context(), r, clustercheck.Order{}, noon)
	if got := words(found); len(got) == 0 || slices.ContainsFunc(got, func(w string) bool { return strings.HasPrefix(w, "a ") }) {
		t.Errorf("findings %q, want some of b and none of a", got)
	}
	if !rep.Complete() {
		t.Errorf("report %+v, want it complete", rep)
	}
}

func TestFault_03_WhatIsOpenOfANodegroupThatIsGoneCloses(t *testing.T) {
	found, _, _ := scan(t.Context(), surveytest.New(target, noon, "a"), clustercheck.Order{Open: open("version-skew", "nodegroup/old", "a")}, noon)
	want(t, "findings", words(found), "a version-skew/nodegroup/old pass")
}

func TestFault_04_AListThatLoopsIsNotAllThereIs(t *testing.T) {
	r := surveytest.New(target, noon, "a")
	r.Unlisted = surveytest.Trouble(fleet.LoopingPages, "eks:ListClusters")
	found, _, rep := scan(t.Context(), r, clustercheck.Order{Open: open("addons", "", "unlisted")}, noon)
	want(t, "findings", words(found))
	want(t, "reads", r.Reads(), "a")
	if !errors.Is(rep.Listing, fleet.LoopingPages) || rep.Complete() {
		t.Errorf("report %+v, want an incomplete list", rep)
	}
}

func TestFault_05_AnActionThatIsDeniedEverywhereIsOneNotice(t *testing.T) {
	r := surveytest.New(target, noon, "a", "b", "c")
	for _, s := range r.Clusters {
		s.Insights = fleet.Read[[]fleet.Insight](nil, surveytest.Trouble(fleet.Denied, "eks:ListInsights"), noon)
	}
	r.Clusters["c"].Cluster = fleet.Read(fleet.Cluster{}, surveytest.Trouble(fleet.Denied, "eks:DescribeCluster"), noon)
	r.Clusters["a"].Cluster.Value.Version = "1.36"
	r.Clusters["a"].Nodegroups.Value[0].Version = "1.37"
	found, _, rep := scan(t.Context(), r, clustercheck.Order{}, noon)
	for _, f := range found {
		if f.Outcome == fleet.Unknown {
			t.Errorf("%s of %s is unknown and recorded: the target's own finding says so", f.Check, f.Cluster.Name)
		}
	}
	if !slices.ContainsFunc(found, func(f fleet.Finding) bool { return f.Check == "version-skew" && f.Cluster.Name == "a" }) {
		t.Errorf("findings %q, want the skew of a: what can be read is judged", words(found))
	}
	a := rep.Access
	if a.Outcome != fleet.Unknown || a.Severity != fleet.Warning || a.Cause != "eks:DescribeCluster,eks:ListInsights" {
		t.Errorf("access is %s %s %q", a.Outcome, a.Severity, a.Cause)
	}
	if wanted := "INCOMPLETE: 3 clusters read, 3 of them in part"; a.Observed != wanted {
		t.Errorf("observed %q, want %q", a.Observed, wanted)
	}
	if wanted := []fleet.Fact{{Label: "eks:DescribeCluster", Value: "c"}, {Label: "eks:ListInsights", Value: "a, b, c"}}; !slices.Equal(a.Facts, wanted) {
		t.Errorf("facts %v, want %v", a.Facts, wanted)
	}
	if !strings.Contains(a.Remedy, "Allow eks:DescribeCluster, eks:ListInsights to the role") {
		t.Errorf("the remedy is %q", a.Remedy)
	}
}

func TestFault_05_WhatIsOpenAndCannotBeReadStaysOpen(t *testing.T) {
	r := surveytest.New(target, noon, "a")
	r.Clusters["a"].Addons = fleet.Read[[]fleet.Addon](nil, surveytest.Trouble(fleet.Denied, "eks:ListAddons"), noon)
	found, _, _ := scan(t.Context(), r, clustercheck.Order{Open: open("add-ons", "addon/coredns", "a")}, noon)
	want(t, "findings", words(found))
}

func TestAClusterThatNobodyCouldDescribeIsToldForTheTargetAlone(t *testing.T) {
	r := surveytest.New(target, noon, "a")
	r.Clusters["a"] = &fleet.Snapshot{ID: target.Cluster("a"), Cluster: fleet.Read(fleet.Cluster{}, surveytest.Trouble(fleet.Throttled, "eks:DescribeCluster"), noon)}
	found, _, rep := scan(t.Context(), r, clustercheck.Order{Open: open("version-skew", "nodegroup/x", "a")}, noon)
	want(t, "findings", words(found))
	if rep.Access.Cause != "throttled" {
		t.Errorf("access %q, want throttled", rep.Access.Cause)
	}
}

func TestATroubleThatMayPassIsMildUntilItIsFoundAgain(t *testing.T) {
	r := surveytest.New(target, noon, "a")
	r.Clusters["a"].Versions = fleet.Read[[]fleet.VersionSupport](nil, surveytest.Trouble(fleet.Throttled, "eks:DescribeClusterVersions"), noon)
	for _, tt := range []struct {
		open map[string][]fleet.Finding
		want fleet.Severity
	}{{nil, fleet.Info}, {open(clustercheck.AccessCheck, "", ""), fleet.Warning}} {
		_, _, rep := scan(t.Context(), r, clustercheck.Order{Open: tt.open}, noon)
		if rep.Access.Severity != tt.want || rep.Access.Cause != "throttled" || len(rep.Passing) != 1 {
			t.Errorf("with %v open: %s %q, %v; want %s, throttled, one to try again", tt.open, rep.Access.Severity, rep.Access.Cause, rep.Passing, tt.want)
		}
	}
}

func TestFault_21_WhatThereIsNoTimeForIsTheRest(t *testing.T) {
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprintf("c%02d", i))
	}
	for _, tt := range []struct {
		name          string
		left, takes   time.Duration
		clusters      int
		first, unread string
	}{
		{"time for all of them", 15 * time.Minute, time.Minute, 30, "", ""},
		{"time for two rounds of eight", 150 * time.Second, time.Minute, 16, "c16", "c29"},
		{"a reading that the end cuts short counts for nothing", 100 * time.Second, time.Minute, 8, "c08", "c29"},
		{"less time than one cluster takes begins none", 29 * time.Second, time.Second, 0, "c00", "c29"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.left)
				defer cancel()
				r := surveytest.New(target, noon, names...)
				r.Takes = tt.takes
				begun := time.Now()
				_, _, rep := scan(ctx, r, clustercheck.Order{}, noon)
				if rep.Clusters != tt.clusters || rep.Clusters+len(rep.Rest) != len(names) {
					t.Fatalf("looked at %d, rest %v; want %d of %d", rep.Clusters, rep.Rest, tt.clusters, len(names))
				}
				if left := tt.left - time.Since(begun); left < 10*time.Second {
					t.Errorf("%s left to record what was found, want 10s", left)
				}
				if tt.unread != "" && (!slices.IsSorted(rep.Rest) || !slices.Contains(rep.Rest, tt.unread)) {
					t.Errorf("rest %v, want it sorted and with %s", rep.Rest, tt.unread)
				}
			})
		})
	}
}

func TestFault_62_ADeletedClusterClosesAllThatIsOpenOfIt(t *testing.T) {
	o := open("version-support", "", "gone")
	o["gone"] = append(o["gone"], open("version-skew", "nodegroup/x", "gone")["gone"]...)
	r := surveytest.New(target, noon, "a")
	found, waits, _ := scan(t.Context(), r, clustercheck.Order{Open: o}, noon)
	want(t, "findings", words(found), "gone version-skew/nodegroup/x pass", "gone version-support/ pass")
	for _, f := range found {
		if f.Title != "gone was deleted" || f.Reason == "" || f.Remedy != "" {
			t.Errorf("it reads %q, %q, %q", f.Title, f.Reason, f.Remedy)
		}
	}
	if len(waits) != 1 || !waits[0].Over || waits[0].Update != "" {
		t.Errorf("waits %+v, want that for the deletion to be over", waits)
	}
}

func TestWhatADeletedClusterLeftBehindIsToldUntilItIsGone(t *testing.T) {
	r := surveytest.New(target, noon)
	order := clustercheck.Order{Clusters: []string{"gone"}}
	for i := range 25 {
		r.Left["gone"] = append(r.Left["gone"], fmt.Sprintf("arn:aws:ec2:eu-west-1:111122223333:volume/vol-%02d", i))
	}
	found, _, _ := scan(t.Context(), r, order, noon)
	want(t, "findings", words(found), "gone deletion/ fail leftovers")
	if got := found[0].Observed; !strings.HasSuffix(got, "volume/vol-19\nand 5 more") {
		t.Errorf("observed %q, want twenty and a count", got)
	}
	order = clustercheck.Order{Open: open(clustercheck.DeletionCheck, "", "gone")}
	r.Left["gone"] = r.Left["gone"][:1]
	found, _, _ = scan(t.Context(), r, order, noon)
	want(t, "a day later", words(found), "gone deletion/ fail leftovers")
	r.Left["gone"] = nil
	found, _, _ = scan(t.Context(), r, order, noon)
	want(t, "when they are gone", words(found), "gone deletion/ pass")
}

func TestLeftoversThatCannotBeListedAreUnknown(t *testing.T) {
	r := surveytest.New(target, noon)
	for kind, wanted := range map[fleet.TroubleKind][]string{
		fleet.Throttled: {"gone deletion/ unknown unread"},
		fleet.Denied:    nil, // once for the target
	} {
		r.Unfound = surveytest.Trouble(kind, "tag:GetResources")
		found, _, rep := scan(t.Context(), r, clustercheck.Order{Clusters: []string{"gone"}}, noon)
		want(t, string(kind), words(found), wanted...)
		if denied := kind == fleet.Denied; (rep.Access.Cause == "tag:GetResources") != denied {
			t.Errorf("%s: access %q", kind, rep.Access.Cause)
		}
	}
}

func TestAClusterOfTheSameNameClosesTheDeletionOfTheFirst(t *testing.T) {
	found, _, _ := scan(t.Context(), surveytest.New(target, noon, "a"), clustercheck.Order{Open: open(clustercheck.DeletionCheck, "", "a")}, noon)
	want(t, "findings", words(found), "a deletion/ pass")
}

func TestADeletionIsWaitedForAndThenSaidToBeStuck(t *testing.T) {
	r := surveytest.New(target, noon, "a")
	r.Clusters["a"].Cluster.Value.Status = "DELETING"
	r.Clusters["a"].Cluster.Value.Version = "1.30" // held to no check any more
	r.Clusters["a"].Cluster.Value.Tags = map[string]string{"owner": "payments"}
	order := clustercheck.Order{Clusters: []string{"a"}, Since: noon}
	found, waits, _ := scan(t.Context(), r, order, noon.Add(clustercheck.DeletionPatience-time.Minute))
	want(t, "findings", words(found))
	if len(waits) != 1 || waits[0].Over || waits[0].Update != "" {
		t.Errorf("waits %+v, want one for the deletion", waits)
	}
	found, waits, _ = scan(t.Context(), r, order, noon.Add(clustercheck.DeletionPatience))
	want(t, "findings", words(found), "a deletion/ fail stuck")
	if found[0].Owner != "payments" {
		t.Errorf("the cluster is of %q, want payments", found[0].Owner)
	}
	if len(waits) != 1 || !waits[0].Over {
		t.Errorf("waits %+v, want it over", waits)
	}
}

const update = "3141b835-8103-423a-8e68-12c2521ffa4d"

func TestAnUpgradeIsFollowedToItsEnd(t *testing.T) {
	for _, tt := range []struct {
		name, status string
		after        time.Duration
		want         []string
		over         bool
	}{
		{"under way", "InProgress", time.Hour, []string{"a cluster-update/ fail in-progress"}, false},
		{"a word that is new to us is not the end", "Pausing", time.Hour, []string{"a cluster-update/ unknown unknown-status"}, false},
		{"failed", "Failed", time.Hour, []string{"a cluster-update/ fail failed"}, true},
		{"successful", "Successful", time.Hour, []string{"a cluster-update/ pass"}, true},
		{"under way for too long", "InProgress", clustercheck.UpgradePatience, []string{"a cluster-update/ unknown never-ended"}, true},
		{"successful at the last moment", "Successful", clustercheck.UpgradePatience, []string{"a cluster-update/ pass"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := surveytest.New(target, noon, "a")
			r.Updates["a"] = fleet.Update{ID: update, Type: "VersionUpdate", Status: tt.status, Version: "1.37", CreatedAt: noon}
			o := clustercheck.Order{Clusters: []string{"a"}, Update: update, Since: noon, Open: open("cluster-update", "", "a")}
			found, waits, _ := scan(t.Context(), r, o, noon.Add(tt.after))
			want(t, "findings", words(found), tt.want...)
			if len(waits) != 1 || waits[0].Update != update || waits[0].Over != tt.over {
				t.Errorf("waits %+v, want one for the update, over: %t", waits, tt.over)
			}
		})
	}
}

func TestFault_25_AnUpgradeThatNoEventToldIsFollowed(t *testing.T) {
	r := surveytest.New(target, noon, "a")
	r.Clusters["a"].Cluster.Value.Status = "UPDATING"
	r.Updates["a"] = fleet.Update{ID: update, Type: "VersionUpdate", Status: "InProgress", Version: "1.37", CreatedAt: noon}
	found, waits, _ := scan(t.Context(), r, clustercheck.Order{}, noon)
	want(t, "findings", words(found), "a cluster-update/ fail in-progress")
	if len(waits) != 1 || waits[0].Update != update || waits[0].Over {
		t.Errorf("waits %+v, want one for the update", waits)
	}

	// Whoever followed it was lost, and it has ended since: the next scan tells how.
	r.Clusters["a"].Cluster.Value.Status = "ACTIVE"
	r.Updates["a"] = fleet.Update{ID: update, Type: "VersionUpdate", Status: "Failed", Version: "1.37", CreatedAt: noon}
	held := map[string][]fleet.Finding{"a": found}
	found, _, _ = scan(t.Context(), r, clustercheck.Order{Open: held}, noon.Add(24*time.Hour))
	want(t, "a day later", words(found), "a cluster-update/ fail failed")

	// A failed change stays until another one ends.
	held = map[string][]fleet.Finding{"a": found}
	found, _, _ = scan(t.Context(), r, clustercheck.Order{Open: held}, noon.Add(48*time.Hour))
	want(t, "two days later", words(found))
}

func TestFault_42_APrivateAPIServerLeavesTheRestJudged(t *testing.T) {
	r := surveytest.New(target, noon, "a")
	s := r.Clusters["a"]
	s.Cluster.Value.Version = "1.30"
	private := surveytest.Trouble(fleet.Private, "kubernetes")
	s.Nodes, s.KubeProxy = fleet.Read[[]fleet.Node](nil, private, noon), fleet.Read(fleet.KubeProxy{}, private, noon)
	s.Deprecations, s.Backups = fleet.Read[[]fleet.DeprecatedAPI](nil, private, noon), fleet.Read[[]fleet.Backup](nil, private, noon)
	s.StorageClasses = fleet.Read[[]fleet.StorageClass](nil, private, noon)
	found, _, rep := scan(t.Context(), r, clustercheck.Order{}, noon)
	if !slices.ContainsFunc(found, func(f fleet.Finding) bool { return f.Check == "version-support" }) {
		t.Errorf("findings %q, want that of the version", words(found))
	}
	for _, f := range found {
		if f.Outcome == fleet.Unknown && f.Severity > fleet.Info && f.Check != "version-support" {
			t.Errorf("%s/%s is an unknown of severity %s: a private API server is no alarm", f.Check, f.Resource, f.Severity)
		}
	}
	if rep.Access.Outcome != fleet.Pass {
		t.Errorf("access is %s: %s; the endpoint is the cluster's own affair", rep.Access.Outcome, rep.Access.Reason)
	}
}

func TestNoticesReachTheChecks(t *testing.T) {
	r := surveytest.New(target, noon, "a", "b")
	for _, s := range r.Clusters {
		s.Cluster.Value.Version = "1.30"
	}
	notices := map[string][]fleet.Notice{"a": {{ID: "n", TypeCode: "AWS_EKS_PLANNED_LIFECYCLE_EVENT", Start: noon.Add(24 * time.Hour), Text: "The end is near."}}}
	found, _, _ := scan(t.Context(), r, clustercheck.Order{Notices: notices}, noon)
	for _, f := range found {
		if f.Check != "version-support" {
			continue
		}
		named := strings.Contains(fmt.Sprint(f.Facts), "The end is near.") || strings.Contains(fmt.Sprint(f.Facts), "AWS_EKS_PLANNED_LIFECYCLE_EVENT")
		if named != (f.Cluster.Name == "a") {
			t.Errorf("facts of %s: %v", f.Cluster.Name, f.Facts)
		}
	}
}
