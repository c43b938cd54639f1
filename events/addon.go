package events

import (
	"strings"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// addonTypes are the detail-types of what EKS sends about add-ons.
// https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-eks.html
var addonTypes = []string{
	"EKS Addon Creation Failed", "EKS Addon Creation Succeeded",
	"EKS Addon Update Failed", "EKS Addon Update Succeeded",
	"EKS Addon Deletion Failed", "EKS Addon Deletion Succeeded",
	"EKS Addon Health Degraded", "EKS Addon Health Restored",
}

// decodeAddonHealth reads which cluster is meant. AWS documents the detail-types
// but not what the detail holds: the cluster is read from the ARNs in resources,
// or from a name in the detail; an event that has neither is about its region.
func decodeAddonHealth(env envelope, head Header) (Event, error) {
	var detail struct {
		ClusterName string `json:"clusterName"`
	}
	if err := unmarshal("detail", env.Detail, &detail); err != nil {
		return nil, err
	}
	where, name := "detail.clusterName", detail.ClusterName
	for _, arn := range env.Resources {
		if found, ok := clusterOf(arn, head); ok {
			where, name = "resources", found
			break
		}
	}
	if name != "" && fleet.ValidClusterName(name) != nil {
		return nil, malformed(where, "names the cluster %s: want at most 100 letters, digits, '-' and '_', starting with a letter or digit", quote(name))
	}
	return &AddonHealth{Header: head, Cluster: name}, nil
}

// clusterOf is the cluster's name in the ARN of a cluster, or of an add-on, in
// the event's own account and region:
// arn:aws:eks:eu-west-1:111122223333:addon/prod/vpc-cni/<uuid>.
func clusterOf(arn string, head Header) (string, bool) {
	_, rest, isEKS := strings.Cut(arn, ":eks:"+head.Region+":"+head.Account+":")
	kind, name, named := strings.Cut(rest, "/")
	if !isEKS || !named || (kind != "cluster" && kind != "addon") {
		return "", false
	}
	name, _, _ = strings.Cut(name, "/")
	return name, true
}
