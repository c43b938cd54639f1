package checks_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

var update = flag.Bool("update", false, "write the golden files anew")

// noon is when the tests look.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// defaults are the rules of a configuration that says nothing.
var defaults = checks.Rules{
	VersionSupport:    checks.VersionSupport{Reminders: []int{180, 90, 60, 30, 14, 7, 1}, StandardUSDPerHour: 0.10, ExtendedUSDPerHour: 0.60},
	SecretsEncryption: checks.SecretsEncryption{Require: checks.AnyKey},
}

const keyARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// healthy is a cluster of which every check says Pass, all of it read at now.
// Tests change the one thing that they are about.
func healthy(now time.Time) fleet.Snapshot {
	id := fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: "orders"}
	return fleet.Snapshot{
		ID: id,
		Cluster: fleet.Read(fleet.Cluster{
			ID: id, ARN: "arn:aws:eks:eu-west-1:111122223333:cluster/orders", Status: "ACTIVE", Version: "1.36", Kind: fleet.KindEKS,
			PlatformVersion: "eks.5", KeyARN: keyARN, Subnets: []string{"subnet-a", "subnet-b"}, CreatedAt: date(2025, 3, 1),
		}, nil, now),
		Nodegroups: fleet.Read([]fleet.Nodegroup{
			{Name: "general", Status: "ACTIVE", Version: "1.36", Release: "1.36.2-20260714", AMIType: "AL2023_x86_64_STANDARD", Nodes: 3},
		}, nil, now),
		Addons: fleet.Read([]fleet.Addon{
			{Name: "vpc-cni", Version: "v1.21.1-eksbuild.3", Status: "ACTIVE"},
			{Name: "coredns", Version: "v1.13.1-eksbuild.1", Status: "ACTIVE"},
			{Name: "kube-proxy", Version: "v1.36.0-eksbuild.2", Status: "ACTIVE"},
		}, nil, now),
		Images: fleet.Read([]fleet.AMIRelease{
			{AMIType: "AL2023_x86_64_STANDARD", Version: "1.36", Release: "1.36.2-20260714", Published: date(2026, 7, 15)},
		}, nil, now),
		TemplateHeads: fleet.Read[[]fleet.TemplateHead](nil, nil, now),
		Insights: fleet.Read([]fleet.Insight{
			{ID: "i-1", Name: "Deprecated APIs removed in Kubernetes v1.37", Category: "UPGRADE_READINESS", Status: "PASSING", For: "1.37", Refreshed: now},
		}, nil, now),
		Subnets:  fleet.Read([]fleet.Subnet{{ID: "subnet-a", Zone: "eu-west-1a", Free: 200}, {ID: "subnet-b", Zone: "eu-west-1b", Free: 200}}, nil, now),
		Key:      fleet.Read(fleet.Key{ARN: keyARN, State: "Enabled", Rotation: fleet.RotationOn, Aliases: []string{"alias/eks"}}, nil, now),
		Versions: fleet.Read(calendar(), nil, now),
		Releases: fleet.Read([]fleet.AddonRelease{
			{Name: "vpc-cni", Version: "v1.21.1-eksbuild.3", Default: true},
			{Name: "coredns", Version: "v1.13.1-eksbuild.1", Default: true},
			{Name: "kube-proxy", Version: "v1.36.0-eksbuild.2", Default: true},
		}, nil, now),
		NextReleases: fleet.Read([]fleet.AddonRelease{
			{Name: "vpc-cni", Version: "v1.21.1-eksbuild.3", Default: true},
			{Name: "coredns", Version: "v1.13.1-eksbuild.1", Default: true},
			{Name: "kube-proxy", Version: "v1.37.0-eksbuild.1", Default: true},
			{Name: "kube-proxy", Version: "v1.36.0-eksbuild.2"},
		}, nil, now),
		Nodes: fleet.Read([]fleet.Node{
			{Name: "ip-10-0-0-1", Kubelet: "v1.36.2-eks-1a2b3c", Origin: fleet.Managed, Pool: "general", Ready: true, OSImage: "Amazon Linux 2023.9.20260714"},
		}, nil, now),
		KubeProxy:        fleet.Read(fleet.KubeProxy{Version: "v1.36.0-eksbuild.2", Mode: "iptables"}, nil, now),
		Deprecations:     fleet.Read[[]fleet.DeprecatedAPI](nil, nil, now),
		VolumesEncrypted: fleet.Read(true, nil, now),
		DefaultVolumeKey: fleet.Read("alias/aws/ebs", nil, now),
		StorageClasses: fleet.Read([]fleet.StorageClass{
			{Name: "gp3", Provisioner: "ebs.csi.aws.com", Default: true, Encrypted: true, Type: "gp3"},
			{Name: "shared", Provisioner: "efs.csi.aws.com"},
		}, nil, now),
		Backups: fleet.Read([]fleet.Backup{{Tool: "velero", Last: now.Add(-6 * time.Hour)}}, nil, now),
	}
}

// calendar is the one of November 2026, and a 1.37 for the healthy cluster to go
// to.
func calendar() []fleet.VersionSupport {
	row := func(version, status string, standard, extended time.Time) fleet.VersionSupport {
		return fleet.VersionSupport{Version: version, Status: status, EndOfStandard: standard, EndOfExtended: extended}
	}
	rows := []fleet.VersionSupport{
		row("1.37", "STANDARD_SUPPORT", date(2027, 12, 14), date(2028, 12, 14)),
		row("1.36", "STANDARD_SUPPORT", date(2027, 8, 2), date(2028, 8, 2)),
		row("1.35", "STANDARD_SUPPORT", date(2027, 3, 27), date(2028, 3, 27)),
		row("1.34", "STANDARD_SUPPORT", date(2026, 12, 2), date(2027, 12, 2)),
		row("1.33", "EXTENDED_SUPPORT", date(2026, 7, 29), date(2027, 7, 29)),
		row("1.32", "EXTENDED_SUPPORT", date(2026, 3, 23), date(2027, 3, 23)),
		row("1.31", "EXTENDED_SUPPORT", date(2025, 11, 26), date(2026, 11, 26)),
		row("1.30", "UNSUPPORTED", date(2025, 7, 23), date(2026, 7, 23)),
	}
	rows[1].Default = true
	return rows
}

func date(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// judge is what one check says of a snapshot.
func judge(check string, s fleet.Snapshot, r checks.Rules, now time.Time) []fleet.Finding {
	var found []fleet.Finding
	for _, f := range checks.Evaluate(s, r, now) {
		if f.Check == check {
			found = append(found, f)
		}
	}
	return found
}

// refused is the part of a snapshot that IAM did not let anybody read.
func refused[T any](action string) fleet.Part[T] {
	var none T
	return fleet.Read(none, &fleet.Trouble{Kind: fleet.Denied, Action: action, Err: fmt.Errorf("not authorized to perform %s", action)}, noon)
}

// render writes findings as a person reads them, for the golden files.
func render(findings []fleet.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%s %s cause=%s resource=%s\n", f.Outcome, f.Severity, f.Cause, f.Resource)
		for _, part := range []fleet.Fact{
			{Label: "Title", Value: f.Title},
			{Label: "Reason", Value: f.Reason},
			{Label: "Meaning", Value: f.Meaning},
			{Label: "Observed", Value: f.Observed},
			{Label: "Expected", Value: f.Expected},
			{Label: "Remedy", Value: f.Remedy},
		} {
			if part.Value != "" {
				fmt.Fprintf(&b, "  %s: %s\n", part.Label, strings.ReplaceAll(part.Value, "\n", "\n    "))
			}
		}
		for _, fact := range f.Facts {
			fmt.Fprintf(&b, "  - %s: %s\n", fact.Label, fact.Value)
		}
	}
	return b.String()
}

// golden holds text to a file of testdata.
func golden(t *testing.T, file, text string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: write it with -update and read it", err)
	}
	if text != string(want) {
		t.Errorf("%s says otherwise; -update writes it anew\ngot:\n%s\nwant:\n%s", path, text, want)
	}
}
