package checks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// upgradeReadiness is one finding for each cluster. Its Cause lists the kinds of
// what is in the way, so that a new kind is news and a changed number is not.
var upgradeReadiness = Check{
	ID:       "upgrade-readiness",
	Insights: true,
	Doc:      "What stands in the way of the next minor version of Kubernetes, and what to do in which order.",
	Judge: func(s fleet.Snapshot, _ Rules, now time.Time) []fleet.Finding {
		c, err := newClimb(s, now)
		if err != nil {
			return []fleet.Finding{unread(s, "Upgrade readiness", err.Error(), s.Cluster.Trouble)}
		}
		if c.astray() {
			f := unread(s, "Upgrade readiness", "EKS lists neither Kubernetes "+c.own.String()+" nor anything newer", nil)
			f.Severity = fleet.Info // version-support says it louder
			return []fleet.Finding{f}
		}
		if c.atTop() {
			return []fleet.Finding{c.top()}
		}
		return []fleet.Finding{c.judge()}
	},
}

// A climb is a cluster on its way to the next minor version.
type climb struct {
	s   fleet.Snapshot
	now time.Time
	own fleet.Version
	// path are the versions above its own, up to one to stay at for a while. It is
	// empty at the top, and where the calendar could not be read.
	path []fleet.VersionSupport
}

// newClimb fails when the cluster or its version is not known.
func newClimb(s fleet.Snapshot, now time.Time) (climb, error) {
	if !s.Cluster.Known() {
		return climb{}, fmt.Errorf("%s", s.Cluster.Why())
	}
	own, err := fleet.ParseVersion(s.Cluster.Value.Version)
	if err != nil {
		return climb{}, err
	}
	c := climb{s: s, now: now, own: own}
	if s.Versions.Known() {
		c.path = pathFrom(s.Versions.Value, own, now)
	}
	return c, nil
}

// worthwhile is how long a version has to stay on standard support for a climb
// to end there. It is the first reminder that version-support gives by default.
const worthwhile = 180 * 24 * time.Hour

// pathFrom lists the versions above own, lowest first, up to the first that stays
// on standard support for long, else the last that is on it: the control plane
// goes one minor version at a time.
func pathFrom(calendar []fleet.VersionSupport, own fleet.Version, now time.Time) []fleet.VersionSupport {
	rows := above(calendar, own)
	goal := len(rows)
	for i, row := range rows {
		if row.Status != onStandard {
			continue
		}
		goal = i + 1
		if row.EndOfStandard.Sub(now) > worthwhile {
			break
		}
	}
	return rows[:goal]
}

// atTop reports whether EKS offers nothing newer. A calendar without a row says
// nothing.
func (c climb) atTop() bool {
	return c.s.Versions.Known() && len(c.s.Versions.Value) > 0 && len(c.path) == 0
}

// astray reports whether EKS does not know the cluster's version, and none above
// it: there is nothing to say of its next one.
func (c climb) astray() bool {
	_, listed := fleet.Supported(c.s.Versions.Value, c.own.String())
	return c.atTop() && !listed
}

// next is the version to go to, and false when it is not known.
func (c climb) next() (fleet.Version, bool) {
	if len(c.path) == 0 {
		return fleet.Version{}, false
	}
	v, err := fleet.ParseVersion(c.path[0].Version)
	return v, err == nil
}

// goal names the next version for people.
func (c climb) goal() string {
	if next, ok := c.next(); ok {
		return "Kubernetes " + next.String()
	}
	return "the next version of Kubernetes"
}

// removedByNext reports whether a version at which something ends is not after
// the next one.
func (c climb) removedByNext(version string) bool {
	next, ok := c.next()
	v, err := fleet.ParseVersion(version)
	return ok && err == nil && v.Compare(next) <= 0
}

func (c climb) top() fleet.Finding {
	return fleet.Finding{
		Outcome:  fleet.Pass,
		Title:    fmt.Sprintf("%s runs the newest version, Kubernetes %s", c.s.ID.Name, c.own),
		Reason:   "EKS lists no newer version to upgrade to.",
		Observed: c.own.String() + ", the newest version",
		Facts:    c.rollback(),
	}
}

// judge weighs what is in the way against what could not be read.
func (c climb) judge() fleet.Finding {
	f := fleet.Finding{
		Outcome: fleet.Pass, Observed: "ready for " + c.goal(), Expected: "nothing in the way of " + c.goal(),
		Title:  fmt.Sprintf("%s is ready for %s", c.s.ID.Name, c.goal()),
		Reason: "Nothing is known to stand in the way.",
		Facts:  c.facts(),
	}
	obstacles, gaps := c.obstacles(), c.gaps()
	if len(obstacles) > 0 {
		f.Observed = fleet.Count(len(obstacles), "obstacle") + " on the way to " + c.goal()
	}
	blind := slices.ContainsFunc(gaps, func(g gap) bool { return g.essential })
	blocking, words := 0, []string{}
	for _, o := range obstacles {
		words = append(words, o.kind)
		if o.blocks {
			blocking++
		}
	}
	switch {
	case blocking > 0:
		f.Outcome, f.Severity = fleet.Fail, c.urgency(fleet.Critical)
		f.Title = fmt.Sprintf("%s is not ready for %s: %s", c.s.ID.Name, c.goal(), fleet.Count(blocking, "obstacle"))
		f.Meaning = "The upgrade is refused or breaks what runs in the cluster. " + c.deadline()
	case blind:
		f.Outcome, f.Severity = fleet.Unknown, fleet.Warning
		f.Observed = "not everything could be read"
		words = append(words, "unread")
		f.Title = fmt.Sprintf("whether %s is ready for %s is unknown", c.s.ID.Name, c.goal())
		f.Meaning = "Something unseen may be in the way. " + c.deadline()
	case len(obstacles) > 0:
		f.Outcome, f.Severity = fleet.Fail, c.urgency(fleet.Warning)
		f.Title = fmt.Sprintf("%s can go to %s, with %s to see to first", c.s.ID.Name, c.goal(), fleet.Count(len(obstacles), "thing"))
		f.Meaning = "What is left undone hurts during the upgrade or at a later version. " + c.deadline()
	default:
		return f
	}
	f.Cause, f.Reason = kinds(words), reasons(obstacles, gaps)
	f.Remedy = remedyOf(Checklist(c.s, c.now))
	return f
}

// soon is when the end of a support leaves no time to lose.
const soon = 30 * 24 * time.Hour

// end is when something happens to a cluster that stays on its version: EKS
// upgrades it by itself. That is the end of extended support, or of standard
// support where the upgrade policy says so.
func (c climb) end() (time.Time, bool) {
	row, ok := fleet.Supported(c.s.Versions.Value, c.own.String())
	at := row.EndOfExtended
	if c.s.Cluster.Value.EffectiveSupport() == policyStandard {
		at = row.EndOfStandard
	}
	return at, ok && !at.IsZero()
}

// urgency of what is in the way, up to a severity: what nobody has to go past
// for half a year is only worth knowing, or every cluster would have a warning.
func (c climb) urgency(most fleet.Severity) fleet.Severity {
	severity := fleet.Warning
	if at, ok := c.end(); ok && at.Sub(c.now) <= soon {
		severity = fleet.Critical
	} else if row, ok := fleet.Supported(c.s.Versions.Value, c.own.String()); ok && row.EndOfStandard.Sub(c.now) > worthwhile {
		severity = fleet.Info
	}
	return min(severity, most)
}

func (c climb) deadline() string {
	at, ok := c.end()
	switch {
	case !ok:
		return "When EKS will upgrade the cluster by itself is not known."
	case at.Before(c.now):
		return fmt.Sprintf("EKS may upgrade the cluster by itself at any moment: its support ended on %s.", day(at))
	}
	return fmt.Sprintf("From %s EKS upgrades the cluster by itself, ready or not.", day(at))
}

// reasons says what is in the way, what blocks first, and what is not known.
func reasons(obstacles []obstacle, gaps []gap) string {
	var lines []string
	for _, o := range obstacles {
		lines = append(lines, o.what)
	}
	const enough = 8
	if more := len(lines) - enough; more > 0 {
		lines = append(lines[:enough], fmt.Sprintf("And %d more.", more))
	}
	for _, g := range gaps {
		if g.essential {
			lines = append(lines, "Not known: "+g.what+": "+fleet.Sentence(g.why))
		}
	}
	return strings.Join(lines, " ")
}

// facts are what a person planning the upgrade wants to see, in the way or not.
func (c climb) facts() []fleet.Fact {
	facts := []fleet.Fact{{Label: "Platform version", Value: cmp.Or(c.s.Cluster.Value.PlatformVersion, "not said")}}
	facts = append(facts, c.deprecationFacts()...)
	facts = append(facts, c.metricsFact()...)
	facts = append(facts, c.rollback()...)
	if c.s.Backups.Known() && len(c.s.Backups.Value) > 0 {
		facts = append(facts, fleet.Fact{Label: "Backup", Value: c.newestBackup()})
	}
	for _, g := range c.gaps() {
		facts = append(facts, fleet.Fact{Label: "Not known", Value: g.what + ": " + g.why})
	}
	return facts
}

// WayBack labels the facts of upgrade-readiness about going back to the version
// before.
const WayBack = "Way back"

// rollbackWindow is how long after an upgrade EKS takes a cluster back by one
// minor version (EKS User Guide, Roll back a cluster).
const rollbackWindow = 7 * 24 * time.Hour

// rollback says whether and until when there is a way back.
func (c climb) rollback() []fleet.Fact {
	var facts []fleet.Fact
	u := c.s.Update.Value
	to, err := fleet.ParseVersion(u.Version)
	until := u.CreatedAt.Add(rollbackWindow)
	if c.s.Update.Known() && u.Type == "VersionUpdate" && u.Status == "Successful" && err == nil && to == c.own && c.now.Before(until) {
		back := fleet.Version{Major: to.Major, Minor: to.Minor - 1}
		facts = append(facts, fleet.Fact{Label: WayBack, Value: fmt.Sprintf(
			"to %s until %s at least (7 days after the upgrade), the nodes first", back, until.UTC().Format(time.RFC3339))})
	}
	for _, i := range c.s.Insights.Value {
		if i.Category == "ROLLBACK_READINESS" {
			facts = append(facts, fleet.Fact{Label: WayBack, Value: fmt.Sprintf("EKS insight %q is %s%s", clip(insightName(i)), cmp.Or(i.Status, "UNKNOWN"), because(i.Reason))})
		}
	}
	return facts
}

// because puts a reason from elsewhere behind a statement.
func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + strings.TrimRight(clip(reason), ". ")
}

// insightName is what EKS calls an insight.
func insightName(i fleet.Insight) string { return cmp.Or(i.Name, i.ID) }
