package nodefreshness_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
)

// noon is when the tests look.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// situation is a nodegroup with all that it is judged by. Tests change the one
// thing that they are about.
type situation struct {
	g fleet.Nodegroup
	k nodefreshness.Known
	r nodefreshness.Rules
}

const (
	al2023 = "AL2023_x86_64_STANDARD"
	newest = "1.36.2-20261101"
)

// fresh is a group with nothing to do.
func fresh() situation {
	return situation{
		g: fleet.Nodegroup{
			Name: "batch", Status: "ACTIVE", Version: "1.36", Release: newest, AMIType: al2023, Nodes: 3,
			Template: fleet.TemplateVersion{ID: "lt-1", Version: "4"}, Tags: map[string]string{nodefreshness.OptIn: nodefreshness.Allowed},
		},
		k: nodefreshness.Known{
			Cluster: fleet.Cluster{Version: "1.36", Kind: fleet.KindEKS},
			Images: fleet.Read([]fleet.AMIRelease{
				{AMIType: al2023, Version: "1.36", Release: newest, Published: noon.Add(-19 * day)},
				{AMIType: al2023, Version: "1.35", Release: "1.35.6-20261101", Published: noon.Add(-19 * day)},
				{AMIType: "AL2023_ARM_64_STANDARD", Version: "1.36", Release: "1.36.2-20261115", Published: noon.Add(-5 * day)},
			}, nil, noon),
			Heads:  fleet.Read([]fleet.TemplateHead{{ID: "lt-1", Default: 4, Latest: 6}}, nil, noon),
			Oldest: noon.Add(-10 * day),
		},
		r: nodefreshness.Rules{MinReleaseAge: 7 * day, MaxNodeAge: 30 * day, Template: nodefreshness.FollowDefault},
	}
}

func (s situation) judge() nodefreshness.Verdict {
	return nodefreshness.Judge(s.g, s.k, s.r, noon)
}

// show writes a verdict in one line: causes, what is wanted, and whether it is left
// alone or unknown.
func show(v nodefreshness.Verdict) string {
	var words []string
	for _, r := range v.Reasons {
		words = append(words, string(r.Cause))
	}
	if v.Want != (nodefreshness.Nodes{}) {
		words = append(words, fmt.Sprintf("-> %s %s template %s", v.Want.Version, v.Want.Release, v.Want.Template.Version))
	}
	if v.Left != "" {
		words = append(words, "left")
	}
	if v.Unknown != "" {
		words = append(words, "unknown")
	}
	return strings.Join(words, " ")
}

type change func(*situation)

func behind(s *situation)  { s.g.Version, s.g.Release = "1.35", "1.35.4-20260801" }
func stale(s *situation)   { s.g.Release = "1.36.2-20260714" }
func anyAge(s *situation)  { s.r.MinReleaseAge = 0 }
func forced(s *situation)  { s.k.Forced = true }
func aged(s *situation)    { s.k.Oldest = noon.Add(-31 * day) }
func tooNew(s *situation)  { s.k.Images.Value[0].Published = noon.Add(-6 * day) }
func noHeads(s *situation) { s.k.Heads = fleet.Part[[]fleet.TemplateHead]{} }
func noImages(s *situation) {
	s.k.Images = fleet.Read[[]fleet.AMIRelease](nil, &fleet.Trouble{Kind: fleet.Denied, Action: "ssm:GetParameters", Err: fmt.Errorf("not authorized")}, noon)
}

func pinned(to string) change {
	return func(s *situation) {
		s.g.Tags = map[string]string{nodefreshness.OptIn: nodefreshness.Allowed, nodefreshness.PinRelease: to}
	}
}

func ami(kind string) change { return func(s *situation) { s.g.AMIType = kind } }

func control(version string) change { return func(s *situation) { s.k.Cluster.Version = version } }

func bottlerocket(has, is string) change {
	return func(s *situation) {
		s.g.AMIType, s.g.Release = "BOTTLEROCKET_ARM_64", has
		s.k.Images.Value = []fleet.AMIRelease{{AMIType: s.g.AMIType, Version: "1.36", Release: is, Published: noon.Add(-30 * day)}}
	}
}

func TestJudge(t *testing.T) {
	tests := []struct {
		name    string
		changes []change
		want    string
		says    string // part of a reason, Left or Unknown
	}{
		{"what has the newest is fresh", nil, "", ""},
		{"its release is behind", []change{stale}, "release -> 1.36 1.36.2-20261101 template 4", "1.36.2-20261101 has been out since 2026-11-01."},
		{"the newest release is too young", []change{stale, tooNew}, "", ""},
		{"a bit older it is not", []change{stale, tooNew, func(s *situation) { s.r.MinReleaseAge = 6 * day }}, "release -> 1.36 1.36.2-20261101 template 4", ""},
		{"where several releases are known it is the newest of those that are old enough", []change{stale, tooNew, func(s *situation) {
			s.k.Images.Value = append(s.k.Images.Value, fleet.AMIRelease{AMIType: al2023, Version: "1.36", Release: "1.36.2-20261020", Published: noon.Add(-30 * day)},
				fleet.AMIRelease{AMIType: al2023, Version: "1.36", Release: "1.36.2-20261001", Published: noon.Add(-50 * day)})
		}}, "release -> 1.36 1.36.2-20261020 template 4", ""},
		{"where age does not matter it is the one that AWS names", []change{stale, anyAge, func(s *situation) {
			s.k.Images.Value[0].Published = time.Time{}
			s.k.Images.Value = append(s.k.Images.Value, fleet.AMIRelease{AMIType: al2023, Version: "1.36", Release: "1.36.2-20261020", Published: noon.Add(-30 * day)})
		}}, "release -> 1.36 1.36.2-20261101 template 4", ""},
		{"since when it is out is not known", []change{stale, func(s *situation) { s.k.Images.Value[0].Published = time.Time{} }}, "unknown", "not since when"},
		{"which does not matter where age does not", []change{stale, anyAge, func(s *situation) { s.k.Images.Value[0].Published = time.Time{} }}, "release -> 1.36 1.36.2-20261101 template 4", "and there is 1.36.2-20261101."},
		{"what has a newer release than AWS names is left with it", []change{func(s *situation) { s.g.Release = "1.36.2-20261110" }}, "", ""},
		{"so is a newer patch of an earlier day", []change{func(s *situation) { s.g.Release = "1.36.10-20261001" }}, "", ""},
		{"a release that is not one of the form is behind", []change{func(s *situation) { s.g.Release = "ami-1" }}, "release -> 1.36 1.36.2-20261101 template 4", ""},
		{"nor is one of another form compared", []change{func(s *situation) { s.g.Release = "1.36.2.1-20261110" }}, "release -> 1.36 1.36.2-20261101 template 4", ""},
		{"AWS names no release", []change{ami("AL2023_x86_64_NEURON")}, "unknown", "AWS names none"},
		{"releases could not be read", []change{noImages}, "unknown", "ssm:GetParameters"},
		{"nobody asked for releases", []change{func(s *situation) { s.k.Images = fleet.Part[[]fleet.AMIRelease]{} }}, "unknown", "it was not asked for"},
		{"what was read before an error counts", []change{stale, func(s *situation) { s.k.Images.Trouble = &fleet.Trouble{Kind: fleet.Denied, Err: fmt.Errorf("x")} }}, "release -> 1.36 1.36.2-20261101 template 4", ""},

		{"Bottlerocket goes by its own version", []change{bottlerocket("1.9.0-aaaa", "1.50.0-bbbb")}, "release -> 1.36 1.50.0-bbbb template 4", ""},
		{"and not back", []change{bottlerocket("1.51.0-aaaa", "1.50.0-bbbb")}, "", ""},
		{"another build of the same is another release", []change{bottlerocket("1.50.0-aaaa", "1.50.0-bbbb")}, "release -> 1.36 1.50.0-bbbb template 4", ""},
		{"Windows", []change{ami("WINDOWS_CORE_2022_x86_64"), func(s *situation) {
			s.g.Release = "1.36-2026.09.09"
			s.k.Images.Value = []fleet.AMIRelease{{AMIType: s.g.AMIType, Version: "1.36", Release: "1.36-2026.10.13", Published: noon.Add(-30 * day)}}
		}}, "release -> 1.36 1.36-2026.10.13 template 4", ""},

		{"its version is behind", []change{behind}, "version -> 1.36 1.36.2-20261101 template 4", "Its nodes run Kubernetes 1.35 and the control plane 1.36."},
		{"several versions are one step", []change{behind, func(s *situation) { s.g.Version = "1.33" }}, "version -> 1.36 1.36.2-20261101 template 4", ""},
		{"its version is behind and the only release too young", []change{behind, tooNew}, "version -> 1.36 1.36.2-20261101 template 4 left", "nodes get one 7 days after"},
		{"its version is behind and no release is known", []change{behind, noImages}, "version -> 1.36  template 4 left unknown", "ssm:GetParameters"},
		{"where no age is asked for EKS may choose", []change{behind, noImages, anyAge}, "version -> 1.36  template 4", ""},

		{"its template is behind the default", []change{func(s *situation) { s.g.Template.Version = "3" }}, "template -> 1.36 1.36.2-20261101 template 4", "It has version 3 of its launch template lt-1, and the default one is 4."},
		{"a default that is lower is nothing to go back to", []change{func(s *situation) { s.g.Template.Version = "5" }}, "", ""},
		{"its template is behind the latest", []change{func(s *situation) { s.r.Template = nodefreshness.FollowLatest }}, "template -> 1.36 1.36.2-20261101 template 6", "the latest one is 6"},
		{"a template that nobody follows", []change{func(s *situation) { s.g.Template.Version, s.r.Template = "3", nodefreshness.Ignore }, noHeads}, "", ""},
		{"a template that EKS makes", []change{func(s *situation) { s.g.Template = fleet.TemplateVersion{} }, noHeads}, "", ""},
		{"a group on $Latest", []change{func(s *situation) { s.g.Template.Version = "$Latest" }, noHeads}, "", ""},
		{"the template is gone", []change{func(s *situation) { s.g.Template.ID = "lt-2" }}, "unknown", "does not exist any more"},
		{"templates could not be read", []change{noHeads}, "unknown", "lt-1 there is by now is not known: it was not asked for."},
		{"which does not hide a release that is behind", []change{stale, noHeads}, "release -> 1.36 1.36.2-20261101 template 4", ""},
		{"neither template nor release could be read", []change{noHeads, noImages}, "unknown", "ssm:GetParameters"},
		{"release and template", []change{stale, func(s *situation) { s.g.Template.Version = "3" }}, "release template -> 1.36 1.36.2-20261101 template 4", ""},
		{"a template is followed although the release is too young", []change{stale, tooNew, func(s *situation) { s.g.Template.Version = "3" }}, "template -> 1.36 1.36.2-20260714 template 4", ""},

		{"a template waits where its release is not known and the newest too young", []change{tooNew, func(s *situation) { s.g.Release, s.g.Template.Version = "", "3" }}, "template -> 1.36  template 4 left unknown", "does not say which AMI release"},

		{"old nodes with nothing newer stay", []change{aged}, "", ""},
		{"old nodes with something newer", []change{aged, stale}, "release age -> 1.36 1.36.2-20261101 template 4", "31 days ago, and none shall be older than 30 days"},
		{"an age that nobody bounds", []change{aged, stale, func(s *situation) { s.r.MaxNodeAge = 0 }}, "release -> 1.36 1.36.2-20261101 template 4", ""},
		{"an age that is not known", []change{stale, func(s *situation) { s.k.Oldest = time.Time{} }}, "release -> 1.36 1.36.2-20261101 template 4", ""},

		{"forced", []change{forced}, "forced -> 1.36 1.36.2-20261101 template 4", "A person has asked"},
		{"forced without knowing releases renews what it has", []change{forced, noImages}, "forced -> 1.36 1.36.2-20261101 template 4", ""},
		{"forced without any release known", []change{forced, noImages, func(s *situation) { s.g.Release = "" }}, "forced -> 1.36  template 4 left unknown", ""},
		{"forced without its release known, and the newest too young", []change{forced, tooNew, func(s *situation) { s.g.Release = "" }}, "forced -> 1.36  template 4 left unknown", "does not say which AMI release"},
		{"forced is no way round the tag", []change{forced, func(s *situation) { s.g.Tags = nil }}, "forced -> 1.36 1.36.2-20261101 template 4 left", nodefreshness.OptIn},

		{"without the tag it is left alone", []change{stale, func(s *situation) { s.g.Tags = nil }}, "release -> 1.36 1.36.2-20261101 template 4 left", "without it IAM refuses"},
		{"another value is no consent", []change{func(s *situation) { s.g.Tags = map[string]string{nodefreshness.OptIn: "no"} }}, "left", nodefreshness.OptIn},
		{"pinned to what it has", []change{stale, pinned("current")}, "release left", "holds it at 1.36.2-20260714"},
		{"pinned to what it has by name", []change{stale, pinned("1.36.2-20260714")}, "release left", "holds it at 1.36.2-20260714"},
		{"pinned to a newer one", []change{stale, pinned("1.36.2-20260901")}, "release -> 1.36 1.36.2-20260901 template 4", "asks for the AMI release 1.36.2-20260901, and it has 1.36.2-20260714."},
		{"pinned to one that nobody lists", []change{stale, noImages, pinned("1.36.2-20260901")}, "release -> 1.36 1.36.2-20260901 template 4", ""},
		{"pinned to a newer one of its own minor", []change{behind, pinned("1.35.6-20261101")}, "release -> 1.35 1.35.6-20261101 template 4", ""},
		{"pinned to an older one", []change{pinned("1.36.2-20260714")}, "left", "not known to be newer"},
		{"pinned to a release of an older minor than its nodes", []change{func(s *situation) { s.g.Release = "1.35.4-20260801" }, pinned("1.35.6-20261101")}, "release left", "1.35.6-20261101, which is older than the Kubernetes 1.36 of its nodes"},
		{"pinned to nonsense", []change{stale, pinned("latest")}, "release left", "asks for latest, which is not known to be newer"},
		{"pinned beyond the control plane", []change{pinned("1.37.0-20261110")}, "left", "newer than the control plane's Kubernetes 1.36"},
		{"a pin of Bottlerocket names no minor", []change{bottlerocket("1.48.0-aaaa", "1.50.0-bbbb"), pinned("1.49.0-cccc")}, "release -> 1.36 1.49.0-cccc template 4", ""},
		{"a pin without the tag of consent", []change{stale, pinned("1.36.2-20260901"), func(s *situation) { delete(s.g.Tags, nodefreshness.OptIn) }}, "release -> 1.36 1.36.2-20260901 template 4 left", "IAM"},

		{"Amazon Linux 2 ends with 1.32", []change{ami("AL2_x86_64"), func(s *situation) { s.g.Version, s.g.Release = "1.32", "1.32.9-20251112" }}, "version left", "needs a new nodegroup"},
		{"up to there it is renewed", []change{ami("AL2_x86_64"), control("1.32"), func(s *situation) {
			s.g.Version, s.g.Release = "1.31", "1.31.9-20251112"
			s.k.Images.Value = []fleet.AMIRelease{{AMIType: "AL2_x86_64", Version: "1.32", Release: "1.32.9-20251112", Published: noon.Add(-300 * day)}}
		}}, "version -> 1.32 1.32.9-20251112 template 4", ""},

		{"FAULT 16 an own image is its owner's", []change{ami(fleet.CustomAMI), func(s *situation) { s.g.Release = "" }}, "left", "Its image is its owner's"},
		{"FAULT 16 also when it is behind", []change{ami(fleet.CustomAMI), behind, func(s *situation) { s.g.Template.Version = "3" }}, "version template left", "Its image is its owner's"},
		{"FAULT 16 also when a person asks, pinned or not", []change{ami(fleet.CustomAMI), forced, pinned("1.36.2-20260901")}, "forced left", "Its image is its owner's"},
		{"FAULT 19 nodes ahead of the control plane", []change{control("1.35")}, "left", "it needs a new nodegroup"},
		{"FAULT 19 also when a person asks", []change{control("1.35"), forced}, "forced left", "does not take nodes back"},
		{"FAULT 09 a type of AMI that is not known", []change{ami("MOONOS_x86_64")}, "left unknown", "MOONOS_x86_64, is not known here"},
		{"FAULT 09 is told to be behind, and left alone", []change{ami("MOONOS_x86_64"), behind, anyAge}, "version left", "MOONOS_x86_64, is not known here"},
		{"FAULT 10 no type of AMI", []change{ami("")}, "left unknown", "does not say which type"},
		{"FAULT 10 no version", []change{func(s *situation) { s.g.Version = "" }}, "unknown", "The version of its nodes cannot be read"},
		{"FAULT 10 no release", []change{func(s *situation) { s.g.Release = "" }}, "unknown", "does not say which AMI release"},
		{"FAULT 10 no release, and the newest is too young", []change{tooNew, func(s *situation) { s.g.Release = "" }}, "unknown", "does not say which AMI release"},
		{"FAULT 10 nothing at all", []change{func(s *situation) { *s = situation{} }}, "unknown", "The version of the control plane cannot be read"},
		{"FAULT 11 a version that cannot be read", []change{control("1.x")}, "unknown", `"1.x" is not a Kubernetes version`},
		{"FAULT 11 an own image of a version that cannot be read", []change{ami(fleet.CustomAMI), func(s *situation) { s.g.Version = "x" }}, "left unknown", "Its image is its owner's"},
		{"FAULT 11 1.9 is behind 1.10", []change{control("1.10"), anyAge, noImages, func(s *situation) { s.g.Version = "1.9" }}, "version -> 1.10  template 4", ""},
		{"FAULT 11 1.31+ is 1.31", []change{control("1.36+")}, "", ""},
		{"FAULT 11 a template version that is no number", []change{func(s *situation) { s.g.Template.Version = "four" }}, "unknown", `"four", cannot be read`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := fresh()
			for _, c := range test.changes {
				c(&s)
			}
			v := s.judge()
			if got := show(v); got != test.want {
				t.Errorf("%q, want %q: %+v", got, test.want, v)
			}
			said := []string{v.Left, v.Unknown}
			for _, r := range v.Reasons {
				said = append(said, r.Text)
			}
			if !strings.Contains(strings.Join(said, " "), test.says) {
				t.Errorf("%q does not say %q", said, test.says)
			}
			for _, text := range said {
				if text != "" && (!strings.HasSuffix(text, ".") || strings.HasSuffix(text, "..")) {
					t.Errorf("%q is no sentence", text)
				}
			}
		})
	}
}

// random draws a group with all around it, likely and not.
func random(t *rapid.T) situation {
	kinds := []string{al2023, "BOTTLEROCKET_x86_64", "WINDOWS_FULL_2025_x86_64", "AL2_x86_64", fleet.CustomAMI, "MOONOS", ""}
	minors := []string{"1.9", "1.10", "1.31", "1.32", "1.35", "1.36", "1.37", "1.36+", "", "x"}
	releases := []string{"", "1.35.4-20260801", "1.36.2-20260714", newest, "1.37.0-20261110", "1.36.10-20261001", "1.49.0-aaaa", "1.50.0-bbbb", "1.36-2026.10.13", "ami-1", "current"}
	one := func(of []string, what string) string { return rapid.SampledFrom(of).Draw(t, what) }
	ago := func(what string) time.Time {
		if rapid.IntRange(0, 9).Draw(t, what) == 0 {
			return time.Time{}
		}
		return noon.Add(-time.Duration(rapid.IntRange(0, 100).Draw(t, what)) * day)
	}
	s := fresh()
	s.g.AMIType, s.g.Version, s.g.Release = one(kinds, "kind"), one(minors, "own"), one(releases, "has")
	s.g.Template.Version = one([]string{"1", "4", "9", "$Latest", "", "x"}, "template")
	s.g.Tags = map[string]string{nodefreshness.OptIn: one([]string{"", "no", nodefreshness.Allowed, nodefreshness.Allowed}, "tag")}
	if rapid.Bool().Draw(t, "pinned") {
		s.g.Tags[nodefreshness.PinRelease] = one(releases, "pin")
	}
	s.k.Cluster.Version, s.k.Oldest, s.k.Forced = one(minors, "control"), ago("oldest"), rapid.Bool().Draw(t, "forced")
	s.k.Images.Value = nil
	for range rapid.IntRange(0, 4).Draw(t, "images") {
		s.k.Images.Value = append(s.k.Images.Value, fleet.AMIRelease{AMIType: one(kinds, "of"), Version: one(minors, "for"), Release: one(releases, "release"), Published: ago("published")})
	}
	s.r.MinReleaseAge = time.Duration(rapid.IntRange(0, 20).Draw(t, "min age")) * day
	s.r.MaxNodeAge = time.Duration(rapid.IntRange(0, 60).Draw(t, "max age")) * day
	s.r.Template = one([]string{nodefreshness.FollowDefault, nodefreshness.FollowLatest, nodefreshness.Ignore, ""}, "follow")
	return s
}

func TestNoVerdictAsksForWhatMustNotBe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := random(t)
		v := s.judge()
		if len(v.Reasons) == 0 {
			if v.Want != (nodefreshness.Nodes{}) {
				t.Fatalf("without a reason it wants %+v", v.Want)
			}
			return
		}
		if v.Unknown != "" && v.Left == "" {
			t.Fatalf("what is not known does not stop it: %+v", v)
		}
		if v.Left != "" {
			return
		}
		control, err := fleet.ParseVersion(s.k.Cluster.Version)
		if err != nil {
			t.Fatalf("it is to be renewed, to a version that nobody can read: %+v", v)
		}
		want, err := fleet.ParseVersion(v.Want.Version)
		own, _ := fleet.ParseVersion(s.g.Version)
		switch {
		case err != nil || want.Compare(control) > 0 || want.Compare(own) < 0:
			t.Fatalf("nodes on %s with a control plane on %s would get %s", own, control, v.Want.Version)
		case s.g.AMIType == fleet.CustomAMI || s.g.AMIType == "MOONOS" || s.g.AMIType == "":
			t.Fatalf("a group of AMI type %q would get %+v", s.g.AMIType, v.Want)
		case s.g.Tags[nodefreshness.OptIn] != nodefreshness.Allowed:
			t.Fatalf("nobody has allowed it")
		case v.Want.Release == "" && s.r.MinReleaseAge > 0:
			t.Fatalf("EKS would choose a release of any age: %+v", v)
		}
		pin := s.g.Tags[nodefreshness.PinRelease]
		if r := v.Want.Release; r != "" && r != s.g.Release && r != pin && !slices.ContainsFunc(s.k.Images.Value, func(i fleet.AMIRelease) bool {
			return i.Release == r && i.AMIType == s.g.AMIType && (s.r.MinReleaseAge == 0 || noon.Sub(i.Published) >= s.r.MinReleaseAge)
		}) {
			t.Fatalf("it would get %s, which is nobody's choice or too young: %+v", r, s.k.Images.Value)
		}
	})
}

// TestWhatGotWhatItWantedIsFresh holds that a group is not rolled again and again.
func TestWhatGotWhatItWantedIsFresh(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := random(t)
		s.k.Forced = false
		v := s.judge()
		if len(v.Reasons) == 0 || v.Left != "" || v.Want.Release == "" {
			return
		}
		s.g.Version, s.g.Release, s.g.Template, s.k.Oldest = v.Want.Version, v.Want.Release, v.Want.Template, noon
		again := s.judge()
		if len(again.Reasons) > 0 && again.Left == "" {
			t.Fatalf("it got %+v, and then %+v", v.Want, again)
		}
	})
}

func TestMade(t *testing.T) {
	tests := []struct{ name, release, want string }{
		{"Amazon Linux", "1.36.2-20260714", "2026-07-14"},
		{"Windows", "1.36-2026.07.14", "2026-07-14"},
		{"Bottlerocket has a hash", "1.50.0-ea1b2c3d", ""},
		{"no such day", "1.36.2-20260732", ""},
		{"nothing", "", ""},
		{"no version", "-20260714", ""},
		{"a version that is no number", "1.x-20260714", ""},
		{"an image's id", "ami-0123456789", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			made, ok := nodefreshness.Made(test.release)
			if ok != (test.want != "") || ok && made.Format(time.DateOnly) != test.want {
				t.Errorf("%s, %t; want %q", made, ok, test.want)
			}
		})
	}
}
