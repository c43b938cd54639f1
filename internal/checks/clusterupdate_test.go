package checks_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

func TestClusterUpdate(t *testing.T) {
	began := noon.Add(-20 * time.Minute)
	change := func(kind, status, version string, errs ...fleet.UpdateError) fleet.Part[fleet.Update] {
		return fleet.Read(fleet.Update{ID: "0b2d1c9e-1111-4222-8333-444455556666", Type: kind, Status: status, Version: version, CreatedAt: began, Errors: errs}, nil, noon)
	}
	addresses := fleet.UpdateError{Code: "IpNotAvailable", Message: "A subnet has no free address.", Resources: []string{"subnet-a"}}
	tests := []struct {
		name    string
		update  fleet.Part[fleet.Update]
		outcome fleet.Outcome
		urgency fleet.Severity
		cause   string
	}{
		{"nobody looked for one", fleet.Part[fleet.Update]{}, fleet.Pass, fleet.Info, ""},
		{"an upgrade is under way", change("VersionUpdate", "InProgress", "1.37"), fleet.Fail, fleet.Warning, "in-progress"},
		{"an upgrade was successful", change("VersionUpdate", "Successful", "1.37"), fleet.Pass, fleet.Info, ""},
		{"an upgrade failed for want of addresses", change("VersionUpdate", "Failed", "1.37", addresses, addresses), fleet.Fail, fleet.Critical, "failed"},
		{"an upgrade failed for several reasons", change("VersionUpdate", "Failed", "1.37",
			fleet.UpdateError{Code: "SubnetNotFound", Resources: []string{"subnet-b"}}, fleet.UpdateError{Code: "SecurityGroupNotFound"}, fleet.UpdateError{Code: "EniLimitReached"},
			fleet.UpdateError{Code: "OperationNotPermitted"}, fleet.UpdateError{Code: "ClusterUnreachable"}, fleet.UpdateError{Code: "VpcIdNotFound"}), fleet.Fail, fleet.Critical, "failed"},
		{"an upgrade failed and EKS does not say why", change("VersionUpdate", "Failed", "1.37"), fleet.Fail, fleet.Critical, "failed"},
		{"an upgrade was cancelled", change("VersionUpdate", "Cancelled", "1.37"), fleet.Fail, fleet.Critical, "cancelled"},
		{"a rollback is under way", change("VersionRollback", "InProgress", "1.35"), fleet.Fail, fleet.Warning, "in-progress"},
		{"a rollback was successful", change("VersionRollback", "Successful", "1.35"), fleet.Pass, fleet.Info, ""},
		{"a rollback failed", change("VersionRollback", "Failed", "1.35"), fleet.Fail, fleet.Critical, "failed"},
		{"another change is under way", change("LoggingUpdate", "InProgress", ""), fleet.Fail, fleet.Info, "in-progress"},
		{"another change failed", change("LoggingUpdate", "Failed", "", fleet.UpdateError{Code: "AccessDenied"}), fleet.Fail, fleet.Critical, "failed"},
		{"another change with a version of its own failed", change("AddonUpdate", "Failed", "v1.21.1-eksbuild.3"), fleet.Fail, fleet.Critical, "failed"},
		{"it could not be read", refused[fleet.Update]("eks:DescribeUpdate"), fleet.Unknown, fleet.Warning, "unread"},
		{"FAULT 09 an unknown status", change("VersionUpdate", "Paused", "1.37"), fleet.Unknown, fleet.Warning, "unknown-status"},
		{"FAULT 09 an unknown error is told as EKS says it", change("VersionUpdate", "Failed", "1.37", fleet.UpdateError{Code: "MoonPhase", Message: "not full"}), fleet.Fail, fleet.Critical, "failed"},
		{"FAULT 10 an update without anything", fleet.Read(fleet.Update{}, nil, noon), fleet.Unknown, fleet.Warning, "unknown-status"},
	}
	var all strings.Builder
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := healthy(noon)
			s.Update = test.update
			found := judge("cluster-update", s, defaults, noon)
			if len(found) != 1 {
				t.Fatalf("%d findings, want one", len(found))
			}
			if f := found[0]; f.Outcome != test.outcome || f.Severity != test.urgency || f.Cause != test.cause {
				t.Errorf("%s %s %s, want %s %s %s", f.Outcome, f.Severity, f.Cause, test.outcome, test.urgency, test.cause)
			}
			fmt.Fprintf(&all, "== %s\n%s\n", test.name, render(found))
		})
	}
	golden(t, "cluster-update.txt", all.String())
}
