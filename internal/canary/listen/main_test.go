package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/internal/canary"
)

// said is one event of a test of package p.
func said(test, text string) event {
	return event{Action: "output", Package: "p", Test: test, Output: text}
}

func TestListen(t *testing.T) {
	heard := said("TestHeard", "    x_test.go:1: "+canary.Heard+"\n")
	half := len(canary.Word) / 2
	for name, tt := range map[string]struct {
		events []event
		want   error
		shows  string
		hides  string
	}{
		"silence with somebody heard": {events: []event{heard, said("TestQuiet", "nothing\n"), {Action: "pass", Package: "p", Test: "TestQuiet"}, said("", "PASS\n"), said("", "ok  \tp\t0.1s\n")}, shows: "ok  \tp\t0.1s\n", hides: "nothing"},
		"nobody heard":                {events: []event{said("TestQuiet", "nothing\n")}, want: errNothing},
		"nothing at all":              {want: errNothing},
		"a secret":                    {events: []event{heard, said("TestLoud", "token "+canary.Token+"\n")}, want: errShown, shows: "TestLoud: token xoxb-1-[secret]"},
		"a secret of a test that passes with another": {events: []event{said("TestLoud", canary.Hook+"\n"), {Action: "pass", Package: "p", Test: "TestLoud"}, heard}, want: errShown, shows: "TestLoud"},
		"a secret in two pieces":                      {events: []event{heard, said("TestLoud", "x"+canary.Word[:half]), said("TestLoud", canary.Word[half:]+"\n")}, want: errShown},
		"a secret outside of a test":                  {events: []event{heard, said("", canary.Signing+"\n")}, want: errShown, shows: "[secret]-signing-secret"},
		"an attribute of a test that passes":          {events: []event{heard, {Action: "attr", Package: "p", Test: "TestDrawn", Key: "seed", Value: "7"}, {Action: "pass", Package: "p", Test: "TestDrawn"}}, shows: "TestDrawn: seed 7\n"},
		"a secret in an attribute":                    {events: []event{heard, said("TestLoud", "=== ATTR  TestLoud token "+canary.Token+"\n"), {Action: "attr", Package: "p", Test: "TestLoud", Key: "token", Value: canary.Token}}, want: errShown},
		"a test that fails":                           {events: []event{heard, said("TestBad", "why\n"), {Action: "fail", Package: "p", Test: "TestBad"}, said("", "FAIL\tp\n")}, shows: "why\nFAIL\tp\n"},
		"a package that is not built":                 {events: []event{heard, {Action: "build-output", ImportPath: "p", Output: "p.go:1: syntax error\n"}}, shows: "syntax error"},
	} {
		t.Run(name, func(t *testing.T) {
			var in, out bytes.Buffer
			for _, e := range tt.events {
				if err := json.NewEncoder(&in).Encode(e); err != nil {
					t.Fatal(err)
				}
			}
			err := listen(&in, &out)
			if !errors.Is(err, tt.want) || (tt.want == nil) != (err == nil) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if !strings.Contains(out.String(), tt.shows) || tt.hides != "" && strings.Contains(out.String(), tt.hides) {
				t.Errorf("it shows %q", out.String())
			}
			if strings.Contains(out.String(), canary.Word) {
				t.Error("it shows the secret itself")
			}
		})
	}
}

func TestListenSearchesWhatTheGoCommandPrints(t *testing.T) {
	var out bytes.Buffer
	err := listen(strings.NewReader("go: no such tool "+canary.Word+"\n{\"half\": "), &out)
	if !errors.Is(err, errShown) || !strings.Contains(out.String(), "{\"half\": ") {
		t.Errorf("%v, %q", err, out.String())
	}
}
