package config

import "github.com/eks-steward/eks-steward/internal/fleet"

// Target finds the target of an account and region, and false when the file
// names none: what happens there is nobody's business then.
func (f *File) Target(account, region string) (fleet.Target, bool) {
	for _, t := range f.Targets() {
		if t.Account == account && t.Region == region {
			return t, true
		}
	}
	return fleet.Target{}, false
}
