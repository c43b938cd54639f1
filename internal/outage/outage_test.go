package outage_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/outage"
)

var (
	noon    = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	errDown = errors.New("the ledger is down")
)

func target(region string) fleet.Target {
	return fleet.Target{Account: "111122223333", Region: region}
}

func TestFault_33_WithoutALedgerAScanGoesByTheLastConfiguration(t *testing.T) {
	var went []*config.File
	look := func(conf *config.File) outage.Sight {
		went = append(went, conf)
		return outage.Sight{}
	}
	var w outage.Watch
	newest := config.Default()
	for _, before := range []func(){func() {}, func() { w.Remember(config.Default()); w.Remember(newest) }} {
		before()
		if err := w.Tell(t.Context(), target("eu-west-1"), noon, errDown, look); !errors.Is(err, errDown) {
			t.Errorf("error %v, want that of the ledger", err)
		}
	}
	if len(went) != 2 || went[0] == nil || went[1] != newest {
		t.Errorf("went by %v, want the default and then the newest", went)
	}
}

func TestFault_33_WithoutALedgerEachTargetHasItsOwnDigest(t *testing.T) {
	var told []string
	w := outage.Watch{Alarm: func(_ context.Context, critical []fleet.Finding, since time.Time, cause error) error {
		if !errors.Is(cause, errDown) {
			t.Errorf("cause %v, want what the ledger answered", cause)
		}
		told = append(told, since.Format("15:04")+" "+critical[0].Cluster.Region)
		return nil
	}}
	tell := func(region string, since time.Time) {
		t.Helper()
		err := w.Tell(t.Context(), target(region), since, errDown, func(*config.File) outage.Sight {
			critical := fleet.Finding{Cluster: fleet.ClusterID{Region: region}}
			return outage.Sight{Critical: []fleet.Finding{critical}, Whole: true}
		})
		if !errors.Is(err, errDown) {
			t.Errorf("error %v, want that of the ledger", err)
		}
	}
	for range 2 {
		tell("eu-west-1", noon)
		tell("us-east-1", noon)
	}
	tell("eu-west-1", noon.Add(time.Hour))
	if want := []string{"12:00 eu-west-1", "12:00 us-east-1", "13:00 eu-west-1"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
