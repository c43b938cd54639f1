package deployed_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/eks-steward/eks-steward/e2e/deployed"
)

// npm is one that fails where another one has begun.
const npm = `#!/bin/sh
mkdir node_modules && sleep 0.2 && mkdir node_modules/tool && echo {} >node_modules/tool/package.json
`

func TestPackagesThatInstallAtOnceInstallOnce(t *testing.T) {
	bin, dir := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "npm"), []byte(npm), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if err := deployed.Install(t.Context(), dir, "tool"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}
