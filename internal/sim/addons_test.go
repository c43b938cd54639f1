package sim_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/internal/sim"
)

func TestAddonsAreThoseOfTheFile(t *testing.T) {
	c := small(t).eks("eu-west-1")
	var names []string
	p := eks.NewListAddonsPaginator(c, &eks.ListAddonsInput{ClusterName: aws.String("payments"), MaxResults: aws.Int32(1)})
	for p.HasMorePages() {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, page.Addons...)
	}
	if !slices.Equal(names, []string{"coredns", "vpc-cni"}) {
		t.Errorf("addons are %v", names)
	}
	describe := func(name string) *types.Addon {
		out, err := c.DescribeAddon(t.Context(), &eks.DescribeAddonInput{ClusterName: aws.String("payments"), AddonName: &name})
		if err != nil {
			t.Fatal(err)
		}
		return out.Addon
	}
	if a := describe("vpc-cni"); a.Status != types.AddonStatusActive || *a.AddonVersion != "v1.19.6-eksbuild.7" || len(a.Health.Issues) != 0 {
		t.Errorf("vpc-cni is %+v", a)
	}
	if a := describe("coredns"); a.Status != types.AddonStatusDegraded || a.Health.Issues[0].Code != types.AddonIssueCodeInsufficientNumberOfReplicas {
		t.Errorf("coredns is %+v", a)
	}
}

func TestAddonsOfWhatIsNotThereAreRefused(t *testing.T) {
	c := small(t).eks("eu-west-1")
	list := func(cluster string) error {
		_, err := c.ListAddons(t.Context(), &eks.ListAddonsInput{ClusterName: &cluster})
		return err
	}
	wantCode(t, list("nobody"), "ResourceNotFoundException")
	wantCode(t, list("on-premises"), "InvalidRequestException")
	wantCode(t, list("factory"), "InvalidRequestException")
	if err := list("silent"); err != nil {
		t.Errorf("a cluster without add-ons: %v", err)
	}
	_, err := c.DescribeAddon(t.Context(), &eks.DescribeAddonInput{ClusterName: aws.String("payments"), AddonName: aws.String("kube-proxy")})
	wantCode(t, err, "ResourceNotFoundException")
}

func TestAddonsGoWithTheirCluster(t *testing.T) {
	r := small(t)
	r.Remove(id("payments"))
	if err := r.Add(home, "eu-west-1", sim.Cluster{Name: "payments", Version: "1.36"}); err != nil {
		t.Fatal(err)
	}
	addons, err := r.eks("eu-west-1").ListAddons(t.Context(), &eks.ListAddonsInput{ClusterName: aws.String("payments")})
	if err != nil || len(addons.Addons) != 0 {
		t.Errorf("a new cluster of the name has %v, %v", addons.Addons, err)
	}
	insights, err := r.eks("eu-west-1").ListInsights(t.Context(), &eks.ListInsightsInput{ClusterName: aws.String("payments")})
	if err != nil || len(insights.Insights) != 0 {
		t.Errorf("a new cluster of the name has %v, %v", insights.Insights, err)
	}
}

// releases are what DescribeAddonVersions says, as addon/version=minors, with a
// star at those that it is the default of.
func releases(t *testing.T, c *eks.Client, in eks.DescribeAddonVersionsInput) []string {
	t.Helper()
	var all []string
	p := eks.NewDescribeAddonVersionsPaginator(c, &in)
	for p.HasMorePages() {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.Addons {
			for _, v := range a.AddonVersions {
				var minors []string
				for _, m := range v.Compatibilities {
					name := *m.ClusterVersion
					if m.DefaultVersion {
						name += "*"
					}
					minors = append(minors, name)
				}
				all = append(all, *a.AddonName+"/"+*v.AddonVersion+"="+strings.Join(minors, ","))
			}
		}
	}
	return all
}

func TestEveryMinorHasReleasesAndOneDefaultOfEachAddon(t *testing.T) {
	c := small(t).eks("eu-west-1")
	addons := []string{"aws-ebs-csi-driver", "coredns", "eks-pod-identity-agent", "kube-proxy", "vpc-cni"}
	for _, v := range sim.Calendar() {
		for _, size := range []*int32{nil, aws.Int32(2)} {
			all := releases(t, c, eks.DescribeAddonVersionsInput{KubernetesVersion: &v.Version, MaxResults: size})
			for _, addon := range addons {
				var offered, standard int
				for _, r := range all {
					if strings.HasPrefix(r, addon+"/") {
						offered++
						if strings.HasSuffix(r, "="+v.Version+"*") {
							standard++
						}
					}
				}
				if offered < 2 || offered > 3 || standard != 1 {
					t.Errorf("%s for %s: %d releases, %d of them default: want 2 or 3, and 1", addon, v.Version, offered, standard)
				}
			}
		}
	}
}

func TestAddonReleasesAreFiltered(t *testing.T) {
	f := crowd(0)
	f.AddonReleases = []sim.AddonRelease{
		{Addon: "vpc-cni", Version: "v2", Kubernetes: []string{"1.35", "1.36"}, DefaultFor: []string{"1.36"}},
		{Addon: "vpc-cni", Version: "v1", Kubernetes: []string{"1.34", "1.35"}, DefaultFor: []string{"1.34", "1.35"}},
		{Addon: "aws-ebs-csi-driver", Version: "v3", Kubernetes: []string{"1.34"}},
	}
	c := start(t, f).eks("eu-west-1")
	for _, row := range []struct {
		name string
		in   eks.DescribeAddonVersionsInput
		want string
	}{
		{"everything, by add-on", eks.DescribeAddonVersionsInput{}, "aws-ebs-csi-driver/v3=1.34 vpc-cni/v2=1.35,1.36* vpc-cni/v1=1.34*,1.35*"},
		{"of one minor, which alone is told of", eks.DescribeAddonVersionsInput{KubernetesVersion: aws.String("1.35")}, "vpc-cni/v2=1.35 vpc-cni/v1=1.35*"},
		{"of one add-on", eks.DescribeAddonVersionsInput{AddonName: aws.String("vpc-cni"), KubernetesVersion: aws.String("1.34")}, "vpc-cni/v1=1.34*"},
		{"of one type", eks.DescribeAddonVersionsInput{Types: []string{"storage"}}, "aws-ebs-csi-driver/v3=1.34"},
		{"of somebody else", eks.DescribeAddonVersionsInput{Owners: []string{"aws-marketplace"}}, ""},
		{"of a minor that nobody knows", eks.DescribeAddonVersionsInput{KubernetesVersion: aws.String("1.99")}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := strings.Join(releases(t, c, row.in), " "); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
}

func TestInsightsAreFilteredAndPaged(t *testing.T) {
	c := small(t).eks("eu-west-1")
	for _, row := range []struct {
		name   string
		filter *types.InsightsFilter
		want   []string
	}{
		{"all of them", nil, []string{"Deprecated APIs removed in Kubernetes v1.35", "EKS add-on version compatibility", "Rollback readiness"}},
		{"by status", &types.InsightsFilter{Statuses: []types.InsightStatusValue{"ERROR", "PASSING"}}, []string{"Deprecated APIs removed in Kubernetes v1.35", "Rollback readiness"}},
		{"by category", &types.InsightsFilter{Categories: []types.Category{types.CategoryRollbackReadiness}}, []string{"Rollback readiness"}},
		{"by version", &types.InsightsFilter{KubernetesVersions: []string{"1.36"}}, []string{"EKS add-on version compatibility"}},
		{"by all of it", &types.InsightsFilter{KubernetesVersions: []string{"1.36"}, Statuses: []types.InsightStatusValue{"ERROR"}}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got []string
			p := eks.NewListInsightsPaginator(c, &eks.ListInsightsInput{ClusterName: aws.String("payments"), Filter: row.filter, MaxResults: aws.Int32(1)})
			for p.HasMorePages() {
				page, err := p.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, i := range page.Insights {
					got = append(got, *i.Name)
				}
			}
			slices.Sort(got) // they come by id
			if !slices.Equal(got, row.want) {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
	_, err := c.ListInsights(t.Context(), &eks.ListInsightsInput{ClusterName: aws.String("payments"), MaxResults: aws.Int32(101)})
	wantCode(t, err, "InvalidParameterException")
	_, err = c.ListInsights(t.Context(), &eks.ListInsightsInput{ClusterName: aws.String("nobody")})
	wantCode(t, err, "ResourceNotFoundException")
}

func TestAnInsightNamesWhoCallsADeprecatedAPI(t *testing.T) {
	c := small(t).eks("eu-west-1")
	byName := map[string]*types.Insight{}
	listed, err := c.ListInsights(t.Context(), &eks.ListInsightsInput{ClusterName: aws.String("payments")})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range listed.Insights {
		out, err := c.DescribeInsight(t.Context(), &eks.DescribeInsightInput{ClusterName: aws.String("payments"), Id: i.Id})
		if err != nil {
			t.Fatal(err)
		}
		byName[*i.Name] = out.Insight
	}
	in := byName["Deprecated APIs removed in Kubernetes v1.35"]
	d := in.CategorySpecificSummary.DeprecationDetails[0]
	if *d.StopServingVersion != "1.35" || !strings.HasSuffix(*d.ReplacedWith, "/v1/flowschemas") || !in.LastRefreshTime.Equal(noon.Add(-6*time.Hour)) {
		t.Errorf("insight is %+v, deprecation %+v", in, d)
	}
	live, old := d.ClientStats[0], d.ClientStats[1]
	if *live.UserAgent != "old-controller" || live.NumberOfRequestsLast30Days != 1200 || !live.LastRequestTime.Equal(noon.Add(-30*time.Minute)) {
		t.Errorf("the first client is %+v", live)
	}
	if old.LastRequestTime != nil {
		t.Errorf("a client without a last request has one at %s", old.LastRequestTime)
	}
	compat := byName["EKS add-on version compatibility"].CategorySpecificSummary.AddonCompatibilityDetails[0]
	if *compat.Name != "vpc-cni" || len(compat.CompatibleVersions) != 2 {
		t.Errorf("compatibility is %+v", compat)
	}
	_, err = c.DescribeInsight(t.Context(), &eks.DescribeInsightInput{ClusterName: aws.String("payments"), Id: aws.String("00000000-0000-4000-8000-000000000000")})
	wantCode(t, err, "ResourceNotFoundException")
}

func TestFault_04_InsightTokensRepeat(t *testing.T) {
	r := small(t)
	r.Faults().Script(edgeLoop("ListInsights"))
	c := r.eks("eu-west-1")
	in := &eks.ListInsightsInput{ClusterName: aws.String("payments"), MaxResults: aws.Int32(1)}
	for i := range 4 {
		out, err := c.ListInsights(t.Context(), in)
		if err != nil || out.NextToken == nil || (i > 0 && *out.NextToken != *in.NextToken) {
			t.Fatalf("call %d ends or moves on: %v", i+1, err)
		}
		in.NextToken = out.NextToken
	}
}

func TestDescribeClusterTellsItsNetworkHealthAndAutoMode(t *testing.T) {
	c := small(t).eks("eu-west-1")
	describe := func(name string) *types.Cluster {
		out, err := c.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: &name})
		if err != nil {
			t.Fatal(err)
		}
		return out.Cluster
	}
	p := describe("payments")
	if !slices.Equal(p.ResourcesVpcConfig.SubnetIds, []string{"subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"}) || *p.ResourcesVpcConfig.VpcId != "vpc-0aaaaaaaaaaaaaaaa" {
		t.Errorf("network of payments is %+v", p.ResourcesVpcConfig)
	}
	if p.Health.Issues[0].Code != types.ClusterIssueCodeKmsKeyDisabled || p.ComputeConfig != nil {
		t.Errorf("payments is %+v", p)
	}
	big := describe("big")
	if !*big.ComputeConfig.Enabled || !*big.StorageConfig.BlockStorage.Enabled || !*big.KubernetesNetworkConfig.ElasticLoadBalancing.Enabled || len(big.Health.Issues) != 0 {
		t.Errorf("big is %+v", big)
	}
}
