package keyguard

import (
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// The causes of a finding about a grant that may be gone, by how that is known.
const (
	grantRevoked  = "grant-revoked"  // somebody revoked one, and EKS's is not there
	grantReported = "grant-reported" // EKS says so
	grantUnread   = "grant-unread"   // it is not known
)

// JudgeGrant says whether EKS may use the key of a cluster. granted is what was
// read of its grant; untried, only EKS's own report counts. was is the cause of
// the open finding about it, or empty.
//
// What EKS's grant looks like is not documented, and services retire theirs all
// the time, with every volume. So where nobody revoked one, a grant that is not
// recognised is unknown and not lost.
func JudgeGrant(u Use, granted fleet.Part[bool], by Call, was string, now time.Time) fleet.Finding {
	f := fleet.Finding{
		Check: Check, Cluster: u.Cluster, Resource: Grant, Outcome: fleet.Fail, Severity: fleet.Critical, At: now,
		Observed: "no grant of EKS", Expected: "a grant of EKS", Facts: u.facts(),
	}
	switch {
	case u.GrantReported():
		u.revoked(&f, grantReported, "EKS reports that its grant on the key that encrypts the cluster's secrets was revoked.")
	case granted.Known() && granted.Value:
		f.Outcome, f.Severity, f.Observed = fleet.Pass, fleet.Info, "granted"
		f.Title = "EKS may use the key of " + u.Cluster.Name
		f.Reason = "EKS has its grant on the key that encrypts the cluster's secrets."
	case was == grantReported && by.Name == "":
		f.Outcome, f.Severity, f.Observed = fleet.Pass, fleet.Info, "no report of EKS"
		f.Title = "EKS may use the key of " + u.Cluster.Name
		f.Reason = "EKS no longer reports that its grant on the key was revoked."
	case was == grantRevoked || granted.Known() && by.Name == "RevokeGrant":
		u.revoked(&f, grantRevoked, "EKS's grant on the key that encrypts the cluster's secrets is gone: it was revoked or retired.")
	case granted.Known():
		u.unclear(&f, "none of the key's grants has the form that EKS is known to give its own")
	default:
		u.unclear(&f, granted.Why())
	}
	f.Facts = append(f.Facts, by.facts(f)...)
	return f
}

func (u Use) revoked(f *fleet.Finding, cause, reason string) {
	f.Cause, f.Title = cause, "EKS may no longer use the key of "+u.Cluster.Name
	f.Reason, f.Meaning = reason, lost
	f.Remedy = fleet.Steps("Open a support case at once: the grant was made by EKS, and nobody else can make it again.", save,
		"Find out in CloudTrail who called RevokeGrant or RetireGrant, and why.")
}

// unclear fills in the finding of a grant that is neither there nor gone for sure.
func (u Use) unclear(f *fleet.Finding, why string) {
	f.Outcome, f.Severity, f.Cause = fleet.Unknown, fleet.Warning, grantUnread
	f.Title = "whether EKS may still use the key of " + u.Cluster.Name + " is unknown"
	f.Reason = "A grant on the key was revoked or retired, and whether it was EKS's could not be told: " + fleet.Sentence(clip(why))
	f.Meaning = "If it was, secrets cannot be read after the next restart of an API server, and the cluster is lost. Most grants that are retired are those of other services, and harmless."
	f.Observed = "grants not known"
	f.Remedy = fleet.Steps("See whether EKS has a grant: aws kms list-grants "+u.flags()+".",
		"See whether EKS reports KmsGrantRevoked, which may take 3 hours: aws eks describe-cluster --region "+u.Cluster.Region+" --name "+u.Cluster.Name+" --query cluster.health.")
}
