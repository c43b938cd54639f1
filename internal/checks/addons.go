package checks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// addons is about what is installed now. Whether it runs with the next version
// of Kubernetes is for upgrade-readiness to say.
var addons = Check{
	ID:  "add-ons",
	Doc: "Whether the add-ons are managed by EKS, healthy, fit for the cluster's version and up to date.",
	Judge: func(s fleet.Snapshot, _ Rules, _ time.Time) []fleet.Finding {
		var found []fleet.Finding
		for _, a := range s.Addons.Value {
			if f, ok := installed(s, a); ok {
				found = append(found, f)
			}
		}
		found = append(found, selfManaged(s)...)
		switch {
		case !s.Addons.Known():
			found = append(found, unread(s, "The list of add-ons", s.Addons.Why(), s.Addons.Trouble))
		case !s.Cluster.Known():
			found = append(found, unread(s, "Fitness of the add-ons", s.Cluster.Why(), s.Cluster.Trouble))
		case !s.Releases.Known():
			found = append(found, unread(s, "What EKS offers of the add-ons", s.Releases.Why(), s.Releases.Trouble))
		case len(found) == 0:
			found = append(found, fleet.Finding{
				Outcome:  fleet.Pass,
				Title:    "add-ons of " + s.ID.Name + " are healthy and up to date",
				Reason:   fmt.Sprintf("EKS lists %s: none in trouble, and none outdated.", fleet.Count(len(s.Addons.Value), "add-on")),
				Expected: "every add-on managed by EKS, healthy and up to date",
			})
		}
		return found
	},
}

// coreAddons are what a cluster without Auto Mode cannot do without. EKS puts
// them there when it makes the cluster, and leaves them alone unless they are
// made EKS add-ons.
var coreAddons = []string{"coredns", "kube-proxy", "vpc-cni"}

// A flaw is one thing that is wrong with an add-on.
type flaw struct {
	cause    string
	severity fleet.Severity
	title    string // what the add-on is, such as degraded
	what     string // one sentence
	meaning  string
	remedy   string // one sentence
}

// installed is the finding of an add-on, and false when all is well with it.
func installed(s fleet.Snapshot, a fleet.Addon) (fleet.Finding, bool) {
	flaws := slices.Concat(ailing(s, a), unfit(s, a))
	f := fleet.Finding{
		Resource: "addon/" + a.Name, Outcome: fleet.Fail,
		Observed: fmt.Sprintf("%s %s, %s", a.Name, cmp.Or(a.Version, "of unknown version"), cmp.Or(a.Status, "status not said")),
		Expected: "healthy, and the newest version for the cluster",
	}
	if len(flaws) == 0 {
		return doubtful(s, a, f)
	}
	slices.SortStableFunc(flaws, func(a, b flaw) int { return cmp.Compare(b.severity, a.severity) })
	worst := flaws[0]
	f.Severity, f.Meaning = worst.severity, worst.meaning
	f.Title = fmt.Sprintf("add-on %s of %s is %s", a.Name, s.ID.Name, worst.title)
	var causes, what, remedies []string
	for _, w := range flaws {
		causes, what, remedies = append(causes, w.cause), append(what, w.what), append(remedies, w.remedy)
	}
	f.Cause, f.Reason, f.Remedy = kinds(causes), strings.Join(what, " "), fleet.Steps(remedies...)
	f.Facts = []fleet.Fact{{Label: "Kubernetes", Value: cmp.Or(s.Cluster.Value.Version, "not known")}}
	if o := offerOf(a.Name, s.Releases.Value); len(o) > 0 {
		f.Facts = append(f.Facts, fleet.Fact{Label: "Offered", Value: fmt.Sprintf("default %s, newest %s", cmp.Or(o.standard(), "not said"), cmp.Or(o.newest(), "not known"))})
	}
	return f, true
}

// doubtful is the finding of an add-on that nothing is known against, but not
// everything that would speak for it; false when there is no doubt.
func doubtful(s fleet.Snapshot, a fleet.Addon, f fleet.Finding) (fleet.Finding, bool) {
	f.Outcome, f.Severity = fleet.Unknown, fleet.Info
	f.Meaning = "Trouble with it would go unseen."
	_, err := parseAddonVersion(a.Version)
	switch {
	case !slices.Contains([]string{"CREATING", "ACTIVE", "UPDATING", "DELETING"}, a.Status):
		f.Cause = "status-unknown"
		f.Title = fmt.Sprintf("state of add-on %s of %s is unknown", a.Name, s.ID.Name)
		f.Reason = fmt.Sprintf("EKS gives its status as %q, which this version does not know.", clip(a.Status))
		f.Remedy = "Look at it in the EKS console: aws eks describe-addon " + flags(s) + " --addon-name " + a.Name + "."
	case err != nil && offerOf(a.Name, s.Releases.Value).standard() != a.Version:
		f.Cause = "version-unknown"
		f.Title = fmt.Sprintf("age of add-on %s of %s is unknown", a.Name, s.ID.Name)
		f.Reason = "Whether it is outdated cannot be told: " + fleet.Sentence(err.Error())
		f.Remedy = "Compare it by hand with what its vendor offers: aws eks describe-addon-versions --region " + s.ID.Region + " --addon-name " + a.Name + "."
	default:
		return fleet.Finding{}, false
	}
	return f, true
}

// ailing is what EKS itself says is wrong with an add-on.
func ailing(s fleet.Snapshot, a fleet.Addon) []flaw {
	if !unwell(a) {
		return nil
	}
	w := flaw{
		cause: "degraded", severity: fleet.Warning, title: "degraded",
		what:    fmt.Sprintf("EKS gives its status as %s%s", cmp.Or(a.Status, "not said"), said(a.Health)),
		meaning: "What it does for the cluster may fail, and EKS does not update it.",
		remedy:  "See what EKS says and mend that: aws eks describe-addon " + flags(s) + " --addon-name " + a.Name + ".",
	}
	if a.Status == "CREATE_FAILED" || a.Status == "UPDATE_FAILED" || a.Status == "DELETE_FAILED" {
		w.title = "in the state " + a.Status
	}
	// After a failed update the version before it goes on running.
	if slices.Contains(coreAddons, a.Name) && (a.Status == "DEGRADED" || a.Status == "CREATE_FAILED") {
		w.severity = fleet.Critical
		w.meaning = "Pods depend on it for their network or for names: new ones may not start, and running ones may lose what they talk to."
	}
	return []flaw{w}
}

// unwell reports whether EKS says that something is wrong with an add-on. A
// status that is newer than these is not acted upon.
func unwell(a fleet.Addon) bool {
	return len(a.Health) > 0 || slices.Contains([]string{"DEGRADED", "CREATE_FAILED", "UPDATE_FAILED", "DELETE_FAILED"}, a.Status)
}

// unfit is what is wrong with an add-on's version. What was read of the releases
// before an error is a fact, but not all there is: then nothing is missing from
// it and nothing is the newest.
func unfit(s fleet.Snapshot, a fleet.Addon) []flaw {
	if !s.Releases.Known() || a.Version == "" {
		return nil
	}
	o := offerOf(a.Name, s.Releases.Value)
	kubernetes := cmp.Or(s.Cluster.Value.Version, "the cluster's version")
	update := func(to string) string { return "Update it: " + updateAddon(s, a.Name, to) + "." }
	if !o.lists(a.Version) {
		w := flaw{
			cause: "incompatible", severity: fleet.Warning, title: "not made for Kubernetes " + kubernetes,
			what:    fmt.Sprintf("EKS does not list %s among the versions that run with Kubernetes %s.", a.Version, kubernetes),
			meaning: "It may fail, and AWS does not support the two together.",
			remedy:  update(o.advised()),
		}
		if len(o) == 0 {
			w.what = fmt.Sprintf("EKS offers no version of it for Kubernetes %s.", kubernetes)
			w.remedy = "Ask its vendor when there will be one, or remove it."
		}
		return []flaw{w}
	}
	return outdated(a, o, update)
}

// outdated compares an add-on with what is offered. Older than what EKS installs
// by itself is behind the times; only older than the newest is worth knowing.
func outdated(a fleet.Addon, o offer, update func(to string) string) []flaw {
	have, err := parseAddonVersion(a.Version)
	if err != nil {
		return nil
	}
	older := func(than string) bool {
		v, err := parseAddonVersion(than)
		return err == nil && have.compare(v) < 0
	}
	w := flaw{cause: "outdated", title: "outdated", meaning: "Faults that newer versions have mended stay in the cluster."}
	switch {
	case older(o.standard()):
		w.severity, w.remedy = fleet.Warning, update(o.standard())
		w.what = fmt.Sprintf("%s is older than %s, which EKS installs by itself.", a.Version, o.standard())
	case older(o.newest()):
		w.cause, w.title, w.remedy = "update-available", "not the newest", update(o.newest())
		w.what = fmt.Sprintf("%s is not the newest: that is %s.", a.Version, o.newest())
	default:
		return nil
	}
	return []flaw{w}
}

// selfManaged finds the core add-ons that EKS does not manage. A cluster in Auto
// Mode has them built in, and where no kube-proxy runs none is missing.
func selfManaged(s fleet.Snapshot) []fleet.Finding {
	if !s.Addons.Known() || !s.Cluster.Known() || s.Cluster.Value.AutoMode {
		return nil
	}
	var found []fleet.Finding
	for _, name := range coreAddons {
		managed := slices.ContainsFunc(s.Addons.Value, func(a fleet.Addon) bool { return a.Name == name })
		if managed || name == "kube-proxy" && s.KubeProxy.Known() && s.KubeProxy.Value.Version == "" {
			continue
		}
		f := fleet.Finding{
			Resource: "addon/" + name, Outcome: fleet.Fail, Severity: fleet.Info, Cause: "self-managed",
			Title:    fmt.Sprintf("%s of %s is not an EKS add-on", name, s.ID.Name),
			Reason:   fmt.Sprintf("EKS does not list %s among the add-ons: it is self-managed, or something else does its work.", name),
			Meaning:  "EKS does not update it: with every upgrade of the cluster somebody has to.",
			Observed: "self-managed: EKS does not update it",
			Expected: "managed by EKS, or known to be managed elsewhere",
			Remedy: "If nothing else does its work, hand it over to EKS: aws eks create-addon " + flags(s) + " --addon-name " + name +
				" --resolve-conflicts OVERWRITE, which replaces settings that were changed by hand.",
		}
		if name == "kube-proxy" && s.KubeProxy.Known() {
			f.Facts = []fleet.Fact{{Label: "Running version", Value: s.KubeProxy.Value.Version}}
		}
		found = append(found, f)
	}
	return found
}

// updateAddon is the command that updates an add-on and keeps what was changed
// in its settings.
func updateAddon(s fleet.Snapshot, name, version string) string {
	return fmt.Sprintf("aws eks update-addon %s --addon-name %s --addon-version %s --resolve-conflicts PRESERVE", flags(s), name, version)
}

// flags name the cluster to the AWS CLI.
func flags(s fleet.Snapshot) string {
	return "--region " + s.ID.Region + " --cluster-name " + s.ID.Name
}

// said puts EKS's issues behind a statement, and ends it.
func said(issues []fleet.Issue) string {
	if len(issues) == 0 {
		return "."
	}
	return " and reports " + codes(issues) + "."
}

// codes writes issues by their codes, with what EKS says of each.
func codes(issues []fleet.Issue) string {
	var all []string
	for _, i := range issues {
		text := i.Code
		if i.Message != "" {
			text += ": " + strings.TrimRight(clip(i.Message), ". ")
		}
		if len(i.Resources) > 0 {
			text += " (" + few(i.Resources) + ")"
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}
