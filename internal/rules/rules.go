// Package rules turns the configuration into what each capability goes by for a
// cluster, so that every function and command reads the same of it. It decides
// only which mode is the lowest; what a rule means is decided by who goes by it.
package rules

import (
	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
	"github.com/eks-steward/eks-steward/internal/rollout"
	"github.com/eks-steward/eks-steward/internal/window"
)

// Checks are the rules of the checks for a cluster.
func Checks(f *config.File, c fleet.ClusterID) checks.Rules {
	return checks.Rules{
		VersionSupport:    checks.VersionSupport(f.VersionSupportFor(c)),
		SecretsEncryption: checks.SecretsEncryption(f.SecretsEncryptionFor(c)),
		NodeFreshness:     freshness(f.NodegroupRolloutFor(c)),
		OwnerTag:          f.Notify.OwnerTag,
	}
}

// Rollout is the policy of rollouts for a cluster. Its mode is the lowest of the
// file's, the deployment's maxMode and the cluster's tag RolloutTag; what is no
// mode counts as report. A cluster without the tag, or one that was not read, has
// the lowest of the other two.
func Rollout(f *config.File, c fleet.Cluster, maxMode string) rollout.Policy {
	r := f.NodegroupRolloutFor(c.ID)
	modes := []string{r.Mode, maxMode}
	if tag, ok := c.Tags[RolloutTag]; ok {
		modes = append(modes, tag)
	}
	calendar := r.Calendar
	if calendar == config.NoCalendar {
		calendar = ""
	}
	return rollout.Policy{
		Mode:        rollout.Mode(config.LowestMode(modes...)),
		Freshness:   freshness(r),
		Schedule:    schedule(r),
		Calendar:    calendar,
		Alarms:      r.Alarms,
		Proceed:     r.WhenUnknown == config.Proceed,
		Bake:        r.Bake,
		NodeTime:    r.NodeTime,
		ForceAfter:  r.ForceAfter,
		ForceGroups: r.ForceGroups,
	}
}

// RolloutTag lowers the mode of the cluster that has it, and never raises it.
const RolloutTag = "eks-steward/nodegroup-rollout"

// Waves are what holds for a rollout as a whole.
func Waves(f *config.File) rollout.Waves { return rollout.Waves(f.Waves) }

func freshness(r config.NodegroupRollout) nodefreshness.Rules {
	return nodefreshness.Rules{MinReleaseAge: r.MinReleaseAge, MaxNodeAge: r.MaxNodeAge, Template: r.Template}
}

func schedule(r config.NodegroupRollout) window.Schedule {
	var s window.Schedule
	for _, w := range r.Windows {
		s.Windows = append(s.Windows, window.Window(w))
	}
	for _, f := range r.Freezes {
		s.Freezes = append(s.Freezes, window.Freeze(f))
	}
	return s
}
