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
	"github.com/eks-steward/eks-steward/internal/config/yamlfile"
	"github.com/eks-steward/eks-steward/internal/fleet"
	simslack "github.com/eks-steward/eks-steward/internal/sim/slack"
	"github.com/eks-steward/eks-steward/testevents"
)

func demoCommand() *cobra.Command {
	var d demo
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the whole product for an hour and a half of simulated time, without AWS",
		Long: `demo runs the handlers of the deployed functions in one process, on a ledger
file and in-process queues, against a simulated AWS with a small fleet. One
of them fills up and is cleaned up; every event is delivered twice. The messages
are shown here and on a page that looks like Slack; another page is the report
about the fleet.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d.out = cmd.OutOrStdout()
			return d.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&d.page, "page", "demo.html", "where to write the page of messages")
	cmd.Flags().StringVar(&d.report, "report", "demo-report.html", "where to write the report about the fleet")
	cmd.Flags().StringVar(&d.log, "log", "", "where to write the functions' logs (default: nowhere)")
	return cmd
}

// demo tells its story on out.
type demo struct {
	out    io.Writer
	page   string
	report string
	log    string
}

// moment is something that happens to the product, or around it, at one time.
type moment struct {
	at     time.Time
	happen func(*stage) error
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
	if err := d.settle(ctx, s); err != nil {
		return err
	}
	if err := d.play(ctx, s, script); err != nil {
		return err
	}
	if err := d.replay(ctx, s, script); err != nil {
		return err
	}
	d.bill(s)
	if err := d.writePage(s); err != nil {
		return err
	}
	return d.writeReport(ctx, s)
}

// settle has the story begin on a day like any other: where nobody has looked at
// the targets before, all checks would begin with the first tick.
func (demo) settle(ctx context.Context, s *stage) error {
	conf, err := yamlfile.Parse("steward.yaml", demoConfig)
	if err != nil {
		return err
	}
	return s.product.Ledger.KnowTargets(ctx, conf.Targets())
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

// demoCluster is the one that comes and goes, as the events of CloudTrail name it.
var demoCluster = fleet.ClusterID{Account: "111122223333", Region: "us-east-1", Name: "my-cluster"}

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
		if after == 35*time.Minute {
			script = append(script, beat(events.Daily, at))
		}
		script = append(script, beat(events.FiveMinutes, at))
		if name, ok := calls[after]; ok {
			call, err := testevents.Read(events.EtcdSize, name)
			if err != nil {
				return nil, err
			}
			script = append(script, moment{at, func(s *stage) error {
				if name == "DeleteCluster" {
					s.world.Remove(demoCluster)
				}
				return s.product.PutEvent(call)
			}})
		}
	}
	return script, nil
}

func beat(c events.Cadence, at time.Time) moment {
	return moment{at, func(s *stage) error { return s.product.Beat(c, at) }}
}

// play lets everything happen at its time, twice, and shows what people are told.
func (d demo) play(ctx context.Context, s *stage, script []moment) error {
	fmt.Fprintf(d.out, "Clusters in three account-regions, simulated time. Every event is delivered twice.\n\n")
	seen := view{}
	for _, next := range script {
		s.clock.To(next.at)
		if err := s.happen(ctx, next, next); err != nil {
			return err
		}
		for _, line := range seen.news(s.slack.Received()) {
			fmt.Fprintln(d.out, line)
		}
	}
	return nil
}

// view is what a reader of the channel has seen of each message.
type view map[string]glance

type glance struct{ edits, replies int }

// news are the lines that a reader has not seen: new messages whole, and what was
// said in the threads of earlier ones or changed in place.
func (v view) news(shown []simslack.Received) []string {
	var lines []string
	for _, m := range shown {
		last, known := v[m.TS]
		switch {
		case !known:
			lines = append(lines, m.Lines()...)
		case len(m.Before) > last.edits:
			lines = append(lines, fmt.Sprintf("%s  ✎ in place: %s", m.Edited.Format(time.TimeOnly), m.Message.Text))
		}
		for _, r := range m.Replies[last.replies:] {
			lines = append(lines, threaded(r.Lines())...)
		}
		v[m.TS] = glance{len(m.Before), len(m.Replies)}
	}
	return lines
}

// threaded sets the lines of a reply in, behind their times.
func threaded(lines []string) []string {
	const clock = len("15:04:05  ")
	mark := "↳ "
	for i, line := range lines {
		lines[i] = line[:clock] + mark + line[clock:]
		mark = "  "
	}
	return lines
}

// replay lets everything happen once more, late: nothing of it may be news.
func (d demo) replay(ctx context.Context, s *stage, script []moment) error {
	told := tally(s.slack)
	if err := s.happen(ctx, script...); err != nil {
		return err
	}
	added := tally(s.slack).all() - told.all()
	fmt.Fprintf(d.out, "All %d events once more: %d new messages.\n", len(script), added)
	if added > 0 {
		return &exitError{exitFindings, fmt.Errorf("the replay told %d messages again, want none", added)}
	}
	return nil
}

// counts are what a channel was sent.
type counts struct{ posts, edits, replies int }

func (c counts) all() int { return c.posts + c.edits + c.replies }

func tally(channel *simslack.Channel) (c counts) {
	for _, m := range channel.Received() {
		c.posts++
		c.edits += len(m.Before)
		c.replies += len(m.Replies)
	}
	return c
}

// happen lets the product work on what happened until nothing is left to do.
func (s *stage) happen(ctx context.Context, moments ...moment) error {
	for _, m := range moments {
		if err := m.happen(s); err != nil {
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
	slack := tally(s.slack)
	fmt.Fprintf(d.out, "\nMessages: %d to Slack (%d changed in place, %d in threads), %d to SNS, %d in dead-letter queues.\n",
		slack.posts, slack.edits, slack.replies, len(s.inbox.mail), len(s.product.DeadLetters))
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

// writeReport shows the fleet as it is at the end of the story.
func (d demo) writeReport(ctx context.Context, s *stage) error {
	conf, err := yamlfile.Parse("steward.yaml", demoConfig)
	if err != nil {
		return err
	}
	silent := func(string, ...any) {}
	all, _ := newSurveyor(s.source, conf, s.clock.Now, silent).fleet(ctx, conf.Targets())
	if err := writePage(d.report, all); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "The fleet as `steward report` shows it: %s\n", d.report)
	return nil
}
