// Package notifytest holds one message of every kind, for the tests of those who
// render or show them. It decides nothing.
package notifytest

import (
	"fmt"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/notify"
)

// Start is when the samples begin: a quarter past three at night in Berlin.
var Start = time.Date(2026, 11, 20, 2, 15, 0, 0, time.UTC)

// Berlin is the zone of the samples, with no need of a time zone database.
var Berlin = time.FixedZone("CET", 3600)

// Full is the finding about an etcd that fills up.
func Full(cluster string, s fleet.Severity) fleet.Finding {
	return fleet.Finding{
		Check: "etcd-size", Cluster: fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: cluster},
		Outcome: fleet.Fail, Severity: s, Cause: "filling", At: Start,
		Title:    "etcd of " + cluster + " is 87 % full",
		Reason:   "87 % is at or above the critical threshold of 85 %.",
		Meaning:  "When etcd is full it refuses every write: the cluster turns read-only, and no pod can be created, moved, scaled or even cleaned up until space is freed.",
		Observed: "6.96 GB of 8 GB (87 %)", Expected: "below 70 %, and not predicted to be full within 4 h",
		Remedy: "1. See what fills it: kubectl get --raw /metrics | grep apiserver_storage_objects | sort -k2 -g | tail. " +
			"2. Delete what nobody needs (old Helm release Secrets, finished Jobs, stale custom resources) and stop what writes it. " +
			"3. If the data are needed, move to a larger control-plane tier: its limit is higher.",
		Facts: []fleet.Fact{
			{Label: "Growth", Value: "+120 MB/h"}, {Label: "Time to full", Value: "9 h (7 h to 14 h)"}, {Label: "Limit", Value: "8 GB (standard tier)"},
		},
	}
}

// Passing is what the same check says once there is room again.
func Passing(cluster string) fleet.Finding {
	f := Full(cluster, fleet.Info)
	f.Outcome, f.Cause, f.Meaning, f.Remedy, f.Facts = fleet.Pass, "", "", "", nil
	f.Title, f.Reason = "etcd of "+cluster+" is 40 % full", "40 % is below every threshold."
	f.Observed = "3.2 GB of 8 GB (40 %)"
	return f
}

// Life is an incident that saw these findings, an hour apart from Start on.
func Life(findings ...fleet.Finding) incident.Incident {
	var known *incident.Incident
	for i, f := range findings {
		f.At = Start.Add(time.Duration(i) * time.Hour)
		next, _ := incident.Next(known, f, f.At)
		known = &next
	}
	return *known
}

// Sample is one message with a name for its golden file.
type Sample struct {
	Name    string
	Message notify.Message
}

// Samples are messages of every kind, usual and hostile.
func Samples() []Sample {
	const payments = "prod-payments"
	critical, warning, passing := Full(payments, fleet.Critical), Full(payments, fleet.Warning), Passing(payments)
	critical.Owner = "payments"
	type life = []fleet.Finding
	unavailable := say(nil, critical)
	unavailable.Note = "Slack did not answer, so this comes to you here."
	return []Sample{
		{"opened", say(nil, critical)},
		{"opened-after-slack-failed", unavailable},
		{"changed", say(life{warning}, warning, critical)},
		{"resolved", say(life{critical}, critical, passing)},
		{"unknown", say(nil, unknown())},
		{"approval", say(nil, Waiting(payments))},
		{"digest", many(3, 4, 2)},
		{"digest-of-500", many(20, 470, 10)},
		{"emergency", notify.Emergency([]fleet.Finding{
			critical, Full("prod-search", fleet.Critical), Full("dev", fleet.Warning),
		}, Start, "DynamoDB answered ProvisionedThroughputExceededException")},
		{"hostile", say(nil, Hostile())},
	}
}

func unknown() fleet.Finding {
	f := Full("staging", fleet.Warning)
	f.Outcome, f.Cause, f.Facts = fleet.Unknown, "no-datapoint", nil
	f.Title, f.Meaning = "etcd size of staging is unknown", "Nobody would notice this etcd filling up."
	f.Reason, f.Observed, f.Expected = "The newest datapoint is 45 min old.", "5.1 GB at 2026-11-20T01:30:00Z, nothing since", "a datapoint not older than 20 min"
	f.Remedy = "Look whether the cluster is healthy in the EKS console and whether the metric is there in CloudWatch."
	return f
}

// Waiting is a finding with a plan that somebody may approve.
func Waiting(cluster string) fleet.Finding {
	return fleet.Finding{
		Check: "secrets-encryption", Cluster: fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: cluster},
		Outcome: fleet.Fail, Severity: fleet.Warning, Cause: "approval-wanted", At: Start,
		Title:    "a plan to encrypt the secrets of " + cluster + " with a customer key waits for approval",
		Reason:   "The policy wants a customer key and the mode is approve.",
		Meaning:  "Until then the secrets stay under a key that AWS owns.",
		Observed: "AWS-owned key", Expected: "a customer key",
		Remedy: "Approve the plan if the key is the right one.",
		Approval: &fleet.Approval{
			Plan: strings.Repeat("0123456789abcdef", 4), Nonce: "QWERTYUIOPASDFGHJKLZXCVBNM",
			Text:    "Puts the key arn:aws:kms:eu-west-1:111122223333:key/1111aaaa-22bb-33cc-44dd-555555eeeeee on " + cluster + " for good: EKS can neither take it back nor change the key.",
			Expires: Start.Add(7 * 24 * time.Hour),
		},
	}
}

// Hostile is a finding whose texts try to ping, to format and to flood.
func Hostile() fleet.Finding {
	f := Full("prod", fleet.Critical)
	f.Title = "<!channel> & <@U123> `rm -rf` *bold*\nnew line \x1b[31mred\x1b[0m \u202eright to left"
	f.Reason = strings.Repeat("ü&<", 13000)
	f.Observed = strings.Repeat("語", 40000)
	f.Remedy = "\xff\xfe broken UTF-8 <https://example.com|click me>"
	f.Facts = nil
	for i := range 14 {
		f.Facts = append(f.Facts, fleet.Fact{Label: fmt.Sprintf("<!here> %d", i), Value: "1 < 2 && 3 > 2"})
	}
	return f
}

// rules are those of the samples.
var rules = notify.Rules{
	DigestAbove: 5, Location: Berlin, RemindCritical: 24 * time.Hour, RemindWarning: 7 * 24 * time.Hour,
	Mention: func(string) string { return "S0123ABCD" },
	Links:   notify.Links{Runbooks: "https://example.com/runbooks", Dashboard: "https://example.com/dashboard"},
}

// route is where the samples are told.
var route = notify.Route{ID: notify.Slack, MinSeverity: fleet.Warning}

// say is the message about an incident of which the reader has heard these
// findings, an hour after the last one.
func say(heard []fleet.Finding, findings ...fleet.Finding) notify.Message {
	inc := Life(findings...)
	if len(heard) > 0 {
		inc.Told = map[string]incident.Told{notify.Slack: Heard(Life(heard...))}
	}
	out, _ := notify.Plan([]incident.Incident{inc}, route, rules, inc.Finding.At.Add(time.Hour))
	return out[0].Message
}

// Heard is what a place remembers that was told of the incident as it is.
func Heard(inc incident.Incident) incident.Told {
	return incident.Told{Revision: inc.Revision, State: inc.State, Fingerprint: inc.Fingerprint(), Severity: inc.Finding.Severity, At: inc.Changed}
}

// Rolling is the finding about a rollout of new nodes that goes on, or has halted.
func Rolling(done, total int, halted bool) fleet.Finding {
	f := fleet.Finding{
		Check: "nodegroup-rollout", Cluster: fleet.ClusterID{Account: "111122223333", Region: "eu-west-1"}, Resource: "r-20261120-0215",
		Outcome: fleet.Fail, Severity: fleet.Info, Cause: "running", At: Start,
		Title:    fmt.Sprintf("nodes are renewed: rollout r-20261120-0215, %d of %d nodegroups done", done, total),
		Reason:   "The rollout is in the wave canary (1 of 2).",
		Meaning:  "Nothing is wrong: this closes by itself when the rollout is completed, and it says so when it halts.",
		Observed: fmt.Sprintf("%d of %d nodegroups done", done, total), Expected: "all done",
		Remedy:   "Nothing to do but wait. To see it: steward rollout status --watch. To stop before the next group: steward rollout pause.",
		Progress: &fleet.Progress{Done: done, Total: total},
	}
	if halted {
		f.Severity, f.Cause = fleet.Critical, "halted"
		f.Title = fmt.Sprintf("rollout r-20261120-0215 has halted, %d of %d nodegroups done", done, total)
		f.Reason = "It halted in the wave canary (1 of 2): the nodegroup general of the cluster prod-payments failed."
		f.Meaning = "Nothing else begins: neither in this wave nor in later ones. What is under way in EKS goes on to its end."
		f.Remedy = "1. See what EKS says of the nodegroup: steward rollout status. 2. When it is mended: steward rollout resume. 3. To end it: steward rollout abort."
	}
	return f
}

// many is the digest of so many incidents.
func many(critical, warning, resolved int) notify.Message {
	out, _ := notify.Plan(lot(critical, warning, resolved), route, rules, Start)
	return out[0].Message
}

// lot are so many incidents; what is resolved was told as open.
func lot(critical, warning, resolved int) []incident.Incident {
	var incs []incident.Incident
	for i := range critical + warning + resolved {
		name := fmt.Sprintf("cluster-%03d", i)
		switch {
		case i < critical:
			incs = append(incs, Life(Full(name, fleet.Critical)))
		case i < critical+warning:
			incs = append(incs, Life(Full(name, fleet.Warning)))
		default:
			inc := Life(Full(name, fleet.Critical), Passing(name))
			inc.Told = map[string]incident.Told{notify.Slack: {Revision: 1, State: incident.Open}}
			incs = append(incs, inc)
		}
	}
	return incs
}
