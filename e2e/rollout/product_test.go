//go:build unix

package rollout_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/eks-steward/eks-steward/e2e/cluster/sts"
	"github.com/eks-steward/eks-steward/e2e/deployed"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/rollout"
	"github.com/eks-steward/eks-steward/internal/sim"
)

// product is the deployment, the real clusters whose nodes it renews, and what is
// around them.
type product struct {
	*deployed.Running
	whole   *testing.T // what one story begins and another ends is of it
	world   *sim.World
	fleet   map[string]*real // by name of the cluster
	eks     *eks.Client      // of somebody who may do everything
	calls   *calls
	guarded string // address of EKS behind the policies of the deployed roles
	open    string // address of the world without them
	steward string // path of the command line
	status  *transcript
}

// deploy deploys the product for a fleet of real clusters. All of it ends with the
// test.
func deploy(t *testing.T, clusters ...*real) *product {
	t.Helper()
	p := &product{
		Running: deployed.Launch(t, `"maxMode": {"nodegroupRollout": "enforce"}, "slack": {"secretName": "`+deployed.SlackSecret+`"}`),
		whole:   t, fleet: map[string]*real{}, calls: &calls{},
	}
	now := time.Now()
	var err error
	if p.world, err = sim.New(home(now), time.Now); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.world.Close)
	for _, c := range clusters {
		p.fleet[c.Name] = c
		p.joins(t, c)
	}
	guarded, around, open := p.EKS(p.calls.watch(p.world.EKS())), p.Around(p.world.Handler()), httptest.NewServer(p.world.Handler())
	t.Cleanup(guarded.Close)
	t.Cleanup(around.Close)
	t.Cleanup(open.Close)
	p.guarded, p.open = guarded.URL, open.URL
	p.eks = eks.New(eks.Options{Region: deployed.Region, BaseEndpoint: &open.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIAHOME000000000000", "simulated", "")})
	p.Run(t, map[string]string{
		"AWS_ENDPOINT_URL_EKS": guarded.URL, "AWS_ENDPOINT_URL_EC2": around.URL, "AWS_ENDPOINT_URL_KMS": around.URL,
		"AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API": around.URL, "AWS_ENDPOINT_URL_CLOUDWATCH": around.URL,
		"AWS_ENDPOINT_URL_SERVICE_QUOTAS": around.URL, "AWS_ENDPOINT_URL_SSM": around.URL,
	})
	return p
}

// What nodes are made from, in the order of the story, by the days of today.
var (
	outdated = "1.36.1-" + time.Now().AddDate(0, 0, -90).UTC().Format("20060102")
	current  = "1.36.2-" + time.Now().AddDate(0, 0, -5).UTC().Format("20060102")
	newest   = "1.36.3-" + time.Now().AddDate(0, 0, -4).UTC().Format("20060102")
)

const (
	version = "1.36"
	kubelet = "v1.36.2-eks-0000000" // in the current release
	alarm   = "checkout-5xx"
	freezes = "change-freeze"
)

// home is the account before there is a cluster: nothing is to be said of the one
// version that there is, and a new image is about to be released.
func home(now time.Time) sim.Fleet {
	return sim.Fleet{
		Home:     deployed.Account,
		Calendar: []sim.Version{{Version: version, Released: now.AddDate(0, -1, 0), EndOfStandardSupport: now.AddDate(1, 1, 0), EndOfExtendedSupport: now.AddDate(2, 1, 0), Default: true}},
		Accounts: []sim.Account{{ID: deployed.Account, Regions: []sim.Region{{
			Name: deployed.Region, Images: []sim.Image{{Version: version, Release: outdated, Published: -90 * 24 * time.Hour}},
			Quotas: map[string]float64{"L-1216C47A": 64}, VCPUs: map[string]int{"Standard/OnDemand": 16},
			Alarms: []sim.Alarm{{Name: alarm}}, Calendars: map[string]bool{freezes: true},
		}}}},
	}
}

// joins adds a cluster to EKS that the real one follows, and lets the product read
// it.
func (p *product) joins(t *testing.T, c *real) {
	t.Helper()
	c.control.STS.Ask(p.caller(t))
	if err := p.world.Add(deployed.Account, deployed.Region, sim.Cluster{
		Name: c.Name, Version: version, Endpoint: c.control.Endpoint, CA: c.control.CA, Tags: c.Tags, Nodegroups: c.Nodegroups,
		CreatedAt: time.Now().Add(-time.Hour),
	}); err != nil {
		t.Fatal(err)
	}
	if err := p.world.Couple(id(c.Name), c); err != nil {
		t.Fatal(err)
	}
	if err := p.world.Admit(id(c.Name), "arn:aws:iam::"+deployed.Account+":role/"+config.ReaderRole, readers); err != nil {
		t.Fatal(err)
	}
}

func id(name string) fleet.ClusterID {
	return fleet.ClusterID{Account: deployed.Account, Region: deployed.Region, Name: name}
}

// caller asks the emulator about the keys that it handed out.
func (p *product) caller(t *testing.T) func(accessKey string) (sts.Caller, bool) {
	return func(accessKey string) (sts.Caller, bool) {
		s, err := p.Session(context.WithoutCancel(t.Context()), accessKey)
		if err != nil {
			t.Errorf("whose is the access key of a token: %v", err)
			return sts.Caller{}, false
		}
		return sts.Caller{ARN: s.ARN, Secret: s.Secret, SessionToken: s.Token}, true
	}
}

// calls are the updates that EKS was asked for behind the policies of the deployed
// roles, as cluster/group, oldest first.
type calls struct {
	mu   sync.Mutex
	made []string
	cut  func() // runs once, in the place of the next answer
}

// watch notes the updates that a caller was allowed to ask for.
func (c *calls) watch(standIn http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", standIn)
	mux.HandleFunc("POST /clusters/{cluster}/node-groups/{group}/update-version", func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.made = append(c.made, r.PathValue("cluster")+"/"+r.PathValue("group"))
		cut := c.cut
		c.cut = nil
		c.mu.Unlock()
		if cut == nil {
			standIn.ServeHTTP(w, r)
			return
		}
		standIn.ServeHTTP(httptest.NewRecorder(), r)
		cut()
		<-r.Context().Done() // whoever asked is gone
	})
	return mux
}

// cutOff has the next update begin, and end run instead of the answer.
func (c *calls) cutOff(end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = end
}

// called expects that these updates were asked for since the test began, and no
// others.
func (p *product) called(t *testing.T, want ...string) {
	t.Helper()
	p.calls.mu.Lock()
	defer p.calls.mu.Unlock()
	if got := p.calls.made; !slices.Equal(got, want) {
		t.Fatalf("EKS was asked to update %q, want %q", got, want)
	}
}

// turn sets the kill switch as the documentation says.
func (p *product) turn(t *testing.T, value string) {
	t.Helper()
	if _, err := ssm.NewFromConfig(p.Config).PutParameter(t.Context(), &ssm.PutParameterInput{
		Name: aws.String("/eks-steward/kill-switch"), Value: &value, Overwrite: aws.Bool(true),
	}); err != nil {
		t.Fatal(err)
	}
}

// active is the rollout that is carried out.
func (p *product) active(t *testing.T) rollout.Rollout {
	t.Helper()
	r, err := p.Ledger(0).ActiveRollout(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// hurry has every cluster tried with the next tick, in the place of waiting for
// when it is to be tried again. tries is how often each was tried in vain.
func (p *product) hurry(t *testing.T, tries int) {
	t.Helper()
	if _, err := p.Ledger(0).ReviseRollout(t.Context(), p.active(t).ID, func(r *rollout.Rollout) error {
		for i := range r.Members {
			r.Members[i].NotBefore, r.Members[i].Tries = time.Time{}, tries
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// outlive is the time passing that a run which died might have lived: its lease
// ends, and its claim of a group.
func (p *product) outlive(t *testing.T, name string) {
	t.Helper()
	lease, err := p.Ledger(time.Hour).Lease(t.Context(), "nodegrouprollout", "the test", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Ledger(0).ReviseProgress(t.Context(), p.active(t).ID, id(name), func(known *rollout.Progress) error {
		for i := range known.Steps {
			if claim := &known.Steps[i].Claim; !claim.IsZero() {
				*claim = time.Now().Add(-time.Second)
			}
		}
		known.Revision++
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
