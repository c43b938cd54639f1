package checks_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
)

// withImages is a healthy cluster for which AWS has released new images three
// weeks ago.
func withImages() fleet.Snapshot {
	s := healthy(noon)
	release := func(kind, version, name string) fleet.AMIRelease {
		return fleet.AMIRelease{AMIType: kind, Version: version, Release: name, Published: date(2026, 11, 1)}
	}
	s.Images.Value = []fleet.AMIRelease{
		release("AL2023_x86_64_STANDARD", "1.36", "1.36.2-20261101"), release("AL2023_x86_64_STANDARD", "1.35", "1.35.6-20261101"),
		release("BOTTLEROCKET_ARM_64", "1.36", "1.50.0-ea1b2c3d"),
	}
	s.TemplateHeads.Value = []fleet.TemplateHead{{ID: "lt-1", Default: 4, Latest: 6}}
	return s
}

// of is a nodegroup of Amazon Linux 2023 that may be written to.
func of(name, version, release string) fleet.Nodegroup {
	return fleet.Nodegroup{
		Name: name, Status: "ACTIVE", Version: version, Release: release, AMIType: "AL2023_x86_64_STANDARD", Nodes: 3,
		Tags: map[string]string{nodefreshness.OptIn: nodefreshness.Allowed},
	}
}

var (
	fresh   = of("general", "1.36", "1.36.2-20261101")
	recent  = of("recent", "1.36", "1.36.2-20261010")
	lapsed  = of("lapsed", "1.36", "1.36.2-20260714")
	lagging = of("batch", "1.35", "1.35.4-20260801")
	own     = fleet.Nodegroup{Name: "gpu", Version: "1.36", AMIType: fleet.CustomAMI, Release: "ami-0123456789abcdef0"}
)

func with(g fleet.Nodegroup, change func(*fleet.Nodegroup)) fleet.Nodegroup {
	change(&g)
	return g
}

func TestNodeFreshness(t *testing.T) {
	groups := func(all ...fleet.Nodegroup) func(*fleet.Snapshot) {
		return func(s *fleet.Snapshot) { s.Nodegroups.Value = all }
	}
	many := make([]fleet.Nodegroup, 30)
	for i := range many {
		many[i] = with(recent, func(g *fleet.Nodegroup) { g.Name, g.Tags = fmt.Sprintf("group-%02d", i), nil })
	}
	behindTemplate := with(fresh, func(g *fleet.Nodegroup) { g.Name, g.Template = "web", fleet.TemplateVersion{ID: "lt-1", Version: "3"} })
	tests := []struct {
		name   string
		change func(*fleet.Snapshot)
		want   string // outcome, severity and cause
	}{
		{"nothing newer", groups(fresh), "pass info "},
		{"an own image is left to its owner", groups(fresh, own), "pass info "},
		{"a release that came lately is worth knowing", groups(fresh, recent), "fail info release"},
		{"one of sixty days is no routine any more", groups(lapsed), "fail warning release"},
		{"so is a version behind the control plane", groups(lagging), "fail warning version"},
		{"so are nodes older than they may be", func(s *fleet.Snapshot) {
			groups(recent)(s)
			s.Nodes.Value = []fleet.Node{
				{Name: "a", Origin: fleet.Managed, Pool: "recent", CreatedAt: date(2026, 10, 1)},
				{Name: "b", Origin: fleet.Managed, Pool: "recent", CreatedAt: date(2026, 11, 1)},
				{Name: "c", Origin: fleet.Karpenter, Pool: "recent", CreatedAt: date(2026, 1, 1)},
			}
		}, "fail warning age,release"},
		{"nodes of others are not its own", func(s *fleet.Snapshot) {
			groups(recent)(s)
			s.Nodes.Value = []fleet.Node{{Name: "c", Origin: fleet.Karpenter, Pool: "recent", CreatedAt: date(2026, 1, 1)}}
		}, "fail info release"},
		{"a launch template that has moved on", groups(behindTemplate), "fail info template"},
		{"several groups, the worst first", groups(fresh, recent, behindTemplate, lagging), "fail warning release,template,version"},
		{"Bottlerocket says the version by itself", groups(with(lagging, func(g *fleet.Nodegroup) { g.AMIType, g.Release = "BOTTLEROCKET_ARM_64", "1.49.0-ea1b2c3d" })), "fail warning version"},
		{"without the tag", groups(with(lagging, func(g *fleet.Nodegroup) { g.Tags = nil }), with(recent, func(g *fleet.Nodegroup) { g.Tags = nil })), "fail warning release,version"},
		{"a pin is told and held", groups(with(recent, func(g *fleet.Nodegroup) { g.Tags = map[string]string{nodefreshness.PinRelease: "current"} })), "fail info release"},
		{"FAULT 16 an own image behind the control plane", groups(with(own, func(g *fleet.Nodegroup) { g.Version = "1.35" })), "fail warning version"},
		{"Amazon Linux 2 needs a new group", groups(with(lagging, func(g *fleet.Nodegroup) { g.AMIType, g.Version, g.Release = "AL2_x86_64", "1.32", "1.32.9-20251112" })), "fail warning version"},
		{"more groups than a message holds", groups(many...), "fail info release"},
		{"no nodegroups", groups(), "not-applicable info "},
		{"Auto Mode alone", func(s *fleet.Snapshot) {
			groups()(s)
			s.Cluster.Value.AutoMode = true
		}, "not-applicable info "},
		{"Auto Mode beside nodegroups", func(s *fleet.Snapshot) {
			groups(fresh)(s)
			s.Cluster.Value.AutoMode = true
		}, "pass info "},
		{"releases could not be read", func(s *fleet.Snapshot) { s.Images = refused[[]fleet.AMIRelease]("ssm:GetParameter") }, "unknown warning unread"},
		{"launch templates could not be read", func(s *fleet.Snapshot) {
			groups(fresh, behindTemplate)(s)
			s.TemplateHeads = refused[[]fleet.TemplateHead]("ec2:DescribeLaunchTemplates")
		}, "unknown warning unread"},
		{"nodegroups could not be read", func(s *fleet.Snapshot) { s.Nodegroups = refused[[]fleet.Nodegroup]("eks:ListNodegroups") }, "unknown warning unread"},
		{"what was read of them counts", func(s *fleet.Snapshot) {
			s.Nodegroups = refused[[]fleet.Nodegroup]("eks:DescribeNodegroup")
			groups(lagging)(s)
		}, "fail warning version"},
		{"what was read of them and is well does not make the rest well", func(s *fleet.Snapshot) {
			s.Nodegroups = refused[[]fleet.Nodegroup]("eks:DescribeNodegroup")
			groups(fresh)(s)
		}, "unknown warning unread"},
		{"an old group beside one that is not known", groups(lagging, with(fresh, func(g *fleet.Nodegroup) { g.AMIType = "MOONOS" })), "fail warning version"},
		{"FAULT 09 a type of AMI that is not known", groups(with(fresh, func(g *fleet.Nodegroup) { g.AMIType = "MOONOS" })), "unknown warning unread"},
		{"FAULT 10 a nodegroup without anything", groups(fleet.Nodegroup{Name: "bare"}), "unknown warning unread"},
		{"FAULT 19 a group ahead is not sent back", groups(with(fresh, func(g *fleet.Nodegroup) { g.Version, g.Release = "1.37", "1.37.0-20261110" })), "pass info "},
	}
	rules := defaults
	rules.NodeFreshness = nodefreshness.Rules{MinReleaseAge: 72 * time.Hour, MaxNodeAge: 30 * 24 * time.Hour, Template: nodefreshness.FollowDefault}
	var all strings.Builder
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := withImages()
			test.change(&s)
			found := judge("node-freshness", s, rules, noon)
			if len(found) != 1 || found[0].Resource != "" {
				t.Fatalf("%d findings, want one of the cluster:\n%s", len(found), render(found))
			}
			if f := found[0]; fmt.Sprintf("%s %s %s", f.Outcome, f.Severity, f.Cause) != test.want {
				t.Errorf("%s %s %s, want %s", f.Outcome, f.Severity, f.Cause, test.want)
			}
			fmt.Fprintf(&all, "== %s\n%s\n", test.name, render(found))
		})
	}
	golden(t, "node-freshness.txt", all.String())
}

// TestANewReleaseOfAWSIsNoNews holds that the fleet is not told again with every
// number that changes.
func TestANewReleaseOfAWSIsNoNews(t *testing.T) {
	s := withImages()
	s.Nodegroups.Value = []fleet.Nodegroup{fresh, recent}
	before := judge("node-freshness", s, defaults, noon)[0]
	s = withImages()
	s.Images.Value[0].Release, s.Nodegroups.Value = "1.36.2-20261115", []fleet.Nodegroup{fresh, recent, with(recent, func(g *fleet.Nodegroup) { g.Name = "other" })}
	after := judge("node-freshness", s, defaults, noon)[0]
	if before.Outcome != after.Outcome || before.Severity != after.Severity || before.Cause != after.Cause {
		t.Errorf("%s %s %s became %s %s %s", before.Outcome, before.Severity, before.Cause, after.Outcome, after.Severity, after.Cause)
	}
}

// TestTheFindingOfManyGroupsStaysShort holds the number of facts.
func TestTheFindingOfManyGroupsStaysShort(t *testing.T) {
	s := withImages()
	s.Nodegroups.Value = nil
	for i := range 500 {
		s.Nodegroups.Value = append(s.Nodegroups.Value, with(recent, func(g *fleet.Nodegroup) { g.Name = fmt.Sprint("group-", i) }))
	}
	f := judge("node-freshness", s, defaults, noon)[0]
	more := fleet.Fact{Label: "And", Value: "480 more"}
	if len(f.Facts) > 22 || !slices.Contains(f.Facts, more) {
		t.Errorf("%d facts, the last %+v", len(f.Facts), f.Facts[len(f.Facts)-1])
	}
}
