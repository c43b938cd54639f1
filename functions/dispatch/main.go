// Command dispatch is the Lambda function that turns ticks into work. This file
// only wires; what the function does is in package handler.
package main

import (
	"context"
	"fmt"
	"os"
	"time"
	_ "time/tzdata" // the configuration names time zones, and provided.al2023 has none

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/functions/dispatch/handler"
	"github.com/eks-steward/eks-steward/internal/bus"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/config/yamlfile"
	"github.com/eks-steward/eks-steward/internal/configstore"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/dynamo"
	"github.com/eks-steward/eks-steward/internal/outbox"
	"github.com/eks-steward/eks-steward/internal/queue"
	"github.com/eks-steward/eks-steward/internal/settings"
	"github.com/eks-steward/eks-steward/internal/worker"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "dispatch:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	env, err := config.LoadEnv[config.DispatchEnv](os.LookupEnv)
	if err != nil {
		return err
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("load the AWS configuration: %w", err)
	}
	records := ledger.New(dynamo.New(dynamodb.NewFromConfig(cfg), env.Table), time.Now)
	file := configstore.New(s3.NewFromConfig(cfg), env.ConfigBucket, env.ConfigKey).Default(env.ConfigDefaultBucket, env.ConfigDefaultKey)
	queues := sqs.NewFromConfig(cfg)
	to := map[string]handler.Queue{
		events.EtcdSize:          queue.New(queues, env.EtcdSizeQueue),
		events.ClusterCheck:      queue.New(queues, env.ClusterCheckQueue),
		events.SecretsEncryption: queue.New(queues, env.SecretsEncryptionQueue),
		events.Notify:            queue.New(queues, env.NotifyQueue),
	}
	if env.NodegroupRolloutQueue != "" {
		to[events.NodegroupRollout] = queue.New(queues, env.NodegroupRolloutQueue)
	}
	h := &handler.Handler{
		Configuration: func(ctx context.Context) (*config.File, fleet.Finding, error) {
			return settings.Refresh(ctx, file, within(env), records, config.Hub(env.Bus), time.Now())
		},
		Ledger:    records,
		FollowUps: records,
		Rollouts:  records,
		Outbox:    outbox.Outbox{Ledger: records, Bus: bus.New(eventbridge.NewFromConfig(cfg), env.Bus)},
		Queues:    to,
		Hub:       config.Hub(env.Bus),
		Now:       time.Now,
	}
	worker.Start("dispatch", worker.Each(h.Handle))
	return nil
}

// within reads a run-time file and refuses one that asks for more than the
// deployment allows.
func within(env config.DispatchEnv) settings.Parse {
	most := config.MaxMode{SecretsEncryption: env.MaxModeSecretsEncryption, KeyGuard: env.MaxModeKeyGuard, NodegroupRollout: env.MaxModeNodegroupRollout}
	return func(name string, data []byte) (*config.File, error) {
		f, err := yamlfile.Parse(name, data)
		if err != nil {
			return nil, err
		}
		return f, f.Within(most)
	}
}
