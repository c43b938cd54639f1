package infra

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/config"
)

// newNodegroupRollout adds the function that plans and carries out rollouts of new
// nodes. Approvals and commands reach it by approve, which alone knows who sent
// them: no rule of the bus brings it any, since whoever may put events there would
// be believed.
func newNodegroupRollout(h *hub) *function {
	f := h.add("NodegroupRollout", functionProps{
		name:        "nodegrouprollout",
		description: "Gives nodegroups new nodes where a policy asks for it, a few at a time",
		timeout:     5 * time.Minute, // a call is begun only with a minute left
		memoryMB:    512,             // holds the client of the Kubernetes API, and the pods of some clusters
		batch:       1,               // a plan reads every cluster whose nodes are old
		concurrency: 2,               // one carries the rollout on; beside it somebody may want it paused
		goesOn:      true,
		environment: []any{config.NodegroupRolloutEnv{
			Table:      *h.ledger.TableName(),
			Bus:        *h.bus.EventBusArn(),
			KillSwitch: killSwitch,
			MaxMode:    h.props.MaxMode.NodegroupRollout,
		}},
		grants: append([]awsiam.PolicyStatement{
			allow([]*string{h.bus.EventBusArn()}, "events:PutEvents"),
			h.grantRecords(), h.grantLists(),
		}, append(h.grantReaders(), h.grantWriting(h.props.renewsNodes(), config.RolloutWriterRole)...)...),
	})
	f.tell(config.NodegroupRolloutEnv{Queue: *f.queue.QueueUrl()})
	h.on(f, "Findings", ours(events.NodegroupRolloutFindings))
	return f
}
