// Package snapshot reads one cluster whole: what EKS, EC2, KMS and the cluster's
// own API server say of it, each part with when it was read and why it could not
// be. What the clusters of a target share is read once for all of them. It judges
// nothing and writes nothing, and one part that is refused leaves the others as
// they are.
//
// The IAM actions that it calls, beside those of package awsfleet:
//
//	eks:DescribeClusterVersions eks:DescribeAddonVersions
//	eks:ListNodegroups eks:DescribeNodegroup
//	eks:ListAddons eks:DescribeAddon
//	eks:ListInsights eks:DescribeInsight
//	eks:ListUpdates eks:DescribeUpdate
//	ec2:DescribeSubnets ec2:DescribeLaunchTemplateVersions ec2:DescribeLaunchTemplates
//	ec2:GetEbsEncryptionByDefault ec2:GetEbsDefaultKmsKeyId
//	kms:DescribeKey kms:GetKeyRotationStatus kms:ListAliases kms:ListResourceTags
//	kms:ListGrants kms:GetKeyPolicy
//	ssm:GetParameter (of AWS's own parameters)
//	tag:GetResources
package snapshot

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// pageSize is the most that EKS lists at once (EKS API reference).
const pageSize = 100

// Source is where surveys come from.
type Source struct {
	fleet    *awsfleet.Fleet
	now      func() time.Time
	noServer bool
}

// Option adjusts a Source.
type Option func(*Source)

// WithoutServers leaves the clusters' own API servers alone: what they would say
// stays untried.
func WithoutServers(s *Source) { s.noServer = true }

// New returns a Source that reads with a Fleet's credentials and pace. now dates
// the parts.
func New(f *awsfleet.Fleet, now func() time.Time, options ...Option) *Source {
	s := &Source{fleet: f, now: now}
	for _, option := range options {
		option(s)
	}
	return s
}

// Survey reads the clusters of one target, for several goroutines at a time. What
// they share is read by the first that needs it, and not again when that failed:
// a survey is meant to live as long as one run.
type Survey struct {
	target   fleet.Target
	fleet    *awsfleet.Fleet
	now      func() time.Time
	noServer bool

	eks  *eks.Client
	ec2  *ec2.Client
	kms  *kms.Client
	ssm  *ssm.Client
	tags *resourcegroupstaggingapi.Client

	calendar shared[[]fleet.VersionSupport] // under one key: there is but one
	releases shared[[]fleet.AddonRelease]   // by minor version
	keys     shared[fleet.Key]              // by ARN

	encrypted  shared[bool]                 // under one key
	volumeKey  shared[string]               // under one key
	templates  shared[fleet.LaunchTemplate] // by id and version
	volumeKeys shared[fleet.VolumeKey]      // by name

	images shared[fleet.AMIRelease] // by type of AMI and minor version
	vcpus  shared[int]              // by types of instances
}

// Survey begins to survey a target.
func (s *Source) Survey(t fleet.Target) *Survey {
	cfg := s.fleet.Config(t)
	return &Survey{
		target: t, fleet: s.fleet, now: s.now, noServer: s.noServer,
		eks:  s.fleet.EKS(t),
		ec2:  ec2.NewFromConfig(cfg),
		kms:  kms.NewFromConfig(cfg),
		ssm:  ssm.NewFromConfig(cfg),
		tags: resourcegroupstaggingapi.NewFromConfig(cfg),
	}
}

// Clusters lists the names of the target's clusters. What was listed before a
// *fleet.Trouble is returned with it.
func (s *Survey) Clusters(ctx context.Context) ([]string, error) {
	return s.fleet.Clusters(ctx, s.target)
}

// Cluster describes one cluster.
func (s *Survey) Cluster(ctx context.Context, name string) fleet.Part[fleet.Cluster] {
	return ask(s, func() (fleet.Cluster, error) { return s.fleet.Cluster(ctx, s.target, name) })
}

// Snapshot reads one cluster. What could not be read says so in its part.
func (s *Survey) Snapshot(ctx context.Context, cluster string, want fleet.Wanted) fleet.Snapshot {
	snap := fleet.Snapshot{ID: s.target.Cluster(cluster)}
	snap.Cluster = s.Cluster(ctx, cluster)
	if !asksOn(snap.Cluster) {
		return snap
	}
	var all sync.WaitGroup // of parts that fill different fields
	all.Go(func() {
		snap.Nodegroups = s.Nodegroups(ctx, cluster)
		s.volumes(ctx, &snap)
		snap.Images = s.Images(ctx, snap.Cluster.Value.Version, snap.Nodegroups.Value)
		snap.TemplateHeads = s.TemplateHeads(ctx, snap.Nodegroups.Value)
	})
	all.Go(func() { snap.Addons = ask(s, func() ([]fleet.Addon, error) { return s.addons(ctx, cluster) }) })
	if want.Insights {
		all.Go(func() { snap.Insights = ask(s, func() ([]fleet.Insight, error) { return s.insights(ctx, cluster) }) })
	}
	all.Go(func() {
		snap.Update = s.update(ctx, snap.Cluster.Value, cluster, want.Update)
		snap.Versions = s.versions(ctx)
		snap.Releases, snap.NextReleases = s.offers(ctx, snap.Cluster.Value.Version, snap.Versions)
	})
	all.Go(func() {
		snap.Subnets = s.Subnets(ctx, snap.Cluster.Value.Subnets)
		snap.Key = s.key(ctx, snap.Cluster.Value.KeyARN)
	})
	if snap.Cluster.Known() && !s.noServer {
		all.Go(func() { s.visitServer(ctx, &snap) })
	}
	all.Wait()
	return snap
}

// asksOn reports whether more is asked of a cluster: one that EKS does not run
// has no more to say, and one that is gone neither. Where only the description is
// denied, the role may well read the rest; after another trouble the rest would
// only meet it again.
func asksOn(c fleet.Part[fleet.Cluster]) bool {
	if !c.Known() {
		return errors.Is(c.Trouble, fleet.Denied)
	}
	return c.Value.Kind == fleet.KindEKS
}

// ask reads a part.
func ask[T any](s *Survey, read func() (T, error)) fleet.Part[T] {
	value, err := read()
	return fleet.Read(value, err, s.now())
}
