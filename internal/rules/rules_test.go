package rules_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/config/yamlfile"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
	"github.com/eks-steward/eks-steward/internal/rollout"
	"github.com/eks-steward/eks-steward/internal/rules"
	"github.com/eks-steward/eks-steward/internal/window"
)

const sample = `schemaVersion: 1
targets: [{account: "111122223333", regions: [eu-west-1]}]
secretsEncryption: {require: customer-key}
nodegroupRollout:
  mode: enforce
  whenUnknown: proceed
  windows: [{cron: "0 2 * * 6", duration: 4h, timeZone: Europe/Berlin}]
  freezes: [{from: "2026-12-18", to: "2027-01-03", timeZone: UTC, reason: holidays}]
  calendar: changes
  alarms: [errors]
  minReleaseAge: 48h
  maxNodeAge: 720h
  template: latest
  bake: 20m
  nodeTime: 7m
  forceAfter: 2
  forceGroups: ["lab-*/*"]
notify: {ownerTag: team}
waves: {tag: stage, order: [lab, prod], others: never, maxClusters: 4, maxGroups: 2, bake: 3h, longest: 96h}
overrides:
  - match: {names: ["quiet-*"]}
    versionSupport: {reminders: [7]}
    nodegroupRollout: {mode: approve, calendar: none, windows: [], minReleaseAge: 1h}
`

func parse(t *testing.T) *config.File {
	t.Helper()
	f, err := yamlfile.Parse("steward.yaml", []byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func cluster(name string, tags map[string]string) fleet.Cluster {
	return fleet.Cluster{ID: fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: name}, Tags: tags}
}

func TestEveryValueOfTheFileReachesThePolicy(t *testing.T) {
	got := rules.Rollout(parse(t), cluster("a", nil), config.Enforce)
	want := rollout.Policy{
		Mode:      rollout.Enforce,
		Freshness: nodefreshness.Rules{MinReleaseAge: 48 * time.Hour, MaxNodeAge: 720 * time.Hour, Template: nodefreshness.FollowLatest},
		Schedule: window.Schedule{
			Windows: []window.Window{{Cron: "0 2 * * 6", Duration: 4 * time.Hour, Zone: "Europe/Berlin"}},
			Freezes: []window.Freeze{{From: "2026-12-18", To: "2027-01-03", Zone: "UTC", Reason: "holidays"}},
		},
		Calendar: "changes", Alarms: []string{"errors"}, Proceed: true, Bake: 20 * time.Minute, NodeTime: 7 * time.Minute,
		ForceAfter: 2, ForceGroups: []string{"lab-*/*"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for i := range reflect.TypeOf(want).NumField() {
		if reflect.ValueOf(want).Field(i).IsZero() {
			t.Errorf("the sample leaves %s empty: whether it arrives is not seen", reflect.TypeOf(want).Field(i).Name)
		}
	}
}

func TestAnOverrideHoldsForItsClusters(t *testing.T) {
	f := parse(t)
	p := rules.Rollout(f, cluster("quiet-a", nil), config.Enforce)
	if p.Mode != rollout.Approve || p.Calendar != "" || len(p.Schedule.Windows) != 0 || len(p.Schedule.Freezes) != 1 || p.Freshness.MinReleaseAge != time.Hour {
		t.Errorf("got %+v", p)
	}
}

// What is judged and what is rolled must go by the same.
func TestTheCheckGoesByTheRulesOfTheRollout(t *testing.T) {
	f := parse(t)
	for _, name := range []string{"a", "quiet-a"} {
		c := cluster(name, nil)
		if check, policy := rules.Checks(f, c.ID).NodeFreshness, rules.Rollout(f, c, config.Report).Freshness; check != policy {
			t.Errorf("%s: the check goes by %+v, the rollout by %+v", name, check, policy)
		}
	}
}

func TestTheRulesOfTheOtherChecksAreThoseOfTheCluster(t *testing.T) {
	f := parse(t)
	got := rules.Checks(f, cluster("quiet-a", nil).ID)
	got.NodeFreshness = nodefreshness.Rules{}
	want := checks.Rules{
		VersionSupport:    checks.VersionSupport{Reminders: []int{7}, StandardUSDPerHour: 0.1, ExtendedUSDPerHour: 0.6},
		SecretsEncryption: checks.SecretsEncryption{Require: checks.CustomerKey},
		OwnerTag:          "team",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestTheLowestModeHolds(t *testing.T) {
	f := parse(t)
	for name, c := range map[string]struct {
		cluster, maxMode, tag string // "-" is no tag
		want                  rollout.Mode
	}{
		"the file alone":                               {"a", config.Enforce, "-", rollout.Enforce},
		"an override lowers it":                        {"quiet-a", config.Enforce, "-", rollout.Approve},
		"the deployment lowers it":                     {"a", config.Approve, "-", rollout.Approve},
		"a deployment that says nothing allows report": {"a", "", "-", rollout.Report},
		"the tag lowers it":                            {"a", config.Enforce, config.Report, rollout.Report},
		"the tag lowers it by one":                     {"a", config.Enforce, config.Approve, rollout.Approve},
		"the tag does not raise it":                    {"quiet-a", config.Enforce, config.Enforce, rollout.Approve},
		"the tag does not raise what is deployed":      {"a", config.Report, config.Enforce, rollout.Report},
		"a tag that is no mode counts as report":       {"a", config.Enforce, "allowed", rollout.Report},
		"an empty tag counts as report":                {"a", config.Enforce, "", rollout.Report},
	} {
		t.Run(name, func(t *testing.T) {
			var tags map[string]string
			if c.tag != "-" {
				tags = map[string]string{rules.RolloutTag: c.tag}
			}
			if got := rules.Rollout(f, cluster(c.cluster, tags), c.maxMode).Mode; got != c.want {
				t.Errorf("the mode is %s, want %s", got, c.want)
			}
		})
	}
}

func TestAFileThatSaysNothingOnlyReportsAndBlocks(t *testing.T) {
	p := rules.Rollout(config.Default(), cluster("a", nil), config.Enforce)
	if p.Mode != rollout.Report || p.Proceed || p.Calendar != "" || p.ForceAfter != 0 {
		t.Errorf("got %+v", p)
	}
}

func TestTheWavesAreThoseOfTheFile(t *testing.T) {
	want := rollout.Waves{
		Tag: "stage", Order: []string{"lab", "prod"}, Others: rollout.OthersNever, MaxClusters: 4, MaxGroups: 2,
		Bake: 3 * time.Hour, Longest: 96 * time.Hour,
	}
	if got := rules.Waves(parse(t)); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
