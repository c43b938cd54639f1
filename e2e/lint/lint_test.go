// Package lint_test holds the synthesized templates against the rules of others:
// cfn-lint (the schemas of CloudFormation) and cdk-nag (AwsSolutions).
package lint_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/e2e/deployed"
	"github.com/eks-steward/eks-steward/e2e/moto"
)

// contexts are the deployments that are looked at: one that sets nothing, and
// one that sets what adds resources or widens a policy.
var contexts = map[string]string{
	"defaults": `"retentionDays": 30`,
	"everything": `"slack": {"secretName": "eks-steward/slack", "approvals": {"signingSecretName": "eks-steward/slack-signing", "team": "T0123ABCD", "users": ["U0123ABCD"]}}, ` +
		`"maxMode": {"secretsEncryption": "enforce"}, "secretsEncryption": {"keys": ["arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"], ` +
		`"tag": {"key": "tier", "value": "payments"}, "keyGuard": true}, "organizationId": "o-a1b2c3d4e5", "removeData": true, ` +
		`"recipients": {"findings": ["a@example.com"], "alarms": ["b@example.com"]}`,
}

// exceptions are what cdk-nag finds and we keep, with the evidence. An exception
// that nothing needs any more fails the test.
var exceptions = []struct{ rule, resource, evidence string }{
	{
		"AwsSolutions-S1", "Configuration",
		"The bucket holds one file without secrets, and versions show every change. Access logs would need a second bucket; CloudTrail data events tell who reads, for those who want to know.",
	},
	{
		"AwsSolutions-IAM5[Resource::*]", "Reader",
		"eks:ListClusters, eks:DescribeClusterVersions, eks:DescribeAddonVersions, cloudwatch:GetMetricData, ec2:DescribeSubnets, ec2:DescribeLaunchTemplateVersions, ec2:GetEbsEncryptionByDefault, ec2:GetEbsDefaultKmsKeyId, kms:ListAliases and tag:GetResources take no resource (Service authorization reference). All of them only read.",
	},
	{
		"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:eks:*:<AWS::AccountId>:cluster/*]", "Reader",
		"Describing the clusters of this account, and listing what they hold: which there will be is not known at deployment, and finding new ones is the purpose.",
	},
	{
		"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:eks:*:<AWS::AccountId>:nodegroup/*]", "Reader",
		"Nodegroups come and go with clusters, and their ARNs end in an id that EKS makes up. DescribeNodegroup only reads, and only the account's own.",
	},
	{
		"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:eks:*:<AWS::AccountId>:addon/*]", "Reader",
		"Likewise for add-ons and DescribeAddon.",
	},
	{
		"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:kms:*:*:key/*]", "Reader",
		"The keys of clusters are not known at deployment, and may be of another account, whose key policy then decides. DescribeKey, GetKeyRotationStatus, GetKeyPolicy, ListGrants and ListResourceTags show no key material and use no key.",
	},
	{
		"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:eks:*:<AWS::AccountId>:access-entry/*]", "Reader",
		"Access entries come and go with clusters and roles, and their ARNs end in an id that EKS makes up. DescribeAccessEntry only reads, and only the account's own.",
	},
	{
		"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:iam::*:role/steward-reader]", "EtcdSizeRole",
		"sts:AssumeRole on one role name in any account of the organisation, held to it by aws:ResourceOrgID: accounts join by the run-time file.",
	},
	{
		"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:iam::*:role/steward-reader]", "ClusterCheckRole",
		"Likewise.",
	},
	{
		"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:iam::*:role/steward-reader]", "SecretsEncryptionRole",
		"Likewise.",
	},
	{
		"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:iam::*:role/steward-encryption-writer]", "SecretsEncryptionRole",
		"Likewise. The role is there only in accounts whose member stack made it, and writes only with the keys of the deployment.",
	},
	{
		"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:eks:*:<AWS::AccountId>:cluster/*]", "EncryptionWriter",
		"Which clusters there will be is not known at deployment. eks:AssociateEncryptionConfig is held to the keys of the deployment by eks:encryptionConfigProviderKeyArns, and by a tag of the cluster where one is set.",
	},
}

func TestCDKNagFindsNothingWithoutEvidence(t *testing.T) {
	root, err := moto.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "nag")
	if err := deployed.Install(t.Context(), dir, "cdk-nag"); err != nil {
		t.Fatal(err)
	}
	cli, err := deployed.NewCLI(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	needed := make([]bool, len(exceptions))
	for name := range contexts {
		for _, f := range nag(t, cli, dir, templates(t, name)) {
			excepted := false
			for i, e := range exceptions {
				if e.rule == f.rule && e.resource == f.resource {
					excepted, needed[i] = true, true
				}
			}
			if !excepted {
				t.Errorf("%s: %s on %s: mend it, or add an exception with evidence", name, f.rule, f.resource)
			}
		}
	}
	for i, e := range exceptions {
		if !needed[i] {
			t.Errorf("the exception from %s for %s is not needed: remove it", e.rule, e.resource)
		}
	}
}

type finding struct{ rule, resource string }

func nag(t *testing.T, cli *deployed.CLI, dir string, templates []string) []finding {
	t.Helper()
	out, err := cli.Node(t.Context(), dir, "nag.mjs", templates...)
	if err != nil {
		t.Fatal(err)
	}
	var report struct {
		PluginReports []struct {
			PluginName string
			Violations []struct {
				RuleName            string
				ViolatingConstructs []struct{ ConstructPath string }
			}
		}
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("the report of cdk-nag: %v\n%s", err, out)
	}
	if len(report.PluginReports) != 1 {
		t.Fatalf("cdk-nag did not run: %s", out)
	}
	var found []finding
	for _, v := range report.PluginReports[0].Violations {
		for _, c := range v.ViolatingConstructs {
			path := c.ConstructPath
			found = append(found, finding{v.RuleName, deployed.Short(path[strings.LastIndex(path, "/")+1:])})
		}
	}
	return found
}

func TestCfnLintFindsNothing(t *testing.T) {
	python, err := moto.Python(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name := range contexts {
		t.Run(name, func(t *testing.T) {
			// W3005: the CDK writes dependencies that follow from a reference already.
			args := append([]string{"-i", "W3005", "--"}, templates(t, name)...)
			if out, err := exec.CommandContext(t.Context(), filepath.Join(filepath.Dir(python), "cfn-lint"), args...).CombinedOutput(); err != nil { //nolint:gosec // our own
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// folder holds the assemblies, a folder for each context.
var folder string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if folder, err = os.MkdirTemp("", "lint-"); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	ctx := context.Background()
	cli, err := deployed.NewCLI(ctx, "")
	if err != nil {
		return 1, err
	}
	for name, steward := range contexts {
		if err := cli.Synth(ctx, filepath.Join(folder, name), steward); err != nil {
			return 1, err
		}
	}
	return m.Run(), nil
}

// templates are the files of a deployment's stacks.
func templates(t *testing.T, name string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, name, "*.template.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no templates of %s: %v", name, err)
	}
	return files
}
