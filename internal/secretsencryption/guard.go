package secretsencryption

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// KeyUse is a cluster and the key that encrypts its secrets, read again.
type KeyUse struct {
	Cluster fleet.ClusterID
	ARN     string // of the key, as the cluster names it
	Key     fleet.Part[fleet.Key]
	// Grant is whether EKS still has its grant on the key. Untried, it was not in
	// question; with a trouble, EKS's could not be told from those of others.
	Grant fleet.Part[bool]
}

// GuardCause is the call that made somebody look at a key.
type GuardCause struct {
	Call      string // such as ScheduleKeyDeletion; empty when nobody called: a daily look
	Principal string // ARN; may be empty
	At        time.Time
	// Open is the cause of the open finding about the key; empty when none is.
	Open string
}

// An Undo is a call of KMS that takes back what was done to a key.
type Undo string

// The undos. They follow each other: a key whose deletion was cancelled is
// disabled (KMS API, CancelKeyDeletion).
const (
	CancelKeyDeletion Undo = "CancelKeyDeletion"
	EnableKey         Undo = "EnableKey"
)

// Undos are the calls that make a key work again, in order; none where it works or
// where no call does.
func Undos(k fleet.Key) []Undo {
	switch k.State {
	case "PendingDeletion", "PendingReplicaDeletion":
		return []Undo{CancelKeyDeletion, EnableKey}
	case "Disabled":
		return []Undo{EnableKey}
	}
	return nil
}

// command is the undo for the AWS CLI.
func (u Undo) command(key string) string {
	return map[Undo]string{CancelKeyDeletion: "aws kms cancel-key-deletion ", EnableKey: "aws kms enable-key "}[u] + keyFlags(key)
}

// What a key that does not work means. The API server decrypts with what it
// holds in memory, so that nothing is seen until it is restarted (EKS User Guide
// and Best Practices Guide, Encrypt Kubernetes secrets with KMS).
const (
	keyAsleep = "All seems well until an API server restarts: from then on no secret can be read, and the cluster stops working. EKS can recover it if the key works again within 30 days."
	keyLost   = "Without the key nobody can read the cluster's secrets again, AWS included: the cluster is lost for good."
)

// Guard judges a key that a cluster uses by what was read of it; the call only
// says why somebody looked. What hurts the cluster is critical, what hurts nobody
// passes, and what could not be read is unknown.
func Guard(u KeyUse, c GuardCause, now time.Time) fleet.Finding {
	f := fleet.Finding{
		Check: GuardCheck, Cluster: u.Cluster, Resource: u.ARN, Outcome: fleet.Fail, Severity: fleet.Critical, At: now,
		Observed: cmp.Or(clip(u.Key.Value.State), "not known"), Expected: "Enabled, and with the grant of EKS",
		Facts: append([]fleet.Fact{{Label: "Key", Value: u.ARN}}, c.facts()...),
	}
	switch {
	case u.hurt(&f, now), u.unread(&f, c), u.ungranted(&f, c), u.governed(&f, c):
	default:
		f.Outcome, f.Severity = fleet.Pass, fleet.Info
		f.Title = "the key of " + u.Cluster.Name + " works"
		f.Reason = "KMS gives its state as " + u.Key.Value.State + ", in which it works."
		if u.Grant.Tried() {
			f.Reason += " EKS has its grant."
		}
		if c.Call != "" {
			f.Reason += " Somebody looked because of " + c.Call + " by " + cmp.Or(clip(c.Principal), "an unknown caller") + ": the cluster is not hurt."
		}
	}
	return f
}

// hurt fills in the finding of a key that KMS says does not work.
func (u KeyUse) hurt(f *fleet.Finding, now time.Time) bool {
	k, name := u.Key.Value, u.Cluster.Name
	deletion := "The key does not work from now on, and once it is deleted it does not come back. " + keyLost
	switch {
	case u.Key.Trouble != nil && errors.Is(u.Key.Trouble, fleet.Gone):
		f.Cause, f.Title = "not-found", "the key of "+name+" does not exist"
		f.Reason, f.Meaning = "KMS does not know the key that encrypts the cluster's secrets: it is deleted.", keyLost
		f.Remedy = numbered("Make sure of it: aws kms describe-key "+keyFlags(u.ARN)+".", save, "Create a new cluster and restore into it; open a support case at once.")
		return true
	case k.State == "PendingDeletion":
		f.Cause, f.Title = "pending-deletion", "the key of "+name+" is deleted "+until(k.Deletion, now)
		f.Reason, f.Meaning = "Somebody has scheduled the deletion of the key that encrypts the cluster's secrets.", deletion
		if !k.Deletion.IsZero() {
			f.Facts = append(f.Facts, fleet.Fact{Label: "Deletion", Value: k.Deletion.UTC().Format(time.RFC3339)})
		}
	case k.State == "PendingReplicaDeletion":
		f.Cause, f.Title = "pending-deletion", "the key of "+name+" is deleted as soon as its replicas are"
		f.Reason = "Somebody has scheduled the deletion of the key, a multi-Region primary: KMS waits for its replicas and gives no date until then."
		f.Meaning = deletion
	case k.State == "Disabled":
		f.Cause, f.Title = "disabled", "the key of "+name+" is disabled"
		f.Reason, f.Meaning = "The key that encrypts the cluster's secrets is disabled.", keyAsleep
	case k.State == "PendingImport":
		f.Cause, f.Title = "pending-import", "the key of "+name+" has no material"
		f.Reason, f.Meaning = "The key's imported material has expired or was deleted.", keyAsleep
		f.Remedy = "Import the very same key material again: another one is refused, and without it the secrets are lost. aws kms get-parameters-for-import " +
			keyFlags(u.ARN) + " --wrapping-algorithm RSAES_OAEP_SHA_256 --wrapping-key-spec RSA_4096 gives the means."
		return true
	case k.State == "Unavailable":
		f.Cause, f.Title = "unavailable", "the key of "+name+" is unavailable"
		f.Reason, f.Meaning = "The custom key store that holds the key is not connected.", keyAsleep
		f.Remedy = "Connect the key store again: aws kms connect-custom-key-store --region " + keyRegion(u.ARN) + " --custom-key-store-id ID OF THE STORE."
		return true
	default:
		return false
	}
	f.Remedy = undoing(k, u.ARN)
	return true
}

// undoing is the remedy that the undos of a key are.
func undoing(k fleet.Key, arn string) string {
	words := map[Undo]string{CancelKeyDeletion: "Cancel the deletion: ", EnableKey: "Enable the key: "}
	var steps []string
	for _, undo := range Undos(k) {
		steps = append(steps, words[undo]+undo.command(arn)+".")
	}
	return numbered(append(steps, "Find out in CloudTrail who did it, and why.")...)
}

// save is what to do while the API servers still hold what they need in memory.
const save = "Save what can still be read while the API servers run: back up every object, secrets first."

// unread fills in the finding of a key whose state is not known.
func (u KeyUse) unread(f *fleet.Finding, c GuardCause) bool {
	state := u.Key.Value.State
	if state == "Enabled" || state == "Updating" {
		return false
	}
	f.Outcome, f.Severity, f.Cause = fleet.Unknown, fleet.Warning, "unread"
	f.Title = "state of the key of " + u.Cluster.Name + " is unknown"
	f.Reason = "The key could not be read: " + strings.TrimRight(clip(u.Key.Why()), ".") + "."
	f.Meaning = "A key that is disabled or about to be deleted would go unseen, and with it the cluster's secrets."
	f.Remedy = "Look at the key yourself: aws kms describe-key " + keyFlags(u.ARN) + "."
	denied := u.Key.Trouble != nil && errors.Is(u.Key.Trouble, fleet.Denied)
	switch {
	case slices.Contains(breaking, c.Call):
		// The call alone proves nothing, but it is not the moment to wait for proof.
		f.Severity = fleet.Critical
		f.Title = "the key of " + u.Cluster.Name + " may no longer work"
		f.Reason = "CloudTrail saw " + c.Call + ". " + f.Reason
	case denied && c.Call == "PutKeyPolicy":
		f.Cause = "policy-shuts-out"
		f.Title = "the policy of the key of " + u.Cluster.Name + " now shuts eks-steward out"
		f.Reason = "The key's policy was changed, and since then eks-steward may not read the key: others may be shut out too. " + f.Reason
	case u.Key.Known():
		f.Cause = "state-unknown"
		f.Reason = fmt.Sprintf("KMS gives its state as %q, which this version does not know.", clip(state))
	}
	if denied {
		f.Remedy = numbered(f.Remedy, "Allow "+u.Key.Trouble.Action+" to the role that reads the account, in the key's policy too.")
	}
	return true
}

// grantRevoked is the cause of a finding about EKS's grant.
const grantRevoked = "grant-revoked"

// breaking are the calls after which a key does not work.
var breaking = []string{"ScheduleKeyDeletion", "DisableKey", "DeleteImportedKeyMaterial", "DisconnectCustomKeyStore"}

// ungranted fills in the finding of a key that works, but not for EKS.
//
// What EKS's grant looks like is not documented, and services retire theirs all
// the time, with every volume. So where nobody revoked one, a grant that is not
// recognised is unknown and not lost.
func (u KeyUse) ungranted(f *fleet.Finding, c GuardCause) bool {
	why := u.Grant.Why()
	switch {
	case !u.Grant.Tried(), u.Grant.Known() && u.Grant.Value:
		return false
	case u.Grant.Known() && c.Call != "RevokeGrant" && c.Open != grantRevoked:
		why = "none of the key's grants has the form that EKS is known to give its own"
	case u.Grant.Known():
		f.Cause, f.Title = grantRevoked, "EKS may no longer use the key of "+u.Cluster.Name
		f.Reason, f.Meaning = "EKS's grant on the key that encrypts the cluster's secrets is gone: it was revoked or retired.", keyLost
		f.Observed = "no grant of EKS"
		f.Remedy = numbered("Open a support case at once: the grant was made by EKS, and nobody else can make it again.", save,
			"Find out in CloudTrail who called RevokeGrant or RetireGrant, and why.")
		return true
	}
	f.Outcome, f.Severity, f.Cause = fleet.Unknown, fleet.Warning, "grant-unread"
	f.Title = "whether EKS may still use the key of " + u.Cluster.Name + " is unknown"
	f.Reason = "A grant on the key was revoked or retired, and whether it was EKS's could not be told: " + strings.TrimRight(clip(why), ".") + "."
	f.Meaning = "If it was, secrets cannot be read after the next restart of an API server, and the cluster is lost. Most grants that are retired are those of other services, and harmless."
	f.Observed = "grants not known"
	f.Remedy = numbered("See whether EKS has a grant: aws kms list-grants "+keyFlags(u.ARN)+".",
		"See whether EKS reports KmsGrantRevoked, which may take 3 hours: aws eks describe-cluster "+flags(u.Cluster)+" --query cluster.health.")
	return true
}

// governed fills in the notice of a policy that was changed and hurts nobody yet.
// It is over with the next look.
func (u KeyUse) governed(f *fleet.Finding, c GuardCause) bool {
	if c.Call != "PutKeyPolicy" {
		return false
	}
	f.Severity, f.Cause = fleet.Info, "policy-changed"
	f.Title = "the policy of the key of " + u.Cluster.Name + " was changed"
	f.Reason = cmp.Or(clip(c.Principal), "Somebody") + " changed the key's policy. The key works, and eks-steward may read it as before."
	f.Meaning = "EKS uses the key by its grant, which no policy takes away; but the policy says who may disable or delete the key."
	f.Observed = "another policy than before"
	f.Remedy = "See who may now: aws kms get-key-policy " + keyFlags(u.ARN) + " --policy-name default. The event in CloudTrail has the policy that was set."
	return true
}

// facts tell what made somebody look.
func (c GuardCause) facts() []fleet.Fact {
	if c.Call == "" {
		return nil
	}
	return []fleet.Fact{
		{Label: "Call", Value: c.Call + " at " + c.At.UTC().Format(time.RFC3339)},
		{Label: "Caller", Value: cmp.Or(clip(c.Principal), "not said")},
	}
}

// keyFlags name a key to the AWS CLI.
func keyFlags(key string) string { return "--region " + keyRegion(key) + " --key-id " + key }

func keyRegion(key string) string {
	a, _ := parseARN(key)
	return a.region
}
