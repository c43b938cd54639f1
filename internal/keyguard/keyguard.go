// Package keyguard judges the key that encrypts a cluster's secrets: whether it
// works, and whether EKS may use it. Two functions look, one whenever it looks at
// the cluster and one when somebody has called KMS; what they read is judged here,
// so that a trouble is one incident whoever saw it first. It reads nothing itself.
package keyguard

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Check is the id of what the package finds, and the other two its resources.
const (
	Check = "key-guard"
	Key   = "key"   // how the key is
	Grant = "grant" // whether EKS may use it
)

// Use is a cluster and the key that encrypts its secrets, as they were read.
type Use struct {
	Cluster fleet.ClusterID
	ARN     string // of the key, as the cluster names it; empty when it names none
	Key     fleet.Part[fleet.Key]
	// Reported is the cluster's health. EKS may be 3 hours late to see a key break
	// or work again (EKS User Guide, Encrypt Kubernetes secrets with KMS).
	Reported []fleet.Issue
}

// A Call of KMS made somebody look at a key. The zero value is that nobody called.
type Call struct {
	Name      string // such as ScheduleKeyDeletion
	Principal string // ARN, or what else is known of the caller; may be empty
	At        time.Time
}

const noGrant = "KmsGrantRevoked" // by EKS's report

// About reports whether an issue of a cluster's health is about its key (EKS API,
// ClusterIssue).
func About(i fleet.Issue) bool {
	return slices.Contains([]string{"KmsKeyDisabled", "KmsKeyNotFound", "KmsKeyMarkedForDeletion", noGrant}, i.Code)
}

// Reports reports whether EKS says that something is wrong with the key.
func (u Use) Reports() bool { return slices.ContainsFunc(u.Reported, About) }

// GrantReported reports whether EKS says that its grant is gone.
func (u Use) GrantReported() bool { return u.says(noGrant) }

func (u Use) says(code string) bool {
	return slices.ContainsFunc(u.Reported, func(i fleet.Issue) bool { return i.Code == code })
}

// What a key that does not work means. The API server decrypts with what it
// holds in memory, so that nothing is seen until it is restarted (EKS User Guide
// and Best Practices Guide, Encrypt Kubernetes secrets with KMS).
const (
	asleep  = "All seems well until an API server restarts: from then on no secret can be read, and the cluster stops working. EKS can recover it if the key works again within 30 days."
	lost    = "Without the key nobody can read the cluster's secrets again, AWS included: the cluster is lost for good."
	leaving = "The key does not work from now on, and once it is deleted it does not come back. " + lost
)

// save is what to do while the API servers still hold what they need in memory.
const save = "Save what can still be read while the API servers run: back up every object, secrets first."

// Judge says how the key of a cluster is by what was read; the call only says why
// somebody looked. What hurts the cluster is critical, what hurts nobody passes or
// is a notice, and what could not be read is unknown.
func Judge(u Use, by Call, now time.Time) fleet.Finding {
	f := fleet.Finding{
		Check: Check, Cluster: u.Cluster, Resource: Key, Outcome: fleet.Fail, Severity: fleet.Critical, At: now,
		Observed: cmp.Or(clip(u.Key.Value.State), "not known"), Expected: "Enabled", Facts: u.facts(),
	}
	switch {
	case u.hurt(&f, now), u.gone(&f), u.reported(&f), u.unread(&f, by), u.governed(&f, by):
	default:
		u.working(&f, by)
	}
	f.Facts = append(f.Facts, by.facts(f)...)
	return f
}

// facts tell which key it is, and what EKS says of it.
func (u Use) facts() []fleet.Fact {
	all := []fleet.Fact{{Label: "Key", Value: cmp.Or(u.ARN, "not named")}}
	var codes []string
	for _, i := range u.Reported {
		if About(i) {
			codes = append(codes, clip(i.Code))
		}
	}
	if len(codes) > 0 {
		all = append(all, fleet.Fact{Label: "EKS reports", Value: strings.Join(codes, ", ")})
	}
	return all
}

// breaking are the calls after which a key does not work.
var breaking = []string{"ScheduleKeyDeletion", "DisableKey", "DeleteImportedKeyMaterial", "DeleteExpiredKeyMaterial", "DisconnectCustomKeyStore"}

// losing are the calls after which EKS may have lost its grant.
var losing = []string{"RevokeGrant", "RetireGrant"}

// Hurts reports whether a call is one after which all cannot be well with what a
// finding's resource names, Key or Grant.
func (c Call) Hurts(resource string) bool {
	if resource == Grant {
		return slices.Contains(losing, c.Name)
	}
	return slices.Contains(breaking, c.Name)
}

// culprits are the calls that a cause can come of. KMS itself deletes a key, days
// after the call that is to blame.
var culprits = map[string][]string{
	"pending-deletion": {"ScheduleKeyDeletion"},
	"not-found":        {"ScheduleKeyDeletion"},
	"disabled":         {"DisableKey"},
	"pending-import":   {"DeleteImportedKeyMaterial", "DeleteExpiredKeyMaterial"},
	"unavailable":      {"DisconnectCustomKeyStore"},
	"unread":           append([]string{"PutKeyPolicy"}, breaking...),
	"policy-changed":   {"PutKeyPolicy"},
	grantRevoked:       losing,
	grantReported:      losing,
	grantUnread:        losing,
}

// facts tell which call made the trouble that was found, and who made the call, or
// what made somebody look where all is well. An incident keeps them, so that a call
// that only made somebody look again must not take their place.
func (c Call) facts(f fleet.Finding) []fleet.Fact {
	if c.Name == "" || f.Outcome != fleet.Pass && !slices.Contains(culprits[f.Cause], c.Name) {
		return nil
	}
	return []fleet.Fact{
		{Label: "Call", Value: c.Name + " at " + c.At.UTC().Format(time.RFC3339), Lasting: true},
		{Label: "Caller", Value: cmp.Or(clip(c.Principal), "not said"), Lasting: true},
	}
}

// hurt fills in the finding of a key that KMS says does not work.
func (u Use) hurt(f *fleet.Finding, now time.Time) bool {
	k, name := u.Key.Value, u.Cluster.Name
	switch k.State {
	case "Disabled":
		u.disabled(f, "The key that encrypts the cluster's secrets is disabled.")
	case "PendingDeletion":
		u.leaving(f, "Somebody has scheduled the deletion of the key that encrypts the cluster's secrets.")
		f.Title = "the key of " + name + " is deleted " + Until(k.Deletion, now)
		if !k.Deletion.IsZero() {
			f.Facts = append(f.Facts, fleet.Fact{Label: "Deletion", Value: k.Deletion.UTC().Format(time.RFC3339)})
		}
	case "PendingReplicaDeletion":
		u.leaving(f, "Somebody has scheduled the deletion of the key, a multi-Region primary: KMS waits for its replicas and gives no date until then.")
		f.Title = "the key of " + name + " is deleted as soon as its replicas are"
	case "PendingImport":
		f.Cause, f.Title = "pending-import", "the key of "+name+" has no material"
		f.Reason, f.Meaning = "The key's imported material has expired or was deleted.", asleep
		f.Remedy = "Import the very same key material again: another one is refused, and without it the secrets are lost. aws kms get-parameters-for-import " +
			u.flags() + " --wrapping-algorithm RSAES_OAEP_SHA_256 --wrapping-key-spec RSA_4096 gives the means."
	case "Unavailable":
		f.Cause, f.Title = "unavailable", "the key of "+name+" is unavailable"
		f.Reason, f.Meaning = "The custom key store that holds the key is not connected.", asleep
		f.Remedy = "Connect the key store again: aws kms connect-custom-key-store --region " + u.region() + " --custom-key-store-id ID OF THE STORE."
	default:
		return false
	}
	return true
}

// gone fills in the finding of a key that KMS no longer knows. An alias that is
// gone says nothing about its key.
func (u Use) gone(f *fleet.Finding) bool {
	if u.Key.Trouble == nil || !errors.Is(u.Key.Trouble, fleet.Gone) || strings.Contains(u.ARN, ":alias/") {
		return false
	}
	u.lost(f, "KMS does not know the key that encrypts the cluster's secrets: it is deleted.")
	return true
}

// reported fills in the finding of a key of which EKS says what KMS did not. Of a
// key that KMS says works it says so late: it was mended.
func (u Use) reported(f *fleet.Finding) bool {
	switch {
	case Works(u.Key.Value) && !u.says("KmsKeyNotFound"):
		return false
	case u.says("KmsKeyNotFound"):
		u.lost(f, "EKS reports that it cannot find the key that encrypts the cluster's secrets.")
	case u.says("KmsKeyMarkedForDeletion"):
		u.leaving(f, "EKS reports that the key that encrypts the cluster's secrets is scheduled for deletion.")
	case u.says("KmsKeyDisabled"):
		u.disabled(f, "EKS reports that the key that encrypts the cluster's secrets is disabled.")
	default:
		return false
	}
	if Works(u.Key.Value) {
		f.Reason += " KMS says that the key is enabled: EKS may look for another one."
	}
	return true
}

func (u Use) disabled(f *fleet.Finding, reason string) {
	f.Cause, f.Title = "disabled", "the key of "+u.Cluster.Name+" is disabled"
	f.Reason, f.Meaning = reason, asleep
	f.Remedy = u.undoing(fleet.Key{State: "Disabled"})
}

func (u Use) leaving(f *fleet.Finding, reason string) {
	f.Cause, f.Title = "pending-deletion", "the key of "+u.Cluster.Name+" is to be deleted"
	f.Reason, f.Meaning = reason, leaving
	f.Remedy = u.undoing(fleet.Key{State: "PendingDeletion"})
}

func (u Use) lost(f *fleet.Finding, reason string) {
	f.Cause, f.Title = "not-found", "the key of "+u.Cluster.Name+" does not exist"
	f.Reason, f.Meaning = reason, lost
	f.Remedy = fleet.Steps("Make sure of it: aws kms describe-key "+u.flags()+".", save,
		"Create a new cluster and restore into it; open a support case at once.")
}

// Works reports whether a key encrypts and decrypts. While it is "Updating" the
// primary Region of a multi-Region key changes.
func Works(k fleet.Key) bool { return k.State == "Enabled" || k.State == "Updating" }

// unread fills in the finding of a key whose state was not read, or is newer than
// this version knows.
func (u Use) unread(f *fleet.Finding, by Call) bool {
	if Works(u.Key.Value) {
		return false
	}
	f.Outcome, f.Severity, f.Cause = fleet.Unknown, fleet.Warning, "unread"
	f.Title = "state of the key of " + u.Cluster.Name + " is unknown"
	f.Reason = "The key could not be read: " + fleet.Sentence(clip(u.Key.Why()))
	f.Meaning = "A key that is disabled or about to be deleted would go unseen, and with it the cluster's secrets."
	f.Remedy = "Look at the key yourself: aws kms describe-key " + u.flags() + "."
	denied := u.Key.Trouble != nil && errors.Is(u.Key.Trouble, fleet.Denied)
	switch {
	case by.Hurts(Key):
		// The call alone proves nothing, but it is not the moment to wait for proof.
		f.Severity = fleet.Critical
		f.Title = "the key of " + u.Cluster.Name + " may no longer work"
		f.Reason = "CloudTrail saw " + by.Name + ". " + f.Reason
	case denied && by.Name == "PutKeyPolicy":
		f.Title = "the policy of the key of " + u.Cluster.Name + " now shuts eks-steward out"
		f.Reason = "The key's policy was changed, and since then eks-steward may not read the key: others may be shut out too. " + f.Reason
	case u.Key.Known():
		f.Cause = "state-unknown"
		f.Reason = fmt.Sprintf("KMS gives its state as %q, which this version does not know.", clip(u.Key.Value.State))
	}
	if denied {
		f.Remedy = fleet.Steps(f.Remedy, "Allow "+u.Key.Trouble.Action+" to the role that reads the account, in the key's policy too.")
	}
	return true
}

// governed fills in the notice of a policy that was changed and hurts nobody yet.
// It is over with the next look.
func (u Use) governed(f *fleet.Finding, by Call) bool {
	if by.Name != "PutKeyPolicy" {
		return false
	}
	f.Severity, f.Cause = fleet.Info, "policy-changed"
	f.Title = "the policy of the key of " + u.Cluster.Name + " was changed"
	f.Reason = cmp.Or(clip(by.Principal), "Somebody") + " changed the key's policy. The key works, and eks-steward may read it as before."
	f.Meaning = "EKS uses the key by its grant, which no policy takes away; but the policy says who may disable or delete the key."
	f.Observed = "another policy than before"
	f.Remedy = "See who may now: aws kms get-key-policy " + u.flags() + " --policy-name default. The event in CloudTrail has the policy that was set."
	return true
}

// working fills in the finding of a key that works.
func (u Use) working(f *fleet.Finding, by Call) {
	f.Outcome, f.Severity = fleet.Pass, fleet.Info
	f.Title = "the key of " + u.Cluster.Name + " works"
	f.Reason = "KMS gives its state as " + u.Key.Value.State + ", in which it works."
	if u.says("KmsKeyDisabled") || u.says("KmsKeyMarkedForDeletion") {
		f.Reason += " EKS still reports otherwise, and may take 3 hours to see it."
	}
	if by.Name != "" {
		f.Reason += " Somebody looked because of " + by.Name + " by " + cmp.Or(clip(by.Principal), "an unknown caller") + ": the cluster is not hurt."
	}
}

// clip bounds what a text from elsewhere can add to a finding.
func clip(s string) string { return fleet.Clip(s, 400) }
