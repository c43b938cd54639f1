package config

import (
	"slices"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Target finds the target of an account and region, and false when the file
// names none: what happens there is nobody's business then.
func (f *File) Target(account, region string) (fleet.Target, bool) {
	for _, a := range f.Accounts {
		if a.Account == account && slices.Contains(a.Regions, region) {
			return a.target(region), true
		}
	}
	return fleet.Target{}, false
}
