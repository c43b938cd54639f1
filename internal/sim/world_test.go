package sim_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/eks-steward/eks-steward/internal/sim"
)

const (
	home   = "111122223333"
	member = "444455556666"
)

// noon is the start of every world of these tests.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// A rig is a world behind one loopback address, and SDK clients that know
// nothing but that address.
type rig struct {
	*sim.World
	url string
	now time.Time
}

func start(t *testing.T, f sim.Fleet) *rig {
	t.Helper()
	r := &rig{now: noon}
	w, err := sim.New(f, func() time.Time { return r.now })
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.Handler())
	t.Cleanup(server.Close)
	r.World, r.url = w, server.URL
	return r
}

func small(t *testing.T) *rig {
	t.Helper()
	f, err := sim.Load("testdata/small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return start(t, f)
}

// config signs as the home account and never retries, so that a test sees every
// answer.
func (r *rig) config(region string) aws.Config {
	return aws.Config{
		Region:       region,
		BaseEndpoint: &r.url,
		Credentials:  credentials.NewStaticCredentialsProvider("AKIAHOME000000000000", "simulated", ""),
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
		HTTPClient:   &http.Client{},
	}
}

func (r *rig) eks(region string) *eks.Client { return eks.NewFromConfig(r.config(region)) }

func (r *rig) cloudwatch(region string) *cloudwatch.Client {
	return cloudwatch.NewFromConfig(r.config(region))
}

func (r *rig) sts(region string) *sts.Client { return sts.NewFromConfig(r.config(region)) }

func (r *rig) ec2(region string) *ec2.Client { return ec2.NewFromConfig(r.config(region)) }

func (r *rig) kms(region string) *kms.Client { return kms.NewFromConfig(r.config(region)) }

func (r *rig) tagging(region string) *resourcegroupstaggingapi.Client {
	return resourcegroupstaggingapi.NewFromConfig(r.config(region))
}

func (r *rig) quotas(region string) *servicequotas.Client {
	return servicequotas.NewFromConfig(r.config(region))
}

// wantCode fails the test unless err is an API error of the code.
func wantCode(t *testing.T, err error, code string) smithy.APIError {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Fatalf("error is %v, want an API error %s", err, code)
	}
	if api.ErrorCode() != code {
		t.Fatalf("error code is %s (%s), want %s", api.ErrorCode(), api.ErrorMessage(), code)
	}
	return api
}

// list reads all pages of a region's clusters.
func list(ctx context.Context, c *eks.Client, in eks.ListClustersInput) (names []string, pages int, err error) {
	p := eks.NewListClustersPaginator(c, &in)
	for p.HasMorePages() {
		page, err := p.NextPage(ctx)
		if err != nil {
			return names, pages, err
		}
		names = append(names, page.Clusters...)
		pages++
	}
	return names, pages, nil
}
