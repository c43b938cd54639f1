package infra_test

import (
	"debug/buildinfo"
	"debug/elf"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/eks-steward/eks-steward/infra"
)

// staged synthesizes into a directory of its own and gives the hub's assets.
func staged(t *testing.T, props infra.Props, context map[string]any) (dir string) {
	t.Helper()
	dir = t.TempDir()
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(dir), AnalyticsReporting: jsii.Bool(false), Context: &context})
	if err := infra.NewApp(app, props, infra.Place{}); err != nil {
		t.Fatal(err)
	}
	app.Synth(nil)
	return dir
}

func assets(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "asset.*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	return files
}

// A commit that leaves a function alone must leave it deployed: the hash of the
// code is that of the binary, and the binary says nothing of machine or commit.
func TestFunctionsAreBuiltTheSameTwice(t *testing.T) {
	first, second := staged(t, small(), nil), staged(t, small(), nil)
	got := assets(t, first)
	if again := assets(t, second); !slices.Equal(got, again) {
		t.Errorf("the assets are %v, then %v", got, again)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	built := map[string]bool{}
	for _, asset := range got {
		binary := filepath.Join(first, asset, "bootstrap")
		info, err := buildinfo.ReadFile(binary)
		if err != nil {
			continue // the default run-time file
		}
		built[filepath.Base(info.Path)] = true
		checkBinary(t, binary, info, filepath.Dir(here))
	}
	for _, function := range []string{"dispatch", "etcdsize", "notify"} {
		if !built[function] {
			t.Errorf("%s was not built", function)
		}
	}
}

func checkBinary(t *testing.T, binary string, info *buildinfo.BuildInfo, here string) {
	t.Helper()
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
		if strings.HasPrefix(s.Key, "vcs") {
			t.Errorf("%s names its commit: %v", info.Path, s)
		}
	}
	for key, want := range map[string]string{"GOOS": "linux", "GOARCH": "arm64", "CGO_ENABLED": "0", "-tags": "lambda.norpc", "-trimpath": "true"} {
		if settings[key] != want {
			t.Errorf("%s was built with %s=%q, want %q", info.Path, key, settings[key], want)
		}
	}
	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if file.Machine != elf.EM_AARCH64 {
		t.Errorf("%s is for %s", info.Path, file.Machine)
	}
	text, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), here) {
		t.Errorf("%s holds the path of this machine", info.Path)
	}
	if mode, err := os.Stat(binary); err != nil || mode.Mode()&0o111 == 0 {
		t.Errorf("%s cannot be executed: %v", info.Path, err)
	}
}

// defaultFile is the run-time file that a deployment renders.
func defaultFile(t *testing.T, props infra.Props) (name string, content []byte) {
	t.Helper()
	dir := staged(t, props, map[string]any{"aws:cdk:bundling-stacks": []any{}})
	for _, asset := range assets(t, dir) {
		if filepath.Ext(asset) != ".yaml" {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, asset))
		if err != nil {
			t.Fatal(err)
		}
		return asset, content
	}
	t.Fatal("there is no default run-time file")
	return "", nil
}

// Rules and environments cannot drift from the functions as long as infra takes
// both from where the functions do; and it must know no more than that.
func TestInfraImportsOnlyEventsAndConfigOfOurs(t *testing.T) {
	const module = "github.com/eks-steward/eks-steward/"
	allowed := []string{module + "events", module + "internal/config"}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			path := strings.Trim(spec.Path.Value, `"`)
			if strings.HasPrefix(path, module) && !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}
