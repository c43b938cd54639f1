package deployed

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// A Beat says at which moments a test fires schedules. No two are one.
type Beat struct{ last time.Time }

// Next is a minute ago, or right after the moment before where that is later. However
// long a test takes, its ticks stay as young: the functions drop a tick that the next one
// of its schedule has come after. They are a little old because what a tick plans for in
// an hour has to be planned for by an hour from now.
func (b *Beat) Next() time.Time {
	b.last = b.last.Add(time.Second)
	if at := time.Now().Add(-time.Minute).Truncate(time.Second); at.After(b.last) {
		b.last = at
	}
	return b.last
}

// Fire sends what a schedule of the template sends, with the role it names, as
// EventBridge Scheduler does at that moment. The schedules themselves are not in
// the emulator, which does not create any.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
func (d *Deployment) Fire(ctx context.Context, name string, at time.Time) error {
	resource, ok := d.Hub.Resources[name]
	if !ok {
		return fmt.Errorf("the template has no schedule %s", name)
	}
	var schedule struct {
		Target struct {
			Arn, RoleArn reference
			Input        string
		}
	}
	if err := json.Unmarshal(resource.Properties, &schedule); err != nil {
		return fmt.Errorf("schedule %s: %w", name, err)
	}
	message := strings.NewReplacer(
		"<aws.scheduler.scheduled-time>", at.UTC().Format(time.RFC3339),
		"<aws.scheduler.execution-id>", fmt.Sprintf("%s-%d", name, at.Unix()),
	).Replace(schedule.Target.Input)
	as, err := d.As(ctx, "arn:aws:iam::"+Account+":role/"+d.Hub.ID(schedule.Target.RoleArn.target()))
	if err != nil {
		return err
	}
	queue := d.Hub.ID(schedule.Target.Arn.target())
	if _, err := sqs.NewFromConfig(as).SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &message}); err != nil {
		return fmt.Errorf("fire %s: %w", name, err)
	}
	return nil
}
