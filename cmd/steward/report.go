package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/report"
)

// reportRun is one run of steward report.
type reportRun struct {
	connection
	output string
	now    func() time.Time
}

func reportCommand(now func() time.Time) *cobra.Command {
	r := reportRun{now: now}
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Write one HTML page about the fleet: support, cost, readiness, etcd",
		Long: `report reads the clusters of the current AWS profile and region, or of every
target of a configuration file, and writes one HTML page that needs nothing else:
how long each version is supported and what staying costs, what stands in the way
of an upgrade, how full etcd is, and what could not be read.

With -f each target is read as its role. steward-reader lets in the deployed
functions, and of people those whose role the deployment names in "readers".

It changes nothing and needs no deployment. Where not everything could be read
the page says so, and the exit code is 3.`,
		Example: `  steward report
  steward report -f steward.yaml -o fleet.html`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return r.run(cmd) },
	}
	r.flags(cmd)
	cmd.Flags().StringVarP(&r.output, "output", "o", "report.html", "where to write the page")
	return cmd
}

func (r reportRun) run(cmd *cobra.Command) error {
	if err := r.validate(); err != nil {
		return err
	}
	all, complete, err := r.survey(cmd.Context(), r.now, func(format string, args ...any) { progress(cmd.ErrOrStderr(), format, args...) })
	if err != nil {
		return err
	}
	if err := writePage(r.output, all); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", fleet.Count(len(all.Clusters), "cluster"), r.output)
	unknown := slices.ContainsFunc(all.Clusters, func(c report.Cluster) bool { return slices.ContainsFunc(c.Findings, unread) })
	if !complete || unknown {
		return &exitError{exitIncomplete, errors.New("not everything could be read: the page says what")}
	}
	return nil
}

// writePage writes the page once all of it is there. It replaces no file by
// another: the path may be a link or a device.
func writePage(path string, all report.Fleet) error {
	var page bytes.Buffer
	err := report.Write(&page, all)
	if err == nil {
		err = os.WriteFile(path, page.Bytes(), 0o644)
	}
	if err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	return nil
}
