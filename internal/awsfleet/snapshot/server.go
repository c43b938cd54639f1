package snapshot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi"
	"github.com/eks-steward/eks-steward/internal/kubeapi/ekstoken"
	"github.com/eks-steward/eks-steward/internal/kubeapi/objects"
)

// A visit asks one API server several things. One that did not let the visitor
// in for the first of them is not asked for the others: each would take as long.
type visit struct {
	survey  *Survey
	cluster fleet.Cluster
	server  *kubeapi.Client
	objects *objects.Reader
	shut    error // why no more is asked
}

// visit begins to ask a cluster's own API server, as whoever the target's role is
// to the cluster.
func (s *Survey) visit(c fleet.Cluster) *visit {
	at := kubeapi.Endpoint{Cluster: c.ID, URL: c.Server.URL, CA: c.Server.CA}
	as := ekstoken.New(s.target.Region, s.fleet.Credentials(s.target))
	server, err := kubeapi.New(at, as)
	reader, unfit := objects.New(at, as)
	return &visit{survey: s, cluster: c, server: server, objects: reader, shut: cmp.Or(closed(c), err, unfit)}
}

// visitServer reads what a cluster's own API server says.
func (s *Survey) visitServer(ctx context.Context, snap *fleet.Snapshot) {
	v := s.visit(snap.Cluster.Value)
	snap.Nodes = tell(ctx, v, func() ([]fleet.Node, error) { return v.objects.Nodes(ctx) })
	snap.KubeProxy = tell(ctx, v, func() (fleet.KubeProxy, error) { return v.objects.KubeProxy(ctx) })
	snap.Backups = tell(ctx, v, func() ([]fleet.Backup, error) { return v.objects.Backups(ctx) })
	snap.StorageClasses = tell(ctx, v, func() ([]fleet.StorageClass, error) { return v.objects.StorageClasses(ctx) })
	snap.Deprecations = tell(ctx, v, func() ([]fleet.DeprecatedAPI, error) { return v.server.DeprecatedAPIs(ctx) })
}

// Workloads asks a cluster's own API server for what the renewal of nodes is
// about: its nodes, its pods that have not ended, and its budgets.
func (s *Survey) Workloads(ctx context.Context, c fleet.Cluster) (nodes fleet.Part[[]fleet.Node], pods fleet.Part[[]fleet.Pod], budgets fleet.Part[[]fleet.Budget]) {
	if s.noServer {
		return nodes, pods, budgets
	}
	v := s.visit(c)
	nodes = tell(ctx, v, func() ([]fleet.Node, error) { return v.objects.Nodes(ctx) })
	pods = tell(ctx, v, func() (all []fleet.Pod, err error) {
		all, budgets.Value, err = v.objects.Workloads(ctx)
		return all, err
	})
	budgets.At, budgets.Trouble = pods.At, pods.Trouble // a budget is known with its pods
	return nodes, pods, budgets
}

// closed is why an API server is not asked at all, or nil.
func closed(c fleet.Cluster) error {
	var why string
	switch {
	case !c.Running():
		why = fmt.Sprintf("the API server of %s is not asked while the cluster is %s", c.ID, c.Status)
	case !c.Server.Public:
		why = fmt.Sprintf("the API server of %s has no public endpoint and is not asked from here: nothing to do if that is wanted", c.ID)
	default:
		return nil
	}
	return &fleet.Trouble{Kind: fleet.Private, Action: "ask the API server", Err: errors.New(why)}
}

// tell reads a part of a visit.
func tell[T any](ctx context.Context, v *visit, read func() (T, error)) fleet.Part[T] {
	return ask(v.survey, func() (T, error) {
		if v.shut != nil {
			var nothing T
			return nothing, v.shut
		}
		value, err := read()
		if err == nil {
			return value, nil
		}
		told := v.survey.fleet.Stranger(ctx, v.survey.target, v.cluster, err)
		if slices.ContainsFunc(shuts, func(k kubeapi.Kind) bool { return errors.Is(err, k) }) {
			v.shut = told
		}
		return value, told
	})
}

// shuts are the failures that the next question would meet too.
var shuts = []kubeapi.Kind{
	kubeapi.Unauthorized, kubeapi.ClockSkew, kubeapi.WrongCA, kubeapi.TLSFailed, kubeapi.Redirected,
	kubeapi.Private, kubeapi.Unresolved, kubeapi.Refused, kubeapi.TimedOut, kubeapi.Broken,
}
