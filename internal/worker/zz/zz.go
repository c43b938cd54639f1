// Package zz is a probe.
package zz

import "github.com/aws/aws-sdk-go-v2/service/eks"

var _ eks.Client
