package checks_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// onVersion is the healthy cluster on another version.
func onVersion(version string) fleet.Snapshot {
	s := healthy(noon)
	s.Cluster.Value.Version = version
	return s
}

func declined(s fleet.Snapshot) fleet.Snapshot {
	s.Cluster.Value.SupportType = "STANDARD"
	return s
}

func withRow(s fleet.Snapshot, row fleet.VersionSupport) fleet.Snapshot {
	s.Cluster.Value.Version = row.Version
	s.Versions.Value = append([]fleet.VersionSupport{row}, s.Versions.Value...)
	return s
}

// stale reads nothing of the calendar but what was read before an error.
func stale(s fleet.Snapshot, kept ...fleet.VersionSupport) fleet.Snapshot {
	s.Versions = refused[[]fleet.VersionSupport]("eks:DescribeClusterVersions")
	s.Versions.Value = kept
	return s
}

func TestVersionSupport(t *testing.T) {
	noticed := onVersion("1.34")
	noticed.Notices = []fleet.Notice{{
		ID: "arn:aws:health:eu-west-1::event/EKS/AWS_EKS_PLANNED_LIFECYCLE_EVENT/1", TypeCode: "AWS_EKS_PLANNED_LIFECYCLE_EVENT", Start: date(2026, 12, 2),
		Text: "Kubernetes 1.34 reaches the end of standard support.\n\n" + strings.Repeat("Read this. ", 100),
	}}
	late := onVersion("1.33") // made after its version's standard support
	late.Cluster.Value.CreatedAt = date(2026, 11, 10)
	tests := []struct {
		name    string
		s       fleet.Snapshot
		at      time.Time
		outcome fleet.Outcome
		urgency fleet.Severity
		cause   string
	}{
		{"before the first reminder all is well", onVersion("1.36"), noon, fleet.Pass, fleet.Info, ""},
		{"the first reminder comes half a year ahead", onVersion("1.35"), noon, fleet.Fail, fleet.Warning, "standard-ends-within-180"},
		{"12 days before the end the cluster will enter extended support", onVersion("1.34"), noon, fleet.Fail, fleet.Warning, "standard-ends-within-14"},
		{"12 days before the end a cluster that declined it will be upgraded", declined(onVersion("1.34")), noon, fleet.Fail, fleet.Critical, "standard-ends-within-14"},
		{"standard support ends today", onVersion("1.34"), date(2026, 12, 2).Add(23 * time.Hour), fleet.Fail, fleet.Warning, "standard-ends-within-1"},
		{"its date is over and EKS still says standard", onVersion("1.34"), date(2026, 12, 4), fleet.Fail, fleet.Warning, "standard-ends-within-1"},
		{"the notice of AWS Health is linked", noticed, noon, fleet.Fail, fleet.Warning, "standard-ends-within-14"},
		{"on extended support before a reminder of its end", onVersion("1.33"), noon, fleet.Fail, fleet.Warning, "extended"},
		{"made during extended support it has cost less", late, noon, fleet.Fail, fleet.Warning, "extended"},
		{"a reminder of the end of extended support", onVersion("1.32"), noon, fleet.Fail, fleet.Warning, "extended-ends-within-180"},
		{"extended support ends in 6 days", onVersion("1.31"), noon, fleet.Fail, fleet.Critical, "extended-ends-within-7"},
		{"past standard support and declined the extended one", declined(onVersion("1.33")), noon, fleet.Fail, fleet.Critical, "upgrade-due"},
		{"not supported any more", onVersion("1.30"), noon, fleet.Fail, fleet.Critical, "unsupported"},
		{"nothing newer is on standard support", withRow(onVersion(""), fleet.VersionSupport{Version: "1.40", Status: "EXTENDED_SUPPORT", EndOfStandard: date(2026, 1, 1), EndOfExtended: date(2028, 1, 1)}), noon, fleet.Fail, fleet.Warning, "extended"},
		{"FAULT 09 an unknown support status is kept and not acted upon", withRow(onVersion(""), fleet.VersionSupport{Version: "1.40", Status: "PREVIEW"}), noon, fleet.Unknown, fleet.Warning, "unknown-status"},
		{"FAULT 09 an unknown upgrade policy is named", policy(onVersion("1.34"), "LIFETIME"), noon, fleet.Fail, fleet.Warning, "standard-ends-within-14"},
		{"FAULT 09 nothing is concluded from an unknown upgrade policy on extended support", policy(onVersion("1.33"), "LIFETIME"), noon, fleet.Fail, fleet.Warning, "extended"},
		{"FAULT 10 a version without an end of standard support", withRow(onVersion(""), fleet.VersionSupport{Version: "1.40", Status: "STANDARD_SUPPORT"}), noon, fleet.Unknown, fleet.Warning, "no-date"},
		{"FAULT 10 extended support without dates", withRow(onVersion(""), fleet.VersionSupport{Version: "1.40", Status: "EXTENDED_SUPPORT"}), noon, fleet.Fail, fleet.Warning, "extended"},
		{"FAULT 10 a cluster without a version", onVersion(""), noon, fleet.Unknown, fleet.Warning, "unreadable-version"},
		{"FAULT 11 a version that cannot be read", onVersion("latest"), noon, fleet.Unknown, fleet.Warning, "unreadable-version"},
		{"FAULT 11 a version with a suffix is found", onVersion("1.36+"), noon, fleet.Pass, fleet.Info, ""},
		{"FAULT 12 a version that EKS does not list", onVersion("1.50"), noon, fleet.Unknown, fleet.Warning, "unlisted"},
		{"the calendar could not be read", stale(onVersion("1.36")), noon, fleet.Unknown, fleet.Warning, "unread"},
		{"the calendar could be read as far as this version", stale(onVersion("1.36"), calendar()[1]), noon, fleet.Pass, fleet.Info, ""},
	}
	var all strings.Builder
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			found := judge("version-support", test.s, defaults, test.at)
			if len(found) != 1 {
				t.Fatalf("%d findings, want one", len(found))
			}
			if f := found[0]; f.Outcome != test.outcome || f.Severity != test.urgency || f.Cause != test.cause {
				t.Errorf("%s %s %s, want %s %s %s", f.Outcome, f.Severity, f.Cause, test.outcome, test.urgency, test.cause)
			}
			fmt.Fprintf(&all, "== %s\n%s\n", test.name, render(found))
		})
	}
	golden(t, "version-support.txt", all.String())
}

func policy(s fleet.Snapshot, supportType string) fleet.Snapshot {
	s.Cluster.Value.SupportType = supportType
	return s
}

// TestEachReminderIsNewsOnce walks the days before an end: the cause, which is
// what makes news, changes at each reminder and at no other time.
func TestEachReminderIsNewsOnce(t *testing.T) {
	end := date(2027, 8, 2)
	var heard []int
	before := ""
	for days := 200; days >= 0; days-- {
		for _, hour := range []time.Duration{0, 23 * time.Hour} {
			f := judge("version-support", healthy(noon), defaults, end.AddDate(0, 0, -days).Add(hour))[0]
			if f.Cause != before {
				heard, before = append(heard, days), f.Cause
			}
		}
	}
	if got, want := fmt.Sprint(heard), "[180 90 60 30 14 7 1]"; got != want {
		t.Errorf("news %s days before the end, want %s", got, want)
	}
}

func TestWithoutRemindersOnlyWhatIsOverIsTold(t *testing.T) {
	silent := defaults
	silent.VersionSupport.Reminders = nil
	for version, want := range map[string]fleet.Outcome{"1.34": fleet.Pass, "1.33": fleet.Fail, "1.30": fleet.Fail} {
		if f := judge("version-support", onVersion(version), silent, noon)[0]; f.Outcome != want {
			t.Errorf("%s: %s, want %s", version, f.Outcome, want)
		}
	}
}

func TestFault_11_TheWayUpIsOrderedByNumber(t *testing.T) {
	s := onVersion("1.8")
	s.Versions.Value = []fleet.VersionSupport{
		{Version: "1.10", Status: "STANDARD_SUPPORT", EndOfStandard: noon.AddDate(0, 1, 0)},
		{Version: "1.11", Status: "PREVIEW"},
		{Version: "1.9", Status: "EXTENDED_SUPPORT"},
		{Version: "1.8", Status: "UNSUPPORTED"},
		{Version: "?", Status: "STANDARD_SUPPORT"},
	}
	f := judge("version-support", s, defaults, noon)[0]
	if want := "1.8 -> 1.9 -> 1.10: aws"; !strings.Contains(f.Remedy, want) {
		t.Errorf("the remedy leads elsewhere than %s: %s", want, f.Remedy)
	}
}

func TestCost(t *testing.T) {
	row := fleet.VersionSupport{EndOfStandard: date(2026, 1, 1), EndOfExtended: date(2027, 1, 1)} // 365 days, 8760 h
	rules := defaults.VersionSupport
	tests := []struct {
		name        string
		c           fleet.Cluster
		row         fleet.VersionSupport
		at          time.Time
		month       float64
		soFar, rest float64
		since       time.Time
	}{
		{name: "before it begins all of it is to come", row: row, at: date(2025, 6, 1), month: 365, rest: 4380, since: row.EndOfStandard},
		{name: "ten days in", row: row, at: date(2026, 1, 11), month: 365, soFar: 120, rest: 4260, since: row.EndOfStandard},
		{name: "a younger cluster pays from its creation", c: fleet.Cluster{CreatedAt: date(2026, 1, 6)}, row: row, at: date(2026, 1, 11), month: 365, soFar: 60, rest: 4260, since: date(2026, 1, 6)},
		{name: "after its end it has cost no more", row: row, at: date(2027, 6, 1), month: 365, soFar: 4380, since: row.EndOfStandard},
		{name: "a cluster that declined it pays nothing", c: fleet.Cluster{SupportType: "STANDARD"}, row: row, at: date(2026, 1, 11)},
		{name: "without dates nothing can be summed up", row: fleet.VersionSupport{}, at: noon, month: 365},
		{name: "nor without the one that it begins with", row: fleet.VersionSupport{EndOfExtended: date(2027, 1, 1)}, at: noon, month: 365},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := checks.Cost(test.c, test.row, rules, test.at)
			near := func(a, b float64) bool { return math.Abs(a-b) < 1e-6 }
			if !near(got.PerMonth, test.month) || !near(got.SoFar, test.soFar) || !near(got.Rest, test.rest) || !got.Since.Equal(test.since) {
				t.Errorf("%+v, want %g a month, %g so far, %g to come, since %s", got, test.month, test.soFar, test.rest, test.since)
			}
		})
	}
}
