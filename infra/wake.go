package infra

import (
	"encoding/json"
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsscheduler"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/eks-steward/eks-steward/events"
)

// on wakes the function by events of our own bus. Those that EventBridge cannot
// hand over go to the dead-letter queue too.
func (h *hub) on(f *function, id string, pattern map[string]any) {
	rule := awsevents.NewCfnRule(f.scope, jsii.String(id), &awsevents.CfnRuleProps{
		EventBusName: h.bus.EventBusName(),
		EventPattern: pattern,
		Targets: []any{&awsevents.CfnRule_TargetProperty{
			Id: jsii.String(f.name), Arn: f.queue.QueueArn(),
			DeadLetterConfig: &awsevents.CfnRule_DeadLetterConfigProperty{Arn: f.deadLetter.QueueArn()},
		}},
	})
	f.rules = append(f.rules, ruleName(rule))
	for _, queue := range []awssqs.Queue{f.queue, f.deadLetter} {
		queue.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("events.amazonaws.com"), nil)},
			Actions:    jsii.Strings("sqs:SendMessage"),
			Resources:  &[]*string{queue.QueueArn()},
			Conditions: fromSource(rule.AttrArn()),
		}))
	}
}

// ruleName takes the name out of the ARN: the Ref of a rule on a bus of its own
// is bus|name.
func ruleName(rule awsevents.CfnRule) *string {
	return awscdk.Fn_Select(jsii.Number(2), awscdk.Fn_Split(jsii.String("/"), rule.AttrArn(), nil))
}

// fromSource holds a service to one resource of this account, so that it cannot
// be talked into acting for somebody else's.
func fromSource(sourceARN *string) *map[string]any {
	return &map[string]any{
		"ArnEquals":    map[string]any{"aws:SourceArn": sourceARN},
		"StringEquals": map[string]any{"aws:SourceAccount": awscdk.Aws_ACCOUNT_ID()},
	}
}

// fields are a pattern as CloudFormation takes it: an object to which a rule may
// add its own account.
func fields(p events.Pattern) map[string]any {
	var out map[string]any
	text, err := json.Marshal(p)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		panic(fmt.Errorf("pattern %+v: %w", p, err)) // strings and booleans always marshal
	}
	return out
}

// every wakes the function by a schedule with the same message each time.
func (h *hub) every(f *function, id, expression, message string) {
	target := &awsscheduler.CfnSchedule_TargetProperty{
		Arn: f.queue.QueueArn(), RoleArn: h.schedulerRole(f).RoleArn(), Input: jsii.String(message),
		// The next beat does what this one would have done: five minutes of
		// trying, where Scheduler would otherwise take a day.
		RetryPolicy: &awsscheduler.CfnSchedule_RetryPolicyProperty{MaximumEventAgeInSeconds: jsii.Number(300), MaximumRetryAttempts: jsii.Number(10)},
		DeadLetterConfig: &awsscheduler.CfnSchedule_DeadLetterConfigProperty{
			Arn: f.deadLetter.QueueArn(),
		},
	}
	awsscheduler.NewCfnSchedule(f.scope, jsii.String(id), &awsscheduler.CfnScheduleProps{
		GroupName:                  h.group.Ref(),
		ScheduleExpression:         jsii.String(expression),
		ScheduleExpressionTimezone: jsii.String(h.props.Schedules.TimeZone),
		FlexibleTimeWindow:         &awsscheduler.CfnSchedule_FlexibleTimeWindowProperty{Mode: jsii.String("OFF")},
		Target:                     target,
	})
}

// schedulerRole sends to the function's queues, for schedules of our group only:
// Scheduler's condition is on the group, not on the schedule.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
func (h *hub) schedulerRole(f *function) awsiam.IRole {
	const id = "SchedulerRole"
	if made, ok := f.scope.Node().TryFindChild(jsii.String(id)).(awsiam.Role); ok {
		return made
	}
	return awsiam.NewRole(f.scope, jsii.String(id), &awsiam.RoleProps{
		Description: jsii.String("Of the schedules that wake the function " + f.name + " of eks-steward"),
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("scheduler.amazonaws.com"), &awsiam.ServicePrincipalOpts{
			Conditions: fromSource(jsii.String(arn("scheduler", "schedule-group/"+scheduleGroup))),
		}),
		InlinePolicies: &map[string]awsiam.PolicyDocument{
			"send": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &[]awsiam.PolicyStatement{
				allow([]*string{f.queue.QueueArn(), f.deadLetter.QueueArn()}, "sqs:SendMessage"),
			}}),
		},
	})
}
