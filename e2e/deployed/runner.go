package deployed

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/eks-steward/eks-steward/internal/canary"
	simlambda "github.com/eks-steward/eks-steward/internal/sim/lambda"
)

// Runner plays the Lambda service: it polls the queues of the deployed event
// source mappings and runs the deployed code on what it receives, with the
// credentials of the deployed roles.
type Runner struct {
	d         *Deployment
	dir       string // of the unpacked code
	functions []*function

	// Failures are the logs of the invocations that left messages in the queue.
	Failures []string
}

// function is a deployed function with its only event source.
type function struct {
	name    string
	running *simlambda.Running
	queue   *sqs.Client
	url     string
	arn     string // of the queue
	batch   int32
	partial bool // ReportBatchItemFailures
	logs    *cloudwatchlogs.Client
	group   string
	failed  []types.Message // hidden until their visibility timeout has passed
	done    []types.Message
}

// NewRunner reads the functions back from the emulator. environment are the
// addresses of the stand-ins, beside the deployed variables. The caller closes
// the runner.
func (d *Deployment) NewRunner(ctx context.Context, environment map[string]string) (r *Runner, err error) {
	r = &Runner{d: d}
	if r.dir, err = os.MkdirTemp("", "functions-"); err != nil {
		return nil, err
	}
	client := lambda.NewFromConfig(d.Config)
	for name, resource := range d.Hub.Resources {
		if resource.Type != "AWS::Lambda::Function" {
			continue
		}
		f, err := r.load(ctx, client, resource, environment)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("function %s: %w", name, err), r.Close())
		}
		r.functions = append(r.functions, f)
	}
	slices.SortFunc(r.functions, func(a, b *function) int { return strings.Compare(a.name, b.name) })
	return r, nil
}

// Close ends the processes of the functions.
func (r *Runner) Close() error {
	var failures []error
	for _, f := range r.functions {
		failures = append(failures, f.running.Close())
	}
	return errors.Join(append(failures, os.RemoveAll(r.dir))...)
}

func (r *Runner) load(ctx context.Context, client *lambda.Client, resource Resource, environment map[string]string) (*function, error) {
	deployed, err := client.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: &resource.ID})
	if err != nil {
		return nil, err
	}
	conf := deployed.Configuration
	as, err := r.d.As(ctx, *conf.Role)
	if err != nil {
		return nil, err
	}
	f := &function{name: resource.ID, queue: sqs.NewFromConfig(as), logs: cloudwatchlogs.NewFromConfig(as)}
	if err := f.source(ctx, client); err != nil {
		return nil, err
	}
	if err := f.log(ctx, r.d.Hub, resource); err != nil {
		return nil, err
	}
	bootstrap, err := r.unpack(ctx, f.name, *deployed.Code.Location, *conf.Handler)
	if err != nil {
		return nil, err
	}
	keys, err := as.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	env := map[string]string{
		"AWS_REGION": Region, "AWS_DEFAULT_REGION": Region, "AWS_ENDPOINT_URL": r.d.URL, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID": keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY": keys.SecretAccessKey, "AWS_SESSION_TOKEN": keys.SessionToken,
	}
	maps.Copy(env, environment)
	if conf.Environment != nil {
		maps.Copy(env, conf.Environment.Variables)
	}
	f.running, err = simlambda.Function{
		Name: f.name, Bootstrap: bootstrap, Env: env, Timeout: time.Duration(*conf.Timeout) * time.Second,
		InitTimeout: time.Minute, // all of them start at once, on what may be two processors
	}.Start()
	return f, err
}

// source reads the event source mapping, and the queue as Lambda does.
func (f *function) source(ctx context.Context, client *lambda.Client) error {
	out, err := client.ListEventSourceMappings(ctx, &lambda.ListEventSourceMappingsInput{FunctionName: &f.name})
	if err != nil {
		return err
	}
	if n := len(out.EventSourceMappings); n != 1 {
		return fmt.Errorf("it has %d event sources: the runner polls one", n)
	}
	mapping := out.EventSourceMappings[0]
	f.arn, f.batch, f.partial = *mapping.EventSourceArn, min(*mapping.BatchSize, 10), len(mapping.FunctionResponseTypes) > 0
	name := f.arn[strings.LastIndex(f.arn, ":")+1:]
	f.url = fmt.Sprintf("https://sqs.%s.amazonaws.com/%s/%s", Region, Account, name)
	_, err = f.queue.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &f.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	return err
}

// stream is where a function's log goes; Lambda makes one for each execution
// environment.
const stream = "e2e"

// log finds the log group, which the emulator's Lambda does not know of.
func (f *function) log(ctx context.Context, stack *Stack, resource Resource) error {
	var properties struct{ LoggingConfig struct{ LogGroup reference } }
	if err := json.Unmarshal(resource.Properties, &properties); err != nil {
		return err
	}
	f.group = stack.ID(properties.LoggingConfig.LogGroup.target())
	_, err := f.logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &f.group, LogStreamName: aws.String(stream)})
	return err
}

// unpack fetches the code from the bucket that it was deployed from.
func (r *Runner) unpack(ctx context.Context, name, location, handler string) (string, error) {
	at, err := url.Parse(location)
	if err != nil {
		return "", err
	}
	bucket, key := "cdk-hnb659fds-assets-"+Account+"-"+Region, at.Path[strings.LastIndex(at.Path, "/")+1:]
	object, err := s3.NewFromConfig(r.d.Config).GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return "", fmt.Errorf("fetch the code: %w", err)
	}
	defer object.Body.Close()
	b, err := io.ReadAll(object.Body)
	if err != nil {
		return "", fmt.Errorf("fetch the code: %w", err)
	}
	archive, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return "", fmt.Errorf("unpack the code: %w", err)
	}
	dir := filepath.Join(r.dir, name)
	if err := os.CopyFS(dir, archive); err != nil {
		return "", fmt.Errorf("unpack the code: %w", err)
	}
	bootstrap := filepath.Join(dir, handler)
	return bootstrap, os.Chmod(bootstrap, 0o700) //nolint:gosec // it is run
}

// rounds bounds Drain: events that beget each other for ever are a mistake.
const rounds = 100

// Drain polls all queues until a whole round finds nothing.
func (r *Runner) Drain(ctx context.Context) error {
	for range rounds {
		found := false
		for _, f := range r.functions {
			n, failure, err := f.poll(ctx)
			if err != nil {
				return fmt.Errorf("function %s: %w", f.name, err)
			}
			if failure != "" {
				r.Failures = append(r.Failures, failure)
			}
			found = found || n > 0
		}
		if !found {
			return nil
		}
	}
	return fmt.Errorf("the queues are not empty after %d rounds: messages beget each other", rounds)
}

// Invoke calls a function past its queue, as a Function URL does. name is the
// short name of its resource in the template, such as ApproveFunction.
func (r *Runner) Invoke(ctx context.Context, name string, payload []byte) (simlambda.Result, error) {
	id := r.d.Hub.ID(name)
	i := slices.IndexFunc(r.functions, func(f *function) bool { return f.name == id })
	if i < 0 {
		return simlambda.Result{}, fmt.Errorf("%s is no function", name)
	}
	result, err := r.functions[i].running.Invoke(ctx, payload)
	if err != nil {
		return simlambda.Result{}, err
	}
	return result, r.functions[i].keep(ctx, result.Log)
}

// Expire lets the visibility timeout of every message pass that a function
// failed on, and says how many there were.
func (r *Runner) Expire(ctx context.Context) (int, error) {
	client, n := sqs.NewFromConfig(r.d.Config), 0
	for _, f := range r.functions {
		for _, m := range f.failed {
			if _, err := client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &f.url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				return n, fmt.Errorf("function %s: %w", f.name, err)
			}
			n++
		}
		f.failed = nil
	}
	return n, nil
}

// Repeat sends every message again that was done with since the last Repeat, the
// last one first, as SQS may ("at-least-once delivery", and in no order), and says
// how many there were.
func (r *Runner) Repeat(ctx context.Context) (int, error) {
	client, n := sqs.NewFromConfig(r.d.Config), 0
	for _, f := range r.functions {
		for _, m := range slices.Backward(f.done) {
			if _, err := client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &f.url, MessageBody: m.Body}); err != nil {
				return n, fmt.Errorf("function %s: %w", f.name, err)
			}
			n++
		}
		f.done = nil
	}
	return n, nil
}

// poll handles one batch. It says how many messages it had, and what the
// function printed when some of them stay in the queue.
func (f *function) poll(ctx context.Context) (n int, failure string, err error) {
	in := &sqs.ReceiveMessageInput{QueueUrl: &f.url, MaxNumberOfMessages: f.batch, MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll}}
	out, err := f.queue.ReceiveMessage(ctx, in)
	if err != nil || len(out.Messages) == 0 {
		return 0, "", err
	}
	failed, printed, err := f.invoke(ctx, out.Messages)
	if err != nil {
		return 0, "", err
	}
	if len(failed) > 0 {
		failure = f.name + ": " + string(printed)
	}
	var entries []types.DeleteMessageBatchRequestEntry
	for _, m := range out.Messages {
		if slices.Contains(failed, *m.MessageId) {
			f.failed = append(f.failed, m)
			continue
		}
		f.done = append(f.done, m)
		entries = append(entries, types.DeleteMessageBatchRequestEntry{Id: m.MessageId, ReceiptHandle: m.ReceiptHandle})
	}
	if len(entries) > 0 {
		_, err = f.queue.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &f.url, Entries: entries})
	}
	return len(out.Messages), failure, err
}

// invoke runs the function on a batch. It returns the ids of the messages that
// stay in the queue, and what the function printed.
func (f *function) invoke(ctx context.Context, messages []types.Message) (failed []string, printed []byte, err error) {
	var records []map[string]any
	for _, m := range messages {
		records = append(records, map[string]any{
			"messageId": m.MessageId, "receiptHandle": m.ReceiptHandle, "body": m.Body, "attributes": m.Attributes,
			"messageAttributes": map[string]any{}, "md5OfBody": m.MD5OfBody, "eventSource": "aws:sqs", "eventSourceARN": f.arn, "awsRegion": Region,
		})
	}
	payload, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		return nil, nil, err
	}
	result, err := f.running.Invoke(ctx, payload)
	if err != nil {
		return nil, nil, err
	}
	return f.left(messages, result), result.Log, f.keep(ctx, result.Log)
}

// left are the ids of the messages that the function names as failed, or of all
// when it fails itself or names one that it was not given ("Handling errors for
// an SQS event source", Lambda developer guide).
func (f *function) left(messages []types.Message, result simlambda.Result) []string {
	var all, failed []string
	for _, m := range messages {
		all = append(all, *m.MessageId)
	}
	if result.FunctionError != "" {
		return all
	}
	if !f.partial {
		return nil
	}
	var answer *struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	if err := json.Unmarshal(result.Payload, &answer); err != nil {
		return all
	}
	if answer == nil {
		return nil // null, which is success
	}
	for _, failure := range answer.BatchItemFailures {
		if !slices.Contains(all, failure.ItemIdentifier) {
			return all
		}
		failed = append(failed, failure.ItemIdentifier)
	}
	return failed
}

// keep writes what the function printed to its log group. A log that shows a secret
// is an error, and one without fields to ask for.
func (f *function) keep(ctx context.Context, printed []byte) error {
	if err := errors.Join(silent(printed), structured(printed)); err != nil {
		return err
	}
	var lines []logtypes.InputLogEvent
	now := time.Now().UnixMilli()
	for line := range strings.Lines(string(printed)) {
		lines = append(lines, logtypes.InputLogEvent{Message: aws.String(line), Timestamp: &now})
	}
	if len(lines) == 0 {
		return nil
	}
	_, err := f.logs.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: &f.group, LogStreamName: aws.String(stream), LogEvents: lines})
	return err
}

// structured holds that every line of a log is one of JSON.
func structured(printed []byte) error {
	for line := range strings.Lines(string(printed)) {
		if fields := map[string]any{}; json.Unmarshal([]byte(line), &fields) != nil {
			return fmt.Errorf("the log has a line that CloudWatch finds no fields in: %s", line)
		}
	}
	return nil
}

// silent holds that a log shows no secret of the tests.
func silent(printed []byte) error {
	for line := range strings.Lines(string(printed)) {
		if strings.Contains(line, canary.Word) {
			return fmt.Errorf("the log shows a secret: %s", strings.ReplaceAll(line, canary.Word, "[secret]"))
		}
	}
	return nil
}
