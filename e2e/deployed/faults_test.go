package deployed_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// receives is the maxReceiveCount of every queue, and one more time to find the
// message gone.
const receives = 6

func TestFault_31_APoisonMessageReachesTheDeadLettersAndNothingElseDoes(t *testing.T) {
	const poison = `{"poison": true}`
	client := sqs.NewFromConfig(steward.Config)
	for _, function := range []string{"Dispatch", "EtcdSize", "ClusterCheck", "Notify"} {
		t.Run(function, func(t *testing.T) {
			for _, body := range []string{poison, canary} { // one batch, where the function takes batches
				queue := steward.Hub.ID(function + "Queue")
				if function != "Notify" && body == canary {
					continue // only notify has a use for it
				}
				if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &body}); err != nil {
					t.Fatal(err)
				}
			}
			for range receives {
				if err := steward.runner.Drain(t.Context()); err != nil {
					t.Fatal(err)
				}
				if _, err := steward.runner.Expire(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if left := steward.depth(t, function+"Queue"); left != "0" {
				t.Errorf("%s messages are left in the queue", left)
			}
			for _, other := range []string{"Dispatch", "EtcdSize", "ClusterCheck", "Notify"} {
				var want []string
				if other == function {
					want = []string{poison}
				}
				if got := steward.take(t, steward.Hub.ID(other+"DeadLetters")); !slices.Equal(got, want) {
					t.Errorf("the dead letters of %s are %q, want %q", other, got, want)
				}
			}
		})
	}
}

// canary is a message that notify understands and that changes nothing.
const canary = `{"version":"0","id":"canary","detail-type":"Pending Notices","source":"eks-steward","account":"","time":"2026-11-20T00:00:00Z","region":"","resources":[],"detail":{"schemaVersion":1}}`

// depth is the number of messages in a queue, hidden ones included.
func (p *product) depth(t *testing.T, name string) string {
	t.Helper()
	queue := p.Hub.ID(name)
	out, err := sqs.NewFromConfig(p.Config).GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &queue, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		t.Fatal(err)
	}
	visible, hidden := out.Attributes["ApproximateNumberOfMessages"], out.Attributes["ApproximateNumberOfMessagesNotVisible"]
	if hidden == "0" {
		return visible
	}
	return visible + " and hidden " + hidden
}

func TestFault_54_ABadConfigurationIsRefusedAndToldAndTheLastGoodOneServes(t *testing.T) {
	const cluster, subject = "survivor", "steward.yaml"
	steward.tick(t, "DispatchFiveMinutes") // accepts the good one
	before := len(steward.told(subject))
	t.Cleanup(func() {
		if err := steward.upload(context.WithoutCancel(t.Context()), goodFile); err != nil {
			t.Error(err)
		}
	})
	if err := steward.upload(t.Context(), strings.Replace(goodFile, "targets", "tragets", 1)); err != nil {
		t.Fatal(err)
	}
	steward.cluster(t, cluster)
	steward.measure(t, cluster, 1, 7.5)
	for range 2 {
		steward.tick(t, "DispatchHourly")
	}
	told := steward.told(subject)[before:]
	if len(told) != 1 || !strings.Contains(told[0], "refused") {
		t.Errorf("Slack shows %q, want one message that the file was refused", told)
	}
	if got := steward.told(cluster); len(got) != 1 {
		t.Errorf("Slack shows %q, want the incident that the last good configuration finds", got)
	}
	if err := steward.upload(t.Context(), goodFile); err != nil {
		t.Fatal(err)
	}
	steward.tick(t, "DispatchHourly")
	if told := steward.told(subject)[before:]; len(told) != 2 || !strings.Contains(strings.ToUpper(told[1]), "RESOLVED") {
		t.Errorf("Slack shows %q, want that a good file is in force again", told)
	}
}
