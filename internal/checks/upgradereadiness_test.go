package checks_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// A situation is a healthy cluster in which something was changed, and what a
// check has to say of it: outcome, severity, cause and resource of each finding.
type situation struct {
	name   string
	change func(*fleet.Snapshot)
	rules  checks.SecretsEncryption
	want   []string
}

// run holds a check to situations, and its words to a golden file.
func run(t *testing.T, check string, situations []situation) {
	t.Helper()
	var page strings.Builder
	for _, c := range situations {
		s := healthy(noon)
		c.change(&s)
		rules := defaults
		if c.rules.Require != "" {
			rules.SecretsEncryption = c.rules
		}
		found := judge(check, s, rules, noon)
		fmt.Fprintf(&page, "== %s\n%s\n", c.name, render(found))
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, f := range found {
				got = append(got, strings.TrimRight(fmt.Sprintf("%s %s %s %s", f.Outcome, f.Severity, f.Cause, f.Resource), " "))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
	golden(t, check+".txt", page.String())
}

// at puts a cluster on another version, with everything that goes with it.
func at(s *fleet.Snapshot, version string) {
	s.Cluster.Value.Version = version
	s.Nodegroups.Value[0].Version = version
	s.Nodes.Value[0].Kubelet = "v" + version + ".2-eks-1a2b3c"
	proxy := func(minor int) string { return fmt.Sprintf("v1.%d.0-eksbuild.2", minor) }
	v, _ := fleet.ParseVersion(version)
	s.Addons.Value[2].Version, s.Releases.Value[2].Version = proxy(v.Minor), proxy(v.Minor)
	s.NextReleases.Value[2].Version, s.NextReleases.Value[3].Version = proxy(v.Minor+1), proxy(v.Minor)
}

func red(deprecations ...fleet.Deprecation) fleet.Insight {
	return fleet.Insight{
		ID: "i-1", Name: "Deprecated APIs removed in Kubernetes v1.37", Category: "UPGRADE_READINESS", Status: "ERROR", For: "1.37",
		Reason: "Deprecated API usage detected within last 30 days", Recommendation: "Update the manifests and API clients", Deprecations: deprecations,
	}
}

func usedBy(clients ...fleet.Client) fleet.Deprecation {
	return fleet.Deprecation{
		Usage: "/apis/flowcontrol.apiserver.k8s.io/v1beta3/flowschemas", ReplacedWith: "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas",
		StopServing: "1.37", Clients: clients,
	}
}

var (
	lively = fleet.Client{UserAgent: "kube-state-metrics/v2.3.0", Requests: 1204, Last: noon.Add(-2 * time.Hour)}
	silent = fleet.Client{UserAgent: "helm/v3.9.0", Requests: 3, Last: noon.AddDate(0, 0, -12)}
)

func TestUpgradeReadiness(t *testing.T) {
	const ready = "pass info"
	run(t, "upgrade-readiness", []situation{
		{name: "a healthy cluster is ready", change: func(*fleet.Snapshot) {}, want: []string{ready}},
		{name: "the newest version has nowhere to go", change: func(s *fleet.Snapshot) { at(s, "1.37") }, want: []string{ready}},
		{
			name: "an upgrade of yesterday can be taken back", want: []string{ready},
			change: func(s *fleet.Snapshot) {
				s.Update = fleet.Read(fleet.Update{ID: "u-1", Type: "VersionUpdate", Status: "Successful", Version: "1.36", CreatedAt: noon.AddDate(0, 0, -1)}, nil, noon)
				s.Insights.Value = append(s.Insights.Value, fleet.Insight{ID: "i-2", Name: "Kubelet version skew", Category: "ROLLBACK_READINESS", Status: "ERROR", Reason: "Nodes run 1.36"})
			},
		},
		{
			name: "an upgrade of eight days ago cannot", want: []string{ready},
			change: func(s *fleet.Snapshot) {
				s.Update = fleet.Read(fleet.Update{ID: "u-1", Type: "VersionUpdate", Status: "Successful", Version: "1.36", CreatedAt: noon.AddDate(0, 0, -8)}, nil, noon)
			},
		},
		{
			name: "an upgrade to another version than the cluster's is past", want: []string{ready},
			change: func(s *fleet.Snapshot) {
				s.Update = fleet.Read(fleet.Update{ID: "u-1", Type: "VersionUpdate", Status: "Successful", Version: "1.35", CreatedAt: noon.AddDate(0, 0, -1)}, nil, noon)
			},
		},
		{
			name: "a platform version that EKS should have renewed warns", want: []string{"fail info platform-version"},
			change: func(s *fleet.Snapshot) { s.Versions.Value[1].Platform = "eks.9" },
		},
		{
			name: "one that is a few behind does not", want: []string{"pass info"},
			change: func(s *fleet.Snapshot) { s.Versions.Value[1].Platform = "eks.8" },
		},
		{
			name: "FAULT 10 one that is not said neither", want: []string{"pass info"},
			change: func(s *fleet.Snapshot) {
				s.Versions.Value[1].Platform = "eks.9"
				s.Cluster.Value.PlatformVersion = ""
			},
		},
		{
			name: "FAULT 12 a version that EKS does not list, above all that it does", want: []string{"unknown info unread"},
			change: func(s *fleet.Snapshot) { s.Cluster.Value.Version = "1.99" },
		},
		{
			name: "a deprecated API of which EKS names no client counts as live", want: []string{"fail info deprecated-api"},
			change: func(s *fleet.Snapshot) { s.Insights.Value[0] = red(usedBy()) },
		},
		{
			name: "a deprecated API in use that goes next blocks", want: []string{"fail info deprecated-api"},
			change: func(s *fleet.Snapshot) { s.Insights.Value[0] = red(usedBy(lively, silent)) },
		},
		{
			name: "a use without a date counts as live", want: []string{"fail info deprecated-api"},
			change: func(s *fleet.Snapshot) { s.Insights.Value[0] = red(usedBy(fleet.Client{})) },
		},
		{
			name: "a use that ended and is still counted warns", want: []string{"fail info deprecated-api-quiet"},
			change: func(s *fleet.Snapshot) { s.Insights.Value[0] = red(usedBy(silent)) },
		},
		{
			name: "a warning about a later version warns", want: []string{"fail info deprecated-api-later"},
			change: func(s *fleet.Snapshot) {
				s.Insights.Value[0] = red(usedBy(lively))
				s.Insights.Value[0].Status, s.Insights.Value[0].Deprecations[0].StopServing = "WARNING", "1.38"
			},
		},
		{
			name: "a warning about an API that goes next blocks", want: []string{"fail info deprecated-api"},
			change: func(s *fleet.Snapshot) {
				s.Insights.Value[0] = red(usedBy(lively))
				s.Insights.Value[0].Status = "WARNING"
			},
		},
		{
			name: "another red insight blocks, another yellow one warns", want: []string{"fail info insight-error,insight-warning"},
			change: func(s *fleet.Snapshot) {
				s.Insights.Value = []fleet.Insight{
					{ID: "i-3", Name: "Amazon Linux 2 compatibility", Category: "UPGRADE_READINESS", Status: "WARNING"},
					{
						ID: "i-2", Name: "EKS add-on version compatibility", Category: "UPGRADE_READINESS", Status: "ERROR", Recommendation: "Update the add-ons.",
						Addons: []fleet.AddonCompatibility{{Name: "vpc-cni", Compatible: []string{"v1.22.0-eksbuild.1"}}},
					},
				}
			},
		},
		{
			name: "insights about other things are not in the way", want: []string{ready},
			change: func(s *fleet.Snapshot) {
				s.Insights.Value = append(s.Insights.Value, fleet.Insight{Name: "Hybrid nodes", Category: "MISCONFIGURATION", Status: "ERROR"})
			},
		},
		{
			name: "FAULT 09 an insight in a new state is said and not acted upon", want: []string{ready},
			change: func(s *fleet.Snapshot) { s.Insights.Value[0].Status = "MAYBE" },
		},
		{
			name: "an API seen at /metrics that goes next blocks, one that goes later warns", want: []string{"fail info deprecated-api,deprecated-api-later"},
			change: func(s *fleet.Snapshot) {
				s.Deprecations.Value = []fleet.DeprecatedAPI{
					{Group: "flowcontrol.apiserver.k8s.io", Version: "v1beta3", Resource: "flowschemas", RemovedIn: "1.37"},
					{Version: "v1", Resource: "componentstatuses"},
					{Group: "storage.k8s.io", Version: "v1beta1", Resource: "csinodes", Subresource: "status", RemovedIn: "1.40"},
				}
			},
		},
		{
			name: "FAULT 42 a private API server leaves facts unknown and raises no alarm", want: []string{ready},
			change: func(s *fleet.Snapshot) {
				private := &fleet.Trouble{Kind: fleet.Private, Action: "GET /metrics", Err: fmt.Errorf("the API server has no public endpoint")}
				s.Nodes = fleet.Read[[]fleet.Node](nil, private, noon)
				s.KubeProxy = fleet.Read(fleet.KubeProxy{}, private, noon)
				s.Deprecations = fleet.Read[[]fleet.DeprecatedAPI](nil, private, noon)
				s.Backups = fleet.Read[[]fleet.Backup](nil, private, noon)
			},
		},
		{
			name: "an unhealthy cluster and an unhealthy add-on block", want: []string{"fail info add-on-health,cluster-health"},
			change: func(s *fleet.Snapshot) {
				s.Cluster.Value.Health = []fleet.Issue{{Code: "Ec2SubnetNotFound", Message: "The subnet is gone.", Resources: []string{"subnet-a"}}}
				s.Addons.Value[1].Status = "DEGRADED"
			},
		},
		{
			name: "a failed cluster and two add-ons block, each kind said once", want: []string{"fail info add-on-health,cluster-health"},
			change: func(s *fleet.Snapshot) {
				s.Cluster.Value.Status, s.Addons.Value[0].Status, s.Addons.Value[1].Status = "FAILED", "DEGRADED", "DEGRADED"
			},
		},
		{
			name: "an add-on that does not run with the next version blocks", want: []string{"fail info add-on-incompatible"},
			change: func(s *fleet.Snapshot) {
				s.Addons.Value[0].Version = "v1.18.0-eksbuild.1"
				s.Releases.Value = append(s.Releases.Value, fleet.AddonRelease{Name: "vpc-cni", Version: "v1.18.0-eksbuild.1"})
			},
		},
		{
			name: "an add-on with no version for both is updated after", want: []string{"fail info add-on-follows"},
			change: func(s *fleet.Snapshot) { s.NextReleases.Value[0].Version = "v1.22.0-eksbuild.1" },
		},
		{
			name: "FAULT 05 an add-on whose versions for today could not be read", want: []string{"fail info add-on-incompatible"},
			change: func(s *fleet.Snapshot) {
				s.NextReleases.Value[0].Version = "v1.22.0-eksbuild.1"
				s.Releases = refused[[]fleet.AddonRelease]("eks:DescribeAddonVersions")
			},
		},
		{
			name: "kube-proxy may follow after the upgrade", want: []string{ready},
			change: func(s *fleet.Snapshot) {
				s.NextReleases.Value = slices.Delete(s.NextReleases.Value, 3, 4)
				s.Addons.Value[2].Version = "v1.34.9-eksbuild.1"
			},
		},
		{
			name: "kube-proxy may not be four versions behind", want: []string{"fail info add-on-incompatible"},
			change: func(s *fleet.Snapshot) { s.Addons.Value[2].Version = "v1.33.9-eksbuild.1" },
		},
		{
			name: "an add-on that EKS does not offer yet blocks", want: []string{"fail info add-on-incompatible"},
			change: func(s *fleet.Snapshot) { s.NextReleases.Value = slices.Delete(s.NextReleases.Value, 0, 1) },
		},
		{
			name: "FAULT 05 releases that could not be read accuse no add-on", want: []string{"unknown warning unread"},
			change: func(s *fleet.Snapshot) { s.NextReleases = refused[[]fleet.AddonRelease]("eks:DescribeAddonVersions") },
		},
		{
			name: "four free addresses in all block", want: []string{"fail info addresses"},
			change: func(s *fleet.Snapshot) { s.Subnets.Value[0].Free, s.Subnets.Value[1].Free = 3, 1 },
		},
		{
			name: "five free addresses in two subnets warn", want: []string{"fail info addresses-in-a-subnet"},
			change: func(s *fleet.Snapshot) { s.Subnets.Value[0].Free, s.Subnets.Value[1].Free = 3, 2 },
		},
		{
			name: "one subnet without room warns", want: []string{"fail info addresses-in-a-subnet"},
			change: func(s *fleet.Snapshot) { s.Subnets.Value[0].Free = 4 },
		},
		{
			name: "subnets read in part may have more room", want: []string{"fail info addresses-in-a-subnet"},
			change: func(s *fleet.Snapshot) {
				s.Subnets = fleet.Read([]fleet.Subnet{{ID: "subnet-a", Free: 2}}, &fleet.Trouble{Kind: fleet.Throttled, Action: "ec2:DescribeSubnets", Err: fmt.Errorf("slow down")}, noon)
			},
		},
		{
			name: "nodes at the limit block", want: []string{"fail info nodes-too-old"},
			change: func(s *fleet.Snapshot) {
				s.Nodegroups.Value[0].Version, s.Nodes.Value[0].Kubelet = "1.33", "v1.33.5-eks-1a2b3c"
				s.Nodes.Value = append(s.Nodes.Value, fleet.Node{Name: "fargate-1", Kubelet: "v1.32.1-eks-1", Origin: fleet.Fargate, Pool: "batch"}, fleet.Node{Name: "own", Kubelet: "1.31+", Origin: fleet.SelfManaged})
			},
		},
		{
			name: "nodes as old as the next version allows are fine", want: []string{ready},
			change: func(s *fleet.Snapshot) {
				s.Nodegroups.Value[0].Version, s.Nodes.Value[0].Kubelet = "1.34", "v1.34.5-eks-1a2b3c"
			},
		},
		{
			name: "FAULT 11 nodes whose version cannot be read are not too old", want: []string{ready},
			change: func(s *fleet.Snapshot) { s.Nodegroups.Value[0].Version, s.Nodes.Value[0].Kubelet = "", "unknown" },
		},
		{
			name: "Amazon Linux 2 warns up to its last version", want: []string{"fail warning amazon-linux-2"},
			change: func(s *fleet.Snapshot) { at(s, "1.31"); s.Nodegroups.Value[0].AMIType = "AL2_x86_64" },
		},
		{
			name: "Amazon Linux 2 blocks beyond it, of which the extended support ends soon", want: []string{"fail critical amazon-linux-2"},
			change: func(s *fleet.Snapshot) {
				at(s, "1.32")
				s.Nodes.Value[0] = fleet.Node{Kubelet: "v1.32.9", Origin: fleet.Karpenter, Pool: "default", OSImage: "Amazon Linux 2"}
				s.Versions.Value[5].EndOfExtended = noon.AddDate(0, 0, 20)
			},
		},
		{
			name: "the end of standard support is near for who chose it", want: []string{"fail critical addresses"},
			change: func(s *fleet.Snapshot) {
				at(s, "1.34")
				s.Cluster.Value.SupportType = "STANDARD"
				s.Subnets.Value = []fleet.Subnet{{ID: "subnet-a"}}
			},
		},
		{
			name: "from an extended version the way leads to one on standard support", want: []string{"fail warning no-backup"},
			change: func(s *fleet.Snapshot) { at(s, "1.31"); s.Backups.Value = nil },
		},
		{
			name: "ipvs warns from 1.35", want: []string{"fail info ipvs"},
			change: func(s *fleet.Snapshot) { s.KubeProxy.Value.Mode = "ipvs" },
		},
		{
			name: "ipvs is fine before", want: []string{ready},
			change: func(s *fleet.Snapshot) { at(s, "1.33"); s.KubeProxy.Value.Mode = "ipvs" },
		},
		{
			name: "a tool without a complete backup warns", want: []string{"fail info no-backup"},
			change: func(s *fleet.Snapshot) { s.Backups.Value[0].Last = time.Time{} },
		},
		{
			name: "unread insights leave it open, warnings or not", want: []string{"unknown warning ipvs,unread"},
			change: func(s *fleet.Snapshot) {
				s.Insights = refused[[]fleet.Insight]("eks:ListInsights")
				s.KubeProxy.Value.Mode = "ipvs"
			},
		},
		{
			name: "what blocks blocks, whatever else is unread", want: []string{"fail info addresses"},
			change: func(s *fleet.Snapshot) {
				s.Insights = refused[[]fleet.Insight]("eks:ListInsights")
				s.Subnets.Value = []fleet.Subnet{{ID: "subnet-a", Free: 0}}
			},
		},
		{
			name: "without a calendar the next version is unknown", want: []string{"unknown warning unread"},
			change: func(s *fleet.Snapshot) { s.Versions = refused[[]fleet.VersionSupport]("eks:DescribeClusterVersions") },
		},
		{
			name: "an empty calendar is no proof of being the newest", want: []string{"unknown warning unread"},
			change: func(s *fleet.Snapshot) { s.Versions.Value = nil },
		},
		{
			name: "FAULT 11 a version that cannot be read leaves all open", want: []string{"unknown warning unread"},
			change: func(s *fleet.Snapshot) { s.Cluster.Value.Version = "latest" },
		},
		{
			name: "FAULT 10 a snapshot with nothing in it is unknown", want: []string{"unknown warning unread"},
			change: func(s *fleet.Snapshot) { *s = fleet.Snapshot{ID: s.ID} },
		},
		{
			name: "FAULT 10 a cluster of which only the version is known is unknown", want: []string{"unknown warning unread"},
			change: func(s *fleet.Snapshot) {
				*s = fleet.Snapshot{ID: s.ID, Cluster: fleet.Read(fleet.Cluster{Version: "1.36", Kind: fleet.KindEKS}, nil, noon), Insights: s.Insights}
			},
		},
	})
}

func TestUpgradeReadinessSaysTheSameWhenOnlyNumbersMove(t *testing.T) {
	cause := func(free int, requests int) string {
		s := healthy(noon)
		s.Subnets.Value = []fleet.Subnet{{ID: "subnet-a", Free: free}}
		s.Insights.Value[0] = red(usedBy(fleet.Client{UserAgent: "a", Requests: requests, Last: noon}))
		return judge("upgrade-readiness", s, defaults, noon)[0].Cause
	}
	if a, b := cause(1, 10), cause(3, 2000); a != b || a != "addresses,deprecated-api" {
		t.Errorf("causes are %q and %q", a, b)
	}
}

func TestADayWithoutARequestMakesADeprecationQuiet(t *testing.T) {
	for since, want := range map[time.Duration]string{24 * time.Hour: "deprecated-api", 24*time.Hour + time.Second: "deprecated-api-quiet"} {
		s := healthy(noon)
		s.Insights.Value[0] = red(usedBy(fleet.Client{Last: noon.Add(-since)}))
		if got := judge("upgrade-readiness", s, defaults, noon)[0].Cause; got != want {
			t.Errorf("%s after the last request the cause is %q, want %q", since, got, want)
		}
	}
}

func TestAmazonLinux2IsNoTroubleBeforeItsEnd(t *testing.T) {
	end := time.Date(2025, 11, 26, 0, 0, 0, 0, time.UTC)
	for now, want := range map[time.Time]string{end.Add(-time.Second): "", end: "amazon-linux-2"} {
		s := healthy(now)
		at(&s, "1.31")
		s.Nodegroups.Value[0].AMIType = "AL2_ARM_64"
		if got := judge("upgrade-readiness", s, defaults, now)[0].Cause; got != want {
			t.Errorf("at %s the cause is %q, want %q", now, got, want)
		}
	}
}

func TestHostileClientNamesAreClipped(t *testing.T) {
	s := healthy(noon)
	s.Insights.Value[0] = red(usedBy(fleet.Client{UserAgent: strings.Repeat("ü", 40_000), Last: noon}))
	if n := len(render(judge("upgrade-readiness", s, defaults, noon))); n > 5000 {
		t.Errorf("a finding of %d bytes", n)
	}
}

func TestChecklist(t *testing.T) {
	type want = []checks.StepState
	const done, todo, unknown = checks.StepDone, checks.StepTodo, checks.StepUnknown
	var page strings.Builder
	for _, c := range []struct {
		name   string
		change func(*fleet.Snapshot)
		want   want
	}{
		{"a ready cluster has only the upgrade before it", func(*fleet.Snapshot) {}, want{done, done, done, done, todo, todo, todo}},
		{"the newest version is the end", func(s *fleet.Snapshot) { at(s, "1.37") }, want{done}},
		{"a long way", func(s *fleet.Snapshot) {
			at(s, "1.31")
			s.Addons.Value[0].Version = "v1.18.0-eksbuild.1"
			s.Backups.Value = nil
			s.Nodegroups.Value[0].Version = "1.28"
			s.Insights.Value[0] = red(usedBy(lively))
		}, want{todo, todo, todo, todo, todo, todo, todo, todo}},
		{"nothing but the cluster was read", func(s *fleet.Snapshot) {
			*s = fleet.Snapshot{ID: s.ID, Cluster: s.Cluster}
		}, want{unknown, unknown, unknown, unknown, unknown}},
		{"nothing was read", func(s *fleet.Snapshot) { *s = fleet.Snapshot{ID: s.ID} }, want{unknown}},
	} {
		s := healthy(noon)
		c.change(&s)
		fmt.Fprintf(&page, "== %s\n", c.name)
		var got want
		for _, step := range checks.Checklist(s, noon) {
			got = append(got, step.State)
			fmt.Fprintf(&page, "[%s] %s\n", step.State, step.Text)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		page.WriteString("\n")
	}
	golden(t, "checklist.txt", page.String())
}
