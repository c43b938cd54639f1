//go:build unix

package real_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/eks-steward/eks-steward/e2e/cluster"
	"github.com/eks-steward/eks-steward/e2e/cluster/sts"
	"github.com/eks-steward/eks-steward/e2e/coupled"
	"github.com/eks-steward/eks-steward/e2e/deployed"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi"
	"github.com/eks-steward/eks-steward/internal/sim"
)

const (
	current = "1.36"
	next    = "1.37"
)

// A configuration knows no limit below 1 GB, which would take minutes to fill, so
// the warning is at 30 MB of it and let go below 20 MB. An etcd that holds only
// what an API server writes by itself takes less than 1 MB.
const (
	sections = `
etcdSize: {standardLimitGB: 1, warnPercent: 3, criticalPercent: 90, hysteresisPercent: 1, watchPercent: 1}
versionSupport: {reminders: [7]}
`
	fill = 35 // MiB, which etcd takes some 45 MB for
)

// product is the deployment, the real cluster that it watches, and everything
// around them that is not AWS.
type product struct {
	*deployed.Running
	control *cluster.Cluster
	world   *sim.World
	later   atomic.Int64 // nanoseconds by which the world's clock is ahead
	// admitted are the clusters in which EKS has an access entry for the reader.
	admitted []string
	reader   string // ARN of the role that reads clusters
}

// deploy deploys the product beside a control plane whose authenticator believes
// the keys of the deployed roles. All of it ends with the test.
func deploy(t *testing.T, control *cluster.Cluster) *product {
	t.Helper()
	p := &product{
		Running: deployed.Launch(t, `"slack": {"secretName": "`+deployed.SlackSecret+`"}`),
		control: control, reader: "arn:aws:iam::" + deployed.Account + ":role/" + config.ReaderRole,
	}
	control.STS.Ask(p.caller(t))
	p.run(t)
	return p
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

// run starts what was deployed beside the stand-in for EKS.
func (p *product) run(t *testing.T) {
	t.Helper()
	home := sim.Fleet{
		Home: deployed.Account, Calendar: calendar(time.Now()),
		Accounts: []sim.Account{{ID: deployed.Account, Regions: []sim.Region{{Name: deployed.Region}}}},
	}
	var err error
	if p.world, err = sim.New(home, func() time.Time { return time.Now().Add(time.Duration(p.later.Load())) }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.world.Close)
	eks, around := p.EKS(p.world.EKS()), p.Around(p.world.Handler())
	t.Cleanup(eks.Close)
	t.Cleanup(around.Close)
	p.Configure(t, sections)
	p.Run(t, map[string]string{
		"AWS_ENDPOINT_URL_EKS": eks.URL, "AWS_ENDPOINT_URL_EC2": around.URL, "AWS_ENDPOINT_URL_KMS": around.URL,
		"AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API": around.URL,
	})
}

// calendar has a version that is to be left soon, and the next one. The real
// control plane is of the first.
func calendar(now time.Time) []sim.Version {
	return []sim.Version{
		{Version: current, Released: now.AddDate(-1, 0, 0), EndOfStandardSupport: now.AddDate(0, 0, 60), EndOfExtendedSupport: now.AddDate(1, 0, 60), Default: true},
		{Version: next, Released: now.AddDate(0, -1, 0), EndOfStandardSupport: now.AddDate(1, 1, 0), EndOfExtendedSupport: now.AddDate(2, 1, 0)},
	}
}

// joins adds a cluster to EKS whose API server is the real one, and follows it
// when it has the right name. It leaves with the test, or before.
func (p *product) joins(t *testing.T, name string) (leave func()) {
	t.Helper()
	c := sim.Cluster{Name: name, Version: current, Endpoint: p.control.Endpoint, CA: p.control.CA}
	if err := p.world.Add(deployed.Account, deployed.Region, c); err != nil {
		t.Fatal(err)
	}
	id := fleet.ClusterID{Account: deployed.Account, Region: deployed.Region, Name: name}
	if name == p.control.Name {
		if err := p.world.Couple(id, coupled.New(p.control)); err != nil {
			t.Fatal(err)
		}
	}
	if slices.Contains(p.admitted, name) {
		if err := p.world.Admit(id, p.reader, kubeapi.Group); err != nil {
			t.Fatal(err)
		}
	}
	leave = func() { p.world.Remove(id) }
	t.Cleanup(leave)
	return leave
}

// publish copies the size of the real etcd to where EKS publishes it.
func (p *product) publish(t *testing.T, name string, minutesAgo int) {
	t.Helper()
	at := time.Now().Add(-time.Duration(minutesAgo) * time.Minute)
	if _, err := cloudwatch.NewFromConfig(p.Config).PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{
		Namespace: aws.String("AWS/EKS"),
		MetricData: []cwtypes.MetricDatum{{
			MetricName: aws.String(string(fleet.StorageSize)), Timestamp: &at, Value: aws.Float64(float64(p.control.StorageSize(t))),
			Dimensions: []cwtypes.Dimension{{Name: aws.String("ClusterName"), Value: &name}},
		}},
	}); err != nil {
		t.Fatal(err)
	}
}
