package infra_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/eks-steward/eks-steward/infra"
)

// What AWS refuses only when it is deployed (IAM and AWS STS quotas; Lambda quotas).
const (
	roleCharacters   = 10240 // of all inline policies of a role, white space left out
	trustCharacters  = 2048  // of the trust policy of a role, unless its account has asked for more
	environmentBytes = 4096  // of a function
)

// A deployment as large as Validate lets it be must be one that AWS takes.
func TestTheLargestDeploymentFitsIntoWhatAWSTakes(t *testing.T) {
	for stack, tpl := range assemble(func(app awscdk.App) error {
		p := largest(t)
		infra.NewSteward(awscdk.NewStack(app, jsii.String("Hub"), nil), "Steward", &p)
		infra.NewMember(awscdk.NewStack(app, jsii.String("Member"), nil), "Member", &infra.MemberProps{
			Hub: p.Hub, OrganizationID: "o-" + strings.Repeat("0", 32), Reader: true, Readers: p.Readers,
			EncryptionWriter: &p.SecretsEncryption, RolloutWriter: &p.NodegroupRollout,
		})
		return nil
	}) {
		for id, r := range tpl.of("AWS::IAM::Role") {
			policies := 0
			for _, p := range r.Properties["Policies"].([]any) {
				policies += size(t, at(p, "PolicyDocument"))
			}
			if policies > roleCharacters {
				t.Errorf("%s: the policies of %s have %d characters, IAM takes %d", stack, id, policies, roleCharacters)
			}
			if trust := size(t, r.Properties["AssumeRolePolicyDocument"]); trust > trustCharacters {
				t.Errorf("%s: the trust policy of %s has %d characters, IAM takes %d", stack, id, trust, trustCharacters)
			}
		}
		for id, f := range tpl.of("AWS::Lambda::Function") {
			if n := size(t, at(f.Properties["Environment"], "Variables")); n > environmentBytes {
				t.Errorf("%s: the environment of %s has %d bytes, Lambda takes %d", stack, id, n, environmentBytes)
			}
		}
	}
}

// largest holds as much as Validate lets through of everything that grows a policy
// or an environment, in the partition with the longest name.
func largest(t *testing.T) infra.Props {
	t.Helper()
	p := infra.Props{
		Hub:              infra.Place{Account: hubAccount, Region: "us-gov-west-1"},
		MaxMode:          infra.MaxMode{SecretsEncryption: "enforce", NodegroupRollout: "enforce"},
		NodegroupRollout: infra.NodegroupRollout{LaunchTemplates: true},
		Slack: &infra.Slack{SecretName: strings.Repeat("s", 512), Approvals: &infra.SlackApprovals{
			SigningSecretName: strings.Repeat("s", 512), Team: "T" + strings.Repeat("0", 39), Users: []string{"U1"},
		}},
		Targets: []infra.Target{target(0)},
	}
	p.SecretsEncryption = infra.SecretsEncryption{
		Keys: []string{key(0)}, Tag: &infra.Tag{Key: strings.Repeat("k", 128), Value: strings.Repeat("v", 256)}, KeyGuard: true,
	}
	fill(t, &p, &p.Targets, target)
	fill(t, &p, &p.SecretsEncryption.Keys, key)
	fill(t, &p, &p.Slack.Approvals.Users, func(i int) string { return fmt.Sprintf("U%039d", i) })
	fill(t, &p, &p.Readers, reader)
	for i := range p.Readers { // the first as long as a name can be, the next what is left of all characters
		for p.Validate() == nil {
			p.Readers[i] += "r"
		}
		p.Readers[i] = strings.TrimSuffix(p.Readers[i], "r")
	}
	for _, length := range []int{512, 1} { // few long names, and a short one into what is left
		for i := range p.Targets {
			role := p.Targets[i].Role
			p.Targets[i].Role = "arn:aws-us-gov:iam::" + p.Targets[i].Account + ":role/" + strings.Repeat("r", length)
			if role != "" || p.Validate() != nil {
				p.Targets[i].Role = role
			}
		}
	}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	return p
}

// fill adds to a list of p until Validate refuses one more.
func fill[T any](t *testing.T, p *infra.Props, list *[]T, item func(int) T) {
	t.Helper()
	for i := len(*list); i < 1000; i++ {
		*list = append(*list, item(i))
		if p.Validate() != nil {
			*list = (*list)[:i]
			return
		}
	}
	t.Fatalf("nothing bounds %T: there are %d", *list, len(*list))
}

func target(i int) infra.Target {
	return infra.Target{Account: fmt.Sprintf("%012d", i), Regions: []string{"us-gov-west-1"}}
}

// reader is a role of an account that no other reader is of.
func reader(i int) string {
	return fmt.Sprintf("arn:aws-us-gov:iam::%012d:role/r", i)
}

func key(i int) string {
	return fmt.Sprintf("arn:aws-us-gov:kms:us-gov-west-1:%012d:key/mrk-%032d", i, i)
}

// size is that of a value of a template once it is deployed, as JSON.
func size(t *testing.T, v any) int {
	t.Helper()
	b, err := json.Marshal(longest(v))
	if err != nil {
		t.Fatal(err)
	}
	return len(b)
}

var reference = regexp.MustCompile(`<[^>]+>`)

// longest fills references in: the ARN of a queue, the name of which has 80
// characters at most, has some 130.
func longest(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = longest(v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for name := range v {
			if name == "Ref" || strings.HasPrefix(name, "Fn::") {
				known := strings.NewReplacer("${Partition}", "aws-us-gov", "${Region}", "us-gov-west-1", "${AccountId}", hubAccount)
				return reference.ReplaceAllString(known.Replace(text(v)), strings.Repeat("x", 150))
			}
			out[name] = longest(v[name])
		}
		return out
	}
	return v
}
