package handler

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/secretsencryption"
	"github.com/eks-steward/eks-steward/internal/worker"
)

// Approvals are what people said of plans.
type Approvals interface {
	AskApproval(ctx context.Context, a ledger.Approval) (ledger.Approval, error)
	Void(ctx context.Context, plan, why string) error
}

// A look is why clusters of a target are looked at, and what is known before.
type look struct {
	target fleet.Target
	conf   *config.File
	// open are the open findings of encryption-state and key-guard and of this
	// function, by the name of the cluster.
	open map[string][]fleet.Finding
	// since is when somebody began to wait for the one cluster, or zero; update is
	// the association that he waits for, or none.
	since  time.Time
	update string
	// owner is whose the cluster is that is looked at, once it was read.
	owner string
}

// modeTag lowers the mode of the cluster that has it, and never raises it.
const modeTag = "eks-steward/secrets-encryption"

// policy is what holds for a cluster.
func (h *Handler) policy(conf *config.File, c fleet.Cluster) secretsencryption.Policy {
	required := conf.SecretsEncryptionFor(c.ID)
	modes := []string{conf.EncryptionModeFor(c.ID), h.MaxMode}
	if tag, ok := c.Tags[modeTag]; ok {
		modes = append(modes, tag)
	}
	return secretsencryption.Policy{
		Require: required.Require, Keys: required.Keys,
		Mode: secretsencryption.Mode(config.LowestMode(modes...)),
	}
}

// consider looks at one cluster: whether it needs a key, and whether the one that
// it uses works where that was in doubt.
func (h *Handler) consider(ctx context.Context, name string, l look) error {
	c, err := h.Reader.Cluster(ctx, l.target, name)
	switch {
	case errors.Is(err, fleet.Gone):
		return h.bury(ctx, l.target.Cluster(name), l)
	case err != nil:
		return passing(err)
	}
	l.owner = c.Tags[l.conf.Notify.OwnerTag]
	return errors.Join(h.encrypt(ctx, c, l), h.doubt(ctx, c, l))
}

// passing is what has to be asked again. What the role may not read is told by
// target-access, for all clusters at once.
func passing(err error) error {
	if !fleet.TroubleOf(err).Passes() {
		return nil
	}
	return fmt.Errorf("read it: %w", err)
}

// encrypt takes a cluster as far towards a customer key as its policy allows.
func (h *Handler) encrypt(ctx context.Context, c fleet.Cluster, l look) error {
	policy := h.policy(l.conf, c)
	if c.KeyARN != "" {
		return h.encrypted(ctx, c, l)
	}
	if policy.Judge(c, fleet.Part[fleet.Key]{}) != secretsencryption.Wanting || policy.Mode == secretsencryption.Report || len(policy.Keys) == 0 {
		return h.leave(ctx, c.ID, l, "The policy and the mode of the cluster ask for no plan.")
	}
	switch c.Status {
	case active, "UPDATING": // which may be our own doing
	case "CREATING", "PENDING":
		return h.await(ctx, c.ID, l, "EKS calls the cluster "+c.Status+".")
	default:
		return h.leave(ctx, c.ID, l, fmt.Sprintf("EKS calls the cluster %.40q, and a key is put on ACTIVE ones only.", c.Status))
	}
	choice, err := secretsencryption.Choose(ctx, h.Reader, l.target, policy.Keys, h.Now())
	if err != nil {
		return err
	}
	if choice.Key.ARN == "" {
		_, err := h.withdraw(ctx, c.ID, l, "")
		return errors.Join(err, h.tell(ctx, l, secretsencryption.NoUsableKey(c.ID, choice.Obstacles, h.Now())), h.rest(ctx, l, c.ID))
	}
	return h.pursue(ctx, c, choice, policy.Mode, l)
}

const active = "ACTIVE"

// pursue takes a plan one step on: it is carried out where the mode or a person
// allows it, and waits for a person otherwise. One that failed always does.
func (h *Handler) pursue(ctx context.Context, c fleet.Cluster, choice secretsencryption.Choice, mode secretsencryption.Mode, l look) error {
	p := secretsencryption.PlanFor(c, choice.Key)
	voided, err := h.withdraw(ctx, p.Cluster, l, p.Hash())
	if err != nil {
		return err
	}
	order := secretsencryption.Order{Plan: p, Deadline: worker.Deadline(ctx, h.Now())}
	out, err := secretsencryption.Follow(ctx, h.deps(), l.target, order, h.Now())
	if err != nil {
		return err
	}
	if out.Result == "" && c.Status != active {
		return h.await(ctx, c.ID, l, "EKS calls the cluster "+c.Status+".")
	}
	failed := out.Result == secretsencryption.Failed
	if failed || out.Result == "" && mode == secretsencryption.Approve {
		a, err := h.approval(ctx, p, out)
		if err != nil {
			return err
		}
		if !a.Stands(h.Now()) {
			return errors.Join(h.tell(ctx, l, h.asking(p, choice, out, a, voided)), h.rest(ctx, l, p.Cluster))
		}
		order.Approved = a.Decided
	}
	if out.Result == "" || failed {
		if out, err = secretsencryption.Associate(ctx, h.deps(), l.target, order, h.Now()); err != nil {
			return err
		}
	}
	return h.conclude(ctx, p, out, l)
}

// approval is what was said of a plan; nobody having said anything, it is asked.
// What was said before an attempt failed was said of that attempt.
func (h *Handler) approval(ctx context.Context, p secretsencryption.Plan, out secretsencryption.Outcome) (ledger.Approval, error) {
	question := ledger.Approval{Plan: p.Hash(), Capability: secretsencryption.Check, Cluster: p.Cluster, Text: p.Text()}
	a, err := h.Approvals.AskApproval(ctx, question)
	if err != nil || out.Result != secretsencryption.Failed || !a.Stands(h.Now()) {
		return a, err
	}
	i, err := h.Intents.Intent(ctx, p.Hash(), p.Cluster.String())
	if err != nil || a.Decided.After(i.Settled) {
		return a, err
	}
	if err := h.Approvals.Void(ctx, p.Hash(), "The association failed after it was approved."); err != nil {
		return a, err
	}
	return h.Approvals.AskApproval(ctx, question)
}

// asking is the finding of a plan that waits for a person.
func (h *Handler) asking(p secretsencryption.Plan, c secretsencryption.Choice, out secretsencryption.Outcome, a ledger.Approval, voided string) fleet.Finding {
	ask := fleet.Approval{Plan: a.Plan, Nonce: a.Nonce, Text: a.Text, Expires: a.Expires}
	f, failed := out.Finding(p, h.Now())
	if !failed {
		return secretsencryption.ApprovalWanted(p, c, ask, voided, h.Now())
	}
	f.Approval = &ask
	return f
}

// conclude records what became of a plan, and follows what is under way.
func (h *Handler) conclude(ctx context.Context, p secretsencryption.Plan, out secretsencryption.Outcome, l look) error {
	switch {
	case out.Result == secretsencryption.Associating:
		return h.watch(ctx, p, out, l)
	case out.Result == secretsencryption.Blocked && out.Cause == secretsencryption.Gone:
		return h.bury(ctx, p.Cluster, l)
	}
	f, told := out.Finding(p, h.Now())
	if !told { // it passes by itself
		return h.await(ctx, p.Cluster, l, out.Why)
	}
	if out.Result == secretsencryption.Failed {
		a, err := h.approval(ctx, p, out)
		if err != nil {
			return err
		}
		f.Approval = &fleet.Approval{Plan: a.Plan, Nonce: a.Nonce, Text: a.Text, Expires: a.Expires}
	}
	return errors.Join(h.tell(ctx, l, f), h.rest(ctx, l, p.Cluster))
}

// watch follows an association to its end. The wait for the cluster is over.
func (h *Handler) watch(ctx context.Context, p secretsencryption.Plan, out secretsencryption.Outcome, l look) error {
	f, _ := out.Finding(p, h.Now())
	after, err := h.follow(ctx, l, p.Cluster, out.Update)
	if after > 0 {
		f = secretsencryption.WaitedTooLong(p.Cluster, "EKS does not end the update "+out.Update+".", after, h.Now())
	}
	return errors.Join(err, h.tell(ctx, l, f), h.FollowUps.Finish(ctx, followUpID(p.Cluster, "")))
}

// await looks again at a cluster that cannot be given a key yet.
func (h *Handler) await(ctx context.Context, c fleet.ClusterID, l look, why string) error {
	after, err := h.follow(ctx, l, c, "")
	if after > 0 {
		err = errors.Join(err, h.tell(ctx, l, secretsencryption.WaitedTooLong(c, why, after, h.Now())))
	}
	return err
}

// encrypted is the end: the cluster has a key, ours or another. Whether it is one
// that will do, encryption-state tells.
func (h *Handler) encrypted(ctx context.Context, c fleet.Cluster, l look) error {
	p := secretsencryption.PlanFor(c, fleet.Key{ARN: c.KeyARN})
	out, err := secretsencryption.Follow(ctx, h.deps(), l.target, secretsencryption.Order{Plan: p}, h.Now())
	if err != nil {
		return err
	}
	if strings.Contains(c.KeyARN, ":key/") { // not an alias, which is what no event about a key names
		if err := h.KeyUses.NoteKeyUse(ctx, c.ID, c.KeyARN); err != nil {
			return err
		}
	}
	if out.Result == secretsencryption.Associating {
		return h.watch(ctx, p, out, l)
	}
	if f, _ := out.Finding(p, h.Now()); out.Result == secretsencryption.AlreadyDone {
		_, err := h.withdraw(ctx, c.ID, l, "")
		return errors.Join(err, h.tell(ctx, l, f), h.rest(ctx, l, c.ID))
	}
	return h.leave(ctx, c.ID, l, "The cluster has a customer key.")
}

// leave ends what was begun with a cluster: nothing is to be done, and why.
func (h *Handler) leave(ctx context.Context, c fleet.ClusterID, l look, why string) error {
	_, err := h.withdraw(ctx, c, l, "")
	return errors.Join(err, h.tell(ctx, l, secretsencryption.Done(c, why, h.Now())), h.rest(ctx, l, c))
}

// bury ends everything about a cluster that is gone.
func (h *Handler) bury(ctx context.Context, c fleet.ClusterID, l look) error {
	failures := []error{h.leave(ctx, c, l, "EKS knows the cluster no longer."), h.KeyUses.NoteKeyUse(ctx, c, "")}
	for _, f := range l.doubts(c.Name) {
		failures = append(failures, h.tell(ctx, l, unused(f, "EKS knows the cluster no longer.", h.Now())))
	}
	return errors.Join(failures...)
}

// withdraw voids the plans that people were asked to approve, but for the one to
// keep, and says so in a sentence for the next asking.
func (h *Handler) withdraw(ctx context.Context, c fleet.ClusterID, l look, keep string) (string, error) {
	const why = "The cluster, its key or its policy has changed since the last plan."
	for _, f := range l.open[c.Name] {
		if f.Check == secretsencryption.Check && f.Approval != nil && f.Approval.Plan != keep {
			return why, h.Approvals.Void(ctx, f.Approval.Plan, why)
		}
	}
	return "", nil
}

func (h *Handler) tell(ctx context.Context, l look, f fleet.Finding) error {
	f.Owner = l.owner
	_, _, err := h.Outbox.Record(ctx, []fleet.Finding{f})
	return err
}

func (h *Handler) deps() secretsencryption.Deps {
	return secretsencryption.Deps{Reader: h.Reader, Writer: h.Writer, Intents: h.Intents, Switch: h.Switch}
}
