// Package sim is a world of AWS accounts that only the unmodified AWS SDK talks
// to: EKS and its neighbours over HTTP, seeded from a fleet file, changed while
// it runs and broken on purpose. What it answers is held against AWS's own API
// model; how clusters behave is our reading of the documentation, not AWS. It
// verifies no signature and no policy, and nothing in it belongs in a deployment.
package sim

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim/cloudwatch"
	"github.com/eks-steward/eks-steward/internal/sim/ec2"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/eks"
	"github.com/eks-steward/eks-steward/internal/sim/kms"
	"github.com/eks-steward/eks-steward/internal/sim/quotas"
	"github.com/eks-steward/eks-steward/internal/sim/ssm"
	"github.com/eks-steward/eks-steward/internal/sim/sts"
	"github.com/eks-steward/eks-steward/internal/sim/tagging"
)

// A World is many accounts in many regions. All of it may be used and changed
// concurrently.
type World struct {
	now       func() time.Time
	durations eks.Durations
	edge      *edge.Edge
	eks       *eks.Service
	metrics   *cloudwatch.Service
	sts       *sts.Service
	ec2       *ec2.Service
	kms       *kms.Service
	tagging   *tagging.Service
	quotas    *quotas.Service
	ssm       *ssm.Service
}

// New makes a world out of a fleet. Its start is what now says at this moment;
// now is asked for support dates and datapoints, while signatures and the
// lifetime of sessions follow the machine's clock, as the SDK does.
func New(f Fleet, now func() time.Time) (*World, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	e := edge.New(f.Home)
	keys, parameters := kms.New(now), ssm.New(now)
	w := &World{
		now: now, edge: e, durations: durationsOf(f),
		eks:     eks.New(now, versionsOf(f), tiersOf(f), releasesOf(f), durationsOf(f), keys, newest(parameters)),
		metrics: cloudwatch.New(now),
		sts:     sts.New(e.Bind),
		ec2:     ec2.New(),
		kms:     keys,
		tagging: tagging.New(),
		quotas:  quotas.New(),
		ssm:     parameters,
	}
	w.sts.PutAccount(f.Home, nil)
	for _, a := range f.Accounts {
		if err := w.settle(a); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// settle puts one account of the fleet into the world.
func (w *World) settle(a Account) error {
	w.sts.PutAccount(a.ID, rolesOf(a))
	for _, key := range a.AccessKeys {
		w.edge.Own(key, a.ID)
	}
	for _, r := range a.Regions {
		switch r.Refuses {
		case NotOptedIn:
			w.edge.Faults.DisableRegion(a.ID, r.Name)
		case DeniedByPolicy:
			w.edge.Faults.DenyByPolicy(a.ID, r.Name)
		}
		w.surround(edge.Scope{Account: a.ID, Region: r.Name}, r)
		for _, c := range r.Clusters {
			if err := w.Add(a.ID, r.Name, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// Handler serves all services at one address; a request goes to the service that
// it was signed for. It is what AWS_ENDPOINT_URL may name.
func (w *World) Handler() http.Handler {
	services := map[string]http.Handler{
		"eks": w.EKS(), "monitoring": w.CloudWatch(), "sts": w.STS(),
		"ec2": w.EC2(), "kms": w.KMS(), "tagging": w.Tagging(), "servicequotas": w.Quotas(), "ssm": w.SSM(),
	}
	names := strings.Join(slices.Sorted(maps.Keys(services)), ", ")
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		name := edge.SigningName(r)
		h, ok := services[name]
		if !ok {
			http.Error(rw, fmt.Sprintf("no service is simulated for requests signed for %q: want one of %s", name, names), http.StatusNotImplemented)
			return
		}
		h.ServeHTTP(rw, r)
	})
}

// EKS serves the EKS API alone.
func (w *World) EKS() http.Handler { return w.eks.Handler(w.edge) }

// CloudWatch serves the CloudWatch API alone.
func (w *World) CloudWatch() http.Handler { return w.metrics.Handler(w.edge) }

// STS serves the STS API alone.
func (w *World) STS() http.Handler { return w.sts.Handler(w.edge) }

// EC2 serves the EC2 API alone.
func (w *World) EC2() http.Handler { return w.ec2.Handler(w.edge) }

// KMS serves the KMS API alone.
func (w *World) KMS() http.Handler { return w.kms.Handler(w.edge) }

// Tagging serves the Resource Groups Tagging API alone.
func (w *World) Tagging() http.Handler { return w.tagging.Handler(w.edge) }

// Quotas serves the Service Quotas API alone.
func (w *World) Quotas() http.Handler { return w.quotas.Handler(w.edge) }

// SSM serves the Systems Manager API alone.
func (w *World) SSM() http.Handler { return w.ssm.Handler(w.edge) }

// Add puts a cluster into a region, or replaces the one of its name, metrics
// included. Points of its etcd are counted from now.
func (w *World) Add(account, region string, c Cluster) error {
	if err := c.validate(); err != nil {
		return err
	}
	in := edge.Scope{Account: account, Region: region}
	described := describe(in, c, w.now())
	w.eks.Put(in, described)
	w.lend(described)
	if err := w.eks.PutNodegroups(in, c.Name, groupsOf(in, described, c.Nodegroups)...); err != nil {
		return err
	}
	w.eks.PutUpdates(in, c.Name, coursesOf(c, w.now(), w.durations)...)
	w.eks.PutAddons(in, c.Name, addonsOf(c, described.CreatedAt.Time))
	w.eks.PutInsights(in, c.Name, insightsOf(c, w.now()))
	w.ec2.Put(in, subnetsOf(in, c)...)
	w.metrics.Put(in, c.Name, storageOf(c.Etcd, c.CreatedAt, w.now()))
	return nil
}

// Remove deletes a cluster and says whether there was one. What was measured of
// it stays.
func (w *World) Remove(id fleet.ClusterID) bool {
	in := edge.Scope{Account: id.Account, Region: id.Region}
	w.metrics.Stop(in, id.Name)
	return w.eks.Remove(in, id.Name)
}

// SetEtcd replaces what is measured of a cluster, the past included. Points are
// counted from now.
func (w *World) SetEtcd(id fleet.ClusterID, e Etcd) error {
	in := edge.Scope{Account: id.Account, Region: id.Region}
	if _, ok := w.eks.Cluster(in, id.Name); !ok {
		return fmt.Errorf("set etcd: there is no cluster %s", id)
	}
	if err := e.validate(); err != nil {
		return fmt.Errorf("set etcd of %s: %w", id, err)
	}
	w.metrics.Put(in, id.Name, storageOf(&e, time.Time{}, w.now()))
	return nil
}

// Admit gives a principal of IAM an access entry in a cluster, with Kubernetes
// groups, or replaces the one that it has.
func (w *World) Admit(id fleet.ClusterID, principalARN string, groups ...string) error {
	in := edge.Scope{Account: id.Account, Region: id.Region}
	if _, ok := w.eks.Cluster(in, id.Name); !ok {
		return fmt.Errorf("admit %s: there is no cluster %s", principalARN, id)
	}
	return w.eks.Admit(in, id.Name, principalARN, groups...)
}

// FailUpdate makes the next update of a cluster, or of one of its nodegroups,
// end as Failed.
func (w *World) FailUpdate(id fleet.ClusterID, why ...Issue) {
	w.eks.Fail(edge.Scope{Account: id.Account, Region: id.Region}, id.Name, errorsOf(why)...)
}

// SetParameter writes a parameter of Systems Manager, such as a kill switch.
func (w *World) SetParameter(account, region, name, value string) {
	w.ssm.Put(edge.Scope{Account: account, Region: region}, name, value)
}

// RemoveParameter deletes a parameter of Systems Manager.
func (w *World) RemoveParameter(account, region, name string) {
	w.ssm.Remove(edge.Scope{Account: account, Region: region}, name)
}

// A Mirror is a real cluster that follows a simulated one.
type Mirror = eks.Mirror

// Couple makes a real cluster follow the access entries and nodegroups of a
// simulated one, beginning with those that are there, until Remove or Close. What
// DescribeCluster says of the real one is in the Cluster's Endpoint and CA.
func (w *World) Couple(id fleet.ClusterID, m Mirror) error {
	if err := w.eks.Couple(edge.Scope{Account: id.Account, Region: id.Region}, id.Name, m); err != nil {
		return fmt.Errorf("couple cluster %s: %w", id, err)
	}
	return nil
}

// Close lets go of the real clusters, and returns when none is changed any more:
// an update of a nodegroup that is under way there stays in progress. A world
// without real clusters needs no Close.
func (w *World) Close() { w.eks.Close() }

// Faults breaks the world, and mends it.
func (w *World) Faults() *edge.Faults { return w.edge.Faults }

// Calls is how often each operation was called since the start or ResetCalls.
func (w *World) Calls() edge.Calls { return w.edge.Calls.Calls() }

// Actions lists the IAM actions that were asked for, allowed or not, by the ARN
// of the role that asked (or of the user, where there was no role), since the
// start or ResetCalls.
func (w *World) Actions() map[string][]string { return w.edge.Calls.Actions() }

// ResetCalls forgets calls and actions.
func (w *World) ResetCalls() { w.edge.Calls.Reset() }
