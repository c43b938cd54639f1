package secretsencryption

import (
	"fmt"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/keyguard"
)

// forGood is what everybody has to know of an association before it.
const forGood = "The association cannot be taken back: EKS neither changes nor removes the key of a cluster, and when the key is lost the cluster is lost."

// WantsApproval begins the cause of a finding that asks for an approval. What
// follows tells one asking from the next, whose button is another.
const WantsApproval = "approval-wanted"

// ApprovalWanted asks people to approve a plan. voided is why an earlier plan for
// the cluster, or its approval, is void; empty when there was none.
func ApprovalWanted(p Plan, c Choice, ask fleet.Approval, voided string, now time.Time) fleet.Finding {
	f := about(p.Cluster, now)
	f.Cause = WantsApproval + ":" + p.Short() + ":" + ask.Expires.UTC().Format("20060102T150405Z")
	f.Title = "a key for the secrets of " + p.Cluster.Name + " waits for approval"
	f.Reason = "The policy wants a customer key and the cluster has none. In the mode approve a person has to allow the association."
	if voided != "" {
		f.Reason = voided + " The button and the plan of the earlier message are worth nothing any more. " + f.Reason
	}
	f.Meaning = "Until somebody approves, nothing is done. " + forGood
	f.Observed, f.Expected = "no customer key", "customer key "+p.Key
	f.Remedy = fleet.Steps(
		"Make sure that the key is the right one, and that it will be kept for as long as the cluster and its backups.",
		"Approve with the button of this message, or with: steward approve "+p.Short()+". That is possible until "+ask.Expires.UTC().Format(time.RFC3339)+"; then it is asked again.",
		"If the cluster is to stay as it is, change the policy or tag it eks-steward/secrets-encryption=report.",
	)
	f.Facts = append(facts(p), choiceFacts(c)...)
	f.Approval = &ask
	return f
}

// NoUsableKey says that none of the keys of a policy can be used.
func NoUsableKey(id fleet.ClusterID, obstacles []Obstacle, now time.Time) fleet.Finding {
	f := about(id, now)
	f.Cause = "no-usable-key"
	f.Title = "none of the keys for the secrets of " + id.Name + " can be used"
	f.Reason = "The policy wants a customer key, and something is in the way of each that it lists. EKS was not called."
	f.Meaning = "The cluster stays without a customer key."
	f.Observed, f.Expected = "no usable key", "a key that is enabled, symmetric, for ENCRYPT_DECRYPT and in "+id.Region
	var steps []string
	for _, o := range obstacles {
		steps = append(steps, o.Why)
	}
	f.Remedy = "One of these is enough:\n" + fleet.Steps(steps...)
	f.Facts = choiceFacts(Choice{Obstacles: obstacles})
	return f
}

// WaitedTooLong says that a cluster did not become ACTIVE, or its association did
// not end, in the time for which it was followed.
func WaitedTooLong(id fleet.ClusterID, why string, waited time.Duration, now time.Time) fleet.Finding {
	f := about(id, now)
	f.Cause = "waited-too-long"
	f.Title = "the association of a key with " + id.Name + " was waited for too long"
	f.Reason = fmt.Sprintf("For %s it could neither begin nor end: %s", waited.Round(time.Minute), why)
	f.Meaning = "The cluster may stay without a customer key."
	f.Observed, f.Expected = "no customer key", "a cluster that is ACTIVE within two hours"
	f.Remedy = fleet.Steps(
		"See what holds the cluster: aws eks describe-cluster "+flags(id)+", and aws eks list-updates "+flags(id)+".",
		"If EKS does not end what it is at, ask AWS Support: an update cannot be cancelled.",
		"The daily look goes on by itself as soon as the cluster is ACTIVE.",
	)
	return f
}

// Done says that nothing is left to do: the policy is met, or is no longer ours to
// meet. why is one sentence.
func Done(id fleet.ClusterID, why string, now time.Time) fleet.Finding {
	f := about(id, now)
	f.Outcome, f.Severity = fleet.Pass, fleet.Info
	f.Title = "nothing is to be done for the encryption of secrets of " + id.Name
	f.Reason = why
	return f
}

// Finding is what people hear of an outcome; false when there is nothing to hear:
// it passes by itself, and another look will tell.
func (o Outcome) Finding(p Plan, now time.Time) (fleet.Finding, bool) {
	f := about(p.Cluster, now)
	f.Observed, f.Expected, f.Facts = "no customer key", "customer key "+p.Key, facts(p)
	if o.Update != "" {
		f.Facts = append(f.Facts, fleet.Fact{Label: "Update", Value: o.Update})
	}
	switch o.Result {
	case AlreadyDone:
		f.Outcome, f.Severity, f.Observed = fleet.Pass, fleet.Info, f.Expected
		f.Title = "a customer key encrypts the secrets of " + p.Cluster.Name
		f.Reason = "EKS has associated the key. Keep it enabled for as long as the cluster and its backups: it cannot be changed or taken away."
	case Associating:
		f.Cause = "associating"
		f.Title = "EKS associates a key with " + p.Cluster.Name
		f.Reason = "The call was made and EKS has accepted it: update " + o.Update + " is under way."
		f.Meaning = "Nothing is wrong: this closes by itself when the update is done; if it fails, it says so and why. " + forGood
		f.Remedy = "Nothing to do but wait. To see it: " + describeUpdate(p, o) + "."
	case Failed:
		o.failed(p, &f)
	case Refused:
		o.refused(p, &f)
	case Blocked:
		return f, o.blocked(p, &f)
	default:
		return fleet.Finding{}, false
	}
	return f, true
}

func (o Outcome) failed(p Plan, f *fleet.Finding) {
	f.Severity, f.Cause = fleet.Critical, "failed"
	f.Title = "the association of a key with " + p.Cluster.Name + " failed"
	f.Reason = o.Why
	f.Meaning = "The cluster has no customer key, and whatever stopped EKS may stop other changes too. The plan is not repeated by itself, in the mode enforce either."
	see := "See what EKS says: aws eks list-updates " + flags(p.Cluster) + "."
	if o.Update != "" {
		see = "See what EKS says: " + describeUpdate(p, o) + "."
	}
	f.Remedy = fleet.Steps(see,
		"Mend that. The role of the cluster and the key's policy must let EKS use the key and make grants on it (kms:DescribeKey, kms:CreateGrant).",
		"Approve the plan anew: steward approve "+p.Short()+".",
	)
}

// refused is told as it is: AWS documents the procedure for Kubernetes 1.27 and
// older and does not say whether it is there for newer clusters.
func (o Outcome) refused(p Plan, f *fleet.Finding) {
	f.Cause = "refused"
	f.Title = "EKS refuses to associate a key with " + p.Cluster.Name
	f.Reason = "EKS answered: " + o.Why + " The plan is never tried again."
	f.Meaning = "The cluster stays without the customer key that the policy wants. AWS documents the procedure for Kubernetes 1.27 and older only. From 1.28 on a key that AWS owns encrypts the secrets all the same."
	f.Remedy = fleet.Steps(
		"If the answer is about the key or a permission, mend that and make the call yourself: aws eks associate-encryption-config --region "+p.Cluster.Region+" --cluster-name "+p.Cluster.Name+
			` --encryption-config '[{"resources":["secrets"],"provider":{"keyArn":"`+p.Key+`"}}]'.`,
		"Else only a new cluster that is created with the key has it: create one and move the workloads.",
		"Or let a key that AWS owns pass for this cluster in the configuration.",
	)
}

// blocked words what a person has to end; false for what passes by itself.
func (o Outcome) blocked(p Plan, f *fleet.Finding) bool {
	f.Reason = o.Why + " EKS was not called."
	f.Meaning = "The cluster stays without a customer key until this is ended; then the next look goes on."
	name := p.Cluster.Name
	switch o.Cause {
	case KillSwitch:
		f.Title = "the association of a key with " + name + " is held by the kill switch"
		f.Remedy = "When writes are to be made again: aws ssm put-parameter --name /eks-steward/kill-switch --value off --overwrite, in the account and region of eks-steward."
	case KeyUnusable:
		f.Title = "the key for the secrets of " + name + " can no longer be used"
		f.Remedy = o.Why
		f.Reason = "The key was read again before the call, and something is in its way. EKS was not called."
	case Denied:
		f.Title = "eks-steward may not associate a key with " + name
		f.Reason = o.Why
		f.Remedy = fleet.Steps(
			"See that the role steward-encryption-writer exists in "+p.Cluster.Account+": it is there only when the deployment allows more than report.",
			"See that the key is among the approved ones of the deployment (secretsEncryption.keys), and that no service control policy denies eks:AssociateEncryptionConfig.",
			"See that the key's policy lets that role kms:DescribeKey and kms:CreateGrant.",
		)
	default:
		return false
	}
	f.Cause = string(o.Cause)
	return true
}

// about is a finding of Check that somebody has to look at.
func about(id fleet.ClusterID, now time.Time) fleet.Finding {
	return fleet.Finding{Check: Check, Cluster: id, Outcome: fleet.Fail, Severity: fleet.Warning, At: now}
}

func facts(p Plan) []fleet.Fact {
	return []fleet.Fact{{Label: "Plan", Value: p.Short()}, {Label: "Key", Value: p.Key}, {Label: "Kubernetes", Value: p.Version}}
}

// choiceFacts are what is worth knowing of a choice: a key without rotation is no
// obstacle, but many rules ask for it.
func choiceFacts(c Choice) []fleet.Fact {
	var all []fleet.Fact
	if c.Key.ARN != "" && c.Key.Rotation != fleet.RotationOn {
		rotation := "off: turn it on with aws kms enable-key-rotation " + keyguard.Flags(c.Key.ARN)
		if c.Key.Rotation == fleet.RotationUnknown {
			rotation = "not known"
		}
		all = append(all, fleet.Fact{Label: "Rotation", Value: rotation})
	}
	for _, o := range c.Obstacles {
		all = append(all, fleet.Fact{Label: "Not usable", Value: o.Ref})
	}
	return all
}

func describeUpdate(p Plan, o Outcome) string {
	return "aws eks describe-update " + flags(p.Cluster) + " --update-id " + o.Update
}

// flags name the cluster to the AWS CLI, but for associate-encryption-config.
func flags(id fleet.ClusterID) string {
	return "--region " + id.Region + " --name " + id.Name
}
