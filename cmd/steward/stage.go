package main

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/encryption"
	"github.com/eks-steward/eks-steward/internal/awsfleet/nodegroup"
	"github.com/eks-steward/eks-steward/internal/config/yamlfile"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger/file"
	"github.com/eks-steward/eks-steward/internal/local"
	"github.com/eks-steward/eks-steward/internal/notify"
	"github.com/eks-steward/eks-steward/internal/notify/slack"
	"github.com/eks-steward/eks-steward/internal/notify/sns"
	"github.com/eks-steward/eks-steward/internal/sim"
	simslack "github.com/eks-steward/eks-steward/internal/sim/slack"
)

//go:embed demo/fleet.yaml
var demoFleet []byte

//go:embed demo/steward.yaml
var demoConfig []byte

// stage is the whole product in one process, in front of a simulated world and
// a stand-in for Slack, under a clock that only moves when it is told to.
type stage struct {
	world   *sim.World
	slack   *simslack.Channel
	inbox   *inbox
	source  *awsfleet.Fleet
	product *local.Product
	clock   *clock
	closers []func() error
}

// The account and region in which the simulated deployment lives.
var stageHub = fleet.ClusterID{Account: "111122223333", Region: "eu-west-1"}

// The bot of the stand-in for Slack, and the channel that the demo's configuration
// names.
const (
	demoToken   = "xoxb-simulated"
	demoChannel = "C0123456789"
)

// openStage seeds the world and starts the product on a ledger file. log takes
// what the functions would write to CloudWatch.
func openStage(ledgerFile string, seed sim.Fleet, start time.Time, log io.Writer) (_ *stage, err error) {
	s := &stage{clock: &clock{now: start}, inbox: &inbox{}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.world, err = sim.New(seed, s.clock.Now); err != nil {
		return nil, err
	}
	aws, err := s.serve(s.world.Handler())
	if err != nil {
		return nil, err
	}
	workspace := simslack.NewWorkspace(demoToken, s.clock.Now)
	workspace.Limit()
	s.slack = workspace.Open(demoChannel, "eks-alerts", "")
	slackURL, err := s.serve(workspace)
	if err != nil {
		return nil, err
	}
	store, err := file.Open(ledgerFile)
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, store.Close)
	s.source = awsfleet.New(simulated(aws))
	keys := encryption.NewReader(s.source)
	s.product, err = local.New(local.Parts{
		Keys:  local.Keys{Reader: keys, Grants: keys}, // nothing is written: the modes are report
		Nodes: local.Nodes{Surveyor: nodegroup.NewReader(s.source, s.clock.Now)},
		Store: store, Source: s.source, Open: openWith(s.source, s.clock.Now), Config: uploaded("steward.yaml"), Parse: yamlfile.Parse,
		Slack: slack.Access{Secret: token(demoToken), API: slackURL + "/api"}, SNS: s.inbox,
		Hub: stageHub, Now: s.clock.Now, Sleep: s.clock.Sleep, Log: log,
	})
	return s, err
}

// scratchLedger makes room for a ledger that nobody needs afterwards.
func scratchLedger() (path string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "steward-")
	if err != nil {
		return "", nil, fmt.Errorf("make room for the ledger: %w", err)
	}
	return filepath.Join(dir, "ledger"), func() { _ = os.RemoveAll(dir) }, nil // what stays is the system's to sweep
}

// simulated are credentials and the address of the simulated AWS.
func simulated(url string) aws.Config {
	return aws.Config{
		Region: stageHub.Region, BaseEndpoint: &url,
		Credentials: credentials.NewStaticCredentialsProvider("AKIASIMULATED0000000", "simulated", ""),
	}
}

func readFleet(name string) (sim.Fleet, error) {
	if name == "" {
		return sim.Parse(demoFleet)
	}
	return sim.Load(name)
}

// serve answers on a free loopback port until the stage closes.
func (s *stage) serve(h http.Handler) (url string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen on loopback: %w", err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }() // ends with Close
	s.closers = append(s.closers, server.Close)
	return "http://" + l.Addr().String(), nil
}

func (s *stage) close() {
	for _, c := range s.closers {
		_ = c() // loopback servers and a scratch file: nothing is lost
	}
}

// clock moves only when it is told to; waiting moves it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// To moves the clock forward; it never goes back.
func (c *clock) To(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.now) {
		c.now = t
	}
}

// Sleep lets the time pass without waiting for it.
func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.To(c.Now().Add(d))
	return ctx.Err()
}

// token is that of a bot, which nobody rotates.
type token string

func (t token) Value(context.Context) (string, error)   { return string(t), nil }
func (t token) Refresh(context.Context) (string, error) { return string(t), nil }

// inbox stands in for the readers of the SNS topic.
type inbox struct {
	mu   sync.Mutex
	mail []sns.Rendered
}

func (i *inbox) Post(_ context.Context, m notify.Message) (notify.Receipt, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.mail = append(i.mail, sns.Render(m))
	return "", nil
}

// uploaded stands in for the versioned object: the demo's configuration, whose
// version is its content's.
type uploaded string

func (u uploaded) Name() string { return string(u) }

func (uploaded) Newest(context.Context) (version string, data []byte, err error) {
	sum := sha256.Sum256(demoConfig)
	return hex.EncodeToString(sum[:8]), demoConfig, nil
}
