package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/config/schema"
	"github.com/eks-steward/eks-steward/internal/config/yamlfile"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// configFile is the run-time file where none is named.
const configFile = "steward.yaml"

// badFile says that a run-time file was read and refused. Its problems have been
// printed already.
type badFile struct {
	name     string
	problems int
}

func (b *badFile) Error() string {
	return fmt.Sprintf("%s has %s", b.name, fleet.Count(b.problems, "problem"))
}

func configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "config",
		Short:         "Check and explain the run-time file",
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.AddCommand(configValidateCommand(), configSchemaCommand(), configExplainCommand())
	return cmd
}

func configValidateCommand() *cobra.Command {
	most := map[string]string{}
	cmd := &cobra.Command{
		Use:   "validate [file]",
		Short: "Tell everything that is wrong with a run-time file",
		Long: `validate judges a run-time file (` + configFile + ` when none is named) as the
deployed functions do, and prints every problem with its line. It needs no AWS
access, so it fits a pull request's checks.

The deployment also refuses a file that asks for more than it allows. With
--max-mode, validate does too: name what you deploy with, which is report where
the deployment says nothing. A capability that is left out is not held back.`,
		Example: "  steward config validate steward.yaml --max-mode secretsEncryption=approve,keyGuard=report,nodegroupRollout=report",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := configFile
			if len(args) > 0 {
				name = args[0]
			}
			ceiling, err := maxMode(most)
			if err != nil {
				return err
			}
			f, err := parseFile(cmd.OutOrStdout(), name, ceiling)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is valid: %s, %s\n", name, fleet.Count(len(f.Targets()), "target"), fleet.Count(len(f.Overrides), "override"))
			return err
		},
	}
	cmd.Flags().StringToStringVar(&most, "max-mode", nil, "highest mode of a capability that the deployment allows")
	return cmd
}

// anyMode is what a deployment that allows everything has.
var anyMode = config.MaxMode{SecretsEncryption: config.Enforce, KeyGuard: config.Enforce, NodegroupRollout: config.Enforce}

// maxMode reads the flag --max-mode. What it leaves out allows everything.
func maxMode(flag map[string]string) (config.MaxMode, error) {
	most := anyMode
	for capability, mode := range flag {
		if !slices.Contains(config.Modes, mode) {
			return most, fmt.Errorf("--max-mode %s=%s: want one of %s", capability, mode, strings.Join(config.Modes, ", "))
		}
		switch capability {
		case "secretsEncryption":
			most.SecretsEncryption = mode
		case "keyGuard":
			most.KeyGuard = mode
		case "nodegroupRollout":
			most.NodegroupRollout = mode
		default:
			return most, fmt.Errorf("--max-mode %s=%s: want secretsEncryption, keyGuard or nodegroupRollout", capability, mode)
		}
	}
	return most, nil
}

func configSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the run-time file, for editors",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			data, err := schema.JSON()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(data)
			return err
		},
	}
}

// explain is one run of steward config explain.
type explain struct {
	account, region string
	file            string
	output          string
}

func configExplainCommand() *cobra.Command {
	var e explain
	cmd := &cobra.Command{
		Use:   "explain <cluster>",
		Short: "Show the values that hold for a cluster, and where each comes from",
		Long: `explain names the cluster's effective thresholds. The cluster is an ARN, an
account/region/name, or a name with --account and --region; either may be left
out when the file has only one.`,
		Example: `  steward config explain prod-payments --account 111122223333 --region eu-west-1
  steward config explain 111122223333/eu-west-1/prod-payments --output json`,
		Args: one("the cluster"),
		RunE: func(cmd *cobra.Command, args []string) error { return e.run(cmd.OutOrStdout(), args[0]) },
	}
	f := cmd.Flags()
	f.StringVar(&e.account, "account", "", "account of the cluster")
	f.StringVar(&e.region, "region", "", "region of the cluster")
	f.StringVarP(&e.file, "file", "f", configFile, "run-time file")
	f.StringVarP(&e.output, "output", "o", "table", "table or json")
	return cmd
}

// explanation is the JSON form of what explain prints.
type explanation struct {
	Cluster fleet.ClusterID    `json:"cluster"`
	Watched bool               `json:"watched"` // whether a target covers the cluster
	Values  []config.Explained `json:"values"`
}

func (e explain) run(w io.Writer, cluster string) error {
	if e.output != "table" && e.output != "json" {
		return fmt.Errorf("--output %q: want table or json", e.output)
	}
	f, err := parseFile(w, e.file, anyMode)
	if err != nil {
		return err
	}
	id, err := e.identify(cluster, f.Targets())
	if err != nil {
		return err
	}
	x := explanation{id, isWatched(f.Targets(), id), f.Explain(id)}
	if e.output == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(x)
	}
	return x.print(w, e.file)
}

func (x explanation) print(w io.Writer, file string) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"Key", "Value", "From"})
	for _, v := range x.Values {
		t.AppendRow(table.Row{v.Path, v.Value, v.From})
	}
	if !x.Watched {
		if _, err := fmt.Fprintf(w, "%s is not watched: no target of %s has account %s in %s. With such a target it would have:\n", x.Cluster, file, x.Cluster.Account, x.Cluster.Region); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, t.Render())
	return err
}

func isWatched(targets []fleet.Target, id fleet.ClusterID) bool {
	return slices.ContainsFunc(targets, func(t fleet.Target) bool { return t.Cluster(id.Name) == id })
}

// identify finds out which cluster is meant.
func (e explain) identify(cluster string, targets []fleet.Target) (fleet.ClusterID, error) {
	id := fleet.ClusterID{Account: e.account, Region: e.region, Name: cluster}
	if parts := strings.SplitN(cluster, ":", 6); len(parts) == 6 && parts[0] == "arn" && parts[2] == "eks" {
		id = fleet.ClusterID{Account: parts[4], Region: parts[3], Name: strings.TrimPrefix(parts[5], "cluster/")}
	} else if parts := strings.Split(cluster, "/"); len(parts) == 3 {
		id = fleet.ClusterID{Account: parts[0], Region: parts[1], Name: parts[2]}
	}
	if e.account != "" && e.account != id.Account || e.region != "" && e.region != id.Region {
		return id, fmt.Errorf("%s is not in the account and region of --account and --region: leave the flags out", cluster)
	}
	accounts, regions := map[string]bool{}, map[string]bool{}
	for _, t := range targets {
		accounts[t.Account], regions[t.Region] = true, true
	}
	id.Account = cmp.Or(id.Account, only(accounts))
	id.Region = cmp.Or(id.Region, only(regions))
	if id.Account == "" || id.Region == "" {
		return id, fmt.Errorf("several clusters may be named %s: give --account and --region, or account/region/name", cluster)
	}
	return id, errors.Join(fleet.ValidAccount(id.Account), fleet.ValidRegion(id.Region), fleet.ValidClusterName(id.Name))
}

// only is the single key of a set, else empty.
func only(set map[string]bool) string {
	if len(set) == 1 {
		for k := range set {
			return k
		}
	}
	return ""
}

// parseFile reads a run-time file, for a deployment that allows most. What is
// wrong with it is printed with the lines it stands in.
func parseFile(w io.Writer, name string, most config.MaxMode) (*config.File, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no file %s: name the run-time file, or write one as docs/configuration.md shows", name)
	}
	if err != nil {
		return nil, fmt.Errorf("read run-time file: %w", err)
	}
	f, err := yamlfile.Parse(name, data)
	if err == nil {
		err = f.Within(most)
	}
	var problems config.Problems
	if !errors.As(err, &problems) {
		return f, err
	}
	for _, p := range problems {
		if _, err := fmt.Fprint(w, p, "\n", excerpt(string(data), p.Place)); err != nil {
			return nil, err
		}
	}
	return nil, &badFile{name, len(problems)}
}

// excerpt shows a line of the file with a caret below the place. Secrets that
// were pasted into it are left out: the output often ends in a build log.
func excerpt(data string, at config.Place) string {
	lines := strings.Split(data, "\n")
	if at.Line < 1 || at.Line > len(lines) || len(lines[at.Line-1]) > 200 {
		return ""
	}
	line := strings.TrimRight(lines[at.Line-1], "\r")
	if at.Column == 0 {
		return fmt.Sprintf("%5d | %s\n", at.Line, config.Redact(line))
	}
	before := []rune(line)[:min(at.Column-1, len([]rune(line)))]
	for i, r := range before { // a tab is as wide above as below
		if r != '\t' {
			before[i] = ' '
		}
	}
	return fmt.Sprintf("%5d | %s\n      | %s^\n", at.Line, config.Redact(line), string(before))
}
