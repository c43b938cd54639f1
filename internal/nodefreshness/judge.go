package nodefreshness

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Judge says whether a nodegroup of a cluster needs new nodes, and which.
func Judge(g fleet.Nodegroup, k Known, r Rules, now time.Time) Verdict {
	control, err := fleet.ParseVersion(k.Cluster.Version)
	if err != nil {
		return Verdict{Left: ownImage(g), Unknown: "The version of the control plane cannot be read: " + err.Error() + "."}
	}
	own, err := fleet.ParseVersion(g.Version)
	if err != nil {
		return Verdict{Left: ownImage(g), Unknown: "The version of its nodes cannot be read: " + err.Error() + "."}
	}
	c := judgement{g, k, r, now, own, control}
	if barred := c.barred(); barred != "" {
		return c.withoutWay(barred)
	}
	v := c.bound()
	if v.Left == "" && g.Tags[OptIn] != Allowed {
		v.Left = fmt.Sprintf("It does not have the tag %s with the value %s; without it IAM refuses an update.", OptIn, Allowed)
	}
	return v
}

// A judgement is one nodegroup with all that it is judged by.
type judgement struct {
	g            fleet.Nodegroup
	k            Known
	r            Rules
	now          time.Time
	own, control fleet.Version
}

// lastAL2 is the last minor version with images of Amazon Linux 2 (EKS user guide,
// "Amazon Linux 2 AMI deprecation").
var lastAL2 = fleet.Version{Major: 1, Minor: 32}

// barred says why no update of EKS could bring new nodes; empty when one could.
func (c judgement) barred() string {
	family, _, _ := strings.Cut(c.g.AMIType, "_")
	switch {
	case c.g.AMIType == fleet.CustomAMI:
		return ownImage(c.g)
	case c.own.Compare(c.control) > 0:
		return fmt.Sprintf("Its nodes run Kubernetes %s and the control plane %s: EKS does not take nodes back to an older minor version, it needs a new nodegroup.", c.own, c.control)
	case c.g.AMIType == "":
		return "EKS does not say which type of AMI it has."
	case !slices.Contains([]string{"AL2", "AL2023", "BOTTLEROCKET", "WINDOWS"}, family):
		return fmt.Sprintf("Its type of AMI, %s, is not known here: nothing is done about it.", fleet.Clip(c.g.AMIType, 60))
	case family == "AL2" && c.control.Compare(lastAL2) > 0:
		return fmt.Sprintf("AWS makes no images of Amazon Linux 2 for Kubernetes %s, the last is %s: it needs a new nodegroup with Amazon Linux 2023 or Bottlerocket.", c.control, lastAL2)
	}
	return ""
}

// ownImage says why a group whose image is its owner's is left alone: EKS refuses
// a version or a release for it (EKS API, UpdateNodegroupVersion).
func ownImage(g fleet.Nodegroup) string {
	if g.AMIType != fleet.CustomAMI {
		return ""
	}
	return "Its image is its owner's: EKS knows no release of it. Its owner renews it, by a new version of its launch template."
}

// withoutWay tells what is old about a group that no update of EKS could renew.
func (c judgement) withoutWay(barred string) Verdict {
	_, reasons, _ := c.template()
	v := Verdict{Left: barred, Reasons: c.urge(append(c.version(), reasons...))}
	if known := c.g.AMIType == fleet.CustomAMI || c.own.Compare(c.control) > 0; !known && len(v.Reasons) == 0 {
		v.Unknown = barred
	}
	return v
}

// bound judges by the group's pin, if it has one: a person has chosen the release.
func (c judgement) bound() Verdict {
	pin := c.g.Tags[PinRelease]
	if pin == "" {
		return c.follow()
	}
	held := func(why string) Verdict {
		v := c.follow()
		v.Want, v.Left = Nodes{}, why
		return v
	}
	if pin == pinCurrent || pin == c.g.Release {
		return held(fmt.Sprintf("The tag %s holds it at %s.", PinRelease, orUnknown(c.g.Release)))
	}
	shown := fleet.Clip(pin, 60)
	if !older(c.g.Release, pin) {
		return held(fmt.Sprintf("The tag %s asks for %s, which is not known to be newer than %s: its nodes stay as they are.", PinRelease, shown, orUnknown(c.g.Release)))
	}
	to := c.control
	if r, ok := parseRelease(pin); ok {
		if minor, ok := r.minor(); ok {
			to = minor
		}
	}
	switch {
	case to.Compare(c.control) > 0:
		return held(fmt.Sprintf("The tag %s asks for %s, which is newer than the control plane's Kubernetes %s.", PinRelease, shown, c.control))
	case to.Compare(c.own) < 0:
		return held(fmt.Sprintf("The tag %s asks for %s, which is older than the Kubernetes %s of its nodes.", PinRelease, shown, c.own))
	}
	return c.conclude(to, pin, []Reason{{ReleaseBehind, fmt.Sprintf("The tag %s asks for the AMI release %s, and it has %s.", PinRelease, shown, c.g.Release)}}, "")
}

// pinCurrent is the value of PinRelease that holds a group at what it has.
const pinCurrent = "current"

func orUnknown(release string) string {
	if release == "" {
		return "a release that is not known"
	}
	return release
}

// follow judges by the newest release that may be trusted.
func (c judgement) follow() Verdict {
	if c.own.Compare(c.control) < 0 {
		return c.climb()
	}
	image, o := c.newest()
	switch {
	case o == untold:
		return c.conclude(c.control, c.g.Release, nil, c.unnamed())
	case c.g.Release == "":
		return c.conclude(c.control, "", nil, "EKS does not say which AMI release it has.")
	case o == young || image.Release == c.g.Release || older(image.Release, c.g.Release):
		return c.conclude(c.control, c.g.Release, nil, "")
	}
	text := fmt.Sprintf("Its AMI release is %s, and there is %s.", c.g.Release, image.Release)
	if !image.Published.IsZero() {
		text = fmt.Sprintf("Its AMI release is %s, and %s has been out since %s.", c.g.Release, image.Release, day(image.Published))
	}
	return c.conclude(c.control, image.Release, []Reason{{ReleaseBehind, text}}, "")
}

// climb takes a group to the version of its control plane.
func (c judgement) climb() Verdict {
	image, o := c.newest()
	switch o {
	case untold:
		return c.conclude(c.control, "", c.version(), c.unnamed())
	case young:
		v := c.conclude(c.control, image.Release, c.version(), "")
		v.Left = fmt.Sprintf("The AMI release %s has been out since %s, and nodes get one %s after that.", image.Release, day(image.Published), days(c.r.MinReleaseAge))
		return v
	}
	return c.conclude(c.control, image.Release, c.version(), "")
}

// An offer is what is known of the newest release that a group could go to.
type offer int

const (
	untold  offer = iota // which one there is, or since when
	young                // too young to be trusted
	trusted              // old enough
)

// newest finds the newest release for the control plane's version that is old
// enough; the oldest of them all where none is.
func (c judgement) newest() (fleet.AMIRelease, offer) {
	var ripe, unripe []fleet.AMIRelease
	for _, i := range c.k.Images.Value {
		v, err := fleet.ParseVersion(i.Version)
		switch {
		case err != nil || v != c.control || i.AMIType != c.g.AMIType || i.Release == "":
		case c.r.MinReleaseAge <= 0: // age does not matter: the first is the one that AWS names
			return i, trusted
		case !i.Published.IsZero() && c.now.Sub(i.Published) >= c.r.MinReleaseAge:
			ripe = append(ripe, i)
		case !i.Published.IsZero():
			unripe = append(unripe, i)
		}
	}
	byDay := func(a, b fleet.AMIRelease) int { return a.Published.Compare(b.Published) }
	switch {
	case len(ripe) > 0:
		return slices.MaxFunc(ripe, byDay), trusted
	case len(unripe) > 0:
		return slices.MinFunc(unripe, byDay), young
	}
	return fleet.AMIRelease{}, untold
}

// unnamed says why it is not known which release there is.
func (c judgement) unnamed() string {
	why := c.k.Images.Why()
	if why == "" {
		why = "AWS names none, or not since when"
	}
	return fmt.Sprintf("Which AMI release of %s there is for Kubernetes %s is not known: %s.", c.g.AMIType, c.control, strings.TrimRight(why, "."))
}

// conclude makes the verdict of the reasons that version and release gave, with
// those that do not hang on them.
func (c judgement) conclude(to fleet.Version, release string, reasons []Reason, unknown string) Verdict {
	head, more, unread := c.template()
	reasons = c.urge(append(reasons, more...))
	if len(reasons) == 0 {
		return Verdict{Unknown: strings.TrimSpace(unknown + " " + unread)}
	}
	v := Verdict{Reasons: reasons, Want: Nodes{Version: to.String(), Release: release, Template: head}}
	// EKS would choose the newest release, however young.
	if release == "" && c.r.MinReleaseAge > 0 {
		v.Left, v.Unknown = unknown, unknown
	}
	return v
}

// version is the reason of a group that is behind its control plane.
func (c judgement) version() []Reason {
	if c.own.Compare(c.control) >= 0 {
		return nil
	}
	return []Reason{{VersionBehind, fmt.Sprintf("Its nodes run Kubernetes %s and the control plane %s.", c.own, c.control)}}
}

// urge adds what makes reasons more urgent, and what needs none. Age alone is no
// reason: the same image would come again.
func (c judgement) urge(reasons []Reason) []Reason {
	age := c.now.Sub(c.k.Oldest)
	if len(reasons) > 0 && c.r.MaxNodeAge > 0 && !c.k.Oldest.IsZero() && age > c.r.MaxNodeAge {
		reasons = append(reasons, Reason{NodesOld, fmt.Sprintf("Its oldest node was made %s ago, and none shall be older than %s.", days(age), days(c.r.MaxNodeAge))})
	}
	if c.k.Forced {
		reasons = append(reasons, Reason{Forced, "A person has asked for new nodes."})
	}
	return reasons
}

// template is the version of the launch template to go to, which is the one that
// the group has unless there is a reason. A head that is lower is none: whoever
// pins versions in groups often leaves the default where it was.
func (c judgement) template() (to fleet.TemplateVersion, reasons []Reason, unknown string) {
	has := c.g.Template
	// EKS resolves $Latest and $Default by itself when it makes nodes.
	if has == (fleet.TemplateVersion{}) || c.r.Template == Ignore || strings.HasPrefix(has.Version, "$") {
		return has, nil, ""
	}
	at, err := strconv.ParseInt(has.Version, 10, 64)
	if err != nil {
		return has, nil, fmt.Sprintf("The version of its launch template %s, %q, cannot be read.", has.ID, fleet.Clip(has.Version, 40))
	}
	i := slices.IndexFunc(c.k.Heads.Value, func(h fleet.TemplateHead) bool { return h.ID == has.ID })
	switch {
	case i < 0 && c.k.Heads.Known():
		return has, nil, fmt.Sprintf("Its launch template %s does not exist any more.", has.ID)
	case i < 0:
		return has, nil, fmt.Sprintf("Which version of its launch template %s there is by now is not known: %s.", has.ID, strings.TrimRight(c.k.Heads.Why(), "."))
	}
	head, which := c.k.Heads.Value[i].Default, "default"
	if c.r.Template == FollowLatest {
		head, which = c.k.Heads.Value[i].Latest, "latest"
	}
	if head <= at {
		return has, nil, ""
	}
	to = fleet.TemplateVersion{ID: has.ID, Version: strconv.FormatInt(head, 10)}
	return to, []Reason{{TemplateBehind, fmt.Sprintf("It has version %d of its launch template %s, and the %s one is %d.", at, has.ID, which, head)}}, ""
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// days writes a duration in whole days, or in hours below one.
func days(d time.Duration) string {
	n, unit := int(d.Hours())/24, "day"
	if n == 0 {
		n, unit = int(d.Hours()), "hour"
	}
	return fleet.Count(n, unit)
}
