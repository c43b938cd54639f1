package checks

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/keyguard"
)

// health passes on what EKS itself says is wrong with a cluster and with its
// managed nodegroups. What it says of the key is for key-guard, and of the add-ons
// for add-ons.
var health = Check{
	ID:  "health",
	Doc: "What EKS reports about the health of the cluster and of its managed nodegroups.",
	Judge: func(s fleet.Snapshot, _ Rules, _ time.Time) []fleet.Finding {
		if !s.Cluster.Known() {
			return []fleet.Finding{unread(s, "Health", s.Cluster.Why(), s.Cluster.Trouble)}
		}
		found := []fleet.Finding{clusterHealth(s)}
		if !s.Nodegroups.Known() {
			f := unread(s, "Health of the nodegroups", s.Nodegroups.Why(), s.Nodegroups.Trouble)
			f.Resource = "nodegroup"
			found = append(found, f)
		}
		for _, g := range s.Nodegroups.Value {
			if f, ill := nodegroupHealth(s, g); ill {
				found = append(found, f)
			}
		}
		return found
	},
}

func clusterHealth(s fleet.Snapshot) fleet.Finding {
	c := s.Cluster.Value
	issues := slices.DeleteFunc(slices.Clone(c.Health), keyguard.About)
	f := fleet.Finding{
		Outcome: fleet.Pass, Title: "EKS finds nothing wrong with " + s.ID.Name,
		Reason:   "Its status is " + cmp.Or(c.Status, "not said") + ", and EKS reports no issue of the cluster itself.",
		Observed: cmp.Or(c.Status, "status not said"), Expected: "no issue",
	}
	if c.Status != "FAILED" && len(issues) == 0 {
		return f
	}
	f.Outcome, f.Severity, f.Cause = fleet.Fail, fleet.Warning, issueKinds(c.Status, issues)
	f.Title = "EKS finds something wrong with " + s.ID.Name
	f.Reason = "EKS gives its status as " + cmp.Or(c.Status, "not said") + said(issues)
	f.Meaning = "EKS neither upgrades nor repairs the control plane until that is mended, and what it names may already be missing to the cluster."
	f.Remedy = fmt.Sprintf("Mend what EKS names: aws eks describe-cluster --region %s --name %s --query cluster.health.", s.ID.Region, s.ID.Name)
	return f
}

// failedGroup are the states of a nodegroup that somebody has to mend.
var failedGroup = []string{"DEGRADED", "CREATE_FAILED", "DELETE_FAILED"}

func nodegroupHealth(s fleet.Snapshot, g fleet.Nodegroup) (fleet.Finding, bool) {
	if len(g.Health) == 0 && !slices.Contains(failedGroup, g.Status) {
		return fleet.Finding{}, false
	}
	return fleet.Finding{
		Resource: "nodegroup/" + g.Name, Outcome: fleet.Fail, Severity: fleet.Warning, Cause: issueKinds(g.Status, g.Health),
		Title:    fmt.Sprintf("EKS finds something wrong with nodegroup %s of %s", g.Name, s.ID.Name),
		Reason:   "EKS gives its status as " + cmp.Or(g.Status, "not said") + said(g.Health),
		Meaning:  "Nodes that are lost are not replaced, and the nodegroup cannot be updated.",
		Observed: cmp.Or(g.Status, "status not said"), Expected: "ACTIVE, without issues",
		Remedy: "Mend what EKS names: aws eks describe-nodegroup " + flags(s) + " --nodegroup-name " + g.Name + " --query nodegroup.health.",
	}, true
}

// issueKinds is a cause: another code is news, another message is not.
func issueKinds(status string, issues []fleet.Issue) string {
	words := []string{}
	for _, i := range issues {
		words = append(words, i.Code)
	}
	if len(words) == 0 {
		words = append(words, status)
	}
	return kinds(words)
}
