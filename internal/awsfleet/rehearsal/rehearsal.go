// Package rehearsal reads one cluster as clustercheck reads it, with what only a
// rollout asks, and notes what AWS answered to each call on the way. It decides
// nothing: whether an answer means that an action is missing is for others to say.
// It writes nothing.
package rehearsal

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/middleware"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/nodegroup"
	"github.com/eks-steward/eks-steward/internal/awsfleet/quotas"
	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/awsfleet/snapshot"
	"github.com/eks-steward/eks-steward/internal/fanout"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// A Stage is where rehearsals take place.
type Stage struct {
	hub     aws.Config
	now     func() time.Time
	options []snapshot.Option
}

// New returns a Stage that starts from the credentials, region and endpoints of
// hub. now dates the parts of snapshots; the options are those of their source.
func New(hub aws.Config, now func() time.Time, options ...snapshot.Option) *Stage {
	return &Stage{hub: hub, now: now, options: options}
}

// nobody is a cluster without leftovers, an alarm and a calendar that do not exist:
// that they may be looked for shows all the same.
const nobody = "eks-steward-rehearsal"

// Cluster reads one cluster whole, with its pods. With it come the answers to each
// call, by IAM action: nil, or a *fleet.Trouble. An action without answers was not
// called.
func (s *Stage) Cluster(ctx context.Context, t fleet.Target, name string) (fleet.Snapshot, fleet.Part[[]fleet.Pod], map[string][]error) {
	heard := &listener{answers: map[string][]error{}}
	cfg := s.hub.Copy()
	cfg.APIOptions = append(slices.Clone(cfg.APIOptions), heard.listen)
	f := awsfleet.New(cfg)
	survey := snapshot.New(f, s.now, s.options...).Survey(t)
	read := survey.Snapshot(ctx, name, fleet.Wanted{Insights: true})
	// What the others meet is heard.
	_, _ = survey.Leftovers(ctx, nobody)
	rollouts := nodegroup.NewReader(f, s.now)
	rollouts.Alarms(ctx, t, []string{nobody})
	rollouts.Calendar(ctx, t, nobody)
	_, _ = quotas.New(f).VCPUs(ctx, t)
	for _, g := range read.Nodegroups.Value {
		if len(g.InstanceTypes) > 0 {
			survey.VCPUs(ctx, g.InstanceTypes)
			break
		}
	}
	var pods fleet.Part[[]fleet.Pod]
	if read.Nodes.Tried() { // else no API server is asked
		_, pods, _ = survey.Workloads(ctx, read.Cluster.Value)
	}
	return read, pods, heard.answers
}

// atOnce bounds the clusters that are asked about at the same time.
const atOnce = 4

// Nodegroups are the managed nodegroups of clusters, in the order of the names.
func (s *Stage) Nodegroups(ctx context.Context, t fleet.Target, clusters []string) []fleet.Part[[]fleet.Nodegroup] {
	survey := snapshot.New(awsfleet.New(s.hub), s.now, s.options...).Survey(t)
	all := make([]fleet.Part[[]fleet.Nodegroup], len(clusters))
	fanout.Each(len(clusters), atOnce, func(i int) { all[i] = survey.Nodegroups(ctx, clusters[i]) })
	return all
}

// A listener hears the calls of several goroutines.
type listener struct {
	mu      sync.Mutex
	answers map[string][]error // by IAM action
}

// listen puts the listener before the retries, so that it hears how a call ends,
// and behind what names the call.
func (l *listener) listen(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("Rehearsal", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleInitialize(ctx, in)
		l.note(action(middleware.GetServiceID(ctx), middleware.GetOperationName(ctx)), err)
		return out, metadata, err
	}), middleware.After)
}

func (l *listener) note(action string, err error) {
	if err != nil {
		err = refusal.Of(action, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers[action] = append(l.answers[action], err)
}

// action is the IAM action of an operation. IAM calls the services by other names
// than the SDK (Service Authorization Reference).
func action(service, operation string) string {
	prefix := strings.ReplaceAll(strings.ToLower(service), " ", "")
	if service == "Resource Groups Tagging API" {
		prefix = "tag"
	}
	return prefix + ":" + operation
}
