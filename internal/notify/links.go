package notify

import (
	"net/url"
	"strings"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Links are the places outside of a message where its readers go on.
type Links struct {
	Runbooks  string // https base of the runbooks; empty for no link
	Dashboard string // https address of the dashboard; empty for no link
}

// about is where to go on about a finding.
func (l Links) about(f fleet.Finding) []Link {
	var links []Link
	add := func(label, address string) {
		if address != "" {
			links = append(links, Link{Label: label, URL: address})
		}
	}
	add("Console", Console(f.Cluster))
	if l.Runbooks != "" {
		add("Runbook", strings.TrimSuffix(l.Runbooks, "/")+"/"+Runbook(f.Check)+".md#"+f.Check)
	}
	add("Dashboard", l.Dashboard)
	return links
}

// overview is where to go on about many findings.
func (l Links) overview() []Link {
	if l.Dashboard == "" {
		return nil
	}
	return []Link{{Label: "Dashboard", URL: l.Dashboard}}
}

// Runbook is the name of the runbook that explains a check, which is that of a
// function that makes its findings.
func Runbook(check string) string {
	switch check {
	case "etcd-size", "target-access":
		return "etcdsize"
	case "secrets-encryption", "key-guard":
		return "secretsencryption"
	case "nodegroup-rollout":
		return "nodegrouprollout"
	case "configuration":
		return "dispatch"
	case "slack-delivery", "notify-test":
		return "notify"
	}
	return "clustercheck"
}

// Console is the address of a cluster in the AWS console. It is empty for a
// finding that is not about one cluster, and in partitions whose console is not
// known (https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html).
func Console(c fleet.ClusterID) string {
	domain := consoleDomain(c.Region)
	if c.Name == "" || domain == "" {
		return ""
	}
	u := url.URL{
		Scheme: "https", Host: c.Region + ".console." + domain, Path: "/eks/home",
		RawQuery: url.Values{"region": {c.Region}}.Encode(), Fragment: "/clusters/" + c.Name,
	}
	return u.String()
}

func consoleDomain(region string) string {
	isolated := strings.Contains(region, "-iso")
	switch {
	case region == "", isolated, strings.HasPrefix(region, "eusc-"):
		return ""
	case strings.HasPrefix(region, "cn-"):
		return "amazonaws.cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "amazonaws-us-gov.com"
	}
	return "aws.amazon.com"
}
