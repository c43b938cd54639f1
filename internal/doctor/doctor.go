// Package doctor decides whether eks-steward would work in some accounts and
// regions, and if not, what exactly is missing: which role, which IAM action
// (with the policy that grants it), which region, which metric. It asks what the
// deployed functions would ask, and only that: it writes nothing, sends no
// message, and never shows a secret. What it could not examine is Unknown, never
// fine.
package doctor

import (
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// An Examination is one thing that was looked at. Its texts are for people.
type Examination struct {
	Subject string        `json:"subject"`         // credentials, role, or an IAM action such as eks:ListClusters
	Where   string        `json:"where,omitempty"` // account/region; empty for the hub
	Outcome fleet.Outcome `json:"outcome"`

	// Optional says that eks-steward works without it: its outcome never changes
	// the verdict.
	Optional bool `json:"optional"`

	Tried    string   `json:"tried,omitempty"` // empty when nothing was
	Seen     string   `json:"seen"`
	Remedy   string   `json:"remedy,omitempty"`   // empty when there is nothing to do
	Clusters []string `json:"clusters,omitempty"` // names of those that the outcome is about, sorted

	grants []Grant // what IAM would have to allow
}

// A Report is everything that was looked at, and what follows.
type Report struct {
	Examinations []Examination `json:"examinations"`
	Policies     []Policy      `json:"policies"` // what to allow, one for each principal
	Verdict      Verdict       `json:"verdict"`
}

// Verdict says whether deploying makes sense.
type Verdict string

// The verdicts.
const (
	Ready   Verdict = "ready"   // deploy, or leave as it is
	Mend    Verdict = "mend"    // something must be mended first
	Unclear Verdict = "unclear" // nothing is known to be wrong, but not everything could be examined
)

// Conclude makes a report of examinations.
func Conclude(examinations []Examination) Report {
	var grants []Grant
	for _, e := range examinations {
		grants = append(grants, e.grants...)
	}
	return Report{Examinations: examinations, Policies: Policies(grants), Verdict: verdict(examinations)}
}

// verdict looks at what is needed. A known fault outranks what could not be
// examined, and where nothing was examined nothing is well.
func verdict(examinations []Examination) Verdict {
	needed := map[fleet.Outcome]int{}
	for _, e := range examinations {
		if !e.Optional {
			needed[e.Outcome]++
		}
	}
	switch {
	case needed[fleet.Fail] > 0:
		return Mend
	case needed[fleet.Unknown] > 0, needed[fleet.Pass] == 0:
		return Unclear
	}
	return Ready
}
