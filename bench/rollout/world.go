package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
	"github.com/eks-steward/eks-steward/internal/sim"
)

const (
	day  = 24 * time.Hour
	week = 7 * day

	home     = "999900001111"
	updates  = 25 * time.Minute // of a nodegroup, in EKS
	newImage = 2 * week         // from one release of nodes' images to the next
	trusted  = 72 * time.Hour   // the age from which a release is rolled out

	from, to = "1.34", "1.35" // of the control planes, before and after their upgrade
)

// begin is a Monday. The quarter after it has the end of daylight saving time and
// Christmas in it.
var begin = time.Date(2026, 10, 5, 0, 0, 0, 0, time.UTC)

// upgrades are when the control planes of each wave go up by one minor version.
var upgrades = map[string]time.Time{
	"dev":   begin.Add(4*week + 9*time.Hour),
	"stage": begin.Add(5*week + 9*time.Hour),
	"prod":  begin.Add(7*week + 9*time.Hour),
}

// targets are accounts and regions that share the clusters evenly.
func targets() []fleet.Target {
	var all []fleet.Target
	for _, account := range []string{"111122223333", "222233334444", "333344445555"} {
		for _, region := range []string{"eu-central-1", "eu-west-1"} {
			all = append(all, fleet.Target{Account: account, Region: region})
		}
	}
	return all
}

// A clock is moved by hand.
type clock struct{ nanoseconds atomic.Int64 }

func (c *clock) now() time.Time { return time.Unix(0, c.nanoseconds.Load()).UTC() }

func (c *clock) set(t time.Time) { c.nanoseconds.Store(t.UnixNano()) }

// A cluster is what its owner knows of it.
type cluster struct {
	id   fleet.ClusterID
	wave string
}

// A world is the simulated AWS with a fleet in it, and its owners' doing.
type world struct {
	*sim.World
	*clock
	server   *httptest.Server
	clusters []cluster
	groups   int
}

// A size is how large a fleet is.
type size struct {
	clusters int
	groups   func(i int) int // of a cluster
}

// twoThousand makes 300 clusters have 2,000 groups.
func twoThousand(i int) int {
	if i%3 == 0 {
		return 6
	}
	return 7
}

func newWorld(s size) (*world, error) {
	w := &world{clock: &clock{}}
	w.set(begin)
	f := sim.Fleet{Home: home, Durations: sim.Durations{Nodegroup: updates}}
	regions := map[fleet.Target]*sim.Region{}
	for _, t := range targets() {
		regions[t] = &sim.Region{
			Name:   t.Region,
			Alarms: []sim.Alarm{{Name: "checkout-5xx"}}, Calendars: map[string]bool{"change-freeze": true},
			Quotas: map[string]float64{"L-1216C47A": 50000}, VCPUs: map[string]int{"Standard/OnDemand": 10000},
		}
	}
	for i := range s.clusters {
		t := targets()[i%len(targets())]
		c := cluster{t.Cluster(fmt.Sprintf("cluster-%03d", i)), []string{"dev", "stage", "prod", "prod", "prod"}[i%5]}
		seeded := sim.Cluster{Name: c.id.Name, Version: from, Tags: map[string]string{"environment": c.wave}}
		for g := range s.groups(i) {
			seeded.Nodegroups = append(seeded.Nodegroups, sim.Nodegroup{
				Name: fmt.Sprintf("group-%d", g), Release: from + ".1-20260901", Nodes: 4, Most: 8,
				Tags: map[string]string{nodefreshness.OptIn: nodefreshness.Allowed},
			})
		}
		regions[t].Clusters = append(regions[t].Clusters, seeded)
		w.clusters, w.groups = append(w.clusters, c), w.groups+s.groups(i)
	}
	for some := range slices.Chunk(targets(), 2) { // those of one account
		f.Accounts = append(f.Accounts, sim.Account{
			ID: some[0].Account, AccessKeys: []string{owner(some[0].Account)}, Regions: []sim.Region{*regions[some[0]], *regions[some[1]]},
		})
	}
	var err error
	if w.World, err = sim.New(f, w.now); err != nil {
		return nil, err
	}
	w.server = httptest.NewServer(w.Handler())
	return w, w.publish(begin.Add(-5 * day))
}

// aws reads the world with the SDK as it is.
func (w *world) aws() *awsfleet.Fleet {
	return awsfleet.New(aws.Config{
		Region: "eu-central-1", BaseEndpoint: &w.server.URL, HTTPClient: w.server.Client(),
		Credentials: credentials.NewStaticCredentialsProvider("AKIASIMULATED", "simulated", ""),
	})
}

// publish makes new images of that day the newest everywhere.
func (w *world) publish(at time.Time) error {
	for _, t := range targets() {
		for _, version := range []string{from, to} {
			image := sim.Image{Version: version, Release: version + ".2-" + at.Format("20060102"), Published: at.Sub(w.now())}
			if err := w.Publish(t.Account, t.Region, image); err != nil {
				return err
			}
		}
	}
	return nil
}

// change is what owners and AWS do to the fleet by themselves at this moment. It
// returns the clusters whose nodes are old because of it by now.
func (w *world) change(ctx context.Context) ([]fleet.ClusterID, error) {
	now := w.now()
	old := map[string]bool{} // waves
	for wave, at := range upgrades {
		old[wave] = now.Equal(at)
	}
	if since := now.Sub(begin); since > 0 && since%newImage == 0 {
		if err := w.publish(now); err != nil {
			return nil, err
		}
	}
	var changed []fleet.ClusterID
	for _, c := range w.clusters {
		if !old[c.wave] {
			continue
		}
		changed = append(changed, c.id)
		if err := w.upgrade(ctx, c.id); err != nil {
			return nil, err
		}
	}
	return changed, nil
}

// matured reports whether a release has become old enough since a time.
func (w *world) matured(since time.Time) bool {
	releases := func(by time.Time) int { return int((by.Sub(begin) - trusted) / newImage) }
	return since.IsZero() || releases(w.now()) > releases(since)
}

// owner is the key of whoever upgrades the clusters of an account.
func owner(account string) string { return "AKIAOWNER" + account }

// upgrade asks EKS to upgrade a control plane, as its owner would.
func (w *world) upgrade(ctx context.Context, c fleet.ClusterID) error {
	body := strings.NewReader(fmt.Sprintf(`{"version": %q}`, to))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.server.URL+"/clusters/"+c.Name+"/updates", body)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/20261005/%s/eks/aws4_request, SignedHeaders=host, Signature=none",
		owner(c.Account), c.Region))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("upgrade %s: %s", c, answer.Status)
	}
	return nil
}
