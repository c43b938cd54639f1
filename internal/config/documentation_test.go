package config_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/config/yamlfile"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

var update = flag.Bool("update", false, "write the table of keys")

const documentation = "../../docs/configuration.md"

const tableBegin, tableEnd = "-update -->\n", "<!-- end of keys -->"

// keyTable lists the keys as the documentation has them.
func keyTable() string {
	defaults := map[string]string{}
	for _, v := range config.Default().Explain(fleet.ClusterID{}) {
		defaults[v.Path] = v.Value
	}
	var b strings.Builder
	b.WriteString("| Key | Meaning | Form | Default |\n|---|---|---|---|\n")
	for _, key := range config.Keys {
		if strings.HasSuffix(key.Path, "[]") {
			continue
		}
		byDefault := "-"
		if v := defaults[key.Path]; v != "" {
			byDefault = "`" + v + "`"
		} else if key.Required {
			byDefault = "required"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", key.Path, star(key.Doc), star(key.Want), byDefault)
	}
	return b.String()
}

// star keeps Markdown from reading a pattern as emphasis.
func star(s string) string { return strings.ReplaceAll(s, "*", `\*`) }

func TestDocumentationListsEveryKey(t *testing.T) {
	data, err := os.ReadFile(documentation)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(data), tableBegin)
	table, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		t.Fatalf("docs/configuration.md has no place for the table of keys")
	}
	want := "\n" + keyTable() + "\n"
	if *update {
		if err := os.WriteFile(documentation, []byte(before+tableBegin+want+tableEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if table != want {
		t.Errorf("docs/configuration.md differs from config.Keys: run go test ./internal/config -run Documentation -update and commit the file")
	}
}

func TestDocumentationExamplesAreValid(t *testing.T) {
	data, err := os.ReadFile(documentation)
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(data), -1)
	if len(examples) < 2 {
		t.Fatalf("found %d examples", len(examples))
	}
	for i, e := range examples {
		if _, err := yamlfile.Parse(fmt.Sprintf("example %d", i+1), []byte(e[1])); err != nil {
			t.Error(err)
		}
	}
}

func TestDocumentationQuotesAMessageThatIsReallySaid(t *testing.T) {
	data, err := os.ReadFile(documentation)
	if err != nil {
		t.Fatal(err)
	}
	bad := "schemaVersion: 1\ntargets:\n  - account: \"111122223333\"\n    regions: [eu-west-1]\n\netcdSize:\n  warnPercent: 170\n"
	_, err = yamlfile.Parse("steward.yaml", []byte(bad))
	if err == nil || !slices.Contains(strings.Split(string(data), "\n"), "    "+err.Error()) {
		t.Errorf("docs/configuration.md does not show %v", err)
	}
}
