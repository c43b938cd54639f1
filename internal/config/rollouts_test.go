package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/config/yamlfile"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
	"github.com/eks-steward/eks-steward/internal/rollout"
)

func TestTheWordsOfRolloutsAreThoseOfTheirPackages(t *testing.T) {
	for path, want := range map[string][]string{
		"nodegroupRollout.mode":     {string(rollout.Report), string(rollout.Approve), string(rollout.Enforce)},
		"nodegroupRollout.template": {nodefreshness.FollowDefault, nodefreshness.FollowLatest, nodefreshness.Ignore},
		"waves.others":              {rollout.OthersLast, rollout.OthersNever},
	} {
		if key, _ := config.KeyOf(path); !slices.Equal(key.OneOf, want) {
			t.Errorf("%s takes %q, its package %q", path, key.OneOf, want)
		}
	}
}

const windows = `schemaVersion: 1
targets: [{account: "111122223333", regions: [eu-west-1]}]
nodegroupRollout:
  mode: approve
  windows:
    - {cron: "0 2 * * 6", duration: 4h, timeZone: Europe/Berlin}
    - {cron: "0 3 * * 0", duration: 2h, timeZone: America/New_York}
  calendar: changes
  alarms: [errors]
  forceAfter: 2
  forceGroups: ["lab-*/*"]
overrides:
  - match: {names: ["always-*"]}
    nodegroupRollout: {windows: [], alarms: [], calendar: none}
  - match: {names: ["other-*"]}
    nodegroupRollout: {mode: report, windows: [{cron: "30 4 * * *", duration: 1h, timeZone: UTC}]}
  - match: {names: ["gentle-*"]}
    nodegroupRollout: {forceAfter: 0}
  - match: {names: ["often-*"]}
    nodegroupRollout: {forceAfter: 3}
`

func TestAnOverrideReplacesOrEmptiesTheListsOfRollouts(t *testing.T) {
	f := parse(t, windows)
	const theFiles = "0 2 * * 6 4h Europe/Berlin, 0 3 * * 0 2h America/New_York"
	for range 2 { // the second time as it comes back from the ledger
		for name, want := range map[string]string{
			"a":        "approve; " + theFiles + "; changes; [errors]; 2 [lab-*/*]",
			"always-a": "approve; ; none; []; 2 [lab-*/*]",
			"other-a":  "report; 30 4 * * * 1h UTC; changes; [errors]; 2 [lab-*/*]",
			"gentle-a": "approve; " + theFiles + "; changes; [errors]; 0 []",
			"often-a":  "approve; " + theFiles + "; changes; [errors]; 3 [lab-*/*]",
		} {
			r := f.NodegroupRolloutFor(fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: name})
			var times []string
			for _, w := range r.Windows {
				times = append(times, fmt.Sprintf("%s %s %s", w.Cron, config.Brief(w.Duration), w.Zone))
			}
			got := fmt.Sprintf("%s; %s; %s; %v; %d %v", r.Mode, strings.Join(times, ", "), r.Calendar, r.Alarms, r.ForceAfter, r.ForceGroups)
			if got != want {
				t.Errorf("%s: got %s, want %s", name, got, want)
			}
		}
		stored, err := config.Encode(f)
		if err != nil {
			t.Fatal(err)
		}
		if f, err = config.Decode(stored); err != nil {
			t.Fatal(err)
		}
	}
}

// FAULT 36: a window in a zone that does not exist would never open, or open at
// another time.
func TestFault_36_AWindowThatCannotBeReadIsRefusedWithItsLine(t *testing.T) {
	for name, c := range map[string]struct{ was, is, want string }{
		"a zone that is none":                   {"America/New_York", "America/Newyork", `steward.yaml:7:51: nodegroupRollout.windows[1].timeZone is "America/Newyork", which no time zone database knows: want a time zone`},
		"a local zone":                          {"America/New_York", "Local", `steward.yaml:7:51: nodegroupRollout.windows[1].timeZone is "Local": want a time zone`},
		"a minute that is none":                 {"0 3 * * 0", "61 3 * * 0", `steward.yaml:7:7: nodegroupRollout.windows[1]: cron "61 3 * * 0" cannot be read`},
		"a day that never comes":                {"0 3 * * 0", "0 3 31 2 *", `steward.yaml:7:7: nodegroupRollout.windows[1]: cron "0 3 31 2 *" never comes`},
		"six fields":                            {"0 3 * * 0", "0 0 3 * * 0", `steward.yaml:7:14: nodegroupRollout.windows[1].cron is "0 0 3 * * 0": want the five fields of cron`},
		"a word for a time":                     {"0 3 * * 0", "@weekly", `steward.yaml:7:14: nodegroupRollout.windows[1].cron is "@weekly": want the five fields of cron`},
		"a zone within cron":                    {"0 3 * * 0", "CRON_TZ=UTC 0 3 * * 0", `steward.yaml:7:14: nodegroupRollout.windows[1].cron is "CRON_TZ=UTC 0 3 * * 0": want the five fields of cron`},
		"a window too short for any group":      {"duration: 2h", "duration: 5m", `steward.yaml:7:37: nodegroupRollout.windows[1].duration is "5m": want a duration from 15m`},
		"an override's window is named by path": {"30 4 * * *", "30 24 * * *", `steward.yaml:16:48: overrides[1].nodegroupRollout.windows[0]: cron "30 24 * * *" cannot be read`},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(windows, c.was, c.is, 1)
			_, err := yamlfile.Parse("steward.yaml", []byte(text))
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("said   %v\nwanted %s", err, c.want)
			}
		})
	}
}
