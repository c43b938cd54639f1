// Command clustercheck is the Lambda function that holds every cluster to every
// check. This file only wires; what the function does is in package handler.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/eks-steward/eks-steward/functions/clustercheck/handler"
	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/snapshot"
	"github.com/eks-steward/eks-steward/internal/bus"
	"github.com/eks-steward/eks-steward/internal/clustercheck"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/dynamo"
	"github.com/eks-steward/eks-steward/internal/notify/sns"
	"github.com/eks-steward/eks-steward/internal/outage"
	"github.com/eks-steward/eks-steward/internal/outbox"
	"github.com/eks-steward/eks-steward/internal/queue"
	"github.com/eks-steward/eks-steward/internal/worker"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "clustercheck:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	env, err := config.LoadEnv[config.ClusterCheckEnv](os.LookupEnv)
	if err != nil {
		return err
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("load the AWS configuration: %w", err)
	}
	records := ledger.New(dynamo.New(dynamodb.NewFromConfig(cfg), env.Table), time.Now)
	source := snapshot.New(awsfleet.New(cfg), time.Now)
	h := &handler.Handler{
		Open:      func(t fleet.Target) clustercheck.Survey { return source.Survey(t) },
		Ledger:    records,
		Leases:    records,
		FollowUps: records,
		Outbox:    outbox.Outbox{Ledger: records, Bus: bus.New(eventbridge.NewFromConfig(cfg), env.Bus)},
		Queue:     queue.New(sqs.NewFromConfig(cfg), env.Queue),
		Outage:    outage.Watch{Alarm: sns.New(awssns.NewFromConfig(cfg), env.Topic).Alarm},
		Now:       time.Now,
	}
	worker.Start("clustercheck", worker.Each(h.Handle))
	return nil
}
