package checks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// ebsEncryption is about volumes that are made from now on: those that are there
// stay as they are. The finding without a resource is about what could not be
// read of the region.
var ebsEncryption = Check{
	ID:  "ebs-encryption",
	Doc: "Whether the volumes of new nodes and of new claims are encrypted, with keys that work, and whether the storage classes are up to date.",
	Judge: func(s fleet.Snapshot, _ Rules, _ time.Time) []fleet.Finding {
		if !s.Cluster.Known() {
			return []fleet.Finding{unread(s, "Encryption of volumes", s.Cluster.Why(), s.Cluster.Trouble)}
		}
		found := slices.Concat(regionVolumes(s), nodeVolumes(s), storageClasses(s))
		if len(found) == 0 {
			found = append(found, fleet.Finding{
				Outcome: fleet.Pass, Title: "new volumes of " + s.ID.Name + " are encrypted",
				Reason:   "EC2 encrypts every new volume of the account in the region, and nothing is wrong with the keys of nodes and with the storage classes.",
				Expected: "every new volume encrypted",
			})
		}
		return found
	},
}

// regionVolumes judges what the region does with a volume whose maker asks for
// nothing.
func regionVolumes(s fleet.Snapshot) []fleet.Finding {
	switch {
	case !s.VolumesEncrypted.Known():
		return []fleet.Finding{unread(s, "Encryption of new volumes by default", s.VolumesEncrypted.Why(), s.VolumesEncrypted.Trouble)}
	case s.VolumesEncrypted.Value:
		return nil
	}
	f := fleet.Finding{
		// What is not encrypted for it has a finding of its own, and a region has many
		// clusters.
		Resource: "account", Outcome: fleet.Fail, Severity: fleet.Info, Cause: "default-off",
		Title:    "the account of " + s.ID.Name + " does not encrypt new volumes by default",
		Reason:   fmt.Sprintf("Encryption of EBS volumes by default is off in %s, and not every launch template and storage class of the cluster is known to ask for it.", s.ID.Region),
		Meaning:  "Each volume whose maker forgets to ask is not encrypted, and can never be: it has to be copied.",
		Observed: "off", Expected: "on",
		Facts: []fleet.Fact{{Label: "Account and region", Value: s.ID.Account + "/" + s.ID.Region}},
		Remedy: "Turn it on: aws ec2 enable-ebs-encryption-by-default --region " + s.ID.Region + ". It costs nothing and changes no volume that is there; " +
			"where a customer key is the default one, let EC2 Auto Scaling use that key first.",
	}
	if asksForItself(s) {
		f.Reason = fmt.Sprintf("Encryption of EBS volumes by default is off in %s. Every launch template and storage class of the cluster asks for it.", s.ID.Region)
	}
	return []fleet.Finding{f}
}

// asksForItself reports whether every launch template and storage class is known
// to ask for encryption.
func asksForItself(s fleet.Snapshot) bool {
	forgets := func(c fleet.StorageClass) bool { return ofEBS(c) && !c.Encrypted }
	open := func(g fleet.Nodegroup) bool {
		volumes, all := s.NodeVolumes(g)
		return !all || slices.ContainsFunc(volumes, plain)
	}
	return s.Nodegroups.Known() && !slices.ContainsFunc(s.Nodegroups.Value, open) &&
		s.StorageClasses.Known() && !slices.ContainsFunc(s.StorageClasses.Value, forgets)
}

// plain reports whether nobody asks for a volume's encryption.
func plain(v fleet.Volume) bool { return !v.Encrypted }

// nodeVolumes judges the volumes of new nodes, nodegroup by nodegroup. In Auto
// Mode and on Fargate AWS encrypts them itself.
func nodeVolumes(s fleet.Snapshot) []fleet.Finding {
	var found []fleet.Finding
	if !s.Nodegroups.Known() {
		f := unread(s, "Encryption of the nodegroups' volumes", s.Nodegroups.Why(), s.Nodegroups.Trouble)
		f.Resource = "nodegroup"
		found = append(found, f)
	}
	for _, g := range s.Nodegroups.Value {
		flaws := slices.Concat(unencrypted(s, g), unfitKeys(s, g))
		if len(flaws) > 0 {
			f := blemished("nodegroup/"+g.Name, flaws)
			f.Title = fmt.Sprintf("nodegroup %s of %s %s", g.Name, s.ID.Name, flaws[0].title)
			f.Observed, f.Expected = observedVolumes(s, g), "every volume encrypted, with a key that EC2 Auto Scaling may use"
			found = append(found, f)
		} else if f, ok := unsureVolumes(s, g); ok {
			found = append(found, f)
		}
	}
	return found
}

// blemished makes one finding of several flaws; the worst of them comes first.
func blemished(resource string, flaws []flaw) fleet.Finding {
	slices.SortStableFunc(flaws, func(a, b flaw) int { return cmp.Compare(b.severity, a.severity) })
	var causes, what, remedies []string
	for _, w := range flaws {
		causes, what, remedies = append(causes, w.cause), append(what, w.what), append(remedies, w.remedy)
	}
	return fleet.Finding{
		Resource: resource, Outcome: fleet.Fail, Severity: flaws[0].severity, Cause: kinds(causes),
		Reason: strings.Join(what, " "), Meaning: flaws[0].meaning, Remedy: fleet.Steps(remedies...),
	}
}

// ownImage reports whether the image of a nodegroup is none of EKS's: its
// snapshots may be encrypted whatever the launch template asks for.
func ownImage(g fleet.Nodegroup) bool {
	family, _, _ := strings.Cut(g.AMIType, "_")
	return !slices.Contains([]string{"AL2", "AL2023", "BOTTLEROCKET", "WINDOWS"}, family)
}

// unencrypted is the flaw of a nodegroup some of whose new volumes nobody
// encrypts.
func unencrypted(s fleet.Snapshot, g fleet.Nodegroup) []flaw {
	volumes, _ := s.NodeVolumes(g)
	if !s.VolumesEncrypted.Known() || s.VolumesEncrypted.Value || ownImage(g) || !slices.ContainsFunc(volumes, plain) {
		return nil
	}
	w := flaw{
		cause: "unencrypted", severity: fleet.Warning, title: "starts nodes with volumes that are not encrypted",
		what:    fmt.Sprintf("Its launch template does not ask for encryption of %s, and the account does not encrypt by default.", devices(volumes)),
		meaning: "What pods write to the disks of their nodes, and images with what is in them, can be read from a snapshot or a copy of the volume.",
		remedy: "Turn on encryption by default (aws ec2 enable-ebs-encryption-by-default --region " + s.ID.Region +
			"), or ask for it in a new version of the launch template. The nodes that are there keep their volumes until they are replaced.",
	}
	if g.Template == (fleet.TemplateVersion{}) {
		w.what = fmt.Sprintf("It has no launch template of its own that would ask for encryption of %s, and the account does not encrypt by default.", devices(volumes))
	}
	return []flaw{w}
}

// devices names the volumes that nobody encrypts.
func devices(volumes []fleet.Volume) string {
	var names []string
	for _, v := range volumes {
		if plain(v) {
			names = append(names, v.Device)
		}
	}
	return few(names)
}

// unfitKeys are the flaws of the keys that encrypt a nodegroup's new volumes.
func unfitKeys(s fleet.Snapshot, g fleet.Nodegroup) []flaw {
	const stops = "A node that is to be started ends at once: the nodegroup can neither grow nor replace a node."
	var flaws []flaw
	for _, name := range s.NodeKeys(g) {
		k, ok := volumeKey(s, name)
		w := flaw{severity: fleet.Warning, meaning: stops}
		switch {
		case !ok && s.VolumeKeys.Known():
			w.cause, w.title = "key-not-found", "starts nodes with a key that does not exist"
			w.what = "KMS does not know the key " + name + " that is to encrypt the volumes."
			w.remedy = "Name another key, in the launch template or as the default one of the region (aws ec2 modify-ebs-default-kms-key-id --region " + s.ID.Region + ")."
		case !ok:
			continue // see unsureVolumes
		case slices.Contains([]string{"Disabled", "PendingDeletion", "PendingReplicaDeletion", "PendingImport", "Unavailable"}, k.State):
			w.cause, w.title = "key-unusable", "starts nodes with a key that does not work"
			w.what = fmt.Sprintf("KMS gives the state of the key %s as %s.", name, k.State)
			w.remedy = "Make the key work again, or name another one: aws kms describe-key --region " + s.ID.Region + " --key-id " + name + " says more."
		case k.AutoScaling == fleet.UseRefused:
			w.cause, w.title = "key-without-auto-scaling", "starts nodes with a key that EC2 Auto Scaling may not use"
			w.what = fmt.Sprintf("Neither a grant nor the policy of the key %s lets the service-linked role AWSServiceRoleForAutoScaling make grants.", name)
			w.remedy = "Let the role in: add the two statements of the EC2 Auto Scaling User Guide (Required AWS KMS key policy for use with encrypted volumes) to the key's policy. " +
				"For a key of another account make a grant as well, from account " + s.ID.Account + ": aws kms create-grant --region " + s.ID.Region + " --key-id " + cmp.Or(k.ARN, name) +
				" --grantee-principal ARN OF THE ROLE --operations Encrypt Decrypt ReEncryptFrom ReEncryptTo GenerateDataKey GenerateDataKeyWithoutPlaintext DescribeKey CreateGrant."
		default:
			continue
		}
		flaws = append(flaws, w)
	}
	return flaws
}

func volumeKey(s fleet.Snapshot, name string) (fleet.VolumeKey, bool) {
	i := slices.IndexFunc(s.VolumeKeys.Value, func(k fleet.VolumeKey) bool { return k.Name == name })
	if i < 0 {
		return fleet.VolumeKey{}, false
	}
	return s.VolumeKeys.Value[i], true
}

// unsureVolumes is the finding of a nodegroup that nothing is known against, but
// not everything that would speak for it; false when there is no doubt.
func unsureVolumes(s fleet.Snapshot, g fleet.Nodegroup) (fleet.Finding, bool) {
	f := fleet.Finding{
		Resource: "nodegroup/" + g.Name, Outcome: fleet.Unknown,
		Title:   fmt.Sprintf("encryption of the volumes of nodegroup %s of %s is unknown", g.Name, s.ID.Name),
		Meaning: "Volumes that are not encrypted, or a key that stops new nodes, would go unseen.",
	}
	volumes, all := s.NodeVolumes(g)
	_, template := s.Template(g.Template)
	off := s.VolumesEncrypted.Known() && !s.VolumesEncrypted.Value
	doubt := func(cause, why string, t *fleet.Trouble) (fleet.Finding, bool) {
		f.Severity, f.Cause, f.Reason, f.Remedy = fleet.Warning, cause, fleet.Sentence(why), reread(t)
		return f, true
	}
	switch {
	case !template && s.Templates.Known():
		f, _ := doubt("template-gone", "Its launch template, "+g.Template.ID+" version "+g.Template.Version+", does not exist", nil)
		f.Remedy = "Make the launch template again or a nodegroup with another one: without it the nodegroup cannot be updated."
		return f, true
	case !template:
		return doubt("unread", "Its launch template could not be read: "+s.Templates.Why(), s.Templates.Trouble)
	case off && (!all || slices.ContainsFunc(volumes, plain)):
		f, _ := doubt("image-unknown", "The account does not encrypt by default, the launch template leaves it open, and the volumes of the image are not known: they may be encrypted already", nil)
		f.Severity = fleet.Info
		f.Remedy = "See whether they are: aws ec2 describe-images --region " + s.ID.Region + " with the image of the launch template. Encryption in the launch template, or by default, ends the doubt."
		return f, true
	case hangsOnDefaultKey(s, volumes) && !s.DefaultVolumeKey.Known():
		return doubt("unread", "The key that encrypts volumes by default could not be read: "+s.DefaultVolumeKey.Why(), s.DefaultVolumeKey.Trouble)
	}
	for _, name := range s.NodeKeys(g) {
		switch k, ok := volumeKey(s, name); {
		case !ok:
			return doubt("unread", "The key "+name+" could not be read: "+s.VolumeKeys.Why(), s.VolumeKeys.Trouble)
		case k.State != "Enabled" && k.State != "Updating":
			return doubt("key-state-unknown", fmt.Sprintf("KMS gives the state of the key %s as %q, which this version does not know", name, clip(k.State)), nil)
		case k.AutoScaling == fleet.UseUnknown:
			f, _ := doubt("key-use-unknown", "Whether EC2 Auto Scaling may use the key "+name+" hangs on conditions or denials of the key's policy, which cannot be judged from here", nil)
			f.Severity = fleet.Info
			f.Remedy = "See that the policy lets the role AWSServiceRoleForAutoScaling make grants: aws kms get-key-policy --region " + s.ID.Region + " --key-id " + cmp.Or(k.ARN, name) + "."
			return f, true
		}
	}
	return fleet.Finding{}, false
}

// hangsOnDefaultKey reports whether a volume is encrypted with whatever key is
// the region's.
func hangsOnDefaultKey(s fleet.Snapshot, volumes []fleet.Volume) bool {
	return slices.ContainsFunc(volumes, func(v fleet.Volume) bool {
		return v.Key == "" && (v.Encrypted || s.VolumesEncrypted.Value)
	})
}

func observedVolumes(s fleet.Snapshot, g fleet.Nodegroup) string {
	template := "launch template made by EKS"
	if g.Template != (fleet.TemplateVersion{}) {
		template = "launch template " + g.Template.ID + " version " + g.Template.Version
	}
	byDefault := "off"
	if s.VolumesEncrypted.Value {
		byDefault = "on"
	}
	return template + ", encryption by default " + byDefault
}
