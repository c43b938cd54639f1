package handler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/nodegrouprollout"
	"github.com/eks-steward/eks-steward/internal/rollout"
)

// announce tells of a move: people by the incident of the rollout, machines by the
// bus. The incident comes first: once the bus has heard, a rollout at rest gets no
// more ticks that could make up for it.
func (h *Handler) announce(ctx context.Context, n nodegrouprollout.News) error {
	var err error
	switch {
	case n.Group == "":
		err = h.settle(ctx, n.Rollout)
	case n.Transition == nodegrouprollout.GroupCompleted:
		err = h.lookAgain(ctx, n)
	}
	if err != nil {
		return err
	}
	return h.Bus.PublishRollout(ctx, h.move(n))
}

// soon is when the cluster of a renewed group is looked at: what its other groups
// come to until then is seen by the same look.
const soon = 10 * time.Minute

// lookAgain has the cluster of a renewed group checked: its nodes are no longer
// old, and nobody else would say so before the daily look.
func (h *Handler) lookAgain(ctx context.Context, n nodegrouprollout.News) error {
	i := slices.IndexFunc(n.Rollout.Members, func(m rollout.Member) bool { return m.ID == n.Cluster })
	if i < 0 {
		return nil
	}
	now, id := h.Now(), Function+"/"+n.Cluster.String()+"/renewed"
	m, err := events.Message(&events.TargetScan{
		Header:  events.Header{ID: id, Account: n.Cluster.Account, Region: n.Cluster.Region, Time: now},
		Cadence: events.Daily, Target: n.Rollout.Members[i].Target, Clusters: []string{n.Cluster.Name},
	})
	if err != nil {
		return fmt.Errorf("encode the look at %s: %w", n.Cluster, err)
	}
	return h.FollowUps.Schedule(ctx, ledger.FollowUp{
		ID: id, Function: events.ClusterCheck, Message: m, Next: now.Add(soon), GiveUp: now.Add(24 * time.Hour), Once: true,
	})
}

// settle records what state a rollout has come to. With the end of one ends what
// people said of its plan: the next one of the same plan asks anew.
func (h *Handler) settle(ctx context.Context, r rollout.Rollout) error {
	if !r.Ended.IsZero() {
		if err := h.Approvals.Void(ctx, r.Plan, fmt.Sprintf("The rollout %s, which it was for, is %s.", r.ID, r.State)); err != nil {
			return err
		}
	}
	active, err := h.active(ctx, r)
	if err != nil {
		return err
	}
	return h.record(ctx, r, active, nil)
}

// active is the progress of the clusters where something is under way or failed.
func (h *Handler) active(ctx context.Context, r rollout.Rollout) ([]rollout.Progress, error) {
	var all []rollout.Progress
	for _, m := range r.Members {
		if m.Busy == 0 && m.Failed == 0 {
			continue
		}
		p, err := h.Rollouts.RolloutProgress(ctx, r.ID, m.ID)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

func (h *Handler) record(ctx context.Context, r rollout.Rollout, active []rollout.Progress, ask *fleet.Approval) error {
	_, _, err := h.Outbox.Record(ctx, []fleet.Finding{rollout.Finding(h.Hub, r, active, ask, h.Now())})
	return err
}

func (h *Handler) move(n nodegrouprollout.News) events.RolloutMoved {
	now, r := h.Now(), n.Rollout
	m := events.RolloutMoved{
		Header:        events.Header{Account: h.Hub.Account, Region: h.Hub.Region, Time: now},
		SchemaVersion: events.SchemaVersion,
		Rollout:       r.ID, Transition: string(n.Transition), State: string(r.State),
		Cluster: n.Cluster, Group: n.Group, Why: strings.Join(append([]string{n.Why}, n.Warnings...), " "),
	}
	if n.Group != "" {
		m.Account, m.Region = n.Cluster.Account, n.Cluster.Region
	}
	if r.Wave < len(r.Waves) {
		m.Wave = r.Waves[r.Wave]
	}
	for _, c := range r.Members {
		m.Done, m.Total = m.Done+c.Done, m.Total+c.Groups
	}
	m.Why = strings.TrimSpace(m.Why)
	m.ID = strings.Join([]string{"rollout", r.ID, m.Transition, n.Cluster.Name, n.Group, now.UTC().Format(time.RFC3339Nano)}, "/")
	return m
}

// tell records how far the rollout is after a beat. A person may have stopped it
// meanwhile, and whoever obeyed has recorded that: what is recorded last is what
// is true.
func (h *Handler) tell(ctx context.Context, e *nodegrouprollout.Engine, result nodegrouprollout.Result) error {
	for r := result.Rollout; r.Ended.IsZero(); {
		ask, err := h.ask(ctx, e, r, result.Asks)
		if err == nil {
			err = h.record(ctx, r, result.Active, ask)
		}
		if err != nil {
			return err
		}
		now, err := h.Rollouts.Rollout(ctx, r.ID)
		switch {
		case err != nil:
			return err
		case now.State == r.State:
			return nil
		case !now.Ended.IsZero():
			return h.settle(ctx, now)
		}
		r = now
	}
	return nil
}

// ask is the approval that the rollout waits for, or nil. One that stands already
// is noted, in case that nobody was woken when it was given.
func (h *Handler) ask(ctx context.Context, e *nodegrouprollout.Engine, r rollout.Rollout, asks bool) (*fleet.Approval, error) {
	if !asks || r.State != rollout.Running || !r.Approved.IsZero() {
		return nil, nil
	}
	a, err := h.Approvals.Approval(ctx, r.Plan)
	switch {
	case err != nil && !errors.Is(err, ledger.ErrAbsent):
		return nil, err
	case err == nil && a.Stands(h.Now()):
		_, err := e.Approve(ctx, r.Plan)
		return nil, err
	case err != nil || a.State != ledger.Waiting || !h.Now().Before(a.Expires):
		if a, err = h.askAnew(ctx, r); err != nil {
			return nil, err
		}
	}
	return &fleet.Approval{Plan: a.Plan, Nonce: a.Nonce, Text: a.Text, Expires: a.Expires}, nil
}

func (h *Handler) askAnew(ctx context.Context, r rollout.Rollout) (ledger.Approval, error) {
	all, err := h.Rollouts.AllProgress(ctx, r.ID)
	if err != nil {
		return ledger.Approval{}, err
	}
	return h.Approvals.AskApproval(ctx, ledger.Approval{
		Plan: r.Plan, Capability: rollout.Check, Cluster: h.Hub, Text: rollout.Planned(r, all).Text(),
	})
}
