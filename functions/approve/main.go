// Command approve is the Lambda function that hears who approves of a plan, and
// what people want of rollouts. This file only wires; what the function does is in
// package handler.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/eks-steward/eks-steward/functions/approve/handler"
	"github.com/eks-steward/eks-steward/internal/approval"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/dynamo"
	"github.com/eks-steward/eks-steward/internal/notify/slack"
	"github.com/eks-steward/eks-steward/internal/queue"
	"github.com/eks-steward/eks-steward/internal/rollout"
	"github.com/eks-steward/eks-steward/internal/secret"
	"github.com/eks-steward/eks-steward/internal/secretsencryption"
	"github.com/eks-steward/eks-steward/internal/worker"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "approve:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	env, err := config.LoadEnv[config.ApproveEnv](os.LookupEnv)
	if err != nil {
		return err
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("load the AWS configuration: %w", err)
	}
	queues := sqs.NewFromConfig(cfg)
	log := worker.NewLog(os.Stdout)
	orders := map[string]handler.Queue{secretsencryption.Check: queue.New(queues, env.SecretsEncryptionQueue)}
	if env.NodegroupRolloutQueue != "" {
		orders[rollout.Check] = queue.New(queues, env.NodegroupRolloutQueue)
	}
	h := &handler.Handler{
		Ledger: ledger.New(dynamo.New(dynamodb.NewFromConfig(cfg), env.Table), time.Now),
		Orders: orders,
		Own:    queue.New(queues, env.Queue),
		Self:   identity(sts.NewFromConfig(cfg)),
		Now:    time.Now,
		Log:    log,
	}
	if env.SlackSigningSecret != "" {
		h.Signing = secret.NewGuarded(secretsmanager.NewFromConfig(cfg), env.SlackSigningSecret, time.Now)
		h.Allowed = approval.Allowed{Team: env.SlackTeam, Users: strings.Split(env.SlackUsers, ",")}
		h.Slack = slack.NewReplier()
	}
	h.Batch = worker.Worker{
		Function: "approve", Handle: worker.Each(h.Handle), Decode: handler.Decode, Now: time.Now,
		Log: log, Metrics: os.Stdout, Margin: 5 * time.Second,
	}.Batch
	lambda.Start(h.Serve)
	return nil
}

// identity is what SQS says of the function as a sender: the id of its role and
// the name of the session that Lambda gave it. It stays the same while the
// process lives, and needs no permission to be asked.
func identity(client *sts.Client) func(context.Context) (string, error) {
	var known string
	return func(ctx context.Context) (string, error) {
		if known != "" {
			return known, nil
		}
		out, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return "", err
		}
		known = aws.ToString(out.UserId)
		return known, nil
	}
}
