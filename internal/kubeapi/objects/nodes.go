package objects

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Nodes are the cluster's nodes, by name.
func (r *Reader) Nodes(ctx context.Context) ([]fleet.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	return list(ctx, r, "/api/v1/nodes", asProtobuf, func(answer rest.Result) ([]fleet.Node, string, error) {
		page, err := decode[*corev1.NodeList](answer)
		if err != nil {
			return nil, "", err
		}
		nodes := make([]fleet.Node, len(page.Items))
		for i := range page.Items {
			nodes[i] = node(&page.Items[i])
		}
		return nodes, page.Continue, nil
	})
}

func node(n *corev1.Node) fleet.Node {
	origin, pool := origin(n.Labels)
	return fleet.Node{
		Name:      n.Name,
		Kubelet:   n.Status.NodeInfo.KubeletVersion,
		Origin:    origin,
		Pool:      pool,
		Ready:     slices.ContainsFunc(n.Status.Conditions, ready),
		Cordoned:  n.Spec.Unschedulable,
		OSImage:   n.Status.NodeInfo.OSImage,
		CreatedAt: n.CreationTimestamp.UTC(),
	}
}

func ready(c corev1.NodeCondition) bool {
	return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
}

// Labels by which a node says who made it: EKS for its nodegroups, for Fargate
// and for Auto Mode (EKS user guide, "Control if a workload is deployed on EKS
// Auto Mode nodes"), Karpenter for its node pools, and for provisioners as they
// were called before its v1beta1.
const (
	nodegroupLabel   = "eks.amazonaws.com/nodegroup"
	computeLabel     = "eks.amazonaws.com/compute-type"
	nodePoolLabel    = "karpenter.sh/nodepool"
	provisionerLabel = "karpenter.sh/provisioner-name"
)

// origin is who made a node, and the pool that it belongs to. Auto Mode is
// Karpenter run by EKS and has node pools too; a Fargate profile is named only by
// the pod.
func origin(labels map[string]string) (origin fleet.NodeOrigin, pool string) {
	compute := labels[computeLabel]
	switch {
	case labels[nodegroupLabel] != "":
		return fleet.Managed, labels[nodegroupLabel]
	case compute == "fargate":
		return fleet.Fargate, ""
	case compute == "auto":
		return fleet.AutoMode, labels[nodePoolLabel]
	case labels[nodePoolLabel] != "":
		return fleet.Karpenter, labels[nodePoolLabel]
	case labels[provisionerLabel] != "":
		return fleet.Karpenter, labels[provisionerLabel]
	}
	return fleet.SelfManaged, ""
}
