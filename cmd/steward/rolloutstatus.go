package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/spf13/cobra"

	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/dynamo"
	"github.com/eks-steward/eks-steward/internal/rollout"
)

// standing is one run of steward rollout status.
type standing struct {
	connection
	output string
	table  string
	watch  bool
	now    func() time.Time
}

func statusCommand(now func() time.Time) *cobra.Command {
	s := standing{now: now}
	cmd := &cobra.Command{
		Use:   "status [rollout]",
		Short: "Show where a rollout stands, what it waits for and how to go on",
		Long: `status reads the ledger of the deployment in the account and region of the
current AWS profile, and shows the active rollout, the last one where none is
active, or the one of an id. It reads the table only: you need dynamodb:GetItem
and dynamodb:Query on it, and dynamodb:ListTables to find it without --table.`,
		Example: `  steward rollout status --watch
  steward rollout status 20261121-1930-4f0c2ab19d3e --output json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.run(cmd.Context(), cmd.OutOrStdout(), strings.Join(args, ""))
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.profile, "profile", "", "AWS profile (default: AWS_PROFILE, else default)")
	f.StringSliceVar(&s.regions, "region", nil, "region of the deployment (default: the profile's)")
	f.StringVar(&s.table, "table", "", "DynamoDB table of the deployment, where it is not found by its name")
	f.StringVarP(&s.output, "output", "o", "table", "table or json")
	f.BoolVarP(&s.watch, "watch", "w", false, "show it again every 5 seconds until the rollout ends")
	return cmd
}

func (s standing) run(ctx context.Context, w io.Writer, id string) error {
	if err := s.validate(); err != nil {
		return err
	}
	cfg, err := s.open(ctx)
	if err != nil {
		return err
	}
	if _, err := s.own(cfg); err != nil {
		return err
	}
	client := dynamodb.NewFromConfig(cfg)
	if s.table == "" {
		if s.table, err = ledgerTable(ctx, client); err != nil {
			return &exitError{exitIncomplete, err}
		}
	}
	v := viewer{records: ledger.New(dynamo.New(client, s.table), s.now), json: s.output == "json", now: s.now, pause: pause}
	if s.watch {
		v.terminal = isTerminal(w)
		err = v.follow(ctx, w, id)
	} else {
		_, err = v.show(ctx, w, id)
	}
	if err != nil {
		return &exitError{exitIncomplete, err}
	}
	return nil
}

func (s standing) validate() error {
	switch {
	case !slices.Contains([]string{"table", "json"}, s.output):
		return fmt.Errorf("--output %q: want table or json", s.output)
	case len(s.regions) > 1:
		return errors.New("--region: want the one of the deployment")
	}
	return s.connection.validate()
}

// A deployment's table is made by the stack EksSteward; CloudFormation puts the
// names of stack and resource into the name (CloudFormation user guide, Name type).
const (
	stackPrefix = "EksSteward-"
	tableInfix  = "Ledger"
)

// ledgerTable finds the table of the deployment among those of the region.
func ledgerTable(ctx context.Context, client dynamodb.ListTablesAPIClient) (string, error) {
	var found []string
	for p := dynamodb.NewListTablesPaginator(client, &dynamodb.ListTablesInput{}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return "", fmt.Errorf("find the deployment's table: %w: give its name with --table", refusal.Of("dynamodb:ListTables", err))
		}
		for _, name := range page.TableNames {
			if strings.HasPrefix(name, stackPrefix) && strings.Contains(name, tableInfix) {
				found = append(found, name)
			}
		}
	}
	switch len(found) {
	case 0:
		return "", errors.New("there is no table of a deployment here: choose its account and region, or give the table's name with --table")
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("there are several tables of deployments here: choose one with --table: %s", strings.Join(found, ", "))
}

// rollouts is what status reads.
type rollouts interface {
	ActiveRollout(ctx context.Context) (rollout.Rollout, error)
	Rollouts(ctx context.Context) ([]rollout.Rollout, error)
	Rollout(ctx context.Context, id string) (rollout.Rollout, error)
	AllProgress(ctx context.Context, id string) ([]rollout.Progress, error)
}

// viewer shows a rollout once or until it ends.
type viewer struct {
	records  rollouts
	json     bool
	terminal bool // a screen replaces the one before
	now      func() time.Time
	pause    func(context.Context) bool // false when there is to be no next look
}

// find is the rollout of an id; without one the active one, or else the newest.
func (v viewer) find(ctx context.Context, id string) (rollout.Rollout, error) {
	if id != "" {
		r, err := v.records.Rollout(ctx, id)
		if errors.Is(err, ledger.ErrAbsent) {
			err = fmt.Errorf("there is no rollout %s: want an id such as 20261121-1930-4f0c2ab19d3e, or none for the active rollout", id)
		}
		return r, err
	}
	r, err := v.records.ActiveRollout(ctx)
	if !errors.Is(err, ledger.ErrAbsent) {
		return r, err
	}
	all, err := v.records.Rollouts(ctx)
	if err != nil || len(all) == 0 {
		return rollout.Rollout{}, err
	}
	return all[0], nil
}

// show writes one screen, and returns the rollout that it shows.
func (v viewer) show(ctx context.Context, w io.Writer, id string) (rollout.Rollout, error) {
	r, err := v.find(ctx, id)
	if err != nil {
		return r, err
	}
	if r.ID == "" {
		_, err := fmt.Fprintln(w, "No rollout has been started yet. To see what there would be to do: steward plan.")
		return r, err
	}
	all, unread := v.records.AllProgress(ctx, r.ID)
	if v.json {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		err = e.Encode(struct {
			Rollout  rollout.Rollout    `json:"rollout"`
			Progress []rollout.Progress `json:"progress"`
		}{r, all})
	} else {
		err = rollout.Status(w, r, all, v.now())
	}
	return r, errors.Join(err, unread)
}

// wipe moves to the corner of a terminal and empties it (ECMA-48: CUP, ED).
const wipe = "\x1b[H\x1b[2J"

// follow shows a rollout until it ends. Where screens do not replace each other,
// one that says nothing new is left out.
func (v viewer) follow(ctx context.Context, w io.Writer, id string) error {
	var last []byte
	for {
		var page bytes.Buffer
		r, err := v.show(ctx, &page, id)
		if err != nil {
			return err
		}
		id = r.ID
		screen := page.Bytes()
		switch {
		case v.terminal:
			screen = append([]byte(wipe), screen...)
		case bytes.Equal(screen, last):
			screen = nil
		case last != nil:
			screen = append([]byte("\n"), screen...)
		}
		if _, err := w.Write(screen); err != nil {
			return err
		}
		if r.ID == "" || !r.Ended.IsZero() {
			return nil
		}
		last = page.Bytes()
		if !v.pause(ctx) {
			return nil // the person has seen enough
		}
	}
}

// pause waits for the next look.
func pause(ctx context.Context) bool {
	const every = 5 * time.Second
	select {
	case <-ctx.Done():
		return false
	case <-time.After(every):
		return true
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
