package infra_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/infra"
)

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEveryKeyOfTheContextIsDocumented(t *testing.T) {
	text := page(t, "deploying.md")
	for _, path := range keys("", reflect.TypeFor[infra.Props]()) {
		if !strings.Contains(text, "`"+path+"`") {
			t.Errorf("docs/deploying.md does not say what `%s` is", path)
		}
	}
}

// keys are the paths of the values that a context can hold.
func keys(path string, v reflect.Type) []string {
	switch v.Kind() {
	case reflect.Pointer:
		return keys(path, v.Elem())
	case reflect.Slice:
		if v.Elem().Kind() == reflect.Struct {
			return keys(path+"[]", v.Elem())
		}
	case reflect.Struct:
		var all []string
		for i := range v.NumField() {
			all = append(all, keys(strings.TrimPrefix(path+"."+v.Field(i).Tag.Get("json"), "."), v.Field(i).Type)...)
		}
		return all
	}
	return []string{path}
}

func TestOutputsThatTheDocumentsAskForAreThere(t *testing.T) {
	asked := regexp.MustCompile(`OutputKey=='(\w+)'`).FindAllStringSubmatch(page(t, "deploying.md"), -1)
	if asked == nil {
		t.Error("docs/deploying.md asks for no output")
	}
	for _, name := range asked {
		if _, ok := smallTemplates()["EksSteward"].Outputs[name[1]]; !ok {
			t.Errorf("docs/deploying.md asks for the output %s, which the stack does not have", name[1])
		}
	}
}

func TestEveryGrantedActionHasAReason(t *testing.T) {
	text := page(t, "permissions.md")
	everyTemplate(t, func(t *testing.T, tpl template) {
		for id, r := range tpl.of("AWS::IAM::Role") {
			for _, s := range granted(r) {
				for _, action := range texts(s["Action"]) {
					if !strings.Contains(text, "`"+action+"`") {
						t.Errorf("docs/permissions.md does not say why %s holds %s", id, action)
					}
				}
			}
		}
	})
}
