package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim/cloudwatch"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/eks"
	"github.com/eks-steward/eks-steward/internal/sim/sts"
)

// defaultAge is the age of clusters that do not say when they were created.
const defaultAge = 90 * 24 * time.Hour

// describe fills in what a fleet file leaves out.
func describe(in edge.Scope, c Cluster, now time.Time) eks.Cluster {
	created := c.CreatedAt
	if created.IsZero() {
		created = now.Add(-defaultAge).Truncate(time.Second)
	}
	out := eks.Cluster{
		Name: c.Name, ARN: in.ARN("eks", "cluster/"+c.Name),
		CreatedAt: eks.Time{Time: created}, Version: c.Version,
		Status: cmp.Or(c.Status, "ACTIVE"), Tags: c.Tags,
	}
	if out.Tags == nil {
		out.Tags = map[string]string{}
	}
	if c.Kind == fleet.KindConnected {
		out.Connector = &eks.Connector{
			ActivationID: "simulated", Provider: "OTHER", RoleARN: role(in, "eks-connector-agent"),
			ActivationExpiry: eks.Time{Time: created.Add(3 * 24 * time.Hour)},
		}
		return out
	}
	controlPlane(&out, in, c)
	if c.Kind == fleet.KindOutpost {
		out.ID = "00000000-0000-4000-8000-000000000000"
		out.Outpost = &eks.Outpost{OutpostARNs: []string{in.ARN("outposts", "outpost/op-00000000000000000")}, InstanceType: "m5.large"}
	}
	return out
}

// controlPlane is what only clusters have that EKS runs.
func controlPlane(out *eks.Cluster, in edge.Scope, c Cluster) {
	out.Endpoint, out.PlatformVersion = c.Endpoint, c.PlatformVersion
	out.VPC = &eks.VPC{ID: c.VPC, SubnetIDs: subnetIDs(in, c), EndpointPublicAccess: c.Endpoint != "", EndpointPrivateAccess: true}
	out.UpgradePolicy = &eks.UpgradePolicy{SupportType: cmp.Or(c.SupportType, "EXTENDED")}
	out.Health = &eks.Health{Issues: issuesOf(c.Health)}
	if c.CA != "" {
		out.Authority = &eks.Authority{Data: c.CA}
	}
	out.Complete(in, out.CreatedAt.Time)
	if c.AutoMode {
		autoMode(out, in)
	}
	if c.Tier != "" {
		out.ControlPlaneScaling = &eks.Scaling{Tier: c.Tier}
	}
	if c.KeyARN != "" {
		out.EncryptionConfig = []eks.EncryptionConfig{{Resources: []string{"secrets"}, Provider: eks.Provider{KeyARN: c.KeyARN}}}
	}
}

// groupsOf fills in what a fleet file leaves out of a cluster's nodegroups.
func groupsOf(in edge.Scope, cluster eks.Cluster, groups []Nodegroup) []eks.Nodegroup {
	out := make([]eks.Nodegroup, len(groups))
	for i, g := range groups {
		out[i] = eks.Nodegroup{
			Name: g.Name, Version: g.Version, Release: g.Release, AMIType: g.AMIType, Tags: g.Tags,
			Size: eks.Size{Max: max(1, g.Nodes, g.Most), Desired: g.Nodes}, Status: cmp.Or(g.Status, "ACTIVE"),
			InstanceTypes: g.InstanceTypes, CapacityType: g.Capacity,
			UpdateConfig:   eks.UpdateConfig{MaxUnavailable: g.Surge.Nodes, MaxUnavailablePercentage: g.Surge.Percent, Strategy: g.Surge.Strategy},
			LaunchTemplate: templateOf(g), Subnets: cluster.VPC.SubnetIDs, Health: eks.Health{Issues: issuesOf(g.Health)},
		}
		if g.Status == "" && len(g.Health) > 0 {
			out[i].Status = "DEGRADED"
		}
		out[i].Complete(in, cluster, cluster.CreatedAt.Time)
	}
	return out
}

func issuesOf(issues []Issue) []eks.Issue {
	out := make([]eks.Issue, len(issues))
	for i, issue := range issues {
		out[i] = eks.Issue{Code: issue.Code, Message: issue.Message, ResourceIDs: slices.Concat([]string{}, issue.Resources)}
	}
	return out
}

func errorsOf(issues []Issue) []eks.UpdateError {
	out := make([]eks.UpdateError, len(issues))
	for i, issue := range issues {
		out[i] = eks.UpdateError{Code: issue.Code, Message: issue.Message, ResourceIDs: slices.Concat([]string{}, issue.Resources)}
	}
	return out
}

// coursesOf puts the updates of a cluster on the calendar. The one that it got
// its version by comes first.
func coursesOf(c Cluster, origin time.Time, usual eks.Durations) []eks.Course {
	var courses []eks.Course
	if !c.UpgradedAt.IsZero() {
		courses = append(courses, eks.Course{
			Type: "VersionUpdate", Params: versionParam(c.Version),
			Began: c.UpgradedAt.Add(-usual.ControlPlane), Ends: c.UpgradedAt,
		})
	}
	for _, u := range c.Updates {
		takes := usual.ControlPlane
		if u.Nodegroup != "" {
			takes = usual.Nodegroup
		}
		if u.Takes != nil {
			takes = *u.Takes
		}
		courses = append(courses, eks.Course{
			Type: cmp.Or(u.Type, "VersionUpdate"), Nodegroup: u.Nodegroup, Params: versionParam(u.Version),
			Began: origin.Add(u.At), Ends: origin.Add(u.At + takes), Errors: errorsOf(u.Errors),
		})
	}
	return courses
}

func versionParam(version string) []eks.Param {
	if version == "" {
		return []eks.Param{}
	}
	return []eks.Param{{Type: "Version", Value: version}}
}

func durationsOf(f Fleet) eks.Durations {
	return eks.Durations{
		ControlPlane: cmp.Or(f.Durations.ControlPlane, 10*time.Minute),
		Nodegroup:    cmp.Or(f.Durations.Nodegroup, 3*time.Minute),
	}
}

func role(in edge.Scope, name string) string {
	return "arn:" + in.Partition() + ":iam::" + in.Account + ":role/" + name
}

func storageOf(e *Etcd, since, origin time.Time) cloudwatch.Storage {
	if e == nil {
		return cloudwatch.Storage{}
	}
	st := cloudwatch.Storage{Size: e.from(origin), Noise: e.Noise, Partial: e.Partial, Since: since}
	if e.InUse != nil {
		st.InUse = e.InUse.from(origin)
	}
	if e.Gap != nil {
		st.GapFrom = origin.Add(e.Gap.From)
		if e.Gap.Until != nil {
			st.GapUntil = origin.Add(*e.Gap.Until)
		}
	}
	return st
}

// from puts a curve's points on the calendar.
func (c Curve) from(origin time.Time) cloudwatch.Curve {
	const gigabyte = 1e9
	if len(c.Points) == 0 {
		return cloudwatch.Curve{{At: origin, Bytes: c.SizeGB * gigabyte}}
	}
	curve := make(cloudwatch.Curve, len(c.Points))
	for i, p := range c.Points {
		curve[i] = fleet.Point{At: origin.Add(p.At), Bytes: p.SizeGB * gigabyte}
	}
	return curve
}

func rolesOf(a Account) []sts.Role {
	roles := make([]sts.Role, len(a.Roles))
	for i, r := range a.Roles {
		roles[i] = sts.Role(r)
	}
	return roles
}

func versionsOf(f Fleet) []eks.Version {
	calendar := f.Calendar
	if len(calendar) == 0 {
		calendar = Calendar()
	}
	versions := make([]eks.Version, len(calendar))
	for i, v := range calendar {
		versions[i] = eks.Version{
			Name: v.Version, Released: v.Released, Default: v.Default, Platform: eks.PlatformVersion, Patch: v.Version + ".1",
			EndOfStandardSupport: v.EndOfStandardSupport, EndOfExtendedSupport: v.EndOfExtendedSupport,
		}
	}
	return versions
}

func tiersOf(f Fleet) []eks.Tier {
	tiers := f.Tiers
	if len(tiers) == 0 {
		tiers = Tiers()
	}
	out := make([]eks.Tier, len(tiers))
	for i, t := range tiers {
		out[i] = eks.Tier{Name: t.Name, DatabaseSizeLimit: t.DatabaseGB}
	}
	return out
}
