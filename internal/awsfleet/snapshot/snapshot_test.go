package snapshot_test

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

func TestSnapshotReadsTheWholeCluster(t *testing.T) {
	s, _ := survey(t, region(payments()))
	got := s.Snapshot(t.Context(), "payments", fleet.Wanted{Insights: true})
	if c := got.Cluster; !c.Known() || c.Value.Version != "1.34" || c.Value.KeyARN != keyARN {
		t.Errorf("cluster %+v", c)
	}
	if got.ID != target.Cluster("payments") {
		t.Errorf("id %s", got.ID)
	}
	same(t, "subnets", got.Subnets, []fleet.Subnet{
		{ID: "subnet-00000000000000001", Zone: "eu-west-1a", Free: 250},
		{ID: "subnet-00000000000000002", Zone: "eu-west-1b", Free: 3},
	})
	same(t, "key", got.Key, fleet.Key{
		ARN: keyARN, Spec: "SYMMETRIC_DEFAULT", Usage: "ENCRYPT_DECRYPT", State: "Enabled", Rotation: fleet.RotationOn, Aliases: []string{"alias/eks", "alias/payments"}, Tags: map[string]string{"approved": "yes"},
	})
	same(t, "add-ons", got.Addons, []fleet.Addon{
		{Name: "coredns", Version: "v1.12.4-eksbuild.1", Status: "DEGRADED", Health: []fleet.Issue{{Code: "InsufficientNumberOfReplicas", Resources: []string{"coredns-1"}}}},
		{Name: "vpc-cni", Version: "v1.20.4-eksbuild.2", Status: "ACTIVE"},
	})
	same(t, "insights", got.Insights, []fleet.Insight{
		{
			ID: "insight-1", Name: "Add-on versions", Category: "UPGRADE_READINESS", Status: "WARNING", Refreshed: noon,
			Addons: []fleet.AddonCompatibility{{Name: "vpc-cni", Compatible: []string{"v1.21.1-eksbuild.1"}}},
		},
		{
			ID: "insight-2", Name: "Deprecated APIs", Category: "UPGRADE_READINESS", Status: "ERROR", Reason: "In use.", For: "1.35", Recommendation: "Move on.", Refreshed: noon.Add(-time.Hour),
			Deprecations: []fleet.Deprecation{{
				Usage: "/apis/flowcontrol.apiserver.k8s.io/v1beta3/flowschemas", ReplacedWith: "v1", StopServing: "1.35",
				Clients: []fleet.Client{{UserAgent: "old-operator/1.2", Requests: 7, Last: noon.Add(-40 * 24 * time.Hour)}, {UserAgent: "silent", Requests: 1}},
			}},
		},
		{ID: "insight-3", Name: "Kubelet version skew", Category: "UPGRADE_READINESS", Status: "PASSING", Reason: "Fine.", Refreshed: noon},
	})
	nodegroups(t, got.Nodegroups)
	calendar(t, got)
	if got.Update.Tried() {
		t.Errorf("a cluster at rest has no update to look for: %+v", got.Update)
	}
}

func nodegroups(t *testing.T, got fleet.Part[[]fleet.Nodegroup]) {
	t.Helper()
	if !got.Known() || len(got.Value) != 2 {
		t.Fatalf("nodegroups %+v", got)
	}
	blue, green := got.Value[0], got.Value[1]
	if blue.Name != "blue" || blue.AMIType != fleet.CustomAMI || blue.Release != "" || blue.Status != "DEGRADED" || blue.Health[0].Message != "Instances failed to join." {
		t.Errorf("blue %+v", blue)
	}
	if !reflect.DeepEqual(green.Surge, fleet.Surge{Strategy: "MINIMAL", Percent: 25}) || green.Most != 5 || !slices.Equal(green.InstanceTypes, []string{"m7g.large"}) || green.Capacity != "SPOT" || len(green.Subnets) == 0 {
		t.Errorf("an update of green meets %+v", green)
	}
	if green.Name != "green" || green.Version != "1.33" || !strings.HasPrefix(green.Release, "1.33.") || green.Nodes != 3 || green.Tags["team"] != "pay" || green.CreatedAt.IsZero() || !strings.Contains(green.ARN, ":nodegroup/payments/green/") {
		t.Errorf("green %+v", green)
	}
}

// calendar checks what is the same for every cluster of the region.
func calendar(t *testing.T, got fleet.Snapshot) {
	t.Helper()
	row, ok := fleet.Supported(got.Versions.Value, "1.34")
	if !ok || row.Status != "STANDARD_SUPPORT" || row.EndOfStandard.Format(time.DateOnly) != "2026-12-02" || row.EndOfExtended.Format(time.DateOnly) != "2027-12-02" || row.Released.IsZero() {
		t.Errorf("1.34 is %+v", row)
	}
	if old, ok := fleet.Supported(got.Versions.Value, "1.30"); !ok || old.Status != "UNSUPPORTED" {
		t.Errorf("1.30 is %+v, %v: a version that is no longer supported must be listed", old, ok)
	}
	for name, part := range map[string]fleet.Part[[]fleet.AddonRelease]{"its own version": got.Releases, "the next version": got.NextReleases} {
		defaults := 0
		for _, r := range part.Value {
			if r.Name == "vpc-cni" && r.Default {
				defaults++
			}
		}
		if !part.Known() || defaults != 1 {
			t.Errorf("releases for %s: %d defaults of vpc-cni in %+v", name, defaults, part)
		}
	}
	if reflect.DeepEqual(got.Releases.Value, got.NextReleases.Value) {
		t.Error("both versions have the same releases")
	}
}

func same[T any](t *testing.T, what string, got fleet.Part[T], want T) {
	t.Helper()
	if !got.Known() || !got.At.Equal(noon) {
		t.Errorf("%s: %s, read at %s", what, got.Why(), got.At)
	}
	if !reflect.DeepEqual(got.Value, want) {
		t.Errorf("%s:\ngot  %+v\nwant %+v", what, got.Value, want)
	}
}

// once is what one snapshot of payments takes.
var once = map[string]int{
	"DescribeCluster": 1, "ListNodegroups": 1, "DescribeNodegroup": 2, "ListAddons": 1, "DescribeAddon": 2, "ListInsights": 1, "DescribeInsight": 2,
	"DescribeSubnets": 1, "DescribeKey": 1, "GetKeyRotationStatus": 1, "ListAliases": 1, "ListResourceTags": 1,
	"DescribeClusterVersions": 1, "DescribeAddonVersions": 2,
	"GetEbsEncryptionByDefault": 1, "GetEbsDefaultKmsKeyId": 1, "DescribeLaunchTemplateVersions": 1,
	"GetParameter": 2, "DescribeLaunchTemplates": 1,
}

func TestOneDescribePerThing(t *testing.T) {
	s, w := survey(t, region(payments()))
	s.Snapshot(t.Context(), "payments", fleet.Wanted{Insights: true})
	counts(t, w, once)
}

func TestNodegroupsAreListedByTheHundred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose time passes at once: so many calls are paced
		c := sim.Cluster{Name: "wide", Version: "1.34"}
		for i := range 201 {
			c.Nodegroups = append(c.Nodegroups, sim.Nodegroup{Name: fmt.Sprintf("group-%03d", i)})
		}
		s, w := survey(t, sim.Region{Clusters: []sim.Cluster{c}})
		if got := s.Snapshot(t.Context(), "wide", fleet.Wanted{Insights: true}).Nodegroups; !got.Known() || len(got.Value) != 201 {
			t.Errorf("%d nodegroups, %s", len(got.Value), got.Why())
		}
		if n := w.Calls().Of("ListNodegroups").Total(); n != 3 {
			t.Errorf("%d lists", n)
		}
	})
}

func TestWhatClustersShareIsReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose time passes at once: so many calls are paced
		var clusters []sim.Cluster
		for i := range 8 {
			c := payments()
			c.Name = fmt.Sprintf("payments-%d", i)
			clusters = append(clusters, c)
		}
		s, w := survey(t, region(clusters...))
		var all sync.WaitGroup
		for _, c := range clusters {
			all.Go(func() { calendar(t, s.Snapshot(t.Context(), c.Name, fleet.Wanted{Insights: true})) })
		}
		all.Wait()
		want := maps.Clone(once)
		for operation := range want {
			switch operation {
			case "DescribeClusterVersions", "DescribeAddonVersions", "DescribeKey", "GetKeyRotationStatus", "ListAliases", "ListResourceTags",
				"GetEbsEncryptionByDefault", "GetEbsDefaultKmsKeyId", "DescribeLaunchTemplateVersions", "GetParameter":
			default:
				want[operation] *= len(clusters)
			}
		}
		counts(t, w, want)
	})
}

func TestASharedReadThatFailedIsRememberedForTheSurvey(t *testing.T) {
	other := payments()
	other.Name = "web"
	s, w := survey(t, region(payments(), other))
	w.Faults().Script(denied("eks", "DescribeClusterVersions", "eks:DescribeClusterVersions"), denied("kms", "DescribeKey", "kms:DescribeKey"))
	for _, name := range []string{"payments", "web"} {
		got := s.Snapshot(t.Context(), name, fleet.Wanted{Insights: true})
		if got.Versions.Trouble == nil || got.Key.Trouble == nil {
			t.Errorf("%s: versions %+v, key %+v", name, got.Versions, got.Key)
		}
		if !got.NextReleases.Known() {
			t.Errorf("%s: without a calendar the next version is still asked for: %s", name, got.NextReleases.Why())
		}
	}
	for _, operation := range []string{"DescribeClusterVersions", "DescribeKey"} {
		if n := w.Calls().Of(operation).Total(); n != 1 {
			t.Errorf("%d calls of %s", n, operation)
		}
	}
}

func TestTheNewestVersionHasNoNextOne(t *testing.T) {
	s, w := survey(t, sim.Region{Clusters: []sim.Cluster{{Name: "new", Version: "1.36"}}})
	if got := s.Snapshot(t.Context(), "new", fleet.Wanted{Insights: true}); got.NextReleases.Tried() || !got.Releases.Known() {
		t.Errorf("releases %+v, next %+v", got.Releases, got.NextReleases)
	}
	if n := w.Calls().Of("DescribeAddonVersions").Total(); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestFault_02_AClusterThatIsGoneIsAskedNothingElse(t *testing.T) {
	s, w := survey(t, region(payments()))
	got := s.Snapshot(t.Context(), "old", fleet.Wanted{Insights: true, Update: "update-1"})
	if got.Cluster.Trouble == nil || got.Cluster.Trouble.Kind != fleet.Gone {
		t.Errorf("cluster %+v", got.Cluster)
	}
	counts(t, w, map[string]int{"DescribeCluster": 1})
	if !s.Snapshot(t.Context(), "payments", fleet.Wanted{Insights: true}).Cluster.Known() {
		t.Error("the other cluster is affected")
	}
}

func TestFault_03_WhatIsDeletedBetweenListAndDescribeIsLeftOut(t *testing.T) {
	s, w := survey(t, region(payments()))
	for _, operation := range []string{"DescribeNodegroup", "DescribeAddon", "DescribeInsight"} {
		w.Faults().Script(edge.Step{Operation: operation, Do: edge.Answer(http.StatusNotFound, "ResourceNotFoundException", "It is not there.")})
	}
	got := s.Snapshot(t.Context(), "payments", fleet.Wanted{Insights: true})
	if !got.Nodegroups.Known() || len(got.Nodegroups.Value) != 1 || got.Nodegroups.Value[0].Name != "green" {
		t.Errorf("nodegroups %+v", got.Nodegroups)
	}
	if !got.Addons.Known() || len(got.Addons.Value) != 1 || got.Addons.Value[0].Name != "vpc-cni" {
		t.Errorf("add-ons %+v", got.Addons)
	}
	if !got.Insights.Known() || len(got.Insights.Value) != 2 || got.Insights.Value[0].ID != "insight-2" {
		t.Errorf("insights %+v", got.Insights)
	}
}

func TestFault_04_AListThatLoopsIsIncomplete(t *testing.T) {
	lists := map[string]func(fleet.Snapshot) *fleet.Trouble{
		"ListNodegroups": func(s fleet.Snapshot) *fleet.Trouble { return s.Nodegroups.Trouble },
		"ListAddons":     func(s fleet.Snapshot) *fleet.Trouble { return s.Addons.Trouble },
		"ListInsights":   func(s fleet.Snapshot) *fleet.Trouble { return s.Insights.Trouble },
	}
	for operation, of := range lists {
		t.Run(operation, func(t *testing.T) {
			s, w := survey(t, region(payments()))
			w.Faults().Script(edge.Step{Operation: operation, Times: edge.Always, Do: edge.RepeatToken()})
			got := of(s.Snapshot(t.Context(), "payments", fleet.Wanted{Insights: true}))
			if got == nil || got.Kind != fleet.LoopingPages || got.Action != "eks:"+operation {
				t.Errorf("trouble %v", got)
			}
		})
	}
}

// troubles are those of a snapshot by part, without the API server's.
func troubles(s fleet.Snapshot) map[string]*fleet.Trouble {
	all := map[string]*fleet.Trouble{
		"cluster": s.Cluster.Trouble, "nodegroups": s.Nodegroups.Trouble, "addons": s.Addons.Trouble, "insights": s.Insights.Trouble,
		"subnets": s.Subnets.Trouble, "key": s.Key.Trouble, "update": s.Update.Trouble, "versions": s.Versions.Trouble,
		"releases": s.Releases.Trouble, "next": s.NextReleases.Trouble,
		"volumes encrypted": s.VolumesEncrypted.Trouble, "default volume key": s.DefaultVolumeKey.Trouble,
		"templates": s.Templates.Trouble, "volume keys": s.VolumeKeys.Trouble,
		"images": s.Images.Trouble, "template heads": s.TemplateHeads.Trouble,
	}
	maps.DeleteFunc(all, func(_ string, t *fleet.Trouble) bool { return t == nil })
	return all
}

func TestFault_05_ADeniedPartLeavesTheOthersIntact(t *testing.T) {
	tests := []struct {
		service, operation string
		parts              []string
	}{
		{"eks", "DescribeCluster", []string{"cluster"}},
		{"eks", "ListNodegroups", []string{"nodegroups"}},
		{"eks", "DescribeNodegroup", []string{"nodegroups"}},
		{"eks", "ListAddons", []string{"addons"}},
		{"eks", "DescribeAddon", []string{"addons"}},
		{"eks", "ListInsights", []string{"insights"}},
		{"eks", "DescribeInsight", []string{"insights"}},
		{"eks", "DescribeUpdate", []string{"update"}},
		{"eks", "DescribeClusterVersions", []string{"versions"}},
		{"eks", "DescribeAddonVersions", []string{"next", "releases"}},
		{"ec2", "DescribeSubnets", []string{"subnets"}},
		{"ec2", "GetEbsEncryptionByDefault", []string{"volumes encrypted"}},
		{"ec2", "GetEbsDefaultKmsKeyId", []string{"default volume key"}},
		{"ec2", "DescribeLaunchTemplateVersions", []string{"templates"}},
		{"ec2", "DescribeLaunchTemplates", []string{"template heads"}},
		{"ssm", "GetParameter", []string{"images"}},
		{"kms", "DescribeKey", []string{"key"}},
		{"kms", "GetKeyRotationStatus", []string{"key"}},
		{"kms", "ListAliases", []string{"key"}},
		{"kms", "ListResourceTags", []string{"key"}},
	}
	for _, tt := range tests {
		t.Run(tt.operation, func(t *testing.T) {
			c := payments()
			c.Updates = []sim.Update{{Version: "1.34", At: -24 * time.Hour}}
			s, w := survey(t, region(c))
			action := tt.service + ":" + tt.operation
			w.Faults().Script(denied(tt.service, tt.operation, action))
			got := troubles(s.Snapshot(t.Context(), "payments", fleet.Wanted{Insights: true, Update: firstUpdate}))
			if parts := slices.Sorted(maps.Keys(got)); !slices.Equal(parts, tt.parts) {
				t.Errorf("troubled %q, want %q: %v", parts, tt.parts, got)
			}
			for part, trouble := range got {
				if trouble.Kind != fleet.Denied || trouble.Action != action {
					t.Errorf("%s: kind %s, action %s", part, trouble.Kind, trouble.Action)
				}
			}
		})
	}
}

func TestFault_05_AClusterWhoseDescriptionIsDeniedIsReadByName(t *testing.T) {
	s, w := survey(t, region(payments()))
	w.Faults().Script(denied("eks", "DescribeCluster", "eks:DescribeCluster"))
	got := s.Snapshot(t.Context(), "payments", fleet.Wanted{Insights: true})
	if !got.Nodegroups.Known() || !got.Addons.Known() || !got.Insights.Known() || !got.Versions.Known() {
		t.Errorf("got %+v", got)
	}
	if got.Nodes.Tried() || got.Subnets.Tried() || got.Key.Tried() {
		t.Errorf("what only the description names was asked for: %+v", got)
	}
}

func TestAPartKeepsWhatWasReadBeforeItsTrouble(t *testing.T) {
	s, w := survey(t, region(payments()))
	forbid := denied("eks", "DescribeNodegroup", "eks:DescribeNodegroup")
	forbid.Times = 1
	w.Faults().Script(forbid, denied("eks", "DescribeInsight", "eks:DescribeInsight"), denied("kms", "ListAliases", "kms:ListAliases"))
	got := s.Snapshot(t.Context(), "payments", fleet.Wanted{Insights: true})
	if n := got.Nodegroups; len(n.Value) != 1 || !strings.Contains(n.Why(), "1 of 2 could not be read, the first is blue: ") {
		t.Errorf("nodegroups %+v", n)
	}
	if i := got.Insights; len(i.Value) != 3 || i.Value[1].Status != "ERROR" || i.Value[1].Deprecations != nil || i.Known() {
		t.Errorf("insights %+v", i)
	}
	if k := got.Key; k.Value.State != "Enabled" || k.Value.Rotation != fleet.RotationOn || k.Value.Tags["approved"] != "yes" || k.Known() {
		t.Errorf("key %+v", k)
	}
}

func TestFault_11_AVersionThatCannotBeReadHasNoReleases(t *testing.T) {
	s, w := survey(t, sim.Region{Clusters: []sim.Cluster{{Name: "odd", Version: "latest"}}})
	got := s.Snapshot(t.Context(), "odd", fleet.Wanted{Insights: true})
	if got.Releases.Tried() || got.NextReleases.Tried() || !got.Versions.Known() {
		t.Errorf("releases %+v, next %+v, versions %s", got.Releases, got.NextReleases, got.Versions.Why())
	}
	if n := w.Calls().Of("DescribeAddonVersions").Total(); n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestFault_13_AClusterThatEKSDoesNotRunIsOnlyDescribed(t *testing.T) {
	for _, kind := range []fleet.ClusterKind{fleet.KindConnected, fleet.KindOutpost} {
		t.Run(string(kind), func(t *testing.T) {
			s, w := survey(t, sim.Region{Clusters: []sim.Cluster{{Name: "far", Version: "1.34", Kind: kind}}})
			if got := s.Snapshot(t.Context(), "far", fleet.Wanted{Insights: true}); !got.Cluster.Known() || got.Nodegroups.Tried() || got.Versions.Tried() || got.Nodes.Tried() {
				t.Errorf("got %+v", got)
			}
			counts(t, w, map[string]int{"DescribeCluster": 1})
		})
	}
}
