package awsfleet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi"
	"github.com/eks-steward/eks-steward/internal/kubeapi/ekstoken"
	"github.com/eks-steward/eks-steward/internal/kubeapi/metrics"
)

// Storage asks a cluster's own API server how large etcd is, as whoever the
// target's role is to the cluster. The live data are an empty series where the
// API server does not publish them.
func (f *Fleet) Storage(ctx context.Context, t fleet.Target, c fleet.Cluster, now time.Time) (size, inUse fleet.Series, err error) {
	server, err := kubeapi.New(kubeapi.Endpoint{Cluster: c.ID, URL: c.Server.URL, CA: c.Server.CA}, ekstoken.New(t.Region, f.Credentials(t)))
	if err != nil {
		return size, inUse, fleet.TroubleOf(err)
	}
	page, err := server.Metrics(ctx, slices.Concat(metrics.EtcdSizes, metrics.EtcdInUse)...)
	if err != nil {
		return size, inUse, err
	}
	largest, err := page.Largest(metrics.EtcdSizes)
	if err != nil {
		return size, inUse, fleet.TroubleOf(fmt.Errorf("/metrics of cluster %s: %w", c.ID, err))
	}
	size = at(now, largest)
	if live, err := page.Largest(metrics.EtcdInUse); err == nil {
		inUse = at(now, live)
	}
	return size, inUse, nil
}

func at(now time.Time, g metrics.Gauge) fleet.Series {
	return fleet.Series{Points: []fleet.Point{{At: now, Bytes: g.Value}}}
}
