package rollout

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Status shows to the person at a terminal where a rollout stands: how far each
// wave is, what is under way and since when, what failed and what held it up, what
// is waited for, what is planned, and how to go on. all is the progress of its
// clusters; those that are missing are counted all the same.
func Status(w io.Writer, r Rollout, all []Progress, now time.Time) error {
	var page bytes.Buffer
	f := Finding(fleet.ClusterID{}, r, all, nil, now)
	fmt.Fprintf(&page, "Rollout %s is %s: %s.\n%s\n", r.ID, r.State, r.total(), f.Reason)
	fmt.Fprintf(&page, "Plan %s, started %s%s.\n\n", r.Plan[:min(len(r.Plan), 12)], stamp(r.Started), r.age(now))
	r.printWaves(&page)
	printUnderWay(&page, all, now)
	printFailed(&page, failures(all))
	r.printWaiting(&page)
	r.printPlanned(&page, all)
	if next := r.next(f); next != "" {
		fmt.Fprintf(&page, "\n%s\n", next)
	}
	_, err := w.Write(page.Bytes())
	return err
}

// age is for how long a rollout has gone on, or went on, and who it is of.
func (r Rollout) age(now time.Time) string {
	if !r.Ended.IsZero() {
		return fmt.Sprintf(", ended %s after %s", stamp(r.Ended), short(r.Ended.Sub(r.Started)))
	}
	return fmt.Sprintf(", %s ago", short(now.Sub(r.Started)))
}

// printWaves draws a bar for each wave; the current one is marked.
func (r Rollout) printWaves(page *bytes.Buffer) {
	width := 0
	for _, name := range r.Waves {
		width = max(width, len(name))
	}
	for i, name := range r.Waves {
		var s score
		busy := 0
		for _, m := range r.Members {
			if m.Wave == i {
				s, busy = s.and(m), busy+m.Busy
			}
		}
		mark := " "
		if i == r.Wave && r.Ended.IsZero() {
			mark = ">"
		}
		text := s.String()
		if busy > 0 {
			text += fmt.Sprintf(", %d under way", busy)
		}
		fmt.Fprintf(page, "%s %-*s [%s] %s\n", mark, width, name, s.bar(busy), text)
	}
}

// bar has # for groups that are done, ! for those that failed, > for those under
// way and . for the rest.
func (s score) bar(busy int) string {
	const width = 30
	var b strings.Builder
	for i := range width {
		switch at := i * s.groups / width; {
		case at < s.done:
			b.WriteByte('#')
		case at < s.done+s.failed:
			b.WriteByte('!')
		case at < s.done+s.failed+busy:
			b.WriteByte('>')
		default:
			b.WriteByte('.')
		}
	}
	return b.String()
}

func printUnderWay(page *bytes.Buffer, all []Progress, now time.Time) {
	var rows [][]string
	for _, p := range all {
		for i, st := range p.Steps {
			if !st.UnderWay() {
				continue
			}
			rows = append(rows, []string{
				p.Cluster.ID.Name, p.Cluster.Target.String(), p.Cluster.Steps[i].Group, st.doing(),
				stamp(st.Began), short(now.Sub(st.Began)), short(p.Cluster.Steps[i].Expected), st.remark(),
			})
		}
	}
	section(page, "Under way", rows, "CLUSTER", "WHERE", "GROUP", "PHASE", "SINCE", "FOR", "TAKES", "NOTE")
}

// doing is a phase as people say it.
func (st StepState) doing() string {
	switch {
	case st.Phase == Gating && st.Open.IsZero():
		return "checked"
	case st.Phase == Gating:
		return "baking"
	}
	return string(st.Phase)
}

func (st StepState) remark() string {
	switch {
	case st.Why != "":
		return st.Why
	case st.Adopted:
		return "Somebody else began it."
	case len(st.Warnings) > 0:
		return strings.Join(st.Warnings, " ")
	}
	return "-"
}

func printFailed(page *bytes.Buffer, failed []failure) {
	var rows [][]string
	for _, x := range failed {
		rows = append(rows, []string{x.cluster.Name, x.cluster.Account + "/" + x.cluster.Region, x.step.Group, cmp.Or(x.state.Update, "-"), x.state.Why})
	}
	section(page, "Failed", rows, "CLUSTER", "WHERE", "GROUP", "UPDATE", "WHY")
	for _, x := range failed {
		for _, b := range x.state.Blockers {
			fmt.Fprintf(page, "%s was held up: %s\n", x, b)
		}
	}
}

// printWaiting shows what clusters wait for that could not have a group begun.
func (r Rollout) printWaiting(page *bytes.Buffer) {
	var rows [][]string
	for _, m := range r.Members {
		if m.Waiting == "" || m.Over() || !r.Ended.IsZero() {
			continue
		}
		again := "at the next tick"
		if !m.NotBefore.IsZero() {
			again = stamp(m.NotBefore)
		}
		rows = append(rows, []string{m.ID.Name, m.Target.String(), again, m.Waiting})
	}
	section(page, "Waiting", rows, "CLUSTER", "WHERE", "TRIED AGAIN", "WHY")
}

// maxPlanned keeps the status of a large fleet on a few screens.
const maxPlanned = 20

// printPlanned shows what has not begun, in the order in which it is to begin: what
// a person approves of.
func (r Rollout) printPlanned(page *bytes.Buffer, all []Progress) {
	if !r.Ended.IsZero() {
		return
	}
	by := make(map[fleet.ClusterID]Progress, len(all))
	for _, p := range all {
		by[p.Cluster.ID] = p
	}
	var rows [][]string
	more := 0
	for _, m := range r.Members {
		p, known := by[m.ID]
		if !known {
			more += max(m.Groups-m.Done-m.Failed-m.Busy, 0)
		}
		for i, st := range p.Steps {
			s := p.Cluster.Steps[i]
			switch {
			case st.Phase != Waiting, r.Skips(m.ID, s.Group):
			case len(rows) == maxPlanned:
				more++
			default:
				rows = append(rows, append([]string{r.Waves[m.Wave], m.ID.Name, m.Target.String(), string(m.Mode)}, s.cells()...))
			}
		}
	}
	section(page, "Planned", rows, "WAVE", "CLUSTER", "WHERE", "MODE", "GROUP", "NODES", "FROM", "TO", "TAKES", "WHY")
	if more > 0 {
		fmt.Fprintf(page, "\nPlanned and not shown: %s. To see all: steward rollout status %s --output json.\n", fleet.Count(more, "nodegroup"), r.ID)
	}
}

// cells are what a step does, and why.
func (s Step) cells() []string {
	var why []string
	for _, r := range s.Reasons {
		why = append(why, r.Text)
	}
	return []string{s.Group, fmt.Sprint(s.Nodes), label(s.From), label(s.To), short(s.Expected), cmp.Or(strings.Join(why, " "), "-")}
}

func section(page *bytes.Buffer, title string, rows [][]string, header ...string) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(page, "\n%s:\n\n", title)
	t := table(page, header...)
	for _, cells := range rows {
		row(t, cells...)
	}
	_ = t.Flush() // a buffer takes everything
}

// next says how to go on.
func (r Rollout) next(f fleet.Finding) string {
	if r.State == Running && r.unapproved() {
		return "It waits for a person to approve the plan: steward approve " + r.Plan[:min(len(r.Plan), 12)]
	}
	return f.Remedy
}

// unapproved reports whether clusters of the current wave wait for a person.
func (r Rollout) unapproved() bool {
	for _, m := range r.Members {
		if m.Wave == r.Wave && m.Mode == Approve && m.Done+m.Busy < m.Groups && r.Approved.IsZero() {
			return true
		}
	}
	return false
}
