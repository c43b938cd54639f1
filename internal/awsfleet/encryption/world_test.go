package encryption_test

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/encryption"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/secretsencryption"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/inprocess"
)

var (
	_ secretsencryption.Reader = encryption.Reader{}
	_ secretsencryption.Writer = encryption.Writer{}
)

const (
	hub        = "111122223333"
	account    = "444455556666"
	readerRole = "arn:aws:iam::444455556666:role/steward-reader"
	writerRole = "arn:aws:iam::444455556666:role/steward-encryption-writer"
	keyARN     = "arn:aws:kms:eu-west-1:444455556666:key/00000000-0000-4000-8000-000000000001"
	otherKey   = "arn:aws:kms:eu-west-1:444455556666:key/00000000-0000-4000-8000-000000000002"
)

var (
	target = fleet.Target{Account: account, Region: "eu-west-1", Role: readerRole}
	noon   = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
)

// A world is a simulated account whose clock stands until it is moved.
type world struct {
	*sim.World

	now    time.Time
	hub    aws.Config
	reader encryption.Reader
	writer encryption.Writer
}

// enter makes a world of one region, reached without a connection so that time
// can be a bubble's.
func enter(t *testing.T, r sim.Region) *world {
	t.Helper()
	w := &world{now: noon}
	r.Name = target.Region
	simulated, err := sim.New(sim.Fleet{Home: hub, Accounts: []sim.Account{{ID: account, Regions: []sim.Region{r}}}}, func() time.Time { return w.now })
	if err != nil {
		t.Fatal(err)
	}
	w.World = simulated
	w.reach(inprocess.Client{Handler: simulated.Handler()})
	return w
}

// reach lets the reader and the writer call AWS through a client.
func (w *world) reach(client aws.HTTPClient) {
	w.hub = aws.Config{
		Region: target.Region, HTTPClient: client,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAHUB", "hubsecret", ""),
	}
	f := awsfleet.New(w.hub)
	w.reader = encryption.NewReader(f)
	w.writer = encryption.NewWriter(f, func(t fleet.Target) string { return "arn:aws:iam::" + t.Account + ":role/steward-encryption-writer" })
}

// kms is KMS as somebody else in the account calls it.
func (w *world) kms() *kms.Client { return kms.NewFromConfig(awsfleet.New(w.hub).Config(target)) }

// payments is a cluster without a customer's key, and two keys that would do.
func payments() sim.Region {
	return sim.Region{
		Clusters: []sim.Cluster{{Name: "payments", Version: "1.34"}},
		Keys: []sim.Key{
			{ID: keyARN, Rotation: true, Aliases: []string{"alias/eks"}, Tags: map[string]string{"use": "eks"}},
			{ID: otherKey},
		},
	}
}

// trouble fails the test unless err is a Trouble of this kind about this action.
func trouble(t *testing.T, err error, kind fleet.TroubleKind, action string) {
	t.Helper()
	var tr *fleet.Trouble
	if !errors.As(err, &tr) || tr.Kind != kind || tr.Action != action {
		t.Errorf("got %v, want trouble of kind %s with %s", err, kind, action)
	}
}

// answers makes an operation be refused.
func (w *world) answers(operation string, times, status int, code, message string) {
	w.Faults().Script(edge.Step{Operation: operation, Times: times, Do: edge.Answer(status, code, message)})
}
