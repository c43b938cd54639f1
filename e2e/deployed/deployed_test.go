package deployed_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/eks-steward/eks-steward/e2e/deployed"
	secrets "github.com/eks-steward/eks-steward/internal/canary"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/slack"
)

var update = flag.Bool("update", false, "write the golden files")

// The deployment costs half a minute, so all tests share it. They look at
// clusters, and messages about them, of names of their own.
var (
	assembly string
	steward  *product
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "assembly-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	assembly = dir
	ctx := context.Background()
	cli, err := deployed.NewCLI(ctx, "")
	if err != nil {
		return 1, err
	}
	if err := cli.Synth(ctx, assembly, `"slack": {"secretName": "`+secretName+`"}, "architecture": "host"`); err != nil {
		return 1, err
	}
	if steward, err = start(ctx); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, steward.close()) }()
	return m.Run(), nil
}

const (
	secretName = "eks-steward/slack"
	hook       = secrets.Hook
	secretsKey = "arn:aws:kms:" + deployed.Region + ":" + deployed.Account + ":key/00000000-0000-0000-0000-00000000000e"
	goodFile   = "schemaVersion: 1\ntargets:\n  - account: \"" + deployed.Account + "\"\n    regions: [" + deployed.Region + "]\n"
)

// product is the deployment with everything around it that is not AWS.
type product struct {
	*deployed.Deployment
	runner  *deployed.Runner
	world   *sim.World
	channel *slack.Channel
	inbox   string // URL of a queue that is subscribed to the topic of findings
	mail    []string
	servers []*httptest.Server
}

func start(ctx context.Context) (_ *product, err error) {
	p := &product{channel: slack.New(hook, time.Now)}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.Deployment, err = deployed.Deploy(ctx, assembly); err != nil {
		return nil, err
	}
	p.world, err = sim.New(sim.Fleet{Home: deployed.Account, Accounts: []sim.Account{{
		ID: deployed.Account, Regions: []sim.Region{{Name: deployed.Region, Keys: []sim.Key{{ID: secretsKey, Rotation: true}}}},
	}}}, time.Now)
	if err != nil {
		return nil, err
	}
	eks, around, chat := p.EKS(p.world.EKS()), p.Around(p.world.Handler()), httptest.NewServer(p.channel)
	p.servers = append(p.servers, eks, around, chat)
	if err := p.outfit(ctx, chat.URL+hook); err != nil {
		return nil, err
	}
	p.runner, err = p.NewRunner(ctx, map[string]string{
		"AWS_ENDPOINT_URL_EKS": eks.URL, "AWS_ENDPOINT_URL_EC2": around.URL, "AWS_ENDPOINT_URL_KMS": around.URL,
		"AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API": around.URL,
	})
	return p, err
}

// outfit does what the documentation asks of an operator: the secret and a
// subscription. The run-time file is the deployment's own.
func (p *product) outfit(ctx context.Context, webhook string) error {
	if _, err := secretsmanager.NewFromConfig(p.Config).CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String(secretName), SecretString: &webhook}); err != nil {
		return err
	}
	queue, err := sqs.NewFromConfig(p.Config).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("inbox")})
	if err != nil {
		return err
	}
	p.inbox = *queue.QueueUrl
	_, err = sns.NewFromConfig(p.Config).Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: aws.String(p.Hub.ID("Findings")), Protocol: aws.String("sqs"),
		Endpoint:   aws.String("arn:aws:sqs:" + deployed.Region + ":" + deployed.Account + ":inbox"),
		Attributes: map[string]string{"RawMessageDelivery": "true"},
	})
	return err
}

func (p *product) close() error {
	var err error
	if p.runner != nil {
		err = p.runner.Close()
	}
	for _, s := range p.servers {
		s.Close()
	}
	if p.Deployment != nil {
		p.Close()
	}
	return err
}

func (p *product) upload(ctx context.Context, file string) error {
	_, err := s3.NewFromConfig(p.Config).PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(p.Hub.ID("Configuration")), Key: aws.String("steward.yaml"), Body: strings.NewReader(file)})
	return err
}

// beat is one for all tests: they share the queues.
var beat deployed.Beat

// tick fires a schedule at a moment of its own and lets everything happen that
// follows from it.
func (p *product) tick(t *testing.T, schedule string) {
	t.Helper()
	p.tickAt(t, schedule, beat.Next())
}

func (p *product) tickAt(t *testing.T, schedule string, at time.Time) {
	t.Helper()
	if err := p.Fire(t.Context(), schedule, at); err != nil {
		t.Fatal(err)
	}
	p.drain(t)
}

func (p *product) drain(t *testing.T) {
	t.Helper()
	before := len(p.runner.Failures)
	if err := p.runner.Drain(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, p.Said())
	}
	t.Cleanup(func() {
		if t.Failed() && len(p.runner.Failures) > before {
			t.Logf("a function failed:\n%s", p.runner.Failures[before])
		}
	})
}

// cluster joins the fleet until the test ends.
func (p *product) cluster(t *testing.T, name string) {
	t.Helper()
	p.join(t, sim.Cluster{Name: name, Version: "1.34"})
}

func (p *product) join(t *testing.T, c sim.Cluster) {
	t.Helper()
	if err := p.world.Add(deployed.Account, deployed.Region, c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.remove(c.Name) })
}

func (p *product) remove(name string) {
	p.world.Remove(fleet.ClusterID{Account: deployed.Account, Region: deployed.Region, Name: name})
}

// measure publishes sizes of etcd as EKS does, five minutes apart, the last one
// that many minutes ago.
func (p *product) measure(t *testing.T, cluster string, minutesAgo int, gigabytes ...float64) {
	t.Helper()
	var data []cwtypes.MetricDatum
	for i, size := range gigabytes {
		at := time.Now().Add(-time.Duration(minutesAgo+5*(len(gigabytes)-1-i)) * time.Minute)
		data = append(data, cwtypes.MetricDatum{
			MetricName: aws.String(string(fleet.StorageSize)), Timestamp: &at, Value: aws.Float64(size * 1e9),
			Dimensions: []cwtypes.Dimension{{Name: aws.String("ClusterName"), Value: &cluster}},
		})
	}
	if _, err := cloudwatch.NewFromConfig(p.Config).PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{Namespace: aws.String("AWS/EKS"), MetricData: data}); err != nil {
		t.Fatal(err)
	}
}

// told lists what Slack shows about a subject, oldest first.
func (p *product) told(subject string) []string {
	var out []string
	for _, m := range p.channel.Received() {
		if strings.Contains(m.Message.Text, subject) {
			out = append(out, m.Message.Text)
		}
	}
	return out
}

// mailed lists what the subscriber of the topic got about a subject.
func (p *product) mailed(t *testing.T, subject string) []string {
	t.Helper()
	p.mail = append(p.mail, p.take(t, p.inbox)...)
	var out []string
	for _, m := range p.mail {
		if strings.Contains(m, subject) {
			out = append(out, m)
		}
	}
	return out
}

// take empties a queue and returns the bodies.
func (p *product) take(t *testing.T, queue string) []string {
	t.Helper()
	client := sqs.NewFromConfig(p.Config)
	var bodies []string
	for {
		out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return bodies
		}
		for _, m := range out.Messages {
			bodies = append(bodies, *m.Body)
			if _, err := client.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; read the difference, then run the test with -update\n%s", file, got)
	}
}
