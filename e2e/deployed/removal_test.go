package deployed_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/eks-steward/eks-steward/e2e/deployed"
)

// A deployment of its own, which it removes.
func TestDestroyLeavesWhatRetentionAsksForAndNothingElse(t *testing.T) {
	d, err := deployed.Deploy(t.Context(), assembly)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()

	// A change set on a stack that exists is more than the emulator can do.
	difference, err := d.CLI.Assembly(t.Context(), assembly, "diff", "--method=template")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(difference, "Number of stacks with differences: 0") {
		t.Errorf("cdk diff right after the deployment says\n%s", difference)
	}

	if out, err := d.CLI.Assembly(t.Context(), assembly, "destroy", "--force"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := []string{"bucket " + d.Hub.ID("Configuration"), "table " + d.Hub.ID("Ledger")}
	got, err := inventory(t.Context(), d.Config)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("what is left is %q, want %q", got, want)
	}
}

// inventory lists what can cost money or do anything, and is not of the CDK's
// bootstrap.
func inventory(ctx context.Context, cfg aws.Config) ([]string, error) {
	found := map[string]bool{}
	add := func(kind, name string) {
		if !strings.HasPrefix(name, "cdk-hnb659fds-") && name != "default" {
			found[kind+" "+name] = true
		}
	}
	var failures []error
	buckets, err := s3.NewFromConfig(cfg).ListBuckets(ctx, nil)
	if failures = append(failures, err); err == nil {
		for _, b := range buckets.Buckets {
			add("bucket", *b.Name)
		}
	}
	tables, err := dynamodb.NewFromConfig(cfg).ListTables(ctx, nil)
	if failures = append(failures, err); err == nil {
		for _, name := range tables.TableNames {
			add("table", name)
		}
	}
	queues, err := sqs.NewFromConfig(cfg).ListQueues(ctx, nil)
	if failures = append(failures, err); err == nil {
		for _, queue := range queues.QueueUrls {
			add("queue", queue)
		}
	}
	topics, err := sns.NewFromConfig(cfg).ListTopics(ctx, nil)
	if failures = append(failures, err); err == nil {
		for _, topic := range topics.Topics {
			add("topic", *topic.TopicArn)
		}
	}
	functions, err := lambda.NewFromConfig(cfg).ListFunctions(ctx, nil)
	if failures = append(failures, err); err == nil {
		for _, f := range functions.Functions {
			add("function", *f.FunctionName)
		}
	}
	roles, err := iam.NewFromConfig(cfg).ListRoles(ctx, nil)
	if failures = append(failures, err); err == nil {
		for _, r := range roles.Roles {
			add("role", *r.RoleName)
		}
	}
	buses, err := eventbridge.NewFromConfig(cfg).ListEventBuses(ctx, &eventbridge.ListEventBusesInput{})
	if failures = append(failures, err); err == nil {
		for _, b := range buses.EventBuses {
			add("bus", *b.Name)
		}
	}
	rules, err := eventbridge.NewFromConfig(cfg).ListRules(ctx, &eventbridge.ListRulesInput{})
	if failures = append(failures, err); err == nil {
		for _, r := range rules.Rules {
			add("rule", *r.Name)
		}
	}
	return slices.Sorted(maps.Keys(found)), errors.Join(failures...)
}
