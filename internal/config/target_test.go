package config_test

import (
	"testing"

	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

func TestATargetIsAnAccountInARegionOfTheFile(t *testing.T) {
	f := &config.File{Accounts: []config.Account{
		{Account: "111122223333", Regions: []string{"eu-west-1", "us-east-1"}, Role: config.OwnCredentials},
		{Account: "444455556666", Regions: []string{"eu-central-1"}},
	}}
	for _, want := range f.Targets() {
		if got, ok := f.Target(want.Account, want.Region); !ok || got != want {
			t.Errorf("%s: got %v, %t; want the one that Targets lists", want, got, ok)
		}
	}
	for _, stranger := range []fleet.Target{
		{Account: "111122223333", Region: "eu-central-1"}, // a region of the other account
		{Account: "444455556666", Region: "eu-west-1"},
		{Account: "999999999999", Region: "eu-west-1"},
	} {
		if got, ok := f.Target(stranger.Account, stranger.Region); ok {
			t.Errorf("%s was found as %v, and the file does not name it", stranger, got)
		}
	}
}
