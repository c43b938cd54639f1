package infra

import (
	"errors"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// HubStack names the stack of the hub. Those of members are called
// EksStewardMember-<account>-<region>.
const HubStack = "EksSteward"

// NewApp adds the hub's stack and one for each account and region that is
// watched. Where props leave out hub and targets, both are current, the place
// that the credentials of the command line belong to. The error says what keeps
// the hub from having a place, or holds the sentences of Validate.
func NewApp(app constructs.Construct, props Props, current Place) error {
	var err error
	if props.Hub, err = placeOfHub(props, current); err != nil {
		return err
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

// placeOfHub takes current for the hub only where nothing else is named. Whoever
// deploys one of several members by itself has the credentials of its account, and a
// hub that follows these is another one: the member would trust, without an error,
// an account in which no function runs.
func placeOfHub(props Props, current Place) (Place, error) {
	switch {
	case props.Hub != (Place{}):
		return props.Hub, nil
	case len(props.Targets) > 0:
		return Place{}, errors.New(ContextKey + `.hub is left out: want where the functions run, such as {"account": "111122223333", "region": "eu-west-1"}, ` +
			"since targets are named: otherwise every command would take the account of its own credentials for the hub")
	case current.Account == "":
		return Place{}, errors.New(`nothing says where to deploy: sign in to AWS, or set ` + ContextKey + `.hub to {"account": ..., "region": ...}`)
	}
	return current, nil
}

func newMemberStack(app constructs.Construct, props Props, t Target, region string, first bool) {
	stack := awscdk.NewStack(app, jsii.String("EksStewardMember-"+t.Account+"-"+region), &awscdk.StackProps{
		Env:         environment(t.Account, region),
		Description: jsii.String("eks-steward: what this account and region needs to be watched"),
		// The template has no assets: without the rule that looks for a
		// bootstrapped account, a stack set can deploy it as it is.
		Synthesizer: awscdk.NewDefaultStackSynthesizer(&awscdk.DefaultStackSynthesizerProps{GenerateBootstrapVersionRule: jsii.Bool(false)}),
	})
	member := &MemberProps{Hub: props.Hub, OrganizationID: props.OrganizationID, Reader: first && t.Role == "", Readers: props.Readers}
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
