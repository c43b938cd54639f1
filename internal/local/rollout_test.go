package local_test

import (
	"context"
	"io"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/encryption"
	"github.com/eks-steward/eks-steward/internal/awsfleet/nodegroup"
	"github.com/eks-steward/eks-steward/internal/awsfleet/snapshot"
	"github.com/eks-steward/eks-steward/internal/clustercheck"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/config/yamlfile"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger/file"
	"github.com/eks-steward/eks-steward/internal/local"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
	"github.com/eks-steward/eks-steward/internal/sim"
)

// TestOldNodesAreFoundAndRenewed lets two days pass: the daily check finds the old
// nodes, the bus takes that to the function, and its rollout renews them.
func TestOldNodesAreFoundAndRenewed(t *testing.T) {
	now := start
	clock := func() time.Time { return now }
	group := sim.Nodegroup{Name: "blue", Version: "1.34", Nodes: 1, Most: 2, Tags: map[string]string{nodefreshness.OptIn: nodefreshness.Allowed}}
	world, err := sim.New(sim.Fleet{Home: account, Accounts: []sim.Account{{ID: account, Regions: []sim.Region{{
		Name: region, Clusters: []sim.Cluster{{Name: "dev", Version: "1.35", Nodegroups: []sim.Nodegroup{group}}},
		Images: []sim.Image{{Version: "1.35", Release: "1.35.2-20261001", Published: -30 * 24 * time.Hour}},
	}}}}}, clock)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(world.Handler())
	t.Cleanup(server.Close)
	store, err := file.Open(filepath.Join(t.TempDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	source := awsfleet.New(aws.Config{Region: region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIAHOME", "secret", "")})
	keys, snapshots, slack := encryption.NewReader(source), snapshot.New(source, clock), &channel{}
	p, err := local.New(local.Parts{
		Store: store, Source: source, Open: func(t fleet.Target) clustercheck.Survey { return snapshots.Survey(t) },
		Keys: local.Keys{Reader: keys, Grants: keys},
		Nodes: local.Nodes{
			Surveyor: nodegroup.NewReader(source, clock), Writer: nodegroup.NewWriter(source, config.RolloutWriter), Switch: off{}, MaxMode: config.Enforce,
		},
		Config: onlyHere + "nodegroupRollout: {mode: enforce, whenUnknown: proceed}\n", Parse: yamlfile.Parse,
		Slack: webhook{slack}, SNS: &channel{}, Log: io.Discard, Hub: fleet.ClusterID{Account: account, Region: region},
		Now: clock, Sleep: func(context.Context, time.Duration) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Beat(events.Daily, now); err != nil {
		t.Fatal(err)
	}
	drain(t, p)
	for range 3 * 12 { // three hours
		now = now.Add(5 * time.Minute)
		if err := p.Beat(events.FiveMinutes, now); err != nil {
			t.Fatal(err)
		}
		drain(t, p)
	}
	if n := world.Calls().Of("UpdateNodegroupVersion").Total(); n != 1 || len(p.DeadLetters) > 0 {
		t.Errorf("%d updates, dead letters %v", n, p.DeadLetters)
	}
	all, err := p.Ledger.Rollouts(t.Context())
	if err != nil || len(all) != 1 || all[0].State != "completed" {
		t.Errorf("rollouts %+v, %v", all, err)
	}
	if len(all) == 1 && all[0].Started.After(start.Add(45*time.Minute)) {
		t.Errorf("the rollout started at %s: only the daily plan made it, and not the finding", all[0].Started)
	}
	if !slices.ContainsFunc(slack.told, func(s string) bool { return s == "WARNING: nodegroup blue of dev needs new nodes" }) {
		t.Errorf("Slack heard %q", slack.told)
	}
}
