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

// delivery is one message to one function at one moment.
type delivery struct {
	at       time.Time
	function string
	body     []byte
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
	s, err := openStage(ledgerFile, seed, script[0].at, log)
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

// demoScript is the story: test events as they are in the repository, and the
// ticks of an hour and a half made from theirs.
func demoScript() ([]delivery, error) {
	hourly, start, err := demoTick("tick-hourly")
	if err != nil {
		return nil, err
	}
	fiveMinutes, _, err := demoTick("tick-five-minutes")
	if err != nil {
		return nil, err
	}
	created, err := testevents.Read(local.EtcdSize, "CreateCluster")
	if err != nil {
		return nil, err
	}
	script := []delivery{hourly(start), {start, local.EtcdSize, created}}
	for at := start.Add(5 * time.Minute); !at.After(start.Add(90 * time.Minute)); at = at.Add(5 * time.Minute) {
		if at.Equal(start.Add(time.Hour)) {
			script = append(script, hourly(at))
		}
		script = append(script, fiveMinutes(at))
	}
	return script, nil
}

// demoTick reads a tick from the test events and returns how to beat it at
// another time, with its own time.
func demoTick(name string) (beat func(at time.Time) delivery, at time.Time, err error) {
	raw, err := testevents.Read(local.Dispatch, name)
	if err != nil {
		return nil, at, err
	}
	e, err := events.Decode(raw)
	if err != nil {
		return nil, at, err
	}
	tick, ok := e.(*events.Tick)
	if !ok {
		return nil, at, fmt.Errorf("test event %s is a %T, want a tick", name, e)
	}
	return func(at time.Time) delivery {
		t := *tick
		t.Time, t.ID = at, fmt.Sprintf("tick/%s/%s", t.Cadence, at.Format(time.RFC3339))
		body, err := events.Message(&t)
		if err != nil {
			panic(err) // a decoded tick with another time is a tick
		}
		return delivery{at, local.Dispatch, body}
	}, tick.Time, nil
}

// play delivers everything at its time, twice, and shows what people are told.
func (d demo) play(ctx context.Context, s *stage, script []delivery) error {
	fmt.Fprintf(d.out, "A dozen clusters, three account-regions, simulated time. Every event is delivered twice.\n\n")
	shown := 0
	for _, next := range script {
		s.clock.To(next.at)
		if err := s.deliver(ctx, next, next); err != nil {
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

// replay delivers everything once more, late: nothing of it may be news.
func (d demo) replay(ctx context.Context, s *stage, script []delivery) error {
	told := len(s.slack.Received())
	if err := s.deliver(ctx, script...); err != nil {
		return err
	}
	added := len(s.slack.Received()) - told
	fmt.Fprintf(d.out, "All %d events once more: %d new messages.\n", len(script), added)
	if added > 0 {
		return &exitError{exitFindings, fmt.Errorf("the replay told %d messages again, want none", added)}
	}
	return nil
}

// deliver sends messages and lets the product work until nothing is left to do.
func (s *stage) deliver(ctx context.Context, deliveries ...delivery) error {
	for _, next := range deliveries {
		if err := s.product.Send(next.function, next.body); err != nil {
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
