package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/events"
	dispatch "github.com/eks-steward/eks-steward/functions/dispatch/handler"
	rollouts "github.com/eks-steward/eks-steward/functions/nodegrouprollout/handler"
	"github.com/eks-steward/eks-steward/internal/awsfleet/nodegroup"
	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/config/yamlfile"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/outbox"
	"github.com/eks-steward/eks-steward/internal/rules"
	"github.com/eks-steward/eks-steward/internal/settings"
)

var hub = fleet.ClusterID{Account: home, Region: "eu-central-1"}

// A product is dispatch and nodegrouprollout, as they are deployed but for what
// carries messages, in a simulated world. The clustercheck that finds old nodes is
// reduced to that check, and what it takes is not counted: it looks every day, with
// or without rollouts.
type product struct {
	*world
	conf     *config.File
	dispatch *dispatch.Handler
	rollouts *rollouts.Handler
	inbox    *inbox // of nodegrouprollout

	// Each of these counts one share of what is asked of the ledger: that of
	// dispatch which it has anyhow, that which it has of rollouts, and that of
	// nodegrouprollout.
	own, passing, function *meter

	reader  *nodegroup.Reader // of clustercheck
	found   *ledger.Ledger
	stale   map[fleet.ClusterID]bool // to be looked at by the next check, by what moved them
	checked time.Time

	runs []run
}

// A run is one invocation of nodegrouprollout, or what a tick of dispatch took for
// the sake of rollouts: then it has no event.
type run struct {
	at      time.Time
	event   string         // such as Tick
	rollout string         // id
	under   int            // groups under way before it
	cadence events.Cadence // of a tick of dispatch
	passed  bool           // it led to a message to nodegrouprollout
	calls   map[string]int
	events  int // that it told the bus
	records
}

// began is how many groups the run began.
func (r run) began() int { return r.calls["eks:UpdateNodegroupVersion"] }

// newProduct deploys into a new world, with so many clusters and groups of each that
// may be under way at a time.
func newProduct(s size, maxClusters, maxGroups int) (*product, error) {
	w, err := newWorld(s)
	if err != nil {
		return nil, err
	}
	file, store := fmt.Sprintf(file, maxClusters, maxGroups), newTable()
	p := &product{
		world: w, inbox: &inbox{}, stale: map[fleet.ClusterID]bool{},
		own: &meter{Store: store}, passing: &meter{Store: store}, function: &meter{Store: store},
		reader: nodegroup.NewReader(w.aws(), w.now), found: ledger.New(store, w.now),
	}
	own, passing, function := ledger.New(p.own, w.now), ledger.New(p.passing, w.now), ledger.New(p.function, w.now)
	p.dispatch = &dispatch.Handler{
		Configuration: func(ctx context.Context) (*config.File, fleet.Finding, error) {
			return settings.Refresh(ctx, text(file), yamlfile.Parse, own, hub, w.now())
		},
		Ledger: told{own}, FollowUps: followUps{own, passing}, Rollouts: passing,
		Outbox: outbox.Outbox{Ledger: own, Bus: &bus{}},
		Queues: map[string]dispatch.Queue{
			events.EtcdSize: nobody{}, events.ClusterCheck: nobody{}, events.SecretsEncryption: nobody{}, events.Notify: nobody{},
			events.NodegroupRollout: p.inbox,
		},
		Now: w.now,
	}
	watched, heard := w.aws(), &bus{}
	p.rollouts = &rollouts.Handler{
		Surveyor: nodegroup.NewReader(watched, w.now), Writer: nodegroup.NewWriter(watched, config.RolloutWriter), Switch: &off{},
		Rollouts: function, Intents: function, Ledger: function, Approvals: function, Leases: function, FollowUps: function,
		Outbox: outbox.Outbox{Ledger: function, Bus: heard}, Bus: heard, Queue: p.inbox,
		Hub: hub, MaxMode: config.Enforce, Now: w.now,
	}
	p.conf, err = yamlfile.Parse("steward.yaml", []byte(file))
	return p, err
}

// pass has five minutes go by.
func (p *product) pass(ctx context.Context) error {
	p.set(p.now().Add(5 * time.Minute))
	upgraded, err := p.change(ctx)
	if err != nil {
		return err
	}
	for _, id := range upgraded {
		p.stale[id] = true
	}
	if now := p.now(); now.Hour() == 6 && now.Minute() == 0 {
		if err := p.check(ctx); err != nil {
			return err
		}
		if err := p.tick(ctx, events.Daily); err != nil {
			return err
		}
	}
	return p.tick(ctx, events.FiveMinutes)
}

// tick is a beat of the schedule, with all that follows from it.
func (p *product) tick(ctx context.Context, cadence events.Cadence) error {
	now, waiting := p.now(), len(p.inbox.messages)
	p.ResetCalls()
	head := events.Header{ID: string(cadence) + now.Format(time.RFC3339), Account: hub.Account, Region: hub.Region, Time: now}
	if _, err := p.dispatch.Handle(ctx, &events.Tick{Header: head, Cadence: cadence}); err != nil {
		return fmt.Errorf("dispatch at %s: %w", now, err)
	}
	p.runs = append(p.runs, run{at: now, under: p.inbox.under, cadence: cadence, passed: len(p.inbox.messages) > waiting, calls: p.called(), records: p.passing.take()})
	return p.deliver(ctx)
}

// deliver has nodegrouprollout handle what is in its queue, and what it sends to
// itself meanwhile.
func (p *product) deliver(ctx context.Context) error {
	for len(p.inbox.messages) > 0 {
		m := p.inbox.messages[0]
		p.inbox.messages = p.inbox.messages[1:]
		e, err := events.Decode(m)
		if err != nil {
			return err
		}
		p.ResetCalls()
		attrs, err := p.rollouts.Handle(ctx, e)
		if err != nil {
			return fmt.Errorf("nodegrouprollout at %s: %T: %w", p.now(), e, err)
		}
		if err := p.note(e, attrs); err != nil {
			return err
		}
	}
	return nil
}

// note writes down what a run took.
func (p *product) note(e events.Event, attrs []slog.Attr) error {
	r := run{at: p.now(), event: strings.TrimPrefix(fmt.Sprintf("%T", e), "*events."), under: p.inbox.under, calls: p.called(), records: p.function.take()}
	if n := p.rollouts.Switch.(*off).take(); n > 0 {
		r.calls["ssm:GetParameter"] += n
	}
	heard := p.rollouts.Bus.(*bus)
	for _, done := range heard.done {
		p.stale[done] = true
	}
	r.events, heard.events, heard.done = heard.events, 0, nil
	for _, a := range attrs {
		switch a.Key {
		case "rollout":
			r.rollout = a.Value.String()
		case "rollout_busy":
			p.inbox.under = int(a.Value.Int64())
		case "rollout_state":
			if a.Value.String() == "halted" {
				return fmt.Errorf("the rollout halted at %s: %v", p.now(), attrs)
			}
		}
	}
	p.runs = append(p.runs, r)
	return nil
}

// called are the calls of AWS APIs since they were last reset, by IAM action.
func (p *product) called() map[string]int {
	calls := map[string]int{}
	for key, n := range p.Calls() {
		service := key.Service
		switch service {
		case "sts":
			continue // sessions live by the clock of the machine
		case "monitoring":
			service = "cloudwatch"
		}
		calls[service+":"+key.Operation] += n.Total()
	}
	return calls
}

// check does what clustercheck does in the morning, of the clusters that may have
// moved, and gives nodegrouprollout the findings that are news.
func (p *product) check(ctx context.Context) error {
	if p.matured(p.checked) {
		for _, c := range p.clusters {
			p.stale[c.id] = true
		}
	}
	p.checked = p.now()
	i := slices.IndexFunc(checks.List, func(c checks.Check) bool { return c.ID == "node-freshness" })
	var found []fleet.Finding
	for id := range maps.Keys(p.stale) {
		t, _ := p.conf.Target(id.Account, id.Region)
		c := p.reader.Candidate(ctx, t, id.Name)
		snap := fleet.Snapshot{ID: id, Cluster: c.Cluster, Nodegroups: c.Groups, Images: c.Images, TemplateHeads: c.Heads}
		for _, f := range checks.List[i].Judge(snap, rules.Checks(p.conf, id), p.now()) {
			f.Check, f.Cluster, f.At = checks.List[i].ID, id, p.now()
			found = append(found, f)
		}
	}
	clear(p.stale)
	wakes := &bus{wakes: p.inbox}
	_, _, err := outbox.Outbox{Ledger: p.found, Bus: wakes}.Record(ctx, found)
	return err
}

// text is a configuration file that nobody edits.
type text string

func (text) Name() string { return "s3://steward/steward.yaml" }

func (t text) Newest(context.Context) (string, []byte, error) { return "1", []byte(t), nil }

// told is a ledger of incidents that people have heard of: notify does not run here.
type told struct{ *ledger.Ledger }

// Untold implements dispatch.Ledger.
func (told) Untold(context.Context) ([]incident.Incident, error) { return nil, nil }

// followUps has only what there is of plans count as a share of rollouts: looking
// for what is due is dispatch's anyhow.
type followUps struct {
	*ledger.Ledger
	plans *ledger.Ledger
}

// Postpone implements dispatch.FollowUps.
func (f followUps) Postpone(ctx context.Context, u ledger.FollowUp, next time.Time) error {
	return f.plans.Postpone(ctx, u, next)
}

// An inbox is the queue of nodegrouprollout.
type inbox struct {
	messages [][]byte
	under    int
}

// Send implements dispatch.Queue and rollouts.Queue.
func (i *inbox) Send(_ context.Context, messages ...[]byte) error {
	i.messages = append(i.messages, messages...)
	return nil
}

// nobody is the queue of a function that does not run here.
type nobody struct{}

// Send implements dispatch.Queue.
func (nobody) Send(context.Context, ...[]byte) error { return nil }

// A bus counts what it hears.
type bus struct {
	events int
	done   []fleet.ClusterID // of groups that have new nodes
	wakes  *inbox            // gets the findings that the rule lets through; nil for nobody
}

// Publish implements outbox.Bus.
func (b *bus) Publish(ctx context.Context, moves ...events.IncidentMoved) error {
	b.events += len(moves)
	for _, m := range moves {
		news := m.Transition == string(incident.WasOpened) || m.Transition == string(incident.WasChanged)
		if b.wakes == nil || !news {
			continue
		}
		raw, err := events.Message(&m)
		if err == nil {
			err = b.wakes.Send(ctx, raw)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// PublishRollout implements rollouts.Bus.
func (b *bus) PublishRollout(_ context.Context, m events.RolloutMoved) error {
	b.events++
	switch m.Transition {
	case "group-completed":
		b.done = append(b.done, m.Cluster)
	case "group-failed":
		return errors.New("a group failed, which nothing here makes it do: " + m.Why)
	}
	return nil
}

// off is a kill switch that nobody has turned on. It counts its readings, each of
// which is one parameter of Systems Manager.
type off struct{ readings int }

// On implements nodegrouprollout.Switch.
func (o *off) On(context.Context) (bool, error) {
	o.readings++
	return false, nil
}

func (o *off) take() int {
	n := o.readings
	o.readings = 0
	return n
}
