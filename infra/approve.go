package infra

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"

	"github.com/eks-steward/eks-steward/internal/config"
)

// approvalsQueue is the name of the queue that people send approvals to: fixed, and
// known to package approval, so that the command line finds it.
const approvalsQueue = "eks-steward-approvals"

// newApprove adds the function that hears who allows a plan, and what people want
// of a rollout: on the command line by a message that IAM lets people send, and
// where the deployment asks for it by a button in Slack.
func newApprove(h *hub, wakes queues) *function {
	environment := config.ApproveEnv{Table: *h.ledger.TableName(), SecretsEncryptionQueue: *wakes.secretsEncryption.QueueUrl()}
	if wakes.nodegroupRollout != nil {
		environment.NodegroupRolloutQueue = *wakes.nodegroupRollout.QueueUrl()
	}
	grants := []awsiam.PolicyStatement{
		h.grantRecords(), h.grantLists(),
		grantSending(wakes.carriesOut()...),
	}
	slack := h.approvalsBySlack()
	if slack != nil {
		environment.SlackSigningSecret = slack.SigningSecretName
		environment.SlackTeam, environment.SlackUsers = slack.Team, strings.Join(slack.Users, ",")
		grants = append(grants, grantSecret(slack.SigningSecretName))
	}
	f := h.add("Approve", functionProps{
		name:        "approve",
		description: "Hears who allows a plan or steers a rollout, and wakes the function that carries it out",
		timeout:     30 * time.Second,
		batch:       1,
		concurrency: 2,
		goesOn:      slack != nil, // Slack waits three seconds: what takes longer comes back by the queue
		queueName:   approvalsQueue,
		environment: []any{environment},
		grants:      grants,
	})
	f.tell(config.ApproveEnv{Queue: *f.queue.QueueUrl()})
	output(h, "ApprovalsPolicy", "Attach this statement to those who may approve plans by steward approve, and steer rollouts by steward rollout",
		fmt.Sprintf(`{"Effect": "Allow", "Action": ["sqs:GetQueueUrl", "sqs:SendMessage"], "Resource": "%s"}`, *f.queue.QueueArn()))
	if slack != nil {
		output(h, "ApprovalsURL", "The Request URL for Interactivity of the Slack app", *openURL(f))
	}
	return f
}

func (h *hub) approvalsBySlack() *SlackApprovals {
	if h.props.Slack == nil {
		return nil
	}
	return h.props.Slack.Approvals
}

// openURL gives a function an address that anybody can call. Slack cannot sign as
// AWS does: the function takes nothing that Slack's own signature is not on.
func openURL(f *function) *string {
	url := awslambda.NewCfnUrl(f.scope, jsii.String("URL"), &awslambda.CfnUrlProps{
		TargetFunctionArn: f.lambda.FunctionArn(),
		AuthType:          jsii.String(authNone),
	})
	// Lambda asks for both since October 2025.
	// https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
	awslambda.NewCfnPermission(f.scope, jsii.String("CallURL"), &awslambda.CfnPermissionProps{
		FunctionName: f.lambda.FunctionArn(), Principal: jsii.String("*"),
		Action: jsii.String("lambda:InvokeFunctionUrl"), FunctionUrlAuthType: jsii.String(authNone),
	})
	awslambda.NewCfnPermission(f.scope, jsii.String("InvokeByURL"), &awslambda.CfnPermissionProps{
		FunctionName: f.lambda.FunctionArn(), Principal: jsii.String("*"),
		Action: jsii.String("lambda:InvokeFunction"), InvokedViaFunctionUrl: jsii.Bool(true),
	})
	return url.AttrFunctionUrl()
}

// authNone is an address without a check by IAM.
const authNone = "NONE"
