package awsfleet

import (
	"context"
	"errors"
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
		return size, inUse, f.Stranger(ctx, t, c, err)
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

// Stranger says which it is of two things that an API server answers alike: a
// role without an access entry, and a token that is none of this cluster's. Other
// troubles, and those that EKS has no answer for either, stay as they are.
func (f *Fleet) Stranger(ctx context.Context, t fleet.Target, c fleet.Cluster, refused error) error {
	if t.Role == "" || !errors.Is(refused, kubeapi.Unauthorized) {
		return refused
	}
	trouble := *fleet.TroubleOf(refused)
	_, err := f.AccessGroups(ctx, t, c.ID.Name, t.Role)
	switch {
	case errors.Is(err, fleet.Gone):
		trouble.Err = fmt.Errorf("the API server of %s does not know role %s, which has no access entry there: create one (docs/kubernetes-access.md)", c.ID, t.Role)
	case err == nil:
		trouble.Err = fmt.Errorf("the API server of %s refuses the token of role %s, which has an access entry there: nothing to do if the entry is some minutes old; else see that the authentication mode includes API, and that this is not the server of a cluster of another name", c.ID, t.Role)
	}
	return &trouble
}

func at(now time.Time, g metrics.Gauge) fleet.Series {
	return fleet.Series{Points: []fleet.Point{{At: now, Bytes: g.Value}}}
}
