// Package ekstoken mints the tokens by which EKS clusters know an IAM role: a
// request to STS that is signed for one cluster, and that only the cluster's
// authenticator sends. Minting makes no call besides those that credentials
// need. It keeps no token, and no error of it shows one.
package ekstoken

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// The form of a token, and its limit in bytes (aws-iam-authenticator). The
// signature is good for a minute, the token for 15.
const (
	prefix   = "k8s-aws-v1."
	maxToken = 4096
	expires  = "60" // seconds
	// clusterHeader is signed, so that one cluster's token is none of another's.
	clusterHeader = "x-k8s-aws-id"
	// emptyHash is the SHA-256 of a request without a body.
	emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// Source mints tokens as one role in one region.
type Source struct {
	region      string
	credentials aws.CredentialsProvider
	signer      *v4.Signer
}

// New returns a Source that signs with the credentials for STS in the region.
// The cluster's authenticator trusts only STS's own addresses, so an endpoint
// set for the SDK does not count.
func New(region string, credentials aws.CredentialsProvider) *Source {
	return &Source{region, credentials, v4.NewSigner()}
}

// Token mints a token for a cluster of the region, as if the time were now.
func (s *Source) Token(ctx context.Context, cluster string, now time.Time) (string, error) {
	if err := fleet.ValidClusterName(cluster); err != nil {
		return "", err
	}
	request, err := s.identityRequest(ctx, cluster)
	if err != nil {
		return "", err
	}
	credentials, err := s.credentials.Retrieve(ctx)
	if err != nil {
		return "", refusal.Of("sts:GetCallerIdentity", err)
	}
	signed, _, err := s.signer.PresignHTTP(ctx, credentials, request, emptyHash, "sts", s.region, now)
	if err != nil {
		return "", refusal.Of("sts:GetCallerIdentity", err)
	}
	token := prefix + base64.RawURLEncoding.EncodeToString([]byte(signed))
	if len(token) > maxToken {
		return "", fmt.Errorf("the token has %d bytes and a cluster takes %d: the session's policies or tags are too large, shorten them", len(token), maxToken)
	}
	return token, nil
}

// identityRequest is what the token asks STS: who has signed this?
func (s *Source) identityRequest(ctx context.Context, cluster string) (*http.Request, error) {
	if err := fleet.ValidRegion(s.region); err != nil {
		return nil, err
	}
	// The resolver knows the partitions: STS in China has another domain.
	endpoint, err := sts.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, sts.EndpointParameters{Region: &s.region})
	if err != nil {
		return nil, fmt.Errorf("address of STS in %s: %w", s.region, err)
	}
	u := endpoint.URI
	u.Path = "/"
	u.RawQuery = "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=" + expires
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("address of STS in %s: %w", s.region, err)
	}
	request.Header.Set(clusterHeader, cluster)
	return request, nil
}
