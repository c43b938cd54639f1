package sim

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/eks"
	"github.com/eks-steward/eks-steward/internal/sim/ssm"
)

// An Image is the newest AMI release that AWS offers for a type of AMI and a
// minor version.
type Image struct {
	AMIType   string        `yaml:"amiType,omitempty"` // empty means AL2023_x86_64_STANDARD
	Version   string        `yaml:"version"`           // Kubernetes minor, in quotes
	Release   string        `yaml:"release"`           // such as 1.36.2-20260714
	Published time.Duration `yaml:"published"`         // counted like a Point
}

// An Alarm of CloudWatch has the state that it is given.
type Alarm struct {
	Name   string `yaml:"name"`
	State  string `yaml:"state,omitempty"` // OK, ALARM or INSUFFICIENT_DATA; empty means OK
	Reason string `yaml:"reason,omitempty"`
}

// usualImage is the type of AMI of nodegroups that name none.
const usualImage = "AL2023_x86_64_STANDARD"

// imageParameters are the public parameters of Systems Manager that name releases,
// by type of AMI, with %s for the minor version. See
// https://docs.aws.amazon.com/eks/latest/userguide/retrieve-ami-id.html and
// https://docs.aws.amazon.com/eks/latest/userguide/retrieve-ami-id-bottlerocket.html
func imageParameters() map[string]string {
	return map[string]string{
		usualImage:               "/aws/service/eks/optimized-ami/%s/amazon-linux-2023/x86_64/standard/recommended/release_version",
		"AL2023_ARM_64_STANDARD": "/aws/service/eks/optimized-ami/%s/amazon-linux-2023/arm64/standard/recommended/release_version",
		"AL2023_x86_64_NVIDIA":   "/aws/service/eks/optimized-ami/%s/amazon-linux-2023/x86_64/nvidia/recommended/release_version",
		"AL2023_x86_64_NEURON":   "/aws/service/eks/optimized-ami/%s/amazon-linux-2023/x86_64/neuron/recommended/release_version",
		"AL2_x86_64":             "/aws/service/eks/optimized-ami/%s/amazon-linux-2/recommended/release_version",
		"AL2_ARM_64":             "/aws/service/eks/optimized-ami/%s/amazon-linux-2-arm64/recommended/release_version",
		"BOTTLEROCKET_x86_64":    "/aws/service/bottlerocket/aws-k8s-%s/x86_64/latest/image_version",
		"BOTTLEROCKET_ARM_64":    "/aws/service/bottlerocket/aws-k8s-%s/arm64/latest/image_version",
	}
}

func (r Region) validateAroundNodes() error {
	var errs []error
	for _, i := range r.Images {
		errs = append(errs, i.validate())
	}
	for _, a := range r.Alarms {
		if a.Name == "" {
			errs = append(errs, errors.New("an alarm has no name: give it one"))
		}
	}
	return errors.Join(errs...)
}

func (i Image) validate() error {
	if _, ok := imageParameters()[cmp.Or(i.AMIType, usualImage)]; !ok {
		return fmt.Errorf("images of type %s are not simulated: want one of %s", i.AMIType, strings.Join(slices.Sorted(maps.Keys(imageParameters())), ", "))
	}
	if _, err := fleet.ParseVersion(i.Version); err != nil || i.Release == "" {
		return fmt.Errorf("image %q: give it a version such as \"1.36\" and a release such as 1.36.2-20260714", i.Release)
	}
	return nil
}

// provide puts what new nodes of a region depend on into the world.
func (w *World) provide(in edge.Scope, r Region) {
	for _, i := range r.Images {
		w.publish(in, i)
	}
	for name, open := range r.Calendars {
		w.ssm.PutCalendar(in, name, open)
	}
	for _, a := range r.Alarms {
		w.metrics.PutAlarm(in, alarmOf(a))
	}
	for class, n := range r.VCPUs {
		w.metrics.PutVCPUs(in, class, n)
	}
}

// publish writes the parameter by which AWS names an image.
func (w *World) publish(in edge.Scope, i Image) {
	w.ssm.PutAt(in, imageParameter(i.AMIType, i.Version), i.Release, w.now().Add(i.Published))
}

func imageParameter(amiType, version string) string {
	return fmt.Sprintf(imageParameters()[cmp.Or(amiType, usualImage)], version)
}

func alarmOf(a Alarm) fleet.Alarm {
	return fleet.Alarm{Name: a.Name, State: cmp.Or(a.State, "OK"), Reason: a.Reason}
}

// Publish makes an image the newest that AWS offers of its type and version. The
// time is counted from now.
func (w *World) Publish(account, region string, i Image) error {
	if err := i.validate(); err != nil {
		return err
	}
	w.publish(edge.Scope{Account: account, Region: region}, i)
	return nil
}

// SetCalendar opens or closes a change calendar of Systems Manager, or adds one.
func (w *World) SetCalendar(account, region, name string, open bool) {
	w.ssm.PutCalendar(edge.Scope{Account: account, Region: region}, name, open)
}

// SetAlarm adds an alarm of CloudWatch, or replaces the one of its name.
func (w *World) SetAlarm(account, region string, a Alarm) {
	w.metrics.PutAlarm(edge.Scope{Account: account, Region: region}, alarmOf(a))
}

// SetVCPUs says how many vCPUs of a class, such as Standard/OnDemand, are in use.
func (w *World) SetVCPUs(account, region, class string, n int) {
	w.metrics.PutVCPUs(edge.Scope{Account: account, Region: region}, class, n)
}

// SetTemplate adds a version of a launch template, or replaces it.
func (w *World) SetTemplate(account, region string, t LaunchTemplate) {
	w.putTemplate(edge.Scope{Account: account, Region: region}, t)
}

// SetFreeIPs says how many addresses of a subnet are available.
func (w *World) SetFreeIPs(account, region, subnet string, n int) bool {
	return w.ec2.SetFree(edge.Scope{Account: account, Region: region}, subnet, n)
}

// SetHealth says what EKS finds wrong with a nodegroup: it is DEGRADED while there
// is something, and ACTIVE again without.
func (w *World) SetHealth(id fleet.ClusterID, group string, issues ...Issue) error {
	if err := w.eks.SetHealth(edge.Scope{Account: id.Account, Region: id.Region}, id.Name, group, issuesOf(issues)); err != nil {
		return fmt.Errorf("set health of nodegroup %s of cluster %s: %w", group, id, err)
	}
	return nil
}

// newest is the image that AWS offers, where there is one.
func newest(parameters *ssm.Service) eks.Images {
	return func(in edge.Scope, amiType, version string) (release string, ok bool) {
		if imageParameters()[amiType] == "" {
			return "", false
		}
		return parameters.Value(in, imageParameter(amiType, version))
	}
}
