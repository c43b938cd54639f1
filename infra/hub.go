package infra

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsscheduler"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// busName is fixed, so that a member stack can name the hub's bus knowing only
// account and region.
const busName = "eks-steward"

// scheduleGroup holds the schedules; the roles that they send as trust it.
const scheduleGroup = "eks-steward"

// hub is what the functions share.
type hub struct {
	scope         constructs.Construct
	props         Props
	ledger        awsdynamodb.Table
	bus           awsevents.EventBus
	findings      awssns.Topic // for people
	machines      awssns.Topic // the same for programs
	alarms        awssns.Topic
	configuration configuration
	group         awsscheduler.CfnScheduleGroup
	functions     []*function // in the order they were added
	dashboardName string
}

func newHub(scope constructs.Construct, props Props) *hub {
	h := &hub{scope: scope, props: props, dashboardName: "eks-steward"}
	h.ledger = newLedger(scope, h.dataRemoval(), !props.RemoveData)
	h.bus = newBus(scope, props)
	key := newTopicKey(scope)
	h.findings = newTopic(scope, "Findings", key, props.Recipients.Findings)
	h.machines = newTopic(scope, "Machines", key, nil)
	h.alarms = newTopic(scope, "Alarms", key, props.Recipients.Alarms)
	h.alarms.AddToResourcePolicy(fromAlarms(h.alarms.TopicArn(), "sns:Publish"))
	h.configuration = newConfiguration(scope, props, h.dataRemoval())
	h.group = awsscheduler.NewCfnScheduleGroup(scope, jsii.String("Schedules"), &awsscheduler.CfnScheduleGroupProps{Name: jsii.String(scheduleGroup)})
	return h
}

// dataRemoval is what the removal of the stack does to what only eks-steward
// knows.
func (h *hub) dataRemoval() awscdk.RemovalPolicy {
	if h.props.RemoveData {
		return awscdk.RemovalPolicy_DESTROY
	}
	return awscdk.RemovalPolicy_RETAIN
}

// newLedger makes the table that internal/ledger/dynamo describes. DynamoDB
// encrypts it with a key that AWS owns, which needs no policy.
func newLedger(scope constructs.Construct, removal awscdk.RemovalPolicy, protect bool) awsdynamodb.Table {
	attribute := func(name string, t awsdynamodb.AttributeType) *awsdynamodb.Attribute {
		return &awsdynamodb.Attribute{Name: jsii.String(name), Type: t}
	}
	table := awsdynamodb.NewTable(scope, jsii.String("Ledger"), &awsdynamodb.TableProps{
		PartitionKey:        attribute("pk", awsdynamodb.AttributeType_STRING),
		SortKey:             attribute("sk", awsdynamodb.AttributeType_STRING),
		TimeToLiveAttribute: jsii.String("expires"),
		BillingMode:         awsdynamodb.BillingMode_PAY_PER_REQUEST,
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
		DeletionProtection: jsii.Bool(protect),
		RemovalPolicy:      removal,
	})
	table.AddGlobalSecondaryIndex(&awsdynamodb.GlobalSecondaryIndexProps{
		IndexName:      jsii.String(dueIndex),
		PartitionKey:   attribute("queue", awsdynamodb.AttributeType_STRING),
		SortKey:        attribute("due", awsdynamodb.AttributeType_NUMBER),
		ProjectionType: awsdynamodb.ProjectionType_ALL,
	})
	return table
}

// dueIndex holds the records of the ledger that wait for their time.
const dueIndex = "due"

// newBus makes our own bus with its archive, and opens it to the members.
// EventBridge encrypts both with a key that AWS owns.
func newBus(scope constructs.Construct, props Props) awsevents.EventBus {
	bus := awsevents.NewEventBus(scope, jsii.String("Bus"), &awsevents.EventBusProps{
		EventBusName: jsii.String(busName),
		Description:  jsii.String("What CloudTrail saw in the watched accounts, and the findings of eks-steward"),
	})
	awsevents.NewCfnArchive(scope, jsii.String("Archive"), &awsevents.CfnArchiveProps{
		SourceArn:     bus.EventBusArn(),
		RetentionDays: jsii.Number(props.RetentionDays),
	})
	for i, statement := range senders(bus, props) {
		awsevents.NewCfnEventBusPolicy(scope, jsii.String(fmt.Sprintf("Senders%d", i)), &awsevents.CfnEventBusPolicyProps{
			EventBusName: bus.EventBusName(),
			StatementId:  jsii.String(fmt.Sprintf("eks-steward-members-%d", i)),
			Statement:    statement,
		})
	}
	return bus
}

// senders lets the other accounts put events on the bus: all of the
// organisation, or else those of the targets. The hub's own account needs no
// leave. What they can do with it is to have a cluster looked at; the rule that
// wakes notify takes events of the hub's account only.
func senders(bus awsevents.EventBus, props Props) []map[string]any {
	statement := map[string]any{
		"Effect":   "Allow",
		"Action":   "events:PutEvents",
		"Resource": bus.EventBusArn(),
	}
	if props.OrganizationID != "" {
		statement["Principal"] = "*"
		statement["Condition"] = map[string]any{"StringEquals": map[string]any{"aws:PrincipalOrgID": props.OrganizationID}}
		return []map[string]any{statement}
	}
	var accounts []any
	for _, t := range props.Targets {
		if t.Account != props.Hub.Account {
			accounts = append(accounts, t.Account)
		}
	}
	if accounts == nil {
		return nil
	}
	statement["Principal"] = map[string]any{"AWS": accounts}
	return []map[string]any{statement}
}

// newTopicKey encrypts the topics. The key that AWS offers for SNS would keep
// alarms out, since its policy cannot be extended. Ours says the same as that
// one, that who may use a topic of this account may use its key, so no role
// holds an action of KMS; and it lets CloudWatch in.
func newTopicKey(scope constructs.Construct) awskms.Key {
	key := awskms.NewKey(scope, jsii.String("TopicKey"), &awskms.KeyProps{
		Description:       jsii.String("Encrypts the topics of eks-steward"),
		EnableKeyRotation: jsii.Bool(true),
		RemovalPolicy:     awscdk.RemovalPolicy_DESTROY, // messages in a topic do not outlive it
	})
	viaSNS := fmt.Sprintf("sns.%s.%s", *awscdk.Aws_REGION(), *awscdk.Aws_URL_SUFFIX())
	key.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Principals: &[]awsiam.IPrincipal{awsiam.NewAnyPrincipal()},
		Actions:    jsii.Strings("kms:Decrypt", "kms:GenerateDataKey*"),
		Resources:  jsii.Strings("*"), // in the policy of a key: this key
		Conditions: &map[string]any{"StringEquals": map[string]any{
			"kms:CallerAccount": awscdk.Aws_ACCOUNT_ID(),
			"kms:ViaService":    viaSNS,
		}},
	}), nil)
	key.AddToResourcePolicy(fromAlarms(jsii.String("*"), "kms:Decrypt", "kms:GenerateDataKey*"), nil)
	return key
}

// fromAlarms lets the alarms of this account and region do something.
func fromAlarms(resource *string, actions ...string) awsiam.PolicyStatement {
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("cloudwatch.amazonaws.com"), nil)},
		Actions:    jsii.Strings(actions...),
		Resources:  &[]*string{resource},
		Conditions: &map[string]any{
			"StringEquals": map[string]any{"aws:SourceAccount": awscdk.Aws_ACCOUNT_ID()},
			"ArnLike":      map[string]any{"aws:SourceArn": arn("cloudwatch", "alarm:*")},
		},
	})
}

func newTopic(scope constructs.Construct, id string, key awskms.Key, recipients []string) awssns.Topic {
	topic := awssns.NewTopic(scope, jsii.String(id), &awssns.TopicProps{
		DisplayName: jsii.String("eks-steward"),
		MasterKey:   key,
		EnforceSSL:  jsii.Bool(true),
	})
	for i, address := range recipients {
		awssns.NewCfnSubscription(topic, jsii.String(fmt.Sprintf("Recipient%d", i)), &awssns.CfnSubscriptionProps{
			TopicArn: topic.TopicArn(), Protocol: jsii.String("email"), Endpoint: jsii.String(address),
		})
	}
	return topic
}

// output prints a value at the end of a deployment.
func output(h *hub, id, description, value string) {
	awscdk.NewCfnOutput(h.scope, jsii.String(id), &awscdk.CfnOutputProps{
		Value: jsii.String(value), Description: jsii.String(description),
	}).OverrideLogicalId(jsii.String(id))
}

// arn names a resource of this account, region and partition.
func arn(service, resource string) string {
	return fmt.Sprintf("arn:%s:%s:%s:%s:%s", *awscdk.Aws_PARTITION(), service, *awscdk.Aws_REGION(), *awscdk.Aws_ACCOUNT_ID(), resource)
}

// iamARN names a resource of IAM, which knows no regions.
func iamARN(account, resource string) string {
	return fmt.Sprintf("arn:%s:iam::%s:%s", *awscdk.Aws_PARTITION(), account, resource)
}
