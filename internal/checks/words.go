package checks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// unread is the finding of a check that could not read what it needs. trouble is
// nil where nobody tried.
func unread(s fleet.Snapshot, what, why string, trouble *fleet.Trouble) fleet.Finding {
	return fleet.Finding{
		Outcome: fleet.Unknown, Severity: fleet.Warning, Cause: "unread",
		Title:   what + " of " + s.ID.Name + " is unknown",
		Reason:  what + " could not be judged: " + fleet.Sentence(why),
		Meaning: "Trouble there would go unseen.",
		Remedy:  reread(trouble),
	}
}

// reread says what to do about a part that could not be read.
func reread(t *fleet.Trouble) string {
	switch {
	case t == nil:
		return "Nothing to do if the next look reads it; if it stays, see the log of the function clustercheck."
	case t.Kind == fleet.Denied && strings.HasPrefix(t.Action, "get /"): // of the API server, not of IAM
		return "Let eks-steward read the cluster: apply manifests/steward-reader.yaml (docs/kubernetes-access.md)."
	case t.Kind == fleet.Denied:
		return "Allow " + t.Action + " to the role that reads the account."
	case t.Kind == fleet.Private:
		return "Make the API server reachable for eks-steward, or accept that this stays unknown."
	}
	return "Nothing to do if it passes; if it stays, see the AWS Health Dashboard for the region and the log of the function clustercheck."
}

// kinds joins words of trouble for a Cause: sorted and each once, so that only
// another kind of trouble is news.
func kinds(words []string) string {
	words = slices.Sorted(slices.Values(words))
	return strings.Join(slices.Compact(words), ",")
}

// few lists the first names and counts the others.
func few(names []string) string {
	const enough = 5
	if more := len(names) - enough; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:enough], ", "), more)
	}
	return strings.Join(names, ", ")
}

// day is a date as AWS gives it.
func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// clip bounds what a text from elsewhere can add to a finding.
func clip(s string) string { return fleet.Clip(s, 200) }
