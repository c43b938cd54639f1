package config_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/clustercheck"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/etcdsize"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/rollout"
	"github.com/eks-steward/eks-steward/internal/secretsencryption"
	"github.com/eks-steward/eks-steward/internal/settings"
)

// A route or a mute may name every check there is, and nothing else.
func TestTheChecksAreThoseThatThereAre(t *testing.T) {
	all := []string{
		etcdsize.Check, etcdsize.AccessCheck, clustercheck.DeletionCheck, clustercheck.AccessCheck,
		secretsencryption.Check, rollout.Check, settings.Check,
		"slack-delivery", // of a function, which nothing imports
	}
	for _, c := range checks.List {
		all = append(all, c.ID)
	}
	if got := slices.Sorted(slices.Values(config.Checks)); !slices.Equal(got, slices.Sorted(slices.Values(all))) {
		t.Errorf("the file knows %q, there are %q", got, all)
	}
}

const notifications = `schemaVersion: 1
targets: [{account: "111122223333", regions: [eu-west-1]}]
notify:
  routes:
    - {channel: C0123456781}
    - {channel: C0123456782, minSeverity: info, match: {names: ["prod-*"]}, checks: [etcd-size]}
  minSeverity: critical
  timeZone: America/New_York
  owners: [{tag: payments, mention: S0123ABCD}]
mutes:
  - {match: {names: ["lab-*"]}, until: 2026-12-18, reason: the lab}
  - {checks: [add-ons], resources: ["addon/core*"], until: 2026-12-18T16:00:00+01:00, reason: one add-on}
  - {checks: [add-ons], match: {names: ["lab-*"]}, until: 2026-12-20, reason: the lab's add-ons}
  - {checks: [health], resources: ["*"], until: 2026-12-18, reason: parts}
  - {checks: [deletion], until: 2020-01-01, reason: long over}
`

// stages yields a file as it was written and as it comes back from the ledger.
func stages(t *testing.T, f *config.File) map[string]*config.File {
	t.Helper()
	data, err := config.Encode(f)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := config.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*config.File{"as written": f, "as stored": stored}
}

func TestAMuteHoldsForWhatItNamesUntilItEnds(t *testing.T) {
	early := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	at := func(text string) time.Time {
		when, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for name, c := range map[string]struct {
		cluster, check, resource string
		now                      time.Time
		want                     string // the reason, empty for not muted
	}{
		"a cluster that it matches":                              {"lab-a", "etcd-size", "", early, "the lab"},
		"a cluster that it does not match":                       {"prod-a", "etcd-size", "", early, ""},
		"a whole target has no name to match":                    {"", "target-access", "", early, ""},
		"a resource by its pattern":                              {"prod-a", "add-ons", "addon/coredns", early, "one add-on"},
		"another resource of the check":                          {"prod-a", "add-ons", "addon/kube-proxy", early, ""},
		"a finding about the whole cluster is no resource":       {"prod-a", "add-ons", "", early, ""},
		"a part by a pattern of any":                             {"prod-a", "health", "nodegroup", early, "parts"},
		"the cluster by a pattern of any part":                   {"prod-a", "health", "", early, ""},
		"another check of the resource":                          {"prod-a", "health", "addon/coredns", early, ""},
		"of several the one that ends last":                      {"lab-a", "add-ons", "addon/coredns", early, "the lab's add-ons"},
		"a day counts to its end in the zone of messages":        {"lab-a", "etcd-size", "", at("2026-12-18T23:59:59-05:00"), "the lab"},
		"with the next day it is over":                           {"lab-a", "etcd-size", "", at("2026-12-19T00:00:00-05:00"), ""},
		"a time is exact":                                        {"prod-a", "add-ons", "addon/coredns", at("2026-12-18T14:59:59Z"), "one add-on"},
		"at that time it is over":                                {"prod-a", "add-ons", "addon/coredns", at("2026-12-18T15:00:00Z"), ""},
		"a mute that was over when the file was read is no mute": {"prod-a", "deletion", "", early, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for stage, f := range stages(t, parse(t, notifications)) {
				m, muted := f.Muted(fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: c.cluster}, c.check, c.resource, c.now)
				if m.Reason != c.want || muted != (c.want != "") {
					t.Errorf("%s: got %t %q, want %q", stage, muted, m.Reason, c.want)
				}
			}
		})
	}
}

// An end that depends on a database of zones must not make a mute hold for ever,
// or not at all.
func TestADayEndsInUTCWhereNoZoneIsKnown(t *testing.T) {
	f := parse(t, notifications)
	f.Notify.TimeZone = "Europe/Atlantis"
	lab := fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: "lab-a"}
	end := time.Date(2026, 12, 19, 0, 0, 0, 0, time.UTC)
	if _, muted := f.Muted(lab, "etcd-size", "", end.Add(-time.Second)); !muted {
		t.Error("the mute is over before its day is")
	}
	if _, muted := f.Muted(lab, "etcd-size", "", end); muted {
		t.Error("the mute holds on the day after")
	}
}

func TestARouteTakesWhatItLeavesOutFromItsSection(t *testing.T) {
	for stage, f := range stages(t, parse(t, notifications)) {
		var got []string
		for _, r := range f.Notify.Routes {
			prod := r.Match.Matches(fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: "prod-a"})
			lab := r.Match.Matches(fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: "lab-a"})
			got = append(got, fmt.Sprintf("%s %s %v %t %t", r.Channel, r.MinSeverity, r.Checks, prod, lab))
		}
		want := []string{"C0123456781 critical [] true true", "C0123456782 info [etcd-size] true false"}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", stage, got, want)
		}
	}
}

func TestOnlyAnOwnerThatTheFileNamesIsMentioned(t *testing.T) {
	n := parse(t, notifications).Notify
	for owner, want := range map[string]string{"payments": "S0123ABCD", "Payments": "", "search": "", "": ""} {
		if got := n.Mention(owner); got != want {
			t.Errorf("for %q %q is mentioned, want %q", owner, got, want)
		}
	}
}

func TestOfItselfNothingIsMutedAndWhatStaysOpenIsToldAgain(t *testing.T) {
	f := config.Default()
	if _, muted := f.Muted(fleet.ClusterID{Name: "a"}, "etcd-size", "", time.Time{}); muted {
		t.Error("a finding is muted by default")
	}
	if n := f.Notify; n.RemindCritical != 24*time.Hour || n.RemindWarning != 7*24*time.Hour || n.QuietFrom != "" || n.DigestAt != "" || n.OwnerTag != "owner" {
		t.Errorf("the defaults are %+v", n)
	}
}
