package infra

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/config"
)

// newNotify adds the function that tells people, once, what became of an
// incident.
func newNotify(h *hub) *function {
	environment := config.NotifyEnv{
		Table:         *h.ledger.TableName(),
		Topic:         *h.findings.TopicArn(),
		MachinesTopic: *h.machines.TopicArn(),
		Dashboard:     h.dashboardURL(),
	}
	grants := []awsiam.PolicyStatement{h.grantRecords(), h.grantLists(), h.grantQueues(), allow([]*string{h.findings.TopicArn(), h.machines.TopicArn()}, "sns:Publish")}
	if slack := h.props.Slack; slack != nil {
		environment.SlackSecret = slack.SecretName
		if slack.Approvals != nil {
			environment.SlackButtons = "on"
		}
		grants = append(grants, grantSecret(slack.SecretName))
	}
	f := h.add("Notify", functionProps{
		name:        "notify",
		description: "Tells people what became of an incident",
		timeout:     time.Minute,
		batch:       100, // a burst is one look and becomes one digest
		window:      5 * time.Second,
		concurrency: 2,
		heartbeat:   canaryEvery,
		environment: []any{environment},
		grants:      grants,
	})
	h.on(f, "Findings", ours(events.Findings))
	h.every(f, "Canary", fmt.Sprintf("rate(%.0f hour)", canaryEvery.Hours()), canary())
	return f
}

// ours narrows a pattern to what the hub itself put on the bus. Other accounts may
// put events there, but only we say what was found.
func ours(p events.Pattern) map[string]any {
	narrowed := fields(p)
	narrowed["account"] = []any{awscdk.Aws_ACCOUNT_ID()}
	return narrowed
}

// grantSecret lets a function read a secret by its name, to which Secrets Manager
// adds a hyphen and six characters.
func grantSecret(name string) awsiam.PolicyStatement {
	return allow([]*string{jsii.String(arn("secretsmanager", "secret:"+name+"-??????"))}, "secretsmanager:GetSecretValue")
}

// canaryEvery is how often notify is woken although nothing happened: without
// that, a function that cannot run looks like a fleet that is well.
const canaryEvery = time.Hour

// canary is a reminder to notify in the words of package events, with the time
// of the beat in the place of a fixed one.
func canary() string {
	const beat = "<aws.scheduler.scheduled-time>"
	stand := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	message, err := events.Message(&events.PendingNotices{Header: events.Header{ID: "canary/" + stand.Format(time.RFC3339), Time: stand}})
	if err != nil {
		panic(fmt.Errorf("encode the canary: %w", err))
	}
	return strings.ReplaceAll(string(message), stand.Format(time.RFC3339), beat)
}
