package local

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// snapshot is what of the deployment decides where a message goes. It is made
// from the template, and a test of package infra holds it against a fresh one.
//
//go:embed wiring.json
var snapshot []byte

// wiring is the snapshot.
type wiring struct {
	Forwards  []pattern // from the default bus to ours
	Functions []function
}

type function struct {
	Name        string
	Batch       int // messages at a time
	MaxReceives int // before a message is given up
	Rules       []pattern
	Schedules   []string // inputs
}

// wire reads the snapshot for a deployment in the hub's account.
func wire(hub fleet.ClusterID) (wiring, error) {
	var w wiring
	text := strings.ReplaceAll(string(snapshot), "${AccountId}", hub.Account)
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		return wiring{}, fmt.Errorf("the snapshot of the deployment's wiring: %w", err)
	}
	return w, nil
}

// beat finds the schedule of a cadence: its function, and its message at a time.
func (w wiring) beat(c events.Cadence, at time.Time) (name string, message []byte, err error) {
	fill := strings.NewReplacer("<aws.scheduler.scheduled-time>", at.UTC().Format(time.RFC3339), "<aws.scheduler.execution-id>", "local")
	for _, f := range w.Functions {
		for _, input := range f.Schedules {
			message = []byte(fill.Replace(input))
			e, err := events.Decode(message)
			if tick, ok := e.(*events.Tick); err == nil && ok && tick.Cadence == c {
				return f.Name, message, nil
			}
		}
	}
	return "", nil, fmt.Errorf("the deployment has no schedule %q", c)
}

// route names the functions whose rules take an event on our bus.
func (w wiring) route(event map[string]any) []string {
	var names []string
	for _, f := range w.Functions {
		if slices.ContainsFunc(f.Rules, func(p pattern) bool { return p.matches(event) }) {
			names = append(names, f.Name)
		}
	}
	return names
}

// pattern is an EventBridge pattern, as far as our rules use the language: a
// field matches one of the listed values, or by its being there.
type pattern map[string]any

func (p pattern) matches(event map[string]any) bool {
	for field, want := range p {
		got, there := event[field]
		switch want := want.(type) {
		case map[string]any:
			nested, _ := got.(map[string]any)
			if !pattern(want).matches(nested) {
				return false
			}
		case []any:
			if !slices.ContainsFunc(want, func(one any) bool { return matchesOne(one, got, there) }) {
				return false
			}
		}
	}
	return true
}

func matchesOne(want, got any, there bool) bool {
	if rule, ok := want.(map[string]any); ok {
		return rule["exists"] == there
	}
	return there && want == got
}
