package snapshot_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/snapshot"
	"github.com/eks-steward/eks-steward/internal/clustercheck"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/inprocess"
)

var _ clustercheck.Survey = (*snapshot.Survey)(nil)

var (
	target = fleet.Target{Account: "111122223333", Region: "eu-west-1"}
	noon   = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
)

const keyARN = "arn:aws:kms:eu-west-1:111122223333:key/00000000-0000-4000-8000-000000000001"

// survey begins to survey a region of a simulated world at noon.
func survey(t *testing.T, r sim.Region) (*snapshot.Survey, *sim.World) {
	t.Helper()
	r.Name = target.Region
	now := func() time.Time { return noon }
	w, err := sim.New(sim.Fleet{Home: target.Account, Accounts: []sim.Account{{ID: target.Account, Regions: []sim.Region{r}}}}, now)
	if err != nil {
		t.Fatal(err)
	}
	return through(w.Handler(), now), w
}

// through surveys what a handler answers, without a connection, so that time can
// be a bubble's.
func through(h http.Handler, now func() time.Time) *snapshot.Survey {
	return snapshot.New(awsfleet.New(aws.Config{
		Region:      target.Region,
		HTTPClient:  inprocess.Client{Handler: h},
		Credentials: credentials.NewStaticCredentialsProvider("AKIAHUB", "hubsecret", ""),
	}), now).Survey(target)
}

// payments is a cluster that has something of everything.
func payments() sim.Cluster {
	last := -40 * 24 * time.Hour
	return sim.Cluster{
		Name: "payments", Version: "1.34", KeyARN: keyARN,
		Subnets: []sim.Subnet{{ID: "subnet-00000000000000002", Zone: "eu-west-1b", FreeIPs: 3}, {ID: "subnet-00000000000000001", Zone: "eu-west-1a", FreeIPs: 250}},
		Nodegroups: []sim.Nodegroup{
			{
				Name: "green", Version: "1.33", Nodes: 3, Most: 5, Tags: map[string]string{"team": "pay"},
				Surge: sim.Surge{Strategy: "MINIMAL", Percent: 25}, InstanceTypes: []string{"m7g.large"}, Capacity: "SPOT",
			},
			{Name: "blue", AMIType: "CUSTOM", Nodes: 1, Health: []sim.Issue{{Code: "NodeCreationFailure", Message: "Instances failed to join."}}},
		},
		Addons: []sim.Addon{{Name: "vpc-cni", Version: "v1.20.4-eksbuild.2"}, {Name: "coredns", Version: "v1.12.4-eksbuild.1", Health: []sim.Issue{{Code: "InsufficientNumberOfReplicas", Resources: []string{"coredns-1"}}}}},
		Insights: []sim.Insight{
			{ID: "insight-2", Name: "Deprecated APIs", Status: "ERROR", Reason: "In use.", Kubernetes: "1.35", Recommendation: "Move on.", Refreshed: -time.Hour, Deprecations: []sim.Deprecation{{
				Usage: "/apis/flowcontrol.apiserver.k8s.io/v1beta3/flowschemas", ReplacedWith: "v1", StopServing: "1.35",
				Clients: []sim.Client{{UserAgent: "old-operator/1.2", Requests: 7, Last: &last}, {UserAgent: "silent", Requests: 1}},
			}}},
			{ID: "insight-1", Name: "Add-on versions", Status: "WARNING", Addons: []sim.AddonCompatibility{{Name: "vpc-cni", Compatible: []string{"v1.21.1-eksbuild.1"}}}},
			{ID: "insight-3", Name: "Kubelet version skew", Status: "PASSING", Reason: "Fine."},
		},
	}
}

// region holds payments and what is around it.
func region(clusters ...sim.Cluster) sim.Region {
	return sim.Region{Clusters: clusters, Keys: []sim.Key{{
		ID: keyARN, Rotation: true, Aliases: []string{"alias/payments", "alias/eks"}, Tags: map[string]string{"approved": "yes"},
	}}}
}

// denied refuses an operation as IAM does.
func denied(service, operation, action string) edge.Step {
	code := map[string]string{"ec2": "UnauthorizedOperation"}[service]
	if code == "" {
		code = "AccessDeniedException"
	}
	return edge.Step{Service: service, Operation: operation, Times: edge.Always, Do: edge.Answer(http.StatusForbidden, code,
		"User: arn:aws:sts::111122223333:assumed-role/steward-reader/x is not authorized to perform: "+action+" on resource: *")}
}

// counts fails the test unless the world was asked so often, and for nothing else.
func counts(t *testing.T, w *sim.World, want map[string]int) {
	t.Helper()
	for key := range w.Calls() {
		if _, ok := want[key.Operation]; !ok {
			t.Errorf("%d calls of %s, want none", w.Calls().Of(key.Operation).Total(), key.Operation)
		}
	}
	for operation, n := range want {
		if got := w.Calls().Of(operation).Total(); got != n {
			t.Errorf("%d calls of %s, want %d", got, operation, n)
		}
	}
}
