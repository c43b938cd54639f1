package objects

import (
	"context"
	"errors"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi"
)

// What the EKS add-on calls its objects (EKS best practices guide, "Running
// kube-proxy in IPVS Mode").
const (
	proxyPath       = "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy"
	proxyConfigPath = "/api/v1/namespaces/kube-system/configmaps/kube-proxy-config"
)

// KubeProxy is the kube-proxy that runs on the nodes. A cluster without its
// DaemonSet has none, as with Auto Mode: that is no error.
func (r *Reader) KubeProxy(ctx context.Context) (fleet.KubeProxy, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	var proxy fleet.KubeProxy
	set, err := get[*appsv1.DaemonSet](ctx, r, proxyPath)
	if errors.Is(err, fleet.Gone) {
		return proxy, nil
	}
	if err != nil {
		return proxy, err
	}
	for _, c := range set.Spec.Template.Spec.Containers {
		if c.Name == "kube-proxy" {
			proxy.Version = tag(c.Image)
		}
	}
	config, err := get[*corev1.ConfigMap](ctx, r, proxyConfigPath)
	if errors.Is(err, fleet.Gone) {
		return proxy, nil
	}
	if err != nil {
		return proxy, err
	}
	proxy.Mode, err = r.mode(config.Data["config"])
	return proxy, err
}

// mode is that of a KubeProxyConfiguration in YAML, "" where it leaves the choice
// to kube-proxy.
func (r *Reader) mode(config string) (string, error) {
	var c struct {
		Mode string `json:"mode"`
	}
	if err := yaml.Unmarshal([]byte(config), &c); err != nil {
		u := &kubeapi.Unreachable{
			Kind: kubeapi.BadPage, Cluster: r.cluster, Path: proxyConfigPath,
			Err: errors.New("its key config is no YAML"),
		}
		return "", u.Trouble()
	}
	return c.Mode, nil
}

// tag is the tag of an image, "" when it has only a digest.
func tag(image string) string {
	image, _, _ = strings.Cut(image, "@")
	name := image[strings.LastIndex(image, "/")+1:] // what comes before may have a port
	_, tag, _ := strings.Cut(name, ":")
	return tag
}
