package handler

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/clustercheck"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// memory is what a process knows when the ledger is down.
type memory struct {
	mu   sync.Mutex
	conf *config.File         // of the last run
	told map[string]time.Time // the day last told in full by target
}

func (m *memory) remember(conf *config.File) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.conf = conf
}

func (m *memory) settings() *config.File {
	m.mu.Lock()
	defer m.mu.Unlock()
	return cmp.Or(m.conf, config.Default())
}

func (m *memory) toldInFull(day time.Time, t fleet.Target) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.told[t.String()].Equal(day)
}

// tellNoMore keeps redeliveries of one day's scan from repeating its digest.
func (m *memory) tellNoMore(day time.Time, t fleet.Target) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.told == nil {
		m.told = map[string]time.Time{}
	}
	m.told[t.String()] = day
}

// withoutLedger still looks, and tells what is critical. The scan fails all the
// same, so that it comes again and is recorded when the ledger is back.
func (h *Handler) withoutLedger(ctx context.Context, e *events.TargetScan, cause error) ([]slog.Attr, error) {
	day := e.Time.Truncate(24 * time.Hour)
	if h.memory.toldInFull(day, e.Target) {
		return nil, cause
	}
	var critical []fleet.Finding
	order := clustercheck.Order{Target: e.Target, Rules: rulesOf(h.memory.settings())}
	t := tally{}
	report := clustercheck.Scan(ctx, h.Open(e.Target), order, h.Now, func(l clustercheck.Look) {
		t.count(l)
		for _, f := range l.Findings {
			if f.Severity == fleet.Critical {
				critical = append(critical, f)
			}
		}
	})
	var untold error
	if len(critical) > 0 {
		untold = h.Alarm(ctx, critical, day, cause)
	}
	if untold == nil && inFull(report) {
		h.memory.tellNoMore(day, e.Target)
	}
	return append(t.attrs(report), slog.Int("critical", len(critical))), errors.Join(cause, untold)
}

// inFull reports whether another look would see no more: time ended for no
// cluster, and nothing that may pass was in the way.
func inFull(r clustercheck.Report) bool {
	return len(r.Rest) == 0 && len(r.Passing) == 0 && (r.Listing == nil || !r.Listing.Passes())
}
