package kubeapi_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/eks-steward/eks-steward/internal/kubeapi"
)

type object map[string]any

// TestTheManifestLetsTheGroupReadMetricsAndNothingElse holds what is shipped
// against what the errors and the documentation name.
func TestTheManifestLetsTheGroupReadMetricsAndNothingElse(t *testing.T) {
	var role struct {
		Kind     string
		Metadata object
		Rules    []struct {
			NonResourceURLs []string `yaml:"nonResourceURLs"`
			Verbs           []string
			APIGroups       []string `yaml:"apiGroups"`
			Resources       []string
		}
	}
	var binding struct {
		Kind     string
		RoleRef  object `yaml:"roleRef"`
		Subjects []object
	}
	text, err := os.ReadFile("../../manifests/steward-reader.yaml")
	if err != nil {
		t.Fatal(err)
	}
	first, second, ok := strings.Cut(string(text), "\n---\n")
	if !ok || strings.Contains(second, "\n---") {
		t.Fatal("the manifest holds more or less than two objects")
	}
	if err := yaml.Unmarshal([]byte(first), &role); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(second), &binding); err != nil {
		t.Fatal(err)
	}
	if role.Kind != "ClusterRole" || binding.Kind != "ClusterRoleBinding" || binding.RoleRef["name"] != role.Metadata["name"] {
		t.Errorf("%s %v is bound by %s to %v", role.Kind, role.Metadata["name"], binding.Kind, binding.RoleRef["name"])
	}
	if len(role.Rules) != 1 || len(role.Rules[0].Resources)+len(role.Rules[0].APIGroups) != 0 ||
		!reflect.DeepEqual(role.Rules[0].NonResourceURLs, []string{"/metrics"}) || !reflect.DeepEqual(role.Rules[0].Verbs, []string{"get"}) {
		t.Errorf("rules %+v: want get of /metrics and nothing else", role.Rules)
	}
	if len(binding.Subjects) != 1 || binding.Subjects[0]["kind"] != "Group" || binding.Subjects[0]["name"] != kubeapi.Group {
		t.Errorf("subjects %v: want the group %s", binding.Subjects, kubeapi.Group)
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
		sentence := (&kubeapi.Unreachable{Kind: kind, Cluster: web}).Error()
		said, remedy, _ := strings.Cut(strings.TrimPrefix(sentence, "the API server of "+web.String()+" "), ": ")
		if said == "" || remedy == "" || !strings.Contains(string(text), "| "+said+" |") {
			t.Errorf("docs/kubernetes-access.md has no row for %q", sentence)
		}
	}
}
