package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/doctor"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// quotas are what AWS allows, or why nobody knows.
type quotas struct {
	clusters, nodegroups int
	err                  error
}

func (q quotas) Clusters(context.Context, fleet.Target) (int, error)   { return q.clusters, q.err }
func (q quotas) Nodegroups(context.Context, fleet.Target) (int, error) { return q.nodegroups, q.err }

// quotasOf are the quotas of a report, one a line.
func quotasOf(r doctor.Report) string {
	var all []string
	for _, e := range r.Examinations {
		if e.Subject == "quota" {
			all = append(all, fmt.Sprintf("%s: %s: %s", e.Outcome, e.Tried, e.Seen))
		}
	}
	return strings.Join(all, "\n")
}

func TestQuotasAreToldAndNeverChangeTheVerdict(t *testing.T) {
	const clusters, nodegroups = "counted the clusters that EKS runs in the region: ", "counted the managed nodegroups of cluster rich: "
	denial := &fleet.Trouble{Kind: fleet.Denied, Action: "servicequotas:GetServiceQuota", Err: errors.New("not you")}
	for name, tt := range map[string]struct {
		quotas quotas
		want   string
	}{
		"enough":   {quotas{100, 30, nil}, "pass: " + nodegroups + "2 of 30\npass: " + clusters + "3 of 100"},
		"used up":  {quotas{3, 2, nil}, "fail: " + nodegroups + "2 of 2: used up\nfail: " + clusters + "3 of 3: used up"},
		"exceeded": {quotas{1, 30, nil}, "pass: " + nodegroups + "2 of 30\nfail: " + clusters + "3 of 1: used up"},
		"denied":   {quotas{err: denial}, "unknown: " + nodegroups + "2; how many may be: not you\nunknown: " + clusters + "3; how many may be: not you"},
	} {
		t.Run(name, func(t *testing.T) {
			f, w := enter(t, rich())
			r := doctor.Examine(t.Context(), f, doctor.Order{Regions: []string{"eu-west-1"}, Rehearsal: stage(w, "eu-west-1"), Quotas: tt.quotas}, time.Now())
			if got := quotasOf(r); got != tt.want {
				t.Errorf("told\n%s\nwant\n%s", got, tt.want)
			}
			if r.Verdict != doctor.Ready || len(r.Policies) != 0 {
				t.Errorf("verdict %s, policies %v", r.Verdict, r.Policies)
			}
			for _, e := range r.Examinations {
				denied := tt.quotas.err != nil
				if e.Subject == "quota" && (!e.Optional || denied != strings.Contains(e.Remedy, "servicequotas:GetServiceQuota") || (e.Outcome == fleet.Pass) != (e.Remedy == "")) {
					t.Errorf("%+v", e)
				}
			}
		})
	}
}

func TestFourFifthsOfAQuotaAreNear(t *testing.T) {
	for used, want := range map[int]string{3: "pass", 4: "fail"} {
		r := region("eu-west-1")
		for i := range used - 2 {
			r.Clusters = append(r.Clusters, sim.Cluster{Name: fmt.Sprintf("more-%d", i), Status: "CREATING"})
		}
		f, _ := enter(t, r)
		got := quotasOf(doctor.Examine(t.Context(), f, doctor.Order{Regions: []string{"eu-west-1"}, Quotas: quotas{clusters: 5}}, time.Now()))
		if !strings.HasPrefix(got, want+": counted") || strings.Contains(got, "near the limit") != (want == "fail") {
			t.Errorf("%d of 5 are told as %q, want %s", used, got, want)
		}
	}
}

func TestWhatCouldNotBeCountedIsNotHeldAgainstAQuota(t *testing.T) {
	for name, step := range map[string]edge.Step{
		"a cluster that cannot be described": {Operation: "DescribeCluster", Cluster: "office", Times: edge.Always, Do: denied("eks:DescribeCluster", unallowed)},
		"clusters that cannot be listed":     {Operation: "ListClusters", Times: edge.Always, Do: denied("eks:ListClusters", unallowed)},
	} {
		t.Run(name, func(t *testing.T) {
			f, w := enter(t, rich())
			w.Faults().Script(step)
			got := quotasOf(doctor.Examine(t.Context(), f, doctor.Order{Regions: []string{"eu-west-1"}, Quotas: quotas{clusters: 1}}, time.Now()))
			if got != "unknown: counted the clusters that EKS runs in the region: not all clusters are known" {
				t.Errorf("told %q", got)
			}
		})
	}
}
