package infra

import (
	"cmp"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/eks-steward/eks-steward/internal/config"
)

// functionProps is what tells one function from another.
type functionProps struct {
	name        string // folder under functions/, and role steward-<name>
	description string
	timeout     time.Duration
	memoryMB    int           // zero is memoryMB
	batch       int           // messages for one invocation at most
	window      time.Duration // how long Lambda waits for a batch to fill; zero hands over at once
	concurrency int           // invocations at a time, at least 2; SQS holds back the rest
	environment []any         // Env structs, with the tags of internal/config
	grants      []awsiam.PolicyStatement
	heartbeat   time.Duration // a run succeeds at least this often, or something is wrong; zero: it may never run
	goesOn      bool          // sends what it has no time left for to its own queue
	queueName   string        // of the queue that people send to; empty: made by CloudFormation
}

// function is a Go function behind its queue.
type function struct {
	scope constructs.Construct
	functionProps
	queue      awssqs.Queue
	deadLetter awssqs.Queue
	lambda     awslambda.Function
	logs       awslogs.CfnLogGroup
	rules      []*string // names of the rules that wake it
}

// queues are those by which functions wake each other.
type queues struct {
	etcdSize, clusterCheck, secretsEncryption, notify awssqs.Queue

	nodegroupRollout awssqs.Queue // nil where no nodes are renewed
}

// carriesOut are the queues of the functions that carry out plans.
func (q queues) carriesOut() []awssqs.Queue {
	if q.nodegroupRollout == nil {
		return []awssqs.Queue{q.secretsEncryption}
	}
	return []awssqs.Queue{q.secretsEncryption, q.nodegroupRollout}
}

// grantSending lets a function send to queues.
func grantSending(to ...awssqs.Queue) awsiam.PolicyStatement {
	var arns []*string
	for _, queue := range to {
		arns = append(arns, queue.QueueArn())
	}
	return allow(arns, "sqs:SendMessage")
}

const (
	// memoryMB buys processor time too. What waits on the network needs little.
	memoryMB = 256
	// maxReceives is what Lambda asks for at least, so that throttled polls do
	// not send messages to the dead-letter queue.
	// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
	maxReceives = 5
	// visibilityFactor times the function's timeout is how long SQS hides a
	// message that was handed over (same page).
	visibilityFactor = 6
)

// add makes the function with everything that is the same for each: its queue
// and dead-letter queue, role, log group, and alarms.
func (h *hub) add(id string, p functionProps) *function {
	f := &function{scope: constructs.NewConstruct(h.scope, jsii.String(id)), functionProps: p}
	f.queues()
	f.logs = awslogs.NewCfnLogGroup(f.scope, jsii.String("Logs"), &awslogs.CfnLogGroupProps{RetentionInDays: jsii.Number(h.props.RetentionDays)})
	f.logs.ApplyRemovalPolicy(awscdk.RemovalPolicy_DESTROY, nil)
	build := &goBuild{function: p.name, arch: goArch(h.props.Architecture)}
	f.lambda = awslambda.NewFunction(f.scope, jsii.String("Function"), &awslambda.FunctionProps{
		Description:  jsii.String(p.description),
		Code:         code(build),
		Runtime:      awslambda.Runtime_PROVIDED_AL2023(),
		Architecture: lambdaArchitecture(h.props.Architecture),
		Handler:      jsii.String("bootstrap"),
		Timeout:      seconds(p.timeout),
		MemorySize:   jsii.Number(cmp.Or(p.memoryMB, memoryMB)),
		Role:         f.role(),
		LogGroup:     awslogs.LogGroup_FromLogGroupName(f.scope, jsii.String("LogGroup"), f.logs.Ref()),
	})
	for _, env := range p.environment {
		f.tell(env)
	}
	if build.failure != nil {
		awscdk.Annotations_Of(f.lambda).AddError(jsii.String(build.failure.Error()))
	}
	awslambda.NewEventSourceMapping(f.scope, jsii.String("Source"), &awslambda.EventSourceMappingProps{
		Target:                  f.lambda,
		EventSourceArn:          f.queue.QueueArn(),
		BatchSize:               jsii.Number(p.batch),
		MaxConcurrency:          jsii.Number(p.concurrency),
		MaxBatchingWindow:       seconds(p.window),
		ReportBatchItemFailures: jsii.Bool(true),
	})
	h.watch(f)
	h.functions = append(h.functions, f)
	return f
}

// tell puts an Env struct, or a part of one, into the function's environment.
func (f *function) tell(env any) {
	for name, value := range config.Environ(env) {
		f.lambda.AddEnvironment(jsii.String(name), jsii.String(value), nil)
	}
}

func (f *function) queues() {
	f.deadLetter = awssqs.NewQueue(f.scope, jsii.String("DeadLetters"), &awssqs.QueueProps{
		Encryption:      awssqs.QueueEncryption_SQS_MANAGED,
		EnforceSSL:      jsii.Bool(true),
		RetentionPeriod: awscdk.Duration_Days(jsii.Number(14)), // the most that SQS offers
	})
	var name *string
	if f.queueName != "" {
		name = jsii.String(f.queueName)
	}
	f.queue = awssqs.NewQueue(f.scope, jsii.String("Queue"), &awssqs.QueueProps{
		QueueName:         name,
		Encryption:        awssqs.QueueEncryption_SQS_MANAGED,
		EnforceSSL:        jsii.Bool(true),
		VisibilityTimeout: seconds(visibilityFactor*f.timeout + f.window),
		DeadLetterQueue:   &awssqs.DeadLetterQueue{Queue: f.deadLetter, MaxReceiveCount: jsii.Number(maxReceives)},
	})
}

// role holds its whole policy inline: a reviewer reads one resource, and the
// function never starts before it may do what it must.
func (f *function) role() awsiam.Role {
	statements := []awsiam.PolicyStatement{
		allow([]*string{f.queue.QueueArn()}, "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
		allow([]*string{f.logs.AttrArn()}, "logs:CreateLogStream", "logs:PutLogEvents"),
	}
	if f.goesOn {
		statements = append(statements, allow([]*string{f.queue.QueueArn()}, "sqs:SendMessage"))
	}
	statements = append(statements, f.grants...)
	return awsiam.NewRole(f.scope, jsii.String("Role"), &awsiam.RoleProps{
		RoleName:    jsii.String(functionRole(f.name)),
		Description: jsii.String("Of the function " + f.name + " of eks-steward"),
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
		InlinePolicies: &map[string]awsiam.PolicyDocument{
			f.name: awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &statements}),
		},
	})
}

// functionRole names a function's role. Member roles trust it by this name.
func functionRole(function string) string { return "steward-" + function }

// allow is one statement of a role's policy.
func allow(resources []*string, actions ...string) awsiam.PolicyStatement {
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{Actions: jsii.Strings(actions...), Resources: &resources})
}

// The three grants below are what a ledger.Store of DynamoDB calls: single
// records, the records of a partition, and those of a queue.

func (h *hub) grantRecords() awsiam.PolicyStatement {
	return allow([]*string{h.ledger.TableArn()}, "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem")
}

func (h *hub) grantLists() awsiam.PolicyStatement {
	return allow([]*string{h.ledger.TableArn()}, "dynamodb:Query")
}

func (h *hub) grantQueues() awsiam.PolicyStatement {
	return allow([]*string{jsii.String(*h.ledger.TableArn() + "/index/" + dueIndex)}, "dynamodb:Query")
}

func seconds(d time.Duration) awscdk.Duration {
	return awscdk.Duration_Seconds(jsii.Number(d.Seconds()))
}
