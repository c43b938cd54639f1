package awsfleet_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/inprocess"
)

// enter returns a Fleet in a simulated world, reached without a connection so
// that time can be a bubble's.
func enter(t *testing.T, f sim.Fleet) (*awsfleet.Fleet, *sim.World) {
	t.Helper()
	w, err := sim.New(f, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return awsfleet.New(aws.Config{
		Region:      "eu-west-1",
		HTTPClient:  inprocess.Client{Handler: w.Handler()},
		Credentials: credentials.NewStaticCredentialsProvider("AKIAHUB", "hubsecret", ""),
	}), w
}

// crowd is an account with n clusters of 1 GB.
func crowd(account string, n int) sim.Account {
	region := sim.Region{Name: "eu-west-1"}
	for i := range n {
		region.Clusters = append(region.Clusters, sim.Cluster{
			Name: fmt.Sprintf("c%04d", i), Version: "1.34", Etcd: &sim.Etcd{Curve: sim.Curve{SizeGB: 1}},
		})
	}
	return sim.Account{ID: account, Regions: []sim.Region{region}}
}

func TestThousandClustersTakeThirteenCalls(t *testing.T) {
	f, w := enter(t, sim.Fleet{Home: target.Account, Accounts: []sim.Account{crowd(target.Account, 1000)}})
	clusters, err := f.Clusters(t.Context(), target)
	if err != nil || len(clusters) != 1000 {
		t.Fatalf("%d clusters, %v", len(clusters), err)
	}
	if _, err := f.Limits(t.Context(), target, 8); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	sizes, err := f.Sizes(t.Context(), target, fleet.StorageSize, clusters, now.Add(-6*time.Hour), now)
	if err != nil || len(sizes) != 1000 {
		t.Fatalf("%d sizes, %v", len(sizes), err)
	}
	for name, s := range sizes {
		if last, ok := s.Last(); !ok || last.Bytes != 1e9 || s.Trouble != "" || len(s.Points) < 70 {
			t.Fatalf("%s: %d points, last %v, trouble %q", name, len(s.Points), last, s.Trouble)
		}
	}
	for operation, want := range map[string]int{"ListClusters": 10, "DescribeClusterVersions": 1, "GetMetricData": 2, "DescribeCluster": 0} {
		if got := w.Calls().Of(operation).Total(); got != want {
			t.Errorf("%d calls of %s, want %d", got, operation, want)
		}
	}
}

func TestFault_01_DescribingManyThrottledClustersLosesNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clusters = 501
		f, w := enter(t, sim.Fleet{Home: target.Account, Accounts: []sim.Account{crowd(target.Account, clusters)}})
		w.Faults().Throttle(5, 5)
		var wg sync.WaitGroup
		names := make(chan string)
		for range 4 {
			wg.Go(func() {
				for name := range names {
					if _, err := f.Cluster(t.Context(), target, name); err != nil {
						t.Errorf("%s is lost: %v", name, err)
					}
				}
			})
		}
		for i := range clusters {
			names <- fmt.Sprintf("c%04d", i)
		}
		close(names)
		wg.Wait()
		if got := w.Calls().Of("DescribeCluster"); got.Served != clusters || got.Throttled == 0 {
			t.Errorf("calls %+v: want every cluster served, some after a throttle", got)
		}
	})
}

func TestFault_06_RoleThatAsksForAnExternalIDIsUnreachable(t *testing.T) {
	account := crowd(member.Account, 3)
	account.Regions[0].Name = member.Region
	world := sim.Fleet{Home: target.Account, Accounts: []sim.Account{account}}
	for id, readable := range map[string]bool{"": true, "our-contract": false} {
		t.Run("external id "+id, func(t *testing.T) {
			world.Accounts[0].Roles = []sim.Role{{Name: "steward-reader", ExternalID: id}}
			f, w := enter(t, world)
			got, err := f.Clusters(t.Context(), member)
			if !readable {
				trouble(t, err, fleet.Unreachable)
				return
			}
			if err != nil || len(got) != 3 {
				t.Fatalf("got %q, %v", got, err)
			}
			if actions := w.Actions()[member.Role]; len(actions) != 1 || actions[0] != "eks:ListClusters" {
				t.Errorf("the role used %q", actions)
			}
		})
	}
}
