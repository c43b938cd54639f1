package etcdsize

import (
	"fmt"
	"slices"
	"strings"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// access is the finding about the target itself: one notice however many
// clusters it leaves unknown.
func (s *scan) access() fleet.Finding {
	t := s.order.Target
	f := fleet.Finding{
		Check: AccessCheck, Cluster: t.Cluster(""), Outcome: fleet.Pass, At: s.now,
		Title:    fmt.Sprintf("account %s in %s is read in full", t.Account, t.Region),
		Reason:   "Every cluster was listed and measured.",
		Expected: "every cluster can be listed and measured",
	}
	if len(s.troubles) == 0 {
		return f
	}
	worst := severest(s.troubles)
	f.Outcome, f.Severity, f.Cause = fleet.Unknown, fleet.Warning, string(worst.Kind)
	f.Title = fmt.Sprintf("account %s in %s could not be read in full", t.Account, t.Region)
	f.Meaning = "What was not read is unknown: a cluster there could be in trouble unseen."
	f.Observed = s.seen()
	f.Reason = s.because()
	f.Remedy = mending(worst, t)
	switch worst.Kind {
	case fleet.RegionDisabled:
		f.Severity = fleet.Info
		f.Title = fmt.Sprintf("account %s skips %s", t.Account, t.Region)
	case fleet.Throttled, fleet.LoopingPages, fleet.Failed:
		if !s.order.AccessHeld {
			f.Severity = fleet.Info // it may pass: a warning when the next look finds it again
		}
	}
	return f
}

func (s *scan) seen() string {
	if s.unknown == 0 {
		return fmt.Sprintf("INCOMPLETE: %d clusters seen, perhaps not all", len(s.readings))
	}
	return fmt.Sprintf("INCOMPLETE: %d clusters seen, %d of them unknown", len(s.readings), s.unknown)
}

// because lists each different trouble once.
func (s *scan) because() string {
	var lines []string
	for _, t := range s.troubles {
		if line := fleet.Sentence(t.Error()); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	const enough = 5
	if more := len(lines) - enough; more > 0 {
		lines = append(lines[:enough], fmt.Sprintf("And %d more.", more))
	}
	return strings.Join(lines, " ")
}

func mending(t *fleet.Trouble, target fleet.Target) string {
	switch t.Kind {
	case fleet.Denied:
		return fmt.Sprintf("Allow %s to role %s.", t.Action, role(target))
	case fleet.Unreachable:
		return fmt.Sprintf("Deploy the member stack to account %s, or mend the trust policy of %s.", target.Account, role(target))
	case fleet.RegionDisabled:
		return fmt.Sprintf("Take %s out of this account's regions in the configuration, or enable the region.", target.Region)
	case fleet.ClockSkew:
		return "Nothing to do if it passes; if it stays, the clock of the function's host is wrong: redeploy the function."
	case fleet.Throttled:
		return "Nothing to do if it passes; if it stays, something else in the account calls the EKS API too often: CloudTrail names it."
	}
	return "Nothing to do if it passes; if it stays, see the AWS Health Dashboard for the region and the function's log."
}

func role(t fleet.Target) string {
	if t.Role == "" {
		return "that runs eks-steward"
	}
	return t.Role
}
