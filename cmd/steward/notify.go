package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/dynamo"
	"github.com/eks-steward/eks-steward/internal/notify"
	samples "github.com/eks-steward/eks-steward/internal/notify/sample"
	"github.com/eks-steward/eks-steward/internal/notify/slack"
	"github.com/eks-steward/eks-steward/internal/settings"
)

func notifyCommand(now func() time.Time) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notify",
		Short: "Try out the places where people and machines are told",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	t := trial{now: now, sleep: notify.Sleep}
	cmd.AddCommand(t.command())
	return cmd
}

// trial is one run of steward notify test.
type trial struct {
	connection
	secret, topic, machines, ledger string
	to, kinds                       []string

	api   string // of Slack; empty but in tests
	now   func() time.Time
	sleep func(ctx context.Context, d time.Duration) error
}

// The families of places, as --to names them.
const (
	toSlack    = "slack"
	toSNS      = "sns"
	toMachines = "machines"
)

// The secret that docs/deploying.md has people make.
const usualSecret = "eks-steward/slack"

func (t *trial) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Send a sample of each kind of message, and say what each place answered",
		Long: `test sends a sample of each kind of message to the places of the deployment in
the account and region of the current AWS profile: to Slack as the secret and the
routes of the configuration say, to the topic for people, and to the topic for
machines. Each says first that it is a test. The bot of a Slack app also changes
its message and answers in its thread. Nothing of it gets into the ledger.

It runs with your profile, which needs secretsmanager:GetSecretValue on the
secret, sns:Publish on the topics and use of their key, and, for what no flag
names, sns:ListTopics, dynamodb:ListTables and dynamodb:GetItem. The function
notify has a role of its own.

Exit codes: 0 every place took everything, 1 one did not, 2 wrong arguments or
configuration, 3 the places could not be found out.`,
		Example: `  steward notify test
  steward notify test --to slack --kind opened -f steward.yaml
  steward notify test --slack-secret team/slack --to slack,sns`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return t.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&t.profile, "profile", "", "AWS profile (default: AWS_PROFILE, else default)")
	f.StringSliceVar(&t.regions, "region", nil, "region of the deployment (default: the profile's)")
	f.StringVarP(&t.file, "file", "f", "", "run-time file with the routes (default: the one that the deployment accepted)")
	f.StringVar(&t.ledger, "table", "", "DynamoDB table of the deployment, where it is not found by its name")
	f.StringVar(&t.secret, "slack-secret", usualSecret, "name or ARN of the secret for Slack")
	f.StringVar(&t.topic, "topic", "", "ARN of the topic for people, where it is not found by its name")
	f.StringVar(&t.machines, "machines-topic", "", "ARN of the topic for machines, where it is not found by its name")
	f.StringSliceVar(&t.to, "to", []string{toSlack, toSNS, toMachines}, "places to try: slack, sns, machines")
	f.StringSliceVar(&t.kinds, "kind", nil, "kinds to send: "+strings.Join(kindNames(), ", ")+" (default: all)")
	return cmd
}

func kindNames() []string {
	var names []string
	for _, k := range samples.Kinds() {
		names = append(names, string(k))
	}
	return names
}

func (t *trial) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	if err := t.validate(); err != nil {
		return err
	}
	cfg, err := t.open(ctx)
	if err != nil {
		return err
	}
	if _, err := t.own(cfg); err != nil {
		return err
	}
	conf, err := t.accepted(ctx, cfg)
	if err != nil {
		return err
	}
	zone, err := conf.Notify.Location()
	if err != nil {
		return err
	}
	places, answers, err := t.places(ctx, cfg, conf.Notify)
	if err != nil {
		return &exitError{exitIncomplete, err}
	}
	links := notify.Links{Runbooks: conf.Notify.Runbooks}
	for _, p := range places {
		progress(cmd.ErrOrStderr(), "trying %s", p.name)
		answers = append(answers, t.try(ctx, p, func(k notify.Kind) notify.Message { return samples.Message(k, zone, links, t.now()) })...)
	}
	progress(cmd.ErrOrStderr(), "")
	return t.print(cmd.OutOrStdout(), answers)
}

func (t *trial) validate() error {
	if len(t.regions) > 1 {
		return errors.New("--region: want the one of the deployment")
	}
	for _, to := range t.to {
		if !slices.Contains([]string{toSlack, toSNS, toMachines}, to) {
			return fmt.Errorf("--to %q: want slack, sns or machines", to)
		}
	}
	for _, k := range t.kinds {
		if !slices.Contains(kindNames(), k) {
			return fmt.Errorf("--kind %q: want one of %s", k, strings.Join(kindNames(), ", "))
		}
	}
	if strings.HasPrefix(t.secret, "https:") || slack.IsToken(t.secret) {
		return errors.New("--slack-secret: want the name or ARN of a secret in Secrets Manager, never what it holds")
	}
	for flag, topic := range map[string]string{"--topic": t.topic, "--machines-topic": t.machines} {
		if topic != "" && !isTopic(topic) {
			return fmt.Errorf("%s %q: want the ARN of an SNS topic, such as arn:aws:sns:eu-west-1:111122223333:findings", flag, topic)
		}
	}
	return t.connection.validate()
}

// accepted is the configuration by which Slack is told: that of the file, or the
// one in force. Only Slack's places are in it.
func (t *trial) accepted(ctx context.Context, cfg aws.Config) (*config.File, error) {
	if t.file != "" || !slices.Contains(t.to, toSlack) {
		return t.configuration()
	}
	client := dynamodb.NewFromConfig(cfg)
	name := t.ledger
	if name == "" {
		found, err := ledgerTable(ctx, client)
		if err != nil {
			return nil, &exitError{exitIncomplete, fmt.Errorf("find the configuration in force: %w; or name the run-time file with -f", err)}
		}
		name = found
	}
	conf, err := settings.Current(ctx, ledger.New(dynamo.New(client, name), t.now))
	if errors.Is(err, ledger.ErrAbsent) {
		return config.Default(), nil
	}
	if err != nil {
		return nil, &exitError{exitIncomplete, err}
	}
	return conf, nil
}

// trialAnswer is what a place made of one message.
type trialAnswer struct {
	place, kind, said, remedy string
	failed                    bool
}

// try sends a place what it would get of one incident, and the lists. Once it did
// not take a message the others are not sent: mostly they would fare alike.
func (t *trial) try(ctx context.Context, p trialPlace, message func(notify.Kind) notify.Message) []trialAnswer {
	var answers []trialAnswer
	var receipt notify.Receipt
	for _, kind := range p.kinds {
		if len(t.kinds) > 0 && !slices.Contains(t.kinds, string(kind)) {
			continue
		}
		m := message(kind)
		for _, step := range steps(p.channel, m, &receipt) {
			a := trialAnswer{place: p.name, kind: string(kind), said: step.said}
			err := t.send(ctx, p, step.send)
			if err != nil {
				a.failed = true
				a.said, a.remedy = p.meaning(err)
			}
			if answers = append(answers, a); err != nil {
				return answers
			}
		}
	}
	return answers
}

// step is one call, and what it means when it works.
type step struct {
	said string
	send func(ctx context.Context) error
}

// steps are the calls that bring a message to a place: where the incident has one
// that can be changed, it is changed and its thread says why. receipt is where it
// stands, and is filled in by the first.
func steps(c notify.Channel, m notify.Message, receipt *notify.Receipt) []step {
	editor, ok := c.(notify.Editor)
	about := len(m.Notices) == 1 && m.Kind != notify.LedgerOut
	if !ok || !about || *receipt == "" {
		return []step{{"taken", func(ctx context.Context) error {
			r, err := c.Post(ctx, m)
			if about {
				*receipt = r
			}
			return err
		}}}
	}
	reply := step{"answered in the thread", func(ctx context.Context) error { return editor.Reply(ctx, *receipt, m) }}
	if m.Kind == notify.Reminder {
		return []step{reply}
	}
	return []step{{"changed in place", func(ctx context.Context) error { return editor.Update(ctx, *receipt, m) }}, reply}
}

// patience is the longest wait that a place may ask for and get.
const patience = time.Minute

// send makes a call, and makes it once more when the place asks to wait.
func (t *trial) send(ctx context.Context, p trialPlace, call func(context.Context) error) error {
	err := call(ctx)
	if busy := (*notify.Busy)(nil); errors.As(err, &busy) && busy.After <= patience {
		if err := t.sleep(ctx, busy.After); err != nil {
			return err
		}
		err = call(ctx)
	}
	if err == nil {
		err = t.sleep(ctx, p.pause)
	}
	return err
}

// meaning is what was answered, and what to do about it.
func (p trialPlace) meaning(err error) (said, remedy string) {
	var (
		busy    *notify.Busy
		refused *notify.Refused
		lost    *notify.Lost
	)
	switch {
	case errors.As(err, &busy):
		return err.Error(), fmt.Sprintf("Try again in %s.", busy.After)
	case errors.As(err, &lost):
		return err.Error(), "Let the workspace's settings allow that messages are edited, and nobody delete this one meanwhile."
	case errors.As(err, &refused) && p.advises:
		said, advice, _ := strings.Cut(refused.Reason, ": ")
		if advice == "" {
			advice = slackErrors
		}
		return "refused: " + said, advice
	case errors.As(err, &refused):
		return "refused: " + refused.Reason, p.remedy
	}
	return err.Error(), "Try again; if it lasts, see whether this machine reaches the place."
}

func (t *trial) print(w io.Writer, answers []trialAnswer) error {
	tab := table.NewWriter()
	tab.SetStyle(table.StyleLight)
	tab.AppendHeader(table.Row{"Place", "Kind", "Answer", "What to do"})
	failed := 0
	for _, a := range answers {
		if a.failed {
			failed++
		}
		tab.AppendRow(table.Row{a.place, a.kind, text.WrapSoft(a.said, width/2), text.WrapSoft(a.remedy, width/2)})
	}
	fmt.Fprintln(w, tab.Render())
	switch {
	case failed > 0:
		fmt.Fprintf(w, "\nNot every place took everything.\n")
		return &exitError{code: exitFindings}
	case len(answers) == 0:
		fmt.Fprintf(w, "\nNothing was sent: no place gets the kinds that --kind names.\n")
		return &exitError{code: exitFindings}
	}
	fmt.Fprintf(w, "\nEvery place took everything. See there that it reads well.\n")
	return nil
}
