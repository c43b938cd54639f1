package checks

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// An obstacle is one thing in the way of the next version.
type obstacle struct {
	kind   string // a stable word, part of the finding's Cause
	blocks bool   // else it only warns
	what   string // one sentence
	remedy string // one sentence; empty where the checklist has a step of its own
}

// A gap is a part that could not be read. An essential one leaves the answer
// open; the others are said and no more.
type gap struct {
	what, why string
	essential bool
}

// obstacles are all that is known to be in the way, what blocks first.
func (c climb) obstacles() []obstacle {
	all := slices.Concat(c.ill(), c.insights(), c.seenAtMetrics(), c.stranded(), c.crowded(), c.trailing(), c.amazonLinux2(), c.ipvs(), c.unsaved(), c.oldPlatform())
	slices.SortStableFunc(all, func(a, b obstacle) int {
		switch {
		case a.blocks == b.blocks:
			return 0
		case a.blocks:
			return -1
		}
		return 1
	})
	return all
}

// gaps are the parts that could not be read, and what EKS itself does not know.
func (c climb) gaps() []gap {
	var all []gap
	add := func(what, why string, essential bool) {
		if why != "" {
			all = append(all, gap{what, why, essential})
		}
	}
	s := c.s
	add("calendar of versions", s.Versions.Why(), true)
	if s.Versions.Known() && len(s.Versions.Value) == 0 {
		add("calendar of versions", "EKS listed no version", true)
	}
	add("upgrade insights", s.Insights.Why(), true)
	add("add-ons", s.Addons.Why(), true)
	if len(c.path) > 0 {
		add("add-ons for "+c.goal(), s.NextReleases.Why(), true)
	}
	for _, i := range s.Insights.Value {
		if i.Category == upgradeInsight && !slices.Contains([]string{"PASSING", "WARNING", "ERROR"}, i.Status) {
			add(fmt.Sprintf("insight %q", clip(insightName(i))), "EKS says "+cmp.Or(i.Status, "nothing")+because(i.Reason), false)
		}
	}
	add("free addresses", s.Subnets.Why(), false)
	add("managed nodegroups", s.Nodegroups.Why(), false)
	add("nodes", s.Nodes.Why(), false)
	add("kube-proxy", s.KubeProxy.Why(), false)
	add("deprecated APIs at /metrics", s.Deprecations.Why(), false)
	add("backups", s.Backups.Why(), false)
	return all
}

// ill is what EKS says is wrong with the cluster or its add-ons: EKS updates
// neither until that is mended.
func (c climb) ill() []obstacle {
	var all []obstacle
	if v := c.s.Cluster.Value; v.Status == "FAILED" || len(v.Health) > 0 {
		all = append(all, obstacle{
			kind: "cluster-health", blocks: true,
			what:   fmt.Sprintf("EKS gives the cluster's status as %s%s", cmp.Or(v.Status, "not said"), said(v.Health)),
			remedy: "Mend what EKS reports about the cluster: aws eks describe-cluster --region " + c.s.ID.Region + " --name " + c.s.ID.Name + " --query cluster.health.",
		})
	}
	for _, a := range c.s.Addons.Value {
		if unwell(a) {
			all = append(all, obstacle{
				kind: "add-on-health", blocks: true,
				what:   fmt.Sprintf("Add-on %s: EKS gives its status as %s%s", a.Name, cmp.Or(a.Status, "not said"), said(a.Health)),
				remedy: "Mend add-on " + a.Name + ": aws eks describe-addon " + flags(c.s) + " --addon-name " + a.Name + ".",
			})
		}
	}
	return all
}

// stranded are the add-ons whose version does not run with the next version. In
// what was read of the releases before an error nothing is missing.
func (c climb) stranded() []obstacle {
	if _, ok := c.next(); !ok || !c.s.NextReleases.Known() {
		return nil
	}
	var all []obstacle
	for _, a := range c.s.Addons.Value {
		o := offerOf(a.Name, c.s.NextReleases.Value)
		if a.Version == "" || o.lists(a.Version) || c.follows(a) {
			continue
		}
		w := obstacle{
			kind: "add-on-incompatible", blocks: true,
			what: fmt.Sprintf("Add-on %s %s does not run with %s.", a.Name, a.Version, c.goal()),
		}
		switch to, both := c.landing(a.Name); {
		case len(o) == 0:
			w.what = fmt.Sprintf("EKS offers no version of add-on %s for %s yet.", a.Name, c.goal())
			w.remedy = fmt.Sprintf("Wait for a version of add-on %s for %s, or remove it.", a.Name, c.goal())
		case both:
			w.remedy = fmt.Sprintf("Update add-on %s to %s, which runs before and after: %s.", a.Name, to, updateAddon(c.s, a.Name, to))
		case !c.s.Releases.Known():
			w.remedy = fmt.Sprintf("Update add-on %s to a version that runs before and after; which one is not known: %s", a.Name, fleet.Sentence(c.s.Releases.Why()))
		default:
			w.kind, w.blocks = "add-on-follows", false
			w.remedy = fmt.Sprintf("No version of add-on %s runs before and after: update it to %s right after the control plane.", a.Name, cmp.Or(to, "one for "+c.goal()))
		}
		all = append(all, w)
	}
	return all
}

// follows reports whether an add-on is kube-proxy and may stay as old as it is
// until after the upgrade: the rule for it is that for nodes, whatever EKS lists.
func (c climb) follows(a fleet.Addon) bool {
	next, ok := c.next()
	v, err := fleet.ParseVersion(a.Version)
	return a.Name == "kube-proxy" && ok && err == nil && v.Major == next.Major && next.Minor-v.Minor <= allowedLag(next)
}

// landing is the newest version of an add-on that runs before and after the
// upgrade; where there is none, the one to take after it, and false.
func (c climb) landing(addon string) (string, bool) {
	after, before := offerOf(addon, c.s.NextReleases.Value), offerOf(addon, c.s.Releases.Value)
	both := slices.DeleteFunc(slices.Clone(after), func(r fleet.AddonRelease) bool { return !before.lists(r.Version) })
	if v := both.newest(); v != "" {
		return v, true
	}
	return after.advised(), false
}

// wantedAddresses is how many free ones EKS needs for an upgrade, in the subnets
// that the cluster was created with (EKS Best Practices Guide, Verify available
// IP addresses).
const wantedAddresses = 5

// crowded finds subnets of the control plane without room: EKS needs the
// addresses in all of them together, and chooses where.
func (c climb) crowded() []obstacle {
	free, tight := 0, []string{}
	for _, n := range c.s.Subnets.Value {
		free += n.Free
		if n.Free < wantedAddresses {
			tight = append(tight, fmt.Sprintf("%s (%d)", n.ID, n.Free))
		}
	}
	remedy := "Free addresses in the control plane's subnets, or give it more subnets in the same zones: aws eks update-cluster-config --region " +
		c.s.ID.Region + " --name " + c.s.ID.Name + " --resources-vpc-config subnetIds=..."
	switch {
	case len(tight) == 0:
		return nil
	case free < wantedAddresses && c.s.Subnets.Known():
		what := fmt.Sprintf("EKS needs up to %d free addresses in the control plane's subnets to upgrade, and finds %d: %s.", wantedAddresses, free, few(tight))
		return []obstacle{{"addresses", true, what, remedy}}
	}
	what := fmt.Sprintf("Fewer than %d addresses are free in %s: the upgrade fails if EKS chooses there.", wantedAddresses, few(tight))
	return []obstacle{{"addresses-in-a-subnet", false, what, remedy}}
}

// trailing are nodes that the next version would leave too far behind.
func (c climb) trailing() []obstacle {
	old := c.tooOld()
	if len(old) == 0 {
		return nil
	}
	return []obstacle{{kind: "nodes-too-old", blocks: true, what: fmt.Sprintf("Nodes would be more versions behind %s than Kubernetes allows: %s.", c.goal(), few(old))}}
}

// tooOld names the groups of nodes that have to be updated before the control
// plane, with their versions.
func (c climb) tooOld() []string {
	next, ok := c.next()
	if !ok {
		return nil
	}
	old := map[string]bool{}
	look := func(name, version string) {
		v, err := fleet.ParseVersion(version)
		if err == nil && v.Major == next.Major && next.Minor-v.Minor > allowedLag(next) {
			old[name+" ("+v.String()+")"] = true
		}
	}
	for _, g := range c.s.Nodegroups.Value {
		look("nodegroup/"+g.Name, g.Version)
	}
	for _, n := range c.s.Nodes.Value {
		look(poolOf(n), n.Kubelet)
	}
	return slices.Sorted(maps.Keys(old))
}

// The last version with an AMI of Amazon Linux 2, and when those AMIs ended (EKS
// User Guide, Amazon Linux 2 AMI deprecation FAQs).
var (
	lastAmazonLinux2  = fleet.Version{Major: 1, Minor: 32}
	endOfAmazonLinux2 = time.Date(2025, 11, 26, 0, 0, 0, 0, time.UTC)
)

// amazonLinux2 finds nodes on it: they get no patches, and cannot follow beyond
// its last version.
func (c climb) amazonLinux2() []obstacle {
	found := map[string]bool{}
	for _, g := range c.s.Nodegroups.Value {
		if strings.HasPrefix(g.AMIType, "AL2_") {
			found["nodegroup/"+g.Name] = true
		}
	}
	for _, n := range c.s.Nodes.Value {
		if n.OSImage == "Amazon Linux 2" {
			found[poolOf(n)] = true
		}
	}
	next, ok := c.next()
	blocks := ok && next.Compare(lastAmazonLinux2) > 0
	if len(found) == 0 || !blocks && c.now.Before(endOfAmazonLinux2) {
		return nil
	}
	o := obstacle{
		kind: "amazon-linux-2", blocks: blocks,
		what:   fmt.Sprintf("Nodes run Amazon Linux 2, whose AMIs for EKS ended on %s: %s.", day(endOfAmazonLinux2), few(slices.Sorted(maps.Keys(found)))),
		remedy: "Replace the nodes on Amazon Linux 2 by others, on Amazon Linux 2023 or Bottlerocket, in new nodegroups or node pools: the AMI type of a nodegroup cannot be changed.",
	}
	if blocks {
		o.what += fmt.Sprintf(" There is none for %s: the last is for %s.", next, lastAmazonLinux2)
	}
	return []obstacle{o}
}

// ipvsDeprecated is the first version that warns of the mode (Kubernetes
// enhancement 5495).
var ipvsDeprecated = fleet.Version{Major: 1, Minor: 35}

func (c climb) ipvs() []obstacle {
	next, ok := c.next()
	if !ok || next.Compare(ipvsDeprecated) < 0 || c.s.KubeProxy.Value.Mode != "ipvs" {
		return nil
	}
	return []obstacle{{
		kind:   "ipvs",
		what:   fmt.Sprintf("kube-proxy runs in the mode ipvs, which is deprecated from Kubernetes %s and is to be removed.", ipvsDeprecated),
		remedy: "Move kube-proxy to the mode nftables, on a test cluster first: it needs Linux 5.13 on the nodes, which Amazon Linux 2023 and Bottlerocket have.",
	}}
}

// unsaved warns where no backup was found. Not finding one is only said where
// all could be read.
func (c climb) unsaved() []obstacle {
	b := c.s.Backups
	if !b.Known() || slices.ContainsFunc(b.Value, func(b fleet.Backup) bool { return !b.Last.IsZero() }) {
		return nil
	}
	o := obstacle{kind: "no-backup", what: "No backup of the cluster's objects by Velero was found; whether AWS Backup keeps any was not looked at."}
	if len(b.Value) > 0 {
		o.what = b.Value[0].Tool + " is installed and has no complete backup."
	}
	return []obstacle{o}
}

// platformLag is how many platform versions a cluster may be behind. EKS brings
// clusters to the newest one by itself, within weeks (EKS User Guide, View Amazon
// EKS platform versions).
const platformLag = 3

// oldPlatform warns of a platform version that EKS should have renewed by now.
func (c climb) oldPlatform() []obstacle {
	row, _ := fleet.Supported(c.s.Versions.Value, c.own.String())
	own, errOwn := platform(c.s.Cluster.Value.PlatformVersion)
	newest, errNewest := platform(row.Platform)
	if errOwn != nil || errNewest != nil || newest-own <= platformLag {
		return nil
	}
	return []obstacle{{
		kind:   "platform-version",
		what:   fmt.Sprintf("The platform version is %s and EKS is at %s: something keeps EKS from renewing it.", c.s.Cluster.Value.PlatformVersion, row.Platform),
		remedy: "See what keeps EKS from renewing the platform version, mostly too few free addresses in the control plane's subnets or a missing role; upgrading the version brings the newest.",
	}}
}

// platform is the number of a platform version such as eks.12.
func platform(version string) (int, error) {
	return strconv.Atoi(strings.TrimPrefix(version, "eks."))
}

// newestBackup says what there is to go back to.
func (c climb) newestBackup() string {
	newest := slices.MaxFunc(c.s.Backups.Value, func(a, b fleet.Backup) int { return a.Last.Compare(b.Last) })
	if newest.Last.IsZero() {
		return newest.Tool + ", no complete one"
	}
	return fmt.Sprintf("%s, newest complete one %s", newest.Tool, ago(newest.Last, c.now))
}

// ago says how long something is past.
func ago(at, now time.Time) string {
	hours := int(now.Sub(at).Hours())
	switch {
	case hours < 1:
		return "less than 1 h ago"
	case hours < 48:
		return fmt.Sprintf("%d h ago", hours)
	}
	return fmt.Sprintf("%d days ago", hours/24)
}

// allowedLag is how many minor versions a node may be behind its control plane
// (Kubernetes version skew policy).
func allowedLag(controlPlane fleet.Version) int {
	if controlPlane.Compare(fleet.Version{Major: 1, Minor: 28}) < 0 {
		return 2
	}
	return 3
}

// poolOf names the group that a node belongs to.
func poolOf(n fleet.Node) string {
	if n.Origin == fleet.Managed {
		return "nodegroup/" + n.Pool
	}
	return strings.TrimSuffix(string(n.Origin)+"/"+n.Pool, "/")
}
