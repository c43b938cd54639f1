// Command secretsencryption is the Lambda function that puts keys on clusters and
// guards those that are in use. This file only wires; what the function does is
// in package handler.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/eks-steward/eks-steward/functions/secretsencryption/handler"
	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/encryption"
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
		fmt.Fprintln(os.Stderr, "secretsencryption:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	env, err := config.LoadEnv[config.SecretsEncryptionEnv](os.LookupEnv)
	if err != nil {
		return err
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("load the AWS configuration: %w", err)
	}
	records := ledger.New(dynamo.New(dynamodb.NewFromConfig(cfg), env.Table), time.Now)
	watched := awsfleet.New(cfg)
	reader, writer := encryption.NewReader(watched), encryption.NewWriter(watched, config.EncryptionWriter)
	h := &handler.Handler{
		Reader: reader, Grants: reader, Writer: writer, Undo: writer,
		Switch: killswitch.New(ssm.NewFromConfig(cfg), env.KillSwitch),
		Ledger: records, Intents: records, Approvals: records, KeyUses: records, Leases: records, FollowUps: records,
		Outbox:  outbox.Outbox{Ledger: records, Bus: bus.New(eventbridge.NewFromConfig(cfg), env.Bus)},
		Queue:   queue.New(sqs.NewFromConfig(cfg), env.Queue),
		MaxMode: env.MaxMode, MaxKeyGuard: env.MaxKeyGuard,
		Now: time.Now,
	}
	worker.Start("secretsencryption", worker.Each(h.Handle))
	return nil
}
