package checks_test

import (
	"errors"
	"testing"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

const volumeKey = "arn:aws:kms:eu-west-1:111122223333:key/9876abcd-12ab-34cd-56ef-1234567890ab"

// encrypts changes what the region does with new volumes.
func encrypts(on bool, key string) func(*fleet.Snapshot) {
	return func(s *fleet.Snapshot) { s.VolumesEncrypted.Value, s.DefaultVolumeKey.Value = on, key }
}

// templated gives the nodegroup an image and a launch template with volumes.
func templated(s *fleet.Snapshot, amiType string, volumes ...fleet.Volume) {
	of := fleet.TemplateVersion{ID: "lt-0123456789abcdef0", Version: "3"}
	s.Nodegroups.Value[0].AMIType, s.Nodegroups.Value[0].Template = amiType, of
	s.Templates = fleet.Read([]fleet.LaunchTemplate{{TemplateVersion: of, Volumes: volumes}}, nil, noon)
}

func keyed(s *fleet.Snapshot, state string, use fleet.KeyUse) {
	encrypts(true, volumeKey)(s)
	s.VolumeKeys = fleet.Read([]fleet.VolumeKey{{Name: volumeKey, ARN: volumeKey, State: state, AutoScaling: use}}, nil, noon)
}

func TestEBSEncryption(t *testing.T) {
	const (
		fine, off, offButAsked = "pass info", "fail info default-off account", "fail info default-off account"
		open                   = "fail warning unencrypted nodegroup/general"
		al2023, bottlerocket   = "AL2023_x86_64_STANDARD", "BOTTLEROCKET_ARM_64"
		own                    = fleet.CustomAMI
	)
	turnOff := encrypts(false, "alias/aws/ebs")
	root := fleet.Volume{Device: "/dev/xvda", Encrypted: true}
	group := func(off bool, amiType string, volumes ...fleet.Volume) func(*fleet.Snapshot) {
		return func(s *fleet.Snapshot) {
			templated(s, amiType, volumes...)
			s.VolumesEncrypted.Value = !off
		}
	}
	class := func(c ...fleet.StorageClass) func(*fleet.Snapshot) {
		return func(s *fleet.Snapshot) { s.StorageClasses.Value = c }
	}
	key := func(state string, use fleet.KeyUse) func(*fleet.Snapshot) {
		return func(s *fleet.Snapshot) { keyed(s, state, use) }
	}
	legacy := fleet.StorageClass{Name: "gp2", Provisioner: "kubernetes.io/aws-ebs", Default: true, Type: "gp2", Encrypted: true}
	run(t, "ebs-encryption", []situation{
		{name: "the account encrypts every new volume", change: func(*fleet.Snapshot) {}, want: []string{fine}},
		{name: "nobody encrypts the volumes of nodes", change: turnOff, want: []string{off, open}},
		{name: "the launch template asks for encryption", change: group(true, al2023, root), want: []string{offButAsked}},
		{name: "the launch template speaks of the volume and leaves it open", change: group(true, al2023, fleet.Volume{Device: "/dev/xvda"}), want: []string{off, open}},
		{name: "the launch template speaks of another volume than the image's", change: group(true, al2023, fleet.Volume{Device: "/dev/sdf", Encrypted: true}), want: []string{off, open}},
		{name: "the launch template adds a volume and leaves it open", change: group(true, al2023, root, fleet.Volume{Device: "/dev/sdf"}), want: []string{off, open}},
		{name: "Bottlerocket's second volume is left open", change: group(true, bottlerocket, root), want: []string{off, open}},
		{name: "both of Bottlerocket's volumes are encrypted", change: group(true, bottlerocket, root, fleet.Volume{Device: "/dev/xvdb", Encrypted: true}), want: []string{offButAsked}},
		{name: "Windows has its root elsewhere", change: group(true, "WINDOWS_CORE_2022_x86_64", root), want: []string{off, open}},
		{name: "an image of the owner's may be encrypted itself", change: group(true, own), want: []string{off, "unknown info image-unknown nodegroup/general"}},
		{name: "an image of the owner's whose root the launch template encrypts", change: group(true, own, fleet.Volume{Device: "/dev/sda1", Encrypted: true}), want: []string{offButAsked}},
		{name: "an image of the owner's whose root the launch template leaves open", change: group(true, own, fleet.Volume{Device: "/dev/xvda"}), want: []string{off, "unknown info image-unknown nodegroup/general"}},
		{name: "FAULT 09 an image that is newer than this version", change: group(true, "AL2031_x86_64"), want: []string{off, "unknown info image-unknown nodegroup/general"}},
		{
			name: "a cluster without nodegroups", want: []string{offButAsked},
			change: func(s *fleet.Snapshot) { turnOff(s); s.Nodegroups.Value = nil },
		},
		{
			name: "storage classes that nobody may read make no launch template enough", want: []string{off, "unknown info unread storageclass"},
			change: func(s *fleet.Snapshot) {
				group(true, al2023, root)(s)
				s.StorageClasses = refused[[]fleet.StorageClass]("get /apis/storage.k8s.io/v1/storageclasses")
			},
		},

		{name: "a customer's key that Auto Scaling may use", change: key("Enabled", fleet.UseAllowed), want: []string{fine}},
		{name: "a customer's key that Auto Scaling may not use", change: key("Enabled", fleet.UseRefused), want: []string{"fail warning key-without-auto-scaling nodegroup/general"}},
		{name: "a customer's key whose policy cannot be judged", change: key("Enabled", fleet.UseUnknown), want: []string{"unknown info key-use-unknown nodegroup/general"}},
		{name: "a customer's key that is disabled", change: key("Disabled", fleet.UseAllowed), want: []string{"fail warning key-unusable nodegroup/general"}},
		{name: "FAULT 09 a customer's key in a state that is newer", change: key("Frozen", fleet.UseAllowed), want: []string{"unknown warning key-state-unknown nodegroup/general"}},
		{
			name: "a customer's key that is gone", want: []string{"fail warning key-not-found nodegroup/general"},
			change: func(s *fleet.Snapshot) { keyed(s, "", ""); s.VolumeKeys.Value = nil },
		},
		{
			name: "FAULT 05 a customer's key that nobody may read", want: []string{"unknown warning unread nodegroup/general"},
			change: func(s *fleet.Snapshot) { keyed(s, "", ""); s.VolumeKeys = refused[[]fleet.VolumeKey]("kms:ListGrants") },
		},
		{
			name: "the key of the launch template goes before the region's", want: []string{fine},
			change: func(s *fleet.Snapshot) {
				keyed(s, "Enabled", fleet.UseAllowed)
				s.DefaultVolumeKey.Value = "arn:aws:kms:eu-west-1:111122223333:key/other"
				templated(s, al2023, fleet.Volume{Device: "/dev/xvda", Encrypted: true, Key: volumeKey})
			},
		},
		{
			name: "a key of the launch template that encrypts nothing", want: []string{off, open},
			change: func(s *fleet.Snapshot) {
				keyed(s, "Disabled", fleet.UseRefused)
				turnOff(s)
				templated(s, al2023, fleet.Volume{Device: "/dev/xvda", Key: volumeKey})
			},
		},
		{
			name: "a volume in the open and a key that does not work are one finding", want: []string{off, "fail warning key-unusable,unencrypted nodegroup/general"},
			change: func(s *fleet.Snapshot) {
				keyed(s, "Disabled", fleet.UseAllowed)
				turnOff(s)
				templated(s, bottlerocket, fleet.Volume{Device: "/dev/xvdb", Encrypted: true, Key: volumeKey})
			},
		},
		{
			name: "FAULT 05 the default key that nobody may read", want: []string{"unknown warning unread nodegroup/general"},
			change: func(s *fleet.Snapshot) { s.DefaultVolumeKey = refused[string]("ec2:GetEbsDefaultKmsKeyId") },
		},
		{
			name: "FAULT 05 the default key does not matter where none is used", want: []string{off, open},
			change: func(s *fleet.Snapshot) {
				turnOff(s)
				s.DefaultVolumeKey = refused[string]("ec2:GetEbsDefaultKmsKeyId")
			},
		},
		{
			name: "FAULT 05 the default key does not matter where the launch template names one", want: []string{fine},
			change: func(s *fleet.Snapshot) {
				keyed(s, "Enabled", fleet.UseAllowed)
				templated(s, al2023, fleet.Volume{Device: "/dev/xvda", Encrypted: true, Key: volumeKey})
				s.DefaultVolumeKey = refused[string]("ec2:GetEbsDefaultKmsKeyId")
			},
		},
		{
			name: "FAULT 05 a launch template that nobody may read", want: []string{"unknown warning unread nodegroup/general"},
			change: func(s *fleet.Snapshot) {
				templated(s, al2023)
				s.Templates = refused[[]fleet.LaunchTemplate]("ec2:DescribeLaunchTemplateVersions")
			},
		},
		{
			name: "FAULT 03 a launch template that is gone", want: []string{"unknown warning template-gone nodegroup/general"},
			change: func(s *fleet.Snapshot) { templated(s, al2023, root); s.Templates.Value = nil },
		},
		{
			name: "FAULT 05 what the region does is unread and says nothing of the nodes", want: []string{"unknown warning unread"},
			change: func(s *fleet.Snapshot) { s.VolumesEncrypted = refused[bool]("ec2:GetEbsEncryptionByDefault") },
		},
		{
			name: "FAULT 05 nodegroups that nobody may read", want: []string{"unknown warning unread nodegroup"},
			change: func(s *fleet.Snapshot) { s.Nodegroups = refused[[]fleet.Nodegroup]("eks:ListNodegroups") },
		},

		{name: "Auto Mode's class", change: class(fleet.StorageClass{Name: "auto", Provisioner: "ebs.csi.eks.amazonaws.com", Default: true, Encrypted: true}), want: []string{fine}},
		{name: "a class of the provisioner that is gone", change: class(legacy), want: []string{"fail warning gp2,in-tree storageclass/gp2"}},
		{
			name: "the class that EKS puts into its clusters, beside another default one", want: []string{"fail info gp2,in-tree storageclass/gp2"},
			change: func(s *fleet.Snapshot) {
				old := legacy
				old.Default = false
				s.StorageClasses.Value = append(s.StorageClasses.Value, old)
			},
		},
		{
			name: "the provisioner that is gone makes gp2 where the class does not say", want: []string{"fail warning gp2,in-tree storageclass/old"},
			change: class(fleet.StorageClass{Name: "old", Provisioner: "kubernetes.io/aws-ebs", Default: true}),
		},
		{name: "a class of gp2", change: class(fleet.StorageClass{Name: "slow", Provisioner: "ebs.csi.aws.com", Default: true, Type: "gp2"}), want: []string{"fail info gp2 storageclass/slow"}},
		{
			name: "a class that does not ask for encryption where nobody else does", want: []string{off, open, "fail warning unencrypted storageclass/gp3"},
			change: func(s *fleet.Snapshot) { turnOff(s); s.StorageClasses.Value[0].Encrypted = false },
		},
		{
			name: "a class alone that nobody encrypts", want: []string{off, "fail warning unencrypted storageclass/gp3"},
			change: func(s *fleet.Snapshot) {
				group(true, al2023, root)(s)
				s.StorageClasses.Value[0].Encrypted = false
			},
		},
		{name: "a class that does not ask where the account encrypts", change: func(s *fleet.Snapshot) { s.StorageClasses.Value[0].Encrypted = false }, want: []string{fine}},
		{name: "no class is the default one", change: func(s *fleet.Snapshot) { s.StorageClasses.Value[0].Default = false }, want: []string{"fail info no-default storageclass"}},
		{name: "classes of other storage are not judged", change: class(fleet.StorageClass{Name: "nfs", Provisioner: "example.com/nfs", Default: true, Type: "gp2"}), want: []string{fine}},
		{
			name: "FAULT 42 an API server that cannot be reached", want: []string{"unknown info unread storageclass"},
			change: func(s *fleet.Snapshot) {
				s.StorageClasses = fleet.Read[[]fleet.StorageClass](nil, &fleet.Trouble{Kind: fleet.Private, Action: "ask the API server", Err: errors.New("no public endpoint")}, noon)
			},
		},
		{name: "FAULT 05 a cluster that cannot be described", change: func(s *fleet.Snapshot) { s.Cluster = refused[fleet.Cluster]("eks:DescribeCluster") }, want: []string{"unknown warning unread"}},
		{name: "FAULT 10 a snapshot with nothing in it", change: func(s *fleet.Snapshot) { *s = fleet.Snapshot{ID: s.ID} }, want: []string{"unknown warning unread"}},
	})
}
