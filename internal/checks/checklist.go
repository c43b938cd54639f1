package checks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// A Step is one line of the way to the next version.
type Step struct {
	Text  string
	State StepState
}

// StepState says whether a step is behind the cluster.
type StepState string

// The states of a step. One that hangs on what could not be read is unknown.
const (
	StepDone    StepState = "done"
	StepTodo    StepState = "todo"
	StepUnknown StepState = "unknown"
)

// Checklist is the way of a cluster to the next version, in the order to go it, and
// on until one that stays on standard support for a while. A cluster on the newest
// version has one step, which is done.
func Checklist(s fleet.Snapshot, now time.Time) []Step {
	c, err := newClimb(s, now)
	switch {
	case err != nil:
		return []Step{{"Find out the cluster's version: " + fleet.Sentence(err.Error()), StepUnknown}}
	case c.atTop():
		return []Step{{fmt.Sprintf("Kubernetes %s is the newest version.", c.own), StepDone}}
	}
	return slices.Concat(c.mend(), c.prepareAddons(), c.save(), c.nodesFirst(), c.goUp())
}

// mend are the steps against what is in the way, but for add-ons, backup and
// nodes, which have steps of their own.
func (c climb) mend() []Step {
	var steps []Step
	for _, o := range c.obstacles() {
		if o.remedy != "" && !slices.Contains([]string{"add-on-incompatible", "add-on-follows"}, o.kind) {
			steps = append(steps, Step{o.remedy, StepTodo})
		}
	}
	if !c.s.Insights.Known() {
		steps = append(steps, unsure("Make sure that no upgrade insight of EKS is red (aws eks list-insights "+flags(c.s)+")", c.s.Insights.Trouble))
	}
	if len(steps) == 0 {
		steps = append(steps, Step{"Nothing is known that has to be mended first.", StepDone})
	}
	return steps
}

func (c climb) prepareAddons() []Step {
	if !c.s.Addons.Known() || !c.s.NextReleases.Known() || len(c.path) == 0 {
		return []Step{unsure("Make sure that every add-on runs with "+c.goal(), cmp.Or(c.s.Addons.Trouble, c.s.NextReleases.Trouble))}
	}
	var steps []Step
	for _, o := range c.stranded() {
		steps = append(steps, Step{o.remedy, StepTodo})
	}
	if len(steps) == 0 {
		steps = append(steps, Step{"Every EKS add-on runs with " + c.goal() + ".", StepDone})
	}
	return steps
}

func (c climb) save() []Step {
	switch {
	case len(c.unsaved()) > 0:
		return []Step{{"Back up the cluster's objects and volumes, with Velero or AWS Backup for example.", StepTodo}}
	case !c.s.Backups.Known():
		return []Step{unsure("Make sure that there is a backup of the cluster's objects and volumes", c.s.Backups.Trouble)}
	}
	return []Step{{"There is a backup: " + c.newestBackup() + ".", StepDone}}
}

// nodesFirst is the step for nodes that may not fall further behind.
func (c climb) nodesFirst() []Step {
	switch old := c.tooOld(); {
	case len(old) > 0:
		return []Step{{fmt.Sprintf("Update these nodes to %s before the control plane: %s.", c.own, few(old)), StepTodo}}
	case !c.s.Nodegroups.Known() || !c.s.Nodes.Known() || len(c.path) == 0:
		return []Step{unsure("Make sure that no node is too old for "+c.goal(), cmp.Or(c.s.Nodegroups.Trouble, c.s.Nodes.Trouble))}
	}
	return []Step{{"No node is too old for " + c.goal() + ".", StepDone}}
}

// goUp are the steps of the upgrade itself.
func (c climb) goUp() []Step {
	next, ok := c.next()
	if !ok {
		return []Step{unsure("Find out the next version (aws eks describe-cluster-versions --region "+c.s.ID.Region+")", c.s.Versions.Trouble)}
	}
	steps := []Step{
		{fmt.Sprintf("Upgrade the control plane: aws eks update-cluster-version --region %s --name %s --kubernetes-version %s. EKS takes it back for 7 days.", c.s.ID.Region, c.s.ID.Name, next), StepTodo},
		{"Update the add-ons to the defaults of " + next.String() + c.defaults() + ".", StepTodo},
		{"Update the nodes to " + next.String() + ": managed nodegroups, then those that others make. Nodes of EKS Auto Mode follow by themselves; Fargate pods follow when they are restarted.", StepTodo},
	}
	last := c.path[len(c.path)-1]
	var rest []string
	for _, row := range c.path[1:] {
		rest = append(rest, row.Version)
	}
	if len(rest) > 0 {
		steps = append(steps, Step{fmt.Sprintf("Do all of it again, one version at a time: %s.", strings.Join(rest, ", ")), StepTodo})
	}
	if last.Status == onStandard {
		steps[len(steps)-1].Text += fmt.Sprintf(" Kubernetes %s is on standard support until %s.", last.Version, day(last.EndOfStandard))
	}
	return steps
}

// defaults lists what EKS installs with the next version of the add-ons that
// are installed.
func (c climb) defaults() string {
	var all []string
	for _, a := range c.s.Addons.Value {
		if v := offerOf(a.Name, c.s.NextReleases.Value).standard(); v != "" && v != a.Version {
			all = append(all, a.Name+" "+v)
		}
	}
	if len(all) == 0 {
		return ""
	}
	slices.Sort(all)
	return " (" + strings.Join(all, ", ") + ")"
}

// unsure is a step that hangs on what could not be read, with what would help to
// read it.
func unsure(what string, trouble *fleet.Trouble) Step {
	text := what + ", which is not known."
	if trouble != nil && trouble.Kind == fleet.Denied {
		text += " " + reread(trouble)
	}
	return Step{text, StepUnknown}
}

// remedyOf writes what is left of a checklist.
func remedyOf(steps []Step) string {
	var left []string
	for _, s := range steps {
		if s.State != StepDone {
			left = append(left, s.Text)
		}
	}
	return fleet.Steps(left...)
}
