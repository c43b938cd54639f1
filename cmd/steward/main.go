// Command steward is the command line of eks-steward: the checks of the
// deployed functions run from a terminal, the whole product as a demo without
// AWS, and the tools around its configuration.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // a configuration names time zones; not every machine has them

	"github.com/spf13/cobra"
)

// The exit codes, which scripts rely on.
const (
	exitOK         = 0
	exitFindings   = 1 // findings at or above --fail-on
	exitUsage      = 2 // wrong arguments or configuration
	exitIncomplete = 3 // AWS refused or failed, or not everything could be read
)

// exitError carries an exit code other than exitUsage to main.
type exitError struct {
	code int
	err  error // nil when everything was said already
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// one wants one argument, and says what it is.
func one(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("name %s, and nothing else: %s", what, cmd.UseLine())
		}
		return nil
	}
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr, time.Now)) }

// run executes one command line and returns its exit code. now is when it judges
// what it reads.
func run(args []string, stdout, stderr io.Writer, now func() time.Time) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := rootCommand(now)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		exit = &exitError{exitUsage, err}
	}
	if exit.err != nil {
		fmt.Fprintln(stderr, "steward:", plain(exit.err))
	}
	return exit.code
}

// plain is what to print of an error. Without credentials no request was made:
// what it was to be for, and what the SDK tried in turn, is no help.
func plain(err error) string {
	if strings.Contains(err.Error(), "get credentials: ") {
		return "no usable AWS credentials: log in (aws sso login), or set AWS_PROFILE; aws sts get-caller-identity says whether that worked"
	}
	return err.Error()
}

func rootCommand(now func() time.Time) *cobra.Command {
	root := &cobra.Command{
		Use:   "steward",
		Short: "Keep every EKS cluster inside its etcd limit, supported, encrypted and on fresh nodes",
		Long: `steward runs the checks of eks-steward from a terminal.

Exit codes: 0 ok, 1 findings at or above --fail-on, 2 wrong arguments or
configuration, 3 AWS refused or not everything could be read.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(approveCommand(), checkCommand(now), configCommand(), demoCommand(), doctorCommand(), invokeCommand(), notifyCommand(now), planCommand(now), policyCommand(), reportCommand(now),
		rolloutCommand(now), simulateCommand())
	return root
}
