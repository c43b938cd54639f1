package infra_test

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/jsii-runtime-go"

	"github.com/eks-steward/eks-steward/infra"
)

// An app of your own can hold the hub beside its other stacks, and chain rules
// of its own to the bus. This one starts an automation at every new finding.
func ExampleNewSteward() {
	app := awscdk.NewApp(nil)
	place := infra.Place{Account: "111122223333", Region: "eu-west-1"}
	stack := awscdk.NewStack(app, jsii.String("Platform"), &awscdk.StackProps{
		Env: &awscdk.Environment{Account: jsii.String(place.Account), Region: jsii.String(place.Region)},
	})
	steward := infra.NewSteward(stack, "Steward", &infra.Props{
		Hub:     place,
		Targets: []infra.Target{{Account: place.Account, Regions: []string{place.Region}}},
	})
	infra.NewMember(stack, "Member", &infra.MemberProps{Hub: place, Reader: true})

	awsevents.NewRule(stack, jsii.String("NewFinding"), &awsevents.RuleProps{
		EventBus:     steward.Bus,
		EventPattern: &awsevents.EventPattern{DetailType: jsii.Strings("Finding Opened")},
		Targets:      &[]awsevents.IRuleTarget{awseventstargets.NewSnsTopic(steward.Findings, nil)},
	})
	app.Synth(nil)
}
