package objects_test

import (
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi/inmemory"
)

// only reads the nodes of a cluster that has one.
func only(t *testing.T, n corev1.Node) fleet.Node {
	t.Helper()
	s := inmemory.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, &corev1.NodeList{Items: []corev1.Node{n}})
	})
	got, err := connect(t, s, s.Dial).Nodes(t.Context())
	if err != nil || len(got) != 1 {
		t.Fatalf("nodes %v, error %v", got, err)
	}
	return got[0]
}

func TestANodeKeepsWhatTheFleetHasWordsFor(t *testing.T) {
	born := time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)
	got := only(t, corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: "ip-10-0-3-4", CreationTimestamp: metav1.NewTime(born),
			Labels: map[string]string{"eks.amazonaws.com/nodegroup": "apps"},
		},
		Spec: corev1.NodeSpec{Unschedulable: true},
		Status: corev1.NodeStatus{
			NodeInfo: corev1.NodeSystemInfo{KubeletVersion: "v1.34.2-eks-1a2b3c", OSImage: "Amazon Linux 2023"},
			Conditions: []corev1.NodeCondition{
				{Type: corev1.NodeDiskPressure, Status: corev1.ConditionFalse},
				{Type: corev1.NodeReady, Status: corev1.ConditionTrue},
			},
		},
	})
	want := fleet.Node{
		Name: "ip-10-0-3-4", Kubelet: "v1.34.2-eks-1a2b3c", Origin: fleet.Managed, Pool: "apps",
		Ready: true, Cordoned: true, OSImage: "Amazon Linux 2023", CreatedAt: born,
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestANodeIsReadyWhenItSaysSo(t *testing.T) {
	tests := map[string][]corev1.NodeCondition{
		"nothing is said":       nil,
		"it is not":             {{Type: corev1.NodeReady, Status: corev1.ConditionFalse}},
		"its kubelet is silent": {{Type: corev1.NodeReady, Status: corev1.ConditionUnknown}},
		"only another condition is true, and bad": {{Type: corev1.NodeDiskPressure, Status: corev1.ConditionTrue}},
	}
	for name, conditions := range tests {
		t.Run(name, func(t *testing.T) {
			if only(t, corev1.Node{Status: corev1.NodeStatus{Conditions: conditions}}).Ready {
				t.Error("it is taken for ready")
			}
		})
	}
}

func TestLabelsSayWhoMadeANode(t *testing.T) {
	tests := map[string]struct {
		labels map[string]string
		origin fleet.NodeOrigin
		pool   string
	}{
		"a managed nodegroup":         {map[string]string{"eks.amazonaws.com/nodegroup": "apps"}, fleet.Managed, "apps"},
		"Fargate":                     {map[string]string{"eks.amazonaws.com/compute-type": "fargate"}, fleet.Fargate, ""},
		"Auto Mode and its node pool": {map[string]string{"eks.amazonaws.com/compute-type": "auto", "karpenter.sh/nodepool": "general-purpose"}, fleet.AutoMode, "general-purpose"},
		"Auto Mode":                   {map[string]string{"eks.amazonaws.com/compute-type": "auto"}, fleet.AutoMode, ""},
		"Karpenter":                   {map[string]string{"karpenter.sh/nodepool": "spot"}, fleet.Karpenter, "spot"},
		"Karpenter before v1beta1":    {map[string]string{"karpenter.sh/provisioner-name": "default"}, fleet.Karpenter, "default"},
		"a hybrid node":               {map[string]string{"eks.amazonaws.com/compute-type": "hybrid"}, fleet.SelfManaged, ""},
		"a kind of compute to come":   {map[string]string{"eks.amazonaws.com/compute-type": "quantum"}, fleet.SelfManaged, ""},
		"an empty label":              {map[string]string{"eks.amazonaws.com/nodegroup": ""}, fleet.SelfManaged, ""},
		"no label":                    {nil, fleet.SelfManaged, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := only(t, corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: tt.labels}})
			if got.Origin != tt.origin || got.Pool != tt.pool {
				t.Errorf("made by %s %q, want %s %q", got.Origin, got.Pool, tt.origin, tt.pool)
			}
		})
	}
}
