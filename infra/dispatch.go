package infra

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/config"
)

// newDispatch adds the function that turns the beats of the schedules into
// messages for the others.
func newDispatch(h *hub, wakes queues) *function {
	file, fallback := h.configuration.bucket, h.configuration.fallback
	f := h.add("Dispatch", functionProps{
		name:        "dispatch",
		description: "Turns the beats of the schedules into messages for the other functions",
		timeout:     time.Minute,
		batch:       1,
		concurrency: 2,
		heartbeat:   events.FiveMinutes.Interval(),
		environment: []any{
			config.DispatchEnv{
				Table:             *h.ledger.TableName(),
				Bus:               *h.bus.EventBusArn(),
				ConfigBucket:      *file.BucketName(),
				ConfigKey:         ConfigurationKey,
				EtcdSizeQueue:     *wakes.etcdSize.QueueUrl(),
				ClusterCheckQueue: *wakes.clusterCheck.QueueUrl(),
				NotifyQueue:       *wakes.notify.QueueUrl(),

				SecretsEncryptionQueue:   *wakes.secretsEncryption.QueueUrl(),
				MaxModeSecretsEncryption: h.props.MaxMode.SecretsEncryption,
				MaxModeKeyGuard:          h.props.keyGuard(),
				MaxModeNodegroupRollout:  h.props.MaxMode.NodegroupRollout,

				ConfigDefaultBucket: *fallback.S3BucketName(),
				ConfigDefaultKey:    *fallback.S3ObjectKey(),
			},
		},
		grants: []awsiam.PolicyStatement{
			h.grantRecords(), h.grantLists(), h.grantQueues(),
			allow([]*string{file.ArnForObjects(jsii.String(ConfigurationKey))}, "s3:GetObject"),
			// Without it S3 answers "access denied" for an object that is not there
			// (GetObject, API reference), and dispatch could not tell the two apart.
			allow([]*string{file.BucketArn()}, "s3:ListBucket"),
			allow([]*string{fallback.Bucket().ArnForObjects(fallback.S3ObjectKey())}, "s3:GetObject"),
			grantSending(append([]awssqs.Queue{wakes.etcdSize, wakes.clusterCheck, wakes.notify}, wakes.carriesOut()...)...),
			allow([]*string{h.bus.EventBusArn()}, "events:PutEvents"),
		},
	})
	if wakes.nodegroupRollout != nil {
		f.tell(config.DispatchEnv{NodegroupRolloutQueue: *wakes.nodegroupRollout.QueueUrl()})
	}
	h.every(f, "Hourly", h.props.Schedules.Hourly, events.TickInput(events.Hourly))
	h.every(f, "Daily", h.props.Schedules.Daily, events.TickInput(events.Daily))
	h.every(f, "FiveMinutes", h.props.Schedules.FiveMinutes, events.TickInput(events.FiveMinutes))
	output(h, "DispatchQueue", "Send a beat here to have the checks look now: docs/deploying.md", *f.queue.QueueUrl())
	return f
}
