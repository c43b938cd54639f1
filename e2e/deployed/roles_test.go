package deployed_test

import (
	"encoding/json"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/eks-steward/eks-steward/e2e/deployed"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/slack"
	"github.com/eks-steward/eks-steward/testevents"
)

// A permission is one action of one role on what one statement names.
type permission struct{ role, action, resource string }

func (p permission) String() string { return p.role + " " + p.action + " on " + p.resource }

// unused are the permissions that no run here needs, with the reason why they
// are granted. Resources go by their short names.
var unused = []struct {
	permission
	why string
}{
	{permission{"steward-dispatch", "dynamodb:DeleteItem", "Ledger"}, "a tick that fails gives its lease back, and a follow-up that is over is forgotten"},
	{permission{"DispatchSchedulerRole", "sqs:SendMessage", "DispatchDeadLetters"}, "Scheduler gives up on a message only when the queue is out of reach"},
	{permission{"NotifySchedulerRole", "sqs:SendMessage", "NotifyDeadLetters"}, "likewise"},
	{permission{"steward-etcdsize", "sns:Publish", "Findings"}, "only when the ledger is out of reach: critical findings then go straight to the topic"},
	{permission{"steward-clustercheck", "sns:Publish", "Findings"}, "likewise"},
	{permission{"steward-clustercheck", "sqs:SendMessage", "ClusterCheckQueue"}, "only when a run is out of time"},
	{permission{"steward-secretsencryption", "sqs:SendMessage", "SecretsEncryptionQueue"}, "likewise"},
	{permission{"steward-secretsencryption", "events:PutEvents", "arn:aws:events:" + deployed.Region + ":" + deployed.Account + ":event-bus/eks-steward"}, "only when a key is hurt, which ../encryption shows"},
	{permission{"steward-reader", "ec2:DescribeLaunchTemplateVersions", "*"}, "only where a nodegroup has a launch template"},
	{permission{"steward-reader", "ec2:DescribeLaunchTemplates", "*"}, "likewise"},
	{permission{"steward-reader", "ec2:DescribeInstanceTypes", "*"}, "only a rollout asks, which ../rollout shows"},
	{permission{"steward-reader", "cloudwatch:DescribeAlarms", "*"}, "likewise"},
	{permission{"steward-reader", "servicequotas:GetServiceQuota", "*"}, "likewise"},
	{permission{"steward-reader", "servicequotas:GetAWSDefaultServiceQuota", "*"}, "likewise, and only where nobody has raised the quota"},
	{permission{"steward-reader", "ssm:GetCalendarState", "arn:aws:ssm:*:*:document/*"}, "only a rollout asks, which ../rollout shows"},
	{permission{"steward-reader", "eks:ListUpdates", "arn:aws:eks:*:" + deployed.Account + ":nodegroup/*"}, "likewise"},
	{permission{"steward-reader", "eks:DescribeUpdate", "arn:aws:eks:*:" + deployed.Account + ":nodegroup/*"}, "likewise"},
	{permission{"steward-reader", "ssm:GetParameter", "arn:aws:ssm:*::parameter/aws/service/bottlerocket/*"}, "only where a nodegroup has such an image"},
	{permission{"steward-reader", "ssm:GetParameter", "arn:aws:ssm:*::parameter/aws/service/ami-windows-latest/*"}, "likewise"},
	{permission{"steward-reader", "kms:GetKeyPolicy", "arn:aws:kms:*:*:key/*"}, "only where a key of the customer encrypts the volumes of nodes"},
	{permission{"steward-reader", "eks:DescribeAccessEntry", "arn:aws:eks:*:" + deployed.Account + ":access-entry/*"}, "only when an API server refuses the role, which ../real shows"},
}

// Every action that a deployed role was asked for, over a whole incident, is
// granted, and every action that is granted is asked for.
func TestRolesMayDoWhatTheyDoAndNothingElse(t *testing.T) {
	incident(t, "witness", func(int) {})
	outage(t, "unheard")
	lifetime(t, "mayfly")
	steward.tick(t, "NotifyCanary")

	granted := steward.granted(t)
	used := map[permission]bool{}
	decisions, err := steward.Decisions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	refused := map[string]bool{}
	for _, d := range decisions {
		if !d.Allowed {
			refused[d.Role+" "+d.Action+" on "+d.Resource] = true
		}
		for p := range granted {
			if p.role == d.Role && strings.EqualFold(p.action, d.Action) && covers(p.resource, d.Resource) {
				used[p] = true
			}
		}
	}
	for _, p := range slices.Sorted(maps.Keys(refused)) {
		t.Errorf("used but not granted: %s", p)
	}
	for p := range granted {
		excepted := steward.excepted(p)
		switch {
		case !used[p] && !excepted:
			t.Errorf("granted but never used: %s", p)
		case used[p] && excepted:
			t.Errorf("used after all, take it from the exceptions: %s", p)
		}
	}
}

// outage opens an incident while Slack is out of reach: dispatch reminds notify
// of it after five minutes.
func outage(t *testing.T, cluster string) {
	t.Helper()
	steward.cluster(t, cluster)
	steward.measure(t, cluster, 1, 7.5)
	steward.channel.Script(slack.Outage, slack.Outage, slack.Outage, slack.Outage)
	steward.tick(t, "DispatchHourly")
	if got := steward.told(cluster); len(got) != 0 {
		t.Fatalf("Slack shows %q during its outage", got)
	}
	for range 4 { // what the script has left
		steward.tick(t, "DispatchFiveMinutes")
	}
	if got := steward.told(cluster); len(got) != 1 {
		t.Errorf("after its outage Slack shows %q, want the incident", got)
	}
}

// lifetime has a cluster with all that a check reads looked at as every day, and
// again after its deletion.
func lifetime(t *testing.T, cluster string) {
	t.Helper()
	steward.join(t, sim.Cluster{
		Name: cluster, Version: "1.34", KeyARN: secretsKey,
		Nodegroups: []sim.Nodegroup{{Name: "workers"}},
		Addons:     []sim.Addon{{Name: "vpc-cni", Version: "v1.20.4-eksbuild.2"}},
		Insights:   []sim.Insight{{Name: "Deprecated APIs", Status: "ERROR"}},
		Updates:    []sim.Update{{Version: "1.35", At: -time.Minute}},
	})
	steward.tick(t, "DispatchDaily")
	steward.revoke(t, secretsKey)
	steward.remove(cluster)
	steward.call(t, "DeleteCluster", cluster)
}

// revoke tells that somebody took a grant from a key.
func (p *product) revoke(t *testing.T, key string) {
	t.Helper()
	e := testevents.Case{Function: "secretsencryption", Name: "kms.RevokeGrant"}
	if err := p.Happens(t.Context(), e, "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", key); err != nil {
		t.Fatal(err)
	}
	p.drain(t)
}

// excepted says whether a permission is in the list of the unused.
func (p *product) excepted(granted permission) bool {
	return slices.ContainsFunc(unused, func(u struct {
		permission
		why string
	},
	) bool {
		name, rest, _ := strings.Cut(u.resource, "/")
		return p.physical(u.role) == granted.role && u.action == granted.action && granted.resource == strings.TrimSuffix(p.physical(name)+"/"+rest, "/")
	})
}

// physical turns the short name of a resource into its name or ARN, and leaves
// everything else as it is.
func (p *product) physical(name string) string {
	r, ok := p.Hub.Resources[name]
	switch {
	case !ok:
		return name
	case r.Type == "AWS::DynamoDB::Table":
		return "arn:aws:dynamodb:" + deployed.Region + ":" + deployed.Account + ":table/" + r.ID
	case r.Type == "AWS::SQS::Queue":
		return "arn:aws:sqs:" + deployed.Region + ":" + deployed.Account + ":" + r.ID[strings.LastIndex(r.ID, "/")+1:]
	}
	return r.ID
}

// granted reads the inline policies of every role of both stacks back.
func (p *product) granted(t *testing.T) map[permission]bool {
	t.Helper()
	out := map[permission]bool{}
	client := iam.NewFromConfig(p.Config)
	for _, role := range p.roles() {
		list, err := client.ListRolePolicies(t.Context(), &iam.ListRolePoliciesInput{RoleName: &role})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range list.PolicyNames {
			policy, err := client.GetRolePolicy(t.Context(), &iam.GetRolePolicyInput{RoleName: &role, PolicyName: &name})
			if err != nil {
				t.Fatal(err)
			}
			for _, permission := range permissions(t, role, aws.ToString(policy.PolicyDocument)) {
				out[permission] = true
			}
		}
	}
	return out
}

// roles are the names of those that both stacks made.
func (p *product) roles() []string {
	var names []string
	for _, stack := range []*deployed.Stack{p.Hub, p.Member} {
		for _, r := range stack.Resources {
			if r.Type == "AWS::IAM::Role" {
				names = append(names, r.ID)
			}
		}
	}
	return names
}

// permissions takes a policy document apart.
func permissions(t *testing.T, role, document string) []permission {
	t.Helper()
	text, err := url.PathUnescape(document) // IAM encodes documents by RFC 3986
	if err != nil {
		t.Fatal(err)
	}
	var policy struct {
		Statement []struct {
			Effect           string
			Action, Resource list
		}
	}
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		t.Fatalf("policy of %s: %v", role, err)
	}
	var out []permission
	for _, s := range policy.Statement {
		if s.Effect != "Allow" {
			t.Errorf("role %s has a statement with the effect %s, which this test does not understand", role, s.Effect)
		}
		for _, action := range s.Action {
			for _, resource := range s.Resource {
				out = append(out, permission{role, action, resource})
			}
		}
	}
	return out
}

// list is one text or several, as in policies.
type list []string

func (l *list) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = list{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}

// covers matches a resource against one with * and ?.
func covers(pattern, resource string) bool {
	quoted := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
	return regexp.MustCompile("^" + quoted + "$").MatchString(resource)
}
