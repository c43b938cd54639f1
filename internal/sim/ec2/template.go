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
	"github.com/eks-steward/eks-steward/internal/sim/paging"
)

// A LaunchTemplate is one version of a launch template.
type LaunchTemplate struct {
	ID        string
	Name      string
	Version   int
	Default   bool   // of all versions; the newest one is where none is
	Type      string // of its instances, such as m7g.large; empty is left open
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

// PutTemplate adds a version of a launch template, or replaces it.
func (s *Service) PutTemplate(in edge.Scope, t LaunchTemplate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.DeleteFunc(slices.Clone(s.templates[in]), func(v LaunchTemplate) bool { return v.ID == t.ID && v.Version == t.Version })
	if t.Default {
		for i := range all {
			all[i].Default = all[i].Default && all[i].ID != t.ID
		}
	}
	s.templates[in] = append(all, t)
}

// A head is a launch template with all of its versions, oldest first.
type head []LaunchTemplate

func (h head) latest() LaunchTemplate { return h[len(h)-1] }

func (h head) preferred() LaunchTemplate {
	i := slices.IndexFunc(h, func(t LaunchTemplate) bool { return t.Default })
	if i < 0 {
		return h.latest()
	}
	return h[i]
}

// version finds one by its number, or by $Latest or $Default.
func (h head) version(wanted string) (LaunchTemplate, bool) {
	switch wanted {
	case "$Latest":
		return h.latest(), true
	case "$Default":
		return h.preferred(), true
	}
	i := slices.IndexFunc(h, func(t LaunchTemplate) bool { return strconv.Itoa(t.Version) == wanted })
	if i < 0 {
		return LaunchTemplate{}, false
	}
	return h[i], true
}

// template finds one by its id.
func (s *Service) template(in edge.Scope, id string) (head, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	known := slices.DeleteFunc(slices.Clone(s.templates[in]), func(t LaunchTemplate) bool { return t.ID != id })
	if len(known) == 0 {
		return nil, invalid("InvalidLaunchTemplateId.NotFound", "The specified launch template, with template ID %s, does not exist.", id)
	}
	slices.SortFunc(known, func(a, b LaunchTemplate) int { return cmp.Compare(a.Version, b.Version) })
	return known, nil
}

// templateIDs are those of a scope, in order.
func (s *Service) templateIDs(in edge.Scope) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var ids []string
	for _, t := range s.templates[in] {
		ids = append(ids, t.ID)
	}
	return ids
}

type describeTemplatesResponse struct {
	XMLName   xml.Name   `xml:"http://ec2.amazonaws.com/doc/2016-11-15/ DescribeLaunchTemplatesResponse"`
	RequestID string     `xml:"requestId"`
	Templates []headItem `xml:"launchTemplates>item"`
	NextToken string     `xml:"nextToken,omitempty"`
}

type headItem struct {
	ID        string `xml:"launchTemplateId"`
	Name      string `xml:"launchTemplateName"`
	CreatedAt string `xml:"createTime"`
	CreatedBy string `xml:"createdBy"`
	Default   int    `xml:"defaultVersionNumber"`
	Latest    int    `xml:"latestVersionNumber"`
}

// maxTemplates is the most that a page of DescribeLaunchTemplates holds, from its
// API reference.
const maxTemplates = 200

// describeTemplates finds launch templates by their ids, or all of them. One id
// that is not there fails the whole call.
func (s *Service) describeTemplates(c edge.Call, form url.Values) (any, error) {
	if form.Has("Filter.1.Name") || form.Has("LaunchTemplateName.1") {
		return nil, invalid("InvalidParameterValue", "The simulator finds launch templates by their ids alone")
	}
	ids := members(form, "LaunchTemplateId")
	if len(ids) == 0 {
		ids = s.templateIDs(c.Scope)
	}
	size := maxTemplates
	if form.Has("MaxResults") {
		n, err := strconv.Atoi(form.Get("MaxResults"))
		if err != nil || n < 1 || n > maxTemplates {
			return nil, invalid("InvalidParameterValue", "Value ( %s ) for parameter maxResults is invalid. Expecting a value between 1 and %d.", form.Get("MaxResults"), maxTemplates)
		}
		size = n
	}
	slices.Sort(ids)
	ids, next, err := paging.Cut(slices.Compact(ids), func(id string) string { return id }, strings.Compare,
		paging.Request{Token: form.Get("NextToken"), Size: size, Loop: c.LoopTokens})
	if err != nil {
		return nil, invalid("InvalidNextToken", "The token '%s' is invalid", form.Get("NextToken"))
	}
	out := describeTemplatesResponse{RequestID: c.RequestID, NextToken: next}
	for _, id := range ids {
		t, err := s.template(c.Scope, id)
		if err != nil {
			return nil, err
		}
		out.Templates = append(out.Templates, headItem{
			ID: id, Name: t[0].Name, CreatedAt: moment(t[0].CreatedAt), CreatedBy: c.Caller.ARN,
			Default: t.preferred().Version, Latest: t.latest().Version,
		})
	}
	return out, nil
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
	Type      string        `xml:"launchTemplateData>instanceType,omitempty"`
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
	id := form.Get("LaunchTemplateId")
	t, err := s.template(c.Scope, id)
	if err != nil {
		return nil, err
	}
	wanted := members(form, "LaunchTemplateVersion")
	if len(wanted) == 0 {
		return nil, invalid("InvalidParameterValue", "The simulator wants the versions of a launch template to be named")
	}
	out := describeTemplateVersionsResponse{RequestID: c.RequestID}
	for _, version := range wanted {
		v, ok := t.version(version)
		if !ok {
			return nil, invalid("InvalidLaunchTemplateId.VersionNotFound", "Could not find the specified version %s for the launch template with ID %s.", version, id)
		}
		out.Versions = append(out.Versions, templateItemOf(c, v, v.Version == t.preferred().Version))
	}
	return out, nil
}

func templateItemOf(c edge.Call, t LaunchTemplate, preferred bool) templateItem {
	out := templateItem{ID: t.ID, Name: t.Name, Version: t.Version, Default: preferred, Type: t.Type, CreatedBy: c.Caller.ARN, CreatedAt: moment(t.CreatedAt)}
	for _, v := range t.Volumes {
		out.Mappings = append(out.Mappings, mappingItem{Device: v.Device, Deleted: true, Encrypted: v.Encrypted, Key: v.Key, Type: v.Type})
	}
	return out
}

// moment is a time as EC2 writes it.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
