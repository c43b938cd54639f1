package checks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/keyguard"
)

// encryptionState reports, and changes nothing: a key can be associated once and
// never changed (EKS API, AssociateEncryptionConfig). Whether the key works is for
// key-guard; the resource "rotation" is whether KMS renews it.
var encryptionState = Check{
	ID:  "encryption-state",
	Doc: "Which key encrypts the cluster's secrets, and whether it is one that will do.",
	Judge: func(s fleet.Snapshot, r Rules, _ time.Time) []fleet.Finding {
		if !s.Cluster.Known() {
			return []fleet.Finding{unread(s, "Encryption of secrets", s.Cluster.Why(), s.Cluster.Trouble)}
		}
		found := []fleet.Finding{r.SecretsEncryption.judge(s)}
		if s.Cluster.Value.KeyARN != "" {
			found = append(found, rotation(s))
		}
		return found
	},
}

// ownedFrom is the first version in which EKS encrypts all API data with a key
// that AWS owns where no customer key is named (EKS User Guide, Default envelope
// encryption for all Kubernetes API Data).
var ownedFrom = fleet.Version{Major: 1, Minor: 28}

// judge says which of three states the encryption of secrets is in, and whether
// it will do: a customer's key, a key of AWS, or none.
func (r SecretsEncryption) judge(s fleet.Snapshot) fleet.Finding {
	c := s.Cluster.Value
	f := fleet.Finding{Outcome: fleet.Pass, Expected: r.expected()}
	v, err := fleet.ParseVersion(c.Version)
	switch {
	case c.KeyARN != "":
		f.Observed = "customer key " + c.KeyARN
		return r.customer(s, f)
	case err != nil:
		f.Outcome, f.Severity, f.Cause = fleet.Unknown, fleet.Warning, "version-unknown"
		f.Title = "encryption of secrets of " + s.ID.Name + " is unknown"
		f.Observed = "no customer key"
		f.Reason = fmt.Sprintf("The cluster names no customer key, and from its version %q it cannot be told whether a key that AWS owns encrypts its secrets: EKS does that from Kubernetes %s.", clip(c.Version), ownedFrom)
		f.Meaning = "Secrets may lie in etcd as they are."
		f.Remedy = "Look at the version of the cluster: aws eks describe-cluster --region " + s.ID.Region + " --name " + s.ID.Name + "."
	case v.Compare(ownedFrom) >= 0:
		f.Observed = "AWS-owned key"
		return r.owned(s, f)
	default:
		f.Outcome, f.Severity, f.Cause = fleet.Fail, fleet.Warning, "no-key"
		f.Title = "secrets of " + s.ID.Name + " are not encrypted with any key"
		f.Observed = "no key"
		f.Reason = fmt.Sprintf("The cluster names no customer key, and EKS encrypts with a key that AWS owns only from Kubernetes %s; this one runs %s.", ownedFrom, v)
		f.Meaning = "Who reads the etcd volumes or a backup of them reads the secrets. The volumes themselves are encrypted by AWS."
		f.Remedy = fleet.Steps(
			"Upgrade to a supported version: then a key of AWS encrypts all API data at least.",
			"Or associate a customer key, which is for good: it can never be changed or taken away. "+associate(s)+".",
		)
	}
	return f
}

// owned judges a cluster whose secrets a key of AWS encrypts: never unencrypted,
// but not every policy is content with it.
func (r SecretsEncryption) owned(s fleet.Snapshot, f fleet.Finding) fleet.Finding {
	f.Title = "secrets of " + s.ID.Name + " are encrypted with an AWS-owned key"
	f.Reason = fmt.Sprintf("No customer key is named, and from Kubernetes %s EKS encrypts all API data with a key that AWS owns.", ownedFrom)
	if r.Require != CustomerKey && r.Require != AnyOfKeys {
		return f
	}
	f.Outcome, f.Severity, f.Cause = fleet.Fail, fleet.Warning, "aws-owned-key"
	f.Reason += " The configuration wants " + r.expected() + "."
	f.Meaning = "The secrets are encrypted, but with a key that you can neither audit nor withdraw."
	f.Remedy = fleet.Steps(
		"Decide whether this cluster needs a customer key; if not, let AWS-owned keys pass in the configuration.",
		"Associating one is for good: the key can never be changed or taken away, and when it is lost the cluster is lost. "+
			"AWS documents the procedure for Kubernetes 1.27 and older only; on newer versions EKS may refuse it: "+associate(s)+".",
		"Where EKS refuses, only a new cluster that is created with the key has it: create one and move the workloads.",
	)
	return f
}

// customer judges the customer key that a cluster names.
func (r SecretsEncryption) customer(s fleet.Snapshot, f fleet.Finding) fleet.Finding {
	f.Title = "secrets of " + s.ID.Name + " are encrypted with a customer key"
	f.Reason = "The cluster names a customer key."
	if r.Require != AnyOfKeys {
		return f
	}
	if wanted, ok := r.admits(s); ok {
		f.Reason = "The cluster names a key that the configuration lists as " + wanted + "."
		return f
	}
	if r.needsMore(s) {
		f.Outcome, f.Severity, f.Cause = fleet.Unknown, fleet.Warning, "unread"
		f.Title = "whether secrets of " + s.ID.Name + " are encrypted with a wanted key is unknown"
		f.Reason = "The configuration lists aliases or tags, and those of the cluster's key could not be read: " + fleet.Sentence(s.Key.Why())
		f.Meaning = "A wrong key would go unseen."
		f.Remedy = reread(s.Key.Trouble)
		return f
	}
	f.Outcome, f.Severity, f.Cause = fleet.Fail, fleet.Warning, "other-key"
	f.Title = "secrets of " + s.ID.Name + " are encrypted with another key than the configuration wants"
	f.Reason = "The key is none of those listed." + r.relative(s)
	f.Meaning = "Whoever governs that key governs this cluster's secrets. This is reported, never changed: the key of a cluster cannot be changed."
	f.Remedy = fleet.Steps(
		"If the key will do, add it to the keys of the configuration.",
		"Else create a new cluster with the right key and move the workloads: the key of a cluster cannot be changed.",
		"Keep the present key until the old cluster is gone.",
	)
	return f
}

// rotation says whether KMS renews the material of the customer key by itself. It
// is worth knowing, and nothing that hurts the cluster.
func rotation(s fleet.Snapshot) fleet.Finding {
	f := fleet.Finding{Resource: "rotation", Outcome: fleet.Pass, Observed: "rotation is on", Expected: "rotation is on"}
	switch k := s.Key; {
	case k.Value.State != "" && !keyguard.Works(k.Value):
		f.Outcome, f.Observed = fleet.NotApplicable, k.Value.State
		f.Title = "the key of " + s.ID.Name + " is not rotated while it does not work"
		f.Reason = "What KMS says of the rotation of such a key is not how it is set."
	case k.Value.Rotation == fleet.RotationOn:
		f.Title = "the key of " + s.ID.Name + " is rotated"
		f.Reason = "KMS renews the key's material by itself."
	case k.Value.Rotation == fleet.RotationOff:
		f.Outcome, f.Cause, f.Observed = fleet.Fail, "rotation-off", "rotation is off"
		f.Title = "the key of " + s.ID.Name + " is not rotated"
		f.Reason = "KMS does not renew the key's material by itself."
		f.Meaning = "The same material encrypts for as long as the key lives; many rules ask for a new one every year."
		f.Remedy = "Turn it on: aws kms enable-key-rotation " + keyguard.Flags(cmp.Or(k.Value.ARN, s.Cluster.Value.KeyARN)) + ". The cluster notices nothing: old material stays usable."
	case k.Known():
		f.Outcome, f.Observed = fleet.NotApplicable, "no rotation"
		f.Title = "the key of " + s.ID.Name + " is of a kind that KMS does not rotate"
		f.Reason = "KMS rotates neither imported material nor a key in a custom key store by itself."
	default:
		f.Outcome, f.Cause, f.Observed = fleet.Unknown, "unread", "not known"
		f.Title = "whether the key of " + s.ID.Name + " is rotated is unknown"
		f.Reason = "Its rotation could not be read: " + fleet.Sentence(k.Why())
		f.Meaning = "A rule that asks for new material every year may be broken."
		f.Remedy = reread(k.Trouble)
	}
	return f
}

// keyNames are what the cluster's key can be listed as.
func keyNames(s fleet.Snapshot) []string {
	all := []string{s.Cluster.Value.KeyARN, s.Key.Value.ARN}
	if _, alias, ok := strings.Cut(s.Cluster.Value.KeyARN, ":alias/"); ok {
		all = append(all, "alias/"+alias)
	}
	all = append(all, s.Key.Value.Aliases...)
	for k, v := range s.Key.Value.Tags {
		all = append(all, "tag:"+k+"="+v)
	}
	return all
}

// admits finds the entry of the list that is the cluster's key. A replica of a
// multi-Region key is a key of its own: its ARN has another region.
func (r SecretsEncryption) admits(s fleet.Snapshot) (string, bool) {
	known := keyNames(s)
	for _, want := range r.Keys {
		if want != "" && slices.Contains(known, want) {
			return want, true
		}
	}
	return "", false
}

// needsMore reports whether the answer hangs on what was not read of the key.
func (r SecretsEncryption) needsMore(s fleet.Snapshot) bool {
	byName := slices.ContainsFunc(r.Keys, func(k string) bool { return !strings.HasPrefix(k, "arn:") })
	named := strings.Contains(s.Cluster.Value.KeyARN, ":alias/")
	return !s.Key.Known() && (byName || named)
}

// relative explains a key that only looks like one of those listed: the primary
// and the replicas of a multi-Region key have the same id.
func (r SecretsEncryption) relative(s fleet.Snapshot) string {
	_, id, ok := strings.Cut(s.Cluster.Value.KeyARN, ":key/mrk-")
	if !ok {
		return ""
	}
	for _, want := range r.Keys {
		if strings.HasSuffix(want, ":key/mrk-"+id) {
			return " It has the id of " + want + ", but is the key of that id in another region or account: each has to be listed."
		}
	}
	return ""
}

// expected says what will do.
func (r SecretsEncryption) expected() string {
	switch r.Require {
	case CustomerKey:
		return "a customer key"
	case AnyOfKeys:
		return "one of the keys " + strings.Join(r.Keys, ", ")
	}
	return "a customer key or one that AWS owns"
}

// associate is the command that names a customer key for secrets.
func associate(s fleet.Snapshot) string {
	return "aws eks associate-encryption-config " + flags(s) +
		` --encryption-config '[{"resources":["secrets"],"provider":{"keyArn":"ARN OF THE KEY"}}]'`
}
