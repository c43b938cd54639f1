package events_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/rollout"
	"github.com/eks-steward/eks-steward/internal/secretsencryption"
)

var (
	rolloutIDs = rapid.StringMatching(`[0-9]{8}-[0-9]{4}-[0-9a-f]{12}`)
	groups     = rapid.StringMatching(`[0-9A-Za-z][0-9A-Za-z_-]{0,62}`)
	printables = rapid.StringMatching(`[ -~äß日]{1,80}`)
	vias       = rapid.SampledFrom([]string{events.ViaSlack, events.ViaCommandLine})
)

// clusterRefs name a cluster in either way, groupRefs a group of one.
var (
	clusterRefs = rapid.Custom(func(t *rapid.T) string {
		name := clusterNames.Draw(t, "cluster")
		if rapid.Bool().Draw(t, "in full") {
			return accounts.Draw(t, "account") + "/" + regions.Draw(t, "region") + "/" + name
		}
		return name
	})
	groupRefs = rapid.Custom(func(t *rapid.T) string {
		return clusterRefs.Draw(t, "of") + "/" + groups.Draw(t, "group")
	})
)

var plans = rapid.Custom(func(t *rapid.T) events.Event {
	return &events.PlanRollout{Header: heads.Draw(t, "head")}
})

var commands = rapid.Custom(func(t *rapid.T) events.Event {
	e := &events.RolloutCommand{
		Header: heads.Draw(t, "head"), By: printables.Draw(t, "by"), Via: vias.Draw(t, "via"),
		Verb: rapid.SampledFrom([]string{events.VerbStart, events.VerbPause, events.VerbResume, events.VerbAbort, events.VerbRetry}).Draw(t, "verb"),
	}
	if rapid.Bool().Draw(t, "says why") {
		e.Why = printables.Draw(t, "why")
	}
	if e.Verb != events.VerbStart && rapid.Bool().Draw(t, "names the rollout") {
		e.Rollout = rolloutIDs.Draw(t, "rollout")
	}
	some := func(of *rapid.Generator[string], label string) []string {
		if n := rapid.IntRange(0, 3).Draw(t, label); n > 0 {
			return rapid.SliceOfN(of, n, n).Draw(t, label)
		}
		return nil
	}
	switch e.Verb {
	case events.VerbStart:
		e.Clusters, e.Forced = some(clusterRefs, "clusters"), some(groupRefs, "forced")
	case events.VerbResume:
		e.Skip = some(groupRefs, "skip")
	case events.VerbRetry:
		e.Group = groupRefs.Draw(t, "group")
	}
	return e
})

var rolloutMoves = rapid.Custom(func(t *rapid.T) events.Event {
	h := heads.Draw(t, "head")
	e := &events.RolloutMoved{
		Header: h, SchemaVersion: events.SchemaVersion, Rollout: rolloutIDs.Draw(t, "rollout"), Wave: texts.Draw(t, "wave"), Why: texts.Draw(t, "why"),
		State: rapid.SampledFrom([]string{"running", "paused", "halted", "completed", "aborted"}).Draw(t, "state"),
		Total: rapid.IntRange(0, 5000).Draw(t, "total"),
	}
	e.Done = rapid.IntRange(0, e.Total).Draw(t, "done")
	if !rapid.Bool().Draw(t, "of a group") {
		e.Transition = rapid.SampledFrom([]string{"started", "halted", "paused", "resumed", "completed", "aborted"}).Draw(t, "transition")
		return e
	}
	e.Transition = rapid.SampledFrom([]string{"group-begun", "group-completed", "group-failed"}).Draw(t, "transition")
	e.Cluster = fleet.ClusterID{Account: h.Account, Region: h.Region, Name: clusterNames.Draw(t, "cluster")}
	e.Group = groups.Draw(t, "group")
	return e
})

func TestAnIncompleteOrHostileCommandIsRefused(t *testing.T) {
	command := func(verb string, edit func(*events.RolloutCommand)) *events.RolloutCommand {
		e := &events.RolloutCommand{Header: head("c"), Verb: verb, By: "alice", Via: events.ViaCommandLine}
		edit(e)
		return e
	}
	for _, tt := range []struct {
		name  string
		event *events.RolloutCommand
		want  string
	}{
		{"no verb", command("", func(*events.RolloutCommand) {}), `detail.verb is "": want start, pause, resume, abort or retry`},
		{"a verb in capitals", command("Start", func(*events.RolloutCommand) {}), `detail.verb is "Start"`},
		{"a start of a rollout that exists", command("start", func(e *events.RolloutCommand) { e.Rollout = "20261121-1930-4f0c2ab19d3e" }), `detail.rollout is "20261121-1930-4f0c2ab19d3e": a rollout that is to start has no id yet`},
		{"an id that is a path", command("pause", func(e *events.RolloutCommand) { e.Rollout = "../active" }), `detail.rollout is "../active": want the id`},
		{"a cluster with half of an address", command("start", func(e *events.RolloutCommand) { e.Clusters = []string{"prod", "eu-west-1/prod"} }), `detail.clusters[1] is "eu-west-1/prod"`},
		{"a cluster of an account that is none", command("start", func(e *events.RolloutCommand) { e.Clusters = []string{"1/eu-west-1/prod"} }), `detail.clusters[0] is "1/eu-west-1/prod"`},
		{"every cluster by a star", command("start", func(e *events.RolloutCommand) { e.Clusters = []string{"*"} }), `detail.clusters[0] is "*"`},
		{"every group of the fleet by a star", command("start", func(e *events.RolloutCommand) { e.Forced = []string{"*"} }), `detail.forced[0] is "*": want cluster/group, or cluster/* for all of it`},
		{"a group by a pattern", command("start", func(e *events.RolloutCommand) { e.Forced = []string{"prod/b*"} }), `detail.forced[0] is "prod/b*"`},
		{"a group to skip by a star", command("resume", func(e *events.RolloutCommand) { e.Skip = []string{"prod/*"} }), `detail.skip[0] is "prod/*"`},
		{"a group of 64 characters", command("retry", func(e *events.RolloutCommand) { e.Group = "prod/" + strings.Repeat("a", 64) }), `detail.group is "prod/aaaa`},
		{"a retry of nothing", command("retry", func(*events.RolloutCommand) {}), `detail.group is missing`},
		{"a retry of several", command("retry", func(e *events.RolloutCommand) { e.Group, e.Skip = "prod/a", []string{"prod/b"} }), `detail.skip goes with resume, not with retry`},
		{"an abort of one cluster", command("abort", func(e *events.RolloutCommand) { e.Clusters = []string{"prod"} }), `detail.clusters goes with start, not with abort`},
		{"a pause by force", command("pause", func(e *events.RolloutCommand) { e.Forced = []string{"prod/a"} }), `detail.forced goes with start, not with pause`},
		{"a resume of one group", command("resume", func(e *events.RolloutCommand) { e.Group = "prod/a" }), `detail.group goes with retry, not with resume`},
		{"more names than a person types", command("start", func(e *events.RolloutCommand) { e.Clusters = make([]string, 501) }), `detail.clusters has 501 names: want at most 500`},
		{"a reason with a line of its own", command("pause", func(e *events.RolloutCommand) { e.Why = "a\nb" }), `detail.why is "a\nb": want at most 1000 printable bytes`},
		{"a reason as long as a book", command("pause", func(e *events.RolloutCommand) { e.Why = strings.Repeat("x", 1001) }), `detail.why is "xxx`},
		{"nobody", command("pause", func(e *events.RolloutCommand) { e.By = "" }), `detail.by is ""`},
		{"a rumour", command("pause", func(e *events.RolloutCommand) { e.Via = "rumour" }), `detail.via is "rumour": want slack or command line`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			raw, err := events.Message(tt.event)
			if raw != nil || err == nil || !strings.HasPrefix(err.Error(), `encode "Rollout Command": `+tt.want) {
				t.Errorf("got %v, want %s...", err, tt.want)
			}
		})
	}
}

func TestAMoveOfARolloutThatCannotBeIsRefused(t *testing.T) {
	move := func(edit func(*events.RolloutMoved)) *events.RolloutMoved {
		e := &events.RolloutMoved{
			Header: head("m"), Rollout: "20261121-1930-4f0c2ab19d3e", Transition: "group-begun", State: "running",
			Cluster: fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: "prod"}, Group: "batch", Done: 1, Total: 2,
		}
		edit(e)
		return e
	}
	if _, err := move(func(*events.RolloutMoved) {}).Entry(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		event *events.RolloutMoved
		want  string
	}{
		{"of no rollout", move(func(e *events.RolloutMoved) { e.Rollout = "" }), `encode "Rollout Group Begun": detail.rollout is ""`},
		{"to nowhere", move(func(e *events.RolloutMoved) { e.Transition = "group-lost" }), `encode "": detail-type is ""`},
		{"into a state that does not exist", move(func(e *events.RolloutMoved) { e.State = "stuck" }), `encode "Rollout Group Begun": detail.state is "stuck": want one of running, paused, halted, completed, aborted`},
		{"beyond the last group", move(func(e *events.RolloutMoved) { e.Done = 3 }), `encode "Rollout Group Begun": detail.done is 3 of 2 groups`},
		{"before the first group", move(func(e *events.RolloutMoved) { e.Done = -1 }), `encode "Rollout Group Begun": detail.done is -1 of 2 groups`},
		{"of a group without a name", move(func(e *events.RolloutMoved) { e.Group = "" }), `encode "Rollout Group Begun": detail.group is ""`},
		{"of a group of no account", move(func(e *events.RolloutMoved) { e.Cluster.Account = "" }), `encode "Rollout Group Begun": detail.cluster.account is ""`},
		{"of a group in no region", move(func(e *events.RolloutMoved) { e.Cluster.Region = "moon" }), `encode "Rollout Group Begun": detail.cluster.region is "moon"`},
		{"of a group of no cluster", move(func(e *events.RolloutMoved) { e.Cluster.Name = "../x" }), `encode "Rollout Group Begun": detail.cluster.cluster is "../x"`},
		{"of the rollout, with a group", move(func(e *events.RolloutMoved) { e.Transition = "halted" }), `encode "Rollout Halted": detail.group is "batch" of "111122223333/eu-west-1/prod": want none`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tt.event.Entry(); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %s...", err, tt.want)
			}
		})
	}
}

// The patterns repeat ids of other packages, which this one must not import.
func TestTheIDsOfThePatternsAreThoseOfTheirPackages(t *testing.T) {
	if got := events.RolloutApprovals.Detail.Capability; len(got) != 1 || got[0] != rollout.Check {
		t.Errorf("the approvals are those of %q, want %q", got, rollout.Check)
	}
	for _, capability := range []string{rollout.Check, secretsencryption.Check} {
		_, err := events.Message(&events.PlanApproved{
			Header: head("p"), Plan: strings.Repeat("0a", 32), Capability: capability, By: "alice", Via: events.ViaSlack,
			Cluster: fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: "prod"},
		})
		if err != nil {
			t.Error(err)
		}
	}
	known := map[string]bool{}
	for _, c := range checks.List {
		known[c.ID] = true
	}
	for _, pattern := range []events.Pattern{events.EncryptionFindings, events.NodegroupRolloutFindings} {
		for _, id := range pattern.Detail.Finding.Check {
			if !known[id] {
				t.Errorf("there is no check %s", id)
			}
		}
	}
}
