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
	"github.com/eks-steward/eks-steward/internal/awsfleet/encryption"
	"github.com/eks-steward/eks-steward/internal/clustercheck"
	"github.com/eks-steward/eks-steward/internal/clustercheck/surveytest"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/config/yamlfile"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
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

func (c *channel) Post(_ context.Context, m notify.Message) (notify.Receipt, error) {
	c.told = append(c.told, m.Headline())
	return "", nil
}

// webhook is a Slack that leads to one channel.
type webhook struct{ *channel }

func (webhook) Token(context.Context) (bool, error) { return false, nil }

func (w webhook) Webhook() notify.Channel { return w.channel }

func (w webhook) Channel(string) notify.Channel { return w.channel }

// off is a kill switch that stops nothing.
type off struct{}

func (off) On(context.Context) (bool, error) { return false, nil }

func open(t *testing.T, clusters ...sim.Cluster) (*local.Product, *channel, *surveytest.Region) {
	t.Helper()
	now := start
	clock := func() time.Time { return now }
	world, err := sim.New(sim.Fleet{Home: account, Accounts: []sim.Account{{ID: account, Regions: []sim.Region{{Name: region, Clusters: clusters, Keys: []sim.Key{{ID: "1234abcd-12ab-34cd-56ef-1234567890ab"}}}}}}}, clock)
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
	cfg := aws.Config{Region: region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIAHOME", "secret", "")}
	source := awsfleet.New(cfg)
	reader, writer := encryption.NewReader(source), encryption.NewWriter(source, config.EncryptionWriter)
	product, err := local.New(local.Parts{
		Keys: local.Keys{
			Reader: reader, Grants: reader, Writer: writer, Undo: writer, MaxMode: config.Enforce,
			Switch: off{},
		},
		Store: store, Config: onlyHere, Parse: yamlfile.Parse, Slack: webhook{slack}, SNS: &channel{}, Log: io.Discard,
		Source: source,
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
	if err := p.Send(events.EtcdSize, poison); err != nil {
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

func TestACreatedClusterWaitsForApprovalAndGetsItsKeyThroughTheRules(t *testing.T) {
	const wanted = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	p, _, _ := open(t, sim.Cluster{Name: "my-cluster", Version: "1.34"})
	rules := onlyHere + upload("secretsEncryption: {require: keys, keys: [\""+wanted+"\"], mode: approve}\n")
	conf, err := yamlfile.Parse("steward.yaml", []byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	accept(t, p, conf)
	created, err := testevents.Read("secretsencryption", "CreateCluster")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.PutEvent(created); err != nil {
		t.Fatal(err)
	}
	drain(t, p)
	cluster := fleet.ClusterID{Account: account, Region: region, Name: "my-cluster"}
	inc, err := p.Ledger.Incident(t.Context(), cluster.String()+"/secrets-encryption/")
	if err != nil || inc.Finding.Approval == nil {
		t.Fatalf("incident %+v, %v; want it to ask for approval", inc.Finding, err)
	}
	plan := inc.Finding.Approval.Plan
	if _, err := p.Ledger.Grant(t.Context(), plan, "", "alice", events.ViaCommandLine); err != nil {
		t.Fatal(err)
	}
	m, err := events.Message(&events.PlanApproved{
		Header: events.Header{ID: "approved", Account: account, Region: region, Time: start},
		Plan:   plan, Capability: "secrets-encryption", Cluster: cluster, By: "alice", Via: events.ViaCommandLine,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Send(events.SecretsEncryption, m); err != nil {
		t.Fatal(err)
	}
	drain(t, p)
	if inc, err = p.Ledger.Incident(t.Context(), inc.ID()); err != nil || inc.Finding.Cause != "associating" {
		t.Errorf("incident %+v, %v; want it associating", inc.Finding, err)
	}
	if len(p.DeadLetters) > 0 {
		t.Errorf("dead letters: %v", p.DeadLetters)
	}
}

// accept has the product go by a configuration.
func accept(t *testing.T, p *local.Product, conf *config.File) {
	t.Helper()
	encoded, err := config.Encode(conf)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Ledger.AcceptConfig(t.Context(), ledger.AcceptedConfig{Version: "2", At: start, JSON: encoded}); err != nil {
		t.Fatal(err)
	}
}
