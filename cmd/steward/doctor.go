package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/quotas"
	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/awsfleet/rehearsal"
	"github.com/eks-steward/eks-steward/internal/awsfleet/snapshot"
	"github.com/eks-steward/eks-steward/internal/doctor"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/secret"
)

// examination is one run of steward doctor.
type examination struct {
	connection
	output     string
	apiServers bool
	secret     string
	topic      string
	machines   string
	now        func() time.Time
}

func doctorCommand() *cobra.Command {
	x := examination{now: time.Now}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say whether eks-steward would work here, and what is missing",
		Long: `doctor asks AWS what the deployed functions would ask, with the current AWS
profile or as the targets of a configuration file, and names what is missing: a
role, an IAM action with the policy that grants it, a region, a metric. It
changes nothing, sends no message and shows no secret.

Exit codes: 0 deploying makes sense, 1 something must be mended first, 2 wrong
arguments or configuration, 3 not everything could be examined.`,
		Example: `  steward doctor
  steward doctor --region eu-west-1 --region us-east-1 --api-servers
  steward doctor -f steward.yaml --slack-secret eks-steward/slack --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return x.run(cmd) },
	}
	x.flags(cmd)
	f := cmd.Flags()
	f.StringVarP(&x.output, "output", "o", "table", "table or json")
	f.BoolVar(&x.apiServers, "api-servers", false, "examine access entries and API servers too, which only the fallback to /metrics needs")
	f.StringVar(&x.secret, "slack-secret", "", "name or ARN of the secret for Slack: a webhook's address or a bot token")
	f.StringVar(&x.topic, "topic", "", "ARN of the SNS topic of findings")
	f.StringVar(&x.machines, "machines-topic", "", "ARN of the SNS topic for machines")
	return cmd
}

func (x examination) run(cmd *cobra.Command) error {
	if err := x.validate(); err != nil {
		return err
	}
	conf, err := x.configuration()
	if err != nil {
		return err
	}
	cfg, err := x.open(cmd.Context())
	if err != nil {
		return err
	}
	source := awsfleet.New(cfg)
	order := x.order(cfg, source)
	if targets := conf.Targets(); len(targets) > 0 {
		if order.Targets, err = x.within(targets); err != nil {
			return err
		}
	} else if order.Regions, err = x.own(cfg); err != nil {
		return err
	}
	progress(cmd.ErrOrStderr(), "examining")
	report := doctor.Examine(cmd.Context(), source, order, x.now())
	progress(cmd.ErrOrStderr(), "")
	if err := x.print(cmd.OutOrStdout(), report); err != nil {
		return &exitError{exitIncomplete, err}
	}
	return exit(report.Verdict)
}

func (x examination) validate() error {
	if !slices.Contains([]string{"table", "json"}, x.output) {
		return fmt.Errorf("--output %q: want table or json", x.output)
	}
	if x.topic != "" && !isTopic(x.topic) {
		return fmt.Errorf("--topic %q: want the ARN of an SNS topic, such as arn:aws:sns:eu-west-1:111122223333:findings", x.topic)
	}
	if x.machines != "" && !isTopic(x.machines) {
		return fmt.Errorf("--machines-topic %q: want the ARN of an SNS topic, such as arn:aws:sns:eu-west-1:111122223333:machines", x.machines)
	}
	if at, err := arn.Parse(x.secret); strings.HasPrefix(x.secret, "https:") || strings.HasPrefix(x.secret, "xox") || (err == nil && at.Service != "secretsmanager") {
		return errors.New("--slack-secret: want the name or ARN of a secret in Secrets Manager, never the webhook's address or the token itself")
	}
	return x.connection.validate()
}

// order says what to examine besides the targets.
func (x examination) order(cfg aws.Config, source *awsfleet.Fleet) doctor.Order {
	stage := rehearsal.New(cfg, x.now, snapshot.WithoutServers)
	o := doctor.Order{Rehearsal: stage, Nodegroups: stage, Quotas: quotas.New(source)}
	if x.apiServers {
		o.Rehearsal, o.Servers = rehearsal.New(cfg, x.now), source
	}
	if x.secret != "" {
		client := secretsmanager.NewFromConfig(cfg, func(o *secretsmanager.Options) { o.Region = regionOf(x.secret, o.Region) })
		o.Secret, o.SecretName = secret.New(client, x.secret, x.now), x.secret
	}
	if x.topic != "" || x.machines != "" {
		client := sns.NewFromConfig(cfg, func(o *sns.Options) { o.Region = regionOf(cmp.Or(x.topic, x.machines), o.Region) })
		o.Topics, o.Topic, o.Machines = topics{client}, x.topic, x.machines
	}
	return o
}

func isTopic(s string) bool {
	at, err := arn.Parse(s)
	return err == nil && at.Service == "sns" && at.Region != ""
}

// regionOf is the region that an ARN names, else the usual one.
func regionOf(nameOrARN, usual string) string {
	if at, err := arn.Parse(nameOrARN); err == nil {
		return at.Region
	}
	return usual
}

// topics reads SNS.
type topics struct{ client *sns.Client }

func (s topics) Subscriptions(ctx context.Context, topic string) (confirmed, pending int, err error) {
	out, err := s.client.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &topic})
	if gone := (*types.NotFoundException)(nil); errors.As(err, &gone) {
		return 0, 0, &fleet.Trouble{Kind: fleet.Gone, Action: "sns:GetTopicAttributes", Err: gone}
	}
	if err != nil {
		return 0, 0, refusal.Of("sns:GetTopicAttributes", err)
	}
	confirmed, err = strconv.Atoi(out.Attributes["SubscriptionsConfirmed"])
	if err != nil {
		return 0, 0, errors.New("SNS did not say how many subscriptions are confirmed")
	}
	pending, _ = strconv.Atoi(out.Attributes["SubscriptionsPending"]) // told beside the confirmed ones, decides nothing
	return confirmed, pending, nil
}

// exit is the exit code of a verdict, whose sentence is printed with the report.
func exit(v doctor.Verdict) error {
	switch v {
	case doctor.Ready:
		return nil
	case doctor.Mend:
		return &exitError{code: exitFindings}
	}
	return &exitError{code: exitIncomplete}
}

func (x examination) print(w io.Writer, r doctor.Report) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if x.output == "json" {
		return e.Encode(r)
	}
	fmt.Fprintln(w, examined(r.Examinations))
	for _, p := range r.Policies {
		fmt.Fprintf(w, "\nAttach this policy to %s:\n\n", p.Principal)
		if err := e.Encode(p.Document); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%s\n", verdicts[r.Verdict])
	return err
}

var verdicts = map[doctor.Verdict]string{
	doctor.Ready:   "Deploying makes sense: nothing that eks-steward needs is missing.",
	doctor.Mend:    "Mend what failed first: eks-steward would not see everything.",
	doctor.Unclear: "Not everything could be examined: nothing is known to be wrong, but what is unknown is not fine.",
}

func examined(examinations []doctor.Examination) string {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options.SeparateRows = true
	t.AppendHeader(table.Row{"Outcome", "Where", "Examined", "Seen, and what to do"})
	for _, e := range examinations {
		outcome := e.Outcome.String()
		if e.Optional {
			outcome += "\n(optional)"
		}
		t.AppendRow(table.Row{outcome, e.Where, e.Subject, told(e)})
	}
	return t.Render()
}

// told is what was tried and seen, with the clusters' names where they matter,
// and the remedy.
func told(e doctor.Examination) string {
	seen := e.Seen
	if e.Tried != "" {
		seen = e.Tried + ": " + seen
	}
	lines := []string{text.WrapSoft(seen, width)}
	if e.Outcome != fleet.Pass && len(e.Clusters) > 0 {
		lines = append(lines, text.WrapSoft("clusters: "+strings.Join(e.Clusters, ", "), width))
	}
	if e.Remedy != "" {
		lines = append(lines, text.WrapSoft("-> "+e.Remedy, width))
	}
	return strings.Join(lines, "\n")
}

// width of the last column in characters.
const width = 72
