package infra_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// wiring is what of a deployment decides where a message goes.
type wiring struct {
	Forwards  []any            `json:"forwards"`  // patterns of the member's rules, from the default bus to ours
	Functions []functionWiring `json:"functions"` // by name
}

type functionWiring struct {
	Name        string   `json:"name"`
	Batch       float64  `json:"batch"`       // messages at a time
	MaxReceives float64  `json:"maxReceives"` // before a message is given up
	Rules       []any    `json:"rules"`       // patterns on our bus
	Schedules   []string `json:"schedules"`   // inputs
}

// TestTheDemoIsWiredAsTheDeployment holds the snapshot that the demo routes its
// messages by against a fresh template of every function but approve: nobody says
// anything to the demo.
func TestTheDemoIsWiredAsTheDeployment(t *testing.T) {
	const snapshot = "../internal/local/wiring.json"
	got := wiringOf(t, renewingTemplates()["EksSteward"], renewingTemplates()[memberStack])
	if *update {
		if err := os.WriteFile(snapshot, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the template says; read the difference, then run the test with -update\n%s", snapshot, difference(string(want), string(got)))
	}
}

func wiringOf(t *testing.T, hub, member template) []byte {
	t.Helper()
	var w wiring
	for _, id := range []string{"EKSCalls", "KMSCalls", "Addons", "Health"} {
		w.Forwards = append(w.Forwards, plain(member.of("AWS::Events::Rule")[id].Properties["EventPattern"]))
	}
	for _, prefix := range functionsOf(hub) {
		if prefix == "Approve" {
			continue
		}
		queue, source := hub.of("AWS::SQS::Queue")[prefix+"Queue"].Properties, hub.of("AWS::Lambda::EventSourceMapping")[prefix+"Source"].Properties
		f := functionWiring{
			Name: strings.ToLower(prefix), Batch: number(source["BatchSize"]), MaxReceives: number(at(queue["RedrivePolicy"], "maxReceiveCount")),
			Rules: []any{}, Schedules: []string{},
		}
		to := "<" + prefix + "Queue.Arn>"
		for _, rule := range sorted(hub.of("AWS::Events::Rule")) {
			for _, target := range rule.Properties["Targets"].([]any) {
				if text(at(target, "Arn")) == to {
					f.Rules = append(f.Rules, plain(rule.Properties["EventPattern"]))
				}
			}
		}
		for _, schedule := range sorted(hub.of("AWS::Scheduler::Schedule")) {
			if text(at(schedule.Properties["Target"], "Arn")) == to {
				f.Schedules = append(f.Schedules, text(at(schedule.Properties["Target"], "Input")))
			}
		}
		w.Functions = append(w.Functions, f)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(w); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// plain renders the references inside a pattern.
func plain(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plain(v[i])
		}
		return out
	case map[string]any:
		if _, ref := v["Ref"]; ref {
			return text(v)
		}
		out := map[string]any{}
		for key := range v {
			out[key] = plain(v[key])
		}
		return out
	}
	return v
}
