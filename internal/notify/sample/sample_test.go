package sample_test

import (
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/notify"
	"github.com/eks-steward/eks-steward/internal/notify/sample"
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func TestEverySampleIsOfItsKindAndSaysFirstThatItIsATest(t *testing.T) {
	for _, kind := range sample.Kinds() {
		m := sample.Message(kind, nil, notify.Links{Runbooks: "https://example.com/runbooks"}, now)
		if m.Kind != kind || !strings.HasPrefix(m.Headline(), "TEST, ") || len(m.Mention) > 0 {
			t.Errorf("%s: kind %s, %q, mentions %q", kind, m.Kind, m.Headline(), m.Mention)
		}
		for _, n := range m.Notices {
			if n.Incident.Finding.Check != sample.Check || !strings.HasPrefix(n.Title(), "test: ") || !n.Incident.Opened.Before(now) && kind != notify.LedgerOut {
				t.Errorf("%s: %+v", kind, n.Incident.Finding)
			}
		}
	}
}

func TestTheSamplesOfOneIncidentAreItsLife(t *testing.T) {
	want := map[notify.Kind]incident.State{
		notify.Opened: incident.Open, notify.Changed: incident.Open, notify.Reminder: incident.Open, notify.Resolved: incident.Resolved,
	}
	revision := 0
	id := sample.Message(notify.Opened, nil, notify.Links{}, now).Notices[0].Incident.ID()
	for _, kind := range sample.Kinds()[:len(want)] {
		m := sample.Message(kind, nil, notify.Links{}, now)
		inc := m.Notices[0].Incident
		if len(m.Notices) != 1 || inc.ID() != id || inc.State != want[kind] || inc.Revision < revision {
			t.Errorf("%s: %s is %s at revision %d", kind, inc.ID(), inc.State, inc.Revision)
		}
		revision = inc.Revision
	}
}
