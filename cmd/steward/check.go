package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/config/yamlfile"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// check is one run of steward check.
type check struct {
	connection
	output string
	failOn string
	all    bool
	now    func() time.Time
}

func checkCommand(now func() time.Time) *cobra.Command {
	c := check{now: now}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Run the checks, read-only, on the clusters of the current AWS profile",
		Long: `check reads the clusters of the current AWS profile and region, or of every
target of a configuration file, and prints what the deployed functions would
find. It changes nothing and needs no deployment.

With -f each target is read as its role. steward-reader lets in the deployed
functions, and of people those whose role the deployment names in "readers".

What could not be read is unknown, never fine: it is listed, and the exit code
is 3. What is only worth knowing is listed with --all: an add-on that is not the
newest, or the nodes of a cluster whose API server is private.`,
		Example: `  steward check
  steward check --region eu-west-1 --region us-east-1 --output markdown
  steward check -f steward.yaml --fail-on warning`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	c.flags(cmd)
	f := cmd.Flags()
	f.StringVarP(&c.output, "output", "o", "table", "table, json or markdown")
	f.StringVar(&c.failOn, "fail-on", "critical", "lowest severity that makes the exit code 1: info, warning, critical or none")
	f.BoolVar(&c.all, "all", false, "list what is only worth knowing too, and what passes")
	return cmd
}

func (c check) run(cmd *cobra.Command) error {
	failOn, err := c.validate()
	if err != nil {
		return err
	}
	all, complete, err := c.survey(cmd.Context(), c.now, func(format string, args ...any) { progress(cmd.ErrOrStderr(), format, args...) })
	if err != nil {
		return err
	}
	findings := all.Findings()
	if err := c.print(cmd.OutOrStdout(), findings, failOn); err != nil {
		return &exitError{exitIncomplete, err}
	}
	return verdict(findings, complete, failOn)
}

// never is a severity that nothing reaches.
const never = fleet.Critical + 1

func (c check) validate() (failOn fleet.Severity, err error) {
	if !slices.Contains([]string{"table", "json", "markdown"}, c.output) {
		return 0, fmt.Errorf("--output %q: want table, json or markdown", c.output)
	}
	if err := c.connection.validate(); err != nil {
		return 0, err
	}
	if c.failOn == "none" {
		return never, nil
	}
	if err := failOn.UnmarshalText([]byte(c.failOn)); err != nil {
		return 0, fmt.Errorf("--fail-on %q: want info, warning, critical or none", c.failOn)
	}
	return failOn, nil
}

func readConfig(name string) (*config.File, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return yamlfile.Parse(name, data)
}

// verdict is the exit code: what is broken outranks what is unread.
func verdict(findings []fleet.Finding, complete bool, failOn fleet.Severity) error {
	unknown := 0
	for _, f := range findings {
		switch {
		case f.Outcome == fleet.Fail && f.Severity >= failOn:
			return &exitError{code: exitFindings}
		case unread(f):
			unknown++
		}
	}
	if !complete || unknown > 0 {
		return &exitError{exitIncomplete, fmt.Errorf("not everything could be read: %d unknown", unknown)}
	}
	return nil
}

// unread reports whether a finding leaves something unknown that matters: that a
// private API server was not asked does not.
func unread(f fleet.Finding) bool { return f.Outcome == fleet.Unknown && f.Severity > fleet.Info }

// print lists what matters, worst first.
func (c check) print(w io.Writer, findings []fleet.Finding, failOn fleet.Severity) error {
	shown := slices.Clone(findings)
	if !c.all {
		shown = slices.DeleteFunc(shown, func(f fleet.Finding) bool {
			trouble := f.Outcome == fleet.Fail || f.Outcome == fleet.Unknown
			return !trouble || f.Severity < min(fleet.Warning, failOn)
		})
	}
	slices.SortStableFunc(shown, func(a, b fleet.Finding) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.Cluster.String(), b.Cluster.String()))
	})
	if c.output == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(struct {
			Findings []fleet.Finding `json:"findings"`
		}{append([]fleet.Finding{}, shown...)})
	}
	_, err := fmt.Fprintf(w, "%s\n\n%s\n", c.table(shown), count(findings))
	return err
}

func (c check) table(findings []fleet.Finding) string {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"Severity", "Cluster", "Check", "Observed", "Reason"})
	t.SetColumnConfigs([]table.ColumnConfig{{Name: "Observed", WidthMax: 36, WidthMaxEnforcer: text.WrapSoft}, {Name: "Reason", WidthMax: 60, WidthMaxEnforcer: text.WrapSoft}})
	for _, f := range findings {
		t.AppendRow(table.Row{label(f), strings.TrimSuffix(f.Cluster.String(), "/"), f.Check, f.Observed, f.Reason})
	}
	if c.output == "markdown" {
		return t.RenderMarkdown()
	}
	return t.Render()
}

func label(f fleet.Finding) string {
	if f.Outcome == fleet.Fail {
		return f.Severity.String()
	}
	return f.Outcome.String()
}

func count(findings []fleet.Finding) string {
	n := map[string]int{}
	for _, f := range findings {
		n[label(f)]++
	}
	var parts []string
	for _, l := range []string{"critical", "warning", "info", "unknown", "pass", "not-applicable"} {
		if n[l] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[l], l))
		}
	}
	return strings.Join(parts, ", ")
}

// progress shows one changing line to a person and nothing to a file.
func progress(w io.Writer, format string, args ...any) {
	if isTerminal(w) {
		fmt.Fprintf(w, "\r\x1b[K"+format, args...)
	}
}
