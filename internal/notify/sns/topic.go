package sns

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/notify"
)

// Client is the one call that a Topic makes.
type Client interface {
	Publish(ctx context.Context, in *sns.PublishInput, options ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// Topic is one SNS topic. It satisfies notify.Channel.
type Topic struct {
	client Client
	arn    string
}

var _ notify.Channel = (*Topic)(nil)

// New returns the topic of that ARN.
func New(client Client, arn string) *Topic { return &Topic{client: client, arn: arn} }

// Post publishes a message, which nobody can change any more.
func (t *Topic) Post(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	r := Render(m)
	return "", t.publish(ctx, &sns.PublishInput{Subject: &r.Subject, Message: &r.Body, MessageAttributes: wire(r.Attributes)})
}

// publish makes the call. The SDK has retried what may pass; what is left is
// refused when it is the caller's fault (4xx), and otherwise down.
func (t *Topic) publish(ctx context.Context, in *sns.PublishInput) error {
	in.TopicArn = &t.arn
	_, err := t.client.Publish(ctx, in)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("publish to %s: %w", t.arn, err)
	var (
		throttled *types.ThrottledException
		answer    *awshttp.ResponseError
	)
	if !errors.As(err, &throttled) && errors.As(err, &answer) && answer.HTTPStatusCode()/100 == 4 && answer.HTTPStatusCode() != http.StatusTooManyRequests {
		return &notify.Refused{Reason: err.Error()}
	}
	return &notify.Down{Err: err}
}

// Alarm tells of critical findings while the ledger is down, in one digest for
// the hour of bucket. Without a critical finding it tells nothing.
func (t *Topic) Alarm(ctx context.Context, critical []fleet.Finding, bucket time.Time, cause error) error {
	m := notify.Emergency(critical, bucket, cause.Error())
	if len(m.Notices) == 0 {
		return nil
	}
	_, err := t.Post(ctx, m)
	return err
}

func wire(attrs map[string][]string) map[string]types.MessageAttributeValue {
	out := make(map[string]types.MessageAttributeValue, len(attrs))
	for name, values := range attrs {
		kind, value := typed(values)
		out[name] = types.MessageAttributeValue{DataType: aws.String(kind), StringValue: aws.String(value)}
	}
	return out
}
