package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/config/yamlfile"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

const sample = `schemaVersion: 1
targets:
  - account: "111122223333"
    regions: [eu-west-1, us-east-1]
etcdSize:
  warnPercent: 65
overrides:
  - match: {names: ["prod-*"]}
    etcdSize: {warnPercent: 60}
  - match: {regions: [us-east-1]}
    etcdSize: {history: 3h}
`

// steward runs one command line in a directory that holds steward.yaml.
func steward(t *testing.T, file string, args ...string) (string, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile(configFile, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := configCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	err := cmd.Execute()
	return out.String(), err
}

func TestConfigValidateCountsWhatAGoodFileHolds(t *testing.T) {
	out, err := steward(t, sample, "validate")
	if err != nil || out != "steward.yaml is valid: 2 targets, 2 overrides\n" {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestFault_54_ConfigValidateShowsTheLineAndACaret(t *testing.T) {
	bad := strings.Replace(sample, "warnPercent: 65", "warnPercent: 170\n\tslack: https://hooks.slack.com/services/T/B/CANARY", 1)
	out, err := steward(t, bad, "validate", configFile)
	var refused *badFile
	if !errors.As(err, &refused) || err.Error() != "steward.yaml has 1 problem" {
		t.Fatalf("got error %v", err)
	}
	want := `steward.yaml:7:1: a tab indents this line, which YAML forbids: want spaces
    7 | ` + "\t" + `slack: https://hooks.slack.com[redacted]
      | ^
`
	if out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}

	out, err = steward(t, strings.Replace(sample, "warnPercent: 65", "warnPercent: 170", 1)+"notfy: {}\n", "validate")
	want = `steward.yaml:6:16: etcdSize.warnPercent is 170: want a percentage from 1 to 99, below criticalPercent
    6 |   warnPercent: 170
      |                ^
steward.yaml:12:1: notfy is not a key: want notify
   12 | notfy: {}
      | ^
`
	if out != want || err == nil || err.Error() != "steward.yaml has 2 problems" {
		t.Errorf("got\n%s\nwant\n%s\nerror %v", out, want, err)
	}
}

func TestConfigValidateSaysWhatToDoWithoutAFile(t *testing.T) {
	_, err := steward(t, sample, "validate", "other.yaml")
	var refused *badFile
	if err == nil || errors.As(err, &refused) || !strings.Contains(err.Error(), "there is no file other.yaml: name the run-time file") {
		t.Errorf("got %v", err)
	}
}

func TestConfigSchemaPrintsTheCommittedSchema(t *testing.T) {
	want, err := os.ReadFile(filepath.Join("..", "..", "docs", "config.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := steward(t, sample, "schema")
	if err != nil || out != string(want) {
		t.Errorf("config schema differs from docs/config.schema.json (error %v)", err)
	}
}

func TestConfigExplainNamesTheOriginOfEveryValue(t *testing.T) {
	for name, args := range map[string][]string{
		"a name with flags":   {"prod-a", "--account", "111122223333", "--region", "us-east-1"},
		"a name, one account": {"prod-a", "--region", "us-east-1"},
		"an ARN":              {"arn:aws:eks:us-east-1:111122223333:cluster/prod-a"},
		"a path":              {"111122223333/us-east-1/prod-a"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := steward(t, sample, append([]string{"explain", "-o", "json"}, args...)...)
			if err != nil {
				t.Fatal(err)
			}
			var x explanation
			if err := json.Unmarshal([]byte(out), &x); err != nil {
				t.Fatal(err)
			}
			if want := (fleet.ClusterID{Account: "111122223333", Region: "us-east-1", Name: "prod-a"}); x.Cluster != want || !x.Watched {
				t.Errorf("cluster %v, watched %t", x.Cluster, x.Watched)
			}
			got := map[string]string{}
			for _, v := range x.Values {
				got[v.Path] = v.Value + " " + v.From
			}
			for path, want := range map[string]string{
				"etcdSize.warnPercent":     "60 overrides[0] at steward.yaml:9",
				"etcdSize.criticalPercent": "85 default",
				"etcdSize.history":         "3h overrides[1] at steward.yaml:11",
				"notify.timeZone":          "UTC default",
			} {
				if got[path] != want {
					t.Errorf("%s is %q, want %q", path, got[path], want)
				}
			}
		})
	}
}

func TestConfigExplainPrintsATable(t *testing.T) {
	out, err := steward(t, sample, "explain", "444455556666/eu-west-1/dev")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"444455556666/eu-west-1/dev is not watched: no target of steward.yaml has account 444455556666 in eu-west-1",
		"│ etcdSize.warnPercent │ 65 │ steward.yaml:6 │",
	} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) { // however wide the columns are
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestConfigExplainRefusesWhatItCannotPlace(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a name in two regions":      {[]string{"prod-a"}, "give --account and --region"},
		"an ARN against a flag":      {[]string{"arn:aws:eks:us-east-1:111122223333:cluster/a", "--region", "eu-west-1"}, "leave the flags out"},
		"no cluster name":            {[]string{"prod*", "--region", "eu-west-1"}, "not one EKS would accept"},
		"an account of three digits": {[]string{"123/eu-west-1/a"}, "want 12 digits"},
		"an unknown output":          {[]string{"a", "-o", "xml"}, "want table or json"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := steward(t, sample, append([]string{"explain"}, c.args...)...)
			if err == nil || !strings.Contains(err.Error(), c.want) || out != "" {
				t.Errorf("got error %v and output %q, want %q", err, out, c.want)
			}
		})
	}
}

func TestConfigValidateHoldsAFileAgainstTheDeployment(t *testing.T) {
	file := sample + "secretsEncryption:\n  require: keys\n  keys: [alias/eks]\n  mode: enforce\nnodegroupRollout: {mode: approve}\n"
	for name, tt := range map[string]struct{ flag, out, err string }{
		"a deployment that allows it": {"secretsEncryption=enforce", "steward.yaml is valid: 2 targets, 2 overrides\n", ""},
		"one that allows less": {
			"secretsEncryption=approve,keyGuard=report",
			`steward.yaml:15: secretsEncryption.mode is "enforce", but the deployment allows approve: want that, or deploy with maxMode.secretsEncryption enforce` +
				"\n   15 |   mode: enforce\n",
			"steward.yaml has 1 problem",
		},
		"one that allows no rollouts": {
			"nodegroupRollout=report",
			`steward.yaml:16: nodegroupRollout.mode is "approve", but the deployment allows report: want that, or deploy with maxMode.nodegroupRollout approve` +
				"\n   16 | nodegroupRollout: {mode: approve}\n",
			"steward.yaml has 1 problem",
		},
		"a capability that is none": {"etcdSize=report", "", "--max-mode etcdSize=report: want secretsEncryption, keyGuard or nodegroupRollout"},
		"a mode that is none":       {"keyGuard=always", "", "--max-mode keyGuard=always: want one of report, approve, enforce"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := steward(t, file, "validate", "--max-mode", tt.flag)
			said := ""
			if err != nil {
				said = err.Error()
			}
			if said != tt.err || (tt.out != "" && out != tt.out) {
				t.Errorf("printed %q and said %q\nwanted  %q and %q", out, said, tt.out, tt.err)
			}
		})
	}
}

// A message about a refused file has a command with the modes of the deployment.
func TestConfigValidateSaysOfAModeWhatTheDeploymentSays(t *testing.T) {
	file := sample + "secretsEncryption:\n  require: keys\n  keys: [alias/eks]\n  mode: enforce\n  keyGuard: enforce\nnodegroupRollout: {mode: approve}\n"
	parsed, err := yamlfile.Parse(configFile, []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	for _, most := range []config.MaxMode{
		{},
		{SecretsEncryption: config.Approve},
		{SecretsEncryption: config.Enforce, KeyGuard: config.Enforce},
		{NodegroupRollout: config.Approve},
		{SecretsEncryption: config.Enforce, KeyGuard: config.Enforce, NodegroupRollout: config.Enforce},
	} {
		var want config.Problems
		errors.As(parsed.Within(most), &want)
		out, err := steward(t, file, "validate", "--max-mode", most.String())
		if (err == nil) != (want == nil) {
			t.Errorf("%s: %v", most, err)
		}
		for _, p := range want {
			if !strings.Contains(out, p.Error()) {
				t.Errorf("%s: printed %q, want %q", most, out, p)
			}
		}
	}
}
