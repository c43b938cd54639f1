package local_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/clustercheck"
	"github.com/eks-steward/eks-steward/internal/clustercheck/surveytest"
	"github.com/eks-steward/eks-steward/internal/config/yamlfile"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger/file"
	"github.com/eks-steward/eks-steward/internal/local"
	"github.com/eks-steward/eks-steward/internal/notify"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/testevents"
)

const account, region = "111122223333", "us-east-1"

var start = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// upload is the run-time file.
type upload string

func (upload) Name() string { return "steward.yaml" }

func (u upload) Newest(context.Context) (version string, data []byte, err error) {
	return string(u), []byte(u), nil
}

const onlyHere = upload("schemaVersion: 1\ntargets:\n  - account: \"" + account + "\"\n    regions: [" + region + "]\n    role: none\n")

// channel keeps the headlines of what it is told.
type channel struct{ told []string }

func (c *channel) Post(_ context.Context, m notify.Message) error {
	c.told = append(c.told, m.Headline())
	return nil
}

func open(t *testing.T, clusters ...sim.Cluster) (*local.Product, *channel, *surveytest.Region) {
	t.Helper()
	now := start
	clock := func() time.Time { return now }
	world, err := sim.New(sim.Fleet{Home: account, Accounts: []sim.Account{{ID: account, Regions: []sim.Region{{Name: region, Clusters: clusters}}}}}, clock)
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
	slack := &channel{}
	healthy := surveytest.New(fleet.Target{Account: account, Region: region}, start)
	for _, c := range clusters {
		healthy.Clusters[c.Name] = surveytest.Healthy(healthy.Target.Cluster(c.Name), start)
	}
	product, err := local.New(local.Parts{
		Store: store, Config: onlyHere, Parse: yamlfile.Parse, Slack: slack, SNS: &channel{}, Log: io.Discard,
		Source: awsfleet.New(aws.Config{Region: region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIAHOME", "secret", "")}),
		Open:   func(fleet.Target) clustercheck.Survey { return healthy.Survey() },
		Hub:    fleet.ClusterID{Account: account, Region: region},
		Now:    clock,
		Sleep:  func(_ context.Context, d time.Duration) error { now = now.Add(d); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return product, slack, healthy
}

func full(name string) sim.Cluster {
	return sim.Cluster{Name: name, Version: "1.34", Etcd: &sim.Etcd{Curve: sim.Curve{SizeGB: 6}}}
}

func drain(t *testing.T, p *local.Product) {
	t.Helper()
	if err := p.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestFault_52_FiveHundredFindingsAtOnceAreOneDigest(t *testing.T) {
	var clusters []sim.Cluster
	for i := range 500 {
		clusters = append(clusters, full(fmt.Sprintf("c%03d", i)))
	}
	p, slack, _ := open(t, clusters...)
	if err := p.Beat(events.Hourly, start); err != nil {
		t.Fatal(err)
	}
	drain(t, p)
	if want := []string{"WARNING: 500 incidents (500 warning)"}; !slices.Equal(slack.told, want) {
		t.Errorf("Slack heard %q, want %q", slack.told, want)
	}
}

func TestFault_31_APoisonMessageEndsInTheDeadLetterQueueAlone(t *testing.T) {
	p, slack, _ := open(t, full("prod"))
	poison, err := testevents.Read(testevents.Malformed, "cluster-name-hostile")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Send(local.EtcdSize, poison); err != nil {
		t.Fatal(err)
	}
	if err := p.Beat(events.Hourly, start); err != nil {
		t.Fatal(err)
	}
	drain(t, p)
	if len(p.DeadLetters) != 1 || p.DeadLetters[0].Body != string(poison) {
		t.Errorf("dead letters: %v, want the poison alone", p.DeadLetters)
	}
	if want := []string{"WARNING: etcd of prod is 75 % full"}; !slices.Equal(slack.told, want) {
		t.Errorf("Slack heard %q, want %q", slack.told, want)
	}
}

// TestEventsTakeTheWayOfTheDeployedRules puts every test event on the default bus
// of an account. What goes on is told by what the function then says.
func TestEventsTakeTheWayOfTheDeployedRules(t *testing.T) {
	for _, c := range testevents.List() {
		raw, err := testevents.Read(c.Function, c.Name)
		if err != nil {
			t.Fatal(err)
		}
		e, err := events.Decode(raw)
		call, ok := e.(*events.EKSCall)
		if err != nil || !ok || call.Cluster == "" || call.Account != account {
			continue
		}
		t.Run(c.String(), func(t *testing.T) {
			p, slack, checked := open(t, full(call.Cluster))
			if err := p.Configure(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := p.PutEvent(raw); err != nil {
				t.Fatal(err)
			}
			drain(t, p)
			wanted := call.Region == region && slices.Contains([]string{events.CreateCluster, events.DeleteCluster, events.UpdateClusterConfig}, call.Call)
			if told := len(slack.told) == 1 && strings.Contains(slack.told[0], call.Cluster); told != wanted {
				t.Errorf("%s in %s: Slack heard %q, want a message: %t", call.Call, call.Region, slack.told, wanted)
			}
			if reads := checked.Reads(); slices.Equal(reads, []string{call.Cluster}) != (call.Region == region) {
				t.Errorf("%s in %s: clustercheck read %q", call.Call, call.Region, reads)
			}
		})
	}
}

func TestADailyBeatChecksEveryClusterAndATroubleIsTold(t *testing.T) {
	p, slack, region := open(t, sim.Cluster{Name: "prod"}, sim.Cluster{Name: "quiet"})
	versions := region.Clusters["prod"].Versions.Value
	versions[0].Status, versions[0].EndOfExtended = "UNSUPPORTED", start.Add(-24*time.Hour)
	if err := p.Beat(events.Daily, start); err != nil {
		t.Fatal(err)
	}
	drain(t, p)
	if got := region.Reads(); !slices.Equal(got, []string{"prod", "quiet"}) || len(p.DeadLetters) > 0 {
		t.Errorf("read %q, dead letters %v", got, p.DeadLetters)
	}
	if len(slack.told) != 1 || !strings.Contains(slack.told[0], "CRITICAL") || !strings.Contains(slack.told[0], "prod") {
		t.Errorf("Slack heard %q, want the version of prod", slack.told)
	}
}

func TestWhatEKSSaysOfAnAddonGoesToClusterCheck(t *testing.T) {
	p, _, clusters := open(t, full("prod"))
	raw, err := testevents.Read("clustercheck", "addon.degraded")
	if err != nil {
		t.Fatal(err)
	}
	raw = bytes.ReplaceAll(raw, []byte("eu-west-1"), []byte(region))
	if err := p.Configure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.PutEvent(raw); err != nil {
		t.Fatal(err)
	}
	drain(t, p)
	if got := clusters.Reads(); !slices.Equal(got, []string{"prod"}) {
		t.Errorf("read %q, want prod", got)
	}
}

func TestAScheduleThatIsNotDeployedHasNoBeat(t *testing.T) {
	p, _, _ := open(t)
	if err := p.Beat("weekly", start); err == nil {
		t.Error("a weekly schedule beats, and none is deployed")
	}
}
