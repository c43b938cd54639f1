// Command etcdsize is the Lambda function that looks how full etcd is. This file
// only wires; what the function does is in package handler.
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

	"github.com/eks-steward/eks-steward/functions/etcdsize/handler"
	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/bus"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/dynamo"
	"github.com/eks-steward/eks-steward/internal/notify/sns"
	"github.com/eks-steward/eks-steward/internal/outage"
	"github.com/eks-steward/eks-steward/internal/outbox"
	"github.com/eks-steward/eks-steward/internal/worker"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "etcdsize:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	env, err := config.LoadEnv[config.EtcdSizeEnv](os.LookupEnv)
	if err != nil {
		return err
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("load the AWS configuration: %w", err)
	}
	records := ledger.New(dynamo.New(dynamodb.NewFromConfig(cfg), env.Table), time.Now)
	h := &handler.Handler{
		Source: awsfleet.New(cfg),
		Ledger: records,
		Leases: records,
		Outbox: outbox.Outbox{Ledger: records, Bus: bus.New(eventbridge.NewFromConfig(cfg), env.Bus)},
		Outage: outage.Watch{Alarm: sns.New(awssns.NewFromConfig(cfg), env.Topic).Alarm},
		Now:    time.Now,
	}
	worker.Start("etcdsize", worker.Each(h.Handle))
	return nil
}
