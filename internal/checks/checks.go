// Package checks judges one cluster by everything that was read of it: one file
// for each check, each a pure function over a fleet.Snapshot. It decides what is
// wrong, how soon somebody must act and what to do; it never reads anything
// itself, and what could not be read it calls Unknown.
package checks

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
)

// A Check is one practice that a cluster is held to.
type Check struct {
	ID  string // such as version-support
	Doc string // what it looks at, in one sentence
	// Insights says that the check needs those of EKS: without them it is not run.
	Insights bool
	// Elsewhere are resources of the check that another function judges too: that
	// nothing is found of one here does not end its trouble.
	Elsewhere []string
	// Judge returns at least one finding. One without a resource is about the
	// whole cluster; one that is about a part of it, such as a nodegroup, names it
	// as its resource. It leaves Check, Cluster and Owner to Evaluate, and At too
	// unless it is about an earlier moment.
	Judge func(s fleet.Snapshot, r Rules, now time.Time) []fleet.Finding
}

// List is every check there is, in the order in which a report shows them.
// Adding one is a file, a line here and a test event.
var List = []Check{
	versionSupport,
	versionSkew,
	health,
	upgradeReadiness,
	addons,
	encryptionState,
	keyGuard,
	clusterUpdate,
	ebsEncryption,
	nodeFreshness,
}

// Rules are what a configuration says about one cluster.
type Rules struct {
	VersionSupport    VersionSupport
	SecretsEncryption SecretsEncryption
	NodeFreshness     nodefreshness.Rules
	OwnerTag          string // of the cluster; its value goes into every finding
}

// VersionSupport are the rules of the check version-support.
type VersionSupport struct {
	// Reminders are the days before the end of a support at which to say it
	// again, the most first. Before the first nothing is said.
	Reminders []int
	// What EKS charges for one cluster, in USD per hour.
	StandardUSDPerHour float64
	ExtendedUSDPerHour float64
}

// SecretsEncryption are the rules of the check encryption-state.
type SecretsEncryption struct {
	Require Requirement
	// Keys are those that will do where Require is AnyOfKeys: an ARN, alias/name,
	// or tag:key=value.
	Keys []string
}

// Requirement says which key must encrypt a cluster's secrets.
type Requirement = string

// The requirements.
const (
	AnyKey      Requirement = "any"          // one that AWS owns will do
	CustomerKey Requirement = "customer-key" // any key of a customer
	AnyOfKeys   Requirement = "keys"         // one of those listed
)

// Evaluate runs every check, but for those that need what was not asked for. A
// cluster that EKS does not run in the region, and one that is gone, have nothing
// to be held to.
func Evaluate(s fleet.Snapshot, r Rules, now time.Time) []fleet.Finding {
	var all []fleet.Finding
	for _, c := range List {
		found := exempt(s)
		if found == nil && c.Insights && s.Cluster.Known() && !s.Insights.Tried() {
			continue
		}
		if found == nil {
			found = c.Judge(s, r, now)
		}
		for _, f := range found {
			f.Check, f.Cluster, f.Owner = c.ID, s.ID, s.Cluster.Value.Tags[r.OwnerTag]
			if f.At.IsZero() {
				f.At = now
			}
			all = append(all, f)
		}
	}
	return all
}

// exempt is the finding of a cluster that no check applies to, or nil.
func exempt(s fleet.Snapshot) []fleet.Finding {
	c := s.Cluster
	if c.Trouble != nil && errors.Is(c.Trouble, fleet.Gone) {
		return []fleet.Finding{{
			Outcome: fleet.NotApplicable, Cause: "deleted",
			Title:  "cluster " + s.ID.Name + " was deleted",
			Reason: "The cluster no longer exists.",
		}}
	}
	if !c.Known() || c.Value.Kind == fleet.KindEKS {
		return nil
	}
	return []fleet.Finding{{
		Outcome: fleet.NotApplicable,
		Title:   s.ID.Name + " is not run by EKS in the region",
		Reason:  "It is a " + string(c.Value.Kind) + " cluster: EKS knows it and does not run it, so nothing is checked or changed.",
	}}
}

// Settle returns what closes the open findings that an evaluation no longer
// produced: a nodegroup that is gone has no trouble. A check of which there is no
// finding was not run, and closes none. Where one could not read all, absence says
// nothing: an Unknown finding keeps open what is below its resource, and all of its
// check when it names none.
func Settle(found, open []fleet.Finding, now time.Time) []fleet.Finding {
	run := map[string]bool{}
	for _, f := range found {
		run[f.Check] = true
	}
	elsewhere := func(f fleet.Finding) bool {
		return slices.ContainsFunc(List, func(c Check) bool { return c.ID == f.Check && slices.Contains(c.Elsewhere, f.Resource) })
	}
	var closed []fleet.Finding
	for _, f := range open {
		if !run[f.Check] || elsewhere(f) || slices.ContainsFunc(found, func(g fleet.Finding) bool { return speaksOf(g, f) }) {
			continue
		}
		f.Outcome, f.Severity, f.Cause, f.At = fleet.Pass, fleet.Info, "", now
		f.Title = cmp.Or(f.Resource, f.Check) + " of " + f.Cluster.Name + " is no longer a trouble"
		f.Reason = "It is gone, or what was wrong with it is."
		f.Meaning, f.Observed, f.Remedy, f.Facts = "", "", "", nil
		closed = append(closed, f)
	}
	return closed
}

// speaksOf reports whether a finding renews an open one, or says that nobody
// could look.
func speaksOf(found, open fleet.Finding) bool {
	if found.Check != open.Check {
		return false
	}
	blind := found.Outcome == fleet.Unknown && (found.Resource == "" || strings.HasPrefix(open.Resource, found.Resource+"/"))
	return blind || found.Resource == open.Resource
}
