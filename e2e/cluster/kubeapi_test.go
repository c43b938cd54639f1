//go:build unix

package cluster_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/eks-steward/eks-steward/e2e/cluster"
	"github.com/eks-steward/eks-steward/e2e/cluster/sts"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi"
	"github.com/eks-steward/eks-steward/internal/kubeapi/ekstoken"
	"github.com/eks-steward/eks-steward/internal/kubeapi/metrics"
)

func TestTheProductReadsTheSizeOfARealEtcd(t *testing.T) {
	c := cluster.Start(t, cluster.Options{})
	c.Grant(t, reader, "steward", kubeapi.Group)
	key := c.STS.Issue(session)
	if _, err := product(t, c, c.Name, key); !errors.Is(err, kubeapi.Forbidden) {
		t.Errorf("without the ClusterRole: got %v, want %s", err, kubeapi.Forbidden)
	}
	c.Apply(t, readerManifest(t))
	before := c.StorageSize(t)
	var page metrics.Page
	if err := cluster.Eventually(t, func() (err error) { // the API server takes a moment to see a role
		page, err = product(t, c, c.Name, key)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	size, err := page.Largest(metrics.EtcdSizes)
	if err != nil {
		t.Fatal(err)
	}
	if after := c.StorageSize(t); int64(size.Value) < before || int64(size.Value) > after || size.Name != "apiserver_storage_size_bytes" {
		t.Errorf("got %s of %.0f bytes, want from %d to %d", size.Name, size.Value, before, after)
	}
	for _, row := range []struct {
		name    string
		key     aws.Credentials
		cluster string
	}{
		{"a stranger", c.STS.Issue(stranger), c.Name},
		{"a token for another cluster", key, "green"},
	} {
		t.Run(row.name+" is unauthorized", func(t *testing.T) {
			if _, err := product(t, c, row.cluster, row.key); !errors.Is(err, kubeapi.Unauthorized) {
				t.Errorf("got %v, want %s", err, kubeapi.Unauthorized)
			}
		})
	}
}

// product reads /metrics as a deployed function does.
func product(t *testing.T, c *cluster.Cluster, name string, key aws.Credentials) (metrics.Page, error) {
	t.Helper()
	client, err := kubeapi.New(
		kubeapi.Endpoint{Cluster: fleet.ClusterID{Account: "111122223333", Region: sts.Region, Name: name}, URL: c.Endpoint, CA: c.CA},
		ekstoken.New(sts.Region, credentials.StaticCredentialsProvider{Value: key}),
	)
	if err != nil {
		t.Fatal(err)
	}
	return client.Metrics(t.Context(), metrics.All()...)
}
