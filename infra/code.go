package infra

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/jsii-runtime-go"
)

// functionsPath is where the mains of the functions are. An import path, so that
// the app of somebody else, which has this module as a dependency, builds them
// just the same.
const functionsPath = "github.com/eks-steward/eks-steward/functions/"

// code builds a function while the app is synthesized. Its hash is that of the
// binary: a commit that leaves a function alone leaves it deployed.
func code(build *goBuild) awslambda.AssetCode {
	return awslambda.Code_FromAsset(jsii.String("."), &awss3assets.AssetOptions{
		AssetHashType: awscdk.AssetHashType_OUTPUT,
		Bundling: &awscdk.BundlingOptions{
			Image: awscdk.DockerImage_FromRegistry(jsii.String("none")), // asked for, never used: Local always answers
			Local: build,
			// The CDK takes two bundlings with the same options for one.
			Environment: &map[string]*string{"FUNCTION": jsii.String(build.function), "GOARCH": jsii.String(build.arch)},
		},
	})
}

// goBuild is one function for one processor. The CDK calls back on pointers only.
type goBuild struct {
	function, arch string
	failure        error
}

// TryBundle puts the binary where the runtime provided.al2023 looks for it. It
// always answers true, since the CDK would try Docker next: a build that failed
// leaves an empty file, and its failure for add to report.
func (b *goBuild) TryBundle(outputDir *string, _ *awscdk.BundlingOptions) *bool {
	bootstrap := filepath.Join(*outputDir, "bootstrap")
	cmd := exec.CommandContext(context.Background(), "go", "build", "-buildvcs=false", "-tags", "lambda.norpc", "-trimpath", "-ldflags=-s -w -buildid=",
		"-o", bootstrap, functionsPath+b.function)
	// The levels are spelled out, or the settings of a machine would change the hash.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+b.arch, "GOARM64=v8.0", "GOAMD64=v1", "GOEXPERIMENT=")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.failure = errors.Join(fmt.Errorf("build function %s: %w\n%s", b.function, err, out), os.WriteFile(bootstrap, nil, 0o600))
	}
	return jsii.Bool(true)
}

func goArch(architecture string) string {
	switch architecture {
	case archHost:
		return runtime.GOARCH
	case archX86:
		return "amd64"
	}
	return "arm64"
}

func lambdaArchitecture(architecture string) awslambda.Architecture {
	if goArch(architecture) == "amd64" {
		return awslambda.Architecture_X86_64()
	}
	return awslambda.Architecture_ARM_64()
}
