package encryption_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/eks-steward/eks-steward/e2e/deployed"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/dynamo"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/slack"
	"github.com/eks-steward/eks-steward/testevents"
)

const (
	secretName    = "eks-steward/slack"
	signingName   = "eks-steward/slack-signing"
	signingSecret = "0123456789abcdef0123456789abcdef"
	team, user    = "T0123ABCD", "U0123ABCD"
	hook          = "/services/T0000/B0000/e2e"

	version = "1.36"

	key = "arn:aws:kms:" + deployed.Region + ":" + deployed.Account + ":key/00000000-0000-0000-0000-00000000000e"
	// bystander uses the key too, by a grant of its own.
	bystander = "arn:aws:iam::" + deployed.Account + ":role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"

	daily       = "DispatchDaily"
	fiveMinutes = "DispatchFiveMinutes"
)

// product is a deployment with everything around it that is not AWS.
type product struct {
	*deployed.Deployment
	runner  *deployed.Runner
	world   *sim.World
	later   atomic.Int64 // nanoseconds by which the world's clock is ahead
	channel *slack.Channel
	eks     *eks.Client // of somebody who may do everything
	kms     *kms.Client // likewise
	heard   int         // messages that news returned so far
	read    int         // lines that logged has read
	fired   time.Time
}

// deploy deploys the product with what a context says more, and a run-time file
// that asks for as much as the deployment allows. It ends with the test.
func deploy(t *testing.T, mode, context string) *product {
	t.Helper()
	p := &product{channel: slack.New(hook, time.Now), fired: time.Now().Add(-time.Minute).Truncate(time.Second)}
	cli, err := deployed.NewCLI(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	assembly := t.TempDir()
	if err := cli.Synth(t.Context(), assembly, `"architecture": "host", `+context); err != nil {
		t.Fatal(err)
	}
	if p.Deployment, err = deployed.Deploy(t.Context(), assembly); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	p.settle(t)
	p.outfit(t, mode)
	none(t, p.tick(t, daily)) // the run-time file is in force from here on
	return p
}

// settle starts what was deployed beside the stand-ins for EKS, KMS and Slack.
func (p *product) settle(t *testing.T) {
	t.Helper()
	var err error
	if p.world, err = sim.New(home(time.Now()), func() time.Time { return time.Now().Add(time.Duration(p.later.Load())) }); err != nil {
		t.Fatal(err)
	}
	guarded, around, open := p.EKS(p.world.EKS()), p.Around(p.world.Handler()), httptest.NewServer(p.world.Handler())
	t.Cleanup(guarded.Close)
	t.Cleanup(around.Close)
	t.Cleanup(open.Close)
	operator := aws.Config{Region: deployed.Region, BaseEndpoint: &open.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIAHOME000000000000", "simulated", "")}
	p.eks, p.kms = eks.NewFromConfig(operator), kms.NewFromConfig(operator)
	if p.runner, err = p.NewRunner(t.Context(), map[string]string{
		"AWS_ENDPOINT_URL_EKS": guarded.URL, "AWS_ENDPOINT_URL_EC2": around.URL, "AWS_ENDPOINT_URL_KMS": around.URL,
		"AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API": around.URL,
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.runner.Close(); err != nil {
			t.Error(err)
		}
	})
}

// home is the account before there is a cluster. Kubernetes has one version, and
// nothing is to be said of that.
func home(now time.Time) sim.Fleet {
	return sim.Fleet{
		Home:     deployed.Account,
		Calendar: []sim.Version{{Version: version, Released: now.AddDate(0, -1, 0), EndOfStandardSupport: now.AddDate(1, 1, 0), EndOfExtendedSupport: now.AddDate(2, 1, 0), Default: true}},
		Accounts: []sim.Account{{ID: deployed.Account, Regions: []sim.Region{{
			Name: deployed.Region, Keys: []sim.Key{{ID: key, Rotation: true, Grants: []sim.Grant{{Grantee: bystander}}}},
		}}}},
	}
}

// outfit does what the documentation asks of an operator.
func (p *product) outfit(t *testing.T, mode string) {
	t.Helper()
	chat := httptest.NewServer(p.channel)
	t.Cleanup(chat.Close)
	for name, value := range map[string]string{secretName: chat.URL + hook, signingName: signingSecret} {
		if _, err := secretsmanager.NewFromConfig(p.Config).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: &value}); err != nil {
			t.Fatal(err)
		}
	}
	file := "schemaVersion: 1\ntargets: [{account: \"" + deployed.Account + "\", regions: [" + deployed.Region + "]}]\n" +
		"secretsEncryption: {require: keys, keys: [\"" + key + "\"], mode: " + mode + "}\n"
	if _, err := s3.NewFromConfig(p.Config).PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(p.Hub.ID("Configuration")), Key: aws.String("steward.yaml"), Body: strings.NewReader(file),
	}); err != nil {
		t.Fatal(err)
	}
}

func id(name string) fleet.ClusterID {
	return fleet.ClusterID{Account: deployed.Account, Region: deployed.Region, Name: name}
}

// joins adds a cluster, or replaces the one of its name.
func (p *product) joins(t *testing.T, c sim.Cluster) {
	t.Helper()
	c.Version = version
	if c.CreatedAt.IsZero() {
		c.CreatedAt = time.Now() // of one that is new nothing is to be said but of its key
	}
	if err := p.world.Add(deployed.Account, deployed.Region, c); err != nil {
		t.Fatal(err)
	}
}

// happens puts a test event where those of CloudTrail are, with other words.
func (p *product) happens(t *testing.T, name string, words ...string) {
	t.Helper()
	if err := p.Happens(t.Context(), testevents.Case{Function: "secretsencryption", Name: name}, words...); err != nil {
		t.Fatal(err)
	}
}

// created tells of a cluster that was created, and returns what Slack shows of it.
func (p *product) created(t *testing.T, name string) []string {
	t.Helper()
	p.happens(t, "CreateCluster", "my-cluster", name)
	return p.news(t)
}

// repeat delivers again what the functions have taken from their queues, as SQS
// may.
func (p *product) repeat(t *testing.T) {
	t.Helper()
	if n, err := p.runner.Repeat(t.Context()); err != nil || n == 0 {
		t.Fatalf("%d messages came again: %v", n, err)
	}
}

// tick fires a schedule and returns what Slack shows of it.
func (p *product) tick(t *testing.T, schedule string) []string {
	t.Helper()
	p.fired = p.fired.Add(time.Second) // no two ticks are one
	if err := p.Fire(t.Context(), schedule, p.fired); err != nil {
		t.Fatal(err)
	}
	return p.news(t)
}

// news lets everything happen that is to follow, and returns what Slack shows
// since it was asked last.
func (p *product) news(t *testing.T) []string {
	t.Helper()
	if err := p.runner.Drain(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, p.Said())
	}
	if len(p.runner.Failures) > 0 {
		t.Fatalf("a function failed:\n%s", p.runner.Failures[0])
	}
	received := p.channel.Received()
	var news []string
	for _, r := range received[p.heard:] {
		text, err := json.Marshal(r.Message)
		if err != nil {
			t.Fatal(err)
		}
		news = append(news, string(text))
	}
	p.heard = len(received)
	return news
}

// hasten makes the looks due that are planned for the next hour, in the place of
// waiting for them, expects so many, and returns what Slack shows of them.
func (p *product) hasten(t *testing.T, want int) []string {
	t.Helper()
	table := dynamo.New(dynamodb.NewFromConfig(p.Config), p.Hub.ID("Ledger"))
	planned, err := ledger.New(table, func() time.Time { return time.Now().Add(time.Hour) }).DueFollowUps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, f := range planned {
		ids = append(ids, f.ID)
	}
	if len(planned) != want {
		t.Fatalf("the looks %q are planned, want %d", ids, want)
	}
	for _, f := range planned {
		f.Next = time.Now().Add(-time.Second)
		if err := ledger.New(table, time.Now).Schedule(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	return p.tick(t, fiveMinutes)
}

// story counts calls for itself.
func (p *product) story(t *testing.T, name string, tell func(*testing.T)) {
	t.Run(name, func(t *testing.T) {
		p.world.ResetCalls()
		tell(t)
	})
}

const associate = "AssociateEncryptionConfig"

// called expects that EKS was asked so often in this story to put a key on a
// cluster.
func (p *product) called(t *testing.T, want int) {
	t.Helper()
	if got := p.world.Calls().Of(associate).Total(); got != want {
		t.Fatalf("%s was called %d times, want %d", associate, got, want)
	}
}

// one expects a single message that says all of it.
func one(t *testing.T, messages []string, says ...string) {
	t.Helper()
	all(t, messages, says)
}

// none expects that nobody was told anything.
func none(t *testing.T, messages []string) {
	t.Helper()
	all(t, messages)
}

// all expects as many messages, in this order, as there are lists of what each
// one says.
func all(t *testing.T, messages []string, says ...[]string) {
	t.Helper()
	if len(messages) != len(says) {
		t.Fatalf("Slack shows %d new messages, want %d that say %q: %q", len(messages), len(says), says, messages)
	}
	for i, message := range messages {
		for _, want := range says[i] {
			if !strings.Contains(message, want) {
				t.Errorf("Slack shows %q, want it to say %q", message, want)
			}
		}
	}
}
