package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/approval"
)

func rolloutCommand(now func() time.Time) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rollout",
		Short: "Start, stop and watch rollouts of new nodes",
		Long: `rollout steers the rollouts of the deployment in the account and region of the
current AWS profile, and shows where one stands. Steering needs sqs:SendMessage
and sqs:GetQueueUrl on the queue ` + approval.QueueName + `, and AWS vouches for who
you are. An update that has begun can be neither paused nor cancelled.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(startCommand(), pauseCommand(), resumeCommand(), retryCommand(), abortCommand(), statusCommand(now))
	return cmd
}

// steering is one run of a command that steers a rollout.
type steering struct {
	consent
	approval.Command
}

func (s *steering) command(cmd *cobra.Command, example string, run func(args []string)) *cobra.Command {
	cmd.Example = example
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		run(args)
		return s.run(cmd, cmd.OutOrStdout())
	}
	s.addressed(cmd)
	cmd.Flags().StringVar(&s.Why, "why", "", "the reason, for those who see the rollout")
	return cmd
}

func startCommand() *cobra.Command {
	s := steering{Command: approval.Command{Verb: events.VerbStart}}
	cmd := s.command(&cobra.Command{
		Use:   "start",
		Short: "Start a rollout of the nodegroups that need new nodes",
		Long: `start has the deployment make a plan now and carry it out, within the modes,
windows and freezes of its configuration and with the approval that they ask for.
Where a rollout is there in which nothing has begun, it takes its place.

With --force groups get new nodes although theirs are fresh; pods stay within
their PodDisruptionBudgets all the same.`,
		Args: cobra.NoArgs,
	}, `  steward rollout start
  steward rollout start --cluster dev --force dev/batch --why "a driver leaks memory"`, func([]string) {})
	cmd.Flags().StringSliceVar(&s.Clusters, "cluster", nil, "only this cluster, or account/region/cluster; may be repeated")
	cmd.Flags().StringSliceVar(&s.Forced, "force", nil, "cluster/group that is renewed whatever it has, or cluster/* for all of it; may be repeated")
	return cmd
}

func pauseCommand() *cobra.Command {
	s := steering{Command: approval.Command{Verb: events.VerbPause}}
	return s.command(&cobra.Command{
		Use:   "pause [rollout]",
		Short: "Begin no more groups; what is under way goes on to its end",
		Args:  cobra.MaximumNArgs(1),
	}, `  steward rollout pause --why "the sale begins"`, s.named)
}

func resumeCommand() *cobra.Command {
	s := steering{Command: approval.Command{Verb: events.VerbResume}}
	cmd := s.command(&cobra.Command{
		Use:   "resume [rollout]",
		Short: "Go on with a rollout that is paused or has halted; groups that failed are tried again",
		Args:  cobra.MaximumNArgs(1),
	}, `  steward rollout resume
  steward rollout resume --skip prod/batch`, s.named)
	cmd.Flags().StringSliceVar(&s.Skip, "skip", nil, "cluster/group to leave out, or account/region/cluster/group; may be repeated")
	return cmd
}

func retryCommand() *cobra.Command {
	s := steering{Command: approval.Command{Verb: events.VerbRetry}}
	return s.command(&cobra.Command{
		Use:   "retry <cluster/group>",
		Short: "Try one group that failed again, and begin nothing else meanwhile",
		Args:  one("the group"),
	}, `  steward rollout retry prod/batch`, func(args []string) { s.Group = args[0] })
}

func abortCommand() *cobra.Command {
	s := steering{Command: approval.Command{Verb: events.VerbAbort}}
	return s.command(&cobra.Command{
		Use:   "abort [rollout]",
		Short: "End a rollout for good; what is under way goes on to its end",
		Args:  cobra.MaximumNArgs(1),
	}, `  steward rollout abort --why "the image is bad"`, s.named)
}

// named takes the id of a rollout, where one is given.
func (s *steering) named(args []string) {
	if len(args) > 0 {
		s.Rollout = args[0]
	}
}

func (s *steering) run(cmd *cobra.Command, w io.Writer) error {
	if err := s.validate(); err != nil {
		return err
	}
	message, err := approval.Word{Rollout: &s.Command}.Message()
	if errors.Is(err, approval.ErrNoWhy) {
		return fmt.Errorf("--why: %w", err)
	}
	if err != nil {
		return err
	}
	if err := s.send(cmd.Context(), message); err != nil {
		return err
	}
	fmt.Fprintf(w, `Your command to %s was sent.

What happens next: %s If no message comes
within a few minutes it was refused, and the log groups of the functions approve
and nodegrouprollout say why. To see where it stands: steward rollout status.
`, sent[s.Verb].what, sent[s.Verb].next)
	return nil
}

// sent says what was asked for, and what comes of it.
var sent = map[string]struct{ what, next string }{
	events.VerbStart: {"start a rollout", `the deployment reads the clusters and makes a plan. A message says
that the rollout has started, and another asks for approval where the mode wants it.`},
	events.VerbPause: {"pause the rollout", `no group begins any more, and a message says so. What is under way
in EKS goes on to its end. To go on: steward rollout resume.`},
	events.VerbResume: {"resume the rollout", `the rollout goes on, and groups that failed are tried again within
their windows. A message says so.`},
	events.VerbRetry: {"try the group again", `that group is begun again within its window, and nothing else. If it
goes well and no other failed, the rollout goes on by itself.`},
	events.VerbAbort: {"abort the rollout", `the rollout ends for good, and a message says so. What is under way in
EKS goes on to its end. The next plan takes on what is left.`},
}
