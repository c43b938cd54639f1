package deployed

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/eks-steward/eks-steward/e2e/moto"
)

// Steward builds the command line, and returns where it is.
func Steward(t testing.TB) string {
	t.Helper()
	module, err := moto.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "steward")
	// A clone without its history, or owned by somebody else, builds too.
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", binary, "./cmd/steward")
	build.Dir = filepath.Dir(module)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build steward: %v\n%s", err, out)
	}
	return binary
}

// Command is a run of the command line by somebody of the account.
func (d *Deployment) Command(t testing.TB, steward string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), steward, args...)
	cmd.Env = []string{
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_REGION=" + Region, "AWS_ENDPOINT_URL=" + d.URL,
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "AWS_EC2_METADATA_DISABLED=true",
	}
	return cmd
}
