package testevents_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/testevents"
)

func TestEveryExampleSaysWhereItComesFrom(t *testing.T) {
	cases := testevents.List()
	if len(cases) == 0 {
		t.Fatal("there are no examples")
	}
	for _, c := range cases {
		raw, err := testevents.Read(c.Function, c.Name)
		if err != nil {
			t.Fatal(err)
		}
		if c.String() == "malformed/not-json" || c.String() == "malformed/not-an-object" {
			continue // what is no object can carry no provenance
		}
		var e struct {
			Provenance string `json:"_provenance"`
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Errorf("%s: %v", c, err)
		}
		if !strings.HasSuffix(e.Provenance, ".") {
			t.Errorf("%s: _provenance is %q: want a sentence", c, e.Provenance)
		}
	}
}

func TestWhatDoesNotExistIsAnsweredWithWhatDoes(t *testing.T) {
	for _, tt := range []struct{ name, function, event, want string }{
		{"an unknown function lists the functions", "etcd", "x", `no test events of "etcd": choose one of bus, clustercheck, dispatch, etcdsize, `},
		{"an unknown event lists those of the function", "dispatch", "tick", `no test event "tick" of dispatch: choose one of tick-daily, tick-five-minutes, tick-hourly, tick-stale`},
		{"a path leads nowhere else", "dispatch", "../etcdsize/scan-target", `no test event "../etcdsize/scan-target" of dispatch`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := testevents.Read(tt.function, tt.event)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %s...", err, tt.want)
			}
		})
	}
}
