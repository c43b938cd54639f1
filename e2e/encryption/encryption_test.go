// Package encryption_test puts a key on clusters, and guards it, with the deployed
// binaries: from the event of CloudTrail to the call of EKS and the message. EKS
// and KMS are simulated behind the policies of the deployed roles. It holds what
// only the whole path can show; how each part decides is held by its own tests.
package encryption_test

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/eks-steward/eks-steward/e2e/deployed"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	simkms "github.com/eks-steward/eks-steward/internal/sim/kms"
)

// What contexts say of the key, and of Slack where it only shows messages.
const (
	mayUseKey = `"secretsEncryption": {"keys": ["` + key + `"]}, `
	messages  = `"slack": {"secretName": "` + deployed.SlackSecret + `"}`
)

func TestEnforce(t *testing.T) {
	p := deploy(t, config.Enforce, mayUseKey+messages+`, "maxMode": {"secretsEncryption": "enforce"}`)
	p.story(t, "a new cluster gets the customer key by one call", p.newCluster)
	p.story(t, "nothing is called while the kill switch is on", p.held)
	p.story(t, "what EKS refused is told and not tried again", p.refused)
}

// newCluster is created by the SDK, as by anybody, and told of by CloudTrail.
func (p *product) newCluster(t *testing.T) {
	const name = "payments"
	if _, err := p.eks.CreateCluster(t.Context(), &eks.CreateClusterInput{
		Name: aws.String(name), Version: aws.String(version), RoleArn: aws.String("arn:aws:iam::" + deployed.Account + ":role/eks"),
		ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: []string{"subnet-00000000000000000", "subnet-00000000000000001"}},
	}); err != nil {
		t.Fatal(err)
	}
	deployed.One(t, p.created(t, name), "WARNING", "secrets of "+name+" are encrypted with an AWS-owned key")
	p.called(t, 0) // EKS is creating it

	p.later.Add(int64(time.Hour))
	deployed.One(t, p.hasten(t, 1), "WARNING", "EKS associates a key with "+name, "cannot be taken back")
	p.called(t, 1)
	p.repeat(t)
	deployed.None(t, p.created(t, name)) // while EKS is at it
	p.called(t, 1)
	p.successful(t, name)
	if got := p.world.Encryption(id(name)); got != key {
		t.Errorf("the cluster has the key %q, want %q", got, key)
	}
	deployed.None(t, p.hasten(t, 0))

	p.repeat(t)
	deployed.None(t, p.created(t, name)) // late
	p.happens(t, "AssociateEncryptionConfig", "my-cluster", name, "role/ExampleRole", "role/"+config.EncryptionWriterRole)
	deployed.None(t, p.News(t)) // our own
	deployed.None(t, p.Tick(t, deployed.Daily))
	p.called(t, 1)
}

func (p *product) held(t *testing.T) {
	const name = "inventory"
	p.turn(t, "on")
	p.joins(t, sim.Cluster{Name: name})
	deployed.All(t, p.created(t, name), []string{"AWS-owned key"}, []string{"WARNING", "the association of a key with " + name + " is held by the kill switch"})
	deployed.None(t, p.Tick(t, deployed.Daily))
	p.called(t, 0)
	p.turn(t, "off")
	deployed.One(t, p.Tick(t, deployed.Daily), "EKS associates a key with "+name)
	p.called(t, 1)
	p.successful(t, name)
}

// successful lets EKS come to the end of an association. Both functions follow it
// that have seen the cluster meanwhile.
func (p *product) successful(t *testing.T, name string) {
	t.Helper()
	p.later.Add(int64(time.Hour))
	deployed.All(t, p.hasten(t, 2),
		[]string{"RESOLVED", "secrets of " + name + " are encrypted with a customer key"}, // of the check encryption-state
		[]string{"RESOLVED", "a customer key encrypts the secrets of " + name},
	)
}

// turn sets the kill switch as the documentation says.
func (p *product) turn(t *testing.T, value string) {
	t.Helper()
	if _, err := ssm.NewFromConfig(p.Config).PutParameter(t.Context(), &ssm.PutParameterInput{
		Name: aws.String("/eks-steward/kill-switch"), Value: &value, Overwrite: aws.Bool(true),
	}); err != nil {
		t.Fatal(err)
	}
}

func (p *product) refused(t *testing.T) {
	const name, why = "orders", "Encryption config cannot be associated with this cluster"
	p.joins(t, sim.Cluster{Name: name})
	p.world.Faults().Script(edge.Step{
		Service: "eks", Operation: associate, Cluster: name, Do: edge.Answer(400, "InvalidRequestException", why),
	})
	deployed.All(t, p.created(t, name), []string{"AWS-owned key"}, []string{"WARNING", "EKS refuses to associate a key with " + name, why, "never tried again"})
	p.called(t, 1)
	deployed.None(t, p.hasten(t, 0))
	deployed.None(t, p.Tick(t, deployed.Daily)) // EKS would take it by now
	deployed.None(t, p.created(t, name))
	p.called(t, 1)
}

func TestApprove(t *testing.T) {
	p := deploy(t, config.Approve, mayUseKey+`"maxMode": {"secretsEncryption": "approve"}, "slack": {"secretName": "`+deployed.SlackSecret+`", `+
		`"approvals": {"signingSecretName": "`+signingName+`", "team": "`+team+`", "users": ["`+user+`"]}}`)
	p.story(t, "a plan waits until somebody approves on the command line", p.commandLine)
	p.story(t, "a plan waits until somebody presses the button in Slack", p.button)
	p.story(t, "a plan is void when the cluster is another by now", p.changed)
}

// asked tells of a new cluster, and returns the message that asks for approval.
func (p *product) asked(t *testing.T, name string) string {
	t.Helper()
	p.joins(t, sim.Cluster{Name: name})
	news := p.created(t, name)
	deployed.All(t, news, []string{"AWS-owned key"}, []string{"a key for the secrets of " + name + " waits for approval", key, "cannot be taken back"})
	p.called(t, 0)
	return news[1]
}

func (p *product) commandLine(t *testing.T) {
	const name = "payments"
	steward, plan := deployed.Steward(t), planIn(t, p.asked(t, name)).hash
	deployed.None(t, p.Tick(t, deployed.Daily)) // nobody has approved
	p.called(t, 0)

	p.approve(t, steward, plan[:12])
	deployed.One(t, p.News(t), "EKS associates a key with "+name)
	p.called(t, 1)
	p.approve(t, steward, plan[:12])
	deployed.None(t, p.News(t))
	p.logged(t, "has approved the plan already")
	p.called(t, 1)
}

func (p *product) button(t *testing.T) {
	const name = "orders"
	plan := planIn(t, p.asked(t, name))
	p.Warm(t)
	now := time.Now()
	for refused, tt := range map[string]struct {
		press  press
		status int
		says   string
	}{
		"a stranger":                {press{plan, team, "U0STRANGE", now, signingSecret}, 200, "the user is not among those who may approve"},
		"a user of another team":    {press{plan, "T0OTHER00", user, now, signingSecret}, 200, "the user is of another workspace"},
		"an old request":            {press{plan, team, user, now.Add(-6 * time.Minute), signingSecret}, 401, "the request was signed more than five minutes ago"},
		"a request of someone else": {press{plan, team, user, now, "another"}, 401, "the signature is not Slack's"},
	} {
		t.Run(refused, func(t *testing.T) {
			p.presses(t, tt.press.request(t), tt.status)
			deployed.None(t, p.News(t))
			p.logged(t, tt.says)
			p.called(t, 0)
		})
	}

	pressed := press{plan, team, user, now, signingSecret}.request(t)
	p.presses(t, pressed, 200)
	deployed.One(t, p.News(t), "EKS associates a key with "+name)
	p.called(t, 1)
	p.presses(t, pressed, 200) // replayed
	deployed.None(t, p.News(t))
	p.logged(t, "("+user+") has approved the plan already")
	p.called(t, 1)
}

// changed has a cluster deleted and another one of the same name created while the
// plan for the first one waits.
func (p *product) changed(t *testing.T) {
	const name = "inventory"
	old := planIn(t, p.asked(t, name))
	p.joins(t, sim.Cluster{Name: name, CreatedAt: time.Now().Add(-time.Minute)})
	p.presses(t, press{old, team, user, time.Now(), signingSecret}.request(t), 200)
	news := p.News(t)
	deployed.One(t, news, "waits for approval", "has changed since the last plan", "worth nothing any more")
	p.called(t, 0)

	p.presses(t, press{old, team, user, time.Now(), signingSecret}.request(t), 200)
	deployed.None(t, p.News(t))
	p.logged(t, "the plan is void (The cluster, its key or its policy has changed since the last plan.)")
	p.called(t, 0)
	p.presses(t, press{planIn(t, news[0]), team, user, time.Now(), signingSecret}.request(t), 200)
	deployed.One(t, p.News(t), "EKS associates a key with "+name)
	p.called(t, 1)
}

func TestReport(t *testing.T) {
	p := deploy(t, config.Report, messages)
	p.story(t, "no cluster gets a key", p.nothing)
	p.story(t, "no role may write", p.readOnly)
	p.story(t, "a key whose deletion is scheduled is told until it works again", p.guarded)
}

func (p *product) nothing(t *testing.T) {
	const name = "payments"
	p.joins(t, sim.Cluster{Name: name})
	deployed.One(t, p.created(t, name), "AWS-owned key")
	deployed.None(t, p.hasten(t, 0))
	deployed.None(t, p.Tick(t, deployed.Daily))
	p.called(t, 0)
}

// readOnly holds what the roles of both stacks may do to EKS and KMS.
func (p *product) readOnly(t *testing.T) {
	client := iam.NewFromConfig(p.Config)
	for _, stack := range []*deployed.Stack{p.Hub, p.Member} {
		for _, r := range stack.Resources {
			if r.Type != "AWS::IAM::Role" {
				continue
			}
			for _, action := range actions(t, client, r.ID) {
				if concerned.MatchString(action) && !reading.MatchString(action) {
					t.Errorf("the role %s may %s", r.ID, action)
				}
			}
		}
	}
	for _, role := range []string{config.EncryptionWriterRole, config.RolloutWriterRole} {
		if _, err := client.GetRole(t.Context(), &iam.GetRoleInput{RoleName: &role}); err == nil {
			t.Errorf("there is a role %s", role)
		}
	}
}

var concerned, reading = regexp.MustCompile(`^(eks:|kms:|\*)`), regexp.MustCompile(`^(eks|kms):(Describe|Get|List)[A-Za-z]+$`)

// actions are what the policies of a role allow; each is one of a stack's own.
func actions(t *testing.T, client *iam.Client, role string) []string {
	t.Helper()
	list, err := client.ListRolePolicies(t.Context(), &iam.ListRolePoliciesInput{RoleName: &role})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, name := range list.PolicyNames {
		out, err := client.GetRolePolicy(t.Context(), &iam.GetRolePolicyInput{RoleName: &role, PolicyName: &name})
		if err != nil {
			t.Fatal(err)
		}
		document, err := url.PathUnescape(aws.ToString(out.PolicyDocument)) // IAM encodes documents by RFC 3986
		if err != nil {
			t.Fatal(err)
		}
		var policy struct {
			Statement []struct{ Action json.RawMessage } // one text, or several
		}
		if err := json.Unmarshal([]byte(document), &policy); err != nil {
			t.Fatal(err)
		}
		for _, statement := range policy.Statement {
			for _, quoted := range regexp.MustCompile(`"[^"]+"`).FindAllString(string(statement.Action), -1) {
				all = append(all, strings.Trim(quoted, `"`))
			}
		}
	}
	return all
}

func (p *product) guarded(t *testing.T) {
	const name = "orders"
	p.joins(t, sim.Cluster{Name: name, KeyARN: key})
	deployed.None(t, p.Tick(t, deployed.Daily)) // notes which key it uses
	change := func(call string, err error) []string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		p.happens(t, "kms."+call, documentedKey, key)
		return p.News(t)
	}

	_, err := p.kms.RetireGrant(t.Context(), &kms.RetireGrantInput{KeyId: aws.String(key), GrantId: aws.String(simkms.GrantID(bystander))})
	deployed.None(t, change("RetireGrant", err))

	_, err = p.kms.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: aws.String(key), PendingWindowInDays: aws.Int32(8)})
	deployed.One(t, change("ScheduleKeyDeletion", err), "CRITICAL", "the key of "+name+" is deleted in 7 days", "aws kms cancel-key-deletion --region "+deployed.Region+" --key-id "+key)

	_, err = p.kms.CancelKeyDeletion(t.Context(), &kms.CancelKeyDeletionInput{KeyId: aws.String(key)})
	deployed.One(t, change("CancelKeyDeletion", err), "CRITICAL", "the key of "+name+" is disabled", "aws kms enable-key") // KMS leaves it so
	_, err = p.kms.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: aws.String(key)})
	deployed.One(t, change("EnableKey", err), "RESOLVED", "the key of "+name+" works")
	deployed.None(t, p.Tick(t, deployed.Daily))

	own := "arn:aws:eks:" + deployed.Region + ":" + deployed.Account + ":cluster/" + name
	_, err = p.kms.RevokeGrant(t.Context(), &kms.RevokeGrantInput{KeyId: aws.String(key), GrantId: aws.String(simkms.GrantID(own))})
	deployed.One(t, change("RevokeGrant", err), "CRITICAL", "EKS may no longer use the key of "+name)
}

// documentedKey is the one of the test events.
const documentedKey = "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
