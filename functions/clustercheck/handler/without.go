package handler

import (
	"context"
	"log/slog"
	"time"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/clustercheck"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/outage"
)

// withoutLedger still looks, and tells what is critical: once a day, as often as
// a target is scanned.
func (h *Handler) withoutLedger(ctx context.Context, e *events.TargetScan, cause error) (said []slog.Attr, err error) {
	err = h.Outage.Tell(ctx, e.Target, e.Time.Truncate(24*time.Hour), cause, func(conf *config.File) outage.Sight {
		var critical []fleet.Finding
		t := tally{}
		order := clustercheck.Order{Target: e.Target, Rules: rulesOf(conf)}
		report := clustercheck.Scan(ctx, h.Open(e.Target), order, h.Now, func(l clustercheck.Look) {
			t.count(l)
			for _, f := range l.Findings {
				if f.Severity == fleet.Critical {
					critical = append(critical, f)
				}
			}
		})
		said = append(t.attrs(report), slog.Int("critical", len(critical)))
		return outage.Sight{Critical: critical, Whole: inFull(report)}
	})
	return said, err
}

// inFull reports whether another look would see no more: time ended for no
// cluster, and nothing that may pass was in the way.
func inFull(r clustercheck.Report) bool {
	return len(r.Rest) == 0 && len(r.Passing) == 0 && (r.Listing == nil || !r.Listing.Passes())
}
