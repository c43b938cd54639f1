package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fanout"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
	"github.com/eks-steward/eks-steward/internal/nodegrouprollout"
	"github.com/eks-steward/eks-steward/internal/rollout"
	"github.com/eks-steward/eks-steward/internal/rules"
	"github.com/eks-steward/eks-steward/internal/settings"
)

const (
	// planAfter is how long findings may go on to come before the plan is made:
	// those of one morning make one plan.
	planAfter = 30 * time.Minute
	// planUntil is when a plan that nobody made is given up: the daily one is due.
	planUntil = 23 * time.Hour
	// planID is of the follow-up and of its message, so that many findings make one.
	planID = Function + "/plan"
)

// planSoon sees to it that a plan is made for what was found.
func (h *Handler) planSoon(ctx context.Context) error {
	now := h.Now()
	m, err := events.Message(&events.PlanRollout{Header: events.Header{ID: planID, Account: h.Hub.Account, Region: h.Hub.Region, Time: now}})
	if err != nil {
		return fmt.Errorf("encode the plan that follows a finding: %w", err)
	}
	return h.FollowUps.Schedule(ctx, ledger.FollowUp{ID: planID, Function: Function, Message: m, Next: now.Add(planAfter), GiveUp: now.Add(planUntil)})
}

// plan starts a rollout of what the open incidents of node-freshness point to, or
// replaces one in which nothing has begun. The follow-up that asked for it has the
// id of its message.
func (h *Handler) plan(ctx context.Context, e *events.PlanRollout) ([]slog.Attr, error) {
	attrs, started, err := h.replan(ctx)
	if err == nil && started {
		err = h.wake(ctx, e.Header)
	}
	if err != nil {
		return attrs, err
	}
	return attrs, h.FollowUps.Finish(ctx, e.ID)
}

func (h *Handler) replan(ctx context.Context) (attrs []slog.Attr, started bool, err error) {
	active, err := h.Rollouts.ActiveRollout(ctx)
	waits := err == nil && active.Ended.IsZero()
	switch {
	case err != nil && !errors.Is(err, ledger.ErrAbsent):
		return nil, false, err
	case waits && !mayReplace(active):
		return skipped("a rollout has begun, or is a person's"), false, nil
	}
	conf, err := settings.Current(ctx, h.Ledger)
	if err != nil {
		return nil, false, err
	}
	wanted, err := h.stale(ctx, conf)
	if err != nil {
		return nil, false, err
	}
	all, err := h.read(ctx, conf, wanted)
	if err != nil {
		return nil, false, err
	}
	gaps := unread(all)
	attrs = []slog.Attr{slog.Int("clusters", len(all)), slog.Int("unread", gaps)}
	if waits && gaps > 0 {
		// A cluster that is missing for a moment must not cost the approval of a plan.
		return append(attrs, skipped("not every cluster could be read, and a rollout is there already")...), false, nil
	}
	r, err := h.settleOn(ctx, conf, rollout.Make(all, rules.Waves(conf), h.Now()))
	if err != nil || r.ID == "" {
		return attrs, false, err
	}
	return append(attrs, progress(r)...), r.ID != active.ID, nil
}

// mayReplace reports whether a newer plan may take the place of an active rollout:
// nothing has begun, and no person has to do with it.
func mayReplace(r rollout.Rollout) bool {
	return r.State == rollout.Running && !r.Begun() && r.By == ""
}

// settleOn has the active rollout be the one of a plan; the zero Rollout is none.
func (h *Handler) settleOn(ctx context.Context, conf *config.File, plan rollout.Plan) (rollout.Rollout, error) {
	engine := h.engine(conf)
	var r rollout.Rollout
	var err error
	if plan.Writes() {
		r, err = engine.Replace(ctx, plan, "")
	} else {
		_, err = engine.Abandon(ctx, "Nothing is left to be rolled.")
	}
	// Whoever was faster has begun something, or started a rollout.
	if errors.Is(err, ledger.ErrAbsent) || errors.Is(err, ledger.ErrConflict) || errors.Is(err, nodegrouprollout.ErrBegun) {
		return rollout.Rollout{}, nil
	}
	return r, err
}

// A want is a cluster to read for a plan.
type want struct {
	target fleet.Target
	name   string
	forced []string // groups to renew whatever they have
}

// stale are the clusters whose nodes are old by the open incidents, and which the
// policy lets a rollout have.
func (h *Handler) stale(ctx context.Context, conf *config.File) ([]want, error) {
	targets := conf.Targets()
	found := make([][]want, len(targets))
	errs := make([]error, len(targets))
	fanout.Each(len(targets), atOnce, func(i int) {
		open, err := h.Ledger.OpenIncidents(ctx, targets[i])
		errs[i] = err
		for _, inc := range open {
			c := inc.Finding.Cluster
			if inc.Finding.Check == events.NodeFreshness && c.Name != "" && h.policyFor(conf, c).Mode != rollout.Report {
				found[i] = append(found[i], want{target: targets[i], name: c.Name})
			}
		}
	})
	return slices.Concat(found...), errors.Join(errs...)
}

// read reads clusters for a plan, each with what its policy is and how long its
// updates usually take.
func (h *Handler) read(ctx context.Context, conf *config.File, wanted []want) ([]rollout.Candidate, error) {
	all := make([]rollout.Candidate, len(wanted))
	errs := make([]error, len(wanted))
	seen, err := h.releases(ctx, wanted)
	if err != nil {
		return nil, err
	}
	fanout.Each(len(wanted), atOnce, func(i int) {
		w := wanted[i]
		c := h.Surveyor.Candidate(ctx, w.target, w.name)
		if c.Policy = h.policyFor(conf, c.ID); c.Cluster.Known() {
			c.Policy = rules.Rollout(conf, c.Cluster.Value, h.MaxMode)
		}
		c.Forced, c.Images.Value = w.forced, nodefreshness.WithOlder(c.Images.Value, seen[w.target.Region])
		c.Usual, errs[i] = h.Rollouts.UsualDurations(ctx, c.ID)
		all[i] = c
	})
	return all, errors.Join(errs...)
}

// releases are the AMI releases that clustercheck has seen, by region.
func (h *Handler) releases(ctx context.Context, wanted []want) (map[string][]fleet.AMIRelease, error) {
	seen := map[string][]fleet.AMIRelease{}
	for _, w := range wanted {
		region := w.target.Region
		if _, read := seen[region]; read {
			continue
		}
		var err error
		if seen[region], err = h.Ledger.Releases(ctx, region); err != nil {
			return nil, err
		}
	}
	return seen, nil
}

// unread counts the clusters of which a part may be read another time.
func unread(all []rollout.Candidate) int {
	n := 0
	for _, c := range all {
		if slices.ContainsFunc([]*fleet.Trouble{c.Cluster.Trouble, c.Groups.Trouble, c.Images.Trouble, c.Heads.Trouble}, passes) {
			n++
		}
	}
	return n
}

func passes(t *fleet.Trouble) bool {
	return t != nil && !errors.Is(t, fleet.Gone) && t.Passes()
}

// atOnce is how many targets and clusters are read at a time. The adapter keeps to
// the limits of each API.
const atOnce = 8

// start starts a rollout that a person wants, of the clusters that he names or of
// all whose nodes are old.
func (h *Handler) start(ctx context.Context, e *events.RolloutCommand) (rollout.Rollout, error) {
	known, err := h.Rollouts.Rollouts(ctx)
	if err != nil {
		return rollout.Rollout{}, err
	}
	// SQS may bring a command again, long after it was obeyed.
	since := func(r rollout.Rollout) bool { return !r.Started.Before(e.Time) && !mayReplace(r) }
	if i := slices.IndexFunc(known, since); i >= 0 {
		return known[i], nil
	}
	stuck := func(r rollout.Rollout) bool { return r.Ended.IsZero() && (r.Begun() || r.State != rollout.Running) }
	if i := slices.IndexFunc(known, stuck); i >= 0 {
		return known[i], refuse("a rollout is under way: %s is %s", known[i].ID, known[i].State)
	}
	conf, err := settings.Current(ctx, h.Ledger)
	if err != nil {
		return rollout.Rollout{}, err
	}
	wanted, err := h.wanted(ctx, conf, e)
	if err != nil {
		return rollout.Rollout{}, err
	}
	all, err := h.read(ctx, conf, wanted)
	if err != nil {
		return rollout.Rollout{}, err
	}
	plan := rollout.Make(all, rules.Waves(conf), h.Now())
	if !plan.Writes() {
		return rollout.Rollout{}, refuse("nothing of it may be rolled: %s", nothing(plan))
	}
	r, err := h.engine(conf).Replace(ctx, plan, e.By)
	if errors.Is(err, nodegrouprollout.ErrBegun) {
		return r, refuse("%s", err)
	}
	return r, err
}

// nothing says in a sentence why a plan carries nothing out.
func nothing(p rollout.Plan) string {
	const most = 5 // the rest is shown by steward plan
	var why []string
	for _, w := range p.Waves {
		for _, c := range w.Clusters {
			why = append(why, fmt.Sprintf("%s: its mode is %s.", c.ID, c.Mode))
		}
	}
	for _, l := range p.Left {
		why = append(why, fmt.Sprintf("%s: %s", strings.TrimSuffix(l.ID.String()+"/"+l.Group, "/"), l.Why))
	}
	if len(why) == 0 {
		return "no nodes are old"
	}
	return strings.Join(why[:min(len(why), most)], " ")
}
