// A real Kubernetes control plane for tests. A module of its own, so that what it takes to
// talk to one becomes no requirement of the product.
module github.com/eks-steward/eks-steward/e2e/cluster

go 1.26.0

replace github.com/eks-steward/eks-steward => ../../

require (
	github.com/aws/aws-sdk-go-v2 v1.47.6
	github.com/aws/aws-sdk-go-v2/credentials v1.20.14
	github.com/aws/aws-sdk-go-v2/service/sts v1.51.7
	github.com/aws/smithy-go v1.28.8
	github.com/eks-steward/eks-steward v0.0.0
	github.com/goccy/go-yaml v1.19.2
)

require (
	github.com/aws/aws-sdk-go-v2/internal/configsources v1.5.9 // indirect
	github.com/aws/aws-sdk-go-v2/internal/endpoints/v2 v2.8.9 // indirect
	github.com/aws/aws-sdk-go-v2/internal/v4a v1.5.9 // indirect
	github.com/aws/aws-sdk-go-v2/service/internal/accept-encoding v1.13.24 // indirect
	github.com/aws/aws-sdk-go-v2/service/internal/presigned-url v1.14.9 // indirect
)
