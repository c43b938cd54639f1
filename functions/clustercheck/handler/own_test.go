package handler_test

import (
	"slices"
	"testing"

	"github.com/eks-steward/eks-steward/events"
)

func TestFault_30_ANodegroupThatARolloutUpdatesIsNotLookedAtForThat(t *testing.T) {
	b := newBench(t, "prod")
	e := b.call(events.UpdateNodegroupVersion, "prod")
	e.Principal = "arn:aws:iam::" + account + ":role/steward-rollout-writer"
	if said := b.handle(t, e); said["skipped"] == nil || len(b.region.Reads()) > 0 {
		t.Errorf("said %v, want it dropped before anything is read", said)
	}
	for _, others := range []string{"arn:aws:iam::" + account + ":role/admin", "arn:aws:iam::444455556666:role/steward-rollout-writer"} {
		e.Principal = others
		if b.handle(t, e); !slices.Equal(b.region.Reads(), []string{"prod"}) {
			t.Errorf("a call of %s is not looked at", others)
		}
	}
}
