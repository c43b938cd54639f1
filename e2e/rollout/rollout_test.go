//go:build unix

// Package rollout_test renews the nodes of a fleet with the deployed binaries: from
// a new AMI release to the end of the last wave. EKS is simulated behind the
// policies of the deployed roles, and each of its clusters is a real control plane,
// in which nodes are really cordoned, drained and replaced. It holds what only the
// whole path can show; how each part decides is held by its own tests.
package rollout_test

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/e2e/deployed"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/sim"
)

// What the run-time file says: everything is told, and nothing rests.
const (
	enforce = `
notify: {minSeverity: info}
waves: {bake: 0s}
nodegroupRollout: {mode: enforce, bake: 0s, calendar: ` + freezes + `, alarms: [` + alarm + `]}
`
	report = `
notify: {minSeverity: info}
nodegroupRollout: {mode: report}
`
	tag = "eks-steward/nodegroup-rollout"
)

// One deployment and three control planes cost most of the time, so all that
// follows shares them, and comes in this order.
func TestARolloutOfRealClusters(t *testing.T) {
	workers := sim.Nodegroup{Name: "workers", Release: outdated, Nodes: 2, Tags: map[string]string{tag: "allowed"}}
	closed := sim.Nodegroup{Name: "closed", Release: outdated, Nodes: 1}
	dev := start(t, sim.Cluster{Name: "dev", Tags: map[string]string{"environment": "dev"}, Nodegroups: []sim.Nodegroup{workers, closed}})
	stage := start(t, sim.Cluster{Name: "stage", Tags: map[string]string{"environment": "stage"}, Nodegroups: []sim.Nodegroup{workers}})
	prod := start(t, sim.Cluster{Name: "prod", Tags: map[string]string{"environment": "prod", tag: "approve"}, Nodegroups: []sim.Nodegroup{workers}})
	p := deploy(t, dev, stage, prod)
	p.steward = deployed.Steward(t)
	p.Configure(t, enforce)
	for _, c := range p.fleet {
		c.settled(t, 1)
	}
	for _, story := range []struct {
		name string
		tell func(*testing.T)
	}{
		{"while no image is newer there is nothing to do", p.fresh},
		{"a new AMI release makes a plan, and the kill switch holds it", p.released},
		{"the first wave gets new nodes", p.first},
		{"a budget that lets no pod go keeps a group from being begun", p.kept},
		{"FAULT 15 a budget that bites later halts the rollout", p.halted},
		{"it goes on when the budget is relaxed and a person says so", p.resumed},
		{"FAULT 20 a function that dies between call and record makes no second call", p.approved},
		{"in the end all is told, and nothing is left to be done", p.completed},
		{"in the mode report nothing is renewed", p.reported},
		{"roles may do what it took", p.permitted},
		{"the role that writes may not touch a nodegroup without the tag", p.bounded},
	} {
		if !t.Run(story.name, story.tell) {
			t.FailNow()
		}
	}
}

func (p *product) fresh(t *testing.T) {
	p.Tick(t, deployed.Daily) // what other checks have to say
	p.Hasten(t, 1)
	deployed.None(t, p.Tick(t, deployed.FiveMinutes))
	deployed.None(t, p.Tick(t, deployed.Daily))
	p.called(t)
}

// publishes has AWS offer an image, long enough ago to be trusted.
func (p *product) publishes(t *testing.T, release string) {
	t.Helper()
	if err := p.world.Publish(deployed.Account, deployed.Region, sim.Image{Version: version, Release: release, Published: -4 * 24 * time.Hour}); err != nil {
		t.Fatal(err)
	}
}

func (p *product) released(t *testing.T) {
	p.turn(t, "on")
	p.publishes(t, current)
	deployed.All(t, slices.Sorted(slices.Values(p.Tick(t, deployed.Daily))),
		[]string{"WARNING", "2 nodegroups of dev need new nodes", "without the tag " + tag + "=allowed*\\nclosed"},
		[]string{"WARNING", "nodegroup workers of prod needs new nodes", outdated, current},
		[]string{"WARNING", "nodegroup workers of stage needs new nodes"},
	)
	p.planned(t, "3 nodegroups in 3 clusters with 6 nodes", "closed  It does not have the tag "+tag)

	p.Hasten(t, 3) // what two days and the findings ask for make one plan
	deployed.One(t, p.Tick(t, deployed.FiveMinutes), "INFO", "nodes are renewed", "0 of 3 nodegroups done")
	deployed.None(t, p.Tick(t, deployed.FiveMinutes))
	p.called(t)
	p.status = p.watched(t)

	p.turn(t, "off")
	deployed.None(t, p.Tick(t, deployed.FiveMinutes))
	p.called(t, "dev/workers")
}

func (p *product) first(t *testing.T) {
	dev := p.fleet["dev"]
	closed := dev.nodes(t, "closed")
	deployed.None(t, p.Tick(t, deployed.FiveMinutes)) // EKS is at it
	p.renewed(t, "dev", dev.nodes(t, "workers"))
	if now := dev.nodes(t, "closed"); !slices.Equal(now, closed) {
		t.Errorf("the nodes of the group without the tag are %v, and were %v", now, closed)
	}
	p.called(t, "dev/workers")
}

// renewed lets EKS get on with an update, and expects that the old nodes are gone,
// and their pods because they were asked to go.
func (p *product) renewed(t *testing.T, name string, old []node) {
	t.Helper()
	c := p.fleet[name]
	moved, drain := c.pods(t), c.drains(t)
	if u := p.goesOn(t, name, "workers"); u.Status != types.UpdateStatusSuccessful {
		t.Fatalf("the update of %s ended as %+v", name, u)
	}
	c.settled(t, 1)
	fresh := c.nodes(t, "workers")
	if len(fresh) != 2 {
		t.Errorf("%s has the nodes %v, want 2", name, fresh)
	}
	for _, n := range fresh {
		if slices.ContainsFunc(old, func(o node) bool { return o.name == n.name }) || n.cordoned || n.kubelet != kubelet {
			t.Errorf("%s has the node %+v, want a new one with kubelet %s; the old ones were %+v", name, n, kubelet, old)
		}
	}
	for pod, on := range c.pods(t) {
		if _, was := moved[pod]; was || !slices.ContainsFunc(fresh, func(n node) bool { return n.name == on }) {
			t.Errorf("%s has the pod %s on %s, want a new one on a new node", name, pod, on)
		}
	}
	evicted, deleted := drain.went(t, len(moved))
	if want := slices.Sorted(maps.Keys(moved)); !slices.Equal(evicted, want) || len(deleted) > 0 {
		t.Errorf("of the pods of %s were evicted %q and otherwise deleted %q, want %q evicted", name, evicted, deleted, want)
	}
}

func (p *product) kept(t *testing.T) {
	p.fleet["stage"].allow(t, 0)
	for range 3 { // the gate, the end of the wave, the begin of the next
		deployed.None(t, p.Tick(t, deployed.FiveMinutes))
	}
	waits := "The PodDisruptionBudget default/checkout allows no disruption (2 pods are ready and 2 have to be): the pod default/checkout-"
	p.says(t, []string{"rollout", "status"}, "1 of 3 nodegroups done", waits)

	p.hurry(t, 25) // about a day
	deployed.One(t, p.Tick(t, deployed.FiveMinutes), "WARNING", "waits in 1 cluster", waits)
	p.called(t, "dev/workers")
}

func (p *product) halted(t *testing.T) {
	stage := p.fleet["stage"]
	stage.allow(t, 1)
	p.hurry(t, 0)
	deployed.One(t, p.Tick(t, deployed.FiveMinutes), "INFO", "nodes are renewed", "stage/workers, since ")
	p.called(t, "dev/workers", "stage/workers")

	stage.allow(t, 0)
	pods, drain := stage.pods(t), stage.drains(t)
	patience := stage.EvictionTimeout
	stage.EvictionTimeout = 3 * time.Second // nothing is to change however long EKS tries
	if u := p.goesOn(t, "stage", "workers"); u.Status != types.UpdateStatusFailed || u.Errors[0].ErrorCode != types.ErrorCodePodEvictionFailure {
		t.Fatalf("the update ended as %+v", u)
	}
	stage.EvictionTimeout = patience
	if evicted, deleted := drain.went(t, 0); len(evicted)+len(deleted) > 0 || !maps.Equal(stage.pods(t), pods) {
		t.Errorf("pods went past their budget: %q were evicted and %q deleted", evicted, deleted)
	}
	if n := stage.nodes(t, "workers"); len(n) != 3 || len(cordoned(n)) != 2 {
		t.Errorf("stage has the nodes %+v, want two old ones that are cordoned and a new one", n)
	}
	says := []string{"CRITICAL", "has halted, 1 of 3 nodegroups done, 1 failed", "PodEvictionFailure", "kubectl -n default get pdb checkout", "steward rollout resume"}
	for pod, on := range pods {
		says = append(says, "pod default/"+pod+" on the node "+on+" by the PodDisruptionBudget default/checkout")
	}
	deployed.One(t, p.Tick(t, deployed.FiveMinutes), says...)

	p.hurry(t, 0)
	deployed.None(t, p.Tick(t, deployed.FiveMinutes))
	deployed.None(t, p.Tick(t, deployed.FiveMinutes))
	p.called(t, "dev/workers", "stage/workers")
	p.status.shows(t, "is halted", "stage/workers was held up: pod default/checkout-")
}

func cordoned(all []node) []node {
	return slices.DeleteFunc(slices.Clone(all), func(n node) bool { return !n.cordoned })
}

func (p *product) resumed(t *testing.T) {
	stage := p.fleet["stage"]
	stage.allow(t, 1)
	deployed.None(t, p.Tick(t, deployed.FiveMinutes)) // nobody has said so
	p.called(t, "dev/workers", "stage/workers")

	p.says(t, []string{"rollout", "resume", "--why", "the budget lets one pod go"}, "groups that failed are tried again")
	deployed.One(t, p.News(t), "INFO", "nodes are renewed")
	p.called(t, "dev/workers", "stage/workers", "stage/workers")
	p.renewed(t, "stage", cordoned(stage.nodes(t, "workers")))
}

// approved has the function die in the moment when EKS has begun the last update.
func (p *product) approved(t *testing.T) {
	deployed.None(t, p.Tick(t, deployed.FiveMinutes)) // the gate
	asked := p.Tick(t, deployed.FiveMinutes)
	deployed.One(t, asked, "WARNING", "waits for approval", "2 of 3 nodegroups done")
	plan := regexp.MustCompile(`steward approve ([0-9a-f]{12})\b`).FindStringSubmatch(asked[0])
	if plan == nil {
		t.Fatalf("the message does not say how to approve: %s", asked[0])
	}
	deployed.None(t, p.Tick(t, deployed.FiveMinutes)) // nobody has approved
	p.called(t, "dev/workers", "stage/workers", "stage/workers")

	p.says(t, []string{"approve", plan[1]}, "was sent")
	alive, kill := context.WithCancel(t.Context())
	p.calls.cutOff(kill)
	if err := p.Runner.Drain(alive); !errors.Is(err, context.Canceled) {
		t.Fatalf("the function was not cut off: %v", err)
	}
	p.called(t, "dev/workers", "stage/workers", "stage/workers", "prod/workers")
	deployed.None(t, p.Tick(t, deployed.FiveMinutes)) // it may be alive, as far as anybody knows
	p.outlive(t, "prod")
	found := p.Tick(t, deployed.FiveMinutes)
	deployed.One(t, found, "INFO", "nodes are renewed", "prod/workers, since ")
	if strings.Contains(found[0], "somebody else") {
		t.Errorf("the product does not know its own update: %s", found[0])
	}
	p.renewed(t, "prod", p.fleet["prod"].nodes(t, "workers"))
	p.called(t, "dev/workers", "stage/workers", "stage/workers", "prod/workers")
}

func (p *product) completed(t *testing.T) {
	deployed.None(t, p.Tick(t, deployed.FiveMinutes)) // the gate
	deployed.One(t, p.Tick(t, deployed.FiveMinutes), "RESOLVED", "is completed: 3 of 3 nodegroups done in 3 clusters", "had 6 nodes")
	p.status.ends(t)

	p.Hasten(t, 3) // the clusters are checked again, each once
	deployed.All(t, slices.Sorted(slices.Values(p.Tick(t, deployed.FiveMinutes))),
		[]string{"RESOLVED", "nodegroups of prod need no new nodes"}, []string{"RESOLVED", "nodegroups of stage need no new nodes"},
	)
	deployed.None(t, p.Tick(t, deployed.FiveMinutes))
	p.called(t, "dev/workers", "stage/workers", "stage/workers", "prod/workers")
}

func (p *product) reported(t *testing.T) {
	p.Configure(t, report)
	p.publishes(t, newest)
	deployed.All(t, slices.Sorted(slices.Values(p.Tick(t, deployed.Daily))),
		[]string{"nodegroup workers of prod needs new nodes", current, newest}, []string{"nodegroup workers of stage needs new nodes"},
	)
	p.Hasten(t, 2)
	deployed.None(t, p.Tick(t, deployed.FiveMinutes))
	if _, err := p.Ledger(0).ActiveRollout(t.Context()); !errors.Is(err, ledger.ErrAbsent) {
		t.Errorf("there is a rollout: %v", err)
	}
	p.called(t, "dev/workers", "stage/workers", "stage/workers", "prod/workers")
}

// permitted holds that no role was refused anything, and that what only a rollout
// asks for was asked.
func (p *product) permitted(t *testing.T) {
	decisions, err := p.Decisions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{}
	for _, d := range decisions {
		asked[d.Role+" "+d.Action] = true
		if !d.Allowed {
			t.Errorf("%s may not %s on %s", d.Role, d.Action, d.Resource)
		}
	}
	for _, only := range []string{
		config.ReaderRole + " ec2:DescribeInstanceTypes", config.ReaderRole + " cloudwatch:DescribeAlarms", config.ReaderRole + " ssm:GetCalendarState",
		config.ReaderRole + " servicequotas:GetServiceQuota", config.RolloutWriterRole + " eks:UpdateNodegroupVersion",
	} {
		if !asked[only] {
			t.Errorf("nobody asked for %s", only)
		}
	}
}

// bounded asks EKS in the name of the role that writes.
func (p *product) bounded(t *testing.T) {
	writer, err := p.As(t.Context(), "arn:aws:iam::"+deployed.Account+":role/"+config.RolloutWriterRole)
	if err != nil {
		t.Fatal(err)
	}
	writer.BaseEndpoint = &p.guarded
	_, err = eks.NewFromConfig(writer).UpdateNodegroupVersion(t.Context(), &eks.UpdateNodegroupVersionInput{ClusterName: aws.String("dev"), NodegroupName: aws.String("closed")})
	if err == nil || !strings.Contains(err.Error(), "not authorized to perform: eks:UpdateNodegroupVersion") {
		t.Errorf("the update of a group without the tag is answered with %v", err)
	}
}
