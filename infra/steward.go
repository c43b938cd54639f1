// Package infra is the deployment of eks-steward as CDK constructs: Steward is
// the hub with every function there is, Member is what a watched account and
// region needs, App puts them into stacks. It decides which resources exist and
// who may do what to them, action by action; the patterns of its rules and the
// environment of its functions come from the packages that read them. It never
// reads the environment of the process, and never holds a secret.
package infra

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// Steward is the hub. Its fields are what another part of an app may want to
// connect to.
type Steward struct {
	constructs.Construct
	Bus           awsevents.EventBus // carries Finding Opened, Changed and Resolved
	Findings      awssns.Topic       // what is wrong with clusters, for people
	Machines      awssns.Topic       // every move of an incident, as JSON
	Alarms        awssns.Topic       // what is wrong with eks-steward itself
	Configuration awss3.Bucket       // holds the run-time file at ConfigurationKey
}

// NewSteward adds the hub to a stack. One account can hold one hub, since the
// member roles of every account trust its functions by their names. It panics
// with the sentences of Props.Validate, as constructs do.
func NewSteward(scope constructs.Construct, id string, props *Props) *Steward {
	if err := props.Validate(); err != nil {
		panic(err)
	}
	h := newHub(constructs.NewConstruct(scope, jsii.String(id)), props.withDefaults())

	// Functions stand in the order in which they feed each other, last first. A
	// new one is a file of its own and a line here.
	notify := newNotify(h)
	etcdsize := newEtcdSize(h)
	clustercheck := newClusterCheck(h)
	secretsencryption := newSecretsEncryption(h)
	wakes := queues{
		etcdSize: etcdsize.queue, clusterCheck: clustercheck.queue, secretsEncryption: secretsencryption.queue, notify: notify.queue,
	}
	if h.props.renewsNodes() {
		wakes.nodegroupRollout = newNodegroupRollout(h).queue
	}
	if h.props.makesPlans() {
		newApprove(h, wakes)
	}
	newDispatch(h, wakes)

	h.dashboard()
	output(h, "FindingsTopic", "Messages for people", *h.findings.TopicArn())
	output(h, "MachinesTopic", "Every move of an incident as JSON, for subscriptions of yours: docs/recipes", *h.machines.TopicArn())
	output(h, "ConfigurationBucket", "Upload the run-time file here as "+ConfigurationKey, *h.configuration.bucket.BucketName())
	return &Steward{Construct: h.scope, Bus: h.bus, Findings: h.findings, Machines: h.machines, Alarms: h.alarms, Configuration: h.configuration.bucket}
}
