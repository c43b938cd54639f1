package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/eks-steward/eks-steward/internal/sim"
)

func simulateCommand() *cobra.Command {
	var (
		fleetFile, listen string
		latency           time.Duration
		rate              float64
		burst             int
	)
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Serve a simulated AWS (EKS and what it needs) for the AWS SDK and CLI to talk to",
		Long: `simulate serves the AWS operations that eks-steward calls,
seeded from a fleet file (docs/simulator.md), until it is interrupted. Nothing
of it is AWS; what it answers is held against AWS's API model by tests. A fleet
file can make regions refuse; the flags make it slow or throttled.`,
		Example: `  steward simulate --fleet fleet.yaml
  AWS_ENDPOINT_URL=http://127.0.0.1:8411 AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any \
    AWS_REGION=eu-west-1 steward check`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			seed, err := readFleet(fleetFile)
			if err != nil {
				return err
			}
			world, err := sim.New(seed, time.Now)
			if err != nil {
				return err
			}
			world.Faults().Latency(latency)
			if rate > 0 {
				world.Faults().Throttle(rate, max(burst, 1))
			}
			l, err := net.Listen("tcp", listen)
			if err != nil {
				return fmt.Errorf("--listen: %w", err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "serving until interrupted; point the SDK here with\n  export AWS_ENDPOINT_URL=http://%s AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_REGION=eu-west-1\n", l.Addr())
			server := &http.Server{Handler: world.Handler(), ReadHeaderTimeout: 10 * time.Second}
			defer context.AfterFunc(cmd.Context(), func() { server.Close() })()
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&fleetFile, "fleet", "", "fleet file (default: the demo's fleet)")
	cmd.Flags().DurationVar(&latency, "latency", 0, "delay every answer")
	cmd.Flags().Float64Var(&rate, "rate", 0, "calls per second that each service of an account and region takes before it throttles; 0 means any number")
	cmd.Flags().IntVar(&burst, "burst", 10, "calls that it takes at once, with --rate")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8411", "address to serve on")
	return cmd
}
