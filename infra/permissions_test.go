package infra_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/infra"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
)

// TestRolesMayDoWhatTheGoldenSays is the page that a reviewer of permissions
// reads: who takes on each role, and each action with its resources.
func TestRolesMayDoWhatTheGoldenSays(t *testing.T) {
	golden(t, "roles.golden", roles(smallTemplates()["EksSteward"])+roles(smallTemplates()[memberStack]))
}

func TestAnOrganisationMayDoWhatTheGoldenSays(t *testing.T) {
	golden(t, "roles-organization.golden", roles(fullTemplates()["EksSteward"])+roles(fullTemplates()[memberStack]))
}

// In between: what a plan that somebody approved needs, and nothing that enforce
// does not.
func TestWithApprovalsRolesMayDoWhatTheGoldenSays(t *testing.T) {
	golden(t, "roles-approve.golden", roles(approvingTemplates()["EksSteward"])+roles(approvingTemplates()[memberStack]))
}

func TestEnforceNeedsNoRightThatApproveDoesNot(t *testing.T) {
	p := approving()
	p.MaxMode = infra.MaxMode{SecretsEncryption: "enforce", NodegroupRollout: "enforce"}
	for stack, tpl := range synthesize(p) {
		if got, want := roles(tpl), roles(approvingTemplates()[stack]); got != want {
			t.Errorf("%s:\n%s", stack, difference(want, got))
		}
	}
}

func roles(tpl template) string {
	var b strings.Builder
	all := tpl.of("AWS::IAM::Role")
	for _, id := range slices.Sorted(maps.Keys(all)) {
		r := all[id]
		fmt.Fprintf(&b, "%s %s\n", id, text(r.Properties["RoleName"]))
		for _, s := range statements(r.Properties["AssumeRolePolicyDocument"]) {
			fmt.Fprintf(&b, "    taken on by %s%s\n", principal(s), condition(s))
		}
		for _, s := range granted(r) {
			for _, action := range texts(s["Action"]) {
				for _, on := range texts(s["Resource"]) {
					fmt.Fprintf(&b, "    %-32s %s%s\n", action, on, condition(s))
				}
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// granted are the statements of a role's own policies.
func granted(r resource) []map[string]any {
	var all []map[string]any
	policies, _ := r.Properties["Policies"].([]any)
	for _, p := range policies {
		all = append(all, statements(at(p, "PolicyDocument"))...)
	}
	return all
}

func principal(s map[string]any) string {
	p, ok := s["Principal"].(map[string]any)
	if !ok {
		return text(s["Principal"])
	}
	var all []string
	for _, kind := range slices.Sorted(maps.Keys(p)) {
		all = append(all, kind+" "+strings.Join(texts(p[kind]), ", "))
	}
	return strings.Join(all, "; ")
}

func condition(s map[string]any) string {
	var all []string
	operators, _ := s["Condition"].(map[string]any)
	for _, operator := range slices.Sorted(maps.Keys(operators)) {
		keys := operators[operator].(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			all = append(all, fmt.Sprintf("%s %s [%s]", key, operator, strings.Join(texts(keys[key]), " ")))
		}
	}
	if all == nil {
		return ""
	}
	return " if " + strings.Join(all, " and ")
}

// everyTemplate visits each stack of both deployments.
func everyTemplate(t *testing.T, visit func(t *testing.T, tpl template)) {
	t.Helper()
	for name, templates := range map[string]map[string]template{"small": smallTemplates(), "approving": approvingTemplates(), "renewing": renewingTemplates(), "full": fullTemplates()} {
		for stack, tpl := range templates {
			t.Run(name+"/"+stack, func(t *testing.T) { visit(t, tpl) })
		}
	}
}

func TestInModeReportNoRoleWritesToClustersKeysOrMachines(t *testing.T) {
	if got := writes(smallTemplates()); len(got) != 0 {
		t.Errorf("these may be done: %q", got)
	}
}

// Above report each capability has one role that writes, and one call that it makes
// on clusters: with no key but those of the deployment, and on no nodegroup but those
// that allow it.
func TestAboveReportOnlyWritersWriteAndOnlyWithinTheirBounds(t *testing.T) {
	const (
		cluster   = "arn:${Partition}:eks:*:${AccountId}:cluster/*"
		nodegroup = "arn:${Partition}:eks:*:${AccountId}:nodegroup/*"
		named     = "eks:encryptionConfigProviderKeyArns"
		renew     = "RolloutWriter eks:UpdateNodegroupVersion " + nodegroup + " if aws:ResourceTag/" + nodefreshness.OptIn + " StringEquals [" + nodefreshness.Allowed + "]"
	)
	both := secretsKey + " " + otherKey
	for name, tt := range map[string]struct {
		templates map[string]template
		want      []string
	}{
		"approve": {approvingTemplates(), []string{
			"EncryptionWriter eks:AssociateEncryptionConfig " + cluster + " if " + named + " ForAllValues:StringEquals [" + secretsKey + "] and " + named + " Null [false]",
			"EncryptionWriter kms:CreateGrant " + secretsKey,
			renew,
		}},
		"nodes alone": {renewingTemplates(), []string{renew}},
		"enforce, with a tag, the guard of keys and launch templates": {fullTemplates(), []string{
			"EncryptionWriter eks:AssociateEncryptionConfig " + cluster + " if " + named + " ForAllValues:StringEquals [" + both + "] and " + named +
				" Null [false] and aws:ResourceTag/tier StringEquals [payments]",
			"EncryptionWriter kms:CancelKeyDeletion " + both,
			"EncryptionWriter kms:CreateGrant " + both,
			"EncryptionWriter kms:EnableKey " + both,
			"RolloutWriter ec2:CreateTags arn:${Partition}:ec2:*:${AccountId}:*/* if ec2:CreateAction StringEquals [RunInstances]",
			"RolloutWriter ec2:RunInstances arn:${Partition}:ec2:*:*:* if ec2:LaunchTemplate ArnLike [arn:${Partition}:ec2:*:${AccountId}:launch-template/*]",
			renew,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := writes(tt.templates); !slices.Equal(got, tt.want) {
				t.Errorf("these may be done:\n%s\nwanted:\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// writes are the actions of all stacks that change clusters, keys or machines.
func writes(templates map[string]template) []string {
	found := map[string]bool{}
	for _, tpl := range templates {
		for id, r := range tpl.of("AWS::IAM::Role") {
			for _, s := range granted(r) {
				for _, action := range texts(s["Action"]) {
					service, verb, _ := strings.Cut(action, ":")
					reads := strings.HasPrefix(verb, "List") || strings.HasPrefix(verb, "Describe") || strings.HasPrefix(verb, "Get")
					if slices.Contains([]string{"eks", "kms", "ec2"}, service) && !reads {
						found[id+" "+action+" "+strings.Join(texts(s["Resource"]), " ")+condition(s)] = true
					}
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func TestOnlyActionsThatTakeNothingElseAreGrantedOnEverything(t *testing.T) {
	nothingElse := []string{
		"eks:ListClusters", "eks:DescribeClusterVersions", "eks:DescribeAddonVersions", "cloudwatch:GetMetricData", "cloudwatch:DescribeAlarms", "ec2:DescribeSubnets", "ec2:DescribeLaunchTemplates", "ec2:DescribeLaunchTemplateVersions", "ec2:DescribeInstanceTypes",
		"servicequotas:GetServiceQuota", "servicequotas:GetAWSDefaultServiceQuota", "ec2:GetEbsEncryptionByDefault", "ec2:GetEbsDefaultKmsKeyId", "kms:ListAliases", "tag:GetResources",
	}
	everyTemplate(t, func(t *testing.T, tpl template) {
		for id, r := range tpl.of("AWS::IAM::Role") {
			if r.Properties["ManagedPolicyArns"] != nil {
				t.Errorf("%s has managed policies", id)
			}
			for _, s := range granted(r) {
				for _, action := range texts(s["Action"]) {
					if strings.Contains(action, "*") || s["NotAction"] != nil || s["NotResource"] != nil {
						t.Errorf("%s is granted %s: every action must be named", id, action)
					}
					if slices.Contains(texts(s["Resource"]), "*") && !slices.Contains(nothingElse, action) {
						t.Errorf("%s is granted %s on everything", id, action)
					}
				}
			}
		}
		for kind := range map[string]bool{"AWS::IAM::Policy": true, "AWS::IAM::ManagedPolicy": true} {
			if found := tpl.of(kind); len(found) > 0 {
				t.Errorf("%v: permissions belong into the role, where the golden shows them", slices.Collect(maps.Keys(found)))
			}
		}
	})
}

// Services act for many customers: each must name the resource and the account
// for which it may act here. Lambda takes on a function's role by its function,
// which names the role.
func TestServicesActOnlyForOurOwnResources(t *testing.T) {
	everyTemplate(t, func(t *testing.T, tpl template) {
		for id, r := range tpl.Resources {
			documents := []any{r.Properties["AssumeRolePolicyDocument"], r.Properties["PolicyDocument"], r.Properties["KeyPolicy"]}
			for _, document := range documents {
				for _, s := range statements(document) {
					who := texts(at(s["Principal"], "Service"))
					if len(who) == 0 || slices.Equal(who, []string{"lambda.amazonaws.com"}) {
						continue
					}
					limits := condition(s)
					if !strings.Contains(limits, "aws:SourceArn Arn") || !strings.Contains(limits, "aws:SourceAccount StringEquals [${AccountId}]") {
						t.Errorf("%s lets %v in without aws:SourceArn and aws:SourceAccount:%s", short(id), who, limits)
					}
				}
			}
		}
	})
}

func TestNothingUnencryptedIsLetIn(t *testing.T) {
	tpl := smallTemplates()["EksSteward"]
	refused := map[string]int{}
	for _, r := range tpl.Resources {
		for _, s := range statements(r.Properties["PolicyDocument"]) {
			if s["Effect"] == "Deny" && strings.Contains(condition(s), "aws:SecureTransport Bool [false]") {
				refused[r.Type]++
			}
		}
	}
	for kind, policy := range map[string]string{
		"AWS::SQS::Queue": "AWS::SQS::QueuePolicy", "AWS::SNS::Topic": "AWS::SNS::TopicPolicy", "AWS::S3::Bucket": "AWS::S3::BucketPolicy",
	} {
		if have, want := refused[policy], len(tpl.of(kind)); have != want {
			t.Errorf("%d policies of %d resources %s refuse plain HTTP", have, want, kind)
		}
	}
}

func TestOnlyMembersMayPutEventsOnTheBus(t *testing.T) {
	for name, tt := range map[string]struct {
		tpl  template
		want string
	}{
		"the accounts of the targets, the hub's own left out": {smallTemplates()["EksSteward"], "AWS 444455556666"},
		"all accounts of the organisation":                    {fullTemplates()["EksSteward"], "* if aws:PrincipalOrgID StringEquals [o-a1b2c3d4e5]"},
	} {
		t.Run(name, func(t *testing.T) {
			s := tt.tpl.one(t, "AWS::Events::EventBusPolicy").Properties["Statement"].(map[string]any)
			if got := principal(s) + condition(s); got != tt.want || text(s["Action"]) != "events:PutEvents" {
				t.Errorf("%s for %s, want events:PutEvents for %s", text(s["Action"]), got, tt.want)
			}
		})
	}
}
