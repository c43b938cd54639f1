//go:build unix

package coupled

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// A source is what nodes are started from: two nodes of one source are alike.
type source struct {
	version, release string
	template         fleet.TemplateVersion
}

func sourceOf(g fleet.Nodegroup) source {
	return source{version: g.Version, release: g.Release, template: g.Template}
}

// Roll goes through the phases of an update of a nodegroup:
// https://docs.aws.amazon.com/eks/latest/userguide/managed-node-update-behavior.html
//
// New nodes join first, as many as the update may take away at a time, unless the strategy is
// MINIMAL. All old nodes are cordoned. So many at a time are drained through the eviction API,
// taken away and replaced, as long as new ones are missing, so that nothing is left to scale
// down in the end. (EKS adds two nodes per zone if that is more, and drains in a random order.)
//
// Where pods do not leave in time the update fails. AWS does not document what becomes of the
// nodes then; reports tell of groups with both. So the new ones stay, and the old ones stay
// cordoned with what is on them; the next Roll to the same source goes on from there.
func (m *Mirror) Roll(ctx context.Context, from, to fleet.Nodegroup, force bool) []fleet.UpdateError {
	r := &roll{Mirror: m, group: to, batch: to.Surge.Of(to.Nodes), force: force, old: map[string]bool{}}
	again := sourceOf(from) == sourceOf(to)
	for _, n := range m.of(to.Name) {
		if again || n.from != sourceOf(to) {
			r.old[n.name] = true
		}
	}
	var failure *updateFailure
	switch err := r.run(ctx); {
	case errors.As(err, &failure):
		return []fleet.UpdateError{fleet.UpdateError(*failure)}
	case err != nil:
		return []fleet.UpdateError{{Code: "ClusterUnreachable", Message: err.Error()}}
	}
	return nil
}

// An updateFailure is what EKS says of an update that has failed.
type updateFailure fleet.UpdateError

func (f *updateFailure) Error() string { return f.Code + ": " + f.Message }

// A roll is one update of a group.
type roll struct {
	*Mirror
	group fleet.Nodegroup // as it is to become
	batch int             // nodes at a time
	force bool
	old   map[string]bool // names of the nodes that are to go
}

func (r *roll) run(ctx context.Context) error {
	if r.group.Surge.Strategy != "MINIMAL" {
		if err := r.add(ctx, r.group.Nodes+r.batch); err != nil {
			return err
		}
	}
	for name := range r.old {
		if err := r.cordon(ctx, name); err != nil {
			return err
		}
	}
	for batch := range slices.Chunk(r.leaving(), r.batch) {
		if err := r.drain(ctx, batch); err != nil {
			return err
		}
		for _, name := range batch {
			if err := r.terminate(ctx, name); err != nil {
				return err
			}
		}
		if err := r.add(ctx, r.group.Nodes+r.batch); err != nil {
			return err
		}
	}
	return nil
}

// leaving are the old nodes, oldest first.
func (r *roll) leaving() []string {
	var names []string
	for _, n := range r.of(r.group.Name) {
		if r.old[n.name] {
			names = append(names, n.name)
		}
	}
	return names
}

// add joins new nodes while the group wants more of them and has fewer than most nodes in all,
// and returns when they are Ready.
func (r *roll) add(ctx context.Context, most int) error {
	added, err := r.joinTo(ctx, most)
	if err != nil {
		return err
	}
	late, err := r.poll(ctx, r.ReadyTimeout, added, r.ready)
	if len(late) > 0 {
		return &updateFailure{
			Code: "NodeCreationFailure", Message: "Couldn't proceed with upgrade process as new nodes are not joining node group " + r.group.Name, Resources: late,
		}
	}
	return err
}

func (r *roll) joinTo(ctx context.Context, most int) (added []string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := len(r.nodes[r.group.Name])
	fresh := all - len(r.old)
	for ; fresh < r.group.Nodes && all < most; fresh, all = fresh+1, all+1 {
		name, err := r.join(ctx, r.group)
		if err != nil {
			return nil, err
		}
		added = append(added, name)
	}
	return added, nil
}

// terminate takes an old node away with what is still on it.
func (r *roll) terminate(ctx context.Context, name string) error {
	r.mu.Lock()
	err := r.leave(ctx, r.group.Name, name)
	r.mu.Unlock()
	if err != nil {
		return err
	}
	delete(r.old, name)
	pods, err := r.podsOn(ctx, name)
	for _, p := range pods { // Kubernetes would do so too, a minute later
		if gone := r.remove(ctx, p); !answered(gone, http.StatusNotFound) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

// drain returns when the pods of all nodes have left, but for those of daemons.
func (r *roll) drain(ctx context.Context, names []string) error {
	blocked, err := r.poll(ctx, r.EvictionTimeout, names, r.empty)
	if len(blocked) == 0 || r.force { // then what is left goes with its node
		return err
	}
	return &updateFailure{
		Code: "PodEvictionFailure", Message: "Reached max retries while trying to evict pods from nodes in node group " + r.group.Name, Resources: blocked,
	}
}

// interval is the time between two looks at what is awaited.
const interval = 50 * time.Millisecond

// poll asks about each name, again and again, until nothing is awaited of any. It returns the
// names of which something still is when the time is over; an error where it could not ask.
func (r *roll) poll(ctx context.Context, limit time.Duration, names []string, done func(context.Context, string) (bool, error)) ([]string, error) {
	if limit <= 0 {
		return names, nil // the first look could already find it done
	}
	waiting := slices.Clone(names)
	late := time.NewTimer(limit)
	defer late.Stop()
	next := time.NewTicker(interval)
	defer next.Stop()
	for {
		var still []string
		for _, name := range waiting {
			ok, err := done(ctx, name)
			if err != nil {
				return nil, err
			}
			if !ok {
				still = append(still, name)
			}
		}
		if waiting = still; len(waiting) == 0 {
			return nil, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-late.C:
			return waiting, nil
		case <-next.C:
		}
	}
}

// empty asks the pods of a node to leave, and says whether all have. One that a budget keeps is
// asked again the next time.
func (r *roll) empty(ctx context.Context, node string) (bool, error) {
	pods, err := r.podsOn(ctx, node)
	if err != nil {
		return false, err
	}
	empty := true
	for _, p := range pods {
		if p.daemon() {
			continue
		}
		empty = false
		if p.leaving() {
			continue
		}
		if err := r.evict(ctx, p); err != nil && !answered(err, http.StatusNotFound, http.StatusTooManyRequests) {
			return false, err
		}
	}
	return empty, nil
}

// answered reports whether the API server has refused with one of some statuses.
func answered(err error, statuses ...int) bool {
	var r *refusal
	return errors.As(err, &r) && slices.Contains(statuses, r.status)
}

// of are the nodes of a group, oldest first.
func (m *Mirror) of(group string) []node {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.nodes[group])
}
