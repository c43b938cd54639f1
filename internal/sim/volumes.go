package sim

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/eks-steward/eks-steward/internal/sim/ec2"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/eks"
)

// VolumeDefaults are a region's settings for new EBS volumes.
type VolumeDefaults struct {
	Encrypted bool   `yaml:"encrypted"`     // whatever their maker asks for
	Key       string `yaml:"key,omitempty"` // ARN; empty means the key that AWS manages
}

// A LaunchTemplate is one version of a launch template.
type LaunchTemplate struct {
	ID      string           `yaml:"id"`
	Name    string           `yaml:"name,omitempty"`    // empty means its id
	Version int              `yaml:"version,omitempty"` // empty means 1
	Default bool             `yaml:"default,omitempty"` // the newest version is the default one where none is
	Volumes []TemplateVolume `yaml:"volumes,omitempty"`
	// InstanceType is that of its instances; empty where the nodegroup says it.
	InstanceType string `yaml:"instanceType,omitempty"`
}

// A TemplateVolume is a volume that a launch template speaks of.
type TemplateVolume struct {
	Device    string `yaml:"device"`              // such as /dev/xvda
	Encrypted *bool  `yaml:"encrypted,omitempty"` // absent is left open
	Key       string `yaml:"key,omitempty"`       // id, ARN or alias
	Type      string `yaml:"type,omitempty"`      // such as gp3
}

// A TemplateVersion is what a nodegroup starts its nodes from.
type TemplateVersion struct {
	ID      string `yaml:"id"`
	Version string `yaml:"version,omitempty"` // empty means 1
}

// ownTemplate is that of nodegroups with an image of their own that name none.
const ownTemplate = "lt-00000000000000000"

// furnish puts what nodes are started from into a region.
func (w *World) furnish(in edge.Scope, r Region) {
	if r.Volumes != nil {
		w.ec2.PutVolumeDefaults(in, ec2.VolumeDefaults(*r.Volumes))
	}
	w.putTemplate(in, LaunchTemplate{ID: ownTemplate, Name: "own"})
	for _, t := range r.LaunchTemplates {
		w.putTemplate(in, t)
	}
}

// putTemplate makes every version as old as clusters are.
func (w *World) putTemplate(in edge.Scope, t LaunchTemplate) {
	out := ec2.LaunchTemplate{
		ID: t.ID, Name: cmp.Or(t.Name, t.ID), Version: cmp.Or(t.Version, 1), Default: t.Default, Type: t.InstanceType,
		CreatedAt: w.now().Add(-defaultAge).Truncate(time.Second),
	}
	for _, v := range t.Volumes {
		out.Volumes = append(out.Volumes, ec2.TemplateVolume(v))
	}
	w.ec2.PutTemplate(in, out)
}

func templateOf(g Nodegroup) *eks.LaunchTemplate {
	if g.LaunchTemplate == nil {
		return nil
	}
	return &eks.LaunchTemplate{ID: g.LaunchTemplate.ID, Name: g.LaunchTemplate.ID, Version: cmp.Or(g.LaunchTemplate.Version, "1")}
}

func (r Region) validateTemplates() error {
	var errs []error
	seen := map[string]bool{ownTemplate + " 1": true}
	for _, t := range r.LaunchTemplates {
		version := fmt.Sprintf("%s %d", t.ID, cmp.Or(t.Version, 1))
		if t.ID == "" || t.Version < 0 {
			errs = append(errs, fmt.Errorf("launch template %q: give it an id such as lt-0123456789abcdef0 and a version of 1 or more", t.ID))
		}
		if seen[version] {
			errs = append(errs, fmt.Errorf("launch template %s is there twice: give one another version", version))
		}
		seen[version] = true
		for _, v := range t.Volumes {
			if v.Device == "" {
				errs = append(errs, fmt.Errorf("launch template %s: a volume has no device: give it one such as /dev/xvda", version))
			}
		}
	}
	return errors.Join(errs...)
}
