// Command app synthesizes the stacks of eks-steward for the CDK command line,
// which runs it as cdk.json says. It only wires: what is deployed is in package
// infra, and for whom in the context "eksSteward".
package main

import (
	"fmt"
	"os"
	_ "time/tzdata" // schedules are checked against it

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/eks-steward/eks-steward/infra"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	props, err := infra.FromContext(app.Node())
	if err != nil {
		return err
	}
	// The command line says here whose credentials it has.
	current := infra.Place{Account: os.Getenv("CDK_DEFAULT_ACCOUNT"), Region: os.Getenv("CDK_DEFAULT_REGION")}
	if err := infra.NewApp(app, *props, current); err != nil {
		return err
	}
	app.Synth(nil)
	return nil
}
