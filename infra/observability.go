package infra

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/jsii-runtime-go"
)

// What the functions publish: package worker names them, and a test holds these
// names against it.
const (
	metricNamespace = "EKSSteward"
	metricFunction  = "Function"
	metricSucceeded = "Succeeded"
	metricFailed    = "Failed"
)

// watch adds the two alarms that a function has. One that only people wake may
// stand still for months: nothing follows from its silence.
func (h *hub) watch(f *function) {
	h.alarm(f, "DeadLettersAlarm", &awscloudwatch.CfnAlarmProps{
		AlarmDescription: jsii.String(fmt.Sprintf("Messages to %s were given up: see the dead-letter queue, docs/runbooks/%s.md", f.name, f.name)),
		Namespace:        jsii.String("AWS/SQS"), MetricName: jsii.String("ApproximateNumberOfMessagesVisible"),
		Dimensions: dimension("QueueName", f.deadLetter.QueueName()),
		Statistic:  jsii.String("Maximum"), Period: jsii.Number(300), EvaluationPeriods: jsii.Number(1),
		ComparisonOperator: jsii.String("GreaterThanThreshold"), Threshold: jsii.Number(0),
		TreatMissingData: jsii.String("notBreaching"), // SQS says nothing of a queue that is never used
	})
	if f.heartbeat == 0 {
		return
	}
	h.alarm(f, "DeadManAlarm", &awscloudwatch.CfnAlarmProps{
		AlarmDescription: jsii.String(fmt.Sprintf("%s has had no successful run in two intervals of %s: nobody is watching, docs/runbooks/%s.md", f.name, plainly(f.heartbeat), f.name)),
		Metrics:          f.beats(), EvaluationPeriods: jsii.Number(2),
		ComparisonOperator: jsii.String("LessThanThreshold"), Threshold: jsii.Number(1),
		TreatMissingData: jsii.String("breaching"), // of a function that has never run there is nothing to fill
	})
}

// beats counts the successes of each interval, with a zero where nothing was heard.
// A period without data would not do: CloudWatch looks for older data before it takes
// one for silence, and so would wait for two or three intervals more. A zero may also
// stand for what comes late, but not two in a row.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
func (f *function) beats() []any {
	return []any{
		&awscloudwatch.CfnAlarm_MetricDataQueryProperty{
			Id: jsii.String("succeeded"), ReturnData: jsii.Bool(false),
			MetricStat: &awscloudwatch.CfnAlarm_MetricStatProperty{
				Metric: &awscloudwatch.CfnAlarm_MetricProperty{
					Namespace: jsii.String(metricNamespace), MetricName: jsii.String(metricSucceeded), Dimensions: dimension(metricFunction, jsii.String(f.name)),
				},
				Stat: jsii.String("Sum"), Period: jsii.Number(f.heartbeat.Seconds()),
			},
		},
		&awscloudwatch.CfnAlarm_MetricDataQueryProperty{Id: jsii.String("beats"), Expression: jsii.String("FILL(succeeded, 0)"), ReturnData: jsii.Bool(true)},
	}
}

func (h *hub) alarm(f *function, id string, props *awscloudwatch.CfnAlarmProps) {
	topic := []any{h.alarms.TopicArn()}
	props.AlarmActions, props.OkActions = &topic, &topic
	awscloudwatch.NewCfnAlarm(f.scope, jsii.String(id), props)
}

func dimension(name string, value *string) []any {
	return []any{&awscloudwatch.CfnAlarm_DimensionProperty{Name: jsii.String(name), Value: value}}
}

func plainly(d time.Duration) string {
	if d > time.Hour {
		return fmt.Sprintf("%.0f hours", math.Round(d.Hours()))
	}
	return fmt.Sprintf("%.0f minutes", math.Round(d.Minutes()))
}

// dashboardURL opens the dashboard in the console of the partition; empty when
// the stack is not bound to a region, so that messages carry no broken link.
func (h *hub) dashboardURL() string {
	region := awscdk.Stack_Of(h.scope).Region()
	if *awscdk.Token_IsUnresolved(region) {
		return ""
	}
	domain := "console.aws.amazon.com"
	switch {
	case strings.HasPrefix(*region, "cn-"):
		domain = "console.amazonaws.cn"
	case strings.HasPrefix(*region, "us-gov-"):
		domain = "console.amazonaws-us-gov.com"
	}
	return fmt.Sprintf("https://%s.%s/cloudwatch/home?region=%s#dashboards/dashboard/%s", *region, domain, *region, h.dashboardName)
}
