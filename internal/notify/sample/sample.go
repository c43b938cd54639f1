// Package sample makes messages that try a place out: one of each kind, about a
// cluster that there is not, and each says first that it is a test. It is for
// whoever sets up a place; nothing of it is ever an incident of the ledger.
package sample

import (
	"fmt"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/notify"
)

// Check is the check of all samples, by which subscriptions can leave them out.
const Check = "notify-test"

// Cluster is the name of their cluster.
const Cluster = "steward-test"

// Kinds are all kinds, in the order in which an incident goes through them. The
// first four are about one incident, of which Resolved is the end.
func Kinds() []notify.Kind {
	return []notify.Kind{
		notify.Opened, notify.Changed, notify.Reminder, notify.Resolved,
		notify.Digest, notify.Daily, notify.LedgerOut,
	}
}

// Message is the sample of a kind, made as every message is. Times are printed in
// zone; nobody is mentioned.
func Message(kind notify.Kind, zone *time.Location, links notify.Links, now time.Time) notify.Message {
	rules := notify.Rules{DigestAbove: 2, Location: zone, Links: links, RemindCritical: remind}
	m := plan(kind, rules, now)
	m.Test = true
	return m
}

// The incident was opened some time ago, and a reminder is due.
const (
	age    = 40 * time.Minute
	remind = 20 * time.Minute
)

// route hears of every sample and edits nothing: a message says all of it.
var route = notify.Route{ID: notify.Slack, MinSeverity: fleet.Warning}

func plan(kind notify.Kind, rules notify.Rules, now time.Time) notify.Message {
	opened, worse, over := filling(Cluster, fleet.Warning), filling(Cluster, fleet.Critical), empty(Cluster)
	one := func(inc incident.Incident, heard ...fleet.Finding) []incident.Incident {
		if len(heard) > 0 {
			inc.Told = map[string]incident.Told{route.ID: told(life(now, heard...))}
		}
		return []incident.Incident{inc}
	}
	var incs []incident.Incident
	switch kind {
	case notify.Daily:
		return notify.PlanDaily(several(now), route, rules, now)
	case notify.LedgerOut:
		return notify.Emergency([]fleet.Finding{worse}, now, "none: this is a test")
	case notify.Digest:
		incs = several(now)
	case notify.Changed:
		incs = one(life(now, opened, worse), opened)
	case notify.Reminder:
		incs = one(life(now, opened, worse), opened, worse)
	case notify.Resolved:
		incs = one(life(now, opened, worse, over), opened, worse)
	default:
		incs = one(life(now, opened))
	}
	out, _ := notify.Plan(incs, route, rules, now)
	return out[0].Message
}

// life is an incident that saw these findings, a few minutes apart.
func life(now time.Time, findings ...fleet.Finding) incident.Incident {
	var known *incident.Incident
	for i, f := range findings {
		f.At = now.Add(time.Duration(i)*time.Minute - age)
		next, _ := incident.Next(known, f, f.At)
		known = &next
	}
	return *known
}

// told is what the reader remembers who heard of an incident as it is.
func told(inc incident.Incident) incident.Told {
	return incident.Told{
		Revision: inc.Revision, State: inc.State, Fingerprint: inc.Fingerprint(), Severity: inc.Finding.Severity, At: inc.Changed,
	}
}

// several are more than go into a message each.
func several(now time.Time) []incident.Incident {
	var incs []incident.Incident
	for i := range 3 {
		severity := fleet.Warning
		if i == 0 {
			severity = fleet.Critical
		}
		incs = append(incs, life(now, filling(fmt.Sprintf("%s-%d", Cluster, i+1), severity)))
	}
	return incs
}

// filling is about an etcd that fills up.
func filling(cluster string, s fleet.Severity) fleet.Finding {
	full := "6.96 GB of 8 GB (87 %)"
	if s < fleet.Critical {
		full = "5.84 GB of 8 GB (73 %)"
	}
	return fleet.Finding{
		Check: Check, Cluster: fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: cluster},
		Outcome: fleet.Fail, Severity: s, Cause: "test",
		Title:    "test: etcd of " + cluster + " fills up",
		Reason:   "Somebody ran steward notify test.",
		Meaning:  "Nothing is wrong and there is no such cluster. A true message says here what happens if nobody acts.",
		Observed: full, Expected: "below 70 %",
		Remedy: "1. See that this message reads well and came to the right place. 2. Nothing else is to be done.",
		Facts:  []fleet.Fact{{Label: "Growth", Value: "+120 MB/h"}, {Label: "Limit", Value: "8 GB (standard tier)"}},
	}
}

// empty is what the same check says once there is room again.
func empty(cluster string) fleet.Finding {
	f := filling(cluster, fleet.Info)
	f.Outcome, f.Cause, f.Meaning, f.Remedy, f.Facts = fleet.Pass, "", "", "", nil
	f.Title, f.Reason, f.Observed = "test: etcd of "+cluster+" has room again", "The test is over.", "2.3 GB of 8 GB (28 %)"
	return f
}
