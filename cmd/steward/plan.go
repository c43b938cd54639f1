package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/nodegroup"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fanout"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/rollout"
	"github.com/eks-steward/eks-steward/internal/rules"
)

// planner is one run of steward plan.
type planner struct {
	connection
	output string
	now    func() time.Time
}

func planCommand(now func() time.Time) *cobra.Command {
	p := planner{now: now}
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show which nodegroups would get new nodes, in which order and why",
		Long: `plan reads the nodegroups of the current AWS profile and region, or of every
target of a configuration file, and prints the plan that the deployed function
would make: what is rolled to what, in which waves, and what is left alone and
why. It changes nothing and needs no deployment. How long a group takes is
reckoned from its nodes; the deployed function knows how long it took before.

With -f each target is read as its role. steward-reader lets in the deployed
functions, and of people those whose role the deployment names in "readers".

Exit codes: 0 nothing to roll, 1 something to roll, 2 wrong arguments or
configuration, 3 not everything could be read.`,
		Example: `  steward plan
  steward plan -f steward.yaml --region eu-west-1 --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.run(cmd) },
	}
	p.flags(cmd)
	cmd.Flags().StringVarP(&p.output, "output", "o", "table", "table or json")
	return cmd
}

func (p planner) run(cmd *cobra.Command) error {
	if !slices.Contains([]string{"table", "json"}, p.output) {
		return fmt.Errorf("--output %q: want table or json", p.output)
	}
	if err := p.validate(); err != nil {
		return err
	}
	conf, err := p.configuration()
	if err != nil {
		return err
	}
	cfg, err := p.open(cmd.Context())
	if err != nil {
		return err
	}
	source := awsfleet.New(cfg)
	targets, err := p.targets(cmd.Context(), conf, source, cfg)
	if err != nil {
		return err
	}
	show := func(format string, args ...any) { progress(cmd.ErrOrStderr(), format, args...) }
	all, unread := candidates(cmd.Context(), source, nodegroup.NewReader(source, p.now), targets, show)
	show("")
	if cmd.Context().Err() != nil {
		return &exitError{exitIncomplete, errors.New("interrupted: nothing was written")}
	}
	for i := range all {
		all[i].Policy = rules.Rollout(conf, clusterOf(all[i]), config.Enforce)
	}
	plan := rollout.Make(all, rules.Waves(conf), p.now())
	if err := p.print(cmd.OutOrStdout(), plan); err != nil {
		return &exitError{exitIncomplete, err}
	}
	switch {
	case unread != nil:
		return &exitError{exitIncomplete, fmt.Errorf("not everything could be read: %w", unread)}
	case len(plan.Waves) > 0:
		return &exitError{code: exitFindings}
	}
	return nil
}

// clusterOf is a candidate's cluster, or as much as is known of one that could not
// be read.
func clusterOf(c rollout.Candidate) fleet.Cluster {
	if c.Cluster.Known() {
		return c.Cluster.Value
	}
	return fleet.Cluster{ID: c.ID}
}

// candidates reads every cluster of the targets. The error is about those that
// could not be read; they are among the candidates, which say so.
func candidates(ctx context.Context, source *awsfleet.Fleet, reader *nodegroup.Reader, targets []fleet.Target, show func(string, ...any)) (all []rollout.Candidate, unread error) {
	const atOnce = 8
	for _, t := range targets {
		show("reading %s", t)
		names, err := source.Clusters(ctx, t)
		if err != nil {
			unread = errors.Join(unread, fmt.Errorf("list the clusters of %s: %w", t, err))
			continue
		}
		read := make([]rollout.Candidate, len(names))
		fanout.Each(len(names), atOnce, func(i int) {
			show("reading %s: %d of %d clusters", t, i, len(names))
			read[i] = reader.Candidate(ctx, t, names[i])
		})
		for _, c := range read {
			unread = errors.Join(unread, incomplete(c))
		}
		all = append(all, read...)
	}
	return all, unread
}

// incomplete names a cluster of which something could not be read. Without images
// nobody knows whether nodes are old.
func incomplete(c rollout.Candidate) error {
	for _, t := range []*fleet.Trouble{c.Cluster.Trouble, c.Groups.Trouble, c.Images.Trouble, c.Heads.Trouble} {
		if t != nil && !errors.Is(t, fleet.Gone) {
			return fmt.Errorf("%s: %w", c.ID, t)
		}
	}
	return nil
}

func (p planner) print(w io.Writer, plan rollout.Plan) error {
	if p.output == "table" {
		return rollout.Print(w, plan)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Hash string       `json:"hash"`
		Plan rollout.Plan `json:"plan"`
	}{plan.Hash(), plan})
}
