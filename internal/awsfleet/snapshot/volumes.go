package snapshot

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// volumes reads what decides whether the volumes of new nodes are encrypted, and
// with which key: the region's settings, then the launch templates of the
// nodegroups, then the keys that those name.
func (s *Survey) volumes(ctx context.Context, snap *fleet.Snapshot) {
	snap.VolumesEncrypted = s.encrypted.of("", func() fleet.Part[bool] {
		return ask(s, func() (bool, error) { return s.encryptionByDefault(ctx) })
	})
	snap.DefaultVolumeKey = s.volumeKey.of("", func() fleet.Part[string] {
		return ask(s, func() (string, error) { return s.defaultVolumeKey(ctx) })
	})
	groups := snap.Nodegroups.Value
	snap.Templates = s.Templates(ctx, groups)
	// The other parts of snap are being filled at the same time: it must not be copied.
	known := fleet.Snapshot{VolumesEncrypted: snap.VolumesEncrypted, DefaultVolumeKey: snap.DefaultVolumeKey, Templates: snap.Templates}
	var keys []string
	for _, g := range groups {
		keys = append(keys, known.NodeKeys(g)...)
	}
	slices.Sort(keys)
	snap.VolumeKeys = s.volumeKeysOf(ctx, slices.Compact(keys))
}

func (s *Survey) encryptionByDefault(ctx context.Context) (bool, error) {
	out, err := s.ec2.GetEbsEncryptionByDefault(ctx, &ec2.GetEbsEncryptionByDefaultInput{})
	if err == nil && out.EbsEncryptionByDefault == nil {
		err = errors.New("the answer does not say whether volumes are encrypted")
	}
	if err != nil {
		return false, refusal.Of("ec2:GetEbsEncryptionByDefault", err)
	}
	return *out.EbsEncryptionByDefault, nil
}

func (s *Survey) defaultVolumeKey(ctx context.Context) (string, error) {
	out, err := s.ec2.GetEbsDefaultKmsKeyId(ctx, &ec2.GetEbsDefaultKmsKeyIdInput{})
	if err == nil && aws.ToString(out.KmsKeyId) == "" {
		err = errors.New("the answer names no key")
	}
	if err != nil {
		return "", refusal.Of("ec2:GetEbsDefaultKmsKeyId", err)
	}
	return *out.KmsKeyId, nil
}

// Templates reads the launch templates that nodegroups name, each version once in
// the survey; untried when they name none. One call can be about one template only
// (EC2 API reference).
func (s *Survey) Templates(ctx context.Context, groups []fleet.Nodegroup) fleet.Part[[]fleet.LaunchTemplate] {
	named := map[string]fleet.TemplateVersion{} // by id and version
	var names []string
	for _, g := range groups {
		if g.Template != (fleet.TemplateVersion{}) {
			name := g.Template.ID + " version " + g.Template.Version
			named[name], names = g.Template, append(names, name)
		}
	}
	slices.Sort(names)
	return eachShared(s, &s.templates, slices.Compact(names), func(name string) (fleet.LaunchTemplate, error) {
		return s.template(ctx, named[name])
	})
}

func (s *Survey) template(ctx context.Context, of fleet.TemplateVersion) (fleet.LaunchTemplate, error) {
	known := fleet.LaunchTemplate{TemplateVersion: of}
	out, err := s.ec2.DescribeLaunchTemplateVersions(ctx, &ec2.DescribeLaunchTemplateVersionsInput{
		LaunchTemplateId: &of.ID, Versions: []string{of.Version},
	})
	if err == nil && (len(out.LaunchTemplateVersions) != 1 || out.LaunchTemplateVersions[0].LaunchTemplateData == nil) {
		err = errors.New("the answer does not hold the one version that was asked for")
	}
	if err != nil {
		trouble := refusal.Of("ec2:DescribeLaunchTemplateVersions", err)
		if absent(err) {
			trouble.Kind = fleet.Gone
		}
		return known, trouble
	}
	data := out.LaunchTemplateVersions[0].LaunchTemplateData
	known.InstanceType = string(data.InstanceType)
	for _, m := range data.BlockDeviceMappings {
		if m.Ebs != nil { // else a disk of the instance itself, or none
			known.Volumes = append(known.Volumes, volume(m))
		}
	}
	return known, nil
}

// absent reports whether EC2 knows no such launch template, or not the version:
// "Error codes for the Amazon EC2 API".
func absent(err error) bool {
	var api interface{ ErrorCode() string }
	return errors.As(err, &api) && strings.HasPrefix(api.ErrorCode(), "InvalidLaunchTemplateId.") && strings.HasSuffix(api.ErrorCode(), "NotFound")
}

func volume(m types.LaunchTemplateBlockDeviceMapping) fleet.Volume {
	return fleet.Volume{
		Device: aws.ToString(m.DeviceName), Encrypted: aws.ToBool(m.Ebs.Encrypted), Key: aws.ToString(m.Ebs.KmsKeyId),
	}
}

// eachShared reads what several clusters name, each once in the survey. Where
// nothing is named nobody asks.
func eachShared[T any](s *Survey, known *shared[T], names []string, read func(name string) (T, error)) fleet.Part[[]T] {
	if len(names) == 0 {
		return fleet.Part[[]T]{}
	}
	return ask(s, func() ([]T, error) {
		return each(names, nil, func(name string) (T, error) {
			part := known.of(name, func() fleet.Part[T] { return ask(s, func() (T, error) { return read(name) }) })
			if part.Trouble != nil {
				return part.Value, part.Trouble
			}
			return part.Value, nil
		})
	})
}
