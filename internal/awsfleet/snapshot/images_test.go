package snapshot_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
)

const image = "AL2023_x86_64_STANDARD"

// ofType are nodegroups of one type of AMI, one for each version.
func ofType(amiType string, versions ...string) []fleet.Nodegroup {
	groups := make([]fleet.Nodegroup, len(versions))
	for i, v := range versions {
		groups[i] = fleet.Nodegroup{Name: v, AMIType: amiType, Version: v}
	}
	return groups
}

func TestTheNewestImagesAreReadAtBothVersions(t *testing.T) {
	s, w := survey(t, sim.Region{Images: []sim.Image{
		{Version: "1.33", Release: "1.33.5-20261001", Published: -50 * 24 * time.Hour},
		{Version: "1.34", Release: "1.34.2-20261110", Published: -10 * 24 * time.Hour},
		{Version: "1.35", Release: "1.35.0-20261115"},
		{AMIType: "BOTTLEROCKET_ARM_64", Version: "1.34", Release: "1.50.0-ea1b2c3d", Published: -time.Hour},
	}})
	groups := slices.Concat(ofType(image, "1.33", "1.34"), ofType("BOTTLEROCKET_ARM_64", "1.33"))
	want := []fleet.AMIRelease{
		{AMIType: image, Version: "1.33", Release: "1.33.5-20261001", Published: noon.Add(-50 * 24 * time.Hour)},
		{AMIType: image, Version: "1.34", Release: "1.34.2-20261110", Published: noon.Add(-10 * 24 * time.Hour)},
		{AMIType: "BOTTLEROCKET_ARM_64", Version: "1.34", Release: "1.50.0-ea1b2c3d", Published: noon.Add(-time.Hour)},
	}
	for range 2 { // of which one reads
		got := s.Images(t.Context(), "1.34", groups)
		for i := range got.Value {
			got.Value[i].Published = got.Value[i].Published.UTC()
		}
		same(t, "images", got, want)
	}
	if n := w.Calls().Of("GetParameter").Total(); n != 4 {
		t.Errorf("%d calls, want one for each type and version", n)
	}
}

func TestFault_09_ATypeOfAMIThatHasNoReleaseIsMissing(t *testing.T) {
	for name, groups := range map[string][]fleet.Nodegroup{
		"FAULT 16 an image of the owner's":       ofType(fleet.CustomAMI, "1.34"),
		"FAULT 09 a type that is newer than us":  ofType("AL2031_x86_64", "1.34"),
		"FAULT 10 a type that EKS did not say":   ofType("", "1.34"),
		"FAULT 11 versions that cannot be read":  ofType(image, "", "latest"),
		"a version that AWS has no image of yet": ofType(image, "1.34"),
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := survey(t, sim.Region{})
			if got := s.Images(t.Context(), "", groups); !got.Known() || len(got.Value) != 0 {
				t.Errorf("got %+v", got)
			}
		})
	}
	s, _ := survey(t, sim.Region{})
	if got := s.Images(t.Context(), "1.34", nil); got.Tried() {
		t.Errorf("without nodegroups: %+v", got)
	}
}

// The paths are those of the EKS user guide, and every type of the SDK has one.
func TestEveryTypeOfAMIHasItsParameter(t *testing.T) {
	const (
		optimized    = "/aws/service/eks/optimized-ami/1.34/"
		bottlerocket = "/aws/service/bottlerocket/aws-k8s-1.34"
		windows      = "/aws/service/ami-windows-latest/Windows_Server-"
	)
	want := map[types.AMITypes]string{
		"AL2_x86_64":                      optimized + "amazon-linux-2/recommended/release_version",
		"AL2_x86_64_GPU":                  optimized + "amazon-linux-2-gpu/recommended/release_version",
		"AL2_ARM_64":                      optimized + "amazon-linux-2-arm64/recommended/release_version",
		"AL2023_x86_64_STANDARD":          optimized + "amazon-linux-2023/x86_64/standard/recommended/release_version",
		"AL2023_ARM_64_STANDARD":          optimized + "amazon-linux-2023/arm64/standard/recommended/release_version",
		"AL2023_x86_64_NVIDIA":            optimized + "amazon-linux-2023/x86_64/nvidia/recommended/release_version",
		"AL2023_ARM_64_NVIDIA":            optimized + "amazon-linux-2023/arm64/nvidia/recommended/release_version",
		"AL2023_x86_64_NEURON":            optimized + "amazon-linux-2023/x86_64/neuron/recommended/release_version",
		"BOTTLEROCKET_x86_64":             bottlerocket + "/x86_64/latest/image_version",
		"BOTTLEROCKET_ARM_64":             bottlerocket + "/arm64/latest/image_version",
		"BOTTLEROCKET_x86_64_NVIDIA":      bottlerocket + "-nvidia/x86_64/latest/image_version",
		"BOTTLEROCKET_ARM_64_NVIDIA":      bottlerocket + "-nvidia/arm64/latest/image_version",
		"BOTTLEROCKET_x86_64_FIPS":        bottlerocket + "-fips/x86_64/latest/image_version",
		"BOTTLEROCKET_ARM_64_FIPS":        bottlerocket + "-fips/arm64/latest/image_version",
		"BOTTLEROCKET_x86_64_NVIDIA_FIPS": bottlerocket + "-nvidia-fips/x86_64/latest/image_version",
		"BOTTLEROCKET_ARM_64_NVIDIA_FIPS": bottlerocket + "-nvidia-fips/arm64/latest/image_version",
		"WINDOWS_CORE_2019_x86_64":        windows + "2019-English-Core-EKS_Optimized-1.34",
		"WINDOWS_FULL_2019_x86_64":        windows + "2019-English-Full-EKS_Optimized-1.34",
		"WINDOWS_CORE_2022_x86_64":        windows + "2022-English-Core-EKS_Optimized-1.34",
		"WINDOWS_FULL_2022_x86_64":        windows + "2022-English-Full-EKS_Optimized-1.34",
		"WINDOWS_CORE_2025_x86_64":        windows + "2025-English-Core-EKS_Optimized-1.34",
		"WINDOWS_FULL_2025_x86_64":        windows + "2025-English-Full-EKS_Optimized-1.34",
	}
	asked := &parameters{value: `{"release_version":"1.34-2026.11.11","image_id":"ami-1"}`}
	s := through(asked, func() time.Time { return noon })
	for _, amiType := range types.AMITypes("").Values() {
		if amiType == types.AMITypesCustom {
			continue
		}
		got := s.Images(t.Context(), "1.34", ofType(string(amiType), "1.34"))
		if !got.Known() || len(got.Value) != 1 || asked.last() != want[amiType] {
			t.Errorf("%s is asked for at %q, want %q: %+v", amiType, asked.last(), want[amiType], got)
			continue
		}
		if release := got.Value[0].Release; strings.HasPrefix(string(amiType), "WINDOWS") && release != "1.34-2026.11.11" {
			t.Errorf("%s has the release %q", amiType, release)
		}
		delete(want, amiType)
	}
	if len(want) > 0 {
		t.Errorf("the SDK has no types %q", slices.Collect(maps.Keys(want)))
	}
}

// parameters answers every name with one value.
type parameters struct {
	mu    sync.Mutex
	names []string
	value string
}

func (p *parameters) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct{ Name string }
	body, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(body, &in)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.names = append(p.names, in.Name)
	value, _ := json.Marshal(p.value)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_, _ = io.WriteString(w, `{"Parameter":{"Value":`+string(value)+`,"LastModifiedDate":1793000000}}`)
}

func (p *parameters) last() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.names[len(p.names)-1]
}

func TestFault_10_AParameterThatNamesNoReleaseIsTrouble(t *testing.T) {
	for name, tt := range map[string]struct{ amiType, value string }{
		"it is empty":                     {image, ""},
		"it is blank":                     {image, " \n"},
		"FAULT 45 it is no JSON":          {"WINDOWS_CORE_2022_x86_64", "ami-1"},
		"FAULT 45 it is an empty object":  {"WINDOWS_CORE_2022_x86_64", "{}"},
		"FAULT 45 its release is no text": {"WINDOWS_CORE_2022_x86_64", `{"release_version":7}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := through(&parameters{value: tt.value}, func() time.Time { return noon })
			got := s.Images(t.Context(), "1.34", ofType(tt.amiType, "1.34"))
			if got.Trouble == nil || got.Trouble.Kind != fleet.Failed || got.Trouble.Action != "ssm:GetParameter" || len(got.Value) != 0 {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// withTemplates are nodegroups with these launch templates.
func withTemplates(ids ...string) []fleet.Nodegroup {
	var groups []fleet.Nodegroup
	for _, id := range ids {
		groups = append(groups, fleet.Nodegroup{Name: id, Template: fleet.TemplateVersion{ID: id, Version: "1"}})
	}
	return groups
}

func TestTheHeadsOfLaunchTemplatesAreReadInOneCall(t *testing.T) {
	s, w := survey(t, sim.Region{LaunchTemplates: []sim.LaunchTemplate{
		{ID: "lt-b", Version: 1, Default: true}, {ID: "lt-b", Version: 2}, {ID: "lt-b", Version: 10}, {ID: "lt-a"}, {ID: "lt-other"},
	}})
	want := []fleet.TemplateHead{{ID: "lt-a", Default: 1, Latest: 1}, {ID: "lt-b", Default: 1, Latest: 10}}
	same(t, "heads", s.TemplateHeads(t.Context(), withTemplates("lt-b", "lt-a", "lt-b", "")), want)
	if n := w.Calls().Of("DescribeLaunchTemplates").Total(); n != 1 {
		t.Errorf("%d calls", n)
	}
	same(t, "FAULT 03 heads without one that is gone", s.TemplateHeads(t.Context(), withTemplates("lt-b", "lt-gone", "lt-a")), want)
	if got := s.TemplateHeads(t.Context(), withTemplates("lt-gone")); !got.Known() || len(got.Value) != 0 {
		t.Errorf("a template that is gone: %+v", got)
	}
	if got := s.TemplateHeads(t.Context(), withTemplates("")); got.Tried() {
		t.Errorf("without templates: %+v", got)
	}
}

func TestReadinessLeavesOtherInsightsOut(t *testing.T) {
	c := payments()
	c.Insights = append(c.Insights, sim.Insight{ID: "insight-4", Name: "Nodes", Category: "MISCONFIGURATION", Status: "ERROR"})
	s, _ := survey(t, region(c))
	got := s.Readiness(t.Context(), "payments")
	if !got.Known() || len(got.Value) != 3 || slices.ContainsFunc(got.Value, func(i fleet.Insight) bool { return i.Category != "UPGRADE_READINESS" }) {
		t.Errorf("got %+v, %s", got, got.Why())
	}
}

func TestTheLargestTypeOfInstancesCounts(t *testing.T) {
	s, w := survey(t, sim.Region{})
	for range 2 {
		same(t, "vCPUs", s.VCPUs(t.Context(), []string{"m5.large", "m6i.4xlarge", "m5.xlarge", "m5.large"}), 16)
	}
	if n := w.Calls().Of("DescribeInstanceTypes").Total(); n != 1 {
		t.Errorf("%d calls", n)
	}
	if got := s.VCPUs(t.Context(), []string{"m99.large"}); got.Trouble == nil || got.Trouble.Action != "ec2:DescribeInstanceTypes" {
		t.Errorf("a type that EC2 does not know: %+v", got)
	}
	for _, body := range []string{`<R/>`, `<R><instanceTypeSet><item><instanceType>m5.large</instanceType></item></instanceTypeSet></R>`} {
		if got := scripted(t, map[string]string{"DescribeInstanceTypes": body}).VCPUs(t.Context(), []string{"m5.large"}); got.Trouble == nil {
			t.Errorf("an answer that does not say: %+v", got)
		}
	}
}
