package checks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// clusterUpdate follows a change of the control plane to its end.
var clusterUpdate = Check{
	ID:  "cluster-update",
	Doc: "Whether an upgrade, rollback or other change of the control plane is under way, and how it ended.",
	Judge: func(s fleet.Snapshot, _ Rules, _ time.Time) []fleet.Finding {
		return []fleet.Finding{judgeUpdate(s)}
	},
}

func judgeUpdate(s fleet.Snapshot) fleet.Finding {
	if !s.Update.Tried() {
		return fleet.Finding{
			Outcome: fleet.Pass,
			Title:   "no change of the control plane of " + s.ID.Name + " is followed",
			Reason:  "EKS does not say that the cluster is changing, and nobody named a change to look at.",
		}
	}
	if !s.Update.Known() {
		return unread(s, "The change of the control plane", s.Update.Why(), s.Update.Trouble)
	}
	u := s.Update.Value
	f := fleet.Finding{Facts: aboutUpdate(u), Observed: clip(u.Status), Expected: "Successful"}
	switch u.Status {
	case "InProgress":
		underWay(s, u, &f)
	case "Successful":
		f.Outcome = fleet.Pass
		f.Title = wording(u).noun(s) + " was successful"
		f.Reason = fmt.Sprintf("EKS says so of the update that began at %s. It does not say when an update ended.", begun(u))
	case "Failed", "Cancelled":
		ended(s, u, &f)
	default:
		f.Outcome, f.Severity, f.Cause = fleet.Unknown, fleet.Warning, "unknown-status"
		f.Title = "how the " + wording(u).noun(s) + " stands is unknown"
		f.Reason = fmt.Sprintf("EKS says %q of the update: eks-steward does not know that word.", clip(u.Status))
		f.Meaning = "It may have failed unseen."
		f.Remedy = "Look at it yourself: " + describeUpdate(s, u)
	}
	return f
}

func underWay(s fleet.Snapshot, u fleet.Update, f *fleet.Finding) {
	w := wording(u)
	f.Outcome, f.Severity, f.Cause = fleet.Fail, w.urgency, "in-progress"
	f.Title = s.ID.Name + " is being " + w.participle
	f.Reason = fmt.Sprintf("EKS says that the update which began at %s is in progress.", begun(u))
	f.Meaning = "Nothing is wrong: this closes by itself when the update is done; if it fails, it says so and why. Until then EKS refuses other changes of the control plane."
	f.Remedy = "Nothing to do but wait. To see it: " + describeUpdate(s, u)
}

// ended is a change that came to nothing.
func ended(s fleet.Snapshot, u fleet.Update, f *fleet.Finding) {
	word := map[string]string{"Failed": "failed", "Cancelled": "was cancelled"}[u.Status]
	f.Outcome, f.Severity, f.Cause = fleet.Fail, fleet.Critical, strings.ToLower(u.Status)
	f.Title = wording(u).noun(s) + " " + word
	f.Reason = fmt.Sprintf("EKS says that the update which began at %s %s.", begun(u), word)
	if len(u.Errors) == 0 {
		f.Reason += " It gives no error."
	}
	f.Meaning = wording(u).missed
	if c := s.Cluster; c.Known() && c.Value.Version != "" {
		f.Meaning += " EKS says that the control plane is on Kubernetes " + clip(c.Value.Version) + "."
	}
	var steps []string
	for _, e := range u.Errors {
		if c := " " + complaint(e); !strings.Contains(f.Reason, c) {
			f.Reason += c
		}
		if step := mend(s, e.Code); !slices.Contains(steps, step) {
			steps = append(steps, step)
		}
	}
	f.Remedy = fleet.Steps(append(steps, again(s, u))...)
}

func complaint(e fleet.UpdateError) string {
	text := clip(e.Code)
	if e.Message != "" {
		text += ": " + strings.TrimRight(clip(e.Message), ".")
	}
	if len(e.Resources) > 0 {
		text += " (" + few(e.Resources) + ")"
	}
	return text + "."
}

// mend says what to do about an error of an update (EKS API, ErrorDetail).
func mend(s fleet.Snapshot, code string) string {
	config := fmt.Sprintf("aws eks update-cluster-config --region %s --name %s --resources-vpc-config", s.ID.Region, s.ID.Name)
	switch code {
	case "SubnetNotFound":
		return "Give the control plane subnets that exist, in at least two zones: " + config + " subnetIds=..."
	case "SecurityGroupNotFound":
		return "Give the control plane security groups that exist: " + config + " securityGroupIds=..."
	case "VpcIdNotFound":
		return "The VPC of the cluster is gone, and a cluster cannot be moved: make a new cluster, and ask AWS Support what can be saved of this one."
	case "EniLimitReached":
		return fmt.Sprintf("Delete network interfaces that nobody uses, or have the quota raised: Service Quotas, Amazon VPC, Network interfaces per Region, in %s.", s.ID.Region)
	case "IpNotAvailable", "InsufficientFreeAddresses":
		return "Free at least five addresses in the subnets of the control plane, or give it others in the same zones: " + config + " subnetIds=..."
	case "AccessDenied", "OperationNotPermitted":
		return "Give the cluster's role the policy AmazonEKSClusterPolicy again, and see that no service control policy denies what EKS does with it."
	case "ClusterUnreachable":
		return "See that the API server answers and that no admission webhook of the cluster stops EKS."
	}
	return "Read the error and mend what it names."
}

// again says how to begin a change once more.
func again(s fleet.Snapshot, u fleet.Update) string {
	if wording(u).ofVersion && u.Version != "" {
		return fmt.Sprintf("Begin again: aws eks update-cluster-version --region %s --name %s --kubernetes-version %s.", s.ID.Region, s.ID.Name, clip(u.Version))
	}
	return "Begin the change again."
}

// changeWords are what to call a kind of change.
type changeWords struct {
	name       string // such as "upgrade"
	goal       string // such as "to 1.35"; empty where there is none
	participle string // with the goal
	ofVersion  bool
	urgency    fleet.Severity // while it is under way
	missed     string         // what it means that it came to nothing
}

// noun names the change and the cluster.
func (w changeWords) noun(s fleet.Snapshot) string {
	return strings.TrimSpace(w.name + " of " + s.ID.Name + " " + w.goal)
}

func wording(u fleet.Update) changeWords {
	goal := ""
	if u.Version != "" {
		goal = "to " + clip(u.Version)
	}
	switch u.Type {
	case "VersionUpdate":
		return changeWords{"upgrade", goal, strings.TrimSpace("upgraded " + goal), true, fleet.Warning, "The control plane stays on the version that it had, and the end of its support comes nearer."}
	case "VersionRollback":
		return changeWords{"rollback", goal, strings.TrimSpace("rolled back " + goal), true, fleet.Warning, "The control plane stays on the version that it was to leave, and EKS takes an upgrade back only for 7 days."}
	}
	kind := ""
	if u.Type != "" {
		kind = " (" + clip(u.Type) + ")"
	}
	return changeWords{"change" + kind, "", "changed" + kind, false, fleet.Info, "What it was to change stays as it was."}
}

func begun(u fleet.Update) string {
	if u.CreatedAt.IsZero() {
		return "a time that EKS does not give"
	}
	return u.CreatedAt.UTC().Format(time.RFC3339)
}

func describeUpdate(s fleet.Snapshot, u fleet.Update) string {
	return fmt.Sprintf("aws eks describe-update --region %s --name %s --update-id %s.", s.ID.Region, s.ID.Name, clip(u.ID))
}

func aboutUpdate(u fleet.Update) []fleet.Fact {
	return []fleet.Fact{{Label: "Update", Value: cmp.Or(clip(u.ID), "not said")}, {Label: "Type", Value: cmp.Or(clip(u.Type), "not said")}, {Label: "Began", Value: begun(u)}}
}
