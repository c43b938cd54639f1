package approval_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/approval"
)

func TestACommandIsReadBackAsItWasWrittenAndKeepsAllOfItsWords(t *testing.T) {
	for _, c := range []approval.Command{
		{Verb: events.VerbStart},
		{Verb: events.VerbStart, Clusters: []string{"dev", "111122223333/eu-west-1/prod"}, Forced: []string{"dev/*"}, Why: "a leak"},
		{Verb: events.VerbPause, Rollout: "20261121-1930-4f0c2ab19d3e", Why: "the sale begins"},
		{Verb: events.VerbResume, Skip: []string{"dev/blue"}},
		{Verb: events.VerbRetry, Group: "dev/blue"},
		{Verb: events.VerbAbort, Why: "the image is bad"},
	} {
		b, err := approval.Word{Rollout: &c}.Message()
		if err != nil {
			t.Fatal(err)
		}
		got, err := approval.Parse(b)
		if err != nil || got.Plan != "" || got.Rollout == nil || !reflect.DeepEqual(*got.Rollout, c) {
			t.Fatalf("%s became %+v, %v", b, got.Rollout, err)
		}
		head := events.Header{ID: "m1"}
		want := &events.RolloutCommand{
			Header: head, Verb: c.Verb, Rollout: c.Rollout, Clusters: c.Clusters, Forced: c.Forced, Skip: c.Skip, Group: c.Group,
			Why: c.Why, By: person, Via: events.ViaCommandLine,
		}
		if e := got.Rollout.Event(head, approval.Voice{By: person, Via: events.ViaCommandLine}); !reflect.DeepEqual(e, want) {
			t.Errorf("%s became %+v", b, e)
		}
	}
}

func TestACommandThatMeansMoreThanIsUnderstoodIsRefused(t *testing.T) {
	for name, tt := range map[string]struct{ message, why string }{
		"a verb that nobody knows":        {`{"rollout":{"verb":"stop"}}`, `the command's verb is "stop": want start`},
		"a word that is not asked for":    {`{"rollout":{"verb":"start","by":"root"}}`, "no JSON of the form"},
		"a word of another verb":          {`{"rollout":{"verb":"resume","group":"dev/blue"}}`, "the command's group goes with retry"},
		"a cluster that is a path":        {`{"rollout":{"verb":"start","clusters":["../x"]}}`, `the command's clusters[0] is "../x"`},
		"a pause without a reason":        {`{"rollout":{"verb":"pause"}}`, "say why"},
		"an abort without a reason":       {`{"rollout":{"verb":"abort"}}`, "say why"},
		"force without a reason":          {`{"rollout":{"verb":"start","forced":["dev/blue"]}}`, "say why"},
		"a command and a plan":            {`{"plan":"` + plan + `","rollout":{"verb":"start"}}`, "comes alone"},
		"FAULT 57 a command out of Slack": {`{"slack":{"plan":"` + plan + `","nonce":"` + nonce + `","user":"U1"},"rollout":{"verb":"start"}}`, "comes alone"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := approval.Parse([]byte(tt.message)); err == nil || !strings.Contains(err.Error(), tt.why) {
				t.Errorf("got %v, want %s", err, tt.why)
			}
		})
	}
}
