package fleet

import (
	"cmp"
	"slices"
	"strings"
)

// A TemplateVersion is what a nodegroup starts its nodes from. It is zero where
// EKS makes the launch template itself.
type TemplateVersion struct {
	ID      string // such as lt-0123456789abcdef0
	Version string // a number, $Latest or $Default
}

// A LaunchTemplate is one version of a launch template, as far as it is about
// volumes and the kind of instance.
type LaunchTemplate struct {
	TemplateVersion
	InstanceType string // such as m7g.large; empty when the template names none
	Volumes      []Volume
}

// A Volume is one that a launch template speaks of. What it leaves open the image
// and the account decide.
type Volume struct {
	Device    string // such as /dev/xvda
	Encrypted bool   // the template asks for it
	Key       string // id, ARN, alias or an alias's ARN; empty when none is named
}

// A VolumeKey is a customer's key that encrypts the volumes of nodes.
type VolumeKey struct {
	Name        string // as the launch template or the region names it
	ARN         string
	State       string // as of a Key
	AutoScaling KeyUse
}

// KeyUse says whether somebody may use a key.
type KeyUse string

// The uses of a key. The zero value is unknown.
const (
	UseUnknown KeyUse = ""
	UseAllowed KeyUse = "allowed"
	UseRefused KeyUse = "refused"
)

// A StorageClass is one of the cluster's, as far as it is about EBS.
type StorageClass struct {
	Name        string
	Provisioner string // such as ebs.csi.aws.com
	Default     bool   // for claims that name no class
	Encrypted   bool   // the class asks for it
	Type        string // such as gp3; empty when the class does not say
}

// Template finds what was read of a launch template. Where EKS makes it there is
// nothing to read: it speaks of no volume that EKS would encrypt.
func (s Snapshot) Template(of TemplateVersion) (LaunchTemplate, bool) {
	if of == (TemplateVersion{}) {
		return LaunchTemplate{}, true
	}
	i := slices.IndexFunc(s.Templates.Value, func(t LaunchTemplate) bool { return t.TemplateVersion == of })
	if i < 0 {
		return LaunchTemplate{}, false
	}
	return s.Templates.Value[i], true
}

// awsVolumeKey is the alias of the key that AWS manages for EBS: whoever may use
// EBS may use it.
const awsVolumeKey = "alias/aws/ebs"

// NodeVolumes are the volumes of a nodegroup's new nodes: those that its launch
// template speaks of, and those of the image that it leaves as they are. all is
// false where the template was not read or the image may have more of them.
func (s Snapshot) NodeVolumes(g Nodegroup) (volumes []Volume, all bool) {
	template, ok := s.Template(g.Template)
	if !ok {
		return nil, false
	}
	volumes = slices.Clone(template.Volumes)
	mapped := func(device string) bool {
		return slices.ContainsFunc(template.Volumes, func(v Volume) bool { return v.Device == device })
	}
	devices := imageDevices(g.AMIType)
	for _, d := range devices {
		if !mapped(d) {
			volumes = append(volumes, Volume{Device: d})
		}
	}
	// An image of somebody's own has its root at one of the two, as a rule.
	return volumes, len(devices) > 0 || mapped("/dev/xvda") || mapped("/dev/sda1")
}

// imageDevices are the volumes of EKS's own images; none are known of others.
func imageDevices(amiType string) []string {
	family, _, _ := strings.Cut(amiType, "_")
	switch family {
	case "AL2", "AL2023":
		return []string{"/dev/xvda"}
	case "BOTTLEROCKET":
		return []string{"/dev/xvda", "/dev/xvdb"} // the system, and containers with their data
	case "WINDOWS":
		return []string{"/dev/sda1"}
	}
	return nil
}

// NodeKeys are the names of the customer's keys that encrypt the volumes of a
// nodegroup's new nodes, sorted. What is not known of the region names none.
func (s Snapshot) NodeKeys(g Nodegroup) []string {
	volumes, _ := s.NodeVolumes(g)
	var names []string
	for _, v := range volumes {
		name := cmp.Or(v.Key, s.DefaultVolumeKey.Value)
		if name != "" && !strings.HasSuffix(name, awsVolumeKey) && (v.Encrypted || s.VolumesEncrypted.Value) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
