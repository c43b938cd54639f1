package clustercheck

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// AccessCheck is the id of the finding about what of a target's clusters could
// not be read: one notice however many clusters it leaves unknown. Whether the
// target itself can be reached and listed is told by target-access.
const AccessCheck = "read-access"

// A refusal is one kind of trouble, and whom it struck.
type refusal struct {
	trouble  *fleet.Trouble // the first of its kind
	clusters []string
}

// note counts what was refused. The word for it is an IAM action, or what else
// went wrong: a finding's cause must not change with the moment.
func (s *scan) note(l Look) {
	for _, t := range l.refused {
		word := t.Action
		if t.Passes() {
			word = string(t.Kind)
		}
		r, ok := s.refusals[word]
		if !ok {
			r = &refusal{trouble: t}
			s.refusals[word] = r
		}
		if !slices.Contains(r.clusters, l.Cluster.Name) {
			r.clusters = append(r.clusters, l.Cluster.Name)
		}
		s.passing(t)
	}
}

// passing remembers troubles that are worth another try, each once.
func (s *scan) passing(t *fleet.Trouble) {
	said := func(err error) bool { return err.Error() == t.Error() }
	if t.Passes() && !slices.ContainsFunc(s.report.Passing, said) {
		s.report.Passing = append(s.report.Passing, t)
	}
}

// access is the finding about the target.
func (s *scan) access() fleet.Finding {
	t := s.order.Target
	f := fleet.Finding{
		Check: AccessCheck, Cluster: t.Cluster(""), Outcome: fleet.Pass, At: s.now(),
		Title:    fmt.Sprintf("the clusters of account %s in %s are read in full", t.Account, t.Region),
		Reason:   "Nothing that a check needs was refused.",
		Expected: "everything that a check needs can be read",
	}
	if len(s.refusals) == 0 {
		return f
	}
	words := slices.Sorted(maps.Keys(s.refusals))
	f.Outcome, f.Severity, f.Cause = fleet.Unknown, s.urgency(), strings.Join(words, ",")
	f.Title = fmt.Sprintf("the clusters of account %s in %s could not be read in full", t.Account, t.Region)
	f.Meaning = "What depends on it is unknown in these clusters: trouble there would go unseen."
	f.Observed = fmt.Sprintf("INCOMPLETE: %d clusters read, %d of them in part", s.report.Clusters, s.struck())
	var reasons, actions []string
	for _, w := range words {
		r := s.refusals[w]
		reasons = append(reasons, fleet.Sentence(r.trouble.Error()))
		f.Facts = append(f.Facts, fleet.Fact{Label: w, Value: whom(r.clusters)})
		if !r.trouble.Passes() {
			actions = append(actions, w)
		}
	}
	f.Reason = strings.Join(reasons, " ")
	f.Remedy = "Nothing to do if it passes; if it stays, see the AWS Health Dashboard for the region and the function's log."
	if len(actions) > 0 {
		f.Remedy = fmt.Sprintf("Allow %s to %s: deploy the member stack of this version to account %s.", strings.Join(actions, ", "), role(t), t.Account)
	}
	return f
}

// urgency is milder for what may pass, until it is found again.
func (s *scan) urgency() fleet.Severity {
	held := len(of(AccessCheck, s.order.Open[""])) > 0
	for _, r := range s.refusals {
		if held || !r.trouble.Passes() {
			return fleet.Warning
		}
	}
	return fleet.Info
}

// struck is how many clusters were read in part.
func (s *scan) struck() int {
	all := map[string]bool{}
	for _, r := range s.refusals {
		for _, c := range r.clusters {
			all[c] = true
		}
	}
	return len(all)
}

func whom(clusters []string) string {
	const most = 5
	clusters = slices.Sorted(slices.Values(clusters))
	if more := len(clusters) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(clusters[:most], ", "), more)
	}
	return strings.Join(clusters, ", ")
}

func role(t fleet.Target) string {
	if t.Role == "" {
		return "the role that runs eks-steward"
	}
	return "role " + t.Role
}
