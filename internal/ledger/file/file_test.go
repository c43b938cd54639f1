package file_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/file"
	"github.com/eks-steward/eks-steward/internal/ledger/ledgertest"
)

func open(t *testing.T, path string) *file.Store {
	t.Helper()
	s, err := file.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	ledgertest.Conformance(t, func(t *testing.T) ledger.Store {
		return open(t, filepath.Join(t.TempDir(), "ledger.db"))
	})
}

// other makes the test binary the process that holds the file.
const other = "LEDGER_FILE_TO_OPEN"

func TestMain(m *testing.M) {
	path := os.Getenv(other)
	if path == "" {
		os.Exit(m.Run())
	}
	if _, err := file.Open(path); err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(3)
	}
}

func TestASecondProcessIsToldThatTheFileIsInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	open(t, path)
	second := exec.CommandContext(t.Context(), os.Args[0])
	second.Env = append(os.Environ(), other+"="+path)
	out, err := second.CombinedOutput()
	if err == nil || !strings.Contains(string(out), path+" is in use by another process: end that one first") {
		t.Fatalf("second process: %v, said %q", err, out)
	}
}

func TestFault_58_TheOutboxSurvivesTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	now := func() time.Time { return time.Date(2026, time.November, 20, 9, 0, 0, 0, time.UTC) }
	s := open(t, path)
	f := fleet.Finding{
		Check: "etcd-size", Outcome: fleet.Fail, Severity: fleet.Critical,
		Cluster: fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: "blue"},
	}
	if _, _, err := ledger.New(s, now).Observe(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := ledger.New(open(t, path), now).Unpublished(t.Context())
	if err != nil || len(left) != 1 {
		t.Fatalf("after the restart: %d unpublished incidents, error %v; want 1", len(left), err)
	}
}

func TestOpenNamesAFileThatCannotBe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nowhere", "ledger.db")
	if _, err := file.Open(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Fatalf("got %v, want an error that names %s", err, path)
	}
}

func TestAClosedFileIsUnavailable(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ledgertest.Unavailable(t, s)
}
