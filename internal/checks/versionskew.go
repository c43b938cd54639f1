package checks

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// versionSkew holds everything that runs on nodes against the control plane: by
// Kubernetes' own rule nothing there may be newer, or more than some minor
// versions older (Kubernetes, "Version Skew Policy").
//
// What is a nodegroup of EKS has the resource nodegroup/<name>; the rest is known
// only to the API server, and is below "nodes".
var versionSkew = Check{
	ID:  "version-skew",
	Doc: "Whether every node and kube-proxy is on a version that works with the control plane's, and whether the next upgrade would leave one behind.",
	Judge: func(s fleet.Snapshot, _ Rules, _ time.Time) []fleet.Finding {
		if !s.Cluster.Known() {
			return []fleet.Finding{unread(s, "Version skew", s.Cluster.Why(), s.Cluster.Trouble)}
		}
		control, err := fleet.ParseVersion(s.Cluster.Value.Version)
		if err != nil {
			return []fleet.Finding{withoutControl(s, err)}
		}
		var found []fleet.Finding
		fits := populations(s)
		for _, p := range fits {
			if f := p.judge(s, control); f.Outcome != fleet.Pass {
				found = append(found, f)
			}
		}
		found = append(found, unseenNodes(s)...)
		if found == nil {
			found = append(found, inStep(s, control, fits))
		}
		return found
	},
}

func withoutControl(s fleet.Snapshot, err error) fleet.Finding {
	f := unread(s, "Version skew", "the version of the control plane cannot be read: "+err.Error(), nil)
	f.Cause = "unreadable-version"
	return f
}

// inStep is the one finding of a cluster where nothing is wrong.
func inStep(s fleet.Snapshot, control fleet.Version, all []population) fleet.Finding {
	f := fleet.Finding{
		Outcome:  fleet.Pass,
		Title:    "every node of " + s.ID.Name + " is on a version that works with its control plane",
		Reason:   fmt.Sprintf("Nothing is newer than Kubernetes %s, and nothing is as far as %s behind.", control, fleet.Count(allowedLag(control), "minor version")),
		Observed: "control plane " + control.String(),
		Expected: expectedOf(control),
	}
	for _, p := range all {
		f.Facts = append(f.Facts, fleet.Fact{Label: p.resource, Value: strings.Join(p.versions(), ", ")})
	}
	return f
}

func expectedOf(control fleet.Version) string {
	return fmt.Sprintf("at most %s, and less than %s behind", control, fleet.Count(allowedLag(control), "minor version"))
}

// A population is what is renewed together: a nodegroup, a pool of nodes, or
// kube-proxy.
type population struct {
	resource string
	origin   fleet.NodeOrigin // empty for kube-proxy
	pool     string
	custom   bool // its AMI is its owner's
	members  []member
}

// A member is one thing with a version: a node, or the population itself by the
// name of its resource.
type member struct{ name, version string }

// populations sorts all that was seen, by resource. What was read before an
// error is a fact, too.
func populations(s fleet.Snapshot) []population {
	all := map[string]*population{}
	put := func(p population, m member) {
		if all[p.resource] == nil {
			all[p.resource] = &p
		}
		known := all[p.resource]
		known.members = append(known.members, m)
	}
	for _, g := range s.Nodegroups.Value {
		put(population{resource: "nodegroup/" + g.Name, origin: fleet.Managed, pool: g.Name, custom: g.AMIType == fleet.CustomAMI}, member{"nodegroup/" + g.Name, g.Version})
	}
	for _, n := range s.Nodes.Value {
		n.Origin = cmp.Or(n.Origin, fleet.SelfManaged)
		put(population{resource: resourceOf(n), origin: n.Origin, pool: n.Pool}, member{n.Name, n.Kubelet})
	}
	if v := s.KubeProxy.Value.Version; v != "" {
		put(population{resource: "nodes/kube-proxy"}, member{"nodes/kube-proxy", v})
	}
	var sorted []population
	for _, resource := range slices.Sorted(maps.Keys(all)) {
		sorted = append(sorted, *all[resource])
	}
	return sorted
}

func resourceOf(n fleet.Node) string {
	if n.Origin == fleet.Managed {
		return "nodegroup/" + n.Pool
	}
	return "nodes/" + poolOf(n)
}

// judge holds a population against the control plane. The worst member decides:
// one that is newer, else the oldest.
func (p population) judge(s fleet.Snapshot, control fleet.Version) fleet.Finding {
	f := fleet.Finding{
		Resource: p.resource, Outcome: fleet.Pass,
		Observed: fmt.Sprintf("%s, with the control plane on %s", strings.Join(p.versions(), ", "), control),
		Expected: expectedOf(control),
	}
	oldest, newest, err := p.span()
	allowed := allowedLag(control)
	lag := control.Minor - oldest.Minor
	switch {
	case newest.Compare(control) > 0:
		p.ahead(s, control, newest, &f)
	case oldest.Major != 0 && (oldest.Major < control.Major || lag > allowed):
		p.tooOld(s, control, oldest, &f)
	case oldest.Major != 0 && lag == allowed:
		p.atLimit(s, control, oldest, &f)
	case err != nil:
		p.unreadable(s, err, &f)
	}
	if f.Outcome == fleet.Fail {
		f.Facts = append(f.Facts, p.offenders(control, newest, oldest)...)
	}
	return f
}

// span is the oldest and the newest version, zero when none can be read, and an
// error for those that cannot.
func (p population) span() (oldest, newest fleet.Version, err error) {
	var errs []error
	var read []fleet.Version
	for _, m := range p.members {
		v, err := fleet.ParseVersion(m.version)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.name, err))
			continue
		}
		read = append(read, v)
	}
	if len(read) > 0 {
		oldest, newest = slices.MinFunc(read, fleet.Version.Compare), slices.MaxFunc(read, fleet.Version.Compare)
	}
	return oldest, newest, errors.Join(errs[:min(len(errs), 3)]...)
}

// versions lists the minors, each once, the oldest first.
func (p population) versions() []string {
	var read []fleet.Version
	for _, m := range p.members {
		if v, err := fleet.ParseVersion(m.version); err == nil {
			read = append(read, v)
		}
	}
	slices.SortFunc(read, fleet.Version.Compare)
	var words []string
	for _, v := range slices.Compact(read) {
		words = append(words, v.String())
	}
	if words == nil {
		return []string{"unknown"}
	}
	return words
}

// offenders names the nodes on the version that is complained about.
func (p population) offenders(control, newest, oldest fleet.Version) []fleet.Fact {
	bad := oldest
	if newest.Compare(control) > 0 {
		bad = newest
	}
	var names []string
	for _, m := range p.members {
		if v, err := fleet.ParseVersion(m.version); err == nil && v == bad && m.name != p.resource {
			names = append(names, m.name)
		}
	}
	if names == nil {
		return nil
	}
	return []fleet.Fact{{Label: "On " + bad.String(), Value: few(names)}}
}

func (p population) ahead(s fleet.Snapshot, control, newest fleet.Version, f *fleet.Finding) {
	f.Outcome, f.Severity, f.Cause = fleet.Fail, fleet.Critical, "ahead"
	f.Title = fmt.Sprintf("%s of %s is ahead of its control plane (%s against %s)", p.subject(), s.ID.Name, newest, control)
	f.Reason = fmt.Sprintf("Kubernetes %s runs there with a control plane of %s: nothing may be newer than its control plane.", newest, control)
	f.Meaning = "Kubernetes does not support this. It may ask for what the API server does not know yet: pods may not start, or may start without what they ask for."
	f.Remedy = fleet.Steps(
		fmt.Sprintf("If the control plane is to go to %s, upgrade it: the check upgrade-readiness says what stands in the way.", newest),
		"Else bring it back to "+control.String()+". "+p.renew(s, control),
	)
}

func (p population) tooOld(s fleet.Snapshot, control, oldest fleet.Version, f *fleet.Finding) {
	f.Outcome, f.Severity, f.Cause = fleet.Fail, fleet.Critical, "beyond-limit"
	f.Title = fmt.Sprintf("%s of %s is too old for its control plane (%s against %s)", p.subject(), s.ID.Name, oldest, control)
	f.Reason = fmt.Sprintf("Kubernetes %s runs there with a control plane of %s: no more than %s behind are supported.", oldest, control, fleet.Count(allowedLag(control), "minor version"))
	f.Meaning = "Kubernetes does not support this: what the API server has dropped may be what is still asked for. EKS refuses the next upgrade of the control plane."
	f.Remedy = p.renew(s, control)
}

func (p population) atLimit(s fleet.Snapshot, control, oldest fleet.Version, f *fleet.Finding) {
	f.Outcome, f.Severity, f.Cause = fleet.Fail, fleet.Warning, "at-limit"
	f.Title = fmt.Sprintf("%s of %s must be updated before its control plane (%s against %s)", p.subject(), s.ID.Name, oldest, control)
	f.Reason = fmt.Sprintf("Kubernetes %s runs there with a control plane of %s: %s behind is as far as it may be.", oldest, control, fleet.Count(allowedLag(control), "minor version"))
	f.Meaning = "The control plane cannot go up before this does. When EKS upgrades it by itself at the end of its support, this is left too far behind."
	f.Remedy = p.renew(s, control)
}

func (p population) unreadable(s fleet.Snapshot, err error, f *fleet.Finding) {
	f.Outcome, f.Severity, f.Cause = fleet.Unknown, fleet.Warning, "unreadable-version"
	f.Title = fmt.Sprintf("the version of %s of %s is unknown", p.subject(), s.ID.Name)
	f.Reason = "It cannot be read: " + fleet.Sentence(strings.ReplaceAll(err.Error(), "\n", "; "))
	f.Meaning = "Whether it works with the control plane is unknown."
	f.Remedy = "Look at it yourself: kubectl get nodes."
	if p.origin == fleet.Managed {
		f.Remedy = fmt.Sprintf("Look at it yourself: aws eks describe-nodegroup %s --nodegroup-name %s.", flags(s), p.pool)
	}
}

// subject is the population in a title.
func (p population) subject() string {
	switch p.origin {
	case fleet.Managed:
		return "nodegroup " + p.pool
	case fleet.Karpenter:
		return "Karpenter pool " + cmp.Or(p.pool, "without a name")
	case fleet.AutoMode:
		return "Auto Mode pool " + cmp.Or(p.pool, "without a name")
	case fleet.Fargate:
		return "Fargate profile " + cmp.Or(p.pool, "without a name")
	case "":
		return "kube-proxy"
	}
	return strings.TrimSpace("the group of self-managed nodes " + p.pool)
}

// renew says how a population gets to a version: each origin has its own way.
func (p population) renew(s fleet.Snapshot, to fleet.Version) string {
	switch p.origin {
	case fleet.Managed:
		if p.custom {
			return fmt.Sprintf("The AMI is your own: put one for %s into a new version of the launch template, then aws eks update-nodegroup-version %s --nodegroup-name %s --launch-template name=...,version=... and no --kubernetes-version.", to, flags(s), p.pool)
		}
		return fmt.Sprintf("aws eks update-nodegroup-version %s --nodegroup-name %s --kubernetes-version %s.", flags(s), p.pool, to)
	case fleet.Karpenter:
		return fmt.Sprintf("Let the EC2NodeClass of the pool select AMIs for %s: Karpenter replaces nodes that have drifted. If it does not, see the disruption budgets, PodDisruptionBudgets and the annotation karpenter.sh/do-not-disrupt.", to)
	case fleet.AutoMode:
		return "EKS replaces these nodes by itself. If it does not, see what holds them: disruption budgets of the NodePool, PodDisruptionBudgets and the annotation karpenter.sh/do-not-disrupt."
	case fleet.Fargate:
		return "Fargate starts new pods on the control plane's version: kubectl rollout restart what runs there."
	case "":
		return fmt.Sprintf("Update the add-on to a release for %s: aws eks update-addon %s --addon-name kube-proxy --addon-version <release>. Where kube-proxy is not an add-on of EKS, change the image of the DaemonSet kube-system/kube-proxy.", to, flags(s))
	}
	return fmt.Sprintf("Make new nodes from an AMI for %s, then drain and end the old ones.", to)
}

// unseenNodes are the findings about what could not be read, or not all of it.
func unseenNodes(s fleet.Snapshot) []fleet.Finding {
	var found []fleet.Finding
	if !s.Nodegroups.Known() {
		f := unread(s, "Version skew of the managed nodegroups", s.Nodegroups.Why(), s.Nodegroups.Trouble)
		f.Resource = "nodegroup"
		found = append(found, f)
	}
	switch {
	case !s.Nodes.Known():
		f := unread(s, "Version skew of self-managed, Karpenter and Fargate nodes and of kube-proxy", s.Nodes.Why(), s.Nodes.Trouble)
		f.Resource, f.Severity = "nodes", fleet.Info // usual where the API server is private
		found = append(found, f)
	case !s.KubeProxy.Known():
		f := unread(s, "Version skew of kube-proxy", s.KubeProxy.Why(), s.KubeProxy.Trouble)
		f.Resource, f.Severity = "nodes/kube-proxy", fleet.Info
		found = append(found, f)
	}
	return found
}
