package objects_test

import (
	"net/http"
	"path"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi"
	"github.com/eks-steward/eks-steward/internal/kubeapi/inmemory"
)

func TestKubeProxy(t *testing.T) {
	const config = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nipvs:\n  scheduler: rr\n  mode: none\nmode: \"ipvs\"\n"
	const image = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/eks/kube-proxy:v1.34.1-minimal-eksbuild.2"
	running := func(container, image string) *appsv1.DaemonSet {
		set := &appsv1.DaemonSet{}
		set.Spec.Template.Spec.Containers = []corev1.Container{{Name: "sidecar", Image: "proxy:v9.9.9"}, {Name: container, Image: image}}
		return set
	}
	configured := func(data map[string]string) *corev1.ConfigMap { return &corev1.ConfigMap{Data: data} }
	tests := map[string]struct {
		set    *appsv1.DaemonSet
		config *corev1.ConfigMap
		want   fleet.KubeProxy
		asked  int
	}{
		"version and mode":                      {running("kube-proxy", image), configured(map[string]string{"config": config}), fleet.KubeProxy{Version: "v1.34.1-minimal-eksbuild.2", Mode: "ipvs"}, 2},
		"none runs, whatever is configured":     {nil, configured(map[string]string{"config": config}), fleet.KubeProxy{}, 1},
		"no configuration":                      {running("kube-proxy", image), nil, fleet.KubeProxy{Version: "v1.34.1-minimal-eksbuild.2"}, 2},
		"a configuration without its key":       {running("kube-proxy", image), configured(nil), fleet.KubeProxy{Version: "v1.34.1-minimal-eksbuild.2"}, 2},
		"a configuration without a mode":        {running("kube-proxy", image), configured(map[string]string{"config": "kind: KubeProxyConfiguration\n"}), fleet.KubeProxy{Version: "v1.34.1-minimal-eksbuild.2"}, 2},
		"a registry with a port, and a digest":  {running("kube-proxy", "registry.internal:5000/kube-proxy:v1.33.0@sha256:abc"), nil, fleet.KubeProxy{Version: "v1.33.0"}, 2},
		"a registry with a port, and no tag":    {running("kube-proxy", "registry.internal:5000/kube-proxy"), nil, fleet.KubeProxy{}, 2},
		"an image that is only a digest":        {running("kube-proxy", "kube-proxy@sha256:abc"), nil, fleet.KubeProxy{}, 2},
		"another container is not taken for it": {running("other", image), nil, fleet.KubeProxy{}, 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := inmemory.Serve(t, func(w http.ResponseWriter, r *http.Request) {
				switch name := path.Base(r.URL.Path); {
				case name == "kube-proxy" && tt.set != nil:
					answer(w, 200, tt.set)
				case name == "kube-proxy-config" && tt.config != nil:
					answer(w, 200, tt.config)
				default:
					absent(w)
				}
			})
			got, err := connect(t, s, s.Dial).KubeProxy(t.Context())
			if err != nil || got != tt.want || s.Asked() != tt.asked {
				t.Errorf("got %+v after %d requests, error %v; want %+v after %d", got, s.Asked(), err, tt.want, tt.asked)
			}
		})
	}
}

func TestAConfigurationThatCannotBeReadIsUnknown(t *testing.T) {
	const config = "/api/v1/namespaces/kube-system/configmaps/kube-proxy-config"
	tests := map[string]struct {
		handle func(http.ResponseWriter)
		fleet  fleet.TroubleKind
		kind   kubeapi.Kind
	}{
		"it is forbidden": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) }, fleet.Denied, kubeapi.Forbidden},
		"it is no YAML": {func(w http.ResponseWriter) {
			answer(w, 200, &corev1.ConfigMap{Data: map[string]string{"config": "mode: *somebodys\n"}})
		}, fleet.Failed, kubeapi.BadPage},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := inmemory.Serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == config {
					tt.handle(w)
					return
				}
				set := &appsv1.DaemonSet{}
				set.Spec.Template.Spec.Containers = []corev1.Container{{Name: "kube-proxy", Image: "kube-proxy:v1.34.1"}}
				answer(w, 200, set)
			})
			got, err := connect(t, s, s.Dial).KubeProxy(t.Context())
			troubled(t, err, config, tt.fleet, tt.kind)
			if strings.Contains(err.Error(), "somebodys") {
				t.Errorf("error %q holds what is configured", err)
			}
			if got.Version != "v1.34.1" {
				t.Errorf("got %+v: the version was read before", got)
			}
		})
	}
}
