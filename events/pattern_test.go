package events_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/testevents"
)

var rules = map[string]events.Pattern{
	"EKSCalls":               events.EKSCalls,
	"EtcdSizeCalls":          events.EtcdSizeCalls,
	"ClusterCheckCalls":      events.ClusterCheckCalls,
	"SecretsEncryptionCalls": events.SecretsEncryptionCalls,
	"AddonHealthEvents":      events.AddonHealthEvents,
	"KMSCalls":               events.KMSCalls,
	"HealthEvents":           events.HealthEvents,
	"Findings":               events.Findings,
	"EncryptionFindings":     events.EncryptionFindings,

	"NodegroupRolloutFindings": events.NodegroupRolloutFindings,
	"RolloutCommands":          events.RolloutCommands,
	"RolloutApprovals":         events.RolloutApprovals,
	"RolloutMoves":             events.RolloutMoves,
}

func TestPatternsAreTheJSONThatRulesTake(t *testing.T) {
	golden(t, "patterns.golden.json", rules)
}

// matches is EventBridge's matching, as far as our patterns use it: every field
// of the pattern has one of its values, or is there or not as demanded.
func matches(t *testing.T, p events.Pattern, raw []byte) bool {
	t.Helper()
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var pattern, event map[string]any
	if err := json.Unmarshal(b, &pattern); err != nil {
		t.Fatal(err)
	}
	return json.Unmarshal(raw, &event) == nil && matchObject(t, pattern, event)
}

func matchObject(t *testing.T, pattern, event map[string]any) bool {
	for field, want := range pattern {
		got, there := event[field]
		switch want := want.(type) {
		case map[string]any:
			inner, _ := got.(map[string]any)
			if !matchObject(t, want, inner) {
				return false
			}
		case []any:
			if !slices.ContainsFunc(want, func(w any) bool { return matchValue(t, w, got, there) }) {
				return false
			}
		default:
			t.Fatalf("%s: a pattern's field is a list or an object, not %v", field, want)
		}
	}
	return true
}

func matchValue(t *testing.T, want, got any, there bool) bool {
	switch want := want.(type) {
	case string, bool:
		return there && want == got
	case map[string]any:
		exists, ok := want["exists"].(bool)
		if !ok || len(want) != 1 {
			t.Fatalf("the matcher does not know %v", want)
		}
		return there == exists
	}
	t.Fatalf("the matcher does not know %v", want)
	return false
}

func TestARuleLetsThroughWhatDecodeUnderstands(t *testing.T) {
	for _, c := range testevents.List() {
		if c.Function == testevents.Malformed {
			continue
		}
		raw := read(t, c)
		e, _ := events.Decode(raw)
		want := map[string]bool{}
		switch e := e.(type) {
		case *events.EKSCall:
			want["EKSCalls"], want["ClusterCheckCalls"] = true, true
			want["EtcdSizeCalls"] = c.Function == "etcdsize" || e.Call == events.CreateCluster
			want["SecretsEncryptionCalls"] = c.Function == "secretsencryption" || e.Call == events.CreateCluster || e.Call == events.UpdateClusterConfig
		case *events.AddonHealth:
			want["AddonHealthEvents"] = true
		case *events.KMSCall:
			want["KMSCalls"] = true
		case *events.Health:
			want["HealthEvents"] = true
		case *events.IncidentMoved:
			want["Findings"] = true
			want["EncryptionFindings"] = c.Function == "secretsencryption"
			want["NodegroupRolloutFindings"] = c.Function == "nodegrouprollout"
		case *events.RolloutCommand:
			want["RolloutCommands"] = true
		case *events.PlanApproved:
			want["RolloutApprovals"] = c.Function == "nodegrouprollout"
		case *events.RolloutMoved:
			want["RolloutMoves"] = true
		}
		for name, rule := range rules {
			if got := matches(t, rule, raw); got != want[name] {
				t.Errorf("%s: rule %s lets it through: %t, want %t", c, name, got, want[name])
			}
		}
	}
}

func TestEveryCallOfARuleHasAnExample(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range testevents.List() {
		switch e, _ := events.Decode(read(t, c)); e := e.(type) {
		case *events.EKSCall:
			seen[e.Call] = true
		case *events.KMSCall:
			seen[e.Call] = true
		}
	}
	for name, rule := range rules {
		if rule.Detail == nil {
			continue
		}
		for _, call := range rule.Detail.EventName {
			if !seen[call] {
				t.Errorf("%s selects %s, of which there is no test event", name, call)
			}
		}
	}
}
