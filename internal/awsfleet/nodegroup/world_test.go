package nodegroup_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/nodegroup"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodegrouprollout"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/inprocess"
)

var (
	_ nodegrouprollout.Surveyor = (*nodegroup.Reader)(nil)
	_ nodegrouprollout.Writer   = nodegroup.Writer{}
)

const (
	hub        = "111122223333"
	account    = "444455556666"
	readerRole = "arn:aws:iam::444455556666:role/steward-reader"
	writerRole = "arn:aws:iam::444455556666:role/steward-nodegroup-writer"
)

var (
	target = fleet.Target{Account: account, Region: "eu-west-1", Role: readerRole}
	noon   = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
)

// A world is a simulated account whose clock stands until it is moved.
type world struct {
	*sim.World

	now    time.Time
	reader *nodegroup.Reader
	writer nodegroup.Writer
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
	f := awsfleet.New(aws.Config{
		Region: target.Region, HTTPClient: client,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAHUB", "hubsecret", ""),
	})
	w.reader = nodegroup.NewReader(f, func() time.Time { return w.now })
	w.writer = nodegroup.NewWriter(f, func(t fleet.Target) string { return "arn:aws:iam::" + t.Account + ":role/steward-nodegroup-writer" })
}

// answering is a reader of services that answer as a handler does.
func answering(h http.HandlerFunc) *nodegroup.Reader {
	w := &world{now: noon}
	w.reach(inprocess.Client{Handler: h})
	return w.reader
}

// payments is a cluster with one nodegroup to renew, and what that needs.
func payments() sim.Region {
	return sim.Region{
		Clusters: []sim.Cluster{{
			Name: "payments", Version: "1.34",
			Subnets:    []sim.Subnet{{ID: "subnet-1", FreeIPs: 250}, {ID: "subnet-2", FreeIPs: 3}},
			Nodegroups: []sim.Nodegroup{{Name: "blue", Version: "1.33", Nodes: 3, InstanceTypes: []string{"m5.large", "m5.xlarge"}}},
			Insights: []sim.Insight{
				{ID: "insight-1", Name: "Kubelet version skew", Status: "PASSING"},
				{ID: "insight-2", Name: "Hybrid nodes", Category: "MISCONFIGURATION", Status: "ERROR"},
			},
		}},
		Images:    []sim.Image{{Version: "1.33", Release: "1.33.5-20261001"}, {Version: "1.34", Release: "1.34.2-20261110"}},
		Alarms:    []sim.Alarm{{Name: "latency", State: "ALARM", Reason: "Threshold crossed."}, {Name: "errors"}, {Name: "unrelated"}},
		Calendars: map[string]bool{"releases": true, "shut": false},
		VCPUs:     map[string]int{"Standard/OnDemand": 60},
		Quotas:    map[string]float64{"L-1216C47A": 100},
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

// troubleIn is trouble about a part.
func troubleIn[T any](t *testing.T, p fleet.Part[T], kind fleet.TroubleKind, action string) {
	t.Helper()
	if p.Trouble == nil {
		t.Errorf("got %+v, want trouble of kind %s with %s", p, kind, action)
		return
	}
	trouble(t, p.Trouble, kind, action)
}

// denied refuses an operation as IAM does.
func denied(operation, action string) edge.Step {
	return edge.Step{Operation: operation, Times: edge.Always, Do: edge.Answer(http.StatusForbidden, "AccessDeniedException",
		"User: "+readerRole+" is not authorized to perform: "+action+" on resource: *")}
}
