package schema_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/config/schema"
	"github.com/eks-steward/eks-steward/internal/config/yamlfile"
)

// subset is the part of JSON Schema that the schema uses. Decoding it strictly
// makes sure that nothing else has crept in that violates does not judge.
type subset struct {
	Version              string             `json:"$schema"`
	Title                string             `json:"title"`
	Description          string             `json:"description"`
	Default              any                `json:"default"`
	Examples             []any              `json:"examples"`
	Type                 string             `json:"type"`
	Properties           map[string]*subset `json:"properties"`
	AdditionalProperties *bool              `json:"additionalProperties"`
	Required             []string           `json:"required"`
	MinProperties        int                `json:"minProperties"`
	Items                *subset            `json:"items"`
	MinItems             int                `json:"minItems"`
	MaxItems             *int               `json:"maxItems"`
	Enum                 []string           `json:"enum"`
	Pattern              string             `json:"pattern"`
	Minimum              *float64           `json:"minimum"`
	Maximum              *float64           `json:"maximum"`
}

func load(t *testing.T) *subset {
	t.Helper()
	data, err := schema.JSON()
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.DisallowUnknownFields()
	var s subset
	if err := decoder.Decode(&s); err != nil {
		t.Fatal(err)
	}
	return &s
}

var compiled = map[string]*regexp.Regexp{}

func matches(pattern, text string) bool {
	if compiled[pattern] == nil {
		compiled[pattern] = regexp.MustCompile(pattern)
	}
	return compiled[pattern].MatchString(text)
}

// violates says why v is not what the schema allows; empty when it is.
func (s *subset) violates(v any) string {
	switch x := v.(type) {
	case map[string]any:
		return s.violatesObject(x)
	case []any:
		if s.Type != "array" || len(x) < s.MinItems || (s.MaxItems != nil && len(x) > *s.MaxItems) {
			return fmt.Sprintf("%v is not the wanted list", v)
		}
		for _, item := range x {
			if why := s.Items.violates(item); why != "" {
				return why
			}
		}
		return ""
	case string:
		if s.Type != "string" || !matches(s.Pattern, x) || (s.Enum != nil && !slices.Contains(s.Enum, x)) {
			return fmt.Sprintf("%q is not the wanted text", x)
		}
		return ""
	case float64:
		if (s.Type != "number" && s.Type != "integer") || x < *s.Minimum || x > *s.Maximum || (s.Type == "integer" && x != float64(int(x))) {
			return fmt.Sprintf("%v is not the wanted number", x)
		}
		return ""
	case bool:
		if s.Type == "boolean" {
			return ""
		}
	}
	return fmt.Sprintf("%v is not wanted", v)
}

func (s *subset) violatesObject(x map[string]any) string {
	if s.Type != "object" || len(x) < s.MinProperties {
		return fmt.Sprintf("%v is not the wanted mapping", x)
	}
	for _, name := range s.Required {
		if _, ok := x[name]; !ok {
			return name + " is missing"
		}
	}
	for name, value := range x {
		p, ok := s.Properties[name]
		if !ok {
			return name + " is not a key"
		}
		if why := p.violates(value); why != "" {
			return name + ": " + why
		}
	}
	return ""
}

// whole is a file that gives every key.
const whole = `{
  "schemaVersion": 1,
  "targets": [{"account": "111122223333", "regions": ["eu-west-1"], "role": "none"}],
  "etcdSize": {"warnPercent": 70, "criticalPercent": 85, "hysteresisPercent": 5, "watchPercent": 50,
    "standardLimitGB": 8, "staleAfter": "20m", "history": "6h", "growthHorizon": "4h"},
  "versionSupport": {"reminders": [90, 30, 7], "standardUSDPerHour": 0.1, "extendedUSDPerHour": 0.6},
  "secretsEncryption": {"require": "keys", "keys": ["alias/a", "tag:a=b", "arn:aws:kms:eu-west-1:111122223333:key/0"], "mode": "approve", "keyGuard": "enforce"},
  "nodegroupRollout": {"mode": "approve", "whenUnknown": "proceed",
    "windows": [{"cron": "0 2 * * 6", "duration": "4h", "timeZone": "UTC"}],
    "freezes": [{"from": "2026-12-18", "to": "2027-01-03", "timeZone": "UTC", "reason": "x"}],
    "calendar": "changes", "alarms": ["errors"], "minReleaseAge": "0s", "maxNodeAge": "48h", "template": "latest",
    "bake": "0s", "nodeTime": "5m", "forceAfter": 1, "forceGroups": ["lab-*/*"]},
  "waves": {"tag": "stage", "order": ["lab", "prod"], "others": "never", "maxClusters": 5, "maxGroups": 2, "bake": "2h", "longest": "48h"},
  "notify": {"digestAbove": 5, "minSeverity": "warning", "timeZone": "UTC", "sns": "always", "slack": true,
    "routes": [{"channel": "C0123456789", "minSeverity": "info", "checks": ["etcd-size"], "match": {"accounts": ["111122223333"], "regions": ["eu-west-1"], "names": ["prod-*"]},
      "digestAt": "09:00", "quietFrom": "22:00", "quietTo": "07:00"}],
    "quietFrom": "00:00", "quietTo": "23:59", "digestAt": "09:00", "remindCritical": "1h", "remindWarning": "0s", "ownerTag": "team",
    "owners": [{"tag": "payments", "mention": "S0123ABCD"}], "runbooks": "https://wiki.example.com"},
  "mutes": [{"match": {"names": ["lab-*"]}, "checks": ["add-ons"], "resources": ["addon/*"], "until": "2026-12-18", "reason": "x"}],
  "overrides": [{"match": {"accounts": ["111122223333"], "regions": ["eu-west-1"]}, "etcdSize": {"warnPercent": 60, "criticalPercent": 85,
    "hysteresisPercent": 5, "watchPercent": 50, "standardLimitGB": 8, "staleAfter": "20m", "history": "6h", "growthHorizon": "4h"}},
    {"match": {"names": ["prod-*"]}, "etcdSize": {"warnPercent": 65}},
    {"match": {"names": ["lab-*"]}, "versionSupport": {"reminders": [7], "standardUSDPerHour": 0.2, "extendedUSDPerHour": 0.3},
      "secretsEncryption": {"require": "any", "mode": "report"},
      "nodegroupRollout": {"mode": "enforce", "windows": [], "alarms": [], "forceAfter": 0}}]
}`

// candidates are put in the place of every value in turn. Those that only the
// order of several keys or the length of a duration makes wrong are left out:
// JSON Schema cannot judge them.
var candidates = []any{
	nil, true, "", "x", " ", "70", "111122223333", "eu-west-1", "none", "always", "critical", "UTC", "approve", "prod-*", "20 minutes", "-1h", "1d",
	-1.0, 0.5, 1e9, 2.0, 100.0,
	[]any{},
	[]any{""},
	[]any{7.0},
	map[string]any{},
	map[string]any{"x": 1.0},
}

// variants yields whole with one value replaced, removed or added.
func variants(yield func(name string, file any)) {
	var root any
	if err := json.Unmarshal([]byte(whole), &root); err != nil {
		panic(err)
	}
	yield("nothing changed", root)
	var walk func(v any, path string, set func(any))
	walk = func(v any, path string, set func(any)) {
		for _, c := range candidates {
			set(c)
			yield(fmt.Sprintf("%s is %#v", path, c), root)
		}
		set(v)
		switch x := v.(type) {
		case map[string]any:
			x["added"] = "x"
			yield(path+".added", root)
			delete(x, "added")
			for _, name := range slices.Sorted(maps.Keys(x)) {
				kept := x[name]
				delete(x, name)
				yield(path+"."+name+" removed", root)
				x[name] = kept
				walk(kept, path+"."+name, func(v any) { x[name] = v })
			}
		case []any:
			for i := range x {
				walk(x[i], path+"["+strconv.Itoa(i)+"]", func(v any) { x[i] = v })
			}
		}
	}
	walk(root, "", func(v any) { root = v })
}

// beyond are the words by which Parse tells of what spans several keys, or of
// what only a clock or a database of zones can judge.
var beyond = regexp.MustCompile(`, but |never applies|holds for a whole account|want a duration|which no time zone|would mute everything`)

func TestSchemaAndParseAgreeOnEveryChangeOfOneValue(t *testing.T) {
	s := load(t)
	good, bad := 0, 0
	variants(func(name string, file any) {
		data, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		_, err = yamlfile.Parse("steward.yaml", data)
		why := s.violates(file)
		switch {
		case why == "" && err == nil:
			good++
		case why != "" && err != nil:
			bad++
		case why == "" && beyond.MatchString(err.Error()):
		default:
			t.Errorf("%s: the schema says %q, Parse says %v", name, why, err)
		}
	})
	if good < 20 || bad < 500 {
		t.Errorf("only %d good and %d bad files were compared", good, bad)
	}
}

func TestBoundsOfNumbersAreTheSame(t *testing.T) {
	s := load(t)
	for _, key := range config.Keys {
		section, name, ok := strings.Cut(key.Path, ".")
		if !ok || s.Properties[section] == nil || s.Properties[section].Properties[name] == nil {
			continue
		}
		if p := s.Properties[section].Properties[name]; p.Minimum != nil && (*p.Minimum != key.Min || *p.Maximum != key.Max) {
			t.Errorf("%s: the schema has %v to %v, the key %v to %v", key.Path, *p.Minimum, *p.Maximum, key.Min, key.Max)
		}
	}
}

func TestExamplesAndDefaultsAreAllowed(t *testing.T) {
	var walk func(s *subset, path string)
	walk = func(s *subset, path string) {
		for _, e := range s.Examples {
			if why := s.violates(e); why != "" {
				t.Errorf("%s: example %s", path, why)
			}
		}
		if s.Default != nil && s.violates(s.Default) != "" {
			t.Errorf("%s: default %s", path, s.violates(s.Default))
		}
		if s.Type == "object" && (s.AdditionalProperties == nil || *s.AdditionalProperties) {
			t.Errorf("%s admits unknown keys", path)
		}
		if s.Description == "" && path != "" {
			t.Errorf("%s is not described", path)
		}
		for name, p := range s.Properties {
			walk(p, path+"."+name)
		}
		if s.Items != nil {
			walk(s.Items, path+"[]")
		}
	}
	walk(load(t), "")
}
