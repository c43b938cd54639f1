package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/config/yamlfile"
	"github.com/eks-steward/eks-steward/internal/etcdsize"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/rollout"
	"github.com/eks-steward/eks-steward/internal/window"
)

// The rules convert to those of the checks, field by field.
var (
	_ = etcdsize.Rules(config.EtcdSize{})
	_ = checks.VersionSupport(config.VersionSupport{})
	_ = checks.SecretsEncryption(config.RequiredKey{})
	_ = window.Window(config.MaintenanceWindow{})
	_ = window.Freeze(config.Freeze{})
	_ = rollout.Waves(config.Waves{})
)

func TestTheRequirementsAreThoseOfTheCheck(t *testing.T) {
	key, _ := config.KeyOf("secretsEncryption.require")
	if want := []string{checks.AnyKey, checks.CustomerKey, checks.AnyOfKeys}; !slices.Equal(key.OneOf, want) {
		t.Errorf("the file takes %q, the check %q", key.OneOf, want)
	}
}

func parse(t *testing.T, text string) *config.File {
	t.Helper()
	f, err := yamlfile.Parse("steward.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const sample = `schemaVersion: 1
targets:
  - account: "111122223333"
    regions: [eu-west-1, us-east-1]
  - account: "444455556666"
    regions: [cn-north-1]
    role: none
etcdSize:
  warnPercent: 65
notify: {timeZone: Europe/Berlin, minSeverity: info, routes: [{channel: C0123456789, match: {names: ["prod-*"]}}]}
secretsEncryption: {require: keys, keys: [alias/eks, "tag:purpose=eks"]}
nodegroupRollout: {windows: [{cron: "0 2 * * 6", duration: 4h, timeZone: Europe/Berlin}], alarms: [errors]}
waves: {order: [lab, prod]}
overrides:
  - match: {names: ["prod-*", "pay?"], accounts: ["111122223333"]}
    etcdSize:
      warnPercent: 60
  - match: {names: ["prod-legacy"]}
    etcdSize: {warnPercent: 80, criticalPercent: 90}
  - match: {regions: [us-east-1]}
    etcdSize: {history: 3h, growthHorizon: 2h}
  - match: {names: ["lab-*"]}
    versionSupport: {reminders: [30, 7]}
    secretsEncryption: {require: any}
`

// paths lists every path of a type as Key.Path writes it.
func paths(t reflect.Type, prefix string) []string {
	var all []string
	if prefix != "" {
		all = append(all, prefix)
	}
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			if name := t.Field(i).Tag.Get("json"); name != "" {
				all = append(all, paths(t.Field(i).Type, strings.TrimPrefix(prefix+"."+name, "."))...)
			}
		}
	case reflect.Slice:
		all = append(all, paths(t.Elem(), prefix+"[]")...)
	}
	return all
}

func TestEveryFieldHasItsKeyAndEveryKeyItsField(t *testing.T) {
	fields := paths(reflect.TypeFor[config.File](), "")
	for _, p := range fields {
		key, ok := config.KeyOf(p)
		switch {
		case !ok:
			t.Errorf("%s has no Key", p)
		case key.Want == "":
			t.Errorf("%s does not say what it wants", p)
		case key.Doc == "" && !strings.HasSuffix(p, "[]"):
			t.Errorf("%s is not documented", p)
		case key.Longest > 0 && key.Shortest < time.Second:
			t.Errorf("%s takes durations from %s on: Encode writes those below a second in a unit that Decode refuses", p, key.Shortest)
		}
	}
	for _, key := range config.Keys {
		if !slices.Contains(fields, key.Path) {
			t.Errorf("%s is no field of File", key.Path)
		}
	}
}

func TestFormsAgreeWithThoseOfFleet(t *testing.T) {
	account, _ := config.KeyOf("targets[].account")
	region, _ := config.KeyOf("targets[].regions[]")
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.StringMatching(`[0-9a]{11,13}`).Draw(t, "account")
		if account.Pattern.MatchString(a) != (fleet.ValidAccount(a) == nil) {
			t.Errorf("account %q: config and fleet disagree", a)
		}
		r := rapid.StringMatching(`[a-zA-Z]{1,5}(-[a-z]{0,4}|-[a-z]{12,13}){0,4}-?[0-9]{0,3}`).Draw(t, "region")
		if region.Pattern.MatchString(r) != (fleet.ValidRegion(r) == nil) {
			t.Errorf("region %q: config and fleet disagree", r)
		}
	})
}

func TestFault_08_TheUsualRoleIsInThePartitionOfItsRegion(t *testing.T) {
	for region, partition := range map[string]string{
		"eu-west-1": "aws", "ap-southeast-5": "aws", "us-east-1": "aws",
		"cn-north-1": "aws-cn", "cn-northwest-1": "aws-cn",
		"us-gov-west-1": "aws-us-gov",
		"us-iso-east-1": "aws-iso", "us-isob-east-1": "aws-iso-b", "eu-isoe-west-1": "aws-iso-e", "us-isof-south-1": "aws-iso-f",
		"eusc-de-east-1": "aws-eusc",
	} {
		f := parse(t, fmt.Sprintf("schemaVersion: 1\ntargets: [{account: \"111122223333\", regions: [%s]}]\n", region))
		want := []fleet.Target{{Account: "111122223333", Region: region, Role: "arn:" + partition + ":iam::111122223333:role/steward-reader"}}
		if got := f.Targets(); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", region, got, want)
		}
	}
}

func TestTargetsAreEveryPairOfAccountAndRegion(t *testing.T) {
	want := []fleet.Target{
		{Account: "111122223333", Region: "eu-west-1", Role: "arn:aws:iam::111122223333:role/steward-reader"},
		{Account: "111122223333", Region: "us-east-1", Role: "arn:aws:iam::111122223333:role/steward-reader"},
		{Account: "444455556666", Region: "cn-north-1"},
	}
	if got := parse(t, sample).Targets(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTheFirstOverrideThatMatchesApplies(t *testing.T) {
	f := parse(t, sample)
	for name, c := range map[string]struct {
		cluster string // account/region/name
		want    string // warn, critical, history, growth horizon
	}{
		"no override matches":                              {"111122223333/eu-west-1/dev", "65 85 6h 4h"},
		"a pattern matches in its account":                 {"111122223333/eu-west-1/prod-a", "60 85 6h 4h"},
		"a question mark is one character":                 {"111122223333/eu-west-1/pay2", "60 85 6h 4h"},
		"all lists must match":                             {"444455556666/cn-north-1/prod-a", "65 85 6h 4h"},
		"the first wins over the second":                   {"111122223333/eu-west-1/prod-legacy", "60 85 6h 4h"},
		"the second where the first does not match":        {"444455556666/cn-north-1/prod-legacy", "80 90 6h 4h"},
		"a region's history holds whatever else applies":   {"111122223333/us-east-1/prod-a", "60 85 3h 4h"},
		"a whole target has no name to match":              {"111122223333/us-east-1/", "65 85 3h 2h"},
		"a cluster of no target has the file's thresholds": {"777788889999/eu-west-1/x", "65 85 6h 4h"},
	} {
		t.Run(name, func(t *testing.T) {
			p := strings.Split(c.cluster, "/")
			s := f.EtcdSizeFor(fleet.ClusterID{Account: p[0], Region: p[1], Name: p[2]})
			got := fmt.Sprintf("%g %g %s %s", s.WarnPercent, s.CriticalPercent, config.Brief(s.History), config.Brief(s.GrowthHorizon))
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestEverySectionOfAnOverrideIsTakenOver(t *testing.T) {
	f := parse(t, sample)
	for name, c := range map[string]struct {
		cluster string
		want    string // reminders, USD, requirement, keys
	}{
		"no override matches":                           {"dev", "[180 90 60 30 14 7 1] 0.1 0.6 keys [alias/eks tag:purpose=eks]"},
		"an override of something else changes nothing": {"prod-a", "[180 90 60 30 14 7 1] 0.1 0.6 keys [alias/eks tag:purpose=eks]"},
		"the file's keys are dropped with its demand":   {"lab-a", "[30 7] 0.1 0.6 any []"},
	} {
		t.Run(name, func(t *testing.T) {
			id := fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: c.cluster}
			v, e := f.VersionSupportFor(id), f.SecretsEncryptionFor(id)
			got := fmt.Sprintf("%v %g %g %s %v", v.Reminders, v.StandardUSDPerHour, v.ExtendedUSDPerHour, e.Require, e.Keys)
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestExplainAgreesWithTheEffectiveValues(t *testing.T) {
	f := parse(t, sample)
	id := fleet.ClusterID{Account: "111122223333", Region: "us-east-1", Name: "prod-a"}
	want := []config.Explained{
		{Path: "etcdSize.warnPercent", Value: "60", From: "overrides[0] at steward.yaml:17"},
		{Path: "etcdSize.criticalPercent", Value: "85", From: "default"},
		{Path: "etcdSize.hysteresisPercent", Value: "5", From: "default"},
		{Path: "etcdSize.watchPercent", Value: "50", From: "default"},
		{Path: "etcdSize.standardLimitGB", Value: "8", From: "default"},
		{Path: "etcdSize.staleAfter", Value: "20m", From: "default"},
		{Path: "etcdSize.history", Value: "3h", From: "overrides[2] at steward.yaml:21"},
		{Path: "etcdSize.growthHorizon", Value: "4h", From: "default"},
		{Path: "versionSupport.reminders", Value: "[180, 90, 60, 30, 14, 7, 1]", From: "default"},
		{Path: "versionSupport.standardUSDPerHour", Value: "0.1", From: "default"},
		{Path: "versionSupport.extendedUSDPerHour", Value: "0.6", From: "default"},
		{Path: "secretsEncryption.require", Value: "keys", From: "steward.yaml:11"},
		{Path: "secretsEncryption.keys", Value: "[alias/eks, tag:purpose=eks]", From: "steward.yaml:11"},
		{Path: "secretsEncryption.mode", Value: "report", From: "default"},
		{Path: "secretsEncryption.keyGuard", Value: "report", From: "default"},
		{Path: "nodegroupRollout.mode", Value: "report", From: "default"},
		{Path: "nodegroupRollout.whenUnknown", Value: "block", From: "default"},
		{Path: "nodegroupRollout.windows", Value: "[{cron: 0 2 * * 6, duration: 4h, timeZone: Europe/Berlin}]", From: "steward.yaml:12"},
		{Path: "nodegroupRollout.freezes", Value: "[]", From: "default"},
		{Path: "nodegroupRollout.calendar", Value: "none", From: "default"},
		{Path: "nodegroupRollout.alarms", Value: "[errors]", From: "steward.yaml:12"},
		{Path: "nodegroupRollout.minReleaseAge", Value: "72h", From: "default"},
		{Path: "nodegroupRollout.maxNodeAge", Value: "0s", From: "default"},
		{Path: "nodegroupRollout.template", Value: "default", From: "default"},
		{Path: "nodegroupRollout.bake", Value: "30m", From: "default"},
		{Path: "nodegroupRollout.nodeTime", Value: "5m", From: "default"},
		{Path: "nodegroupRollout.forceAfter", Value: "0", From: "default"},
		{Path: "nodegroupRollout.forceGroups", Value: "[]", From: "default"},
		{Path: "waves.tag", Value: "environment", From: "default"},
		{Path: "waves.order", Value: "[lab, prod]", From: "steward.yaml:13"},
		{Path: "waves.others", Value: "last", From: "default"},
		{Path: "waves.maxClusters", Value: "3", From: "default"},
		{Path: "waves.maxGroups", Value: "1", From: "default"},
		{Path: "waves.bake", Value: "24h", From: "default"},
		{Path: "waves.longest", Value: "720h", From: "default"},
		{Path: "notify.digestAbove", Value: "5", From: "default"},
		{Path: "notify.minSeverity", Value: "info", From: "steward.yaml:10"},
		{Path: "notify.timeZone", Value: "Europe/Berlin", From: "steward.yaml:10"},
		{Path: "notify.sns", Value: "always", From: "default"},
		{Path: "notify.slack", Value: "true", From: "default"},
		{Path: "notify.routes", Value: "[{channel: C0123456789, minSeverity: info, match: {names: [prod-*]}}]", From: "steward.yaml:10"},
		{Path: "notify.quietFrom", Value: "", From: "default"},
		{Path: "notify.quietTo", Value: "", From: "default"},
		{Path: "notify.digestAt", Value: "", From: "default"},
		{Path: "notify.remindCritical", Value: "24h", From: "default"},
		{Path: "notify.remindWarning", Value: "168h", From: "default"},
		{Path: "notify.ownerTag", Value: "owner", From: "default"},
		{Path: "notify.owners", Value: "[]", From: "default"},
		{Path: "notify.runbooks", Value: "https://github.com/eks-steward/eks-steward/blob/main/docs/runbooks", From: "default"},
	}
	if got := f.Explain(id); !slices.Equal(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
}

func TestKeysPerTargetAreThoseThatATargetDecides(t *testing.T) {
	// An override of the whole region sets every key; one by name is matched
	// first. What still comes from the region's is what holds per target.
	f := config.Default()
	region := reflect.ValueOf(&f.EtcdSize).Elem()
	other := f.EtcdSize
	for i := range region.NumField() {
		v := reflect.ValueOf(&other).Elem().Field(i)
		if v.CanFloat() {
			v.SetFloat(v.Float() + 1)
		} else {
			v.SetInt(v.Int() + int64(time.Minute))
		}
	}
	f.Overrides = []config.Override{
		{Match: config.Match{Names: []string{"*"}}, EtcdSize: f.EtcdSize},
		{Match: config.Match{Regions: []string{"eu-west-1"}}, EtcdSize: other},
	}
	got := reflect.ValueOf(f.EtcdSizeFor(fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: "a"}))
	for i := range got.NumField() {
		name := got.Type().Field(i).Tag.Get("json")
		key, _ := config.KeyOf("etcdSize." + name)
		if fromTarget := !got.Field(i).Equal(region.Field(i)); fromTarget != key.PerTarget {
			t.Errorf("%s: PerTarget is %t, but it is %t that the target decides it", name, key.PerTarget, fromTarget)
		}
	}
}

func TestHistoryFitsOneCloudWatchCall(t *testing.T) {
	key, _ := config.KeyOf("etcdSize.history")
	const queries, datapoints = 500, 100_800 // limits of one GetMetricData call
	if points := queries * int(key.Longest/(5*time.Minute)); points > datapoints {
		t.Errorf("%s of history are %d datapoints for %d clusters: CloudWatch returns %d", key.Longest, points, queries, datapoints)
	}
}

// files draws valid run-time files as JSON, which is YAML as well.
var files = rapid.Custom(func(t *rapid.T) []byte {
	numbers := func(m map[string]any, key string, low, high int) {
		if rapid.Bool().Draw(t, key+" given") {
			m[key] = float64(rapid.IntRange(low*10, high*10).Draw(t, key)) / 10
		}
	}
	size := func(watch, warn, critical int) map[string]any {
		m := map[string]any{"criticalPercent": critical}
		numbers(m, "watchPercent", 0, watch)
		numbers(m, "warnPercent", warn, critical-1)
		numbers(m, "hysteresisPercent", 0, 5)
		return m
	}
	file := map[string]any{
		"schemaVersion": 1,
		"targets":       []any{map[string]any{"account": "012345678901", "regions": []string{"eu-west-1", "us-east-1"}}},
		"etcdSize":      size(55, 60, 95),
		"notify":        map[string]any{"minSeverity": rapid.SampledFrom([]string{"info", "warning", "critical"}).Draw(t, "severity"), "slack": rapid.Bool().Draw(t, "slack")},
	}
	told(t, file)
	if hours := rapid.IntRange(0, 16).Draw(t, "history"); hours > 0 {
		file["etcdSize"].(map[string]any)["history"] = fmt.Sprintf("%dh", hours)
	}
	if rapid.Bool().Draw(t, "support given") {
		days := rapid.SliceOfNDistinct(rapid.IntRange(1, 730), 1, 9, rapid.ID).Draw(t, "reminders")
		slices.Sort(days)
		slices.Reverse(days)
		file["versionSupport"] = map[string]any{"reminders": days}
	}
	key := rapid.SampledFrom([]string{"alias/a", "tag:a=", "arn:aws-cn:kms:cn-north-1:111122223333:key/mrk-0"})
	encryption := func() map[string]any {
		if rapid.Bool().Draw(t, "keys listed") {
			return map[string]any{"require": config.ListedKeys, "keys": rapid.SliceOfN(key, 1, 3).Draw(t, "keys")}
		}
		return map[string]any{"require": rapid.SampledFrom([]string{config.AnyKey, config.CustomerKey}).Draw(t, "require")}
	}
	file["secretsEncryption"], file["nodegroupRollout"] = encryption(), rollouts(t)
	var overrides []any
	for i := range rapid.IntRange(0, 4).Draw(t, "overrides") {
		overrides = append(overrides, map[string]any{
			"match":    map[string]any{"names": []string{fmt.Sprintf("prod-%d-*", i)}},
			"etcdSize": size(55, 60, 97), "secretsEncryption": encryption(), "nodegroupRollout": rollouts(t),
		})
	}
	if overrides != nil {
		file["overrides"] = overrides
	}
	data, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return data
})

// rollouts draws a section nodegroupRollout, with lists that are missing, empty or
// not.
func rollouts(t *rapid.T) map[string]any {
	section := map[string]any{"mode": rapid.SampledFrom(config.Modes).Draw(t, "mode")}
	list := func(key string, item any) {
		if n := rapid.IntRange(-1, 2).Draw(t, key); n >= 0 {
			section[key] = slices.Repeat([]any{item}, n)
		}
	}
	list("windows", map[string]any{"cron": "*/30 0-5 * * mon,sat", "duration": "90m", "timeZone": "Africa/Cairo"})
	list("freezes", map[string]any{"from": "2026-12-18", "to": "2026-12-18", "timeZone": "UTC"})
	list("alarms", "errors: \"5xx\"")
	if calendar := rapid.SampledFrom([]string{"", config.NoCalendar, "changes"}).Draw(t, "calendar"); calendar != "" {
		section["calendar"] = calendar
	}
	if after := rapid.IntRange(-1, 2).Draw(t, "forceAfter"); after >= 0 {
		section["forceAfter"] = after
		if after > 0 {
			section["forceGroups"] = []string{"lab-*/*"}
		}
	}
	return section
}

// told adds routes, owners and mutes to a file: none, or with and without what may
// be left out.
func told(t *rapid.T, file map[string]any) {
	match := func(m map[string]any) map[string]any {
		if rapid.Bool().Draw(t, "match given") {
			m["match"] = map[string]any{"names": []string{"prod-*"}}
		}
		if rapid.Bool().Draw(t, "checks given") {
			m["checks"] = []string{"etcd-size", "add-ons"}
		}
		return m
	}
	var routes, mutes []any
	for i := range rapid.IntRange(0, 3).Draw(t, "routes") {
		routes = append(routes, match(map[string]any{"channel": fmt.Sprintf("C01234567%d", i), "minSeverity": "info"}))
	}
	for range rapid.IntRange(0, 3).Draw(t, "mutes") {
		mutes = append(mutes, match(map[string]any{"resources": []string{"addon/*"}, "until": "2026-12-18T16:00:00+01:00", "reason": "it: is known"}))
	}
	if routes != nil {
		notify := file["notify"].(map[string]any)
		notify["routes"], notify["quietFrom"], notify["quietTo"], notify["remindWarning"] = routes, "22:00", "07:00", "0s"
		notify["owners"] = []any{map[string]any{"tag": "größe", "mention": "S0123ABCD"}}
	}
	if mutes != nil {
		file["mutes"] = mutes
	}
}

func TestDecodeIsTheInverseOfEncode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, err := yamlfile.Parse("steward.yaml", files.Draw(t, "file"))
		if err != nil {
			t.Fatal(err)
		}
		data, err := config.Encode(f)
		if err != nil {
			t.Fatal(err)
		}
		got, err := config.Decode(data)
		if err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		if !reflect.DeepEqual(got, f) {
			t.Errorf("got\n%+v\nwant\n%+v", got, f)
		}
	})
}

func TestLinesAreStoredOfListsAndNotOfTheirItems(t *testing.T) {
	data, err := config.Encode(parse(t, sample))
	if err != nil {
		t.Fatal(err)
	}
	for part, want := range map[string]bool{
		`"secretsEncryption.keys":11`: true, `"overrides[3].versionSupport.reminders":23`: true,
		`"nodegroupRollout.windows":12`: true, "windows[": false, "order[": false, `"notify.routes":10`: true, "routes[": false,
		"keys[": false, "reminders[": false, "match.": false, "targets[": false,
	} {
		if strings.Contains(string(data), part) != want {
			t.Errorf("it is not %t that %s is stored: %s", want, part, data)
		}
	}
}

func TestDecodeNeverMakesZerosOfDamage(t *testing.T) {
	good, err := config.Encode(parse(t, sample))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"nothing":            "",
		"an empty object":    "{}",
		"null":               "null",
		"a null file":        `{"config":null}`,
		"cut in the middle":  string(good[:len(good)/2]),
		"a threshold of 0":   strings.Replace(string(good), `"warnPercent":65`, `"warnPercent":0`, 1),
		"an unknown key":     strings.Replace(string(good), `"warnPercent":65`, `"warnPercent":65,"newer":1`, 1),
		"a newer version":    strings.Replace(string(good), `"schemaVersion":1`, `"schemaVersion":2`, 1),
		"a key given twice":  strings.Replace(string(good), `"warnPercent":65`, `"warnPercent":65,"warnPercent":66`, 1),
		"brackets to no end": `{"config":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`,
	} {
		if data == string(good) {
			t.Fatalf("%s: nothing was damaged", name)
		}
		if f, err := config.Decode([]byte(data)); err == nil {
			t.Errorf("%s was decoded to %+v", name, f)
		}
	}
}

func TestDecodeNeedsNoTimeZoneDatabase(t *testing.T) {
	data, err := config.Encode(parse(t, sample))
	if err != nil {
		t.Fatal(err)
	}
	f, err := config.Decode([]byte(strings.ReplaceAll(string(data), "Europe/Berlin", "Europe/Atlantis")))
	if err != nil {
		t.Fatalf("a function that tells no times was stopped by one: %v", err)
	}
	if _, err := f.Notify.Location(); err == nil {
		t.Error("Location knows Atlantis")
	}
}

// The clocks of Berlin skip the hour from 2 to 3 on 2026-03-29, and have it twice
// on 2026-10-25.
func TestADailyDigestIsDueInOneFiveMinutesOfEachDay(t *testing.T) {
	const beat = 5 * time.Minute
	for name, n := range map[string]config.Notify{
		"of the webhook":                 {DigestAt: "09:00"},
		"of a route":                     {Routes: []config.Route{{}, {DigestAt: "09:00"}}},
		"in an hour that may be missing": {DigestAt: "02:30"},
		"right before midnight":          {DigestAt: "23:59"},
		"at midnight":                    {DigestAt: "00:00"},
	} {
		t.Run(name, func(t *testing.T) {
			n.TimeZone = "Europe/Berlin"
			zone, err := n.Location()
			if err != nil {
				t.Fatal(err)
			}
			for _, noon := range []time.Time{time.Date(2026, 3, 28, 12, 1, 0, 0, zone), time.Date(2026, 10, 24, 12, 1, 0, 0, zone)} {
				due := 0
				for at := noon; at.Before(noon.AddDate(0, 0, 3)); at = at.Add(beat) {
					if n.DigestDue(at.Add(-beat), at) {
						due++
					}
				}
				if due != 3 {
					t.Errorf("from %s on it is due %d times in three days", noon, due)
				}
			}
		})
	}
	if now := time.Now(); (config.Notify{}).DigestDue(now.Add(-beat), now) {
		t.Error("it is due although there is none")
	}
}

func TestTheDefaultIsSoundButWatchesNothing(t *testing.T) {
	data, err := config.Encode(config.Default())
	if err != nil {
		t.Fatal(err)
	}
	_, err = config.Decode(data)
	var problems config.Problems
	if !errors.As(err, &problems) || len(problems) != 1 || !strings.HasPrefix(problems[0].Text, "targets is missing") {
		t.Errorf("got %v, want only the missing targets", err)
	}
}

func TestWhoDecodesLinksNoYAML(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.Lines(string(out)) {
		if strings.Contains(dep, "yaml") || strings.Contains(dep, "jsonschema") {
			t.Errorf("package config links %s", dep)
		}
	}
}

func FuzzDecode(f *testing.F) {
	good, err := yamlfile.Parse("steward.yaml", []byte(sample))
	if err != nil {
		f.Fatal(err)
	}
	data, err := config.Encode(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"config":{"schemaVersion":1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := config.Decode(data)
		if err != nil {
			return
		}
		again, err := config.Encode(file)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := config.Decode(again); err != nil || !reflect.DeepEqual(twice, file) {
			t.Errorf("decoded again: %+v, %v; want %+v", twice, err, file)
		}
	})
}
