package sts

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/transport/http"
)

// Region is the one whose endpoint of STS Token signs for.
const Region = "eu-west-1"

// Token mints a token for a cluster by the unmodified SDK, as "aws eks get-token" does.
func Token(ctx context.Context, key aws.Credentials, cluster string) (string, error) {
	client := awssts.New(awssts.Options{Region: Region, Credentials: credentials.StaticCredentialsProvider{Value: key}})
	signed, err := awssts.NewPresignClient(client).PresignGetCallerIdentity(ctx, nil, func(o *awssts.PresignOptions) {
		o.ClientOptions = append(o.ClientOptions, awssts.WithAPIOptions(
			http.SetHeaderValue("x-k8s-aws-id", cluster),
			http.SetHeaderValue("X-Amz-Expires", "60"), // the authenticator wants it; STS ignores it
		))
	})
	if err != nil {
		return "", fmt.Errorf("presign for cluster %s: %w", cluster, err)
	}
	return "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(signed.URL)), nil
}
