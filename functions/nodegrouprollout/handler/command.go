package handler

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/rollout"
	"github.com/eks-steward/eks-steward/internal/settings"
)

// approved notes that a person approved the plan of the active rollout. That
// somebody did is what the event says; whether it counts is in the ledger.
func (h *Handler) approved(ctx context.Context, e *events.PlanApproved) ([]slog.Attr, error) {
	attrs := []slog.Attr{slog.String("plan", e.Plan), slog.String("via", e.Via)}
	skip := func(why string) ([]slog.Attr, error) { return append(attrs, skipped(why)...), nil }
	if e.Capability != rollout.Check {
		return skip("the plan is none of rollouts")
	}
	a, err := h.Approvals.Approval(ctx, e.Plan)
	switch {
	case errors.Is(err, ledger.ErrAbsent):
		return skip("nobody was asked for it")
	case err != nil:
		return attrs, err
	case !a.Stands(h.Now()):
		return skip("the approval is void or too old")
	}
	r, err := h.Rollouts.ActiveRollout(ctx)
	switch {
	case errors.Is(err, ledger.ErrAbsent), err == nil && (r.Plan != e.Plan || !r.Ended.IsZero()):
		return skip("no active rollout is of this plan")
	case err != nil:
		return attrs, err
	}
	conf, err := settings.Current(ctx, h.Ledger)
	if err != nil {
		return attrs, err
	}
	if r, err = h.engine(conf).Approve(ctx, e.Plan); err != nil {
		return attrs, err
	}
	return append(attrs, progress(r)...), h.wake(ctx, e.Header)
}

// obey does what a person wants of a rollout. That needs no lease: it must not wait
// for a run that is at the rollout, and every record is written on condition.
func (h *Handler) obey(ctx context.Context, e *events.RolloutCommand) ([]slog.Attr, error) {
	attrs := []slog.Attr{slog.String("verb", e.Verb), slog.String("by", e.By), slog.String("via", e.Via)}
	var r rollout.Rollout
	var err error
	if e.Verb == events.VerbStart {
		r, err = h.start(ctx, e)
	} else {
		r, err = h.steer(ctx, e)
	}
	if err != nil {
		return attrs, err
	}
	attrs = append(attrs, progress(r)...)
	if r.State != rollout.Running {
		return attrs, nil
	}
	return attrs, h.wake(ctx, e.Header)
}

// steer has the active rollout obey a command.
func (h *Handler) steer(ctx context.Context, e *events.RolloutCommand) (rollout.Rollout, error) {
	r, err := h.Rollouts.ActiveRollout(ctx)
	switch {
	case errors.Is(err, ledger.ErrAbsent):
		return r, refuse("no rollout is active")
	case err != nil:
		return r, err
	case e.Rollout != "" && e.Rollout != r.ID:
		return r, refuse("the rollout %s is not the active one, which is %s", e.Rollout, r.ID)
	case e.Time.Before(r.Started), e.Time.Before(r.Resumed):
		// SQS may bring a command again, long after it was obeyed.
		return r, refuse("the command is of %s, and the rollout %s has begun or been resumed since", e.Time.UTC().Format(stamp), r.ID)
	}
	c := rollout.Command{Verb: rollout.Verb(e.Verb), By: e.By, Why: e.Why, Skip: e.Skip, Group: e.Group}
	if err := h.tried(r, c); err != nil {
		return r, refuse("%s", err)
	}
	conf, err := settings.Current(ctx, h.Ledger)
	if err != nil {
		return r, err
	}
	return h.engine(conf).Obey(ctx, c)
}

const stamp = "2006-01-02T15:04:05Z"

// tried is what a rollout would answer to a command. It tells what cannot be done
// from a trouble that may pass.
func (h *Handler) tried(r rollout.Rollout, c rollout.Command) error {
	r.Members, r.Skip = slices.Clone(r.Members), slices.Clone(r.Skip)
	return r.Obey(c, h.Now())
}
