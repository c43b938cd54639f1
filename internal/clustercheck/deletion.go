package clustercheck

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// DeletionCheck is the id of the finding about what a deleted cluster leaves
// behind, or a cluster that cannot be deleted.
const DeletionCheck = "deletion"

// buried closes what is open of a cluster that is gone, and looks for what it
// left behind.
func (s *scan) buried(ctx context.Context, l *Look, open []fleet.Finding, at time.Time) {
	for _, f := range without(DeletionCheck, open) {
		l.Findings = append(l.Findings, closed(f, at, "was deleted", "EKS knows the cluster no longer, and what was open of it is over."))
	}
	l.Waits = []Wait{{Over: true}}
	if s.order.Update != "" {
		l.Waits = append(l.Waits, Wait{Update: s.order.Update, Over: true})
	}
	arns, err := s.survey.Leftovers(ctx, l.Cluster.Name)
	f := leftovers(l.Cluster, arns, err, at)
	if f.Outcome == fleet.Unknown && !fleet.TroubleOf(err).Passes() {
		l.refused = append(l.refused, fleet.TroubleOf(err))
		return
	}
	l.Findings = append(l.Findings, worth([]fleet.Finding{f}, open)...)
}

// leftovers judges what a deleted cluster left behind.
func leftovers(c fleet.ClusterID, arns []string, err error, at time.Time) fleet.Finding {
	f := fleet.Finding{
		Check: DeletionCheck, Cluster: c, Outcome: fleet.Pass, At: at,
		Title:    c.Name + " was deleted and left nothing behind",
		Reason:   "No load balancer and no volume carries its tags.",
		Expected: "no load balancers and no volumes with its tags",
	}
	switch {
	case len(arns) > 0:
		f.Outcome, f.Severity, f.Cause = fleet.Fail, fleet.Warning, "leftovers"
		f.Title = fmt.Sprintf("%s was deleted and left %d resources behind", c.Name, len(arns))
		f.Reason = "Load balancers and volumes that its controllers made carry its tags, and no controller is there any more to delete them."
		f.Meaning = "They are paid for until somebody deletes them. A volume may hold data that nobody else has."
		f.Observed = few(arns)
		f.Remedy = fleet.Steps("See whether anybody needs the data of the volumes, and take snapshots of those.", "Delete the load balancers and volumes.") +
			"\nThe next daily look closes this."
	case err != nil:
		f.Outcome, f.Severity, f.Cause = fleet.Unknown, fleet.Info, "unread"
		f.Title = "what " + c.Name + " left behind is unknown"
		f.Reason = "It was deleted, and its load balancers and volumes could not be looked for: " + fleet.Sentence(err.Error())
		f.Meaning = "Some may be left, and paid for."
		f.Remedy = "Nothing to do if the next daily look can read them."
	}
	return f
}

// few lists the first of many ARNs.
func few(arns []string) string {
	const most = 20
	arns = slices.Sorted(slices.Values(arns))
	if more := len(arns) - most; more > 0 {
		return strings.Join(arns[:most], "\n") + fmt.Sprintf("\nand %d more", more)
	}
	return strings.Join(arns, "\n")
}

// dying waits for a cluster that is being deleted. It is held to no check any
// more; what is open of it closes when it is gone.
func (s *scan) dying(l *Look, snap fleet.Snapshot, at time.Time) {
	after, stuck := s.tired(DeletionPatience, at)
	if !stuck {
		l.Waits = []Wait{{}}
		return
	}
	l.Waits = []Wait{{Over: true, after: after}}
	l.Findings = []fleet.Finding{{
		Check: DeletionCheck, Cluster: l.Cluster, Outcome: fleet.Fail, Severity: fleet.Warning, Cause: "stuck", At: at,
		Owner:    snap.Cluster.Value.Tags[s.order.Rules(l.Cluster).OwnerTag],
		Title:    l.Cluster.Name + " is being deleted and does not go",
		Reason:   fmt.Sprintf("EKS calls it DELETING, for %s now.", after.Round(time.Minute)),
		Meaning:  "It is paid for until it is gone, and nothing of it is checked meanwhile.",
		Observed: "DELETING", Expected: "gone within the hour",
		Remedy: "See what holds it: network interfaces in its subnets, a security group in use, or a nodegroup that cannot be deleted. If it stays, ask AWS Support. The daily look goes on waiting.",
	}}
}
