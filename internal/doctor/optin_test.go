package doctor_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/doctor"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
	"github.com/eks-steward/eks-steward/internal/rules"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// Clusters and nodegroups are tagged with the same key.
func TestTheTagHasOneKey(t *testing.T) {
	if rules.RolloutTag != nodefreshness.OptIn {
		t.Errorf("clusters are asked for %s, nodegroups for %s: docs/deploying.md says that it is the same", rules.RolloutTag, nodefreshness.OptIn)
	}
}

func TestNodegroupsThatNoRolloutTouchesAreTold(t *testing.T) {
	group := func(name, tag string) sim.Nodegroup {
		g := sim.Nodegroup{Name: name, Nodes: 1}
		if tag != "" {
			g.Tags = map[string]string{nodefreshness.OptIn: tag}
		}
		return g
	}
	var crowd []sim.Nodegroup
	for i := range 22 {
		crowd = append(crowd, group(fmt.Sprintf("g%02d", i), ""))
	}
	const command = "aws eks tag-resource --region eu-west-1 --resource-arn arn:aws:eks:eu-west-1:111122223333:nodegroup/web/"
	for name, tt := range map[string]struct {
		cluster string // value of its tag
		groups  []sim.Nodegroup
		breaks  []edge.Step
		want    []string // outcome: seen, as they begin
		remedy  string   // of the first
	}{
		"no nodegroup":                    {"", nil, nil, nil, ""},
		"all may be renewed":              {"", []sim.Nodegroup{group("a", "allowed"), group("b", "allowed")}, nil, []string{"pass: 2 nodegroups with it"}, ""},
		"one was forgotten":               {"", []sim.Nodegroup{group("a", "allowed"), group("b", "")}, nil, []string{"fail: 1 of 2 nodegroups without it, which no rollout touches: web/b"}, command + "b/"},
		"a value that is for clusters":    {"", []sim.Nodegroup{group("a", "allowed"), group("b", "enforce")}, nil, []string{"fail: 1 of 2 nodegroups without it, which no rollout touches: web/b"}, command + "b/"},
		"nobody asked for rollouts":       {"", []sim.Nodegroup{group("a", "")}, nil, []string{"not-applicable: 1 of 1 nodegroup without it"}, command + "a/"},
		"more than anybody reads":         {"", crowd, nil, []string{"not-applicable: 22 of 22 nodegroups without it, which no rollout touches: web/g00, web/g01"}, command + "g00/"},
		"a cluster whose value is a mode": {"report", nil, nil, nil, ""},
		"a value that is for nodegroups":  {"allowed", nil, nil, []string{`fail: web has "allowed": that is no mode and counts as report`}, "set the tag of a cluster to report, approve, enforce or take it off"},
		"what cannot be read": {
			"",
			[]sim.Nodegroup{group("a", "allowed"), group("b", "")},
			[]edge.Step{{Operation: "DescribeNodegroup", Nth: 2, Times: edge.Always, Do: edge.Answer(http.StatusForbidden, "AccessDeniedException", "no")}},
			[]string{"pass: 1 nodegroup with it", "unknown: the nodegroups of 1 cluster could not be read: "},
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := sim.Cluster{Name: "web", Version: "1.34", Etcd: &sim.Etcd{Curve: sim.Curve{SizeGB: 1}}, Nodegroups: tt.groups}
			if tt.cluster != "" {
				c.Tags = map[string]string{rules.RolloutTag: tt.cluster}
			}
			f, w := enter(t, sim.Region{Name: "eu-west-1", Clusters: []sim.Cluster{c}})
			w.Faults().Script(tt.breaks...)
			r := doctor.Examine(t.Context(), f, doctor.Order{Regions: []string{"eu-west-1"}, Nodegroups: stage(w, "eu-west-1")}, time.Now())
			var got []doctor.Examination
			for _, e := range r.Examinations {
				if e.Subject == "nodegroup-rollout tag" {
					got = append(got, e)
				}
			}
			if len(got) != len(tt.want) || r.Verdict != doctor.Ready || len(r.Policies) > 0 {
				t.Fatalf("%s: told %+v, want %q", r.Verdict, got, tt.want)
			}
			for i, e := range got {
				if told := e.Outcome.String() + ": " + e.Seen; !strings.HasPrefix(told, tt.want[i]) || !e.Optional {
					t.Errorf("told %q (optional: %t), want %q", told, e.Optional, tt.want[i])
				}
				if (e.Outcome == fleet.Pass) != (e.Remedy == "") {
					t.Errorf("%s has the remedy %q", e.Outcome, e.Remedy)
				}
			}
			if len(got) > 0 && !strings.HasPrefix(got[0].Remedy, "nothing, if that is wanted. To let one be renewed: "+tt.remedy) && !strings.HasPrefix(got[0].Remedy, tt.remedy) {
				t.Errorf("the remedy is %q, want %q", got[0].Remedy, tt.remedy)
			}
			if len(tt.groups) > 20 && (!strings.HasSuffix(got[0].Seen, "web/g19 and 2 more") || strings.Contains(got[0].Seen, "g20")) {
				t.Errorf("told %q, want twenty names and a count", got[0].Seen)
			}
		})
	}
}
