package kubeapi_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/eks-steward/eks-steward/internal/kubeapi"
)

// object is as much of a role or a binding as says who may do what.
type object struct {
	Kind     string
	Metadata struct{ Name, Namespace string }
	Rules    []rule
	RoleRef  struct{ Kind, Name string } `yaml:"roleRef"`
	Subjects []struct{ Kind, Name string }
}

type rule struct {
	NonResourceURLs []string `yaml:"nonResourceURLs"`
	APIGroups       []string `yaml:"apiGroups"`
	Resources       []string
	ResourceNames   []string `yaml:"resourceNames"`
	Verbs           []string
}

// TestTheManifestLetsTheGroupReadWhatIsReadAndNothingElse holds what is shipped
// against what is asked for. That it is enough a real API server says, in
// e2e/cluster.
func TestTheManifestLetsTheGroupReadWhatIsReadAndNothingElse(t *testing.T) {
	get, list := []string{"get"}, []string{"list"}
	want := map[string][]rule{
		"ClusterRole": {
			{NonResourceURLs: []string{"/metrics"}, Verbs: get},
			{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: list},
			{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: list},
			{APIGroups: []string{"policy"}, Resources: []string{"poddisruptionbudgets"}, Verbs: list},
			{APIGroups: []string{"storage.k8s.io"}, Resources: []string{"storageclasses"}, Verbs: list},
			{APIGroups: []string{"velero.io"}, Resources: []string{"backups"}, Verbs: list},
		},
		"Role": {
			{APIGroups: []string{"apps"}, Resources: []string{"daemonsets"}, ResourceNames: []string{"kube-proxy"}, Verbs: get},
			{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{"kube-proxy-config"}, Verbs: get},
		},
	}
	text, err := os.ReadFile("../../manifests/steward-reader.yaml")
	if err != nil {
		t.Fatal(err)
	}
	bound := map[string]int{}
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var o object
		if err := yaml.Unmarshal([]byte(document), &o); err != nil {
			t.Fatal(err)
		}
		if namespaced := strings.TrimSuffix(o.Kind, "Binding") == "Role"; namespaced != (o.Metadata.Namespace == "kube-system") {
			t.Errorf("%s %s is in namespace %q", o.Kind, o.Metadata.Name, o.Metadata.Namespace)
		}
		switch o.Kind {
		case "ClusterRole", "Role":
			if !reflect.DeepEqual(o.Rules, want[o.Kind]) {
				t.Errorf("rules of the %s: %+v, want %+v", o.Kind, o.Rules, want[o.Kind])
			}
		case "ClusterRoleBinding", "RoleBinding":
			bound[o.RoleRef.Kind]++
			if o.RoleRef.Kind+"Binding" != o.Kind || o.RoleRef.Name != "steward-reader" || len(o.Subjects) != 1 || o.Subjects[0].Kind != "Group" || o.Subjects[0].Name != kubeapi.Group {
				t.Errorf("%s binds %v to %v: want the group %s", o.Kind, o.RoleRef, o.Subjects, kubeapi.Group)
			}
		default:
			t.Errorf("the manifest holds a %s", o.Kind)
		}
	}
	if bound["ClusterRole"] != 1 || bound["Role"] != 1 {
		t.Errorf("bound %v times: want each role once", bound)
	}
}

// The functions run in no VPC, and their address is not fixed.
func TestARemedyAsksForNothingThatADeploymentCannotDo(t *testing.T) {
	for kind, want := range map[kubeapi.Kind]string{
		kubeapi.Private:  "whenUnknown: proceed; else open the public endpoint",
		kubeapi.TimedOut: "a deployed function has no fixed address",
	} {
		if said := (&kubeapi.Unreachable{Kind: kind, Cluster: web}).Error(); !strings.Contains(said, want) || strings.Contains(said, "VPC") {
			t.Errorf("%s: want it to say %q, and nothing of a VPC", said, want)
		}
	}
}

func TestTheDocumentationNamesTheGroupAndEveryKind(t *testing.T) {
	text, err := os.ReadFile("../../docs/kubernetes-access.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"--kubernetes-groups " + kubeapi.Group, "manifests/steward-reader.yaml"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("docs/kubernetes-access.md does not say %q", want)
		}
	}
	kinds := []kubeapi.Kind{
		kubeapi.Unauthorized, kubeapi.Forbidden, kubeapi.Throttled, kubeapi.ServerFailed, kubeapi.Redirected,
		kubeapi.OtherStatus, kubeapi.ClockSkew, kubeapi.WrongCA, kubeapi.TLSFailed, kubeapi.Private, kubeapi.Unresolved,
		kubeapi.Refused, kubeapi.TimedOut, kubeapi.Broken, kubeapi.BadPage,
	}
	for _, kind := range kinds {
		sentence := (&kubeapi.Unreachable{Kind: kind, Cluster: web, Path: "..."}).Error()
		said, remedy, _ := strings.Cut(strings.TrimPrefix(sentence, "the API server of "+web.String()+" "), ": ")
		if said == "" || remedy == "" || !strings.Contains(string(text), "| "+said+" |") {
			t.Errorf("docs/kubernetes-access.md has no row for %q", sentence)
		}
	}
}
