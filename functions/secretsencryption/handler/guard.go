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
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/keyguard"
	"github.com/eks-steward/eks-steward/internal/settings"
)

// Grants tells whether EKS may still use a key for a cluster. An error is a
// *fleet.Trouble, also where that cannot be told.
type Grants interface {
	Granted(ctx context.Context, t fleet.Target, cluster, key string) (bool, error)
}

// Undo takes back what was done to a key, as the target's writer role.
type Undo interface {
	CancelDeletion(ctx context.Context, t fleet.Target, key string) error
	Enable(ctx context.Context, t fleet.Target, key string) error
}

// KeyUses are which cluster uses which key.
type KeyUses interface {
	NoteKeyUse(ctx context.Context, c fleet.ClusterID, key string) error
	KeyUsers(ctx context.Context, key string) ([]fleet.ClusterID, error)
	KeysInUse(ctx context.Context, account, region string) ([]string, error)
}

// guard looks at the keys that a call was about, for each cluster that uses one.
// Every volume that goes retires a grant, so that hundreds of them can come at once,
// and a lost one hurts no sooner than an API server restarts: one look follows them.
func (h *Handler) guard(ctx context.Context, e *events.KMSCall) ([]slog.Attr, error) {
	keys, users, err := h.users(ctx, e)
	if err != nil || len(users) == 0 {
		return skipped("no cluster uses the key"), err
	}
	call := keyguard.Call{Name: e.Call, Principal: e.Principal, At: e.Time}
	if e.Call == events.RetireGrant && !followsUp(e) {
		var failures []error
		for _, key := range keys {
			failures = append(failures, h.lookAgain(ctx, fleet.Target{Account: e.Account, Region: e.Region}, key, call))
		}
		return skipped("retired grants are looked at some minutes later"), errors.Join(failures...)
	}
	if own(e.Account, e.Principal) {
		call = keyguard.Call{} // to blame for nothing
	}
	conf, err := settings.Current(ctx, h.Ledger)
	if err != nil {
		return nil, err
	}
	opens := map[string]map[string][]fleet.Finding{} // by target: clusters share them
	var failures []error
	for _, u := range users {
		target, ok := conf.Target(u.Account, u.Region)
		if !ok {
			continue
		}
		if opens[target.String()] == nil {
			if opens[target.String()], err = h.open(ctx, target); err != nil {
				return nil, err
			}
		}
		if err := h.guardCluster(ctx, u.Name, keys, call, look{target: target, conf: conf, open: opens[target.String()]}); err != nil {
			failures = append(failures, fmt.Errorf("cluster %s: %w", u, err))
		}
	}
	return []slog.Attr{slog.String("call", e.Call), slog.Int("clusters", len(users))}, errors.Join(failures...)
}

// users are the keys of a call and the clusters that use them. One that names no
// key may be about any of its account and region.
func (h *Handler) users(ctx context.Context, e *events.KMSCall) (keys []string, users []fleet.ClusterID, err error) {
	keys = e.Keys
	if len(keys) == 0 {
		if keys, err = h.KeyUses.KeysInUse(ctx, e.Account, e.Region); err != nil {
			return nil, nil, err
		}
	}
	for _, key := range keys {
		some, err := h.KeyUses.KeyUsers(ctx, key)
		if err != nil {
			return nil, nil, err
		}
		users = append(users, some...)
	}
	slices.SortFunc(users, func(a, b fleet.ClusterID) int { return strings.Compare(a.String(), b.String()) })
	return keys, slices.Compact(users), nil
}

// guardCluster reads a cluster that is said to use one of the keys, and judges the
// one that it does use.
func (h *Handler) guardCluster(ctx context.Context, name string, keys []string, by keyguard.Call, l look) error {
	c, err := h.Reader.Cluster(ctx, l.target, name)
	switch {
	case errors.Is(err, fleet.Gone):
		return h.bury(ctx, l.target.Cluster(name), l)
	case err != nil:
		return fmt.Errorf("read it: %w", err)
	case c.KeyARN == "":
		return h.KeyUses.NoteKeyUse(ctx, c.ID, "") // another cluster of the same name
	}
	l.owner = c.Tags[l.conf.Notify.OwnerTag]
	if !slices.Contains(keys, c.KeyARN) {
		by = keyguard.Call{} // of another key: one that the cluster had, or a replica
	}
	return h.judge(ctx, c, by, l)
}

// doubt looks again at the key of a cluster of which a finding is open.
func (h *Handler) doubt(ctx context.Context, c fleet.Cluster, l look) error {
	doubts := l.doubts(c.ID.Name)
	if len(doubts) == 0 {
		return nil
	}
	if c.KeyARN != "" {
		return h.judge(ctx, c, keyguard.Call{}, l)
	}
	var failures []error
	for _, f := range doubts {
		failures = append(failures, h.tell(ctx, l, unused(f, "The cluster uses no customer key.", h.Now())))
	}
	return errors.Join(failures...)
}

// doubts are the open findings about the key of a cluster.
func (l look) doubts(cluster string) []fleet.Finding {
	var doubts []fleet.Finding
	for _, f := range l.open[cluster] {
		if f.Check == keyguard.Check {
			doubts = append(doubts, f)
		}
	}
	return doubts
}

// judge reads the key of a cluster and records how it is. Where that is allowed,
// what was done to the key is undone, and the key read again: people hear of both.
func (h *Handler) judge(ctx context.Context, c fleet.Cluster, by keyguard.Call, l look) error {
	use := h.use(ctx, c, l)
	if t := use.Key.Trouble; t != nil && t.Kind == fleet.Throttled {
		return fmt.Errorf("read its key: %w", t)
	}
	err := errors.Join(h.believe(ctx, use, by, l, keyguard.Judge(use, by, h.Now())), h.judgeGrant(ctx, use, by, l))
	if err != nil {
		return err
	}
	undone, err := h.undo(ctx, c, use, l)
	if undone {
		err = errors.Join(err, h.tell(ctx, l, keyguard.Judge(h.use(ctx, c, l), by, h.Now())))
	}
	return err
}

// believe records what a look after a call found. That all is well after a call that
// hurts may be what KMS knew before the call: then another look follows.
func (h *Handler) believe(ctx context.Context, use keyguard.Use, by keyguard.Call, l look, f fleet.Finding) error {
	err := h.tell(ctx, l, f)
	if f.Outcome == fleet.Pass && by.Hurts(f.Resource) && h.Now().Before(settled(by.At)) {
		err = errors.Join(err, h.lookAgain(ctx, l.target, use.ARN, by))
	}
	return err
}

// use reads the key of a cluster.
func (h *Handler) use(ctx context.Context, c fleet.Cluster, l look) keyguard.Use {
	key, err := h.Reader.Key(ctx, l.target, c.KeyARN)
	return keyguard.Use{Cluster: c.ID, ARN: c.KeyARN, Key: fleet.Read(key, err, h.Now()), Reported: c.Health}
}

// judgeGrant asks for EKS's grant on a key when a grant was touched, and as long
// as it is in doubt.
func (h *Handler) judgeGrant(ctx context.Context, use keyguard.Use, by keyguard.Call, l look) error {
	touched, was := by.Hurts(keyguard.Grant), ""
	for _, f := range l.doubts(use.Cluster.Name) {
		if f.Resource == keyguard.Grant {
			touched, was = true, f.Cause
		}
	}
	if !touched {
		return nil
	}
	granted, err := h.Grants.Granted(ctx, l.target, use.Cluster.Name, use.ARN)
	if errors.Is(err, fleet.Throttled) {
		return fmt.Errorf("read the grants on its key: %w", err)
	}
	return h.believe(ctx, use, by, l, keyguard.JudgeGrant(use, fleet.Read(granted, err, h.Now()), by, was, h.Now()))
}

// undo makes a key work again where the configuration and the deployment allow it
// and the kill switch is off. What it may not do stays for people, who were told.
func (h *Handler) undo(ctx context.Context, c fleet.Cluster, use keyguard.Use, l look) (undone bool, err error) {
	undos := keyguard.Undos(use.Key.Value)
	if !use.Key.Known() || len(undos) == 0 || config.LowestMode(l.conf.KeyGuardFor(c.ID), h.MaxKeyGuard) != config.Enforce {
		return false, nil
	}
	if h.held(ctx) {
		return false, nil
	}
	for _, u := range undos {
		do := h.Undo.Enable
		if u == keyguard.CancelKeyDeletion {
			do = h.Undo.CancelDeletion
		}
		err := do(ctx, l.target, use.Key.Value.ARN)
		if t := fleet.TroubleOf(err); err != nil && (t.Kind == fleet.Refused || !t.Passes()) {
			return undone, nil
		}
		if err != nil {
			return undone, fmt.Errorf("undo what was done to its key: %w", err)
		}
		undone = true
	}
	return undone, nil
}

// held reports whether the kill switch is on; what cannot be read counts as on.
func (h *Handler) held(ctx context.Context) bool {
	on, err := h.Switch.On(ctx)
	return on || err != nil
}

// unused closes a finding about a key that the cluster does not use.
func unused(f fleet.Finding, why string, now time.Time) fleet.Finding {
	return fleet.Finding{
		Check: f.Check, Cluster: f.Cluster, Resource: f.Resource, Outcome: fleet.Pass, At: now,
		Title: "the key is not used by " + f.Cluster.Name, Reason: why, Observed: "not used",
	}
}
