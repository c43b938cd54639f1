package infra

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// HubStack names the stack of the hub. Those of members are called
// EksStewardMember-<account>-<region>.
const HubStack = "EksSteward"

// NewApp adds the hub's stack and one for each account and region that is
// watched. Where props leave hub or targets out, they are current, the place
// that the credentials of the command line belong to. The error holds the
// sentences of Validate.
func NewApp(app constructs.Construct, props Props, current Place) error {
	if props.Hub == (Place{}) {
		props.Hub = current
	}
	if props.Targets == nil {
		props.Targets = []Target{{Account: props.Hub.Account, Regions: []string{props.Hub.Region}}}
	}
	if err := props.Validate(); err != nil {
		return err
	}
	hub := awscdk.NewStack(app, jsii.String(HubStack), &awscdk.StackProps{
		Env:         environment(props.Hub.Account, props.Hub.Region),
		Description: jsii.String("eks-steward: the functions, and what they share"),
	})
	NewSteward(hub, "Steward", &props)
	for _, t := range props.Targets {
		for i, region := range t.Regions {
			newMemberStack(app, props, t, region, i == 0)
		}
	}
	return nil
}

func newMemberStack(app constructs.Construct, props Props, t Target, region string, first bool) {
	stack := awscdk.NewStack(app, jsii.String("EksStewardMember-"+t.Account+"-"+region), &awscdk.StackProps{
		Env:         environment(t.Account, region),
		Description: jsii.String("eks-steward: what this account and region needs to be watched"),
		// The template has no assets: without the rule that looks for a
		// bootstrapped account, a stack set can deploy it as it is.
		Synthesizer: awscdk.NewDefaultStackSynthesizer(&awscdk.DefaultStackSynthesizerProps{GenerateBootstrapVersionRule: jsii.Bool(false)}),
	})
	member := &MemberProps{Hub: props.Hub, OrganizationID: props.OrganizationID, Reader: first && t.Role == ""}
	if first && props.withDefaults().writesKeys() {
		member.EncryptionWriter = &props.SecretsEncryption
	}
	if first && props.withDefaults().renewsNodes() {
		member.RolloutWriter = &props.NodegroupRollout
	}
	NewMember(stack, "Member", member)
}

func environment(account, region string) *awscdk.Environment {
	return &awscdk.Environment{Account: jsii.String(account), Region: jsii.String(region)}
}
