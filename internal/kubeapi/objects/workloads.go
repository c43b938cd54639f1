package objects

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

const (
	budgetsPath = "/apis/policy/v1/poddisruptionbudgets"
	podsPath    = "/api/v1/pods"
)

// Workloads are the cluster's pods, less those that have ended, and its budgets.
// They are read together: a budget finds its pods by labels, which are not kept.
// Where the budgets cannot be read, the pods are not asked for; where the pods
// cannot be read to the end, the budgets name those that were.
func (r *Reader) Workloads(ctx context.Context) ([]fleet.Pod, []fleet.Budget, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	guards, err := list(ctx, r, budgetsPath, asProtobuf, guards)
	if err != nil {
		return nil, nil, err
	}
	// The budgets come first, so that of each page of pods only what is small stays.
	inNamespace := map[string][]*guard{}
	for i := range guards {
		g := &guards[i]
		inNamespace[g.Namespace] = append(inNamespace[g.Namespace], g)
	}
	guarded, err := list(ctx, r, podsPath, asProtobuf, func(answer rest.Result) ([]guarded, string, error) {
		return pods(answer, inNamespace)
	})
	pods := make([]fleet.Pod, len(guarded))
	for i, p := range guarded {
		pods[i] = p.Pod
		for _, g := range p.by {
			g.Pods = append(g.Pods, p.String())
		}
	}
	budgets := make([]fleet.Budget, len(guards))
	for i, g := range guards {
		slices.Sort(g.Pods)
		budgets[i] = g.Budget
	}
	return pods, budgets, err
}

// A guard is a budget and how it finds its pods.
type guard struct {
	fleet.Budget
	selector labels.Selector
}

// guards are the budgets of a page.
func guards(answer rest.Result) ([]guard, string, error) {
	page, err := decode[*policyv1.PodDisruptionBudgetList](answer)
	if err != nil {
		return nil, "", err
	}
	all := make([]guard, len(page.Items))
	for i := range page.Items {
		b := &page.Items[i]
		all[i] = guard{budget(b), selector(b.Spec.Selector)}
	}
	return all, page.Continue, nil
}

// selector is how a budget finds its pods: an empty one finds every pod of its
// namespace, none at all finds none. One that cannot be understood finds none
// either, as for the eviction API.
func selector(s *metav1.LabelSelector) labels.Selector {
	parsed, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return labels.Nothing()
	}
	return parsed
}

func budget(b *policyv1.PodDisruptionBudget) fleet.Budget {
	policy := b.Spec.UnhealthyPodEvictionPolicy
	known := fleet.Budget{
		Namespace: b.Namespace, Name: b.Name,
		Allowed: max(0, int(b.Status.DisruptionsAllowed)), // the eviction API refuses a negative number too
		Healthy: int(b.Status.CurrentHealthy), Wanted: int(b.Status.DesiredHealthy),
		EvictsUnready: policy != nil && *policy == policyv1.AlwaysAllow,
	}
	if b.Status.ObservedGeneration < b.Generation {
		known.Allowed = 0 // the eviction API takes no number of before the last change
	}
	return known
}

// A guarded pod is one with the budgets that cover it.
type guarded struct {
	fleet.Pod
	by []*guard
}

// pods are those of a page.
func pods(answer rest.Result, inNamespace map[string][]*guard) ([]guarded, string, error) {
	page, err := decode[*corev1.PodList](answer)
	if err != nil {
		return nil, "", err
	}
	var all []guarded
	for i := range page.Items {
		p := &page.Items[i]
		if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue // nothing of it runs, and no drain waits for it
		}
		one := guarded{Pod: pod(p)}
		for _, g := range inNamespace[p.Namespace] {
			if g.selector.Matches(labels.Set(p.Labels)) {
				one.by = append(one.by, g)
			}
		}
		all = append(all, one)
	}
	return all, page.Continue, nil
}

func pod(p *corev1.Pod) fleet.Pod {
	known := fleet.Pod{
		Namespace: p.Namespace, Name: p.Name,
		Node:  p.Spec.NodeName,
		Phase: string(p.Status.Phase),
		Ready: slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		}),
		Terminating: p.DeletionTimestamp != nil,
		CreatedAt:   p.CreationTimestamp.UTC(),
	}
	if owner := metav1.GetControllerOfNoCopy(p); owner != nil {
		known.Owner = owner.Kind + "/" + owner.Name
	}
	return known
}
