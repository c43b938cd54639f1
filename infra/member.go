package infra

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/config"
)

// MemberProps say which hub a watched account and region belongs to.
type MemberProps struct {
	Hub            Place
	OrganizationID string // of both accounts; may be empty
	// Reader makes the role steward-reader. A role belongs to the whole account:
	// set it in one region, and not where the target names a role of yours.
	Reader bool
}

// NewMember adds to a stack what an account and region needs to be watched. It
// can stand in a stack of any account and region, the hub's own included, and
// is complete before there is a hub.
func NewMember(scope constructs.Construct, id string, props *MemberProps) constructs.Construct {
	member := constructs.NewConstruct(scope, jsii.String(id))
	forward(member, props.Hub)
	if props.Reader {
		newReader(member, props)
	}
	return member
}

// newReader makes the role that reads this account. It trusts the functions
// that read clusters and nothing else of the hub's account.
func newReader(scope constructs.Construct, props *MemberProps) {
	// The account is the principal and the role a condition: IAM would bind a
	// role named as principal to its unique id, so it had to exist before this
	// one, and a hub deployed anew would be locked out.
	conditions := map[string]any{"ArnEquals": map[string]any{"aws:PrincipalArn": []any{
		iamARN(props.Hub.Account, "role/"+functionRole("etcdsize")),
		iamARN(props.Hub.Account, "role/"+functionRole("clustercheck")),
	}}}
	if props.OrganizationID != "" {
		conditions["StringEquals"] = map[string]any{"aws:PrincipalOrgID": props.OrganizationID}
	}
	hub := awsiam.NewArnPrincipal(jsii.String(iamARN(props.Hub.Account, "root")))
	statements := reading()
	awsiam.NewRole(scope, jsii.String("Reader"), &awsiam.RoleProps{
		RoleName:    jsii.String(config.ReaderRole),
		Description: jsii.String("Lets eks-steward read the EKS clusters of this account"),
		AssumedBy:   hub.WithConditions(&conditions),
		InlinePolicies: &map[string]awsiam.PolicyDocument{
			"read": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &statements}),
		},
	})
}

// reading is all that the reader role may do. Packages awsfleet and
// awsfleet/snapshot list the calls.
func reading() []awsiam.PolicyStatement {
	account := func(kind string) []*string {
		return []*string{jsii.String("arn:" + *awscdk.Aws_PARTITION() + ":eks:*:" + *awscdk.Aws_ACCOUNT_ID() + ":" + kind + "/*")}
	}
	return []awsiam.PolicyStatement{
		// Names no cluster: it is how their names are found.
		allow(anything(), "eks:ListClusters"),
		// Are about Kubernetes versions, not about clusters.
		allow(anything(), "eks:DescribeClusterVersions", "eks:DescribeAddonVersions"),
		// Metrics are no resources of IAM: GetMetricData takes neither an
		// ARN nor the condition key cloudwatch:namespace.
		allow(anything(), "cloudwatch:GetMetricData"),
		// Take no resource either (Service authorization reference, Amazon EC2,
		// AWS KMS and Amazon Resource Group Tagging API).
		allow(anything(), "ec2:DescribeSubnets", "kms:ListAliases", "tag:GetResources"),
		allow(account("cluster"), "eks:DescribeCluster", "eks:ListNodegroups", "eks:ListAddons",
			"eks:ListInsights", "eks:DescribeInsight", "eks:ListUpdates", "eks:DescribeUpdate"),
		allow(account("nodegroup"), "eks:DescribeNodegroup"),
		allow(account("addon"), "eks:DescribeAddon"),
		// Only where an API server refuses the role: whether it has an entry there.
		allow(account("access-entry"), "eks:DescribeAccessEntry"),
		// The key of a cluster may be another account's; the policy of the key has
		// the last word there.
		allow([]*string{jsii.String("arn:" + *awscdk.Aws_PARTITION() + ":kms:*:*:key/*")}, "kms:DescribeKey", "kms:GetKeyRotationStatus", "kms:ListResourceTags"),
	}
}

// anything is the resource of actions that take nothing else; each says why.
func anything() []*string { return []*string{jsii.String("*")} }

// forward sends what is seen here of EKS and of keys to the hub's bus: by
// CloudTrail, by EKS itself and by AWS Health. There is no dead-letter queue:
// EventBridge tries for a day, and what is lost then the next look finds.
func forward(scope constructs.Construct, hub Place) {
	bus := "arn:" + *awscdk.Aws_PARTITION() + ":events:" + hub.Region + ":" + hub.Account + ":event-bus/" + busName
	rules := []struct {
		id, name string
		pattern  events.Pattern
	}{
		{"EKSCalls", "eks-steward-eks-calls", events.EKSCalls},
		{"KMSCalls", "eks-steward-kms-calls", events.KMSCalls},
		{"Addons", "eks-steward-addons", events.AddonHealthEvents},
		{"Health", "eks-steward-health", events.HealthEvents},
	}
	var arns []any
	for _, r := range rules {
		arns = append(arns, arn("events", "rule/"+r.name))
	}
	role := awsiam.NewRole(scope, jsii.String("Forward"), &awsiam.RoleProps{
		Description: jsii.String("Sends EKS and KMS events of this region to the bus of eks-steward"),
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("events.amazonaws.com"), &awsiam.ServicePrincipalOpts{
			Conditions: &map[string]any{
				"ArnEquals":    map[string]any{"aws:SourceArn": arns},
				"StringEquals": map[string]any{"aws:SourceAccount": awscdk.Aws_ACCOUNT_ID()},
			},
		}),
		InlinePolicies: &map[string]awsiam.PolicyDocument{
			"forward": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &[]awsiam.PolicyStatement{
				allow([]*string{jsii.String(bus)}, "events:PutEvents"),
			}}),
		},
	})
	for _, r := range rules {
		awsevents.NewCfnRule(scope, jsii.String(r.id), &awsevents.CfnRuleProps{
			Name:         jsii.String(r.name), // known before the rule is, for the role's trust
			EventPattern: fields(r.pattern),
			Targets:      []any{&awsevents.CfnRule_TargetProperty{Id: jsii.String("hub"), Arn: jsii.String(bus), RoleArn: role.RoleArn()}},
		})
	}
}
