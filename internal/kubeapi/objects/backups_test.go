package objects_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi"
	"github.com/eks-steward/eks-steward/internal/kubeapi/inmemory"
)

const backupsPath = "/apis/velero.io/v1/backups"

// velero is an API server with Velero's API, and with these pages of backups.
func velero(t *testing.T, pages map[string]string) *inmemory.Server {
	t.Helper()
	return inmemory.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") != "application/json" {
			t.Errorf("%s is asked for as %s, which custom resources have not", r.URL.Path, r.Header.Get("Accept"))
		}
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/apis/velero.io" {
			io.WriteString(w, `{"kind":"APIGroup","apiVersion":"v1","name":"velero.io","versions":[{"groupVersion":"velero.io/v1","version":"v1"}]}`)
			return
		}
		io.WriteString(w, pages[r.URL.Query().Get("continue")])
	})
}

func TestTheNewestCompleteBackupCounts(t *testing.T) {
	tests := map[string]struct {
		pages map[string]string
		want  time.Time
	}{
		"over all pages": {
			map[string]string{
				"":   `{"kind":"BackupList","metadata":{"continue":"p2"},"items":[{"status":{"phase":"Completed","completionTimestamp":"2026-11-18T02:00:00Z"}},{"status":{"phase":"Completed","completionTimestamp":"2026-11-20T02:00:00Z"}}]}`,
				"p2": `{"kind":"BackupList","metadata":{},"items":[{"status":{"phase":"Completed","completionTimestamp":"2026-11-19T02:00:00Z"}}]}`,
			},
			time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC),
		},
		"what failed, or not yet ended, does not": {
			map[string]string{"": `{"kind":"BackupList","items":[{"status":{"phase":"PartiallyFailed","completionTimestamp":"2026-11-20T02:00:00Z"}},{"status":{"phase":"Failed","completionTimestamp":"2026-11-20T02:00:00Z"}},{"status":{"phase":"InProgress","completionTimestamp":null}},{},{"status":{"phase":"Completed"}}]}`},
			time.Time{},
		},
		"none has been made": {map[string]string{"": `{"kind":"BackupList","items":[]}`}, time.Time{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := velero(t, tt.pages)
			got, err := connect(t, s, s.Dial).Backups(t.Context())
			if want := []fleet.Backup{{Tool: "velero", Last: tt.want}}; err != nil || !slices.Equal(got, want) {
				t.Errorf("got %v, error %v, want %v", got, err, want)
			}
		})
	}
}

func TestNoVeleroIsNoBackupAndNoError(t *testing.T) {
	tests := map[string]struct {
		handle http.HandlerFunc
		asked  string
	}{
		"no such group": {http.NotFound, "/apis/velero.io"},
		"no such resource": {
			func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == backupsPath {
					absent(w)
				}
			}, "/apis/velero.io, " + backupsPath,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := inmemory.Serve(t, tt.handle)
			got, err := connect(t, s, s.Dial).Backups(t.Context())
			if err != nil || len(got) != 0 || asked(s) != tt.asked {
				t.Errorf("got %v after %s, error %v", got, asked(s), err)
			}
		})
	}
}

func TestBackupsThatCannotBeReadAreUnknown(t *testing.T) {
	tests := map[string]string{
		"FAULT 45 empty braces":      `{}`,
		"FAULT 45 HTML":              `<html>`,
		"FAULT 45 another list":      `{"kind":"NodeList","items":[]}`,
		"FAULT 45 a time that is no": `{"kind":"BackupList","items":[{"status":{"phase":"Completed","completionTimestamp":"yesterday"}}]}`,
	}
	for name, page := range tests {
		t.Run(name, func(t *testing.T) {
			s := velero(t, map[string]string{"": page})
			got, err := connect(t, s, s.Dial).Backups(t.Context())
			troubled(t, err, backupsPath, fleet.Failed, kubeapi.BadPage)
			if len(got) != 0 {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestFault_4_BackupsThatWereReadBeforeALoopAreKept(t *testing.T) {
	page := `{"kind":"BackupList","metadata":{"continue":"x"},"items":[{"status":{"phase":"Completed","completionTimestamp":"2026-11-18T02:00:00Z"}}]}`
	s := velero(t, map[string]string{"": page, "x": page})
	got, err := connect(t, s, s.Dial).Backups(t.Context())
	if !errors.Is(err, fleet.LoopingPages) || len(got) != 1 || got[0].Last.Day() != 18 {
		t.Errorf("got %v, error %v", got, err)
	}
}
