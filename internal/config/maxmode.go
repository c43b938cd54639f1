package config

import (
	"fmt"
	"slices"
)

// How far eks-steward goes.
const (
	Report  = "report"  // tells
	Approve = "approve" // makes a plan, which a person approves
	Enforce = "enforce" // carries it out
)

// Modes are all of them, in the order of what they allow.
var Modes = []string{Report, Approve, Enforce}

// LowestMode is the one of some modes that allows least. What is no mode counts
// as Report.
func LowestMode(modes ...string) string {
	lowest := len(Modes) - 1
	for _, m := range modes {
		lowest = min(lowest, max(slices.Index(Modes, m), 0))
	}
	return Modes[lowest]
}

// MaxMode is the highest mode that a deployment allows, by capability. Nothing
// allows Report.
type MaxMode struct {
	SecretsEncryption string // Report, Approve or Enforce
	KeyGuard          string // Report or Enforce
	NodegroupRollout  string // Report, Approve or Enforce
}

// String is the form of steward config validate --max-mode.
func (m MaxMode) String() string {
	return fmt.Sprintf("secretsEncryption=%s,keyGuard=%s,nodegroupRollout=%s",
		LowestMode(m.SecretsEncryption), LowestMode(m.KeyGuard), LowestMode(m.NodegroupRollout))
}

// AboveMaxMode says that a file is well, but asks for more than its deployment
// allows.
type AboveMaxMode struct {
	Most     MaxMode
	Problems Problems // in the order of the file
}

func (a *AboveMaxMode) Error() string { return a.Problems.Error() }

func (a *AboveMaxMode) Unwrap() error { return a.Problems }

// Within refuses a file that asks for more than a deployment allows. The error is
// an *AboveMaxMode; each of its problems names the key of the context that would
// allow it.
func (f *File) Within(most MaxMode) error {
	var problems Problems
	within := func(at, key, asked, inherited, allowed, context string) {
		if asked == inherited || LowestMode(asked, allowed) == asked {
			return
		}
		path := join(at, key)
		problems = append(problems, Problem{
			File: f.name, Place: Place{Line: f.lines[path]},
			Text: fmt.Sprintf("%s is %q, but the deployment allows %s: want that, or deploy with %s", path, asked, LowestMode(allowed), context),
		})
	}
	rules := func(at string, o, inherited Override) {
		s, from := o.SecretsEncryption, inherited.SecretsEncryption
		within(at, "secretsEncryption.mode", s.Mode, from.Mode, most.SecretsEncryption, "maxMode.secretsEncryption "+s.Mode)
		within(at, "secretsEncryption.keyGuard", s.KeyGuard, from.KeyGuard, most.KeyGuard, "secretsEncryption.keyGuard true")
		mode := o.NodegroupRollout.Mode
		within(at, "nodegroupRollout.mode", mode, inherited.NodegroupRollout.Mode, most.NodegroupRollout, "maxMode.nodegroupRollout "+mode)
	}
	rules("", f.unmatched(), Override{})
	for i, o := range f.Overrides {
		rules(fmt.Sprintf("overrides[%d]", i), o, f.unmatched())
	}
	if problems == nil {
		return nil
	}
	problems.Sort()
	return &AboveMaxMode{Most: most, Problems: problems}
}
