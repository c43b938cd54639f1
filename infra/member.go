package infra

import (
	"errors"
	"slices"

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
	// Readers are the roles of people that Reader trusts beside the functions, as in
	// Props.
	Readers []string
	// EncryptionWriter makes the role steward-encryption-writer, which may put these
	// keys on clusters. It too belongs to the whole account. Nil: no role writes.
	EncryptionWriter *SecretsEncryption
	// RolloutWriter makes the role steward-rollout-writer, which may renew the nodes of
	// nodegroups that allow it, for the whole account likewise.
	RolloutWriter *NodegroupRollout
}

// NewMember adds to a stack what an account and region needs to be watched. It
// can stand in a stack of any account and region, the hub's own included, and
// is complete before there is a hub. It panics with the sentences of Validate about
// Readers.
func NewMember(scope constructs.Construct, id string, props *MemberProps) constructs.Construct {
	v := &verdict{}
	if v.readers(props.Readers, config.Partition(props.Hub.Region)); v.failures != nil {
		panic(errors.Join(v.failures...))
	}
	member := constructs.NewConstruct(scope, jsii.String(id))
	forward(member, props.Hub)
	if props.Reader {
		newReader(member, props)
	}
	if props.EncryptionWriter != nil {
		newEncryptionWriter(member, props)
	}
	if props.RolloutWriter != nil {
		newRolloutWriter(member, props)
	}
	return member
}

// newReader makes the role that reads this account. It trusts the functions
// that read clusters and nothing else of the hub's account, and the people who the
// deployment says may read.
func newReader(scope constructs.Construct, props *MemberProps) {
	statements, readers := reading(), []string{"etcdsize", "clustercheck", "secretsencryption"}
	if props.RolloutWriter != nil {
		readers = append(readers, "nodegrouprollout")
	}
	role := awsiam.NewRole(scope, jsii.String("Reader"), &awsiam.RoleProps{
		RoleName:    jsii.String(config.ReaderRole),
		Description: jsii.String("Lets eks-steward read the EKS clusters of this account"),
		AssumedBy:   functionsOf(props, readers...),
		InlinePolicies: &map[string]awsiam.PolicyDocument{
			"read": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &statements}),
		},
	})
	if len(props.Readers) > 0 {
		role.AssumeRolePolicy().AddStatements(people(props))
	}
}

// functionsOf are functions of the hub as those who take on a role.
func functionsOf(props *MemberProps, names ...string) awsiam.PrincipalBase {
	var roles []any
	for _, name := range names {
		roles = append(roles, iamARN(props.Hub.Account, "role/"+functionRole(name)))
	}
	return accountRoot(props.Hub.Account).WithConditions(sessionsOf(roles, props.OrganizationID))
}

// people are the readers as those who take on a role. They have a statement of their
// own, since their accounts may be others than the hub's.
func people(props *MemberProps) awsiam.PolicyStatement {
	var accounts []string
	var principals []awsiam.IPrincipal
	var roles []any
	for _, role := range props.Readers {
		roles = append(roles, role)
		account := roleARN.FindStringSubmatch(role)[2] // NewMember has seen that it matches
		if !slices.Contains(accounts, account) {
			accounts = append(accounts, account)
			principals = append(principals, accountRoot(account))
		}
	}
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions:    jsii.Strings("sts:AssumeRole"),
		Principals: &principals,
		Conditions: sessionsOf(roles, props.OrganizationID),
	})
}

// sessionsOf is the condition that the caller is a session of one of the roles. The
// account is the principal and the role a condition: IAM would bind a role named as
// principal to its unique id, so it had to exist before this one, and a hub deployed
// anew would be locked out. Of a session aws:PrincipalArn is the ARN of its role.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
func sessionsOf(roles []any, organization string) *map[string]any {
	conditions := map[string]any{"ArnEquals": map[string]any{"aws:PrincipalArn": roles}}
	if organization != "" {
		conditions["StringEquals"] = map[string]any{"aws:PrincipalOrgID": organization}
	}
	return &conditions
}

func accountRoot(account string) awsiam.ArnPrincipal {
	return awsiam.NewArnPrincipal(jsii.String(iamARN(account, "root")))
}

// newEncryptionWriter makes the role that puts keys on clusters. It trusts the one
// function that does, and knows no key but those of the deployment.
func newEncryptionWriter(scope constructs.Construct, props *MemberProps) {
	statements := writingKeys(props.EncryptionWriter)
	awsiam.NewRole(scope, jsii.String("EncryptionWriter"), &awsiam.RoleProps{
		RoleName:    jsii.String(config.EncryptionWriterRole),
		Description: jsii.String("Lets eks-steward put a key on the EKS clusters of this account"),
		AssumedBy:   functionsOf(props, "secretsencryption"),
		InlinePolicies: &map[string]awsiam.PolicyDocument{
			"write": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &statements}),
		},
	})
}

// writingKeys is all that the writer role may do.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html
func writingKeys(may *SecretsEncryption) []awsiam.PolicyStatement {
	keys := jsii.Strings(may.Keys...)
	associate := allow(ofAccount("cluster"), "eks:AssociateEncryptionConfig")
	const named = "eks:encryptionConfigProviderKeyArns"
	// ForAllValues alone would let through a call that names no key.
	associate.AddCondition(jsii.String("ForAllValues:StringEquals"), map[string]any{named: may.Keys})
	associate.AddCondition(jsii.String("Null"), map[string]any{named: "false"})
	if tag := may.Tag; tag != nil {
		associate.AddCondition(jsii.String("StringEquals"), map[string]any{"aws:ResourceTag/" + tag.Key: tag.Value})
	}
	statements := []awsiam.PolicyStatement{
		associate,
		// EKS asks KMS as the caller whether the key will do, and makes its own grant.
		// AWS does not say which conditions such a call meets, so the keys are the bound.
		allow(*keys, "kms:DescribeKey", "kms:CreateGrant"),
	}
	if may.KeyGuard {
		statements = append(statements, allow(*keys, "kms:CancelKeyDeletion", "kms:EnableKey"))
	}
	return statements
}

// newRolloutWriter makes the role that renews nodes. It trusts the one function that
// does, and touches no nodegroup that does not allow it by its own tag.
func newRolloutWriter(scope constructs.Construct, props *MemberProps) {
	statements := renewingNodes(props.RolloutWriter)
	awsiam.NewRole(scope, jsii.String("RolloutWriter"), &awsiam.RoleProps{
		RoleName:    jsii.String(config.RolloutWriterRole),
		Description: jsii.String("Lets eks-steward renew the nodes of the EKS nodegroups of this account that allow it"),
		AssumedBy:   functionsOf(props, "nodegrouprollout"),
		InlinePolicies: &map[string]awsiam.PolicyDocument{
			"write": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &statements}),
		},
	})
}

// The tag by which a nodegroup lets its nodes be renewed. Package nodefreshness names
// it too, and a test holds these against it.
const (
	rolloutTag     = "eks-steward/nodegroup-rollout"
	rolloutAllowed = "allowed"
)

// renewingNodes is all that the role may do. IAM knows no other bound of
// UpdateNodegroupVersion than tags, and nodegroups do not have those of their
// cluster.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html
func renewingNodes(may *NodegroupRollout) []awsiam.PolicyStatement {
	update := allow(ofAccount("nodegroup"), "eks:UpdateNodegroupVersion")
	update.AddCondition(jsii.String("StringEquals"), map[string]any{"aws:ResourceTag/" + rolloutTag: rolloutAllowed})
	if !may.LaunchTemplates {
		return []awsiam.PolicyStatement{update}
	}
	return append([]awsiam.PolicyStatement{update}, startingInstances()...)
}

// startingInstances is what EKS tries out as the caller where a nodegroup has a launch
// template of its owner's: whether it may be read, and instances be started from it.
// AWS documents the refusals only by their messages ("You are not authorized to
// launch instances with this launch template"). What bounds this is that instances
// start from launch templates of this account alone, and that the role can pass no
// role to them.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/permissions-for-launch-templates.html
func startingInstances() []awsiam.PolicyStatement {
	ec2 := func(resource string) string { return "arn:" + *awscdk.Aws_PARTITION() + ":ec2:*:" + resource }
	// Subnets may be shared by another account, and images are nobody's.
	run := allow([]*string{jsii.String(ec2("*:*"))}, "ec2:RunInstances")
	run.AddCondition(jsii.String("ArnLike"), map[string]any{"ec2:LaunchTemplate": ec2(*awscdk.Aws_ACCOUNT_ID() + ":launch-template/*")})
	// The template may say which tags instances have.
	tag := allow([]*string{jsii.String(ec2(*awscdk.Aws_ACCOUNT_ID() + ":*/*"))}, "ec2:CreateTags")
	tag.AddCondition(jsii.String("StringEquals"), map[string]any{"ec2:CreateAction": "RunInstances"})
	return []awsiam.PolicyStatement{allow(anything(), "ec2:DescribeLaunchTemplateVersions"), run, tag}
}

// ofAccount are all resources of EKS of a kind in this account, in any region.
func ofAccount(kind string) []*string {
	return []*string{jsii.String("arn:" + *awscdk.Aws_PARTITION() + ":eks:*:" + *awscdk.Aws_ACCOUNT_ID() + ":" + kind + "/*")}
}

// reading is all that the reader role may do. Packages awsfleet,
// awsfleet/snapshot, awsfleet/nodegroup and awsfleet/encryption list the calls.
func reading() []awsiam.PolicyStatement {
	return []awsiam.PolicyStatement{
		// Names no cluster: it is how their names are found.
		allow(anything(), "eks:ListClusters"),
		// Are about Kubernetes versions, not about clusters.
		allow(anything(), "eks:DescribeClusterVersions", "eks:DescribeAddonVersions"),
		// Metrics are no resources of IAM: GetMetricData takes neither an
		// ARN nor the condition key cloudwatch:namespace.
		allow(anything(), "cloudwatch:GetMetricData"),
		// Takes alarms, but tells of composite ones only who may describe them all
		// (CloudWatch API reference, DescribeAlarms).
		allow(anything(), "cloudwatch:DescribeAlarms"),
		// Take no resource either (Service authorization reference, Amazon EC2,
		// AWS KMS and Amazon Resource Group Tagging API).
		allow(anything(), "ec2:DescribeSubnets", "ec2:DescribeLaunchTemplates", "ec2:DescribeLaunchTemplateVersions", "ec2:DescribeInstanceTypes",
			"ec2:GetEbsEncryptionByDefault", "ec2:GetEbsDefaultKmsKeyId", "kms:ListAliases", "tag:GetResources"),
		allow(ofAccount("cluster"), "eks:DescribeCluster", "eks:ListNodegroups", "eks:ListAddons",
			"eks:ListInsights", "eks:DescribeInsight", "eks:ListUpdates", "eks:DescribeUpdate"),
		// Updates of a nodegroup are asked for by its cluster and by itself.
		allow(ofAccount("nodegroup"), "eks:DescribeNodegroup", "eks:ListUpdates", "eks:DescribeUpdate"),
		allow(ofAccount("addon"), "eks:DescribeAddon"),
		// Only where an API server refuses the role: whether it has an entry there.
		allow(ofAccount("access-entry"), "eks:DescribeAccessEntry"),
		// The key of a cluster may be another account's; the policy of the key has
		// the last word there.
		allow([]*string{jsii.String("arn:" + *awscdk.Aws_PARTITION() + ":kms:*:*:key/*")}, "kms:DescribeKey", "kms:GetKeyRotationStatus",
			"kms:GetKeyPolicy", "kms:ListGrants", "kms:ListResourceTags"),
		// AWS's own parameters, which are no account's: the newest images of nodes.
		allow(amiParameters(), "ssm:GetParameter"),
		// A change calendar may be shared by another account.
		allow([]*string{jsii.String("arn:" + *awscdk.Aws_PARTITION() + ":ssm:*:*:document/*")}, "ssm:GetCalendarState"),
		// Takes no resource to read (Service authorization reference, Service Quotas).
		allow(anything(), "servicequotas:GetServiceQuota", "servicequotas:GetAWSDefaultServiceQuota"),
	}
}

// amiParameters are where AWS tells the images of nodes: Amazon Linux, Bottlerocket
// and Windows. Package awsfleet/snapshot knows the names.
func amiParameters() []*string {
	var names []*string
	for _, of := range []string{"eks", "bottlerocket", "ami-windows-latest"} {
		names = append(names, jsii.String("arn:"+*awscdk.Aws_PARTITION()+":ssm:*::parameter/aws/service/"+of+"/*"))
	}
	return names
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
