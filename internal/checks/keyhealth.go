package checks

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// What a key that does not work means. The API server decrypts with what it
// holds in memory, so that nothing is seen until it is restarted (EKS User Guide
// and Best Practices Guide, Encrypt Kubernetes secrets with KMS).
const (
	keyAsleep = "All seems well until an API server restarts: from then on no secret can be read, and the cluster stops working. EKS can recover it if the key works again within 30 days."
	keyLost   = "Without the key nobody can read the cluster's secrets again, AWS included: the cluster is lost for good."
)

// keyHealth says whether the customer key of a cluster works. KMS is asked
// itself: EKS may be 3 hours late to see it.
func keyHealth(s fleet.Snapshot, now time.Time) fleet.Finding {
	f := fleet.Finding{
		Resource: "key", Outcome: fleet.Fail, Severity: fleet.Critical,
		Observed: cmp.Or(s.Key.Value.State, "not known"), Expected: "Enabled",
		Facts: []fleet.Fact{{Label: "Key", Value: cmp.Or(s.Cluster.Value.KeyARN, "not named")}},
	}
	if issues := keyIssues(s.Cluster.Value); len(issues) > 0 {
		f.Observed = cmp.Or(s.Key.Value.State, issues[0].Code)
		f.Facts = append(f.Facts, fleet.Fact{Label: "EKS reports", Value: codes(issues)})
	}
	switch {
	case ailingKey(s, now, &f), reportedKey(s, &f):
	case s.Key.Value.State != "Enabled" && s.Key.Value.State != "Updating":
		unseenKey(s, &f)
	default:
		workingKey(s, &f)
	}
	return f
}

// ailingKey fills in the finding of a key that KMS says does not work.
func ailingKey(s fleet.Snapshot, now time.Time, f *fleet.Finding) bool {
	k := kms{s}
	switch s.Key.Value.State {
	case "Disabled":
		k.disabled(f, "KMS")
	case "PendingDeletion":
		k.pendingDeletion(f, "KMS")
		f.Title = fmt.Sprintf("the key of %s is deleted %s", s.ID.Name, until(s.Key.Value.Deletion, now))
		if d := s.Key.Value.Deletion; !d.IsZero() {
			f.Facts = append(f.Facts, fleet.Fact{Label: "Deletion", Value: d.UTC().Format(time.RFC3339)})
		}
	case "PendingReplicaDeletion":
		k.pendingDeletion(f, "KMS")
		f.Title = "the key of " + s.ID.Name + " is deleted as soon as its replicas are"
		f.Reason = "Somebody has scheduled the deletion of the key, a multi-Region primary: KMS waits for its replicas and gives no date until then."
	case "PendingImport":
		f.Cause = "pending-import"
		f.Title = "the key of " + s.ID.Name + " has no material"
		f.Reason = "The key's imported material has expired or was deleted."
		f.Meaning = keyAsleep
		f.Remedy = "Import the very same key material again: another one is refused, and without it the secrets are lost. " +
			"aws kms get-parameters-for-import " + k.flags() + " gives the means."
	case "Unavailable":
		f.Cause = "unavailable"
		f.Title = "the key of " + s.ID.Name + " is unavailable"
		f.Reason = "The custom key store that holds the key is not connected."
		f.Meaning = keyAsleep
		f.Remedy = "Connect the key store again: aws kms connect-custom-key-store --region " + keyRegion(s) + " --custom-key-store-id ID OF THE STORE."
	default:
		return false
	}
	return true
}

// reportedKey fills in the finding of a key that EKS reports about, or that KMS
// no longer knows.
func reportedKey(s fleet.Snapshot, f *fleet.Finding) bool {
	k := kms{s}
	reported := func(code string) bool {
		return slices.ContainsFunc(keyIssues(s.Cluster.Value), func(i fleet.Issue) bool { return i.Code == code })
	}
	// An alias that is gone says nothing about its key.
	gone := s.Key.Trouble != nil && errors.Is(s.Key.Trouble, fleet.Gone) && !strings.Contains(s.Cluster.Value.KeyARN, ":alias/")
	switch {
	case gone, reported("KmsKeyNotFound"):
		k.lost(f)
		if gone {
			f.Reason = "KMS does not know the key that encrypts the cluster's secrets: it is deleted."
		}
	case reported("KmsGrantRevoked"):
		k.revoked(f)
	case reported("KmsKeyMarkedForDeletion"):
		k.pendingDeletion(f, "EKS")
	case reported("KmsKeyDisabled"):
		k.disabled(f, "EKS")
	default:
		return false
	}
	if s.Key.Value.State == "Enabled" {
		f.Reason += " KMS says that the key is enabled: if it has just been mended, EKS may take 3 hours to see it."
	}
	return true
}

// kms words what is wrong with a cluster's key, and the way back.
type kms struct{ s fleet.Snapshot }

// flags name the key to the AWS CLI: by its own ARN where it is known, as most
// calls take no alias.
func (k kms) flags() string {
	return "--region " + keyRegion(k.s) + " --key-id " + cmp.Or(k.s.Key.Value.ARN, k.s.Cluster.Value.KeyARN, "ARN OF THE KEY")
}

func (k kms) enable() string { return "Enable it: aws kms enable-key " + k.flags() + "." }

func (k kms) disabled(f *fleet.Finding, who string) {
	f.Cause = "disabled"
	f.Title = "the key of " + k.s.ID.Name + " is disabled"
	f.Reason = who + " reports that the key that encrypts the cluster's secrets is disabled."
	f.Meaning = keyAsleep
	f.Remedy = numbered([]string{k.enable(), "Find out in CloudTrail who called DisableKey, and why."})
}

func (k kms) pendingDeletion(f *fleet.Finding, who string) {
	f.Cause = "pending-deletion"
	f.Title = "the key of " + k.s.ID.Name + " is to be deleted"
	f.Reason = who + " reports that the key that encrypts the cluster's secrets is scheduled for deletion."
	f.Meaning = "The key does not work from now on, and once it is deleted it does not come back. " + keyLost
	f.Remedy = numbered([]string{
		"Cancel the deletion: aws kms cancel-key-deletion " + k.flags() + ".",
		"That leaves it disabled. " + k.enable(),
		"Find out in CloudTrail who called ScheduleKeyDeletion, and why.",
	})
}

func (k kms) lost(f *fleet.Finding) {
	f.Cause = "not-found"
	f.Title = "the key of " + k.s.ID.Name + " does not exist"
	f.Reason = "EKS reports that it cannot find the key that encrypts the cluster's secrets."
	f.Meaning = keyLost
	f.Remedy = numbered([]string{
		"Make sure of it: aws kms describe-key " + k.flags() + ".",
		"Save what can still be read while the API servers run: back up every object, secrets first.",
		"Create a new cluster and restore into it; open a support case at once.",
	})
}

func (k kms) revoked(f *fleet.Finding) {
	f.Cause = "grant-revoked"
	f.Title = "EKS may no longer use the key of " + k.s.ID.Name
	f.Reason = "EKS reports that its grant on the key that encrypts the cluster's secrets was revoked."
	f.Meaning = keyLost
	f.Remedy = numbered([]string{
		"Open a support case at once: the grant was made by EKS, and nobody else can make it again.",
		"Save what can still be read while the API servers run: back up every object, secrets first.",
		"Find out in CloudTrail who called RevokeGrant or RetireGrant, and why.",
	})
}

// unseenKey fills in the finding of a key whose state was not read, or is newer
// than this version knows.
func unseenKey(s fleet.Snapshot, f *fleet.Finding) {
	f.Outcome, f.Severity, f.Cause = fleet.Unknown, fleet.Warning, "unread"
	f.Title = "state of the key of " + s.ID.Name + " is unknown"
	f.Meaning = "A key that is disabled or about to be deleted would go unseen, and with it the cluster's secrets."
	f.Reason = "The key could not be read: " + sentence(s.Key.Why())
	f.Remedy = reread(s.Key.Trouble)
	if s.Key.Known() {
		f.Cause = "state-unknown"
		f.Reason = fmt.Sprintf("KMS gives its state as %q, which this version does not know.", clip(s.Key.Value.State))
		f.Remedy = "See what KMS says of it: aws kms describe-key " + kms{s}.flags() + "."
	}
}

// workingKey fills in the finding of a key that works: only its rotation may be
// worth knowing.
func workingKey(s fleet.Snapshot, f *fleet.Finding) {
	f.Outcome, f.Severity = fleet.Pass, fleet.Info
	f.Title = "the key of " + s.ID.Name + " works"
	f.Reason = "KMS says that the key is enabled."
	rotation := string(s.Key.Value.Rotation)
	switch {
	case s.Key.Trouble != nil:
		rotation = "not known: " + s.Key.Why()
	case rotation == "":
		rotation = "not known"
	}
	f.Facts = append(f.Facts, fleet.Fact{Label: "Rotation", Value: rotation})
	if s.Key.Value.Rotation != fleet.RotationOff {
		return
	}
	f.Outcome, f.Cause = fleet.Fail, "rotation-off"
	f.Title = "the key of " + s.ID.Name + " is not rotated"
	f.Reason = "The key works, and KMS does not renew its material by itself."
	f.Meaning = "The same material encrypts for as long as the key lives; many rules ask for a new one every year."
	f.Expected = "Enabled, with rotation on"
	f.Remedy = "Turn it on: aws kms enable-key-rotation " + kms{s}.flags() + ". The cluster notices nothing: old material stays usable. KMS cannot rotate imported material or a key in a custom key store by itself."
}

// keyIssues are those of a cluster's health that are about its key.
func keyIssues(c fleet.Cluster) []fleet.Issue {
	return slices.DeleteFunc(slices.Clone(c.Health), func(i fleet.Issue) bool { return !aboutKey(i) })
}

func aboutKey(i fleet.Issue) bool {
	return slices.Contains([]string{"KmsKeyDisabled", "KmsKeyNotFound", "KmsGrantRevoked", "KmsKeyMarkedForDeletion"}, i.Code)
}

// until says when something happens that is only known by its date.
func until(at, now time.Time) string {
	left := at.Sub(now)
	switch {
	case at.IsZero():
		return "soon"
	case left <= 0:
		return "any moment"
	case left < 24*time.Hour:
		return "within a day"
	}
	return "in " + plural(int(left.Hours())/24, "day")
}
