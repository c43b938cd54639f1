package sim_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
)

func TestListClustersLeavesConnectedOnesOutUnlessAsked(t *testing.T) {
	c := small(t).eks("eu-west-1")
	for _, row := range []struct {
		include []string
		want    []string
	}{
		{nil, []string{"big", "factory", "payments", "search", "silent"}},
		{[]string{"all"}, []string{"big", "factory", "on-premises", "payments", "search", "silent"}},
	} {
		got, _, err := list(t.Context(), c, eks.ListClustersInput{Include: row.include})
		if err != nil || !slices.Equal(got, row.want) {
			t.Errorf("include %v: got %v, %v; want %v", row.include, got, err, row.want)
		}
	}
}

func TestListClustersInARegionNobodyWroteDownIsEmpty(t *testing.T) {
	got, pages, err := list(t.Context(), small(t).eks("sa-east-1"), eks.ListClustersInput{})
	if err != nil || len(got) != 0 || pages != 1 {
		t.Errorf("got %v in %d pages, %v; want one empty page", got, pages, err)
	}
}

// crowd is a fleet of n clusters named c000, c001, ...
func crowd(n int) sim.Fleet {
	region := sim.Region{Name: "eu-west-1"}
	for i := range n {
		region.Clusters = append(region.Clusters, sim.Cluster{
			Name: fmt.Sprintf("c%03d", i), Version: "1.34",
			Etcd: &sim.Etcd{Curve: sim.Curve{SizeGB: 1}},
		})
	}
	return sim.Fleet{Home: home, Accounts: []sim.Account{{ID: home, Regions: []sim.Region{region}}}}
}

func TestListClustersPages(t *testing.T) {
	for _, row := range []struct {
		name    string
		n       int
		size    *int32
		pages   int
		perPage int
	}{
		{"a full page needs no second one", 100, nil, 1, 100},
		{"one more than a page needs a second one", 101, nil, 2, 100},
		{"the caller sets the page's size", 25, aws.Int32(10), 3, 10},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := start(t, crowd(row.n))
			got, pages, err := list(t.Context(), r.eks("eu-west-1"), eks.ListClustersInput{MaxResults: row.size})
			if err != nil || pages != row.pages {
				t.Fatalf("%d pages, %v; want %d", pages, err, row.pages)
			}
			if unique := slices.Compact(slices.Clone(got)); len(unique) != row.n {
				t.Errorf("%d different clusters, want %d", len(unique), row.n)
			}
			if calls := r.Calls().Of("ListClusters").Served; calls != row.pages {
				t.Errorf("%d calls counted, want %d", calls, row.pages)
			}
		})
	}
}

func TestAClusterRemovedBetweenPagesShiftsNothing(t *testing.T) {
	r := start(t, crowd(6))
	c := r.eks("eu-west-1")
	first, err := c.ListClusters(t.Context(), &eks.ListClustersInput{MaxResults: aws.Int32(3)})
	if err != nil {
		t.Fatal(err)
	}
	r.Remove(fleet.ClusterID{Account: home, Region: "eu-west-1", Name: "c002"}) // the one the token names
	second, err := c.ListClusters(t.Context(), &eks.ListClustersInput{NextToken: first.NextToken})
	if err != nil || !slices.Equal(second.Clusters, []string{"c003", "c004", "c005"}) {
		t.Errorf("second page is %v, %v", second, err)
	}
}

func TestListClustersRefusesBadParameters(t *testing.T) {
	c := small(t).eks("eu-west-1")
	for name, in := range map[string]eks.ListClustersInput{
		"no results":             {MaxResults: aws.Int32(0)},
		"too many results":       {MaxResults: aws.Int32(101)},
		"a token of nobody":      {NextToken: aws.String("x")},
		"an include but not all": {Include: []string{"ALL"}},
	} {
		_, err := c.ListClusters(t.Context(), &in)
		var refused *types.InvalidParameterException
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v, want InvalidParameterException", name, err)
		}
	}
}

func TestDescribeClusterTellsWhatTheFileSays(t *testing.T) {
	c := small(t).eks("eu-west-1")
	describe := func(name string) *types.Cluster {
		out, err := c.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: &name})
		if err != nil {
			t.Fatal(err)
		}
		return out.Cluster
	}
	p := describe("payments")
	if *p.Arn != "arn:aws:eks:eu-west-1:111122223333:cluster/payments" || *p.Version != "1.34" || p.Status != types.ClusterStatusActive || p.Tags["team"] != "payments" {
		t.Errorf("payments is %+v", p)
	}
	if want := time.Date(2025, 11, 3, 9, 0, 0, 0, time.UTC); !p.CreatedAt.Equal(want) {
		t.Errorf("created at %s, want %s", p.CreatedAt, want)
	}
	if p.ControlPlaneScalingConfig != nil {
		t.Errorf("a cluster without a tier sends %v", p.ControlPlaneScalingConfig)
	}
	if tier := describe("big").ControlPlaneScalingConfig.Tier; tier != types.ProvisionedControlPlaneTierTierXl {
		t.Errorf("tier of big is %q", tier)
	}
	if o := describe("on-premises"); o.ConnectorConfig == nil || o.Version != nil || o.Endpoint != nil {
		t.Errorf("a connected cluster has only a connector, got %+v", o)
	}
	if f := describe("factory"); f.OutpostConfig == nil {
		t.Errorf("a local cluster names its Outpost, got %+v", f)
	}
}

func TestDescribeClusterOfNoClusterNamesIt(t *testing.T) {
	_, err := small(t).eks("eu-west-1").DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String("nobody")})
	var gone *types.ResourceNotFoundException
	if !errors.As(err, &gone) || aws.ToString(gone.ClusterName) != "nobody" {
		t.Errorf("error is %#v, want ResourceNotFoundException of cluster nobody", err)
	}
}

func TestDescribeClusterVersionsFilters(t *testing.T) {
	c := small(t).eks("eu-west-1")
	for _, row := range []struct {
		name string
		in   eks.DescribeClusterVersionsInput
		want []string
	}{
		{"supported ones by default, newest first", eks.DescribeClusterVersionsInput{}, []string{"1.36", "1.35", "1.34", "1.33", "1.32", "1.31"}},
		{"all of them on request", eks.DescribeClusterVersionsInput{IncludeAll: aws.Bool(true)}, []string{"1.36", "1.35", "1.34", "1.33", "1.32", "1.31", "1.30"}},
		{"in standard support", eks.DescribeClusterVersionsInput{VersionStatus: types.VersionStatusStandardSupport}, []string{"1.36", "1.35", "1.34"}},
		{"in extended support", eks.DescribeClusterVersionsInput{VersionStatus: types.VersionStatusExtendedSupport}, []string{"1.33", "1.32", "1.31"}},
		{"unsupported ones by status", eks.DescribeClusterVersionsInput{VersionStatus: types.VersionStatusUnsupported}, []string{"1.30"}},
		//nolint:staticcheck // deprecated, but AWS still answers it
		{"the deprecated status means the same", eks.DescribeClusterVersionsInput{Status: types.ClusterVersionStatusExtendedSupport}, []string{"1.33", "1.32", "1.31"}},
		{"the default one", eks.DescribeClusterVersionsInput{DefaultOnly: aws.Bool(true)}, []string{"1.35"}},
		{"named ones, supported or not", eks.DescribeClusterVersionsInput{ClusterVersions: []string{"1.30", "1.34", "1.99"}}, []string{"1.34", "1.30"}},
		{"of another type of cluster", eks.DescribeClusterVersionsInput{ClusterType: aws.String("hybrid")}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, size := range []*int32{nil, aws.Int32(2)} {
				row.in.MaxResults = size
				var got []string
				p := eks.NewDescribeClusterVersionsPaginator(c, &row.in)
				for p.HasMorePages() {
					page, err := p.NextPage(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					for _, v := range page.ClusterVersions {
						got = append(got, *v.ClusterVersion)
					}
				}
				if !slices.Equal(got, row.want) {
					t.Errorf("got %v, want %v", got, row.want)
				}
			}
		})
	}
	_, err := c.DescribeClusterVersions(t.Context(), &eks.DescribeClusterVersionsInput{VersionStatus: "OLD"})
	wantCode(t, err, "InvalidParameterException")
}

func TestSupportEndsWithTheWorldsClock(t *testing.T) {
	r := small(t)
	status := func() types.VersionStatus {
		out, err := r.eks("eu-west-1").DescribeClusterVersions(t.Context(), &eks.DescribeClusterVersionsInput{ClusterVersions: []string{"1.34"}})
		if err != nil {
			t.Fatal(err)
		}
		return out.ClusterVersions[0].VersionStatus
	}
	if s := status(); s != types.VersionStatusStandardSupport {
		t.Errorf("1.34 is in %s at first", s)
	}
	r.now = time.Date(2026, 12, 2, 0, 0, 0, 0, time.UTC)
	if s := status(); s != types.VersionStatusExtendedSupport {
		t.Errorf("1.34 is in %s when standard support has ended", s)
	}
}

func TestTiersBearTheNamesThatTheSDKKnows(t *testing.T) {
	out, err := small(t).eks("eu-west-1").DescribeClusterVersions(t.Context(), &eks.DescribeClusterVersionsInput{})
	if err != nil {
		t.Fatal(err)
	}
	var got []types.ProvisionedControlPlaneTier
	for _, tier := range out.ClusterVersions[0].ControlPlaneScalingTiers {
		got = append(got, types.ProvisionedControlPlaneTier(*tier.TierName))
		if *tier.ClusterDatabaseSizeGb != 16 {
			t.Errorf("tier %s has %d GB", *tier.TierName, *tier.ClusterDatabaseSizeGb)
		}
	}
	known := types.ProvisionedControlPlaneTierStandard.Values()
	want := slices.DeleteFunc(known, func(x types.ProvisionedControlPlaneTier) bool {
		return x == types.ProvisionedControlPlaneTierStandard
	})
	if !slices.Equal(got, want) {
		t.Errorf("tiers are %v, want %v", got, want)
	}
}
