package rehearsal_test

import (
	"encoding/base64"
	"encoding/pem"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/eks-steward/eks-steward/internal/awsfleet/rehearsal"
	"github.com/eks-steward/eks-steward/internal/awsfleet/snapshot"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/inprocess"
)

var target = fleet.Target{Account: "444455556666", Region: "eu-west-1", Role: "arn:aws:iam::444455556666:role/steward-reader"}

// rehearse reads the cluster rich of a simulated world as the target's role. Its
// API server, if any, is at an endpoint and has a CA.
func rehearse(t *testing.T, endpoint, ca string, option []snapshot.Option, breaks ...edge.Step) (map[string][]error, *sim.World) {
	t.Helper()
	const key = "arn:aws:kms:eu-west-1:444455556666:key/00000000-0000-4000-8000-000000000001"
	w, err := sim.New(sim.Fleet{Home: "111122223333", Accounts: []sim.Account{{
		ID: target.Account, Roles: []sim.Role{{Name: "steward-reader"}},
		Regions: []sim.Region{{Name: target.Region, Keys: []sim.Key{{ID: key}}, Images: []sim.Image{{Version: "1.33", Release: "1.33.5-20261001"}}, Clusters: []sim.Cluster{{
			Name: "rich", Version: "1.33", Status: "UPDATING", KeyARN: key, Endpoint: endpoint, CA: ca,
			Nodegroups: []sim.Nodegroup{{Name: "green", Nodes: 3}, {Name: "blue", Nodes: 1}},
			Addons:     []sim.Addon{{Name: "vpc-cni", Version: "v1.20.4-eksbuild.2"}},
			Insights:   []sim.Insight{{Name: "Deprecated APIs", Status: "ERROR"}},
		}}}},
	}}}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	w.Faults().Script(breaks...)
	stage := rehearsal.New(aws.Config{
		Region: target.Region, HTTPClient: inprocess.Client{Handler: w.Handler()},
		Credentials: credentials.NewStaticCredentialsProvider("AKIAHUB", "hubsecret", ""),
	}, time.Now, option...)
	read, _, answers := stage.Cluster(t.Context(), target, "rich")
	if read.ID != target.Cluster("rich") {
		t.Errorf("read %s", read.ID)
	}
	return answers, w
}

var alone = []snapshot.Option{snapshot.WithoutServers}

func TestEachActionIsHeardByItsNameInIAM(t *testing.T) {
	answers, w := rehearse(t, "", "", alone)
	want := slices.Sorted(slices.Values(append(w.Actions()[target.Role], "sts:AssumeRole")))
	if got := slices.Sorted(maps.Keys(answers)); !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
	for action, of := range answers {
		for _, err := range of {
			if err != nil && !errors.Is(err, fleet.Gone) {
				t.Errorf("%s was answered with %v", action, err)
			}
		}
	}
	if n := len(answers["eks:DescribeNodegroup"]); n != 2 {
		t.Errorf("%d answers about two nodegroups", n)
	}
}

func TestEveryAnswerToAnActionIsKept(t *testing.T) {
	answers, _ := rehearse(t, "", "", alone, edge.Step{Operation: "DescribeNodegroup", Nth: 2, Do: edge.Answer(http.StatusForbidden, "AccessDeniedException", "no")})
	got := answers["eks:DescribeNodegroup"]
	if len(got) != 2 || got[0] != nil || !errors.Is(got[1], fleet.Denied) || fleet.TroubleOf(got[1]).Action != "eks:DescribeNodegroup" {
		t.Errorf("heard %v", got)
	}
}

func TestACallThatIsRepeatedIsHeardOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers, _ := rehearse(t, "", "", alone, edge.Step{Operation: "ListAddons", Times: 2, Do: edge.Answer(http.StatusServiceUnavailable, "ServiceUnavailable", "down")})
		if got := answers["eks:ListAddons"]; len(got) != 1 || got[0] != nil {
			t.Errorf("heard %v", got)
		}
	})
}

func TestAPIServersAreLeftAloneUnlessTheyAreWanted(t *testing.T) {
	for name, tt := range map[string]struct {
		options []snapshot.Option
		want    bool
	}{"left alone": {alone, false}, "wanted": {nil, true}} {
		t.Run(name, func(t *testing.T) {
			var visits atomic.Int32
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.Config.ConnState = func(net.Conn, http.ConnState) { visits.Add(1) }
			server.StartTLS()
			t.Cleanup(server.Close)
			ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
			rehearse(t, server.URL, base64.StdEncoding.EncodeToString(ca), tt.options)
			if got := visits.Load() > 0; got != tt.want {
				t.Errorf("visited: %v, want %v", got, tt.want)
			}
		})
	}
}
