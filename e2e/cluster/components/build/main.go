// Command build makes the programs of the test cluster ahead of the tests, which would
// otherwise do it within the time that go test gives them.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/eks-steward/eks-steward/e2e/cluster/components"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	_, err := components.Build(ctx)
	return err
}
