// Package outage is how a scan goes on while the ledger is down: by the
// configuration of the last run, and telling only what is critical. Nobody knows
// then what was told before, so a target has one digest for each stretch of time,
// and what keeps count is the process: a new one tells again.
package outage

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Alarm tells people of critical findings in the one digest of the stretch of
// time that began at since; cause is what the ledger answered.
type Alarm func(ctx context.Context, critical []fleet.Finding, since time.Time, cause error) error

// Watch is what a process needs and knows to go on. Its methods may run at once.
type Watch struct {
	Alarm Alarm

	mu   sync.Mutex
	conf *config.File
	told map[string]time.Time // the stretch last told in full, by target
}

// Remember keeps the configuration that a run goes by.
func (w *Watch) Remember(conf *config.File) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conf = conf
}

// Sight is what a scan saw.
type Sight struct {
	Critical []fleet.Finding
	Whole    bool // another look would see no more
}

// Tell looks at a target and tells what is critical, unless that was done for
// the stretch that began at since. The error holds cause either way, so that the
// scan comes again and is recorded when the ledger is back.
func (w *Watch) Tell(ctx context.Context, t fleet.Target, since time.Time, cause error, look func(*config.File) Sight) error {
	conf, told := w.recall(t)
	if told.Equal(since) {
		return cause
	}
	sight := look(conf)
	if len(sight.Critical) > 0 {
		if err := w.Alarm(ctx, sight.Critical, since, cause); err != nil {
			return errors.Join(cause, err)
		}
	}
	if sight.Whole {
		w.note(t, since)
	}
	return cause
}

func (w *Watch) recall(t fleet.Target) (conf *config.File, told time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return cmp.Or(w.conf, config.Default()), w.told[t.String()]
}

func (w *Watch) note(t fleet.Target, since time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.told == nil {
		w.told = map[string]time.Time{}
	}
	w.told[t.String()] = since
}
