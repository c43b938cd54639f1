package infra

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/config"
)

// newClusterCheck adds the function that holds every cluster to every check:
// once a day, and at once where something about it changed.
func newClusterCheck(h *hub) *function {
	f := h.add("ClusterCheck", functionProps{
		name:        "clustercheck",
		description: "Holds every cluster of an account and region to every check",
		timeout:     15 * time.Minute, // the most that Lambda gives; what is left then goes on in a next run
		memoryMB:    512,              // holds the client of the Kubernetes API and some clusters at a time
		batch:       1,                // one account and region may be a hundred clusters
		concurrency: 4,                // nobody waits for a daily look, and the EKS API is others' too
		heartbeat:   events.Daily.Interval(),
		goesOn:      true,
		environment: []any{config.ClusterCheckEnv{
			Table: *h.ledger.TableName(),
			Bus:   *h.bus.EventBusArn(),
			Topic: *h.findings.TopicArn(),
		}},
		grants: append([]awsiam.PolicyStatement{
			allow([]*string{h.bus.EventBusArn()}, "events:PutEvents"),
			// With the ledger down, what is critical goes straight to the topic.
			allow([]*string{h.findings.TopicArn()}, "sns:Publish"),
		}, append(h.grantReaders(), h.grantRecords(), h.grantLists())...),
	})
	f.tell(config.ClusterCheckEnv{Queue: *f.queue.QueueUrl()})
	h.on(f, "Calls", fields(events.ClusterCheckCalls))
	h.on(f, "Addons", fields(events.AddonHealthEvents))
	h.on(f, "Health", fields(events.HealthEvents))
	return f
}
