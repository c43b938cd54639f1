package notifications_test

import (
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/eks-steward/eks-steward/e2e/deployed"
	"github.com/eks-steward/eks-steward/internal/canary"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/ledger/dynamo"
	topics "github.com/eks-steward/eks-steward/internal/notify/sns"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/slack"
)

const (
	firstToken, secondToken, strangeToken = canary.Token, canary.Token + "-2", canary.Token + "-3"

	signingName = "eks-steward/slack-signing"
	approver    = "U0APPROVER"

	version = "1.36"
	key     = "arn:aws:kms:" + deployed.Region + ":" + deployed.Account + ":key/00000000-0000-0000-0000-00000000000e"
)

// product is the deployment with a workspace of Slack, and with a reader of each
// topic.
type product struct {
	*deployed.Running
	world     *sim.World
	workspace *slack.Workspace
	alerts    *slack.Channel // hears everything
	critical  *slack.Channel // hears only that
	read      map[string]int // lines of a log that logged has read
}

// The channels, by their ids.
const alertsID, criticalID = "C0000ALERTS", "C00CRITICAL"

// deploy deploys the product for an empty account, with a bot token in the secret.
func deploy(t *testing.T) *product {
	t.Helper()
	p := &product{workspace: slack.NewWorkspace(firstToken, time.Now), read: map[string]int{}}
	p.workspace.Team, p.workspace.Signing = "T0123ABCD", canary.Signing
	p.alerts, p.critical = p.workspace.Open(alertsID, "eks-alerts", ""), p.workspace.Open(criticalID, "eks-critical", "")
	p.Running = deployed.Launch(t, `"secretsEncryption": {"keys": ["`+key+`"]}, "maxMode": {"secretsEncryption": "approve"}, "slack": {"secretName": "`+deployed.SlackSecret+`", `+
		`"approvals": {"signingSecretName": "`+signingName+`", "team": "`+p.workspace.Team+`", "users": ["`+approver+`"]}}`)
	p.Secret(t, signingName, p.workspace.Signing)
	p.rotates(t, firstToken)
	var err error
	if p.world, err = sim.New(home(time.Now()), time.Now); err != nil {
		t.Fatal(err)
	}
	eks, around, chat := p.EKS(p.world.EKS()), p.Around(p.world.Handler()), httptest.NewServer(p.workspace)
	t.Cleanup(eks.Close)
	t.Cleanup(around.Close)
	t.Cleanup(chat.Close)
	p.Run(t, map[string]string{
		"AWS_ENDPOINT_URL_EKS": eks.URL, "AWS_ENDPOINT_URL_EC2": around.URL, "AWS_ENDPOINT_URL_KMS": around.URL,
		"AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API": around.URL, "STEWARD_SLACK_API": chat.URL + "/api",
	})
	for topic := range mailboxes {
		p.subscribe(t, topic)
	}
	return p
}

// home is the account before there is a cluster. Kubernetes has one version, and
// nothing is to be said of that.
func home(now time.Time) sim.Fleet {
	return sim.Fleet{
		Home:     deployed.Account,
		Calendar: []sim.Version{{Version: version, Released: now.AddDate(0, -1, 0), EndOfStandardSupport: now.AddDate(1, 1, 0), EndOfExtendedSupport: now.AddDate(2, 1, 0), Default: true}},
		Accounts: []sim.Account{{ID: deployed.Account, Regions: []sim.Region{{Name: deployed.Region, Keys: []sim.Key{{ID: key, Rotation: true}}}}}},
	}
}

// joins adds a cluster of the team payments of which nothing is to be said, but for
// its key where it has none.
func (p *product) joins(t *testing.T, name, key string) {
	t.Helper()
	if err := p.world.Add(deployed.Account, deployed.Region, sim.Cluster{
		Name: name, Version: version, KeyARN: key, Tags: map[string]string{"owner": "payments"}, CreatedAt: time.Now(),
	}); err != nil {
		t.Fatal(err)
	}
}

// measures publishes sizes of etcd as EKS does, five minutes apart, the last one
// that many minutes ago.
func (p *product) measures(t *testing.T, cluster string, minutesAgo int, gigabytes ...float64) {
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

// looks fires the hourly schedule and lets everything happen that is to follow.
func (p *product) looks(t *testing.T) {
	t.Helper()
	deployed.None(t, p.Tick(t, deployed.Hourly)) // at the webhook, which the secret does not hold any more
}

// wakes fires the five-minute schedule likewise.
func (p *product) wakes(t *testing.T) {
	t.Helper()
	deployed.None(t, p.Tick(t, deployed.FiveMinutes))
}

// repeats delivers again, the last first, what the functions have taken from their
// queues.
func (p *product) repeats(t *testing.T) {
	t.Helper()
	if n, err := p.Runner.Repeat(t.Context()); err != nil || n == 0 {
		t.Fatalf("%d messages came again: %v", n, err)
	}
	deployed.None(t, p.News(t))
}

// passes lets time pass for what people were told and for what is due, in the
// place of waiting: the clocks of the functions are real.
func (p *product) passes(t *testing.T, d time.Duration) {
	t.Helper()
	back := func(at *time.Time) {
		if !at.IsZero() {
			*at = at.Add(-d)
		}
	}
	store := dynamo.New(dynamodb.NewFromConfig(p.Config), p.Hub.ID("Ledger"))
	for record, err := range store.Range(t.Context(), "incident#"+deployed.Account+"/"+deployed.Region, "") {
		if err != nil {
			t.Fatal(err)
		}
		var inc incident.Incident
		if err := json.Unmarshal(record.Body, &inc); err != nil {
			t.Fatal(err)
		}
		for route, told := range inc.Told {
			back(&told.At)
			back(&told.Updated)
			back(&told.Reminded)
			inc.Told[route] = told
		}
		back(&inc.Look)
		back(&record.Due)
		if record.Body, err = json.Marshal(inc); err != nil {
			t.Fatal(err)
		}
		if err := store.Write(t.Context(), record); err != nil {
			t.Fatal(err)
		}
	}
}

// stands is the incident of a cluster in the ledger.
func (p *product) stands(t *testing.T, check, cluster string) incident.Incident {
	t.Helper()
	id := incident.ID(fleet.Finding{Check: check, Cluster: fleet.ClusterID{Account: deployed.Account, Region: deployed.Region, Name: cluster}})
	inc, err := p.Ledger(0).Incident(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return inc
}

// rotates puts another value into the secret that the deployment names.
func (p *product) rotates(t *testing.T, token string) {
	t.Helper()
	if _, err := secretsmanager.NewFromConfig(p.Config).PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: aws.String(deployed.SlackSecret), SecretString: &token,
	}); err != nil {
		t.Fatal(err)
	}
}

// mailboxes are the queues that stand for subscribers, by topic.
var mailboxes = map[string]string{"Findings": "people", "Machines": "machines"}

func (p *product) subscribe(t *testing.T, topic string) {
	t.Helper()
	queue := mailboxes[topic]
	if _, err := sqs.NewFromConfig(p.Config).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &queue}); err != nil {
		t.Fatal(err)
	}
	if _, err := sns.NewFromConfig(p.Config).Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: aws.String(p.Hub.ID(topic)), Protocol: aws.String("sqs"), Attributes: map[string]string{"RawMessageDelivery": "true"},
		Endpoint: aws.String("arn:aws:sqs:" + deployed.Region + ":" + deployed.Account + ":" + queue),
	}); err != nil {
		t.Fatal(err)
	}
}

// mail empties the queue of a topic's subscriber, in the order of arrival.
func (p *product) mail(t *testing.T, topic string) []string {
	t.Helper()
	client, url := sqs.NewFromConfig(p.Config), "https://sqs."+deployed.Region+".amazonaws.com/"+deployed.Account+"/"+mailboxes[topic]
	var bodies []string
	for {
		out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: 3600})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return bodies
		}
		for _, m := range out.Messages {
			if strings.Contains(*m.Body, canary.Word) {
				t.Errorf("the topic %s was sent a secret", topic)
			}
			bodies = append(bodies, *m.Body)
		}
	}
}

// moves are what machines heard of one check since they were asked last, the
// oldest revision first.
func (p *product) moves(t *testing.T, check string) []topics.Move {
	t.Helper()
	var moves []topics.Move
	for _, body := range p.mail(t, "Machines") {
		var m topics.Move
		if err := json.Unmarshal([]byte(body), &m); err != nil {
			t.Fatalf("machines cannot read %s: %v", body, err)
		}
		if m.Finding.Check == check {
			moves = append(moves, m)
		}
	}
	slices.SortFunc(moves, func(a, b topics.Move) int { return a.Incident.Revision - b.Incident.Revision })
	return moves
}

// logs is all that a function has printed since it was asked last.
func (p *product) logs(t *testing.T, function string) string {
	t.Helper()
	out, err := cloudwatchlogs.NewFromConfig(p.Config).FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String(p.Hub.ID(function + "Logs"))})
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for _, e := range out.Events[p.read[function]:] {
		said.WriteString(aws.ToString(e.Message))
	}
	p.read[function] = len(out.Events)
	return said.String()
}

// about lists the messages of a channel that speak of a subject, as it shows them.
func about(c *slack.Channel, subject string) []slack.Received {
	return slices.DeleteFunc(c.Received(), func(m slack.Received) bool { return !strings.Contains(m.Message.Text, subject) })
}

// headlines are the first lines of what a channel shows, with its threads.
func headlines(c *slack.Channel) []string {
	var lines []string
	for _, m := range c.Received() {
		lines = append(lines, m.Message.Text)
		for _, r := range m.Replies {
			lines = append(lines, "  "+r.Message.Text)
		}
	}
	return lines
}

// only is the one message of a channel about a subject.
func only(t *testing.T, c *slack.Channel, subject string) slack.Received {
	t.Helper()
	all := about(c, subject)
	if len(all) != 1 {
		t.Fatalf("the channel shows %d messages about %s, want one:\n%s", len(all), subject, strings.Join(headlines(c), "\n"))
	}
	return all[0]
}

// unescape undoes what Go's JSON does for the sake of HTML.
var unescape = strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&")

// says expects a message, as Slack shows it, to say all of it.
func says(t *testing.T, m any, want ...string) {
	t.Helper()
	encoded, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	text := unescape.Replace(string(encoded))
	for _, s := range want {
		if !strings.Contains(text, s) {
			t.Errorf("Slack shows %s, want it to say %q", text, s)
		}
	}
}

// replies expects a thread with as many replies as there are texts, each of which
// says one.
func replies(t *testing.T, m slack.Received, want ...string) {
	t.Helper()
	if len(m.Replies) != len(want) {
		t.Fatalf("the thread has %d replies, want %q: %+v", len(m.Replies), want, m.Replies)
	}
	for i, s := range want {
		if text := m.Replies[i].Message.Text; !strings.Contains(text, s) {
			t.Errorf("reply %d says %q, want %q", i+1, text, s)
		}
	}
}
