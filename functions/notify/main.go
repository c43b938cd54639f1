// Command notify is the Lambda function that tells people. This file only wires;
// what the function does is in package handler.
package main

import (
	"context"
	"fmt"
	"os"
	"time"
	_ "time/tzdata" // messages print times in the configured zone, and provided.al2023 has none

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/eks-steward/eks-steward/functions/notify/handler"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/dynamo"
	"github.com/eks-steward/eks-steward/internal/notify"
	"github.com/eks-steward/eks-steward/internal/notify/slack"
	"github.com/eks-steward/eks-steward/internal/notify/sns"
	"github.com/eks-steward/eks-steward/internal/secret"
	"github.com/eks-steward/eks-steward/internal/worker"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "notify:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	env, err := config.LoadEnv[config.NotifyEnv](os.LookupEnv)
	if err != nil {
		return err
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("load the AWS configuration: %w", err)
	}
	publish := awssns.NewFromConfig(cfg)
	h := &handler.Handler{
		Ledger:    ledger.New(dynamo.New(dynamodb.NewFromConfig(cfg), env.Table), time.Now),
		SNS:       sns.New(publish, env.Topic),
		Machines:  sns.NewMachines(publish, env.MachinesTopic),
		Hub:       config.Hub(env.Topic),
		Dashboard: env.Dashboard,
		Now:       time.Now,
		Sleep:     notify.Sleep,
	}
	if env.SlackSecret != "" {
		h.Slack = slack.Access{
			Secret:  secret.New(secretsmanager.NewFromConfig(cfg), env.SlackSecret, time.Now),
			API:     env.SlackAPI,
			Buttons: env.SlackButtons == "on",
		}
	}
	worker.Start("notify", h.Handle)
	return nil
}
