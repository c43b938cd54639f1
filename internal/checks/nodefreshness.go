package checks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
)

// nodeFreshness tells which nodegroups need new nodes. It is one finding for a
// cluster: with every release of AWS it holds for most groups of a fleet at once.
// How far nodes may be behind their control plane is the concern of version-skew.
var nodeFreshness = Check{
	ID:  "node-freshness",
	Doc: "Whether the nodes of managed nodegroups have the control plane's version, a recent AMI release and their launch template's version.",
	Judge: func(s fleet.Snapshot, r Rules, now time.Time) []fleet.Finding {
		if !s.Cluster.Known() {
			return []fleet.Finding{unread(s, "Freshness of the nodes", s.Cluster.Why(), s.Cluster.Trouble)}
		}
		stale, unsure, left := sortedByFreshness(s, r.NodeFreshness, now)
		switch {
		case len(stale) > 0:
			return []fleet.Finding{staleNodes(s, stale, unsure, now)}
		case !s.Nodegroups.Known():
			return []fleet.Finding{unread(s, "Freshness of the nodes", s.Nodegroups.Why(), s.Nodegroups.Trouble)}
		case len(unsure) > 0:
			return []fleet.Finding{unsureNodes(s, unsure)}
		case len(s.Nodegroups.Value) == 0:
			return []fleet.Finding{noNodegroups(s)}
		}
		return []fleet.Finding{freshNodes(s, left, r.NodeFreshness)}
	},
}

// staleRelease is the age of an AMI release from which a newer one is no routine
// any more. AWS makes releases about weekly, and many rules want fixes within a
// month: this is two of them.
const staleRelease = 60 * 24 * time.Hour

// A judged is a nodegroup with what is said of its nodes.
type judged struct {
	fleet.Nodegroup
	nodefreshness.Verdict
}

// sortedByFreshness judges each nodegroup. left are those that are left alone
// without anything old being known about them. Who may write to a group has nothing
// to do with its nodes: that is told once, not of each group.
func sortedByFreshness(s fleet.Snapshot, r nodefreshness.Rules, now time.Time) (stale, unsure, left []judged) {
	for _, g := range s.Nodegroups.Value {
		open := g
		open.Tags = map[string]string{nodefreshness.OptIn: nodefreshness.Allowed, nodefreshness.PinRelease: g.Tags[nodefreshness.PinRelease]}
		j := judged{g, nodefreshness.Judge(open, nodefreshness.Known{
			Cluster: s.Cluster.Value, Images: s.Images, Heads: s.TemplateHeads, Oldest: oldestNode(s, g.Name),
		}, r, now)}
		switch {
		case len(j.Reasons) > 0:
			stale = append(stale, j)
		case j.Unknown != "":
			unsure = append(unsure, j)
		case j.Left != "":
			left = append(left, j)
		}
	}
	slices.SortStableFunc(stale, func(a, b judged) int { return cmp.Compare(b.severity(now), a.severity(now)) })
	return stale, unsure, left
}

// oldestNode is when the oldest node of a nodegroup was made; zero when none was
// seen.
func oldestNode(s fleet.Snapshot, group string) time.Time {
	var oldest time.Time
	for _, n := range s.Nodes.Value {
		if n.Origin == fleet.Managed && n.Pool == group && (oldest.IsZero() || n.CreatedAt.Before(oldest)) {
			oldest = n.CreatedAt
		}
	}
	return oldest
}

// behind reports whether a cause is among the reasons.
func (j judged) behind(c nodefreshness.Cause) bool {
	return slices.ContainsFunc(j.Reasons, func(r nodefreshness.Reason) bool { return r.Cause == c })
}

func (j judged) severity(now time.Time) fleet.Severity {
	made, dated := nodefreshness.Made(j.Release)
	lapsed := j.behind(nodefreshness.ReleaseBehind) && dated && now.Sub(made) > staleRelease
	if lapsed || j.behind(nodefreshness.VersionBehind) || j.behind(nodefreshness.NodesOld) {
		return fleet.Warning
	}
	return fleet.Info
}

// staleNodes is the finding of a cluster with groups that need new nodes, the
// worst of them first.
func staleNodes(s fleet.Snapshot, stale, unsure []judged, now time.Time) fleet.Finding {
	var causes []string
	for _, j := range stale {
		for _, r := range j.Reasons {
			causes = append(causes, string(r.Cause))
		}
	}
	f := fleet.Finding{
		Outcome: fleet.Fail, Severity: stale[0].severity(now), Cause: kinds(causes), Meaning: meaningOf(causes),
		Title:    fmt.Sprintf("%s of %s need new nodes", fleet.Count(len(stale), "nodegroup"), s.ID.Name),
		Reason:   whyStale(stale),
		Observed: fmt.Sprintf("%d of %s behind", len(stale), fleet.Count(len(s.Nodegroups.Value), "nodegroup")),
		Expected: "every nodegroup with new nodes, or left alone on purpose",
		Remedy:   renewal(s, stale),
		Facts:    eachGroup(append(slices.Clone(stale), unsure...)),
	}
	if len(stale) == 1 {
		f.Title = fmt.Sprintf("nodegroup %s of %s needs new nodes", stale[0].Name, s.ID.Name)
	}
	if closed := closedTo(stale); closed != nil {
		f.Facts = append(f.Facts, fleet.Fact{Label: fmt.Sprintf("Without the tag %s=%s", nodefreshness.OptIn, nodefreshness.Allowed), Value: few(closed)})
	}
	if !s.Nodegroups.Known() {
		f.Facts = append(f.Facts, fleet.Fact{Label: "Other nodegroups", Value: "could not be read: " + clip(s.Nodegroups.Why())})
	}
	return f
}

// meaningOf says what it means that nodes are behind for some causes.
func meaningOf(causes []string) string {
	var words []string
	for _, c := range []struct {
		cause nodefreshness.Cause
		text  string
	}{
		{nodefreshness.VersionBehind, "Nodes that stay behind their control plane hold up its upgrades in the end: the check version-skew tells when."},
		{nodefreshness.ReleaseBehind, "The nodes go without the fixes of newer images."},
		{nodefreshness.TemplateBehind, "What was changed in the launch template does not reach the nodes."},
	} {
		if slices.Contains(causes, string(c.cause)) {
			words = append(words, c.text)
		}
	}
	return strings.Join(words, " ")
}

// closedTo names the groups that an update could renew and eks-steward may not.
func closedTo(groups []judged) []string {
	var names []string
	for _, j := range groups {
		if j.able() && j.Tags[nodefreshness.OptIn] != nodefreshness.Allowed {
			names = append(names, j.Name)
		}
	}
	return names
}

// able reports whether an update of EKS would do.
func (j judged) able() bool { return j.Want != (nodefreshness.Nodes{}) }

// whyStale is the reasons of one group, or how many groups have each of them.
func whyStale(stale []judged) string {
	var words []string
	if len(stale) == 1 {
		for _, r := range stale[0].Reasons {
			words = append(words, r.Text)
		}
		return strings.Join(words, " ")
	}
	for _, c := range []struct {
		cause nodefreshness.Cause
		text  string
	}{
		{nodefreshness.VersionBehind, "behind the version of the control plane"},
		{nodefreshness.ReleaseBehind, "behind the AMI release"},
		{nodefreshness.TemplateBehind, "behind the launch template"},
		{nodefreshness.NodesOld, "with nodes older than they may be"},
	} {
		n := 0
		for _, j := range stale {
			if j.behind(c.cause) {
				n++
			}
		}
		if n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, c.text))
		}
	}
	return fmt.Sprintf("Of %s that need new nodes: %s.", fleet.Count(len(stale), "nodegroup"), strings.Join(words, ", "))
}

// manyGroups is how many groups a finding names: a message has to stay readable.
const manyGroups = 20

// eachGroup is a fact for each group.
func eachGroup(groups []judged) []fleet.Fact {
	var facts []fleet.Fact
	for _, j := range groups[:min(len(groups), manyGroups)] {
		facts = append(facts, fleet.Fact{Label: "nodegroup " + j.Name, Value: j.words()})
	}
	if more := len(groups) - manyGroups; more > 0 {
		facts = append(facts, fleet.Fact{Label: "And", Value: fmt.Sprintf("%d more", more)})
	}
	return facts
}

// words says of one group from where to where, why, and why not.
func (j judged) words() string {
	switch {
	case j.Unknown != "" && len(j.Reasons) == 0:
		return "unknown. " + j.Unknown
	case len(j.Reasons) == 0:
		return "left alone. " + j.Left
	}
	var causes []string
	for _, r := range j.Reasons {
		causes = append(causes, string(r.Cause))
	}
	from, to := j.change()
	text := from
	if to != "" {
		text += " -> " + to
	}
	text += " (" + kinds(causes) + ")"
	if j.Left != "" {
		text += ". Left alone: " + j.Left
	}
	return text
}

// change is what a group has and what it would get, of what differs. Where no
// update would bring it, to is empty.
func (j judged) change() (from, to string) {
	has := nodefreshness.Nodes{Version: j.Version, Release: j.Release, Template: j.Template}
	if !j.able() {
		return cmp.Or(has.Release, "Kubernetes "+has.Version), ""
	}
	var before, after []string
	differ := func(noun, a, b string) {
		if a != b {
			before, after = append(before, noun+cmp.Or(a, "?")), append(after, noun+cmp.Or(b, "newest"))
		}
	}
	// Most releases begin with the version.
	if !strings.HasPrefix(has.Release, has.Version) || !strings.HasPrefix(j.Want.Release, j.Want.Version) {
		differ("Kubernetes ", has.Version, j.Want.Version)
	}
	differ("", has.Release, j.Want.Release)
	differ("launch template version ", has.Template.Version, j.Want.Template.Version)
	return strings.Join(before, ", "), strings.Join(after, ", ")
}

// renewal says how groups get new nodes.
func renewal(s fleet.Snapshot, stale []judged) string {
	var steps []string
	if i := slices.IndexFunc(stale, judged.able); i >= 0 {
		steps = append(steps,
			fmt.Sprintf("To have eks-steward do it: set nodegroupRollout.mode to approve or enforce for the cluster, and the tag %s=%s on each of the nodegroups. `steward plan` prints the order.", nodefreshness.OptIn, nodefreshness.Allowed),
			"By hand, one after another: "+byHand(s, stale[i])+". A PodDisruptionBudget that lets no pod go makes it fail after 15 minutes.",
		)
	}
	if slices.ContainsFunc(stale, func(j judged) bool { return !j.able() }) {
		steps = append(steps, "What no update of EKS may or can renew is left alone; the facts say why, and what it needs.")
	}
	return fleet.Steps(steps...)
}

// byHand is the command that renews the nodes of one group.
func byHand(s fleet.Snapshot, j judged) string {
	command := fmt.Sprintf("aws eks update-nodegroup-version %s --nodegroup-name %s --kubernetes-version %s", flags(s), j.Name, j.Want.Version)
	if j.Want.Release != "" {
		command += " --release-version " + j.Want.Release
	}
	if t := j.Want.Template; t != j.Template {
		command += fmt.Sprintf(" --launch-template id=%s,version=%s", t.ID, t.Version)
	}
	return command
}

// unsureNodes is the finding of a cluster where nothing is known to be old, and
// not all is known.
func unsureNodes(s fleet.Snapshot, unsure []judged) fleet.Finding {
	trouble := cmp.Or(s.Images.Trouble, s.TemplateHeads.Trouble)
	why := fmt.Sprintf("of %s it is not known what their nodes could get", fleet.Count(len(unsure), "nodegroup"))
	f := unread(s, "Freshness of the nodes", why, trouble)
	if trouble == nil {
		f.Remedy = "The facts say what is missing. Look at it yourself: aws eks describe-nodegroup " + flags(s) + " --nodegroup-name " + unsure[0].Name + "."
	}
	f.Facts = eachGroup(unsure)
	return f
}

func noNodegroups(s fleet.Snapshot) fleet.Finding {
	f := fleet.Finding{
		Outcome: fleet.NotApplicable, Title: s.ID.Name + " has no managed nodegroups",
		Reason: "Whoever makes its nodes renews them: Karpenter, or their owner.",
	}
	if s.Cluster.Value.AutoMode {
		f.Reason = "EKS makes its nodes (Auto Mode), and renews them by itself."
	}
	return f
}

func freshNodes(s fleet.Snapshot, left []judged, r nodefreshness.Rules) fleet.Finding {
	f := fleet.Finding{
		Outcome: fleet.Pass, Title: "the nodegroups of " + s.ID.Name + " need no new nodes",
		Reason:   fmt.Sprintf("Each that is not left alone has Kubernetes %s, and neither AWS nor its launch template has anything newer that it should get.", s.Cluster.Value.Version),
		Observed: fleet.Count(len(s.Nodegroups.Value), "nodegroup"),
		Expected: "the control plane's version, and the newest AMI release",
	}
	if r.MinReleaseAge > 0 {
		f.Expected += fmt.Sprintf(" that has been out for %s", spell(r.MinReleaseAge))
	}
	f.Facts = eachGroup(left)
	if s.Cluster.Value.AutoMode {
		f.Facts = append(f.Facts, fleet.Fact{Label: "Auto Mode", Value: "EKS renews the nodes that it makes by itself"})
	}
	return f
}

// spell writes a duration of the configuration in days where it is whole ones.
func spell(d time.Duration) string {
	if d%(24*time.Hour) == 0 {
		return fleet.Count(int(d/(24*time.Hour)), "day")
	}
	return d.String()
}
