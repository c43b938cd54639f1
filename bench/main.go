// Command bench measures what each function costs before it does any work: the
// size of what is deployed, and the time from the start of its process to the
// first poll of the Runtime API. A bare binary that links the same SDK clients
// and nothing else is measured in turns with it, so that the ratio holds on any
// machine. It prints the aims beside the numbers and judges nothing: it fails
// only when something could not be measured.
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/sim/lambda"
)

// The aims: a package of 4.5 MB is fetched and unpacked within a cold start
// that nobody waits for, and what we add to the SDK's own start stays small.
const (
	aimSize  = 13.0 // MB, arm64
	aimGzip  = 4.5  // MB, gzip -9
	aimRatio = 1.25 // of the bare binary's time to first poll
	runs     = 15   // of each binary; the median counts
)

// functions are what is measured, with an environment that lets each start.
var functions = []function{
	starting("approve", config.ApproveEnv{
		Table: table, Queue: queue, SecretsEncryptionQueue: queue, NodegroupRolloutQueue: queue,
		SlackSigningSecret: "steward/signing", SlackTeam: "T0123456789", SlackUsers: "U0123456789",
	}),
	starting("clustercheck", config.ClusterCheckEnv{Table: table, Bus: bus, Topic: topic, Queue: queue}),
	starting("dispatch", config.DispatchEnv{
		Table: table, Bus: bus, ConfigBucket: "steward-configuration", ConfigKey: "steward.yaml",
		EtcdSizeQueue: queue, ClusterCheckQueue: queue, NotifyQueue: queue, SecretsEncryptionQueue: queue, NodegroupRolloutQueue: queue,
		MaxModeSecretsEncryption: config.Enforce, MaxModeKeyGuard: config.Enforce, MaxModeNodegroupRollout: config.Enforce,
		ConfigDefaultBucket: "cdk-assets", ConfigDefaultKey: "0123.yaml",
	}),
	starting("etcdsize", config.EtcdSizeEnv{Table: table, Bus: bus, Topic: topic}),
	starting("nodegrouprollout", config.NodegroupRolloutEnv{Table: table, Bus: bus, Queue: queue, KillSwitch: killSwitch, MaxMode: config.Enforce}),
	starting("notify", config.NotifyEnv{Table: table, Topic: topic, MachinesTopic: topic, SlackSecret: "steward/slack"}),
	starting("secretsencryption", config.SecretsEncryptionEnv{
		Table: table, Bus: bus, Queue: queue, KillSwitch: killSwitch, MaxMode: config.Enforce, MaxKeyGuard: config.Enforce,
	}),
}

const (
	table      = "steward"
	topic      = "arn:aws:sns:eu-west-1:111122223333:steward"
	bus        = "arn:aws:events:eu-west-1:111122223333:event-bus/steward"
	queue      = "http://127.0.0.1:1/queue"
	killSwitch = "/eks-steward/kill-switch"
)

// A function is what is measured, with its environment.
type function struct {
	name     string
	env      map[string]string
	complete func() error // whether it starts in that environment
}

func starting[T any](name string, env T) function {
	all := config.Environ(env)
	return function{name: name, env: all, complete: func() error {
		_, err := config.LoadEnv[T](func(v string) (string, bool) { s, ok := all[v]; return s, ok })
		return err
	}}
}

// measure is what one function costs.
type measure struct {
	size, zipped int64         // bytes of the arm64 binary
	poll, bare   time.Duration // medians to first poll
	clients      []string      // SDK clients that the bare binary makes
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	var failures []error
	var above []string
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "function\tsize\tgzip -9\tfirst poll\tbare\tratio\tSDK clients\t")
	for _, f := range functions {
		m, err := f.measure(ctx)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s could not be measured: %w", f.name, err))
			continue
		}
		if float64(m.size) > aimSize*1e6 || float64(m.zipped) > aimGzip*1e6 {
			above = append(above, f.name)
		}
		fmt.Fprintf(table, "%s\t%.2f MB\t%.2f MB\t%.1f ms\t%.1f ms\t%.2fx\t%d\t\n", f.name,
			float64(m.size)/1e6, float64(m.zipped)/1e6, milliseconds(m.poll), milliseconds(m.bare), float64(m.poll)/float64(m.bare), len(m.clients))
	}
	fmt.Fprintf(table, "aim\t<= %.2f MB\t<= %.2f MB\t\t\t<= %.2fx\t\t\n", aimSize, aimGzip, aimRatio)
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nSizes are of linux/arm64, as deployed. Times are medians of %d runs in turns on this machine (%s/%s), so only their ratio says something about Lambda.\n", runs, runtime.GOOS, runtime.GOARCH)
	if len(above) > 0 {
		fmt.Fprintf(out, "Above the aim in size: %s.\n", strings.Join(above, ", "))
	}
	return errors.Join(failures...)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// measure builds the function three ways and weighs and times it.
func (f function) measure(ctx context.Context) (measure, error) {
	dir := filepath.Join(".cache", "bench", f.name)
	source := "./functions/" + f.name
	deployed := filepath.Join(dir, "arm64")
	if err := build(ctx, "arm64", source, deployed); err != nil {
		return measure{}, err
	}
	var m measure
	var err error
	if m.size, m.zipped, err = weigh(deployed); err != nil {
		return measure{}, err
	}
	if m.clients, err = clients(ctx, source); err != nil {
		return measure{}, err
	}
	bareSource, err := writeBare(filepath.Join(dir, "bare"), m.clients)
	if err != nil {
		return measure{}, err
	}
	own, bare := filepath.Join(dir, "own.bin"), filepath.Join(dir, "bare.bin")
	if err := errors.Join(build(ctx, runtime.GOARCH, source, own), build(ctx, runtime.GOARCH, bareSource, bare)); err != nil {
		return measure{}, err
	}
	m.poll, m.bare, err = f.race(ctx, own, bare)
	return m, err
}

// build compiles exactly as the deployment does, for the given architecture.
func build(ctx context.Context, arch, source, output string) error {
	if err := os.MkdirAll(filepath.Dir(output), 0o755); err != nil {
		return err
	}
	c := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-tags", "lambda.norpc", "-trimpath", "-ldflags=-s -w -buildid=", "-o", output, source)
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if said, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s for %s: %w\n%s", source, arch, err, said)
	}
	return nil
}

// weigh is the size of a file and of what gzip -9 makes of it, in bytes.
func weigh(path string) (size, zipped int64, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, err
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return 0, 0, err
	}
	_, err = z.Write(b)
	return int64(len(b)), int64(packed.Len()), errors.Join(err, z.Close())
}

// race starts both binaries in turns, so that what else the machine does slows
// both, and returns the medians of their times to first poll.
func (f function) race(ctx context.Context, own, bare string) (ownMedian, bareMedian time.Duration, err error) {
	times := map[string][]time.Duration{}
	for range runs {
		for _, binary := range []string{own, bare} {
			t, err := f.firstPoll(ctx, binary)
			if err != nil {
				return 0, 0, err
			}
			times[binary] = append(times[binary], t)
		}
	}
	return median(times[own]), median(times[bare]), nil
}

func median(d []time.Duration) time.Duration { return slices.Sorted(slices.Values(d))[len(d)/2] }

// firstPoll starts a binary once. An SQS batch without records makes no
// function call AWS.
func (f function) firstPoll(ctx context.Context, binary string) (time.Duration, error) {
	env := map[string]string{"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_EC2_METADATA_DISABLED": "true"}
	maps.Copy(env, f.env)
	r, err := lambda.Function{Name: f.name, Bootstrap: binary, Env: env}.Start()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	result, err := r.Invoke(ctx, []byte(`{"Records":[]}`))
	switch {
	case err != nil:
		return 0, err
	case result.FunctionError != "":
		return 0, fmt.Errorf("%s: %s\n%s", binary, result.Payload, result.Log)
	}
	return result.FirstPoll, nil
}
