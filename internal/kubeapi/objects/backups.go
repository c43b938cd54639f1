package objects

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"k8s.io/client-go/rest"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Velero's API. Whether the group is there anybody may ask whom the cluster knows
// (Kubernetes' role system:discovery), so that its absence needs no permission.
const (
	veleroPath  = "/apis/velero.io"
	backupsPath = "/apis/velero.io/v1/backups"
)

// Backups are the means of backup that the cluster has: today Velero. A cluster
// without it has none, which is no error.
func (r *Reader) Backups(ctx context.Context) ([]fleet.Backup, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	if err := r.request(veleroPath, asJSON).Do(ctx).Error(); err != nil {
		return none(r.trouble(veleroPath, err))
	}
	ends, err := list(ctx, r, backupsPath, asJSON, completions)
	if err != nil && len(ends) == 0 {
		return none(err)
	}
	velero := fleet.Backup{Tool: "velero"}
	for _, end := range ends {
		if end.After(velero.Last) {
			velero.Last = end
		}
	}
	return []fleet.Backup{velero}, err
}

// none is no backup, and why it is not known where it is not.
func none(err error) ([]fleet.Backup, error) {
	if errors.Is(err, fleet.Gone) {
		err = nil
	}
	return nil, err
}

// completions are the ends of the complete backups of a page: one that failed in
// part restores in part.
func completions(answer rest.Result) (ends []time.Time, next string, err error) {
	body, err := answer.Raw()
	if err != nil {
		return nil, "", err
	}
	var page struct {
		Kind     string `json:"kind"`
		Metadata struct {
			Continue string `json:"continue"`
		} `json:"metadata"`
		Items []struct {
			Status struct {
				Phase               string    `json:"phase"`
				CompletionTimestamp time.Time `json:"completionTimestamp"`
			} `json:"status"`
		} `json:"items"`
	}
	if err := json.Unmarshal(body, &page); err != nil || page.Kind != "BackupList" {
		return nil, "", errOther
	}
	for _, backup := range page.Items {
		if backup.Status.Phase == "Completed" {
			ends = append(ends, backup.Status.CompletionTimestamp)
		}
	}
	return ends, page.Metadata.Continue, nil
}
