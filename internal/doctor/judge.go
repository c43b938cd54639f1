package doctor

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// judgeCredentials is about the hub's credentials.
func judgeCredentials(account, arn string, err error) Examination {
	e := Examination{Subject: "credentials", Tried: "asked STS whose credentials these are"}
	if err != nil {
		e.Seen = "no usable credentials: " + err.Error()
		e.Remedy = "log in (aws sso login), or set AWS_PROFILE; then examine again"
		if errors.Is(err, fleet.RegionDisabled) {
			e.Remedy += ". If they are right, begin with a region that is enabled for the account (--region)"
		}
		return e
	}
	e.Outcome, e.Seen = fleet.Pass, arn+" of account "+account
	return e
}

// judgeRole is about entering a target. That a role lets this caller not in says
// nothing about the functions, which call as another role.
func judgeRole(t fleet.Target, who caller, err error) Examination {
	e := Examination{Subject: "role", Where: t.String(), Tried: "tried to assume " + t.Role}
	if t.Role == "" {
		e.Tried = "entered with your own credentials, as the target names no role"
	}
	switch {
	case errors.Is(err, fleet.Unreachable):
		e.Seen = sentence(err)
		e.Remedy = "before a deployment: nothing, the member stack makes the role. After one: see that the stack EksStewardMember-" + t.Account +
			"-... is there. Its role steward-reader lets in only the functions of eks-steward, so examine its account with credentials of that account instead" +
			" (without -f, or with role: none), or let your own role in too. Nothing else of the target was examined"
	case err != nil:
		e.Seen, e.Remedy = sentence(err), "examine again; nothing else of the target was examined"
	case who.account != t.Account:
		e.Outcome = fleet.Fail
		e.Seen = fmt.Sprintf("these are credentials of account %s, and the target is account %s", who.account, t.Account)
		e.Remedy = "name a role of account " + t.Account + " in the target; nothing else of it was examined"
	default:
		e.Outcome, e.Seen = fleet.Pass, "reads as "+who.arn
	}
	return e
}

// judgeRegion is about the region as a whole, from what its first call answered.
func judgeRegion(t fleet.Target, err error) Examination {
	e := Examination{Subject: "region", Where: t.String(), Tried: "called EKS in the region"}
	switch {
	case errors.Is(err, fleet.RegionDisabled):
		e.Outcome, e.Seen = fleet.Fail, sentence(err)
		e.Remedy = "enable the region for the account, have the service control policy changed, or take the region out of the targets; nothing else of it was examined"
	case err != nil && !errors.Is(err, fleet.Denied):
		e.Seen, e.Remedy = sentence(err), "examine again"
	default:
		e.Outcome, e.Seen = fleet.Pass, "EKS answers"
	}
	return e
}

// judgeAction is about one IAM action. seen says what an allowed call brought.
func judgeAction(t fleet.Target, who caller, action, tried, seen string, err error) Examination {
	e := Examination{Subject: action, Where: t.String(), Tried: tried}
	trouble := fleet.TroubleOf(err)
	switch {
	case err == nil:
		e.Outcome, e.Seen = fleet.Pass, seen
	case trouble.Kind == fleet.Denied && forbids(trouble):
		e.Outcome, e.Seen = fleet.Fail, sentence(err)
		e.Remedy = "another permission does not help: take " + trouble.Action + " out of the policy that denies it, or let the permissions boundary allow it"
	case trouble.Kind == fleet.Denied && byResource(trouble):
		e.Outcome, e.Seen = fleet.Fail, sentence(err)
		e.Remedy = "a permission alone does not help: let the resource's own policy, such as the key's, allow " + trouble.Action + " to " + who.principal()
	case trouble.Kind == fleet.Denied:
		e.Outcome, e.Seen = fleet.Fail, sentence(err)
		e.Remedy = "allow " + trouble.Action + " to " + who.principal()
		if resource, ok := resourceOf(trouble.Action, t, who.partition()); ok {
			e.Remedy += ": the policy is below"
			e.grants = []Grant{{who.principal(), trouble.Action, resource}}
		}
	case trouble.Kind == fleet.RegionDisabled:
		e.Outcome, e.Seen = fleet.Fail, sentence(err)
		e.Remedy = "have the service control policy allow " + trouble.Action + " in the region"
	default:
		e.Seen, e.Remedy = sentence(err), "examine again"
	}
	return e
}

// forbids reports whether a denial stays whatever else is allowed. The words are
// those of IAM's messages (IAM user guide, "Troubleshoot access denied error
// messages").
func forbids(t *fleet.Trouble) bool {
	says := t.Err.Error()
	return strings.Contains(says, "explicit deny") || strings.Contains(says, "no permissions boundary allows") || strings.Contains(says, "no session policy allows")
}

// byResource reports whether a denial comes from the policy of a resource, in
// IAM's words or in KMS's.
func byResource(t *fleet.Trouble) bool {
	says := t.Err.Error()
	return strings.Contains(says, "no resource-based policy allows") || strings.Contains(says, "no resource-based policies allow")
}

// resourceOf is what an action of the reader is granted on: the resources of the
// region where IAM knows them (Service Authorization Reference), else everything.
func resourceOf(action string, t fleet.Target, partition string) (string, bool) {
	in := func(service, account, resource string) string {
		return strings.Join([]string{"arn", partition, service, t.Region, account, resource}, ":")
	}
	switch action {
	case "eks:ListClusters", "eks:DescribeClusterVersions", "eks:DescribeAddonVersions",
		"cloudwatch:GetMetricData", "ec2:DescribeSubnets", "ec2:DescribeLaunchTemplateVersions", "ec2:DescribeLaunchTemplates", "ec2:DescribeInstanceTypes",
		"cloudwatch:DescribeAlarms", // composite alarms are told only to who may describe all
		"servicequotas:GetServiceQuota", "servicequotas:GetAWSDefaultServiceQuota", "ec2:GetEbsEncryptionByDefault", "ec2:GetEbsDefaultKmsKeyId", "kms:ListAliases", "tag:GetResources":
		return "*", true
	case "eks:DescribeCluster", "eks:ListNodegroups", "eks:ListAddons", "eks:ListInsights", "eks:DescribeInsight", "eks:ListUpdates", "eks:DescribeUpdate":
		return in("eks", t.Account, "cluster/*"), true
	case "eks:DescribeNodegroup":
		return in("eks", t.Account, "nodegroup/*"), true
	case "eks:DescribeAddon":
		return in("eks", t.Account, "addon/*"), true
	case "kms:DescribeKey", "kms:GetKeyRotationStatus", "kms:ListResourceTags", "kms:ListGrants", "kms:GetKeyPolicy":
		return in("kms", "*", "key/*"), true // a cluster's key may be another account's
	case "ssm:GetParameter":
		return in("ssm", "", "parameter/aws/service/*"), true // AWS's own are no account's
	case "ssm:GetCalendarState":
		return in("ssm", "*", "document/*"), true // a calendar may be another account's
	}
	return "", false
}

// measured are the clusters with a datapoint, those without one of which some can
// be asked themselves, and those of which nothing could be told.
type measured struct{ with, asked, without, unsaid []string }

// judgeMetric is about the clusters whose etcd CloudWatch should measure.
func judgeMetric(t fleet.Target, m measured) []Examination {
	tried := fmt.Sprintf("looked for datapoints of AWS/EKS %s within the last hour", fleet.StorageSize)
	rows := []struct {
		outcome  fleet.Outcome
		clusters []string
		seen     string
		remedy   string
	}{
		{fleet.Pass, m.with, "with datapoints", ""},
		{fleet.Pass, m.asked, "without a datapoint, whose API server tells the size instead", ""},
		{fleet.Fail, m.without, "without a datapoint", "EKS publishes the metric from Kubernetes 1.28 on, and some minutes after a cluster is made. Or let the cluster be asked itself (docs/kubernetes-access.md, --api-servers). Until then it is unknown to eks-steward"},
		{fleet.Unknown, m.unsaid, "of which nothing can be told: CloudWatch gave no whole answer, or the cluster could not be described", "examine again"},
	}
	var out []Examination
	for _, r := range rows {
		if len(r.clusters) > 0 {
			out = append(out, Examination{
				Subject: "metric", Where: t.String(), Outcome: r.outcome, Tried: tried,
				Seen: fleet.Count(len(r.clusters), "cluster") + " " + r.seen, Remedy: r.remedy, Clusters: r.clusters,
			})
		}
	}
	if len(out) == 0 {
		out = []Examination{{Subject: "metric", Where: t.String(), Outcome: fleet.NotApplicable, Tried: tried, Seen: "there is no active cluster that EKS runs"}}
	}
	return out
}

// judgeSecret is about the webhook's address or the token of a Slack app, which is
// never shown.
func judgeSecret(name, value string, err error) Examination {
	e := Examination{Subject: "Slack secret", Tried: "read secret " + name + " and looked at its form; no message was sent"}
	trouble := (*fleet.Trouble)(nil)
	switch {
	case errors.As(err, &trouble) && trouble.Kind != fleet.Gone:
		e.Seen = err.Error()
		e.Remedy = "examine again as somebody who may read the secret; the deployment lets the function steward-notify read it, if it lies under the key aws/secretsmanager"
	case err != nil:
		e.Outcome, e.Seen = fleet.Fail, err.Error()
		e.Remedy = "store the webhook's address, or the bot token of the app, as plain text under this name, in the hub's account and region"
	default:
		e.Outcome, e.Seen, e.Remedy = judgeAccess(value)
	}
	return e
}

// slackHosts are where incoming webhooks are: Slack, and Slack for governments.
var slackHosts = []string{"hooks.slack.com", "hooks.slack-gov.com"}

func judgeAccess(value string) (outcome fleet.Outcome, seen, remedy string) {
	const remedyPlain = "store the address alone, as plain text: https://hooks.slack.com/services/ and three codes; or the bot token of an app, xoxb- and its codes"
	switch {
	case strings.HasPrefix(value, "{"):
		return fleet.Fail, "it holds JSON, perhaps stored as key and value", remedyPlain
	case strings.HasPrefix(value, "xoxb-") && !strings.ContainsAny(value, " \t\n"):
		return fleet.Pass, "it holds the token of a bot; steward notify test shows whether Slack still knows it, and whether the app is in its channels", ""
	case strings.HasPrefix(value, "xox"), strings.HasPrefix(value, "xapp-"):
		return fleet.Fail, "it holds a token of Slack that is not one of a bot alone", remedyPlain
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "https" || u.User != nil {
		return fleet.Fail, "it holds neither an https address nor a bot token", remedyPlain
	}
	for _, host := range slackHosts {
		codes, ok := strings.CutPrefix(u.EscapedPath(), "/services/")
		if u.Host == host && ok && len(strings.FieldsFunc(codes, func(r rune) bool { return r == '/' })) == 3 {
			return fleet.Pass, "it holds an address of the right form; steward notify test shows whether Slack still knows it", ""
		}
	}
	return fleet.Fail, "it holds an address that is not one of a Slack incoming webhook", remedyPlain
}

// judgeTopic is about the SNS topic and who listens to it.
func judgeTopic(arn string, confirmed, pending int, err error) Examination {
	e := Examination{Subject: "SNS topic", Tried: "read the attributes of " + arn}
	switch {
	case errors.Is(err, fleet.Gone):
		e.Outcome, e.Seen = fleet.Fail, "there is no such topic"
		e.Remedy = "correct the ARN: the deployment's own topics are outputs of the stack EksSteward"
	case err != nil:
		e.Seen, e.Remedy = sentence(err), "examine again as somebody who may call sns:GetTopicAttributes on the topic"
	case confirmed == 0:
		e.Outcome, e.Seen = fleet.Fail, fmt.Sprintf("nobody listens: no confirmed subscription, %d pending", pending)
		e.Remedy = "confirm the pending ones (AWS sent a mail to each), or subscribe somebody"
	default:
		e.Outcome, e.Seen = fleet.Pass, fmt.Sprintf("%s confirmed, %d pending", fleet.Count(confirmed, "subscription"), pending)
	}
	return e
}

// judgeMachines is about the topic for programs, which nobody has to listen to.
func judgeMachines(arn string, confirmed, pending int, err error) Examination {
	e := judgeTopic(arn, confirmed, pending, err)
	e.Subject = "SNS topic for machines"
	if err == nil && confirmed == 0 {
		e.Outcome, e.Remedy = fleet.Pass, ""
		e.Seen = fmt.Sprintf("no program listens, which is well if none is to: no confirmed subscription, %d pending", pending)
	}
	return e
}

// sentence is what was answered, without the words that sort it.
func sentence(err error) string {
	return fleet.TroubleOf(err).Err.Error()
}
