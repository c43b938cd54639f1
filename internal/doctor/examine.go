package doctor

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/fanout"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Accounts tell whose credentials read. Errors of all sources carry a
// *fleet.Trouble.
type Accounts interface {
	Identity(ctx context.Context) (account, arn string, err error)
	IdentityIn(ctx context.Context, t fleet.Target) (account, arn string, err error)
}

// Clusters are read as the functions read them.
type Clusters interface {
	Clusters(ctx context.Context, t fleet.Target) ([]string, error)
	Cluster(ctx context.Context, t fleet.Target, name string) (fleet.Cluster, error)
	Limits(ctx context.Context, t fleet.Target, standardGB float64) (fleet.Limits, error)
}

// Metrics are those of CloudWatch.
type Metrics interface {
	Sizes(ctx context.Context, t fleet.Target, m fleet.Metric, clusters []string, from, to time.Time) (map[string]fleet.Series, error)
}

// Source is where every target is read.
type Source interface {
	Accounts
	Clusters
	Metrics
}

// Servers reach clusters through their API server, for what only the fallback
// to /metrics needs.
type Servers interface {
	// AccessEntries lists the ARNs of the principals that a cluster lets in.
	AccessEntries(ctx context.Context, t fleet.Target, cluster string) ([]string, error)
	// AccessGroups reads the Kubernetes groups of one of them.
	AccessGroups(ctx context.Context, t fleet.Target, cluster, principalARN string) ([]string, error)
	// Storage reads /metrics as the target's role. The error may hold a
	// *kubeapi.Unreachable.
	Storage(ctx context.Context, t fleet.Target, c fleet.Cluster, now time.Time) (size, inUse fleet.Series, err error)
}

// Rehearsal reads clusters as the function clustercheck reads them.
type Rehearsal interface {
	// Cluster reads one whole, with its pods. With it come the answers to each call,
	// by IAM action: nil, or a *fleet.Trouble.
	Cluster(ctx context.Context, t fleet.Target, name string) (fleet.Snapshot, fleet.Part[[]fleet.Pod], map[string][]error)
}

// Secret is the text of a secret.
type Secret interface {
	Value(ctx context.Context) (string, error)
}

// Topics tell who listens to an SNS topic.
type Topics interface {
	Subscriptions(ctx context.Context, arn string) (confirmed, pending int, err error)
}

// Order says what to examine.
type Order struct {
	Targets []fleet.Target
	Regions []string // of the caller's own account, where there are no targets

	Rehearsal Rehearsal // nil: not examined
	Quotas    Quotas    // nil: not examined
	Servers   Servers   // nil: not examined

	Nodegroups Nodegroups // nil: their tags are not examined

	Secret     Secret // nil: not examined
	SecretName string
	Topics     Topics // nil: no topic is examined
	Topic      string // ARN; empty: not examined
	Machines   string // ARN of the topic for programs; empty: not examined
}

// Examine looks at everything in order. It goes on after a failure wherever the
// next answer does not depend on it.
func Examine(ctx context.Context, src Source, o Order, now time.Time) Report {
	account, arn, err := src.Identity(ctx)
	all := []Examination{judgeCredentials(account, arn, err)}
	if err != nil {
		return Conclude(all)
	}
	targets := o.Targets
	if len(targets) == 0 {
		for _, region := range o.Regions {
			targets = append(targets, fleet.Target{Account: account, Region: region})
		}
	}
	for _, t := range targets {
		p := patient{source: src, order: o, target: t, now: now}
		p.examine(ctx)
		all = append(all, p.examinations...)
	}
	all = append(all, trail())
	if o.Servers == nil {
		all = append(all, leftOut("API servers", "only the fallback to /metrics and what is checked of nodes and backups need them", "add --api-servers"))
	}
	return Conclude(append(all, o.channels(ctx)...))
}

// channels are where messages go.
func (o Order) channels(ctx context.Context) []Examination {
	secret := leftOut("Slack secret", "none was named", "add --slack-secret if you use Slack")
	if o.Secret != nil {
		value, err := o.Secret.Value(ctx)
		secret = judgeSecret(o.SecretName, value, err)
	}
	topic := leftOut("SNS topic", "none was named", "add --topic once there is one: the deployment makes it")
	if o.Topics != nil && o.Topic != "" {
		confirmed, pending, err := o.Topics.Subscriptions(ctx, o.Topic)
		topic = judgeTopic(o.Topic, confirmed, pending, err)
	}
	all := []Examination{secret, topic}
	if o.Topics != nil && o.Machines != "" {
		confirmed, pending, err := o.Topics.Subscriptions(ctx, o.Machines)
		all = append(all, judgeMachines(o.Machines, confirmed, pending, err))
	}
	return all
}

// trail says what nobody looked at: the reader has no right to read trails, and
// needs none.
func trail() Examination {
	return leftOut("CloudTrail trail", "the reader may not read trails",
		"see for yourself that a trail of each account records management events (aws cloudtrail describe-trails); without one, eks-steward notices changes at its daily look instead of within minutes")
}

func leftOut(subject, why, remedy string) Examination {
	return Examination{Subject: subject, Optional: true, Seen: "not examined: " + why, Remedy: remedy}
}

// patient is one target while it is examined.
type patient struct {
	source Source
	order  Order
	target fleet.Target
	now    time.Time

	who          caller
	listed       bool // all clusters are known
	examinations []Examination
}

func (p *patient) note(e ...Examination) { p.examinations = append(p.examinations, e...) }

func (p *patient) examine(ctx context.Context) {
	if !p.enter(ctx) {
		return
	}
	names, open := p.list(ctx)
	if !open {
		return
	}
	_, err := p.source.Limits(ctx, p.target, 0)
	p.note(judgeAction(p.target, p.who, "eks:DescribeClusterVersions", "read the etcd limit of each control-plane tier", "allowed", err))
	k := p.describe(ctx, names)
	var signs []sign
	if p.order.Servers != nil {
		signs = p.reach(ctx, k.running)
	}
	p.measure(ctx, k, readable(signs, p.who))
	p.rehearse(ctx, k)
	p.note(together(p.target, signs)...)
	p.count(ctx, k)
	p.optIns(ctx, k.running)
}

// rehearse reads one cluster whole: to read all of a fleet would take a day's
// worth of calls to show the same.
func (p *patient) rehearse(ctx context.Context, k known) {
	if p.order.Rehearsal == nil {
		return
	}
	r := rehearsed{target: p.target, who: p.who, listed: p.listed, cluster: likeliest(p.target, k)}
	var pods fleet.Part[[]fleet.Pod]
	r.snapshot, pods, r.answers = p.order.Rehearsal.Cluster(ctx, p.target, r.cluster)
	p.note(judgeRehearsal(r)...)
	if read := r.snapshot; read.Nodes.Tried() && read.Cluster.Value.Server.Public {
		p.note(judgeObjects(p.target, p.who, read, pods)...)
	}
	if p.order.Quotas != nil && r.snapshot.Nodegroups.Known() {
		allowed, err := p.order.Quotas.Nodegroups(ctx, p.target)
		p.note(judgeQuota(p.target, p.who, "the managed nodegroups of cluster "+r.cluster, len(r.snapshot.Nodegroups.Value), allowed, err))
	}
}

// count holds the clusters against their quota.
func (p *patient) count(ctx context.Context, k known) {
	const what = "the clusters that EKS runs in the region"
	switch {
	case p.order.Quotas == nil:
	case !p.listed || len(k.undescribed) > 0:
		p.note(Examination{Subject: quota, Where: p.target.String(), Optional: true, Tried: "counted " + what, Seen: "not all clusters are known", Remedy: "mend that first"})
	default:
		allowed, err := p.order.Quotas.Clusters(ctx, p.target)
		p.note(judgeQuota(p.target, p.who, what, k.run, allowed, err))
	}
}

// enter takes on the target's role.
func (p *patient) enter(ctx context.Context) bool {
	account, arn, err := p.source.IdentityIn(ctx, p.target)
	p.who = caller{account: account, arn: arn, role: p.target.Role}
	e := judgeRole(p.target, p.who, err)
	p.note(e)
	return e.Outcome == fleet.Pass
}

// list finds the clusters. open is false where the region refuses everything.
func (p *patient) list(ctx context.Context) (names []string, open bool) {
	names, err := p.source.Clusters(ctx, p.target)
	region := judgeRegion(p.target, err)
	p.note(region)
	if region.Outcome == fleet.Fail {
		return nil, false
	}
	p.listed = err == nil
	p.note(judgeAction(p.target, p.who, "eks:ListClusters", "listed the clusters", fleet.Count(len(names), "cluster"), err))
	return names, true
}

// nobody is a name to ask about where no cluster is known: whether an action is
// allowed shows all the same.
const nobody = "eks-steward-doctor"

func orNobody(names []string) []string {
	if len(names) == 0 {
		return []string{nobody}
	}
	return names
}

// known is what descriptions tell apart: clusters whose control plane is run by
// EKS, and those that could not be described. The others have no metric.
type known struct {
	run         int // whatever their status
	running     []fleet.Cluster
	undescribed []string // names
}

func (k known) names() []string {
	names := slices.Clone(k.undescribed)
	for _, c := range k.running {
		names = append(names, c.ID.Name)
	}
	slices.Sort(names)
	return names
}

func (p *patient) describe(ctx context.Context, names []string) known {
	var (
		k     known
		worst error
	)
	for _, name := range orNobody(names) {
		c, err := p.source.Cluster(ctx, p.target, name)
		switch {
		case errors.Is(err, fleet.Gone): // allowed: IAM is asked before EKS looks
		case err != nil:
			k.undescribed = append(k.undescribed, name)
			if worst == nil || errors.Is(err, fleet.Denied) {
				worst = err
			}
		case c.Kind == fleet.KindEKS:
			k.run++
			if running(c) {
				k.running = append(k.running, c)
			}
		}
	}
	if len(names) == 0 {
		k.undescribed = nil
	}
	e := judgeAction(p.target, p.who, "eks:DescribeCluster", "described each cluster", "allowed for "+fleet.Count(len(names), "cluster"), worst)
	e.Clusters = k.undescribed
	p.note(e)
	return k
}

// running leaves out what cannot have datapoints. A status that AWS added since
// is none of these.
func running(c fleet.Cluster) bool {
	return !slices.Contains([]string{"CREATING", "PENDING", "DELETING", "FAILED"}, c.Status)
}

// window is how far back a datapoint counts.
const window = time.Hour

// measure looks for datapoints. readable are the clusters that tell their size
// without any.
func (p *patient) measure(ctx context.Context, k known, readable []string) {
	names := k.names()
	sizes, err := p.source.Sizes(ctx, p.target, fleet.StorageSize, orNobody(names), p.now.Add(-window), p.now)
	p.note(judgeAction(p.target, p.who, "cloudwatch:GetMetricData", "asked for the size of etcd", "allowed for "+fleet.Count(len(names), "cluster"), err))
	if err != nil || !p.listed {
		return // what to mend first is noted
	}
	var m measured
	for _, name := range names {
		_, some := sizes[name].Last()
		switch {
		case some:
			m.with = append(m.with, name)
		case sizes[name].Trouble != "" || slices.Contains(k.undescribed, name):
			m.unsaid = append(m.unsaid, name)
		case slices.Contains(readable, name):
			m.asked = append(m.asked, name)
		default:
			m.without = append(m.without, name)
		}
	}
	p.note(judgeMetric(p.target, m)...)
}

// atOnce bounds the API servers that are asked at the same time: one that is out
// of reach takes ten seconds to show.
const atOnce = 8

// reach examines each API server, but for those with an address in their VPC
// alone: the functions do not ask them either.
func (p *patient) reach(ctx context.Context, clusters []fleet.Cluster) []sign {
	var public []fleet.Cluster
	var inside []sign
	for _, c := range clusters {
		if c.Server.Public {
			public = append(public, c)
		} else {
			inside = append(inside, withinVPC(c.ID.Name))
		}
	}
	let, answered := make([]sign, len(public)), make([]sign, len(public))
	fanout.Each(len(public), atOnce, func(i int) {
		c := public[i]
		let[i] = p.entry(ctx, c.ID.Name)
		_, _, err := p.order.Servers.Storage(ctx, p.target, c, p.now)
		answered[i] = judgeServer(p.who, c.ID.Name, err)
	})
	return slices.Concat(let, answered, inside)
}

// entry looks for the access entry of the functions' role.
func (p *patient) entry(ctx context.Context, cluster string) sign {
	principals, err := p.order.Servers.AccessEntries(ctx, p.target, cluster)
	found := err == nil && slices.Contains(principals, p.who.reader())
	var groups []string
	if found {
		groups, err = p.order.Servers.AccessGroups(ctx, p.target, cluster, p.who.reader())
	}
	return judgeEntry(p.target, p.who, cluster, found, groups, err)
}
