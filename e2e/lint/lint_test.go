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
		`"maxMode": {"secretsEncryption": "enforce", "nodegroupRollout": "enforce"}, "nodegroupRollout": {"launchTemplates": true}, "secretsEncryption": {"keys": ["arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"], ` +
		`"tag": {"key": "tier", "value": "payments"}, "keyGuard": true}, "organizationId": "o-a1b2c3d4e5", "readers": ["arn:aws:iam::123456789012:role/platform"], "removeData": true, ` +
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
		"eks:ListClusters, eks:DescribeClusterVersions, eks:DescribeAddonVersions, cloudwatch:GetMetricData, ec2:DescribeSubnets, ec2:DescribeLaunchTemplates, ec2:DescribeLaunchTemplateVersions, ec2:DescribeInstanceTypes, ec2:GetEbsEncryptionByDefault, ec2:GetEbsDefaultKmsKeyId, kms:ListAliases, servicequotas:GetServiceQuota, servicequotas:GetAWSDefaultServiceQuota and tag:GetResources take no resource (Service authorization reference). cloudwatch:DescribeAlarms tells of composite alarms only who may describe all. All of them only read.",
	},
	{
		"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:eks:*:<AWS::AccountId>:cluster/*]", "Reader",
		"Describing the clusters of this account, and listing what they hold: which there will be is not known at deployment, and finding new ones is the purpose.",
	},
	{
		"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:eks:*:<AWS::AccountId>:nodegroup/*]", "Reader",
		"Nodegroups come and go with clusters, and their ARNs end in an id that EKS makes up. DescribeNodegroup, ListUpdates and DescribeUpdate only read, and only the account's own.",
	},
	{
		"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ssm:*::parameter/aws/service/eks/*]", "Reader",
		"AWS's own parameters, public and of no account: the newest images for each Kubernetes version and architecture, of which new ones keep coming.",
	},
	{
		"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ssm:*::parameter/aws/service/bottlerocket/*]", "Reader",
		"Likewise.",
	},
	{
		"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ssm:*::parameter/aws/service/ami-windows-latest/*]", "Reader",
		"Likewise.",
	},
	{
		"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ssm:*:*:document/*]", "Reader",
		"The run-time file names the change calendar, which may be shared by another account. GetCalendarState tells whether it is open, and nothing else of a document.",
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
		"sts:AssumeRole on one role name, held by aws:ResourceOrgID to the organisation, whose accounts join by the run-time file, or else by aws:ResourceAccount to those of the targets.",
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
	{
		"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:iam::*:role/steward-reader]", "NodegroupRolloutRole",
		"Likewise for steward-reader: one role name, held to the organisation or to the accounts of the targets.",
	},
	{
		"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:iam::*:role/steward-rollout-writer]", "NodegroupRolloutRole",
		"Likewise. The role is there only in accounts whose member stack made it, and touches only nodegroups that allow it by their tag.",
	},
	{
		"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:eks:*:<AWS::AccountId>:nodegroup/*]", "RolloutWriter",
		"Which nodegroups there will be is not known at deployment, and IAM knows no other condition of eks:UpdateNodegroupVersion than tags: it is held to nodegroups that have eks-steward/nodegroup-rollout=allowed themselves.",
	},
	{
		"AwsSolutions-IAM5[Resource::*]", "RolloutWriter",
		"ec2:DescribeLaunchTemplateVersions takes no resource (Service authorization reference) and only reads. Only with nodegroupRollout.launchTemplates.",
	},
	{
		"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ec2:*:*:*]", "RolloutWriter",
		"EKS tries out as the caller whether instances could be started from a nodegroup's own launch template. Subnets may be another account's and images are public, so the bound is ec2:LaunchTemplate: only from launch templates of this account. There is no iam:PassRole, so that no instance could have a role. Only with nodegroupRollout.launchTemplates.",
	},
	{
		"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ec2:*:<AWS::AccountId>:*/*]", "RolloutWriter",
		"ec2:CreateTags only on what ec2:RunInstances makes (ec2:CreateAction): a launch template may say which tags instances have. Only with nodegroupRollout.launchTemplates.",
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
