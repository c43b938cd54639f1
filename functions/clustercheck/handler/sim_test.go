package handler_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/snapshot"
	"github.com/eks-steward/eks-steward/internal/clustercheck"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// simulated puts the handler in front of a simulated AWS, with the real adapters
// in between.
func simulated(t *testing.T, clusters ...sim.Cluster) (*bench, *sim.World) {
	t.Helper()
	b := newBench(t)
	clock := func() time.Time { return b.now }
	world, err := sim.New(sim.Fleet{Home: account, Accounts: []sim.Account{{ID: account, Regions: []sim.Region{{Name: region, Clusters: clusters}}}}}, clock)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(world.Handler())
	t.Cleanup(server.Close)
	cfg := aws.Config{
		Region: region, BaseEndpoint: &server.URL,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAHOME", "secret", ""),
	}
	source := snapshot.New(awsfleet.New(cfg), clock)
	b.Open = func(t fleet.Target) clustercheck.Survey { return source.Survey(t) }
	return b, world
}

// of are the moves that the bus heard of a cluster and a check.
func (b *bench) of(cluster, check string) []string {
	var moves []string
	for _, m := range b.bus.moves {
		if rest, ok := strings.CutPrefix(m, cluster+" "+check+" "); ok {
			moves = append(moves, strings.TrimSpace(rest))
		}
	}
	return moves
}

func wantOf(t *testing.T, b *bench, cluster, check string, want ...string) {
	t.Helper()
	if got := b.of(cluster, check); !slices.Equal(got, want) {
		t.Errorf("%s of %s: %q, want %q; all:\n  %s", check, cluster, got, want, strings.Join(b.bus.moves, "\n  "))
	}
}

func TestFault_02_AClusterThatVanishesMidScanLeavesTheOthers(t *testing.T) {
	b, world := simulated(t, sim.Cluster{Name: "a", Version: "1.31"}, sim.Cluster{Name: "b", Version: "1.31"})
	world.Faults().Script(edge.Step{
		Operation: "DescribeCluster", Cluster: "a", Times: edge.Always,
		Do: edge.Answer(404, "ResourceNotFoundException", "No cluster found for name: a."),
	})
	b.handle(t, b.daily())
	if slices.ContainsFunc(b.bus.moves, func(m string) bool { return strings.HasPrefix(m, "a ") }) {
		t.Errorf("the bus heard of a: %q", b.bus.moves)
	}
	if len(b.of("b", "version-support")) != 1 {
		t.Errorf("the bus heard %q, want the version of b", b.bus.moves)
	}
}

func TestFault_03_ANodegroupThatVanishesMidScanIsLeftOut(t *testing.T) {
	group := func(name string) sim.Nodegroup { return sim.Nodegroup{Name: name, Version: "1.32", Nodes: 1} }
	b, world := simulated(t, sim.Cluster{Name: "a", Version: "1.35", Nodegroups: []sim.Nodegroup{group("stays"), group("goes")}})
	groups := func() (n int) {
		open, err := b.records.OpenIncidents(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		for _, inc := range open {
			if strings.HasPrefix(inc.Finding.Resource, "nodegroup/") {
				n++
			}
		}
		return n
	}
	b.handle(t, b.daily())
	if n := groups(); n != 2 {
		t.Fatalf("%d nodegroups have an incident, want both", n)
	}
	world.Faults().Script(edge.Step{
		Operation: "DescribeNodegroup",
		Do:        edge.Answer(404, "ResourceNotFoundException", "No node group found."),
	})
	b.now = b.now.Add(24 * time.Hour)
	b.handle(t, b.daily())
	if n := groups(); n != 1 {
		t.Errorf("%d nodegroups have an incident, want the one that is there", n)
	}
	wantOf(t, b, "", clustercheck.AccessCheck)
}

func TestFault_05_ADeniedActionIsOneNoticeThatNamesIt(t *testing.T) {
	b, world := simulated(t, sim.Cluster{Name: "a", Version: "1.35"}, sim.Cluster{Name: "b", Version: "1.35"}, sim.Cluster{Name: "c", Version: "1.31"})
	world.Faults().Script(edge.Step{
		Operation: "ListInsights", Times: edge.Always,
		Do: edge.Answer(403, "AccessDeniedException", "User is not authorized to perform: eks:ListInsights"),
	})
	b.handle(t, b.daily())
	wantOf(t, b, "", clustercheck.AccessCheck, "opened eks:ListInsights")
	for _, m := range b.bus.moves {
		if strings.HasPrefix(m[1:], " upgrade-readiness ") && strings.HasSuffix(m, " unread") {
			t.Errorf("%q: the target's notice says it once", m)
		}
	}
	if len(b.of("c", "version-support")) != 1 {
		t.Errorf("the bus heard %q, want the version of c: what can be read is judged", b.bus.moves)
	}
	world.Faults().Clear()
	b.now = b.now.Add(24 * time.Hour)
	b.handle(t, b.daily())
	wantOf(t, b, "", clustercheck.AccessCheck, "opened eks:ListInsights", "resolved")
}

func TestReleasesThatComeFastDoNotKeepNodesOldForever(t *testing.T) {
	b, world := simulated(t, sim.Cluster{Name: "prod", Version: "1.35", Nodegroups: []sim.Nodegroup{
		{Name: "workers", Version: "1.35", Release: "1.35.2-20260801", Nodes: 1},
	}})
	b.configure(t, func(f *config.File) { f.NodegroupRollout.MinReleaseAge = 7 * 24 * time.Hour })
	for i, release := range []string{"1.35.2-20260901", "1.35.2-20260905", "1.35.2-20260909", "1.35.2-20260913"} {
		if err := world.Publish(account, region, sim.Image{Version: "1.35", Release: release, Published: -24 * time.Hour}); err != nil {
			t.Fatal(err)
		}
		b.handle(t, b.daily())
		if got := len(b.of("prod", "node-freshness")); got != i/2 {
			t.Errorf("with %s, out for a day, the bus heard of %d findings, want one as soon as a release is a week old", release, got)
		}
		b.now = b.now.Add(4 * 24 * time.Hour)
	}
	inc, err := b.records.Incident(t.Context(), target.Cluster("prod").String()+"/node-freshness/")
	if err != nil || !strings.Contains(inc.Finding.Reason, "1.35.2-20260905 has been out") {
		t.Errorf("the finding is %+v, %v; want it about the newest of those that are old enough", inc.Finding, err)
	}
}

func TestFault_25_AnUpgradeThatNoEventToldIsFollowedToItsEnd(t *testing.T) {
	for _, tt := range []struct {
		name   string
		errors []sim.Issue
		want   string
	}{
		{"that succeeds", nil, "resolved"},
		{"that fails", []sim.Issue{{Code: "InsufficientFreeAddresses", Message: "not enough addresses"}}, "changed failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, _ := simulated(t, sim.Cluster{Name: "prod", Version: "1.34", Updates: []sim.Update{{Version: "1.35", Errors: tt.errors}}})
			b.now = b.now.Add(time.Minute)
			b.handle(t, b.daily())
			wantOf(t, b, "prod", "cluster-update", "opened in-progress")
			for range 4 {
				b.dispatch(t, 5*time.Minute)
			}
			wantOf(t, b, "prod", "cluster-update", "opened in-progress", tt.want)
			if n := b.dispatch(t, time.Hour); n != 0 {
				t.Errorf("%d follow-ups are left", n)
			}
		})
	}
}

func TestFault_62_ADeletionInASimulatedEKSClosesEverything(t *testing.T) {
	b, world := simulated(t, sim.Cluster{Name: "prod", Version: "1.31"})
	b.handle(t, b.daily())
	if len(b.of("prod", "version-support")) != 1 {
		t.Fatalf("the bus heard %q, want the version of prod", b.bus.moves)
	}
	world.Remove(target.Cluster("prod"))
	b.now = b.now.Add(time.Minute)
	b.handle(t, b.call(events.DeleteCluster, "prod"))
	open, err := b.records.OpenIncidents(t.Context(), target)
	if err != nil || len(open) > 0 {
		t.Errorf("open: %v, %v; want none", open, err)
	}
}

func TestInsightsAreReadOnceADayAndTheirFindingStaysInBetween(t *testing.T) {
	red := sim.Insight{Name: "Deprecated APIs", Status: "ERROR", Kubernetes: "1.35"}
	b, world := simulated(t, sim.Cluster{Name: "a", Version: "1.34", Insights: []sim.Insight{red}})
	lists := func() (n int) {
		for key, calls := range world.Calls() {
			if key.Operation == "ListInsights" {
				n += calls.Total()
			}
		}
		return n
	}
	b.handle(t, b.daily())
	b.now = b.now.Add(time.Hour)
	b.handle(t, b.call(events.UpdateAddon, "a"))
	if lists() != 1 {
		t.Errorf("%d ListInsights for a daily look and one after an event, want 1", lists())
	}
	if moves := b.of("a", "upgrade-readiness"); len(moves) != 1 {
		t.Errorf("upgrade-readiness moved %q, want that it was opened and nothing since", moves)
	}
}
