package eks

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// A Mirror is a real cluster that follows a simulated one. But for Roll, one change
// at a time is told to it, before anybody can read the change here; an error
// refuses it.
type Mirror interface {
	// Admit lets a principal in as a user of groups, or replaces what it is.
	Admit(principalARN, username string, groups []string) error
	Expel(principalARN string) error
	// Scale gives a nodegroup as many nodes as it wants: 0 when it is deleted.
	Scale(fleet.Nodegroup) error
	// Roll renews the nodes of a group while other changes go on, none of this
	// group, and returns why it failed. It takes as long as the update lasts, and
	// ends early with ctx.
	Roll(ctx context.Context, from, to fleet.Nodegroup, force bool) []fleet.UpdateError
}

// A coupling is a mirror until its context ends, which every Roll is a part of. The
// zero value is none.
type coupling struct {
	Mirror
	ctx    context.Context
	cancel context.CancelFunc
}

// end stops what the real cluster is at.
func (c coupling) end() {
	if c.cancel != nil {
		c.cancel()
	}
}

// Couple makes a real cluster follow a simulated one, beginning with what is
// there already, until the simulated one is removed or the service closed.
func (s *Service) Couple(in edge.Scope, cluster string, m Mirror) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if _, ok := s.Cluster(in, cluster); !ok {
		return noCluster(cluster)
	}
	var errs []error
	for _, e := range s.entriesAt(place{in, cluster}) {
		errs = append(errs, m.Admit(e.PrincipalARN, e.Username, e.KubernetesGroups))
	}
	for _, g := range s.nodegroupsAt(place{in, cluster}) {
		errs = append(errs, m.Scale(g.fleet()))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mirrors[place{in, cluster}].end()
	ctx, cancel := context.WithCancel(context.Background())
	s.mirrors[place{in, cluster}] = coupling{Mirror: m, ctx: ctx, cancel: cancel}
	return errors.Join(errs...)
}

// Close ends all couplings, and returns when no real cluster is changed any more.
func (s *Service) Close() {
	s.mu.Lock()
	for at, c := range s.mirrors {
		c.end()
		delete(s.mirrors, at)
	}
	s.mu.Unlock()
	s.rolling.Wait()
}

// mirrored tells a change to the real cluster, where there is one.
func (s *Service) mirrored(at place, change func(Mirror) error) error {
	s.mu.RLock()
	c := s.mirrors[at]
	s.mu.RUnlock()
	if c.Mirror == nil {
		return nil
	}
	if err := change(c); err != nil {
		return &edge.Refusal{Status: http.StatusInternalServerError, Code: "ServerException", Message: fmt.Sprintf("The real cluster of %s does not follow: %v", at.cluster, err)}
	}
	return nil
}

// alone keeps a change from meeting another one.
func alone(run func(*Service, edge.Call, request) (any, error)) func(*Service, edge.Call, request) (any, error) {
	return func(s *Service, c edge.Call, r request) (any, error) {
		s.writing.Lock()
		defer s.writing.Unlock()
		return run(s, c, r)
	}
}
