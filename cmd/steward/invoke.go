package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/local"
	"github.com/eks-steward/eks-steward/testevents"
)

func invokeCommand() *cobra.Command {
	var event, fleetFile string
	cmd := &cobra.Command{
		Use:   "invoke <function>",
		Short: "Run one function on one test event, without AWS",
		Long: fmt.Sprintf(`invoke delivers one event to a function and runs the product until nothing is
left to do, in one process against a simulated EKS and CloudWatch. The functions'
log lines go to standard error, the messages that people would get to standard
output. The clock stands at the event's time.

Functions: %s. Events: a name from testevents/<function>/, or a file.`, strings.Join(local.Functions(), ", ")),
		Example: `  steward invoke etcdsize -e scan-target
  steward invoke dispatch -e ./tick.json --fleet fleet.yaml`,
		Args: one("the function"),
		RunE: func(cmd *cobra.Command, args []string) error { return invoke(cmd, args[0], event, fleetFile) },
	}
	cmd.Flags().StringVarP(&event, "event", "e", "", "test event: a name, or a path to a file (required)")
	cmd.Flags().StringVar(&fleetFile, "fleet", "", "fleet file (default: the demo's fleet)")
	_ = cmd.MarkFlagRequired("event") // the flag is defined above
	return cmd
}

func invoke(cmd *cobra.Command, function, event, fleetFile string) error {
	raw, err := readEvent(function, event)
	if err != nil {
		return err
	}
	seed, err := readFleet(fleetFile)
	if err != nil {
		return err
	}
	ledgerFile, remove, err := scratchLedger()
	if err != nil {
		return err
	}
	defer remove()
	s, err := openStage(ledgerFile, seed, timeOf(raw), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.product.Configure(cmd.Context()); err != nil {
		return err
	}
	sent := moment{happen: func(s *stage) error { return s.product.Send(function, raw) }}
	if err := s.happen(cmd.Context(), sent); err != nil {
		return err
	}
	for _, line := range s.slack.Lines() {
		fmt.Fprintln(cmd.OutOrStdout(), line)
	}
	if dead := s.product.DeadLetters; len(dead) > 0 {
		return &exitError{exitFindings, fmt.Errorf("%s failed the event at every attempt: it would be in the dead-letter queue; the log line above says why", dead[0].Function)}
	}
	return nil
}

// readEvent finds a test event by name, or reads a file.
func readEvent(function, event string) ([]byte, error) {
	raw, err := testevents.Read(function, event)
	if err == nil {
		return raw, nil
	}
	if strings.ContainsAny(event, `/\`) || strings.HasSuffix(event, ".json") {
		raw, fileErr := os.ReadFile(event)
		if fileErr == nil || !errors.Is(fileErr, os.ErrNotExist) {
			return raw, fileErr
		}
		return nil, fmt.Errorf("--event: %w", fileErr)
	}
	return nil, fmt.Errorf("--event: %w", err)
}

// timeOf is when an event happened; now for one that cannot be read, which is
// the function's to refuse.
func timeOf(raw []byte) time.Time {
	e, err := events.Decode(raw)
	if err != nil {
		return time.Now()
	}
	return e.Head().Time
}
