package report_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/report"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func page(t *testing.T, f report.Fleet) string {
	t.Helper()
	var b strings.Builder
	if err := report.Write(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// cluster runs a version that leaves standard support in twelve days.
func cluster(name string, edit ...func(*report.Cluster)) report.Cluster {
	id := fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: name}
	c := report.Cluster{
		Rules: checks.Rules{VersionSupport: checks.VersionSupport{Reminders: []int{30}, StandardUSDPerHour: 0.1, ExtendedUSDPerHour: 0.6}},
		Snapshot: fleet.Snapshot{
			ID:      id,
			Cluster: fleet.Read(fleet.Cluster{ID: id, Version: "1.34", Kind: fleet.KindEKS, Status: "ACTIVE"}, nil, noon),
			Versions: fleet.Read([]fleet.VersionSupport{{
				Version: "1.34", Released: noon.AddDate(-1, 0, 0), EndOfStandard: noon.AddDate(0, 0, 12), EndOfExtended: noon.AddDate(1, 0, 12),
			}}, nil, noon),
		},
	}
	for _, e := range edit {
		e(&c)
	}
	return c
}

func failing(severity fleet.Severity, title string) func(*report.Cluster) {
	return func(c *report.Cluster) {
		c.Findings = append(c.Findings, fleet.Finding{Check: "health", Cluster: c.Snapshot.ID, Outcome: fleet.Fail, Severity: severity, Title: title})
	}
}

func TestAnEmptyFleetIsAPage(t *testing.T) {
	got := page(t, report.Fleet{At: noon})
	for _, want := range []string{"There is no cluster.", "Everything was read.", "No cluster is in extended support", "</html>"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestThePageNeedsNothingElse(t *testing.T) {
	got := page(t, report.Fleet{At: noon, Clusters: []report.Cluster{cluster("a")}})
	for _, outside := range []string{"http://", "https://", "<script", "<link", "@import", "url(", "src="} {
		if strings.Contains(got, outside) {
			t.Errorf("the page holds %q", outside)
		}
	}
}

func TestFault_50_WhatComesFromElsewhereIsText(t *testing.T) {
	hostile := `</td><script>alert(1)</script>`
	got := page(t, report.Fleet{At: noon, Clusters: []report.Cluster{cluster("a", failing(fleet.Warning, hostile), func(c *report.Cluster) {
		c.Snapshot.Cluster.Value.Version = hostile
	})}})
	if strings.Contains(got, "<script>") || !strings.Contains(got, "&lt;script&gt;") {
		t.Error("a text of a cluster is markup")
	}
}

func TestTheWorstComesFirstHoweverTheFleetWasRead(t *testing.T) {
	clusters := []report.Cluster{
		cluster("calm"), cluster("noted", failing(fleet.Info, "x")), cluster("warned", failing(fleet.Warning, "x")),
		cluster("burning", failing(fleet.Critical, "x")), cluster("also-burning", failing(fleet.Critical, "x")),
	}
	one := page(t, report.Fleet{At: noon, Clusters: clusters})
	slices.Reverse(clusters)
	if other := page(t, report.Fleet{At: noon, Clusters: clusters}); one != other {
		t.Error("the page depends on the order in which clusters were read")
	}
	_, overview, _ := strings.Cut(one, "<h2>Clusters</h2>")
	last := -1
	for _, name := range []string{"also-burning", "burning", "warned", "noted", "calm"} {
		at := strings.Index(overview, `"name">`+name+"<")
		if at <= last {
			t.Errorf("%s is out of order", name)
		}
		last = at
	}
}

func TestFault_42_WhatCouldNotBeReadIsListedAndNotFine(t *testing.T) {
	blind := cluster("blind", func(c *report.Cluster) {
		c.Snapshot.Cluster = fleet.Read(fleet.Cluster{}, errors.New("no"), noon)
		c.Findings = checks.Evaluate(c.Snapshot, c.Rules, noon)
	})
	target := fleet.Finding{Cluster: fleet.ClusterID{Account: "444455556666", Region: "eu-central-1"}, Outcome: fleet.Unknown, Title: "it cannot be entered", Reason: "No role."}
	got := page(t, report.Fleet{At: noon, Clusters: []report.Cluster{blind}, Targets: []fleet.Finding{target}})
	_, unread, _ := strings.Cut(got, "<h2>What could not be read</h2>")
	for _, want := range []string{"blind", "444455556666", "it cannot be entered. No role."} {
		if !strings.Contains(unread, want) {
			t.Errorf("it is not said that %q could not be read", want)
		}
	}
	if strings.Contains(got, `class="mark fine"`) {
		t.Error("a cluster that could not be read is fine")
	}
}

func TestTheBillCountsWhoPaysAndWhoWill(t *testing.T) {
	paying := func(c *report.Cluster) {
		c.Snapshot.Cluster.Value.CreatedAt = noon.AddDate(-2, 0, 0)
		c.Snapshot.Versions.Value[0].EndOfStandard = noon.Add(-1000 * time.Hour)
		c.Snapshot.Versions.Value[0].EndOfExtended = noon.Add(3000 * time.Hour)
	}
	declined := func(c *report.Cluster) { c.Snapshot.Cluster.Value.SupportType = "STANDARD" }
	far := func(c *report.Cluster) {
		c.Snapshot.Versions.Value[0].EndOfStandard = noon.AddDate(1, 0, 0)
		c.Snapshot.Versions.Value[0].EndOfExtended = noon.AddDate(2, 0, 0)
	}
	got := page(t, report.Fleet{At: noon, Clusters: []report.Cluster{
		cluster("paying", paying), cluster("will", func(*report.Cluster) {}), cluster("declined", declined), cluster("far", far),
	}})
	_, bill, _ := strings.Cut(got, "<h2>Cost of extended support</h2>")
	bill, _, _ = strings.Cut(bill, "<h2>Clusters</h2>")
	for name, listed := range map[string]bool{"paying": true, "will": true, "declined": false, "far": false} {
		if strings.Contains(bill, `"name">`+name+"<") != listed {
			t.Errorf("%s on the bill: want %t", name, listed)
		}
	}
	// 0.50 USD an hour: 1,000 hours so far, 3,000 to come; the other pays a year.
	for _, want := range []string{">$500<", ">$1,500<", ">$4,380<", ">$730<", ">$5,880<"} {
		if !strings.Contains(bill, want) {
			t.Errorf("the bill does not say %s", want)
		}
	}
	if !strings.Contains(got, "<b>$365</b><span>a month for extended support") {
		t.Error("what is paid today is not that of the one who pays")
	}
}
