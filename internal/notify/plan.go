package notify

import (
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
)

// Silence is an incident that a channel does not hear of, and why.
type Silence struct {
	Incident incident.Incident
	Reason   string
}

// Plan turns incidents into the messages of one channel, the worst first. More
// than rules.DigestAbove become one digest: a channel that scrolls is not read,
// and Slack takes only one message per second.
func Plan(incs []incident.Incident, channel string, rules Rules) (messages []Message, silent []Silence) {
	var notices []Notice
	for _, inc := range incs {
		d := Decide(inc, channel, rules)
		if !d.Tell {
			silent = append(silent, Silence{Incident: inc, Reason: d.Reason})
			continue
		}
		notices = append(notices, Notice{Kind: d.Kind, Incident: inc})
	}
	slices.SortFunc(notices, rank)
	if len(notices) > max(rules.DigestAbove, 1) {
		return []Message{{Kind: Digest, Notices: notices, Location: rules.Location}}, silent
	}
	for _, n := range notices {
		messages = append(messages, Message{Kind: n.Kind, Notices: []Notice{n}, Location: rules.Location})
	}
	return messages, silent
}

// Emergency is the digest of the critical findings among findings, for when the
// ledger is down and nobody knows what was told. bucket is any moment of the hour
// it stands for: receivers can drop a second digest of the same hour. Without a
// critical finding it has no notices, and there is nothing to tell.
func Emergency(findings []fleet.Finding, bucket time.Time, cause string) Message {
	m := Message{Kind: LedgerOut, Bucket: bucket.UTC().Truncate(time.Hour), Cause: cause}
	for _, f := range findings {
		if f.Severity < fleet.Critical || f.Outcome == fleet.Pass || f.Outcome == fleet.NotApplicable {
			continue
		}
		m.Notices = append(m.Notices, Notice{Kind: Opened, Incident: incident.Incident{
			State: incident.Open, Worst: f.Severity, Finding: f, Opened: f.At, Changed: f.At,
		}})
	}
	slices.SortFunc(m.Notices, rank)
	return m
}
