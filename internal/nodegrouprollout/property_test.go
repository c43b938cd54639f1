package nodegrouprollout_test

import (
	"context"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
	"github.com/eks-steward/eks-steward/internal/nodegrouprollout"
	"github.com/eks-steward/eks-steward/internal/rollout"
	"github.com/eks-steward/eks-steward/internal/window"
)

var (
	runs = flag.Int("runs", 10000, "fleets that the property of rollouts is held against")
	seed = flag.Uint64("seed", 0, "of the first one; 0 draws it")
)

// killed ends a run in the middle of a step, as Lambda does: nothing that it would
// still do is done.
type killed struct{}

// A run is one beat, or one command of a person, that goes on step by step.
type run struct {
	n        int
	person   bool
	deadline time.Time
	resume   func() (struct{}, bool)
	kill     func()
	yield    func(struct{}) bool
	result   nodegrouprollout.Result
	err      error

	// What it has seen.
	rollout rollout.Rollout
	read    time.Time // the rollout
	saw     map[*group]sight
	off     bool // the kill switch
}

// A sight is what was read of a group's surroundings before it was begun.
type sight struct {
	at                       time.Time
	arn                      string
	version, status, group   string
	alarm, shut, blind, etcd bool
	tagged                   rollout.Mode
}

func (r *run) String() string { return fmt.Sprintf("run %d", r.n) }

func (r *run) pause() {
	if r.yield != nil && !r.yield(struct{}{}) {
		r.yield = nil // deferred calls run on while it dies
		panic(killed{})
	}
}

// spawn has a run begin.
func (w *world) spawn(n int, do func(*run)) *run {
	r := &run{n: n, deadline: w.now.Add(5 * time.Minute), saw: map[*group]sight{}}
	r.resume, r.kill = iter.Pull(func(yield func(struct{}) bool) {
		defer func() {
			if e := recover(); e != nil && e != (killed{}) {
				panic(e)
			}
		}()
		r.yield = yield
		do(r)
	})
	return r
}

// judge holds the invariants against an update that is about to begin.
func (w *world) judge(c *cluster, g *group, o nodegrouprollout.Order, saw sight) {
	r := w.run.rollout
	at := fmt.Sprintf("%s/%s at %s", c.name, g.name, w.now.Format("02 15:04:05"))
	if u := g.flight(); u != nil {
		w.breaks("%s: a second update beside %s", at, u.ID)
	}
	if v := compare(o.To.Version, saw.version); v > 0 {
		w.breaks("%s: nodes of %s ahead of their control plane, which had %s", at, o.To.Version, saw.version)
	}
	if saw.status != "ACTIVE" || saw.group != "ACTIVE" || saw.alarm || saw.shut || saw.etcd || saw.blind && !c.proceed {
		w.breaks("%s: begun in spite of %+v", at, saw)
	}
	if !c.opened(w.now) || !c.opened(w.now.Add(15*time.Minute)) {
		w.breaks("%s: outside its window, or too late in it", at)
	}
	if r.State != rollout.Running {
		w.breaks("%s: the rollout was %s", at, r.State)
	}
	if failed := w.failed[r.ID]; failed.ended.After(r.Resumed) && failed.told.Before(w.run.read) {
		w.breaks("%s: after another group has failed", at)
	}
	if !w.run.off {
		w.breaks("%s: the kill switch was not seen off", at)
	}
	force := c.forceAfter > 0 && g.failed >= c.forceAfter && g.name[0] == 'a'
	if o.Force && !force {
		w.breaks("%s: forced after %d failures", at, g.failed)
	}
	w.order(at, r, c, g)
	if w.header != nil && w.header.ID == r.ID {
		w.bounds(at, *w.header, c, g)
	}
}

// order holds what a rollout says against who begins.
func (w *world) order(at string, r rollout.Rollout, c *cluster, g *group) {
	m := r.Members[slices.IndexFunc(r.Members, func(m rollout.Member) bool { return m.ID == c.id() })]
	if m.Wave != r.Wave {
		w.breaks("%s: of wave %d in wave %d", at, m.Wave, r.Wave)
	}
	if !r.Rested.IsZero() && w.now.Sub(r.Rested) < w.waves.Bake {
		w.breaks("%s: %s after the last wave", at, w.now.Sub(r.Rested))
	}
	if m.Mode == rollout.Approve && r.Approved.IsZero() {
		w.breaks("%s: nobody approved", at)
	}
	if r.Skips(c.id(), g.name) || r.Only != "" && path.Base(r.Only) != g.name {
		w.breaks("%s: a person wants no such thing", at)
	}
	for _, other := range r.Members {
		for _, st := range w.progress[r.ID+other.ID.String()].Steps {
			if other.Wave < m.Wave && st.Phase != rollout.Done && st.Phase != rollout.LeftOut {
				w.breaks("%s: %s of an earlier wave is %s", at, other.ID, st.Phase)
			}
		}
	}
	i, ok := w.intents[r.Plan+g.arn]
	if !ok || !i.Settled.IsZero() {
		w.breaks("%s: no intent", at)
	}
}

// began reports whether a rollout began an update. After an answer that was lost the
// update of somebody else is taken for it, and followed; that is one too many for nobody.
func (g *group) began(id string) bool {
	return slices.ContainsFunc(g.updates, func(u *update) bool { return u.ID == id && u.ours != "" })
}

// bounds holds the number of what is under way, this one included.
func (w *world) bounds(at string, r rollout.Rollout, c *cluster, g *group) {
	clusters := 0
	for _, other := range r.Members {
		groups, counted := 0, other.Busy
		p := w.progress[r.ID+other.ID.String()]
		for s, st := range p.Steps {
			peer := w.of(other.ID).group(p.Cluster.Steps[s].Group)
			now := peer.flight()
			recorded := st.UnderWay() && peer.began(st.Update) && !st.Adopted && !st.Began.Before(r.Started)
			if recorded || now != nil && now.ours == r.ID && !peer.gone && !w.of(other.ID).gone {
				groups++
			}
			if other.ID == c.id() && p.Cluster.Steps[s].Group == g.name && (st.Phase != rollout.Updating || counted == 0) {
				w.breaks("%s: the records say that it is %s, with %d under way", at, st.Phase, counted)
			}
			if other.ID == c.id() && st.Phase == rollout.Waiting && p.Cluster.Steps[s].Rank < g.rank {
				w.breaks("%s: before one of a lower rank", at)
			}
		}
		if other.ID == c.id() {
			groups++
		}
		if groups > w.waves.MaxGroups {
			w.breaks("%s: %d groups under way", at, groups)
		}
		clusters += min(1, groups)
	}
	if clusters > w.waves.MaxClusters {
		w.breaks("%s: %d clusters under way", at, clusters)
	}
}

func compare(a, b string) int {
	v, _ := fleet.ParseVersion(a)
	u, _ := fleet.ParseVersion(b)
	return v.Compare(u)
}

// opened is a second opinion on the schedule of a cluster.
func (c *cluster) opened(t time.Time) bool {
	if c.frozen && t.Before(noon.Truncate(24*time.Hour).AddDate(0, 0, 3)) {
		return false
	}
	return c.open == 24 || (t.Hour()-c.opens+24)%24 < c.open
}

// newWorld draws a fleet and a plan for it.
func newWorld(rng *rand.Rand, loud bool) (*world, rollout.Plan) {
	w := emptyWorld(rng)
	w.now, w.loud, w.forgets = noon.Add(time.Duration(rng.IntN(24))*time.Hour), loud, rng.IntN(2) == 0
	w.waves = rollout.Waves{MaxClusters: 1 + rng.IntN(2), MaxGroups: 1 + rng.IntN(2), Bake: time.Hour, Longest: 10 * 24 * time.Hour}
	plan := rollout.Plan{Waves: []rollout.Wave{{Name: "dev"}, {Name: "prod"}}}
	for i := range 1 + rng.IntN(6) {
		c := drawCluster(rng, i)
		w.clusters = append(w.clusters, c)
		k := rng.IntN(2)
		plan.Waves[k].Clusters = append(plan.Waves[k].Clusters, c.plan())
	}
	return w, plan
}

// plan is to renew all of the cluster's groups.
func (c *cluster) plan() rollout.ClusterPlan {
	p := rollout.ClusterPlan{Target: c.target, ID: c.id(), ARN: "arn:" + c.name, Version: c.version, Mode: c.mode}
	to := nodefreshness.Nodes{Version: c.version, Release: c.version + ".1-20261101"}
	for _, g := range c.groups {
		p.Steps = append(p.Steps, rollout.Step{Group: g.name, ARN: g.arn, From: g.has, To: to, Nodes: g.nodes, Rank: g.rank, Expected: 20 * time.Minute})
	}
	return p
}

func drawCluster(rng *rand.Rand, i int) *cluster {
	modes := []rollout.Mode{rollout.Enforce, rollout.Enforce, rollout.Approve}
	c := &cluster{
		target: target, name: string(rune('k' + i)), version: "1.36", status: "ACTIVE", mode: modes[rng.IntN(len(modes))],
		proceed: rng.IntN(2) == 0, forceAfter: rng.IntN(3), frozen: rng.IntN(6) == 0,
		opens: rng.IntN(24), open: []int{24, 4, 8}[rng.IntN(3)],
	}
	if c.open < 24 {
		c.schedule.Windows = []window.Window{{Cron: fmt.Sprintf("0 %d * * *", c.opens), Duration: time.Duration(c.open) * time.Hour, Zone: "UTC"}}
	}
	if c.frozen {
		c.schedule.Freezes = []window.Freeze{{From: "2026-11-20", To: "2026-11-22", Zone: "UTC", Reason: "sale"}}
	}
	for k := range 1 + rng.IntN(4) {
		from := nodefreshness.Nodes{Version: []string{"1.35", "1.36"}[rng.IntN(2)]}
		from.Release = from.Version + ".1-20260801"
		name := fmt.Sprintf("%c%d", "ab"[rng.IntN(2)], k)
		c.groups = append(c.groups, &group{name: name, arn: c.name + "/" + name, status: "ACTIVE", has: from, nodes: 1 + rng.IntN(3), rank: rollout.Ordinary})
	}
	c.groups[0].rank = rollout.Rank(rng.IntN(2))
	if last := c.groups[len(c.groups)-1]; rng.IntN(3) == 0 {
		last.rank = rollout.Critical
	}
	return c
}

// storm lets beats and people begin, cross each other and die at any step, while
// the world around them changes.
func (w *world) storm(runs *int) {
	var alive []*run
	defer func() {
		for _, r := range alive {
			w.run = r
			r.kill()
		}
	}()
	e := w.engine()
	for range 50 + w.rng.IntN(500) {
		switch action := w.rng.IntN(100); {
		case len(alive) == 0 && action < 35:
			w.now = w.now.Add(time.Duration(1+w.rng.IntN(60)) * time.Minute)
			w.change()
		case len(alive) == 0 && action >= 40 || action < 5 && len(alive) < 3:
			*runs++
			if w.rng.IntN(12) == 0 {
				alive = append(alive, w.command(*runs, e))
			} else {
				alive = append(alive, w.beat(*runs, e))
			}
		case action < 7:
			w.now = w.now.Add(time.Duration(w.rng.IntN(150)) * time.Second)
			w.change()
		case len(alive) > 0:
			i := w.rng.IntN(len(alive))
			r := alive[i]
			w.run = r
			if action == 99 || !w.now.Before(r.deadline) {
				if w.loud {
					w.trace = append(w.trace, r.String()+" dies")
				}
				w.crashes++
				r.kill()
				alive = slices.Delete(alive, i, i+1)
			} else if _, running := r.resume(); !running {
				alive = slices.Delete(alive, i, i+1)
			}
			w.now = w.now.Add(50 * time.Millisecond)
		}
		if w.wrong != "" {
			return
		}
	}
}

func (w *world) beat(n int, e *nodegrouprollout.Engine) *run {
	return w.spawn(n, func(r *run) { r.result, r.err = e.Beat(context.Background(), r.deadline) })
}

// command draws what a person wants.
func (w *world) command(n int, e *nodegrouprollout.Engine) *run {
	c := w.clusters[w.rng.IntN(len(w.clusters))]
	g := c.groups[w.rng.IntN(len(c.groups))]
	k := w.rng.IntN(20)
	r := w.spawn(n, func(r *run) {
		cmd := rollout.Command{Verb: rollout.Resume, By: "ada", Why: "because"}
		switch {
		case k == 0:
			cmd.Verb = rollout.Abort
		case k < 4:
			cmd.Verb = rollout.Pause
		case k < 8:
			cmd.Verb, cmd.Group = rollout.Retry, c.name+"/"+g.name
		case k < 11:
			cmd.Skip = []string{c.name + "/" + g.name}
		case k < 14 && w.header != nil:
			_, r.err = e.Approve(context.Background(), w.header.Plan)
			return
		}
		_, r.err = e.Obey(context.Background(), cmd)
	})
	r.person = true
	return r
}

// change is what the world does by itself.
func (w *world) change() {
	w.settle()
	c := w.clusters[w.rng.IntN(len(w.clusters))]
	g := c.groups[w.rng.IntN(len(c.groups))]
	yes := w.rng.IntN(3) == 0
	what := w.rng.IntN(60)
	if w.loud {
		w.trace = append(w.trace, fmt.Sprintf("%s change %d %v of %s/%s", w.now.Format("02 15:04:05"), what, yes, c.name, g.name))
	}
	switch what {
	case 0, 1:
		c.alarm = yes
	case 2, 3:
		c.shut = yes
	case 4, 5:
		c.blind = yes
	case 6, 7:
		g.unready = yes
	case 8, 9:
		g.tight = yes
	case 10:
		c.etcd = yes
	case 11, 12:
		w.on = yes
	case 13:
		c.mode = []rollout.Mode{rollout.Report, rollout.Approve, rollout.Enforce}[w.rng.IntN(3)]
	case 14:
		c.tagged = []rollout.Mode{rollout.Report, rollout.Approve, "", "", ""}[w.rng.IntN(5)]
	case 15:
		c.version = "1.37"
	case 16:
		if !slices.ContainsFunc(c.groups, func(g *group) bool { return g.flight() != nil || g.has.Version == "1.36" }) {
			c.version = "1.35" // EKS rolls back only where no nodes would be ahead
		}
	case 17:
		c.status = map[bool]string{true: "UPDATING", false: "ACTIVE"}[yes]
	case 18, 19, 20, 21:
		if g.flight() == nil {
			to := g.has
			if yes {
				to = nodefreshness.Nodes{Version: c.version, Release: c.version + ".1-20261101"}
			}
			u := w.start(g, to, "", nil)
			if w.rng.IntN(3) == 0 {
				u.Type = "ConfigUpdate"
			}
		}
	case 22:
		g.gone = yes && w.rng.IntN(2) == 0 || g.gone
	case 23:
		c.gone = yes && w.rng.IntN(3) == 0 || c.gone
	case 24:
		g.untagged = yes
	case 25:
		g.arn += "-anew"
		g.updates, g.status, g.failed = nil, "ACTIVE", 0
	case 26:
		g.degrades = yes
	case 27:
		if g.flight() == nil {
			g.status = "ACTIVE"
		}
	}
}

// calm ends every trouble that passes by itself.
func (w *world) calm() {
	w.faults, w.on = 0, false
	for _, c := range w.clusters {
		c.alarm, c.shut, c.blind, c.etcd, c.status = false, false, false, false, "ACTIVE"
		for _, g := range c.groups {
			g.unready, g.tight, g.degrades = false, false, false
		}
	}
}

// quiet lets beats go on, one at a time, until nothing more is to be done.
func (w *world) quiet() error {
	e := w.engine()
	for range 800 {
		w.run = &run{saw: map[*group]sight{}, deadline: w.now.Add(5 * time.Minute)}
		if _, err := e.Beat(context.Background(), w.run.deadline); err != nil {
			return fmt.Errorf("an error without a fault: %w", err)
		}
		if w.header == nil || w.header.AtRest() || w.wrong != "" {
			return nil
		}
		w.now = w.now.Add(25 * time.Minute)
	}
	return nil
}

// explore runs one fleet from a seed, and says what went wrong.
func explore(seed uint64, loud bool) (w *world, wrong string) {
	rng := rand.New(rand.NewPCG(seed, 7))
	w, plan := newWorld(rng, loud)
	e := w.engine()
	r, err := e.Start(context.Background(), plan, "ada")
	if err != nil {
		return w, "start: " + err.Error()
	}
	if w.rng.IntN(2) == 0 {
		if _, err := e.Approve(context.Background(), r.Plan); err != nil {
			return w, "approve: " + err.Error()
		}
	}
	w.faults = []int{0, 5, 50}[rng.IntN(3)]
	n := 0
	w.storm(&n)
	w.calm()
	w.now = w.now.Add(10 * time.Minute)
	for resumed := 0; w.wrong == ""; resumed++ {
		if err := w.quiet(); err != nil {
			w.breaks("%v", err)
		}
		w.rest()
		if w.header == nil || resumed == 2 {
			break
		}
		w.run = &run{person: true, saw: map[*group]sight{}}
		if _, err := e.Approve(context.Background(), w.header.Plan); err != nil {
			w.breaks("approve: %v", err)
		}
		if _, err := e.Obey(context.Background(), rollout.Command{Verb: rollout.Resume, By: "ada"}); err != nil {
			w.breaks("resume: %v", err)
		}
	}
	return w, w.wrong
}

// rest holds what must be true of a rollout at its end, for now or for good.
func (w *world) rest() {
	r := w.header
	if r == nil {
		r = &w.past[len(w.past)-1]
	}
	if r.State == rollout.Aborted {
		return // what is under way ends by itself
	}
	if !r.AtRest() || r.State != rollout.Completed && r.Why == "" {
		w.breaks("at last it is %s (%q), told %s: %+v", r.State, r.Why, r.Told, r.Members)
	}
	told := map[string]int{}
	for _, n := range w.news {
		told[string(n.Transition)+n.Cluster.Name+n.Group]++
	}
	if told[string(r.State)] == 0 {
		w.breaks("nobody heard that it is %s", r.State)
	}
	for _, m := range r.Members {
		p := w.progress[r.ID+m.ID.String()]
		for i, st := range p.Steps {
			name := m.ID.Name + p.Cluster.Steps[i].Group
			switch {
			case st.Phase == rollout.Updating && m.Busy == 0 && (st.Update == "" || st.Adopted):
				// The run died before the rollout heard of it: it made no call.
			case st.Phase == rollout.Failed && st.Update == "" && m.Failed == 0 && r.State != rollout.Completed:
				// Likewise: whoever goes on looks at the cluster, and tells.
			case st.UnderWay(), r.State == rollout.Completed && st.Phase != rollout.Done && st.Phase != rollout.LeftOut:
				w.breaks("%s is %s in a rollout that is %s", name, st.Phase, r.State)
			case st.Phase == rollout.Done && told["group-completed"+name] == 0, st.Phase == rollout.Failed && told["group-failed"+name] == 0:
				w.breaks("nobody heard that %s is %s", name, st.Phase)
			}
		}
	}
}

// Seeds of fleets that break a promise when the engine is broken on purpose: by a
// claim that is not counted, on what another run changed, or taken up too early; by
// old counts, lost answers, calls without time, records written over, an approval
// that is withdrawn in between; by a rollout that halts in the write of the claim.
var regressions = []uint64{
	2878577156422446187, 3232326784934218336, 4826148120823682965, 2290626513258049643, 5515648161827477122, 11759946608868409677,
	12728173944576192534, 18348579730596175152, 15095581718206814800, 15296736265536235203, 15886120007236569314, 16705505964436977124, 17217436868224789733,
	4501770357783988520,
}

func TestARolloutKeepsItsPromisesWhateverHappens(t *testing.T) {
	first, n := *seed, *runs
	if first == 0 {
		first = rand.Uint64()
	}
	if testing.Short() {
		n /= 10
	}
	t.Attr("seed", fmt.Sprintf("%d, %d runs", first, n))
	met := map[string]int{} // what the fleets went through
	for i := range uint64(n + len(regressions)) {
		s := first + i
		if i >= uint64(n) {
			s = regressions[i-uint64(n)]
		}
		w, wrong := explore(s, false)
		if wrong != "" {
			w, _ = explore(s, true)
			t.Fatalf("%s\nagain: -run '%s' -seed %d -runs 1\n%s", wrong, t.Name(), s, strings.Join(w.trace, "\n"))
		}
		w.count(met)
	}
	t.Log(met)
	for _, what := range []string{"updates", "forced", "adopted", "recovered", "crashes", "halted", "completed", "aborted", "paused", "group-failed", "left-out"} {
		if n >= 1000 && met[what] == 0 {
			t.Errorf("never %s in %d runs: the storm shows nothing", what, n)
		}
	}
}

// count adds up what a world went through.
func (w *world) count(met map[string]int) {
	met["updates"] += w.calls
	met["forced"] += w.forced
	met["crashes"] += w.crashes
	met["recovered"] += w.recovered
	for _, n := range w.news {
		met[string(n.Transition)]++
	}
	for _, p := range w.progress {
		for _, st := range p.Steps {
			met[string(st.Phase)]++
			if st.Adopted {
				met["adopted"]++
			}
		}
	}
}
