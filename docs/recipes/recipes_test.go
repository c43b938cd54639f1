// Package recipes_test holds the recipes against what eks-steward sends: a recipe
// that selects by a field that is not there selects nothing, and nobody is told.
package recipes_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/notify"
	"github.com/eks-steward/eks-steward/internal/notify/notifytest"
	"github.com/eks-steward/eks-steward/internal/notify/sns"
	"github.com/eks-steward/eks-steward/testevents"
)

// hub is the account that the recipes are deployed in.
const hub = "111122223333"

// block is a part of a page that a reader copies.
type block struct {
	page, language string
	value          any
}

// blocks are those of all recipes, parsed.
func blocks(t *testing.T) []block {
	t.Helper()
	pages, err := filepath.Glob("*.md")
	if err != nil || len(pages) < 5 {
		t.Fatalf("found the pages %q, error %v", pages, err)
	}
	var all []block
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
			b := block{page: page, language: m[1]}
			switch b.language {
			case "json":
				err = json.Unmarshal([]byte(m[2]), &b.value)
			case "yaml":
				err = yaml.UnmarshalWithOptions([]byte(m[2]), &b.value, yaml.Strict())
			default:
				t.Errorf("%s has a block of %q, which nothing here can judge", page, b.language)
			}
			if err != nil {
				t.Fatalf("%s: %v in\n%s", page, err, m[2])
			}
			b.value = deployed(t, b.value)
			all = append(all, b)
		}
	}
	return all
}

// deployed is a value as it is once CloudFormation has filled in the account, and
// with the numbers that JSON has.
func deployed(t *testing.T, v any) any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), `{"Ref":"AWS::AccountId"}`, `"`+hub+`"`)), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// each calls do for every value below v that is under the key.
func each(v any, key string, do func(found any)) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if name == key {
				do(v[name])
			}
			each(v[name], key, do)
		}
	case []any:
		for _, value := range v {
			each(value, key, do)
		}
	}
}

// sent are events as the bus carries them, by name: the full ones of testevents,
// and of every severity ones with nothing that can be left out.
func sent(t *testing.T) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, name := range []string{"finding-opened", "finding-changed", "finding-resolved"} {
		text, err := testevents.Read("notify", name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = decode(t, text)
	}
	for _, transition := range []string{"opened", "changed", "resolved"} {
		for severity := range fleet.Critical + 1 {
			f := fleet.Finding{Check: "read-access", Cluster: fleet.ClusterID{Account: hub, Region: "eu-west-1"}, Severity: severity, Title: `says "no"`, Reason: `\ "x"`}
			e := events.IncidentMoved{
				Header:   events.Header{ID: "a", Account: hub, Region: "eu-west-1", Time: notifytest.Start},
				Incident: hub + "/eu-west-1//read-access/", Transition: transition, Revision: 1, Severity: severity, Finding: f,
			}
			text, err := events.Message(&e)
			if err != nil {
				t.Fatal(err)
			}
			all["least-"+transition+"-"+severity.String()] = decode(t, text)
		}
	}
	return all
}

func decode(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// matches has the semantics of event patterns and filter policies for the lists of
// values that the recipes use: a field must be there and have one of them.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
func matches(pattern, event any) bool {
	switch pattern := pattern.(type) {
	case map[string]any:
		fields, _ := event.(map[string]any)
		for name, want := range pattern {
			if name == "$or" {
				if !slices.ContainsFunc(want.([]any), func(one any) bool { return matches(one, event) }) {
					return false
				}
				continue
			}
			if value, there := fields[name]; !there || !matches(want, value) {
				return false
			}
		}
		return true
	case []any:
		return slices.ContainsFunc(pattern, func(one any) bool { return reflect.DeepEqual(one, event) })
	}
	return false // a pattern has lists only
}

// leaves are the values that a pattern lists, by their paths. The branches of $or
// are about the same event.
func leaves(pattern any, path []string, visit func(path []string, value any)) {
	switch pattern := pattern.(type) {
	case map[string]any:
		for name, value := range pattern {
			below := path
			if name != "$or" {
				below = append(slices.Clone(path), name)
			}
			leaves(value, below, visit)
		}
	case []any:
		for _, one := range pattern {
			leaves(one, path, visit)
		}
	default:
		visit(path, pattern)
	}
}

// at is the value under a path of names, and whether there is one.
func at(v any, path []string) (any, bool) {
	for _, name := range path {
		fields, _ := v.(map[string]any)
		below, there := fields[name]
		if !there {
			return nil, false
		}
		v = below
	}
	return v, true
}

// isPattern tells an event pattern among the JSON blocks from other JSON.
func isPattern(v any) bool {
	fields, _ := v.(map[string]any)
	return fields["source"] != nil && fields["detail-type"] != nil
}

func TestEveryPatternSelectsWhatIsSent(t *testing.T) {
	events := slices.Collect(maps.Values(sent(t)))
	found := 0
	judge := func(page string, pattern any) {
		found++
		if !slices.ContainsFunc(events, func(event any) bool { return matches(pattern, event) }) {
			t.Errorf("%s: nothing that is sent matches %s", page, show(pattern))
		}
		for _, event := range events {
			foreign := maps.Clone(event.(map[string]any))
			foreign["account"] = "999988887777"
			if matches(pattern, foreign) {
				t.Errorf("%s: %s takes events of any account: only the hub says what was found", page, show(pattern))
				break
			}
		}
		leaves(pattern, nil, func(path []string, value any) {
			says := func(event any) bool { v, _ := at(event, path); return reflect.DeepEqual(v, value) }
			if !slices.ContainsFunc(events, says) {
				t.Errorf("%s: no event that is sent has %v in %s", page, value, strings.Join(path, "."))
			}
		})
	}
	for _, b := range blocks(t) {
		each(b.value, "EventPattern", func(pattern any) { judge(b.page, pattern) })
		if isPattern(b.value) {
			judge(b.page, b.value)
		}
	}
	if found < 7 {
		t.Errorf("found %d patterns: want those of every recipe", found)
	}
}

func TestEveryIncidentThatIsOpenedElsewhereIsClosedThere(t *testing.T) {
	all := sent(t)
	for _, b := range blocks(t) {
		if b.language != "yaml" || b.page == "README.md" {
			continue
		}
		var patterns []any
		each(b.value, "EventPattern", func(pattern any) { patterns = append(patterns, pattern) })
		for _, event := range all {
			kind, _ := at(event, []string{"detail-type"})
			ends := func(pattern any) bool { return matches(pattern, event) }
			if kind == "Finding Resolved" && !slices.ContainsFunc(patterns, ends) {
				t.Errorf("%s: no rule takes the end of an incident: %s", b.page, show(event))
			}
		}
	}
}

// transformed is what a target gets of an event: every <variable> of the template
// is replaced by the JSON of its value, and within a string by the bare text, of
// which EventBridge escapes nothing. A path that leads nowhere leaves a hole.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
func transformed(t *testing.T, transformer map[string]any, event any) any {
	t.Helper()
	template, ok := transformer["InputTemplate"].(string)
	if !ok { // in Fn::Sub, which fills in ARNs
		sub, _ := at(transformer, []string{"InputTemplate", "Fn::Sub"})
		template, _ = sub.(string)
	}
	paths, _ := transformer["InputPathsMap"].(map[string]any)
	used := map[string]bool{}
	quoted, escaped := false, false
	text := regexp.MustCompile(`<\w+>|(?s:.)`).ReplaceAllStringFunc(template, func(part string) string {
		name := strings.Trim(part, "<>")
		if len(part) < 3 {
			quoted = quoted != (part == `"` && !escaped)
			escaped = part == `\` && !escaped
			return part
		}
		path, known := paths[name].(string)
		value, there := at(event, strings.Split(strings.TrimPrefix(path, "$."), "."))
		if !known || !there {
			t.Fatalf("<%s> is %q, which is not in %s", name, path, show(event))
		}
		used[name] = true
		if quoted {
			return fmt.Sprint(value)
		}
		return show(value)
	})
	for name := range paths {
		if !used[name] {
			t.Errorf("<%s> has a path and no place in the template", name)
		}
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return v
}

// wants are what the other side of each recipe cannot do without: where the id of
// the incident has to be, and members that may not be empty.
var wants = map[string]struct {
	incident []string // one of these paths
	texts    []string // in what opens something
}{
	"pagerduty.md": {[]string{"dedup_key"}, []string{"event_action", "payload.summary", "payload.severity", "payload.source"}},
	"jira.md":      {[]string{"incident"}, []string{"transition", "title", "reason", "severity"}},
	"opscenter.md": {[]string{"operationalData.incident.value", "Incident.0"}, []string{"title", "description", "source", "severity"}},
	"amazon-q.md":  {[]string{"metadata.threadId"}, []string{"version", "source", "content.description", "content.title"}},
}

func TestEveryBodyIsWhatTheOtherSideTakes(t *testing.T) {
	all := sent(t)
	bodies := map[string]int{}
	for _, b := range blocks(t) {
		each(b.value, "Properties", func(properties any) {
			rule := properties.(map[string]any)
			each(rule["Targets"], "InputTransformer", func(transformer any) {
				for name, event := range all {
					if !matches(rule["EventPattern"], event) {
						continue
					}
					t.Run(b.page+"/"+name, func(t *testing.T) {
						holdBody(t, b.page, transformed(t, transformer.(map[string]any), event), event)
					})
					bodies[b.page]++
				}
			})
		})
	}
	for page := range wants {
		if bodies[page] == 0 {
			t.Errorf("%s: no rule makes a body of anything that is sent", page)
		}
	}
}

func holdBody(t *testing.T, page string, body, event any) {
	t.Helper()
	want, known := wants[page]
	if !known {
		t.Fatalf("%s: nobody has said what the other side wants", page)
	}
	incident, _ := at(event, []string{"detail", "incident"})
	if !slices.ContainsFunc(want.incident, func(path string) bool { return text(body, path) == incident }) {
		t.Errorf("%v is at none of %q in %s", incident, want.incident, show(body))
	}
	kind, _ := at(event, []string{"detail-type"})
	severity, _ := at(event, []string{"detail", "finding", "severity"})
	if kind == "Finding Resolved" || severity != "critical" {
		return // what closes needs no more than the id
	}
	for _, path := range want.texts {
		if text(body, path) == "" {
			t.Errorf("%s is missing in %s", path, show(body))
		}
	}
	if dedup := text(body, "operationalData./aws/dedup.value"); page == "opscenter.md" {
		var held struct {
			DedupString string `json:"dedupString"`
		}
		if err := json.Unmarshal([]byte(dedup), &held); err != nil || held.DedupString != incident {
			t.Errorf("/aws/dedup is %q, error %v", dedup, err)
		}
	}
}

// text is the text under a path with dots; 0 is the first of a list.
func text(v any, path string) string {
	for name := range strings.SplitSeq(path, ".") {
		if list, isList := v.([]any); isList && name == "0" && len(list) > 0 {
			v = list[0]
			continue
		}
		v, _ = at(v, []string{name})
	}
	s, _ := v.(string)
	return s
}

func TestEveryFilterPolicySelectsWhatMachinesHear(t *testing.T) {
	type heard struct{ attributes, body any }
	var all []heard
	for _, muted := range []bool{false, true} {
		f := notifytest.Full("prod", fleet.Critical)
		f.Owner = "payments"
		m := notify.Message{Kind: notify.Opened, Muted: muted, Notices: []notify.Notice{{Kind: notify.Opened, Incident: notifytest.Life(f)}}}
		body, attributes, err := sns.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		flat := map[string]any{}
		for name, values := range attributes {
			flat[name] = values[0]
		}
		all = append(all, heard{flat, decode(t, []byte(body))})
	}
	found := 0
	judge := func(page string, policy any) {
		found++
		hears := func(h heard) bool { return matches(policy, h.attributes) || matches(policy, h.body) }
		if !slices.ContainsFunc(all, hears) {
			t.Errorf("%s: nothing that is sent matches the filter policy %s", page, show(policy))
		}
		if strings.Contains(show(policy), "muted") && hears(all[1]) {
			t.Errorf("%s: the filter policy %s takes what is muted", page, show(policy))
		}
	}
	for _, b := range blocks(t) {
		each(b.value, "FilterPolicy", func(policy any) { judge(b.page, policy) })
		if b.language == "json" && b.page == "README.md" && !isPattern(b.value) {
			judge(b.page, b.value)
		}
	}
	if found < 3 {
		t.Errorf("found %d filter policies: want those of README.md", found)
	}
}

func TestEveryRecipeIsListed(t *testing.T) {
	list, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for page := range wants {
		if !strings.Contains(string(list), "("+page+")") {
			t.Errorf("README.md does not name %s", page)
		}
	}
}

func show(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // it was read from JSON
	}
	return string(text)
}
