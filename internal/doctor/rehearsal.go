package doctor

import (
	"errors"
	"slices"
	"strings"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// A call is one that the function clustercheck makes, or only a rollout.
type call struct {
	action string
	tried  string
	after  string // the action whose answer it goes on from
	lacks  string // why it is not made though that one was answered
}

// calls are those that are not examined for each cluster, in the order in which
// they are made.
func calls() []call {
	const (
		ungrouped = "has no managed nodegroup"
		bare      = "has no add-on that EKS installed"
		passing   = "has no insight that does not pass"
		unchanged = "is not being changed"
		keyless   = "has no customer key that exists"

		untemplated   = "has no managed nodegroup with a launch template of its own"
		unpublished   = "has no managed nodegroup with an image of AWS's"
		untold        = "has no quota of which only AWS's default is known"
		untyped       = "has no managed nodegroup that names types of instances"
		volumeKeyless = "has no managed nodegroup whose volumes a customer key encrypts"
	)
	return []call{
		{"eks:DescribeAddonVersions", "asked which releases of add-ons run with a version", "eks:DescribeCluster", "has no version"},
		{"eks:ListNodegroups", "listed managed nodegroups", "eks:DescribeCluster", ""},
		{"eks:DescribeNodegroup", "described each managed nodegroup", "eks:ListNodegroups", ungrouped},
		{"eks:ListAddons", "listed add-ons", "eks:DescribeCluster", ""},
		{"eks:DescribeAddon", "described each add-on", "eks:ListAddons", bare},
		{"eks:ListInsights", "listed what EKS sees in the way of an upgrade", "eks:DescribeCluster", ""},
		{"eks:DescribeInsight", "read what stands in the way of an upgrade", "eks:ListInsights", passing},
		{"eks:ListUpdates", "listed changes of the control plane", "eks:DescribeCluster", unchanged},
		{"eks:DescribeUpdate", "described a change of the control plane", "eks:ListUpdates", unchanged},
		{"ec2:DescribeSubnets", "looked for free addresses in the subnets of the control plane", "eks:DescribeCluster", "names no subnets"},
		{"ec2:DescribeLaunchTemplateVersions", "read the launch templates of managed nodegroups", "eks:DescribeNodegroup", untemplated},
		{"ec2:DescribeLaunchTemplates", "asked which versions the launch templates of managed nodegroups have", "eks:DescribeNodegroup", untemplated},
		{"ec2:DescribeInstanceTypes", "asked how many vCPUs a node has", "eks:DescribeNodegroup", untyped},
		{"ssm:GetParameter", "asked for the newest images of AWS", "eks:DescribeNodegroup", unpublished},
		{"ssm:GetCalendarState", "asked whether a change calendar is open", "", ""},
		{"cloudwatch:DescribeAlarms", "looked at alarms", "", ""},
		{"servicequotas:GetServiceQuota", "asked how many vCPUs may run", "", ""},
		{"servicequotas:GetAWSDefaultServiceQuota", "asked how many vCPUs may run by default", "servicequotas:GetServiceQuota", untold},
		{"ec2:GetEbsEncryptionByDefault", "asked whether new volumes are encrypted by default", "eks:DescribeCluster", ""},
		{"ec2:GetEbsDefaultKmsKeyId", "asked for the key that encrypts volumes by default", "eks:DescribeCluster", ""},
		{"kms:DescribeKey", "described the customer key", "eks:DescribeCluster", keyless},
		{"kms:GetKeyRotationStatus", "asked whether the customer key is rotated", "kms:DescribeKey", keyless},
		{"kms:ListAliases", "listed the aliases of the customer key", "kms:DescribeKey", keyless},
		{"kms:ListResourceTags", "listed the tags of the customer key", "kms:DescribeKey", keyless},
		{"kms:ListGrants", "listed the grants of the key that encrypts the volumes of nodes", "eks:DescribeNodegroup", volumeKeyless},
		{"kms:GetKeyPolicy", "read the policy of the key that encrypts the volumes of nodes", "kms:ListGrants", volumeKeyless},
		{"tag:GetResources", "looked for load balancers and volumes by their tags", "", ""},
	}
}

// A rehearsed is one cluster that was read as clustercheck reads it.
type rehearsed struct {
	target   fleet.Target
	who      caller
	cluster  string // nobody, where there is none that EKS runs
	listed   bool   // all clusters are known
	snapshot fleet.Snapshot
	answers  map[string][]error // by action
}

// judgeRehearsal is about the actions that only clustercheck and rollouts need. What is
// allowed is told at once, and what could not be tried for each reason; what is
// missing stands alone.
func judgeRehearsal(r rehearsed) []Examination {
	var (
		allowed []string
		missing []Examination
		untried = map[reason][]string{}
		reasons []reason // in the order of their first action
		failed  = map[string]string{}
	)
	if decisive(r.answers["eks:DescribeCluster"]) != nil {
		failed["eks:DescribeCluster"] = "eks:DescribeCluster"
	}
	for _, c := range calls() {
		answers, made := r.answers[c.action]
		err := decisive(answers)
		switch {
		case !made:
			failed[c.action] = failed[c.after]
			why := r.why(c, failed[c.after])
			if untried[why] == nil {
				reasons = append(reasons, why)
			}
			untried[why] = append(untried[why], c.action)
		case err == nil:
			allowed = append(allowed, c.action)
		default:
			failed[c.action] = c.action
			missing = append(missing, r.judge(c, err))
		}
	}
	all := append(r.pass(allowed), missing...)
	for _, why := range reasons {
		all = append(all, r.untried(untried[why], why))
	}
	return all
}

// pass tells the actions that are allowed, if any.
func (r rehearsed) pass(actions []string) []Examination {
	if len(actions) == 0 {
		return nil
	}
	tried := "read cluster " + r.cluster + " as clustercheck does"
	if r.cluster == nobody {
		tried = "asked what can be asked without a cluster"
	}
	return []Examination{{
		Subject: checkup, Where: r.target.String(), Outcome: fleet.Pass,
		Tried: tried, Seen: "allowed: " + strings.Join(actions, ", "), Clusters: r.names(),
	}}
}

// A reason is why actions were not tried.
type reason struct {
	outcome  fleet.Outcome
	optional bool
	why      string
	remedy   string
}

func (r rehearsed) untried(actions []string, why reason) Examination {
	return Examination{
		Subject: checkup, Where: r.target.String(), Outcome: why.outcome, Optional: why.optional,
		Seen: "not tried: " + strings.Join(actions, ", ") + ", because " + why.why, Remedy: why.remedy,
	}
}

// checkup is the subject of what is told of several actions at once.
const checkup = "clustercheck"

// decisive is the answer that says whether an action is allowed: a denial before
// any other. Of what does not exist it is allowed: IAM is asked before the service
// looks.
func decisive(answers []error) error {
	answered := slices.ContainsFunc(answers, func(err error) bool { return err == nil || errors.Is(err, fleet.Gone) })
	for _, err := range answers {
		refused := errors.Is(err, fleet.Denied) || errors.Is(err, fleet.RegionDisabled)
		if refused || (err != nil && !answered) {
			return err
		}
	}
	return nil
}

func (r rehearsed) judge(c call, err error) Examination {
	e := judgeAction(r.target, r.who, c.action, c.tried, "", err)
	e.Clusters = r.names()
	if r.foreign(c.action) {
		e.Optional, e.grants = true, nil
		e.Remedy = "nothing, if it may stay unknown: the key is one of account " + r.keyOwner() + ", and its policy has the last word"
	}
	return e
}

// why says why a call was not made, which is well only where clustercheck would
// not make it either. failed is the action that kept it from being made.
func (r rehearsed) why(c call, failed string) reason {
	trouble := r.snapshot.Cluster.Trouble
	switch {
	case failed != "":
		return reason{fleet.Unknown, r.foreign(c.action), failed + " failed before", "examine again once it does not"}
	case r.cluster == nobody && r.listed:
		return reason{fleet.NotApplicable, false, "no cluster of EKS is active here", ""}
	case trouble != nil && errors.Is(trouble, fleet.Gone):
		return reason{fleet.Unknown, false, "no cluster is known that could be looked at", "examine again"}
	}
	return reason{fleet.NotApplicable, false, "cluster " + r.cluster + ", the only one that was looked at, " + c.lacks, ""}
}

func (r rehearsed) names() []string {
	if r.cluster == nobody {
		return nil
	}
	return []string{r.cluster}
}

// foreign reports whether an action is about a key of another account. KMS tells
// no aliases and tags of it, whatever is allowed (KMS API reference, "Cross-account
// use").
func (r rehearsed) foreign(action string) bool {
	owner := r.keyOwner()
	return strings.HasPrefix(action, "kms:") && owner != "" && owner != r.target.Account
}

// keyOwner is the account of the cluster's customer key.
func (r rehearsed) keyOwner() string { return ownerOf(r.snapshot.Cluster.Value.KeyARN) }

// ownerOf is the account in an ARN; empty when it holds none.
func ownerOf(arn string) string {
	fields := strings.SplitN(arn, ":", 6)
	if len(fields) < 6 {
		return ""
	}
	return fields[4]
}

// likeliest is the cluster to look at: of those that run one with a customer key
// of the account, so that the actions of KMS are tried too.
func likeliest(t fleet.Target, k known) string {
	switch own := slices.IndexFunc(k.running, func(c fleet.Cluster) bool { return ownerOf(c.KeyARN) == t.Account }); {
	case own >= 0:
		return k.running[own].ID.Name
	case len(k.running) > 0:
		return k.running[0].ID.Name
	case len(k.undescribed) > 0:
		return k.undescribed[0]
	}
	return nobody
}
