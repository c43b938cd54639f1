package nodegrouprollout_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
	"github.com/eks-steward/eks-steward/internal/nodegrouprollout"
	"github.com/eks-steward/eks-steward/internal/rollout"
	"github.com/eks-steward/eks-steward/internal/window"
)

var (
	noon   = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	target = fleet.Target{Account: "111122223333", Region: "eu-west-1"}
)

func trouble(kind fleet.TroubleKind, action, text string) error {
	return &fleet.Trouble{Kind: kind, Action: action, Err: errors.New(text)}
}

var (
	errThrottled = trouble(fleet.Throttled, "eks:DescribeNodegroup", "ThrottlingException: slow down")
	errGone      = trouble(fleet.Gone, "eks:DescribeNodegroup", "ResourceNotFoundException: no such thing")
	errLost      = trouble(fleet.Failed, "eks:UpdateNodegroupVersion", "connection reset by peer")
	errDown      = errors.New("the database is down")
)

// A world is a fleet in EKS, what is around it, and the ledger. EKS is laxer than
// the real one: what a rollout must not do, it does, and says so in wrong. Each
// call pauses before and after what it does, so that a run can be stopped there.
type world struct {
	rng      *rand.Rand
	now      time.Time
	clusters []*cluster
	waves    rollout.Waves

	header   *rollout.Rollout
	past     []rollout.Rollout
	progress map[string]*rollout.Progress
	intents  map[string]*ledger.Intent
	tokens   map[string]string // to ids of updates
	usual    map[string]time.Duration
	news     []nodegrouprollout.News
	failed   map[string]failure // the last one of each rollout

	forgets bool // tokens
	on      bool // the kill switch
	faults  int  // per mille, of every call

	// For single faults.
	lost     bool   // is every answer to Roll
	answer   error  // of Roll, which does nothing then
	conflict bool   // every write of progress loses its race
	down     string // what calls begin with that fail

	run  *run // whose turn it is
	last int  // number of the last update
	// What the world went through.
	calls, forced, crashes, recovered int
	reads                             int // of anything but the active rollout
	wrong                             string
	trace                             []string
	loud                              bool // trace is wanted
}

type failure struct{ ended, told time.Time }

type cluster struct {
	target            fleet.Target
	name, version     string
	status            string
	mode, tagged      rollout.Mode
	schedule          window.Schedule
	opens, open       int  // hours: begin of the daily window and its length; 24 is always
	frozen            bool // on the first three days
	alarm, shut, etcd bool // alarm in ALARM, change calendar closed, etcd critical
	blind             bool // the API server cannot be reached
	proceed           bool
	forceAfter        int
	gone              bool
	groups            []*group
}

type group struct {
	name, arn, status string
	has               nodefreshness.Nodes
	nodes             int
	rank              rollout.Rank
	unready, tight    bool // new nodes are not Ready; a budget allows nothing
	degrades          bool // after the next update
	gone, untagged    bool
	updates           []*update
	failed            int // updates, whoever began them: whose it was is not always known
}

type update struct {
	fleet.Update
	to      nodefreshness.Nodes
	ends    time.Time
	outcome string
	errors  []fleet.UpdateError
	ours    string // id of the rollout that began it; empty for other hands
	run     *run
}

func emptyWorld(rng *rand.Rand) *world {
	return &world{
		rng: rng, now: noon, run: &run{saw: map[*group]sight{}}, progress: map[string]*rollout.Progress{}, intents: map[string]*ledger.Intent{},
		tokens: map[string]string{}, usual: map[string]time.Duration{}, failed: map[string]failure{},
	}
}

func (c *cluster) id() fleet.ClusterID { return c.target.Cluster(c.name) }

func (w *world) of(id fleet.ClusterID) *cluster {
	i := slices.IndexFunc(w.clusters, func(c *cluster) bool { return c.id() == id })
	return w.clusters[i]
}

func (c *cluster) group(name string) *group {
	i := slices.IndexFunc(c.groups, func(g *group) bool { return g.name == name })
	if i < 0 {
		return nil
	}
	return c.groups[i]
}

// step is the frame of every call. It reports whether the call fails, before or
// after what it does.
func (w *world) step(format string, args ...any) (before, after error) {
	if w.loud { // formatting takes longer than all the rest
		w.trace = append(w.trace, fmt.Sprintf("%s %s ", w.now.Format("02 15:04:05"), w.run)+fmt.Sprintf(format, args...))
	}
	w.run.pause()
	w.settle()
	if w.down != "" && strings.HasPrefix(format, w.down) {
		return errDown, nil
	}
	if w.faults > 0 && w.rng.IntN(1000) < w.faults {
		if w.rng.IntN(2) == 0 {
			return errDown, nil
		}
		return nil, errDown
	}
	return nil, nil
}

func (w *world) breaks(format string, args ...any) {
	if w.wrong == "" {
		w.wrong = fmt.Sprintf(format, args...)
	}
}

// settle ends the updates whose time has come.
func (w *world) settle() {
	for _, c := range w.clusters {
		for _, g := range c.groups {
			for _, u := range g.updates {
				if u.Status != "InProgress" || w.now.Before(u.ends) {
					continue
				}
				u.Status, g.status = u.outcome, "ACTIVE"
				switch u.outcome {
				case "Successful":
					g.has = u.to
					if g.degrades {
						g.status, g.degrades = "DEGRADED", false
					}
				default:
					u.Errors = u.errors
					g.failed++
				}
			}
		}
	}
}

func (g *group) flight() *update {
	for _, u := range g.updates {
		if u.Status == "InProgress" {
			return u
		}
	}
	return nil
}

// start has EKS begin an update.
func (w *world) start(g *group, to nodefreshness.Nodes, ours string, r *run) *update {
	w.last++
	u := &update{Update: fleet.Update{ID: fmt.Sprintf("update-%d", w.last), Type: "VersionUpdate", Status: "InProgress", CreatedAt: w.now, Version: to.Version}, to: to, ours: ours, run: r}
	u.ends, u.outcome = w.now.Add(20*time.Minute), "Successful"
	if w.faults > 0 {
		u.ends = w.now.Add(time.Duration(5+w.rng.IntN(60)) * time.Minute)
		switch w.rng.IntN(10) {
		case 0:
			u.outcome, u.errors = "Failed", []fleet.UpdateError{{Code: "PodEvictionFailure", Message: "Reached max retries while trying to evict pods"}}
		case 1:
			u.outcome = "Cancelled"
		case 2:
			u.outcome, u.errors = "Failed", []fleet.UpdateError{{Code: "NodeCreationFailure", Message: "Instances failed to join"}}
		}
	}
	g.updates, g.status = append(g.updates, u), "UPDATING"
	return u
}

func (w *world) Candidate(context.Context, fleet.Target, string) rollout.Candidate {
	panic("a beat plans nothing")
}

func (w *world) Around(_ context.Context, t fleet.Target, name, groupName string, look nodegrouprollout.Look) rollout.Around {
	fault, late := w.step("around %s/%s %+v", name, groupName, look)
	defer w.run.pause()
	w.reads++
	c := w.of(t.Cluster(name))
	g := c.group(groupName)
	now := w.now
	a := rollout.Around{}
	switch {
	case fault != nil:
		a.Cluster = fleet.Read(fleet.Cluster{}, errThrottled, now)
		a.Group = fleet.Read(fleet.Nodegroup{}, errThrottled, now)
		return a
	case c.gone:
		a.Cluster = fleet.Read(fleet.Cluster{}, errGone, now)
		a.Group = fleet.Read(fleet.Nodegroup{}, errGone, now)
		return a
	}
	a.Cluster = fleet.Read(fleet.Cluster{ID: c.id(), Status: c.status, Version: c.version, Kind: fleet.KindEKS, Tags: map[string]string{"mode": string(c.tagged)}}, nil, now)
	if g == nil || g.gone {
		a.Group = fleet.Read(fleet.Nodegroup{}, errGone, now)
		return a
	}
	a.Group = fleet.Read(g.read(), nil, now)
	u := g.flight()
	if look.Update != "" {
		if i := slices.IndexFunc(g.updates, func(u *update) bool { return u.ID == look.Update }); i >= 0 {
			u = g.updates[i]
		}
	}
	if u != nil {
		a.Update = fleet.Read(u.Update, nil, now)
	}
	if late != nil {
		a.Update = fleet.Read(fleet.Update{}, errThrottled, now)
	}
	if look.Brief {
		return a
	}
	w.surround(&a, c, g, look)
	if look.Begin {
		w.run.saw[g] = sight{at: now, arn: g.arn, version: c.version, status: c.status, group: g.status, alarm: c.alarm, shut: c.shut, blind: c.blind, tagged: c.tagged, etcd: w.run.saw[g].etcd}
	}
	return a
}

func (w *world) surround(a *rollout.Around, c *cluster, g *group, look nodegrouprollout.Look) {
	now := w.now
	state := map[bool]string{true: "ALARM", false: "OK"}
	for _, name := range look.Alarms {
		a.Alarms.Value = append(a.Alarms.Value, fleet.Alarm{Name: name, State: state[c.alarm]})
	}
	a.Alarms.At = now
	a.Calendar = fleet.Read(!c.shut, nil, now)
	a.Room = fleet.Read(rollout.Room{Addresses: 500, VCPUs: -1, EachVCPUs: 2}, nil, now)
	a.Insights = fleet.Read([]fleet.Insight(nil), nil, now)
	if c.blind {
		no := trouble(fleet.Private, "", "the API server has no public endpoint")
		a.Nodes, a.Pods, a.Budgets = fleet.Read([]fleet.Node(nil), no, now), fleet.Read([]fleet.Pod(nil), no, now), fleet.Read([]fleet.Budget(nil), no, now)
		return
	}
	nodes := make([]fleet.Node, g.nodes)
	for i := range nodes {
		nodes[i] = fleet.Node{Name: "node-" + g.name, Kubelet: g.has.Version, Origin: fleet.Managed, Pool: g.name, Ready: !g.unready}
	}
	a.Nodes = fleet.Read(nodes, nil, now)
	a.Pods = fleet.Read([]fleet.Pod{{Namespace: "shop", Name: "cart-1", Node: "node-" + g.name, Phase: "Running", Ready: true, Owner: "ReplicaSet/cart"}}, nil, now)
	a.Budgets = fleet.Read([]fleet.Budget{{Namespace: "shop", Name: "cart", Allowed: 1 - b2i(g.tight), Healthy: 1, Wanted: 1, Pods: []string{"shop/cart-1"}}}, nil, now)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (g *group) read() fleet.Nodegroup {
	tags := map[string]string{nodefreshness.OptIn: nodefreshness.Allowed}
	if g.untagged {
		tags = nil
	}
	return fleet.Nodegroup{
		Name: g.name, ARN: g.arn, Status: g.status, Version: g.has.Version, Release: g.has.Release, Template: g.has.Template,
		AMIType: "AL2023_x86_64_STANDARD", Nodes: g.nodes, Most: g.nodes + 2, Subnets: []string{"subnet-1"}, Tags: tags,
	}
}

func (w *world) LastUpdate(_ context.Context, t fleet.Target, name, groupName string, since time.Time) (newest fleet.Update, found bool, err error) {
	fault, late := w.step("last update %s/%s", name, groupName)
	defer w.run.pause()
	w.reads++
	c := w.of(t.Cluster(name))
	g := c.group(groupName)
	switch {
	case fault != nil || late != nil:
		return newest, false, errThrottled
	case c.gone || g == nil || g.gone:
		return newest, false, errGone
	}
	for _, u := range g.updates {
		if !u.CreatedAt.Before(since) && u.Type == "VersionUpdate" {
			newest, found = u.Update, true
		}
	}
	w.recovered += b2i(found)
	return newest, found, nil
}

func (w *world) Roll(_ context.Context, t fleet.Target, o nodegrouprollout.Order) (string, error) {
	left := w.run.deadline.Sub(w.now)
	fault, late := w.step("roll %+v", o)
	defer w.run.pause()
	w.calls++
	w.forced += b2i(o.Force)
	c := w.of(t.Cluster(o.Cluster))
	g := c.group(o.Group)
	const action = "eks:UpdateNodegroupVersion"
	switch {
	case w.answer != nil:
		return "", w.answer
	case fault != nil:
		kinds := []fleet.TroubleKind{fleet.Throttled, fleet.Denied, fleet.Failed, fleet.Refused, fleet.Busy}
		return "", trouble(kinds[w.rng.IntN(len(kinds))], action, "no")
	case c.gone || g == nil || g.gone:
		return "", trouble(fleet.Gone, action, "no such thing")
	}
	if id, known := w.tokens[o.Token]; known && !w.forgets {
		return id, nil
	}
	saw, looked := w.run.saw[g]
	if looked && saw.arn != g.arn { // made anew since: nobody could know
		return "", trouble(fleet.Gone, action, "no such thing")
	}
	if u := g.flight(); u != nil && (u.ours != w.run.rollout.ID && u.CreatedAt.After(saw.at)) {
		return "", trouble(fleet.Busy, action, "ResourceInUseException: another update")
	}
	if !looked {
		w.breaks("%s/%s is begun without a look at it", o.Cluster, o.Group)
	}
	if left < 30*time.Second {
		w.breaks("%s/%s is begun with %s left", o.Cluster, o.Group, left)
	}
	w.judge(c, g, o, saw)
	u := w.start(g, o.To, w.run.rollout.ID, w.run)
	w.tokens[o.Token] = u.ID
	if late != nil || w.lost {
		return "", errLost
	}
	return u.ID, nil
}

func (w *world) On(context.Context) (bool, error) {
	fault, late := w.step("switch")
	defer w.run.pause()
	w.reads++
	if fault != nil || late != nil {
		return true, errDown
	}
	w.run.off = !w.on
	return w.on, nil
}

func (w *world) etcdCritical(_ context.Context, id fleet.ClusterID) (bool, error) {
	fault, late := w.step("etcd")
	defer w.run.pause()
	w.reads++
	return w.of(id).etcd, errors.Join(fault, late)
}

func (w *world) announce(_ context.Context, n nodegrouprollout.News) error {
	fault, late := w.step("announce %s %s/%s", n.Transition, n.Cluster.Name, n.Group)
	defer w.run.pause()
	if fault != nil {
		return fault
	}
	w.news = append(w.news, n)
	return late
}

// The ledger.

func cloned(r rollout.Rollout) rollout.Rollout {
	r.Members, r.Skip = slices.Clone(r.Members), slices.Clone(r.Skip)
	return r
}

func (w *world) ActiveRollout(context.Context) (rollout.Rollout, error) {
	fault, late := w.step("active rollout")
	defer w.run.pause()
	switch {
	case fault != nil || late != nil:
		return rollout.Rollout{}, errDown
	case w.header == nil:
		return rollout.Rollout{}, ledger.ErrAbsent
	}
	w.run.rollout, w.run.read = cloned(*w.header), w.now
	return cloned(*w.header), nil
}

func (w *world) StartRollout(_ context.Context, r rollout.Rollout, all []rollout.Progress) error {
	fault, late := w.step("start rollout")
	defer w.run.pause()
	switch {
	case fault != nil:
		return fault
	case w.header != nil && w.header.Ended.IsZero():
		return ledger.ErrConflict
	}
	r = cloned(r)
	w.header = &r
	for _, p := range all {
		p.Steps = slices.Clone(p.Steps)
		w.progress[r.ID+p.Cluster.ID.String()] = &p
	}
	return late
}

func (w *world) ReviseRollout(_ context.Context, id string, change func(*rollout.Rollout) error) (rollout.Rollout, error) {
	fault, late := w.step("revise rollout")
	defer w.run.pause()
	switch {
	case fault != nil:
		return rollout.Rollout{}, fault
	case w.header == nil || w.header.ID != id:
		return rollout.Rollout{}, ledger.ErrAbsent
	}
	if w.faults > 0 && w.rng.IntN(20) == 0 { // a race that is run again
		r := cloned(*w.header)
		_ = change(&r)
	}
	r := cloned(*w.header)
	if err := change(&r); err != nil {
		return r, err
	}
	if s := w.header.State; (s == rollout.Aborted || s == rollout.Completed) && r.State != s {
		w.breaks("a rollout that is %s became %s", s, r.State)
	}
	if r.State == rollout.Running && w.header.State != rollout.Running && !w.run.person {
		w.breaks("a rollout that is %s became %s, and nobody asked for it", w.header.State, r.State)
	}
	w.header = &r
	if !r.Ended.IsZero() && r.Told == r.State {
		w.past, w.header = append(w.past, r), nil
	}
	w.run.rollout, w.run.read = cloned(r), w.now
	return cloned(r), late
}

func (w *world) RolloutProgress(_ context.Context, id string, c fleet.ClusterID) (rollout.Progress, error) {
	fault, late := w.step("progress %s", c.Name)
	defer w.run.pause()
	w.reads++
	if fault != nil || late != nil {
		return rollout.Progress{}, errDown
	}
	p := *w.progress[id+c.String()]
	p.Steps = slices.Clone(p.Steps)
	return p, nil
}

func (w *world) ReviseProgress(_ context.Context, id string, c fleet.ClusterID, change func(*rollout.Progress) error) (rollout.Progress, error) {
	fault, late := w.step("revise progress %s", c.Name)
	defer w.run.pause()
	if fault != nil {
		return rollout.Progress{}, fault
	}
	if w.conflict {
		return rollout.Progress{}, ledger.ErrConflict
	}
	known := w.progress[id+c.String()]
	p := *known
	p.Steps = slices.Clone(p.Steps)
	if err := change(&p); err != nil {
		return p, err
	}
	for s, st := range p.Steps {
		if st.Phase == rollout.Failed && st.Told == st.Phase && known.Steps[s].Told != st.Phase {
			w.failed[id] = failure{st.Ended, w.now}
		}
	}
	stored := p
	stored.Steps = slices.Clone(p.Steps)
	*known = stored
	if w.loud {
		for _, st := range p.Steps {
			w.trace = append(w.trace, fmt.Sprintf("    %s attempt %d %s adopted %v claim %s open %s shut %s: %s", st.Phase, st.Attempt, st.Update, st.Adopted,
				st.Claim.Format(time.TimeOnly), st.Open.Format(time.TimeOnly), st.Shut.Format(time.TimeOnly), st.Why))
		}
	}
	return p, late
}

func (w *world) UsualDurations(context.Context, fleet.ClusterID) (map[string]time.Duration, error) {
	return nil, nil
}

func (w *world) NoteDuration(_ context.Context, c fleet.ClusterID, group string, took time.Duration) error {
	fault, late := w.step("note duration")
	defer w.run.pause()
	w.usual[c.Name+"/"+group] = took
	return errors.Join(fault, late)
}

func (w *world) Intent(_ context.Context, plan, resource string) (ledger.Intent, error) {
	fault, late := w.step("intent")
	defer w.run.pause()
	w.reads++
	i, ok := w.intents[plan+resource]
	switch {
	case fault != nil || late != nil:
		return ledger.Intent{}, errDown
	case !ok:
		return ledger.Intent{}, ledger.ErrAbsent
	}
	return *i, nil
}

func (w *world) Begin(_ context.Context, plan, resource string, after int) (ledger.Intent, bool, error) {
	fault, late := w.step("begin intent after %d", after)
	defer w.run.pause()
	if fault != nil {
		return ledger.Intent{}, false, fault
	}
	i, ok := w.intents[plan+resource]
	if ok && (i.Settled.IsZero() || i.Attempt > after) {
		return *i, true, late
	}
	next := ledger.Intent{Plan: plan, Resource: resource, Attempt: 1, Begun: w.now}
	if ok {
		next.Attempt = i.Attempt + 1
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d", plan, resource, next.Attempt))
	next.Token = hex.EncodeToString(sum[:])
	w.intents[plan+resource] = &next
	return next, false, late
}

func (w *world) SettleIntent(_ context.Context, i ledger.Intent, outcome string) error {
	fault, late := w.step("settle intent as %s", outcome)
	defer w.run.pause()
	if fault != nil {
		return fault
	}
	if known := w.intents[i.Plan+i.Resource]; known.Attempt == i.Attempt && known.Settled.IsZero() {
		known.Outcome, known.Settled = outcome, w.now
	}
	return late
}

func (w *world) policyFor(id fleet.ClusterID) rollout.Policy {
	c := w.of(id)
	return rollout.Policy{
		Mode: c.mode, Schedule: c.schedule, Calendar: "changes", Alarms: []string{"errors"}, Proceed: c.proceed,
		Bake: 10 * time.Minute, NodeTime: 5 * time.Minute, ForceAfter: c.forceAfter, ForceGroups: []string{"*/a*"},
	}
}

func (w *world) policy(c fleet.Cluster) rollout.Policy {
	p := w.policyFor(c.ID)
	if tag := c.Tags["mode"]; tag != "" {
		p.Mode = p.Mode.Within(rollout.Mode(tag))
	}
	return p
}

func (w *world) engine() *nodegrouprollout.Engine {
	return &nodegrouprollout.Engine{
		Surveyor: w, Writer: w, Store: w, Intents: w, Switch: w,
		Policy: w.policy, PolicyFor: w.policyFor, Waves: w.waves,
		EtcdCritical: w.etcdCritical, Announce: w.announce, Now: func() time.Time { return w.now },
	}
}
