package nodegroup

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// maxAlarms is how many alarms one call may name and how many a page may hold
// (CloudWatch API reference, DescribeAlarms).
const maxAlarms = 100

// Alarms reads alarms by their names, sorted; untried without names. One that does
// not exist is missing. CloudWatch tells of composite alarms only a caller who may
// describe every alarm (CloudWatch API reference, DescribeAlarms).
func (r *Reader) Alarms(ctx context.Context, t fleet.Target, names []string) fleet.Part[[]fleet.Alarm] {
	if len(names) == 0 {
		return fleet.Part[[]fleet.Alarm]{}
	}
	client := cloudwatch.NewFromConfig(r.fleet.Config(t))
	var found []fleet.Alarm
	for some := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(names))), maxAlarms) {
		alarms, err := alarms(ctx, client, some)
		found = append(found, alarms...)
		if err != nil {
			return fleet.Read(found, err, r.now())
		}
	}
	slices.SortFunc(found, func(a, b fleet.Alarm) int { return cmp.Compare(a.Name, b.Name) })
	return fleet.Read(found, nil, r.now())
}

func alarms(ctx context.Context, client *cloudwatch.Client, names []string) ([]fleet.Alarm, error) {
	var found []fleet.Alarm
	note := func(name *string, state types.StateValue, reason *string) {
		found = append(found, fleet.Alarm{Name: aws.ToString(name), State: string(state), Reason: aws.ToString(reason)})
	}
	err := awsfleet.Pages("cloudwatch:DescribeAlarms", func(token *string) (*string, error) {
		out, err := client.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{
			AlarmNames: names, MaxRecords: aws.Int32(maxAlarms), NextToken: token,
			AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm, types.AlarmTypeCompositeAlarm, types.AlarmTypeLogAlarm}, // else metric alarms alone
		})
		if err != nil {
			return nil, err
		}
		for _, a := range out.MetricAlarms {
			note(a.AlarmName, a.StateValue, a.StateReason)
		}
		for _, a := range out.CompositeAlarms {
			note(a.AlarmName, a.StateValue, a.StateReason)
		}
		for _, a := range out.LogAlarms {
			note(a.AlarmName, a.StateValue, a.StateReason)
		}
		return out.NextToken, nil
	})
	return found, err
}

// Calendar reads whether a change calendar, by name or ARN, is open; untried without
// one.
func (r *Reader) Calendar(ctx context.Context, t fleet.Target, name string) fleet.Part[bool] {
	if name == "" {
		return fleet.Part[bool]{}
	}
	out, err := ssm.NewFromConfig(r.fleet.Config(t)).GetCalendarState(ctx, &ssm.GetCalendarStateInput{CalendarNames: []string{name}})
	if err == nil && out.State != ssmtypes.CalendarStateOpen && out.State != ssmtypes.CalendarStateClosed {
		err = fmt.Errorf("the calendar is neither OPEN nor CLOSED but %q", out.State)
	}
	if err != nil {
		return fleet.Read(false, refusal.Of("ssm:GetCalendarState", err), r.now())
	}
	return fleet.Read(out.State == ssmtypes.CalendarStateOpen, nil, r.now())
}
