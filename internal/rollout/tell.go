package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// What the cause of a finding says after the state of a running rollout.
const (
	asksFor  = ":asks:"   // and until when: a new button is news
	waitsFor = ":waiting" // for obstacles that do not go away
)

// stubborn is the number of tries in a row after which people hear what a cluster
// waits for: with pauses that grow to an hour it is about a day.
const stubborn = 26

// Finding is what people hear of a rollout: one incident of the hub's account and
// region from begin to end. active is the progress of the clusters where something
// is under way or has failed; ask is the approval that is waited for, or nil.
func Finding(hub fleet.ClusterID, r Rollout, active []Progress, ask *fleet.Approval, now time.Time) fleet.Finding {
	total := r.total()
	f := fleet.Finding{
		Check: Check, Cluster: fleet.ClusterID{Account: hub.Account, Region: hub.Region}, Resource: r.ID,
		Outcome: fleet.Fail, Cause: string(r.State),
		Observed: total.String(), Expected: "all done",
		Facts:    r.facts(active),
		Progress: &fleet.Progress{Done: total.done, Total: total.groups},
		At:       now,
	}
	switch r.State {
	case Paused:
		r.paused(&f)
	case Halted:
		r.halted(&f, failures(active))
	case Completed, Aborted:
		r.ended(&f, now)
	default:
		r.running(&f, ask)
	}
	return f
}

// A score is how far some of the groups are.
type score struct{ groups, done, failed int }

func (s score) String() string {
	text := fmt.Sprintf("%d of %s done", s.done, fleet.Count(s.groups, "nodegroup"))
	if s.failed > 0 {
		text += fmt.Sprintf(", %d failed", s.failed)
	}
	return text
}

func (s score) and(m Member) score {
	return score{s.groups + m.Groups, s.done + m.Done, s.failed + m.Failed}
}

func (r Rollout) total() score {
	var s score
	for _, m := range r.Members {
		s = s.and(m)
	}
	return s
}

// wave names the current one.
func (r Rollout) wave() string {
	if r.Wave >= len(r.Waves) {
		return "its last wave"
	}
	return fmt.Sprintf("the wave %s (%d of %d)", r.Waves[r.Wave], r.Wave+1, len(r.Waves))
}

func (r Rollout) running(f *fleet.Finding, ask *fleet.Approval) {
	f.Title = fmt.Sprintf("nodes are renewed: rollout %s, %s", r.ID, r.total())
	f.Reason = "The rollout is in " + r.wave() + "."
	f.Meaning = "Nothing is wrong: this closes by itself when the rollout is completed, and it says so when it halts."
	f.Remedy = "Nothing to do but wait. To see it: steward rollout status --watch. To stop before the next group: steward rollout pause --why REASON."
	if r.Only != "" {
		f.Reason += " Only the group " + r.Only + " is tried again, and nothing else begins meanwhile."
	}
	stuck := r.waiting(stubborn)
	switch {
	case ask != nil:
		f.Severity, f.Approval = fleet.Warning, ask
		f.Cause += asksFor + ask.Expires.UTC().Format("20060102T150405Z")
		f.Title = "a rollout of new nodes waits for approval: " + r.ID
		f.Reason += " The next clusters are of the mode approve, and a person has to allow the plan for them."
		f.Meaning = "Until somebody approves, nothing begins in these clusters, and later waves wait too. " + forGood
		f.Remedy = fleet.Steps(
			"Read the plan: steward rollout status "+r.ID+".",
			"Approve with the button of this message, or with: steward approve "+ask.Plan[:min(len(ask.Plan), 12)]+". That is possible until "+stamp(ask.Expires)+"; then it is asked again.",
			"If it is not to be: steward rollout abort --why REASON.",
		)
	case len(stuck) > 0:
		f.Severity = fleet.Warning
		f.Cause += waitsFor
		f.Title = fmt.Sprintf("rollout %s waits in %s", r.ID, fleet.Count(len(stuck), "cluster"))
		f.Reason += " For about a day something has been in the way. " + strings.Join(stuck[:min(len(stuck), named)], " ")
		f.Meaning = "The groups keep their old nodes, and later waves wait. It goes on by itself when nothing is in the way."
		f.Remedy = fleet.Steps(
			"End what is in the way. To see all of it: steward rollout status.",
			"Or leave groups out: steward rollout resume --skip CLUSTER/GROUP.",
			"Or end the rollout: steward rollout abort --why REASON.",
		)
	}
}

func (r Rollout) paused(f *fleet.Finding) {
	f.Severity = fleet.Warning
	f.Title = fmt.Sprintf("rollout %s is paused, %s", r.ID, r.total())
	f.Reason = sentence("It was paused in "+r.wave(), r.By, r.Why)
	f.Meaning = "No group begins. What is under way in EKS goes on to its end. Clusters have old and new nodes until it is resumed."
	f.Remedy = fleet.Steps("To go on: steward rollout resume.", "To end it: steward rollout abort --why REASON.")
}

func (r Rollout) halted(f *fleet.Finding, failed []failure) {
	f.Severity = fleet.Critical
	f.Title = fmt.Sprintf("rollout %s has halted, %s", r.ID, r.total())
	reasons := []string{sentence("It halted in "+r.wave(), r.By, r.Why)}
	for _, x := range failed[:min(len(failed), named)] {
		// The reason of the rollout is often that of its first failure.
		if text := x.state.Why; !strings.Contains(r.Why, strings.TrimSuffix(text, ".")) {
			reasons = append(reasons, fmt.Sprintf("The nodegroup %s of the cluster %s: %s", x.step.Group, x.cluster, text))
		}
	}
	f.Reason = strings.Join(reasons, " ")
	f.Meaning = "Nothing else begins: neither in this wave nor in later ones. What is under way in EKS goes on to its end. Groups that failed have old and new nodes side by side; they work, but nobody renews the rest."
	f.Remedy = fleet.Steps(append(looks(failed), goOn(failed)...)...)
	for _, x := range failed {
		for _, b := range x.state.Blockers {
			f.Facts = append(f.Facts, fleet.Fact{Label: "Held up", Value: b.String()})
		}
	}
	f.Facts = bounded(f.Facts)
}

// looks are the commands that show why groups failed.
func looks(failed []failure) []string {
	var steps []string
	for _, x := range failed[:min(len(failed), named)] {
		if x.state.Update != "" {
			steps = append(steps, fmt.Sprintf("See what EKS says of %s: aws eks describe-update --region %s --name %s --nodegroup-name %s --update-id %s.", x, x.cluster.Region, x.cluster.Name, x.step.Group, x.state.Update))
		}
		for _, command := range x.state.budgets() {
			steps = append(steps, "See what the budget allows: "+command+". Give its workload more replicas, or relax it until the nodes are new.")
		}
	}
	if len(steps) == 0 {
		steps = append(steps, "See where it stands: steward rollout status.")
	}
	return steps
}

// goOn are the commands that end a halt.
func goOn(failed []failure) []string {
	group := "CLUSTER/GROUP"
	if len(failed) > 0 {
		group = failed[0].String()
	}
	return []string{
		"When it is mended, try every group that failed again: steward rollout resume. Only one of them: steward rollout retry " + group + ".",
		"To go on without a group: steward rollout resume --skip " + group + ".",
		"To end it: steward rollout abort --why REASON.",
	}
}

// budgets are the commands that show the budgets that held a group up.
func (st StepState) budgets() []string {
	var all []string
	for _, b := range st.Blockers {
		namespace, _, _ := strings.Cut(b.Budget, "/")
		names := strings.ReplaceAll(strings.ReplaceAll(b.Budget, namespace+"/", ""), " and ", " ")
		command := fmt.Sprintf("kubectl -n %s get pdb %s", namespace, names)
		if b.Budget != "" && !slices.Contains(all, command) && len(all) < named {
			all = append(all, command)
		}
	}
	return all
}

// ended words the end, which closes the incident.
func (r Rollout) ended(f *fleet.Finding, now time.Time) {
	f.Outcome, f.Severity = fleet.Pass, fleet.Info
	end := r.Ended
	if end.IsZero() {
		end = now
	}
	nodes, clusters := 0, 0
	for _, m := range r.Members {
		nodes += m.Nodes
		if m.Over() {
			clusters++
		}
	}
	took := fmt.Sprintf("It took %s, from %s to %s.", short(end.Sub(r.Started)), stamp(r.Started), stamp(end))
	if r.State == Completed {
		f.Title = fmt.Sprintf("rollout %s is completed: %s in %s", r.ID, r.total(), fleet.Count(clusters, "cluster"))
		f.Reason = fmt.Sprintf("%s The nodegroups had %s when it was planned.", took, fleet.Count(nodes, "node"))
		if len(r.Skip) > 0 {
			f.Reason += " Left out by a person: " + some(r.Skip) + "."
		}
		return
	}
	f.Title = fmt.Sprintf("rollout %s was aborted, %s", r.ID, r.total())
	f.Reason = sentence("It was aborted in "+r.wave(), r.By, r.Why) + " " + took + " What was under way in EKS goes on to its end. The next plan takes on what is left."
}

// facts are how far each wave is, and what is under way and waited for.
func (r Rollout) facts(active []Progress) []fleet.Fact {
	facts := []fleet.Fact{{Label: "Plan", Value: r.Plan[:min(len(r.Plan), 12)]}}
	for i, name := range r.Waves {
		var s score
		for _, m := range r.Members {
			if m.Wave == i {
				s = s.and(m)
			}
		}
		facts = append(facts, fleet.Fact{Label: "Wave " + name, Value: s.String()})
	}
	for _, p := range active {
		for i, st := range p.Steps {
			if st.Phase == Updating || st.Phase == Gating {
				facts = append(facts, fleet.Fact{Label: "Under way", Value: p.underWay(i)})
			}
		}
	}
	for _, text := range r.waiting(1) {
		facts = append(facts, fleet.Fact{Label: "Waiting", Value: text})
	}
	return bounded(facts)
}

func (p Progress) underWay(i int) string {
	st := p.Steps[i]
	text := p.Cluster.ID.Name + "/" + p.Cluster.Steps[i].Group + ", since " + stamp(st.Began)
	switch {
	case st.Phase == Updating && st.Adopted:
		text += ", begun by somebody else"
	case st.Phase == Gating && st.Why != "":
		text += ", updated, but: " + st.Why
	case st.Phase == Gating:
		text += ", updated, watched until the bake time is over"
	}
	return text
}

// waiting says what clusters wait for that were tried so often in vain.
func (r Rollout) waiting(tries int) []string {
	var all []string
	for _, m := range r.Members {
		if m.Waiting != "" && m.Tries >= tries && !m.Over() {
			all = append(all, m.ID.Name+": "+m.Waiting)
		}
	}
	return all
}

// maxFacts keeps a message readable; steward rollout status shows all.
const maxFacts = 24

func bounded(facts []fleet.Fact) []fleet.Fact {
	rest := len(facts) - maxFacts
	if rest <= 0 {
		return facts
	}
	return append(facts[:maxFacts], fleet.Fact{Label: "More", Value: fmt.Sprintf("%d: steward rollout status", rest)})
}

// A failure is one group that failed.
type failure struct {
	cluster fleet.ClusterID
	step    Step
	state   StepState
}

// String is the form that the commands take: cluster/group.
func (f failure) String() string { return f.cluster.Name + "/" + f.step.Group }

func failures(active []Progress) []failure {
	var all []failure
	for _, p := range active {
		for i, st := range p.Steps {
			if st.Phase == Failed {
				all = append(all, failure{p.Cluster.ID, p.Cluster.Steps[i], st})
			}
		}
	}
	return all
}

// String says who held whom up.
func (b Blocker) String() string {
	text := "pod " + b.Pod
	if b.Node != "" {
		text += " on the node " + b.Node
	}
	if b.Budget != "" {
		text += " by the PodDisruptionBudget " + b.Budget
	}
	return text
}

// sentence adds who did it, and why, to what happened.
func sentence(what, by, why string) string {
	if by != "" {
		what += " by " + by
	}
	if why == "" {
		return what + "."
	}
	return what + ": " + strings.TrimSuffix(why, ".") + "."
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
