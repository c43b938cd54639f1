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
	told map[string]time.Time // the day last told by target
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

// firstIn keeps redeliveries of one day's scan from repeating its digest.
func (m *memory) firstIn(day time.Time, t fleet.Target) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.told[t.String()].Equal(day) {
		return false
	}
	if m.told == nil {
		m.told = map[string]time.Time{}
	}
	m.told[t.String()] = day
	return true
}

// withoutLedger still looks, and tells what is critical. The scan fails all the
// same, so that it comes again and is recorded when the ledger is back.
func (h *Handler) withoutLedger(ctx context.Context, e *events.TargetScan, cause error) ([]slog.Attr, error) {
	day := e.Time.Truncate(24 * time.Hour)
	if !h.memory.firstIn(day, e.Target) {
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
	attrs := append(t.attrs(report), slog.Int("critical", len(critical)))
	if len(critical) == 0 {
		return attrs, cause
	}
	return attrs, errors.Join(cause, h.Alarm(ctx, critical, day, cause))
}
