package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/spf13/cobra"

	"github.com/eks-steward/eks-steward/internal/approval"
	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/queue"
)

// consent is one run of steward approve.
type consent struct {
	connection
	queueURL string
}

func approveCommand() *cobra.Command {
	var c consent
	cmd := &cobra.Command{
		Use:   "approve <plan>",
		Short: "Approve a plan that a message names",
		Long: `approve sends your approval of a plan to the deployment, in the account and
region of the current AWS profile. AWS vouches for who you are: you need
sqs:SendMessage and sqs:GetQueueUrl on the queue ` + approval.QueueName + `.

The plan is carried out only if nothing has changed since it was made. What it
does may not be possible to take back: read the message that names it first.`,
		Example: `  steward approve 3f5c9e0a71bd
  steward approve 3f5c9e0a71bd --profile platform --region eu-west-1`,
		Args: one("the plan"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), cmd.OutOrStdout(), args[0]) },
	}
	c.addressed(cmd)
	return cmd
}

// addressed has a command find the queue of the deployment.
func (c *consent) addressed(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.profile, "profile", "", "AWS profile (default: AWS_PROFILE, else default)")
	f.StringSliceVar(&c.regions, "region", nil, "region of the deployment (default: the profile's)")
	f.StringVar(&c.queueURL, "queue-url", "", "queue of the deployment, where it is not found by its name")
}

func (c consent) run(ctx context.Context, w io.Writer, plan string) error {
	if err := c.validate(); err != nil {
		return err
	}
	message, err := approval.Word{Plan: strings.ToLower(plan)}.Message()
	if err != nil {
		return err
	}
	if err := c.send(ctx, message); err != nil {
		return err
	}
	fmt.Fprintf(w, `Your approval of plan %s was sent.

What happens next: the deployment reads again what the plan is for. If nothing has
changed the plan is carried out, and a message says so and who approved. If no
message comes within a few minutes the approval was refused, and the log group of
the function approve says why: the plan is not known there, is void or too old, or
was approved before.
`, strings.ToLower(plan))
	return nil
}

// send puts a message into the queue of the deployment.
func (c consent) send(ctx context.Context, message []byte) error {
	cfg, err := c.open(ctx)
	if err != nil {
		return err
	}
	if _, err := c.own(cfg); err != nil {
		return err
	}
	client := sqs.NewFromConfig(cfg)
	address, err := c.queue(ctx, client)
	if err != nil {
		return &exitError{exitIncomplete, err}
	}
	if err := queue.New(client, address).Send(ctx, message); err != nil {
		return &exitError{exitIncomplete, err}
	}
	return nil
}

func (c consent) validate() error {
	if len(c.regions) > 1 {
		return errors.New("--region: want the one of the deployment")
	}
	if u, err := url.Parse(c.queueURL); c.queueURL != "" && (err != nil || u.Host == "" || u.Path == "") {
		return errors.New("--queue-url: want the URL of an SQS queue, such as https://sqs.eu-west-1.amazonaws.com/111122223333/" + approval.QueueName)
	}
	return c.connection.validate()
}

// queue is the URL of the deployment's queue for approvals.
func (c consent) queue(ctx context.Context, client *sqs.Client) (string, error) {
	if c.queueURL != "" {
		return c.queueURL, nil
	}
	out, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(approval.QueueName)})
	if gone := (*types.QueueDoesNotExist)(nil); errors.As(err, &gone) {
		return "", fmt.Errorf("there is no queue %s here: choose the account and region of the deployment, which has one if its maxMode allows more than report", approval.QueueName)
	}
	if err != nil {
		t := refusal.Of("sqs:GetQueueUrl", err)
		if errors.Is(t, fleet.Denied) {
			return "", fmt.Errorf("find the queue %s: %w: attach the policy that the deployment's output shows, or give --queue-url", approval.QueueName, t)
		}
		return "", fmt.Errorf("find the queue %s: %w", approval.QueueName, t)
	}
	return aws.ToString(out.QueueUrl), nil
}
