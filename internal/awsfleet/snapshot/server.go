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
	shut    error // why no more is asked
}

// visitServer reads what a cluster's own API server says, as whoever the target's
// role is to the cluster.
func (s *Survey) visitServer(ctx context.Context, snap *fleet.Snapshot) {
	v := &visit{survey: s, cluster: snap.Cluster.Value}
	at := kubeapi.Endpoint{Cluster: snap.ID, URL: v.cluster.Server.URL, CA: v.cluster.Server.CA}
	as := ekstoken.New(s.target.Region, s.fleet.Credentials(s.target))
	server, err := kubeapi.New(at, as)
	reader, unfit := objects.New(at, as)
	v.shut = cmp.Or(closed(v.cluster), err, unfit)
	snap.Nodes = tell(ctx, v, func() ([]fleet.Node, error) { return reader.Nodes(ctx) })
	snap.KubeProxy = tell(ctx, v, func() (fleet.KubeProxy, error) { return reader.KubeProxy(ctx) })
	snap.Backups = tell(ctx, v, func() ([]fleet.Backup, error) { return reader.Backups(ctx) })
	snap.StorageClasses = tell(ctx, v, func() ([]fleet.StorageClass, error) { return reader.StorageClasses(ctx) })
	snap.Deprecations = tell(ctx, v, func() ([]fleet.DeprecatedAPI, error) { return server.DeprecatedAPIs(ctx) })
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
