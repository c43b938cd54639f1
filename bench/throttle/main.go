// Command throttle reads a hundred clusters with three nodegroups each from a
// simulated EKS that allows twenty calls per second, and prints what that took: how
// many calls, how many of them were throttled, and how long against the least that
// the limit allows. It judges nothing: the bounds are held by the tests of
// internal/awsfleet/snapshot.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/snapshot"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
)

const (
	clusters   = 100
	nodegroups = 3
	rate       = 20 // calls per second
	burst      = 20 // calls at once
	latency    = 30 * time.Millisecond
	workers    = 4 // clusters at a time
)

var target = fleet.Target{Account: "111122223333", Region: "eu-west-1"}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "throttle:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	world, err := sim.New(crowd(), time.Now)
	if err != nil {
		return err
	}
	world.Faults().Throttle(rate, burst)
	world.Faults().Latency(latency)
	server := httptest.NewServer(world.Handler())
	defer server.Close()
	source := snapshot.New(awsfleet.New(aws.Config{
		Region:       target.Region,
		BaseEndpoint: &server.URL,
		Credentials:  credentials.NewStaticCredentialsProvider("AKIASIMULATED", "simulated", ""),
	}), time.Now)
	begin := time.Now()
	if err := readAll(ctx, source.Survey(target)); err != nil {
		return err
	}
	tell(world, time.Since(begin))
	return nil
}

func crowd() sim.Fleet {
	region := sim.Region{Name: target.Region}
	for i := range clusters {
		c := sim.Cluster{Name: fmt.Sprintf("cluster-%03d", i), Version: "1.34"}
		for n := range nodegroups {
			c.Nodegroups = append(c.Nodegroups, sim.Nodegroup{Name: fmt.Sprintf("group-%d", n)})
		}
		region.Clusters = append(region.Clusters, c)
	}
	return sim.Fleet{Home: target.Account, Accounts: []sim.Account{{ID: target.Account, Regions: []sim.Region{region}}}}
}

// readAll reads every cluster. One that was not read in full is an error.
func readAll(ctx context.Context, s *snapshot.Survey) error {
	names, err := s.Clusters(ctx)
	if err != nil {
		return err
	}
	queue, lost := make(chan string), make(chan error, len(names))
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for name := range queue {
				if got := s.Snapshot(ctx, name, fleet.Wanted{Insights: true}); !got.Cluster.Known() || len(got.Nodegroups.Value) != nodegroups {
					lost <- fmt.Errorf("%s is lost: %s %s", name, got.Cluster.Why(), got.Nodegroups.Why())
				}
			}
		})
	}
	for _, name := range names {
		queue <- name
	}
	close(queue)
	all.Wait()
	close(lost)
	var failures []error
	for err := range lost {
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// tell prints the calls of EKS alone: the buckets of the other services never run
// dry here.
func tell(world *sim.World, took time.Duration) {
	served, throttled := 0, 0
	for key, n := range world.Calls() {
		if key.Service == "eks" {
			served, throttled = served+n.Served, throttled+n.Throttled
		}
	}
	least := time.Duration(served-burst) * time.Second / rate
	fmt.Printf("%d clusters with %d nodegroups each, %d calls per second allowed\n", clusters, nodegroups, rate)
	fmt.Printf("  calls      %d, of which throttled %d (%.1f %%)\n", served+throttled, throttled, 100*float64(throttled)/float64(served+throttled))
	fmt.Printf("  time       %.1f s, %.2f times the %.1f s that the limit allows\n", took.Seconds(), took.Seconds()/least.Seconds(), least.Seconds())
}
