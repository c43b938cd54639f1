package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/local"
	"github.com/eks-steward/eks-steward/testevents"
)

func demoCommand() *cobra.Command {
	var page, logFile string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the whole product for an hour and a half of simulated time, without AWS",
		Long: `demo runs the handlers of the deployed functions in one process, on a ledger
file and in-process queues, against a simulated EKS and CloudWatch with a dozen
clusters. One of them fills up and is cleaned up; every event is delivered twice.
The messages are shown here and on a page that looks like Slack.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo{out: cmd.OutOrStdout(), page: page, log: logFile}.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&page, "page", "demo.html", "where to write the page of messages")
	cmd.Flags().StringVar(&logFile, "log", "", "where to write the functions' logs (default: nowhere)")
	return cmd
}

// demo tells its story on out.
type demo struct {
	out  io.Writer
	page string
	log  string
}

// moment is something that happens to the product at one time.
type moment struct {
	at     time.Time
	happen func(*local.Product) error
}

func (d demo) run(ctx context.Context) error {
	script, err := demoScript()
	if err != nil {
		return err
	}
	seed, err := readFleet("")
	if err != nil {
		return err
	}
	ledgerFile, remove, err := scratchLedger()
	if err != nil {
		return err
	}
	defer remove()
	log, err := d.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	s, err := openStage(ledgerFile, seed, demoStart, log)
	if err != nil {
		return err
	}
	defer s.close()
	if err := d.play(ctx, s, script); err != nil {
		return err
	}
	if err := d.replay(ctx, s, script); err != nil {
		return err
	}
	d.bill(s)
	return d.writePage(s)
}

func (d demo) openLog() (io.WriteCloser, error) {
	if d.log == "" {
		return discard{io.Discard}, nil
	}
	return os.Create(d.log)
}

type discard struct{ io.Writer }

func (discard) Close() error { return nil }

// demoStart is when the story begins; the fleet file counts from it.
var demoStart = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// demoScript is the story: the schedules of the deployment for an hour and a
// half, and what CloudTrail tells of a cluster in between.
func demoScript() ([]moment, error) {
	calls := map[time.Duration]string{0: "CreateCluster", 20 * time.Minute: "UpdateClusterConfig", 50 * time.Minute: "DeleteCluster"}
	var script []moment
	for after := time.Duration(0); after <= 90*time.Minute; after += 5 * time.Minute {
		at := demoStart.Add(after)
		if after%time.Hour == 0 {
			script = append(script, beat(events.Hourly, at))
		}
		script = append(script, beat(events.FiveMinutes, at))
		if name, ok := calls[after]; ok {
			call, err := testevents.Read(local.EtcdSize, name)
			if err != nil {
				return nil, err
			}
			script = append(script, moment{at, func(p *local.Product) error { return p.PutEvent(call) }})
		}
	}
	return script, nil
}

func beat(c events.Cadence, at time.Time) moment {
	return moment{at, func(p *local.Product) error { return p.Beat(c, at) }}
}

// play lets everything happen at its time, twice, and shows what people are told.
func (d demo) play(ctx context.Context, s *stage, script []moment) error {
	fmt.Fprintf(d.out, "A dozen clusters, three account-regions, simulated time. Every event is delivered twice.\n\n")
	shown := 0
	for _, next := range script {
		s.clock.To(next.at)
		if err := s.happen(ctx, next, next); err != nil {
			return err
		}
		lines := s.slack.Lines()
		for _, line := range lines[shown:] {
			fmt.Fprintln(d.out, line)
		}
		shown = len(lines)
	}
	return nil
}

// replay lets everything happen once more, late: nothing of it may be news.
func (d demo) replay(ctx context.Context, s *stage, script []moment) error {
	told := len(s.slack.Received())
	if err := s.happen(ctx, script...); err != nil {
		return err
	}
	added := len(s.slack.Received()) - told
	fmt.Fprintf(d.out, "All %d events once more: %d new messages.\n", len(script), added)
	if added > 0 {
		return &exitError{exitFindings, fmt.Errorf("the replay told %d messages again, want none", added)}
	}
	return nil
}

// happen lets the product work on what happened until nothing is left to do.
func (s *stage) happen(ctx context.Context, moments ...moment) error {
	for _, m := range moments {
		if err := m.happen(s.product); err != nil {
			return err
		}
	}
	return s.product.Drain(ctx)
}

// bill shows what the hour and a half cost in calls.
func (d demo) bill(s *stage) {
	count := map[string]int{}
	for key, n := range s.world.Calls() {
		count[key.Operation] += n.Total()
	}
	fmt.Fprintf(d.out, "AWS calls:")
	for _, op := range slices.Sorted(maps.Keys(count)) {
		fmt.Fprintf(d.out, " %s %d", op, count[op])
	}
	fmt.Fprintf(d.out, "\nMessages: %d to Slack, %d to SNS, %d in dead-letter queues.\n", len(s.slack.Received()), len(s.inbox.mail), len(s.product.DeadLetters))
}

func (d demo) writePage(s *stage) error {
	f, err := os.Create(d.page)
	if err != nil {
		return fmt.Errorf("--page: %w", err)
	}
	if err := errors.Join(s.slack.Page(f), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", d.page, err)
	}
	fmt.Fprintf(d.out, "The messages as Slack would show them: %s\n", d.page)
	return nil
}
