// Package local runs the whole product in one process: the handlers of the
// deployed functions between in-process queues, over any ledger. It is what the
// demo, `steward invoke` and tests run where no AWS is; it replaces SQS, the
// bus and the function service, and nothing that decides.
package local

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"

	"github.com/eks-steward/eks-steward/events"
	clustercheckfn "github.com/eks-steward/eks-steward/functions/clustercheck/handler"
	dispatch "github.com/eks-steward/eks-steward/functions/dispatch/handler"
	etcdsizefn "github.com/eks-steward/eks-steward/functions/etcdsize/handler"
	rolloutfn "github.com/eks-steward/eks-steward/functions/nodegrouprollout/handler"
	notifyfn "github.com/eks-steward/eks-steward/functions/notify/handler"
	secretsfn "github.com/eks-steward/eks-steward/functions/secretsencryption/handler"
	"github.com/eks-steward/eks-steward/internal/clustercheck"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/etcdsize"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/nodegrouprollout"
	"github.com/eks-steward/eks-steward/internal/notify"
	"github.com/eks-steward/eks-steward/internal/outage"
	"github.com/eks-steward/eks-steward/internal/outbox"
	"github.com/eks-steward/eks-steward/internal/secretsencryption"
	"github.com/eks-steward/eks-steward/internal/settings"
	"github.com/eks-steward/eks-steward/internal/worker"
)

// Functions lists them, in the order in which their queues are emptied.
func Functions() []string {
	return []string{events.Dispatch, events.EtcdSize, events.ClusterCheck, events.SecretsEncryption, events.NodegroupRollout, events.Notify}
}

// Parts are what a deployment would have around the functions.
type Parts struct {
	Store  ledger.Store
	Source etcdsize.Source
	Open   clustercheck.Open
	Keys   Keys
	Nodes  Nodes
	Config settings.File
	Parse  settings.Parse
	Slack  notifyfn.Slack // nil: none
	SNS    notify.Channel
	// Machines is the topic that programs read; nil for none.
	Machines notify.Channel
	Hub      fleet.ClusterID
	Now      func() time.Time
	Sleep    func(ctx context.Context, d time.Duration) error
	Log      io.Writer // JSON, one line for each message and one for each batch
}

// Keys is what puts keys on clusters and guards them. With modes above report it
// writes to whatever Writer and Undo reach.
type Keys struct {
	Reader               secretsencryption.Reader
	Grants               secretsfn.Grants
	Writer               secretsencryption.Writer
	Undo                 secretsfn.Undo
	Switch               secretsencryption.Switch
	MaxMode, MaxKeyGuard string // empty means report
}

// Nodes is what plans rollouts of new nodes and carries them out. With a mode above
// report it writes to whatever Writer reaches.
type Nodes struct {
	Surveyor nodegrouprollout.Surveyor
	Writer   nodegrouprollout.Writer
	Switch   nodegrouprollout.Switch
	MaxMode  string // empty means report
}

// Product is the product, running.
type Product struct {
	Ledger *ledger.Ledger
	// DeadLetters are the messages that failed as often as the queues allow.
	DeadLetters []Letter

	configure func(ctx context.Context) (*config.File, fleet.Finding, error)
	wiring    wiring
	workers   map[string]worker.Worker
	queues    map[string]*queue
}

// Letter is one message of one queue.
type Letter struct {
	Function string
	ID       string
	Body     string
	Receives int
}

// New puts the product together, wired as the deployment is.
func New(p Parts) (*Product, error) {
	w, err := wire(p.Hub)
	if err != nil {
		return nil, err
	}
	records := ledger.New(p.Store, p.Now)
	product := &Product{Ledger: records, wiring: w, workers: map[string]worker.Worker{}, queues: map[string]*queue{}}
	for _, f := range w.Functions {
		product.queues[f.Name] = &queue{function: f}
	}
	product.configure = func(ctx context.Context) (*config.File, fleet.Finding, error) {
		return settings.Refresh(ctx, p.Config, p.Parse, records, p.Hub, p.Now())
	}
	box := outbox.Outbox{Ledger: records, Bus: bus{product, p.Hub}}
	alarm := func(ctx context.Context, critical []fleet.Finding, bucket time.Time, cause error) error {
		_, err := p.SNS.Post(ctx, notify.Emergency(critical, bucket, cause.Error()))
		return err
	}
	handlers := map[string]worker.Handler{
		events.Dispatch: worker.Each((&dispatch.Handler{
			Configuration: product.configure,
			Ledger:        records, FollowUps: records, Rollouts: records, Outbox: box, Hub: p.Hub, Now: p.Now,
			Queues: map[string]dispatch.Queue{
				events.EtcdSize: product.queues[events.EtcdSize], events.ClusterCheck: product.queues[events.ClusterCheck],
				events.SecretsEncryption: product.queues[events.SecretsEncryption], events.NodegroupRollout: product.queues[events.NodegroupRollout],
				events.Notify: product.queues[events.Notify],
			},
		}).Handle),
		events.EtcdSize: worker.Each((&etcdsizefn.Handler{
			Source: p.Source, Ledger: records, Leases: records, Outbox: box, Outage: outage.Watch{Alarm: alarm}, Now: p.Now,
		}).Handle),
		events.ClusterCheck: worker.Each((&clustercheckfn.Handler{
			Open: p.Open, Ledger: records, Leases: records, FollowUps: records, Outbox: box,
			Queue: product.queues[events.ClusterCheck], Outage: outage.Watch{Alarm: alarm}, Now: p.Now,
		}).Handle),
		events.SecretsEncryption: worker.Each((&secretsfn.Handler{
			Reader: p.Keys.Reader, Grants: p.Keys.Grants, Writer: p.Keys.Writer, Undo: p.Keys.Undo, Switch: p.Keys.Switch,
			Ledger: records, Intents: records, Approvals: records, KeyUses: records, Leases: records, FollowUps: records,
			Outbox: box, Queue: product.queues[events.SecretsEncryption], Now: p.Now,
			MaxMode: p.Keys.MaxMode, MaxKeyGuard: p.Keys.MaxKeyGuard,
		}).Handle),
		events.NodegroupRollout: worker.Each((&rolloutfn.Handler{
			Surveyor: p.Nodes.Surveyor, Writer: p.Nodes.Writer, Switch: p.Nodes.Switch,
			Rollouts: records, Intents: records, Ledger: records, Approvals: records, Leases: records, FollowUps: records,
			Outbox: box, Bus: bus{product, p.Hub}, Queue: product.queues[events.NodegroupRollout],
			Hub: p.Hub, MaxMode: p.Nodes.MaxMode, Now: p.Now,
		}).Handle),
		events.Notify: (&notifyfn.Handler{
			Ledger: records, Slack: p.Slack, SNS: p.SNS, Machines: p.Machines, Hub: p.Hub, Now: p.Now, Sleep: p.Sleep,
		}).Handle,
	}
	for name, h := range handlers {
		product.workers[name] = worker.Worker{
			Function: name, Handle: h, Now: p.Now,
			Log: worker.NewLog(p.Log), Metrics: p.Log,
		}
	}
	return product, nil
}

// Configure accepts the configuration without waiting for a tick.
func (p *Product) Configure(ctx context.Context) error {
	_, _, err := p.configure(ctx)
	return err
}

// Send puts a message into a function's queue.
func (p *Product) Send(function string, message []byte) error {
	q, ok := p.queues[function]
	if !ok {
		return fmt.Errorf("no function %q: choose one of %q", function, Functions())
	}
	return q.Send(context.Background(), message)
}

// Beat is one beat of a schedule.
func (p *Product) Beat(c events.Cadence, at time.Time) error {
	name, message, err := p.wiring.beat(c, at)
	if err != nil {
		return err
	}
	return p.Send(name, message)
}

// PutEvent is an event on the default bus of a watched account: what its rules
// forward goes on to ours.
func (p *Product) PutEvent(raw []byte) error {
	var event map[string]any
	if err := json.Unmarshal(raw, &event); err != nil {
		return fmt.Errorf("put event: %w", err)
	}
	if !slices.ContainsFunc(p.wiring.Forwards, func(rule pattern) bool { return rule.matches(event) }) {
		return nil
	}
	return p.route(raw, event)
}

func (p *Product) route(raw []byte, event map[string]any) error {
	for _, name := range p.wiring.route(event) {
		if err := p.Send(name, raw); err != nil {
			return err
		}
	}
	return nil
}

// Drain runs the functions until every queue is empty.
func (p *Product) Drain(ctx context.Context) error {
	for busy := true; busy; {
		busy = false
		for _, f := range Functions() {
			batch := p.queues[f].receive()
			if len(batch) == 0 {
				continue
			}
			busy = true
			if err := p.run(ctx, f, batch); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// run gives a batch to a function, and brings back what it failed.
func (p *Product) run(ctx context.Context, function string, batch []Letter) error {
	answer, err := p.workers[function].Batch(ctx, delivery(batch))
	if err != nil {
		return fmt.Errorf("run %s: %w", function, err)
	}
	for _, l := range batch {
		failed := slices.ContainsFunc(answer.BatchItemFailures, func(f awsevents.SQSBatchItemFailure) bool { return f.ItemIdentifier == l.ID })
		l.Receives++
		switch {
		case !failed:
		case l.Receives >= p.queues[function].function.MaxReceives:
			p.DeadLetters = append(p.DeadLetters, l)
		default:
			p.queues[function].letters = append(p.queues[function].letters, l)
		}
	}
	return nil
}

func delivery(batch []Letter) awsevents.SQSEvent {
	var e awsevents.SQSEvent
	for _, l := range batch {
		e.Records = append(e.Records, awsevents.SQSMessage{
			MessageId: l.ID, Body: l.Body,
			Attributes: map[string]string{"ApproximateReceiveCount": strconv.Itoa(l.Receives + 1)},
		})
	}
	return e
}

// queue stands in for SQS.
type queue struct {
	function function
	letters  []Letter
	sent     int
}

func (q *queue) Send(_ context.Context, messages ...[]byte) error {
	for _, m := range messages {
		q.sent++
		id := fmt.Sprintf("%s-%d", q.function.Name, q.sent)
		q.letters = append(q.letters, Letter{Function: q.function.Name, ID: id, Body: string(m)})
	}
	return nil
}

// receive takes as many messages as the function gets at a time.
func (q *queue) receive() []Letter {
	n := min(len(q.letters), q.function.Batch)
	batch := slices.Clone(q.letters[:n])
	q.letters = q.letters[n:]
	return batch
}

// bus stands in for the product's own bus.
type bus struct {
	product *Product
	hub     fleet.ClusterID
}

func (b bus) Publish(_ context.Context, moves ...events.IncidentMoved) error {
	for _, m := range moves {
		entry, err := m.Entry()
		if err == nil {
			err = b.carry(m.ID, entry)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b bus) PublishRollout(_ context.Context, m events.RolloutMoved) error {
	entry, err := m.Entry()
	if err != nil {
		return err
	}
	return b.carry(m.ID, entry)
}

// carry brings an entry to the functions whose rules take it.
func (b bus) carry(id string, entry events.Entry) error {
	event := map[string]any{
		"version": "0", "id": "bus/" + id, "source": entry.Source, "detail-type": entry.DetailType,
		"account": b.hub.Account, "region": b.hub.Region, "time": entry.Time.UTC().Format(time.RFC3339),
		"resources": entry.Resources, "detail": json.RawMessage(entry.Detail),
	}
	raw, err := json.Marshal(event)
	if err != nil {
		return err
	}
	// Rules look into the detail as it was sent, not at its text.
	if err := json.Unmarshal(raw, &event); err != nil {
		return err
	}
	return b.product.route(raw, event)
}
