package rollout

import (
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
)

// No verdict of nodefreshness leads beyond the control plane. A plan does not rely
// on that.
func TestFault_19_NoGroupIsPlannedBeyondItsControlPlane(t *testing.T) {
	for version, refused := range map[string]bool{"1.9": false, "1.10": false, "1.11": true, "2.0": true, "": true, "newest": true} {
		v := nodefreshness.Verdict{Reasons: []nodefreshness.Reason{{Cause: nodefreshness.VersionBehind}}, Want: nodefreshness.Nodes{Version: version}}
		why := leaveGroup(fleet.Nodegroup{Status: "ACTIVE"}, v, "1.10")
		if strings.Contains(why, "pass their control plane") != refused {
			t.Errorf("%q under 1.10 is left because %q", version, why)
		}
	}
}
