// Command nodegrouprollout is the Lambda function that plans rollouts of new nodes
// and carries them out. This file only wires; what the function does is in package
// handler.
package main

import (
	"context"
	"fmt"
	"os"
	"time"
	_ "time/tzdata" // windows and freezes name time zones; provided.al2023 has none

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/eks-steward/eks-steward/functions/nodegrouprollout/handler"
	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/nodegroup"
	"github.com/eks-steward/eks-steward/internal/bus"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/killswitch"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/dynamo"
	"github.com/eks-steward/eks-steward/internal/outbox"
	"github.com/eks-steward/eks-steward/internal/queue"
	"github.com/eks-steward/eks-steward/internal/worker"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "nodegrouprollout:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	env, err := config.LoadEnv[config.NodegroupRolloutEnv](os.LookupEnv)
	if err != nil {
		return err
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("load the AWS configuration: %w", err)
	}
	records := ledger.New(dynamo.New(dynamodb.NewFromConfig(cfg), env.Table), time.Now)
	watched := awsfleet.New(cfg)
	announcements := bus.New(eventbridge.NewFromConfig(cfg), env.Bus)
	h := &handler.Handler{
		Surveyor: nodegroup.NewReader(watched, time.Now), Writer: nodegroup.NewWriter(watched, config.RolloutWriter),
		Switch:   killswitch.New(ssm.NewFromConfig(cfg), env.KillSwitch),
		Rollouts: records, Intents: records, Ledger: records, Approvals: records, Leases: records, FollowUps: records,
		Outbox: outbox.Outbox{Ledger: records, Bus: announcements}, Bus: announcements,
		Queue: queue.New(sqs.NewFromConfig(cfg), env.Queue),
		Hub:   config.Hub(env.Bus), MaxMode: env.MaxMode, Now: time.Now,
	}
	worker.Start("nodegrouprollout", worker.Each(h.Handle))
	return nil
}
