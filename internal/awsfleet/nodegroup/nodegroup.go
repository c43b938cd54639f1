// Package nodegroup reads what a renewal of nodes is decided from, follows it, and
// asks EKS for it. It chooses no group and does not ask whether a write may be made:
// whoever holds the Writer has decided that.
//
// The IAM actions of a Reader, as the target's reader role:
//
//	eks:DescribeCluster eks:ListNodegroups eks:DescribeNodegroup
//	eks:ListUpdates eks:DescribeUpdate eks:ListInsights eks:DescribeInsight
//	ec2:DescribeSubnets ec2:DescribeLaunchTemplates ec2:DescribeLaunchTemplateVersions
//	ec2:DescribeInstanceTypes
//	ssm:GetParameter (of AWS's own parameters) ssm:GetCalendarState
//	cloudwatch:DescribeAlarms cloudwatch:GetMetricData
//	servicequotas:GetServiceQuota servicequotas:GetAWSDefaultServiceQuota
//
// That of a Writer, as the target's writer role:
//
//	eks:UpdateNodegroupVersion
//
// Where a group has a launch template of its owner's, EKS tries out whether whoever
// asks may start instances from it: the writer then needs ec2:RunInstances and
// ec2:CreateTags, too. Without them EKS declines, and Roll says so.
package nodegroup

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/snapshot"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodegrouprollout"
	"github.com/eks-steward/eks-steward/internal/rollout"
)

// Reader reads clusters and nodegroups of targets, for several goroutines at a time.
type Reader struct {
	fleet  *awsfleet.Fleet
	source *snapshot.Source
	now    func() time.Time

	mu      sync.Mutex
	surveys map[fleet.Target]begun
}

// begun is a survey that was begun at a time.
type begun struct {
	*snapshot.Survey

	at time.Time
}

// NewReader returns a Reader with a Fleet's credentials and patience. now dates the
// parts; the options are those of their source.
func NewReader(f *awsfleet.Fleet, now func() time.Time, options ...snapshot.Option) *Reader {
	return &Reader{fleet: f, source: snapshot.New(f, now, options...), now: now, surveys: map[fleet.Target]begun{}}
}

// shared is how long the clusters of a target share what was read of their region.
// It is shorter than the time from one tick to the next, which reads it anew.
const shared = 4 * time.Minute

func (r *Reader) survey(t fleet.Target) *snapshot.Survey {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.surveys[t]
	if now := r.now(); !ok || now.Sub(s.at) > shared {
		s = begun{r.source.Survey(t), now}
		r.surveys[t] = s
	}
	return s.Survey
}

// Candidate reads a cluster for a plan.
func (r *Reader) Candidate(ctx context.Context, t fleet.Target, cluster string) rollout.Candidate {
	s := r.survey(t)
	c := rollout.Candidate{Target: t, ID: t.Cluster(cluster), Cluster: s.Cluster(ctx, cluster)}
	if !c.Cluster.Known() || c.Cluster.Value.Kind != fleet.KindEKS {
		return c // nothing is planned for it
	}
	c.Groups = s.Nodegroups(ctx, cluster)
	c.Images = s.Images(ctx, c.Cluster.Value.Version, c.Groups.Value)
	c.Heads = s.TemplateHeads(ctx, c.Groups.Value)
	return c
}

// Around reads what is around one group, all at once.
func (r *Reader) Around(ctx context.Context, t fleet.Target, cluster, group string, look nodegrouprollout.Look) rollout.Around {
	s := r.survey(t)
	var a rollout.Around
	together(
		func() { a.Cluster = s.Cluster(ctx, cluster) },
		func() { a.Group = s.Nodegroup(ctx, cluster, group) },
	)
	reads := []func(){func() { a.Update = r.update(ctx, t, cluster, group, a.Group.Value, look.Update) }}
	if !look.Brief {
		reads = append(reads,
			func() { a.Alarms = r.Alarms(ctx, t, look.Alarms) },
			func() { a.Calendar = r.Calendar(ctx, t, look.Calendar) },
		)
		if a.Cluster.Known() {
			reads = append(reads, func() {
				a.Nodes, a.Pods, a.Budgets = s.Workloads(ctx, a.Cluster.Value)
				a.Nodes.Value = slices.DeleteFunc(a.Nodes.Value, func(n fleet.Node) bool { return n.Origin != fleet.Managed || n.Pool != group })
			})
		}
	}
	if look.Begin && !look.Brief {
		reads = append(reads, func() { a.Insights = s.Readiness(ctx, cluster) })
		if a.Group.Known() {
			reads = append(reads, func() { a.Room = r.Room(ctx, t, a.Group.Value) })
		}
	}
	together(reads...)
	return a
}

// together makes readings that fill different fields, and waits for all.
func together(readings ...func()) {
	var all sync.WaitGroup
	for _, read := range readings {
		all.Go(read)
	}
	all.Wait()
}
