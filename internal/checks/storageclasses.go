package checks

import (
	"fmt"
	"slices"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// storageClasses judges the cluster's classes of EBS volumes, and whether claims
// that name none get one. That they could not be read is only worth knowing: many
// API servers are private for good.
func storageClasses(s fleet.Snapshot) []fleet.Finding {
	if !s.StorageClasses.Known() {
		f := unread(s, "Storage classes", s.StorageClasses.Why(), s.StorageClasses.Trouble)
		f.Resource, f.Severity = "storageclass", fleet.Info
		f.Meaning = "Classes whose volumes are not encrypted would go unseen."
		return []fleet.Finding{f}
	}
	var found []fleet.Finding
	for _, c := range s.StorageClasses.Value {
		if flaws := classFlaws(s, c); len(flaws) > 0 {
			f := blemished("storageclass/"+c.Name, flaws)
			f.Title = fmt.Sprintf("storage class %s of %s %s", c.Name, s.ID.Name, flaws[0].title)
			f.Observed, f.Expected = observedClass(c), "provisioner ebs.csi.aws.com, or ebs.csi.eks.amazonaws.com in Auto Mode; gp3; encrypted"
			found = append(found, f)
		}
	}
	if !slices.ContainsFunc(s.StorageClasses.Value, func(c fleet.StorageClass) bool { return c.Default }) {
		found = append(found, fleet.Finding{
			Resource: "storageclass", Outcome: fleet.Fail, Severity: fleet.Info, Cause: "no-default",
			Title:    s.ID.Name + " has no default storage class",
			Reason:   fmt.Sprintf("None of %s is marked as the default one.", fleet.Count(len(s.StorageClasses.Value), "storage class")),
			Meaning:  "A claim that names no class waits for ever, and its pod with it.",
			Observed: "none", Expected: "one default class",
			Remedy: "If claims are to name their class, nothing. Else mark one: kubectl annotate storageclass NAME storageclass.kubernetes.io/is-default-class=true.",
		})
	}
	return found
}

// The provisioners of EBS volumes.
const (
	inTree   = "kubernetes.io/aws-ebs"
	csi      = "ebs.csi.aws.com"
	autoMode = "ebs.csi.eks.amazonaws.com"
)

func ofEBS(c fleet.StorageClass) bool {
	return slices.Contains([]string{inTree, csi, autoMode}, c.Provisioner)
}

// classFlaws are what is wrong with a class of EBS volumes. A class cannot be
// changed: its parameters and provisioner are immutable (Kubernetes, Storage
// Classes).
func classFlaws(s fleet.Snapshot, c fleet.StorageClass) []flaw {
	if !ofEBS(c) {
		return nil
	}
	var flaws []flaw
	if c.Provisioner == inTree {
		severity := fleet.Info // EKS puts such a class, gp2, into its clusters
		if c.Default {
			severity = fleet.Warning
		}
		flaws = append(flaws, flaw{
			cause: "in-tree", severity: severity, title: "names a provisioner that Kubernetes no longer has",
			what:    "Its provisioner, " + inTree + ", left Kubernetes with 1.27; what is asked of it goes to the EBS CSI driver.",
			meaning: "Without that driver no volume is made, and what only the driver knows cannot be asked for.",
			remedy:  "Make a class with the provisioner " + csi + " (" + autoMode + " in Auto Mode), let claims name that, and delete this one; volumes that are there stay.",
		})
	}
	if !c.Encrypted && s.VolumesEncrypted.Known() && !s.VolumesEncrypted.Value {
		flaws = append(flaws, flaw{
			cause: "unencrypted", severity: fleet.Warning, title: "makes volumes that are not encrypted",
			what:    `It does not ask for encryption (encrypted: "true"), and the account does not encrypt by default.`,
			meaning: "What applications store can be read from a snapshot or a copy of the volume, and the volume has to be copied to be encrypted.",
			remedy:  `Make a class with the parameter encrypted: "true" in its place, or turn on encryption by default: aws ec2 enable-ebs-encryption-by-default --region ` + s.ID.Region + ".",
		})
	}
	if c.Type == "gp2" || c.Type == "" && c.Provisioner == inTree {
		flaws = append(flaws, flaw{
			cause: "gp2", severity: fleet.Info, title: "makes gp2 volumes",
			what:    "Its volumes are of the type gp2.",
			meaning: "gp3 costs a fifth less and gives 3,000 operations per second at any size.",
			remedy:  "Make a class with the type gp3 in its place; volumes that are there can be changed while they are in use: aws ec2 modify-volume --region " + s.ID.Region + " --volume-type gp3 --volume-id ID OF THE VOLUME.",
		})
	}
	return flaws
}

func observedClass(c fleet.StorageClass) string {
	text := "provisioner " + c.Provisioner
	if c.Type != "" {
		text += ", type " + c.Type
	}
	if c.Encrypted {
		return text + ", encrypted"
	}
	return text + ", encryption not asked for"
}
