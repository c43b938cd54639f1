package sim_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
)

func id(name string) fleet.ClusterID {
	return fleet.ClusterID{Account: home, Region: "eu-west-1", Name: name}
}

func TestFault_02_AClusterIsRemovedBetweenListAndDescribe(t *testing.T) {
	r := small(t)
	if !r.Remove(id("payments")) || r.Remove(id("payments")) {
		t.Error("Remove does not tell whether there was a cluster")
	}
	_, err := r.eks("eu-west-1").DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String("payments")})
	wantCode(t, err, "ResourceNotFoundException")
	r.now = noon.Add(time.Hour)
	in := query(fleet.StorageSize, 5*time.Minute, noon.Add(-time.Hour), r.now, "payments")
	got := mustAsk(t, r.cloudwatch("eu-west-1"), in)["q0"]
	if len(got.Values) != 12 { // what was measured stays, nothing is added
		t.Errorf("%d points, want the 12 from before the end", len(got.Values))
	}
}

func TestClustersJoinARunningWorld(t *testing.T) {
	r := small(t)
	r.now = noon.Add(30 * time.Minute)
	if err := r.Add(home, "eu-west-1", sim.Cluster{Name: "new", CreatedAt: r.now, Etcd: &sim.Etcd{Curve: sim.Curve{SizeGB: 1}}}); err != nil {
		t.Fatal(err)
	}
	r.now = noon.Add(time.Hour)
	names, _, err := list(t.Context(), r.eks("eu-west-1"), eks.ListClustersInput{})
	if err != nil || !slices.Contains(names, "new") {
		t.Errorf("clusters are %v, %v", names, err)
	}
	in := query(fleet.StorageSize, 5*time.Minute, noon, noon.Add(time.Hour), "new")
	if got := mustAsk(t, r.cloudwatch("eu-west-1"), in)["q0"]; len(got.Values) != 6 {
		t.Errorf("%d points, want the 6 since it was created", len(got.Values))
	}
	if err := r.Add(home, "eu-west-1", sim.Cluster{Name: "a/b"}); err == nil {
		t.Error("a name that EKS would refuse joins")
	}
}

func TestSetEtcdCountsFromNow(t *testing.T) {
	r := small(t)
	r.now = noon.Add(time.Hour)
	e := sim.Etcd{Curve: sim.Curve{Points: []sim.Point{{At: -5 * time.Minute, SizeGB: 1}, {At: 0, SizeGB: 8}}}}
	if err := r.SetEtcd(id("payments"), e); err != nil {
		t.Fatal(err)
	}
	in := query(fleet.StorageSize, time.Minute, r.now, r.now.Add(time.Minute), "payments")
	if got := mustAsk(t, r.cloudwatch("eu-west-1"), in)["q0"]; len(got.Values) != 1 || got.Values[0] != 8e9 {
		t.Errorf("points of now are %v, want 8 GB", got.Values)
	}
	if err := r.SetEtcd(id("nobody"), e); err == nil {
		t.Error("etcd of a cluster that is not there is set")
	}
	if err := r.SetEtcd(id("payments"), sim.Etcd{}); err == nil {
		t.Error("an etcd without a size is set")
	}
}

func TestAWorldChangesWhileItIsRead(t *testing.T) {
	f := crowd(20)
	f.Accounts[0].Regions[0].Keys = []sim.Key{{ID: "any", Aliases: []string{"alias/any"}}}
	r := start(t, f)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			name := fmt.Sprintf("extra%d", i)
			for range 10 {
				_ = r.Add(home, "eu-west-1", sim.Cluster{Name: name, Etcd: &sim.Etcd{Curve: sim.Curve{SizeGB: 1}}})
				_ = r.SetEtcd(id(name), sim.Etcd{Curve: sim.Curve{SizeGB: 2}})
				r.FailUpdate(id("c000"), sim.Issue{Code: "Unknown"})
				_ = r.Admit(id(name), "arn:aws:iam::111122223333:role/ops")
				_, _ = r.eks("eu-west-1").CreateNodegroup(t.Context(), &eks.CreateNodegroupInput{
					ClusterName: aws.String("c000"), NodegroupName: &name, NodeRole: aws.String("role"), Subnets: []string{"subnet"},
				})
				_, _ = r.eks("eu-west-1").UpdateClusterVersion(t.Context(), &eks.UpdateClusterVersionInput{Name: aws.String("c000"), Version: aws.String("1.35")})
				_, _ = r.eks("eu-west-1").AssociateEncryptionConfig(t.Context(), &eks.AssociateEncryptionConfigInput{ClusterName: aws.String("c000"), EncryptionConfig: encryption("alias/any")})
				if g, err := r.kms("eu-west-1").CreateGrant(t.Context(), &kms.CreateGrantInput{KeyId: aws.String("any"), GranteePrincipal: &name, Operations: []kmstypes.GrantOperation{"Decrypt"}}); err == nil {
					_, _ = r.kms("eu-west-1").RetireGrant(t.Context(), &kms.RetireGrantInput{GrantToken: g.GrantToken})
				}
				r.SetParameter(home, "eu-west-1", "/a", name)
				r.Faults().Latency(0)
				r.Calls()
				r.Remove(id(name))
			}
		})
		wg.Go(func() {
			for range 10 {
				if _, _, err := list(t.Context(), r.eks("eu-west-1"), eks.ListClustersInput{MaxResults: aws.Int32(7)}); err != nil {
					t.Error(err)
				}
				if _, err := r.eks("eu-west-1").ListNodegroups(t.Context(), &eks.ListNodegroupsInput{ClusterName: aws.String("c000")}); err != nil {
					t.Error(err)
				}
				if _, err := r.kms("eu-west-1").ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: aws.String("any")}); err != nil {
					t.Error(err)
				}
				if _, err := r.eks("eu-west-1").ListUpdates(t.Context(), &eks.ListUpdatesInput{Name: aws.String("c000")}); err != nil {
					t.Error(err)
				}
				if _, _, err := ask(t.Context(), r.cloudwatch("eu-west-1"), lastHour(fleet.StorageSize, "c001", "extra1")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkThousandClusters reads six hours of a thousand clusters in steps of
// five minutes: two calls.
func BenchmarkThousandClusters(b *testing.B) {
	w, err := sim.New(crowd(1000), func() time.Time { return noon })
	if err != nil {
		b.Fatal(err)
	}
	c := cloudwatch.NewFromConfig(inProcess(w))
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("c%03d", i)
	}
	for b.Loop() {
		for half := range slices.Chunk(names, 500) {
			in := query(fleet.StorageSize, 5*time.Minute, noon.Add(-6*time.Hour), noon, half...)
			if _, err := c.GetMetricData(b.Context(), in); err != nil {
				b.Fatal(err)
			}
		}
	}
}
