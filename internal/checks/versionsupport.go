package checks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// versionSupport holds a cluster against the calendar that EKS itself gives
// (DescribeClusterVersions), never against one of ours.
var versionSupport = Check{
	ID:  "version-support",
	Doc: "Whether the cluster's Kubernetes version is supported, for how long, what EKS does by itself then, and what staying costs.",
	Judge: func(s fleet.Snapshot, r Rules, now time.Time) []fleet.Finding {
		f := judgeSupport(s, r.VersionSupport, now)
		f.Facts = append(f.Facts, announced(s.Notices)...)
		return []fleet.Finding{f}
	},
}

// The words of EKS for the support of a version and for upgrade policies. There
// may be others: they are named, and nothing is concluded from them.
const (
	onStandard  = "STANDARD_SUPPORT"
	onExtended  = "EXTENDED_SUPPORT"
	unsupported = "UNSUPPORTED"

	policyStandard = "STANDARD"
	policyExtended = "EXTENDED"
)

// Days before an end from which on it is critical.
const (
	unattendedSoon = 14 // EKS will upgrade the control plane by itself
	extendedSoon   = 30 // so it will then, and no further extension can be bought
)

func judgeSupport(s fleet.Snapshot, r VersionSupport, now time.Time) fleet.Finding {
	if !s.Cluster.Known() {
		return unread(s, "Version support", s.Cluster.Why(), s.Cluster.Trouble)
	}
	c := s.Cluster.Value
	version, err := fleet.ParseVersion(c.Version)
	if err != nil {
		return unknownSupport(s, "unreadable-version", "The version of the cluster cannot be read: "+fleet.Sentence(err.Error()))
	}
	row, listed := fleet.Supported(s.Versions.Value, c.Version)
	if !listed && !s.Versions.Known() {
		return unread(s, "Version support", s.Versions.Why(), s.Versions.Trouble)
	}
	if !listed {
		return unknownSupport(s, "unlisted", fmt.Sprintf("EKS does not list Kubernetes %s among its versions: nothing is known of its support.", version))
	}
	p := support{s: s, version: version, row: row, rules: r, now: now, cost: Cost(c, row, r, now)}
	switch row.Status {
	case onStandard:
		return p.standard()
	case onExtended:
		return p.extended()
	case unsupported:
		return p.over()
	}
	return unknownSupport(s, "unknown-status", fmt.Sprintf("EKS says %q of the support of Kubernetes %s: eks-steward does not know that word.", clip(row.Status), version))
}

func unknownSupport(s fleet.Snapshot, cause, reason string) fleet.Finding {
	subject, observed := s.ID.Name, "no version, unknown support"
	if v := clip(s.Cluster.Value.Version); v != "" {
		subject, observed = fmt.Sprintf("%s (Kubernetes %s)", s.ID.Name, v), v+", unknown support"
	}
	return fleet.Finding{
		Outcome: fleet.Unknown, Severity: fleet.Warning, Cause: cause,
		Title:    "support of " + subject + " is unknown",
		Reason:   reason,
		Meaning:  "The version may be without security fixes, cost extra, or be upgraded by EKS at any time.",
		Observed: observed,
		Expected: "a version whose support EKS states",
		Remedy: fleet.Steps(
			fmt.Sprintf("See what EKS says of the cluster: aws eks describe-cluster --region %s --name %s --query cluster.version.", s.ID.Region, s.ID.Name),
			fmt.Sprintf("See what it says of its versions: aws eks describe-cluster-versions --region %s --include-all.", s.ID.Region),
			"If the two do not go together, ask AWS Support.",
		),
	}
}

// A support is the support of one cluster's version at one moment.
type support struct {
	s       fleet.Snapshot
	version fleet.Version
	row     fleet.VersionSupport
	rules   VersionSupport
	now     time.Time
	cost    ExtendedCost
}

func (p support) standard() fleet.Finding {
	if p.row.EndOfStandard.IsZero() {
		return unknownSupport(p.s, "no-date", fmt.Sprintf("EKS gives no end of the standard support of Kubernetes %s.", p.version))
	}
	days, end := daysTo(p.row.EndOfStandard, p.now), day(p.row.EndOfStandard)
	f := fleet.Finding{
		Outcome:  fleet.Pass,
		Title:    fmt.Sprintf("standard support of %s (Kubernetes %s) %s", p.s.ID.Name, p.version, ends(days)),
		Reason:   fmt.Sprintf("EKS gives %s as the end of standard support of Kubernetes %s.", end, p.version),
		Observed: fmt.Sprintf("%s, standard support until %s", p.version, end),
		Expected: p.expected(),
		Facts:    p.facts(),
	}
	if days < 0 {
		f.Reason += " It still lists it with " + onStandard + "."
	}
	within, reached := reminder(p.rules.Reminders, days)
	if !reached {
		return f
	}
	f.Outcome, f.Severity, f.Cause = fleet.Fail, fleet.Warning, fmt.Sprintf("standard-ends-within-%d", within)
	f.Meaning, f.Remedy = p.afterStandard(), p.remedy()
	if p.policy() == policyStandard && days <= unattendedSoon {
		f.Severity = fleet.Critical
	}
	return f
}

// afterStandard says what EKS does by itself at the end of standard support.
func (p support) afterStandard() string {
	end := day(p.row.EndOfStandard)
	switch p.policy() {
	case policyStandard:
		return fmt.Sprintf("The upgrade policy is STANDARD: from %s on EKS upgrades the control plane by itself, at a time that it chooses and whether or not the cluster is ready. Nodes and add-ons stay as they are.", end)
	case policyExtended:
		return fmt.Sprintf("Nothing is upgraded by itself: the cluster enters extended support on %s, which costs %s a month more. %s", end, usd(p.cost.PerMonth), p.afterExtended())
	}
	return p.strangePolicy()
}

func (p support) strangePolicy() string {
	return fmt.Sprintf("The upgrade policy is %q, which eks-steward does not know: what EKS does by itself, and what it charges, is unknown.", clip(p.policy()))
}

// whileExtended says what EKS does by itself during extended support.
func (p support) whileExtended() string {
	if p.policy() != policyExtended {
		return p.strangePolicy()
	}
	return fmt.Sprintf("The cluster stays where it is and costs %s a month more than on standard support. %s", usd(p.cost.PerMonth), p.afterExtended())
}

func (p support) afterExtended() string {
	end := "its end"
	if !p.row.EndOfExtended.IsZero() {
		end = day(p.row.EndOfExtended)
	}
	return fmt.Sprintf("After %s EKS upgrades the control plane to the oldest version that it still supports, without a notice of when.", end)
}

func (p support) extended() fleet.Finding {
	if p.policy() == policyStandard {
		return p.upgradeDue()
	}
	f := fleet.Finding{
		Outcome: fleet.Fail, Severity: fleet.Warning, Cause: "extended",
		Title:    fmt.Sprintf("%s is on extended support (Kubernetes %s)", p.s.ID.Name, p.version),
		Reason:   fmt.Sprintf("EKS gives %s as the end of standard support of Kubernetes %s.", dayOrNot(p.row.EndOfStandard), p.version),
		Meaning:  p.whileExtended(),
		Observed: fmt.Sprintf("%s, extended support until %s", p.version, dayOrNot(p.row.EndOfExtended)),
		Expected: p.expected(),
		Remedy:   p.remedy(),
		Facts:    p.facts(),
	}
	if p.row.EndOfExtended.IsZero() {
		return f
	}
	days := daysTo(p.row.EndOfExtended, p.now)
	if within, reached := reminder(p.rules.Reminders, days); reached {
		f.Cause = fmt.Sprintf("extended-ends-within-%d", within)
		f.Title = fmt.Sprintf("extended support of %s (Kubernetes %s) %s", p.s.ID.Name, p.version, ends(days))
		f.Reason = fmt.Sprintf("EKS gives %s as the end of extended support of Kubernetes %s, and nothing comes after it.", day(p.row.EndOfExtended), p.version)
	}
	if days <= extendedSoon {
		f.Severity = fleet.Critical
	}
	return f
}

// upgradeDue is a cluster that declined extended support and outlived the
// standard one: EKS may upgrade it at any moment.
func (p support) upgradeDue() fleet.Finding {
	return fleet.Finding{
		Outcome: fleet.Fail, Severity: fleet.Critical, Cause: "upgrade-due",
		Title:    fmt.Sprintf("EKS may upgrade %s at any time: standard support of Kubernetes %s is over", p.s.ID.Name, p.version),
		Reason:   fmt.Sprintf("The upgrade policy is STANDARD, and EKS gives %s as the end of standard support of Kubernetes %s.", dayOrNot(p.row.EndOfStandard), p.version),
		Meaning:  "EKS upgrades the control plane by itself, at a time that it chooses and whether or not the cluster is ready. Nodes and add-ons stay as they are.",
		Observed: fmt.Sprintf("%s, standard support until %s", p.version, dayOrNot(p.row.EndOfStandard)),
		Expected: p.expected(),
		Remedy:   p.remedy(),
		Facts:    p.facts(),
	}
}

// over is a version that EKS supports no more.
func (p support) over() fleet.Finding {
	return fleet.Finding{
		Outcome: fleet.Fail, Severity: fleet.Critical, Cause: "unsupported",
		Title:    fmt.Sprintf("Kubernetes %s of %s is not supported any more", p.version, p.s.ID.Name),
		Reason:   fmt.Sprintf("EKS ended the support of Kubernetes %s; the extended one was until %s.", p.version, dayOrNot(p.row.EndOfExtended)),
		Meaning:  "There are no security fixes. EKS upgrades the control plane to the oldest version that it still supports, without a notice of when; nodes and add-ons stay as they are.",
		Observed: fmt.Sprintf("%s, unsupported since %s", p.version, dayOrNot(p.row.EndOfExtended)),
		Expected: p.expected(),
		Remedy:   p.remedy(),
		Facts:    p.facts(),
	}
}

func (p support) policy() string { return p.s.Cluster.Value.EffectiveSupport() }

func (p support) expected() string {
	if first := p.first(); first > 0 {
		return fmt.Sprintf("a version with more than %s of standard support left", fleet.Count(first, "day"))
	}
	return "a version on standard support"
}

// first is the day of the first reminder, 0 when none is wanted.
func (p support) first() int { return slices.Max(append([]int{0}, p.rules.Reminders...)) }

func (p support) remedy() string {
	name, region := p.s.ID.Name, p.s.ID.Region
	steps := []string{"See what stands in the way: the check upgrade-readiness lists it."}
	if path := p.path(); len(path) == 0 {
		steps = append(steps, fmt.Sprintf("EKS lists no version above %s on standard support in this region: ask AWS Support when there will be one.", p.version))
	} else {
		steps = append(
			steps,
			fmt.Sprintf("Upgrade the control plane one minor version at a time, %s: aws eks update-cluster-version --region %s --name %s --kubernetes-version %s.",
				strings.Join(append([]string{p.version.String()}, path...), " -> "), region, name, path[0]),
			"After each step bring add-ons and nodes along.",
		)
	}
	if p.policy() == policyStandard && p.now.Before(p.row.EndOfStandard) {
		perMonth := (p.rules.ExtendedUSDPerHour - p.rules.StandardUSDPerHour) * hoursPerMonth
		steps = append(steps, fmt.Sprintf("If that takes longer, choose extended support before %s, for %s a month: aws eks update-cluster-config --region %s --name %s --upgrade-policy supportType=EXTENDED.",
			day(p.row.EndOfStandard), usd(perMonth), region, name))
	}
	return fleet.Steps(steps...)
}

// path leads to the first version that no reminder is due for, else to the
// newest on standard support: a control plane goes up one minor at a time (EKS
// User Guide, "Update existing cluster to new Kubernetes version").
func (p support) path() []string {
	var path []string
	goal := 0
	for _, row := range above(p.s.Versions.Value, p.version) {
		path = append(path, row.Version)
		if row.Status != onStandard {
			continue
		}
		goal = len(path)
		if daysTo(row.EndOfStandard, p.now) > p.first() {
			break
		}
	}
	return path[:goal]
}

// above is the part of a calendar that comes after a version, the oldest first.
func above(calendar []fleet.VersionSupport, version fleet.Version) []fleet.VersionSupport {
	parsed := func(row fleet.VersionSupport) fleet.Version {
		v, _ := fleet.ParseVersion(row.Version) // what cannot be read is 0.0, which is above nothing
		return v
	}
	rows := slices.DeleteFunc(slices.Clone(calendar), func(row fleet.VersionSupport) bool { return parsed(row).Compare(version) <= 0 })
	slices.SortFunc(rows, func(a, b fleet.VersionSupport) int { return parsed(a).Compare(parsed(b)) })
	return rows
}

func (p support) facts() []fleet.Fact {
	policy := cmp.Or(p.s.Cluster.Value.SupportType, "not said, which is "+policyExtended)
	facts := []fleet.Fact{
		{Label: "Status", Value: clip(p.row.Status)},
		{Label: "End of standard support", Value: dayOrNot(p.row.EndOfStandard)},
		{Label: "End of extended support", Value: dayOrNot(p.row.EndOfExtended)},
		{Label: "Upgrade policy", Value: clip(policy)},
	}
	facts = append(facts, p.costs()...)
	var newer []string
	for _, row := range above(p.s.Versions.Value, p.version) {
		if row.Status == onStandard {
			newer = append(newer, fmt.Sprintf("%s (until %s)", row.Version, dayOrNot(row.EndOfStandard)))
		}
	}
	if newer != nil {
		facts = append(facts, fleet.Fact{Label: "Newer on standard support", Value: strings.Join(newer, ", ")})
	}
	return facts
}

// costs are what extended support has cost and will cost, where EKS gives the
// dates that it takes to tell.
func (p support) costs() []fleet.Fact {
	c := p.cost
	if c.PerMonth == 0 || c.Until.IsZero() {
		return nil
	}
	var facts []fleet.Fact
	if c.SoFar > 0 {
		facts = append(facts, fleet.Fact{Label: "Extended support so far", Value: fmt.Sprintf("%s since %s", usd(c.SoFar), day(c.Since))})
	}
	switch {
	case c.Rest == 0:
	case c.SoFar > 0:
		facts = append(facts, fleet.Fact{Label: "Extended support if it stays", Value: fmt.Sprintf("%s a month, %s more until %s", usd(c.PerMonth), usd(c.Rest), day(c.Until))})
	default:
		facts = append(facts, fleet.Fact{Label: "Extended support if it stays", Value: fmt.Sprintf("%s a month from %s on, %s until %s", usd(c.PerMonth), day(c.Since), usd(c.Rest), day(c.Until))})
	}
	return facts
}

// announced links what AWS Health has said about the cluster.
func announced(notices []fleet.Notice) []fleet.Fact {
	var facts []fleet.Fact
	for _, n := range notices {
		value := clip(n.TypeCode)
		if !n.Start.IsZero() {
			value += " for " + day(n.Start)
		}
		if text := strings.Join(strings.Fields(n.Text), " "); text != "" {
			value += ": " + clip(text)
		}
		facts = append(facts, fleet.Fact{Label: "AWS Health", Value: fmt.Sprintf("%s (%s)", value, clip(n.ID))})
	}
	return facts
}

// reminder is the last of the reminders that so few days have reached, and false
// before the first.
func reminder(reminders []int, days int) (int, bool) {
	due := slices.DeleteFunc(slices.Clone(reminders), func(r int) bool { return r < days })
	if len(due) == 0 {
		return 0, false
	}
	return slices.Min(due), true
}

// daysTo counts whole days from the date of now to that of an end, in UTC: 0 is
// today, less is over.
func daysTo(end, now time.Time) int {
	const day = 24 * time.Hour
	return int(end.UTC().Truncate(day).Sub(now.UTC().Truncate(day)) / day)
}

func ends(days int) string {
	switch {
	case days > 0:
		return "ends in " + fleet.Count(days, "day")
	case days == 0:
		return "ends today"
	}
	return "ended " + fleet.Count(-days, "day") + " ago"
}

func dayOrNot(t time.Time) string {
	if t.IsZero() {
		return "a day that EKS does not give"
	}
	return day(t)
}

func usd(amount float64) string { return fmt.Sprintf("%.0f USD", amount) }
