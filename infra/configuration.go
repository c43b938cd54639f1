package infra

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// ConfigurationKey is where the run-time file lies in the configuration bucket.
const ConfigurationKey = "steward.yaml"

// configuration is where the run-time file comes from: the bucket, and until
// somebody uploads one there, the default that the deployment rendered. The
// default is an asset of the deployment, beside the functions' code, because a
// stack can put nothing into a bucket of its own without a custom resource: one
// more function, with rights and a runtime that somebody must keep up.
type configuration struct {
	bucket   awss3.Bucket
	fallback awss3assets.Asset
}

func newConfiguration(scope constructs.Construct, props Props, removal awscdk.RemovalPolicy) configuration {
	return configuration{
		bucket: awss3.NewBucket(scope, jsii.String("Configuration"), &awss3.BucketProps{
			Versioned:         jsii.Bool(true), // the last good version serves while a bad one lies above it
			Encryption:        awss3.BucketEncryption_S3_MANAGED,
			BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
			EnforceSSL:        jsii.Bool(true),
			RemovalPolicy:     removal,
		}),
		fallback: newFallback(scope, props.Targets),
	}
}

// newFallback stages the file during the call; the copy can go after it.
func newFallback(scope constructs.Construct, targets []Target) awss3assets.Asset {
	dir, err := os.MkdirTemp("", "eks-steward")
	if err != nil {
		panic(fmt.Errorf("render the default run-time file: %w", err))
	}
	defer func() { _ = os.RemoveAll(dir) }() // what stays lies in a directory for such files
	file := filepath.Join(dir, ConfigurationKey)
	if err := os.WriteFile(file, []byte(render(targets)), 0o600); err != nil {
		panic(fmt.Errorf("render the default run-time file: %w", err))
	}
	return awss3assets.NewAsset(scope, jsii.String("DefaultConfiguration"), &awss3assets.AssetProps{Path: jsii.String(file)})
}

// render is the run-time file that watches the targets and sets nothing else.
// Validate has left no character in them that YAML would read otherwise.
func render(targets []Target) string {
	var b strings.Builder
	b.WriteString("# The targets of the deployment. Upload a file of your own to the configuration bucket to replace it.\n")
	b.WriteString("schemaVersion: 1\ntargets:\n")
	for _, t := range targets {
		fmt.Fprintf(&b, "  - account: %q\n    regions: [%s]\n", t.Account, strings.Join(t.Regions, ", "))
		if t.Role != "" {
			fmt.Fprintf(&b, "    role: %s\n", t.Role)
		}
	}
	return b.String()
}
