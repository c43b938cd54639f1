package kubeapi

import (
	"context"
	"errors"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi/metrics"
)

// DeprecatedAPIs are those that somebody has used since the API server that
// answered has started. None is no error, and no proof: an API server leaves the
// family out until there is a use, and the others were not asked. The error is
// that of Metrics.
func (c *Client) DeprecatedAPIs(ctx context.Context) ([]fleet.DeprecatedAPI, error) {
	read, err := c.Metrics(ctx, metrics.DeprecatedAPIs)
	if err != nil {
		return nil, err
	}
	rows, err := read.Rows(metrics.DeprecatedAPIs.Name)
	if err != nil && !errors.Is(err, metrics.Absent) {
		return nil, c.unreachable(page, err).Trouble()
	}
	var used []fleet.DeprecatedAPI
	for _, row := range rows { // its labels are in the order of metrics.DeprecatedAPIs.By
		used = append(used, fleet.DeprecatedAPI{
			Group: row.Labels[0], Version: row.Labels[1], Resource: row.Labels[2], Subresource: row.Labels[3],
			RemovedIn: row.Labels[4],
		})
	}
	return used, nil
}
