package ec2

import (
	"cmp"
	"encoding/xml"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// VolumeDefaults are a region's settings for new volumes.
type VolumeDefaults struct {
	Encrypted bool   // whatever their maker asks for
	Key       string // an ARN, or alias/aws/ebs
}

// A LaunchTemplate is one version of a launch template, which is also its newest
// and its default one.
type LaunchTemplate struct {
	ID        string
	Name      string
	Version   int
	Volumes   []TemplateVolume
	CreatedAt time.Time
}

// A TemplateVolume is a volume that a launch template speaks of.
type TemplateVolume struct {
	Device    string
	Encrypted *bool  // nil is left open
	Key       string // empty is left open
	Type      string // such as gp3; empty is left open
}

// PutVolumeDefaults says how a scope makes volumes. One that is not told encrypts
// them with the key that AWS manages.
func (s *Service) PutVolumeDefaults(in edge.Scope, d VolumeDefaults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.volumes[in] = d
}

// PutTemplate adds a version of a launch template.
func (s *Service) PutTemplate(in edge.Scope, t LaunchTemplate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.templates[in] = append(s.templates[in], t)
}

func (s *Service) volumeDefaults(in edge.Scope) VolumeDefaults {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d, ok := s.volumes[in]
	d.Encrypted = d.Encrypted || !ok
	d.Key = cmp.Or(d.Key, "alias/aws/ebs")
	return d
}

type encryptionByDefaultResponse struct {
	XMLName   xml.Name `xml:"http://ec2.amazonaws.com/doc/2016-11-15/ GetEbsEncryptionByDefaultResponse"`
	RequestID string   `xml:"requestId"`
	Encrypted bool     `xml:"ebsEncryptionByDefault"`
}

func (s *Service) encryptionByDefault(c edge.Call, _ url.Values) (any, error) {
	return encryptionByDefaultResponse{RequestID: c.RequestID, Encrypted: s.volumeDefaults(c.Scope).Encrypted}, nil
}

type defaultKeyResponse struct {
	XMLName   xml.Name `xml:"http://ec2.amazonaws.com/doc/2016-11-15/ GetEbsDefaultKmsKeyIdResponse"`
	RequestID string   `xml:"requestId"`
	Key       string   `xml:"kmsKeyId"`
}

func (s *Service) defaultKey(c edge.Call, _ url.Values) (any, error) {
	return defaultKeyResponse{RequestID: c.RequestID, Key: s.volumeDefaults(c.Scope).Key}, nil
}

type describeTemplateVersionsResponse struct {
	XMLName   xml.Name       `xml:"http://ec2.amazonaws.com/doc/2016-11-15/ DescribeLaunchTemplateVersionsResponse"`
	RequestID string         `xml:"requestId"`
	Versions  []templateItem `xml:"launchTemplateVersionSet>item"`
}

type templateItem struct {
	ID        string        `xml:"launchTemplateId"`
	Name      string        `xml:"launchTemplateName"`
	Version   int           `xml:"versionNumber"`
	Default   bool          `xml:"defaultVersion"`
	CreatedBy string        `xml:"createdBy"`
	CreatedAt string        `xml:"createTime"`
	Mappings  []mappingItem `xml:"launchTemplateData>blockDeviceMappingSet>item"`
}

type mappingItem struct {
	Device    string `xml:"deviceName"`
	Deleted   bool   `xml:"ebs>deleteOnTermination"`
	Encrypted *bool  `xml:"ebs>encrypted,omitempty"`
	Key       string `xml:"ebs>kmsKeyId,omitempty"`
	Type      string `xml:"ebs>volumeType,omitempty"`
}

// describeTemplateVersions answers for one template, named by its id.
func (s *Service) describeTemplateVersions(c edge.Call, form url.Values) (any, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	id := form.Get("LaunchTemplateId")
	known := slices.DeleteFunc(slices.Clone(s.templates[c.Scope]), func(t LaunchTemplate) bool { return t.ID != id })
	if len(known) == 0 {
		return nil, invalid("InvalidLaunchTemplateId.NotFound", "The specified launch template, with template ID %s, does not exist.", id)
	}
	newest := slices.MaxFunc(known, func(a, b LaunchTemplate) int { return cmp.Compare(a.Version, b.Version) })
	wanted := members(form, "LaunchTemplateVersion")
	if len(wanted) == 0 {
		return nil, invalid("InvalidParameterValue", "The simulator wants the versions of a launch template to be named")
	}
	out := describeTemplateVersionsResponse{RequestID: c.RequestID}
	for _, version := range wanted {
		number, err := strconv.Atoi(version)
		if strings.HasPrefix(version, "$") { // $Latest and $Default are the same here
			number, err = newest.Version, nil
		}
		i := slices.IndexFunc(known, func(t LaunchTemplate) bool { return t.Version == number })
		if err != nil || i < 0 {
			return nil, invalid("InvalidLaunchTemplateId.VersionNotFound", "Could not find the specified version %s for the launch template with ID %s.", version, id)
		}
		out.Versions = append(out.Versions, templateItemOf(c, known[i], known[i].Version == newest.Version))
	}
	return out, nil
}

func templateItemOf(c edge.Call, t LaunchTemplate, newest bool) templateItem {
	out := templateItem{
		ID: t.ID, Name: t.Name, Version: t.Version, Default: newest, CreatedBy: c.Caller.ARN,
		CreatedAt: t.CreatedAt.UTC().Format("2006-01-02T15:04:05.000Z"),
	}
	for _, v := range t.Volumes {
		out.Mappings = append(out.Mappings, mappingItem{Device: v.Device, Deleted: true, Encrypted: v.Encrypted, Key: v.Key, Type: v.Type})
	}
	return out
}
