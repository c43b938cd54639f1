package deployed_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/eks-steward/eks-steward/e2e/deployed"
	"github.com/eks-steward/eks-steward/testevents"
)

// envelope is what PutEvents takes of an event, with where it was.
type envelope struct {
	Source     string          `json:"source"`
	DetailType string          `json:"detail-type"`
	Account    string          `json:"account"`
	Region     string          `json:"region"`
	Detail     json.RawMessage `json:"detail"`
}

func envelopeOf(t *testing.T, raw []byte) envelope {
	t.Helper()
	var e envelope
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// queues are all that a rule could send to.
var queues = []string{
	"DispatchQueue", "EtcdSizeQueue", "ClusterCheckQueue", "SecretsEncryptionQueue", "NotifyQueue",
	"DispatchDeadLetters", "EtcdSizeDeadLetters", "ClusterCheckDeadLetters", "SecretsEncryptionDeadLetters", "NotifyDeadLetters",
}

// allLook is where an event arrives that brings a new cluster.
const allLook = "EtcdSizeQueue, ClusterCheckQueue, SecretsEncryptionQueue"

// put puts an event on a bus and returns its id, or nothing where PutEvents
// refuses it.
func (p *product) put(t *testing.T, from aws.Config, bus string, e envelope) string {
	t.Helper()
	out, err := eventbridge.NewFromConfig(from).PutEvents(t.Context(), &eventbridge.PutEventsInput{
		Entries: []ebtypes.PutEventsRequestEntry{{Source: &e.Source, DetailType: &e.DetailType, Detail: aws.String(string(e.Detail)), EventBusName: &bus}},
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, p.Said())
	}
	return aws.ToString(out.Entries[0].EventId)
}

// arrivals are the queues that events arrived in since they were emptied last, by
// the id that an event keeps from bus to bus.
type arrivals map[string][]string

func (p *product) arrivals(t *testing.T) arrivals {
	t.Helper()
	all := arrivals{}
	for _, queue := range queues {
		times := map[string]int{}
		for _, body := range p.take(t, p.Hub.ID(queue)) {
			var e struct{ ID string }
			if err := json.Unmarshal([]byte(body), &e); err != nil || e.ID == "" {
				t.Fatalf("what arrived in %s is no event: %v\n%s", queue, err, body)
			}
			times[e.ID]++
		}
		for id, n := range times {
			arrived := queue
			if n > 1 {
				arrived = fmt.Sprintf("%s %d times", queue, n)
			}
			all[id] = append(all[id], arrived)
		}
	}
	return all
}

// of says where the event that put returned arrived.
func (a arrivals) of(id string) string {
	switch {
	case id == "":
		return "refused by PutEvents"
	case a[id] == nil:
		return "nowhere"
	}
	return strings.Join(a[id], ", ")
}

// Nothing here is decoded by us: the emulator's EventBridge matches the deployed
// patterns. The runner stands still meanwhile, so that what arrives stays.
func TestEveryTestEventArrivesInExactlyItsQueues(t *testing.T) {
	steward.drain(t)
	type both struct{ standard, own string } // ids of the same event on two buses
	ids := map[testevents.Case]both{}
	for _, c := range testevents.List() {
		raw, err := testevents.Read(c.Function, c.Name)
		if err != nil {
			t.Fatal(err)
		}
		var e envelope
		if err := json.Unmarshal(raw, &e); err == nil {
			ids[c] = both{steward.put(t, steward.Config, "default", e), steward.put(t, steward.Config, deployed.Bus, e)}
		}
	}
	arrived := steward.arrivals(t)
	var b strings.Builder
	b.WriteString("# Where each test event arrives that is put on the default bus, where AWS's are, and on our own.\n")
	for _, c := range testevents.List() {
		if id, ok := ids[c]; ok {
			fmt.Fprintf(&b, "%-55s default: %-32s own: %s\n", c, arrived.of(id.standard), arrived.of(id.own))
		} else {
			fmt.Fprintf(&b, "%-55s no event\n", c)
		}
	}
	golden(t, "arrivals.golden", b.String())
}

func TestNearMissesArriveNowhere(t *testing.T) {
	steward.drain(t)
	raw, err := testevents.Read("etcdsize", "CreateCluster")
	if err != nil {
		t.Fatal(err)
	}
	hit := envelopeOf(t, raw)
	id := steward.put(t, steward.Config, "default", hit)
	if got := steward.arrivals(t).of(id); got != allLook {
		t.Fatalf("the event that the others miss nearly arrives %s, want in %s", got, allLook)
	}
	for name, change := range map[string]func(e *envelope, detail map[string]any){
		"another source":             func(e *envelope, _ map[string]any) { e.Source = "aws.ecs" },
		"a source that begins alike": func(e *envelope, _ map[string]any) { e.Source = "aws.eks-auth" },
		"another kind of event":      func(e *envelope, _ map[string]any) { e.DetailType = "AWS Console Sign In via CloudTrail" },
		"a call that failed":         func(_ *envelope, d map[string]any) { d["errorCode"] = "AccessDenied" },
		"another call":               func(_ *envelope, d map[string]any) { d["eventName"] = "TagResource" },
		"Redshift's CreateCluster": func(e *envelope, d map[string]any) {
			e.Source, d["eventSource"] = "aws.redshift", "redshift.amazonaws.com"
		},
		"another service by the same route": func(_ *envelope, d map[string]any) { d["eventSource"] = "redshift.amazonaws.com" },
	} {
		t.Run(name, func(t *testing.T) {
			e, detail := hit, map[string]any{}
			if err := json.Unmarshal(hit.Detail, &detail); err != nil {
				t.Fatal(err)
			}
			change(&e, detail)
			b, err := json.Marshal(detail)
			if err != nil {
				t.Fatal(err)
			}
			e.Detail = b
			for _, bus := range []string{"default", deployed.Bus} {
				id := steward.put(t, steward.Config, bus, e)
				if got := steward.arrivals(t).of(id); got != "nowhere" {
					t.Errorf("on the bus %s it arrives in %s", bus, got)
				}
			}
		})
	}
}

// Another account reaches our bus the way a member does. It can have a cluster
// looked at, but not tell people anything.
func TestAnotherAccountReachesTheReadersButNotNotify(t *testing.T) {
	const other = "444455556666"
	steward.drain(t)
	// The emulator lets the roles of a bootstrap do anything.
	from, err := steward.As(t.Context(), "arn:aws:iam::"+other+":role/cdk-hnb659fds-deploy-role")
	if err != nil {
		t.Fatal(err)
	}
	ours := "arn:aws:events:" + deployed.Region + ":" + deployed.Account + ":event-bus/" + deployed.Bus
	client := eventbridge.NewFromConfig(from)
	if _, err := client.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: aws.String("forward"), EventPattern: aws.String(`{"source": [{"prefix": ""}]}`)}); err != nil {
		t.Fatalf("%v\n%s", err, steward.Said())
	}
	if _, err := client.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: aws.String("forward"), Targets: []ebtypes.Target{{Id: aws.String("hub"), Arn: &ours}}}); err != nil {
		t.Fatal(err)
	}
	for event, want := range map[testevents.Case]string{
		{Function: "etcdsize", Name: "CreateCluster"}: allLook,
		{Function: "notify", Name: "finding-opened"}:  "nowhere",
	} {
		raw, err := testevents.Read(event.Function, event.Name)
		if err != nil {
			t.Fatal(err)
		}
		id := steward.put(t, from, "default", envelopeOf(t, raw))
		if got := steward.arrivals(t).of(id); got != want {
			t.Errorf("%s of another account arrives in %s, want %s", event, got, want)
		}
	}
}
