package encryption_test

import (
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/eks-steward/eks-steward/e2e/deployed"
	"github.com/eks-steward/eks-steward/internal/canary"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/testevents"
)

const (
	signingName   = "eks-steward/slack-signing"
	signingSecret = canary.Signing
	team, user    = "T0123ABCD", "U0123ABCD"

	version = "1.36"

	key = "arn:aws:kms:" + deployed.Region + ":" + deployed.Account + ":key/00000000-0000-0000-0000-00000000000e"
	// bystander uses the key too, by a grant of its own.
	bystander = "arn:aws:iam::" + deployed.Account + ":role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
)

// product is a deployment with everything around it that is not AWS.
type product struct {
	*deployed.Running
	world *sim.World
	later atomic.Int64 // nanoseconds by which the world's clock is ahead
	eks   *eks.Client  // of somebody who may do everything
	kms   *kms.Client  // likewise
	read  int          // lines that logged has read
}

// deploy deploys the product with what a context says more, and a run-time file
// that asks for as much as the deployment allows. It ends with the test.
func deploy(t *testing.T, mode, context string) *product {
	t.Helper()
	p := &product{Running: deployed.Launch(t, context)}
	p.Secret(t, signingName, signingSecret)
	p.Configure(t, `secretsEncryption: {require: keys, keys: ["`+key+`"], mode: `+mode+"}\n")
	p.settle(t)
	deployed.None(t, p.Tick(t, deployed.Daily)) // the run-time file is in force from here on
	return p
}

// settle starts what was deployed beside the stand-ins for EKS and KMS.
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
	p.Run(t, map[string]string{
		"AWS_ENDPOINT_URL_EKS": guarded.URL, "AWS_ENDPOINT_URL_EC2": around.URL, "AWS_ENDPOINT_URL_KMS": around.URL,
		"AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API": around.URL,
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
	return p.News(t)
}

// repeat delivers again what the functions have taken from their queues, as SQS
// may.
func (p *product) repeat(t *testing.T) {
	t.Helper()
	if n, err := p.Runner.Repeat(t.Context()); err != nil || n == 0 {
		t.Fatalf("%d messages came again: %v", n, err)
	}
}

// hasten makes the looks due that are planned for the next hour, expects so many,
// and returns what Slack shows of them.
func (p *product) hasten(t *testing.T, want int) []string {
	t.Helper()
	p.Hasten(t, want)
	return p.Tick(t, deployed.FiveMinutes)
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
