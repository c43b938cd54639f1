package infra

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/jsii-runtime-go"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/config"
)

// killSwitch is the parameter that stops every write of every account while its
// value is on. CloudFormation sets it once: what people set it to stays through
// later deployments, since the template never changes.
const killSwitch = "/eks-steward/kill-switch"

// newSecretsEncryption adds the function that puts keys on clusters and guards the
// keys that they have. With the mode report it only guards, and no role that it
// can take on writes anything.
func newSecretsEncryption(h *hub) *function {
	f := h.add("SecretsEncryption", functionProps{
		name:        "secretsencryption",
		description: "Puts keys on clusters where a policy asks for it, and guards those that are in use",
		timeout:     5 * time.Minute, // a call is begun only with a minute left
		batch:       1,               // a change of a key may concern every cluster of an account
		concurrency: 2,               // nothing here is urgent to the second
		heartbeat:   events.Daily.Interval(),
		goesOn:      true,
		environment: []any{config.SecretsEncryptionEnv{
			Table:       *h.ledger.TableName(),
			Bus:         *h.bus.EventBusArn(),
			KillSwitch:  killSwitch,
			MaxMode:     h.props.MaxMode.SecretsEncryption,
			MaxKeyGuard: h.props.keyGuard(),
		}},
		grants: append([]awsiam.PolicyStatement{
			allow([]*string{h.bus.EventBusArn()}, "events:PutEvents"),
			h.grantRecords(), h.grantLists(),
		}, append(h.grantReaders(), h.grantWriting(h.props.writesKeys(), config.EncryptionWriterRole)...)...),
	})
	f.tell(config.SecretsEncryptionEnv{Queue: *f.queue.QueueUrl()})
	awsssm.NewCfnParameter(f.scope, jsii.String("KillSwitch"), &awsssm.CfnParameterProps{
		Name: jsii.String(killSwitch), Type: jsii.String("String"), Value: jsii.String("off"),
		AllowedPattern: jsii.String("^(off|on)$"),
		Description:    jsii.String("While it is on, eks-steward writes to no cluster and no key of any account"),
	})
	h.on(f, "Calls", fields(events.SecretsEncryptionCalls))
	h.on(f, "Keys", fields(events.KMSCalls))
	h.on(f, "Findings", ours(events.EncryptionFindings))
	return f
}

// grantWriting lets a function take on a writer role of each account that is
// watched, and read the switch that forbids it. It is nothing where nothing is
// written.
func (h *hub) grantWriting(writes bool, role string) []awsiam.PolicyStatement {
	if !writes {
		return nil
	}
	var accounts []string
	for _, t := range h.props.Targets {
		accounts = append(accounts, t.Account)
	}
	return []awsiam.PolicyStatement{
		allow([]*string{jsii.String(arn("ssm", "parameter"+killSwitch))}, "ssm:GetParameter"),
		h.grantInMembers(role, accounts),
	}
}
