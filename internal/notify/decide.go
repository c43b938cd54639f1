package notify

import (
	"fmt"

	"github.com/eks-steward/eks-steward/internal/incident"
)

// Decision is whether a channel hears of an incident, and why.
type Decision struct {
	Tell   bool
	Kind   Kind   // when it is told
	Reason string // one sentence
}

// Decide holds what is true of an incident against what the channel heard last.
// SNS as a fallback hears of its own accord only how something ended that it was
// told before; what Slack did not take is decided under Always.
func Decide(inc incident.Incident, channel string, rules Rules) Decision {
	last, heard := inc.Told[channel]
	open := heard && last.State == incident.Open
	if inc.State == incident.Resolved {
		return decideOver(inc, last, open, rules)
	}
	switch {
	case open && last.Fingerprint == inc.Fingerprint() && last.Revision >= inc.Revision:
		return skip(nothingNew(last))
	case open && last.Fingerprint == inc.Fingerprint():
		return skip("changed and changed back")
	case channel == SNS && rules.SNS == Fallback:
		return skip("left to Slack")
	case open:
		return Decision{Tell: true, Kind: Changed, Reason: fmt.Sprintf("changed since revision %d", last.Revision)}
	case inc.Finding.Severity < rules.MinSeverity:
		return skip("below the minimum severity")
	}
	return Decision{Tell: true, Kind: Opened, Reason: "open, and not heard of yet"}
}

// decideOver is about an incident that is resolved. Whoever heard that it was
// open hears that it is over, however mild it had become.
func decideOver(inc incident.Incident, last incident.Told, open bool, rules Rules) Decision {
	switch {
	case open:
		return Decision{Tell: true, Kind: Resolved, Reason: fmt.Sprintf("over, and heard of as open at revision %d", last.Revision)}
	case last.Revision >= inc.Revision:
		return skip(nothingNew(last))
	case inc.Worst < rules.MinSeverity:
		return skip("below the minimum severity")
	}
	return skip("opened and resolved before anybody was told")
}

func nothingNew(last incident.Told) string {
	return fmt.Sprintf("already told: nothing new since revision %d", last.Revision)
}

func skip(reason string) Decision { return Decision{Reason: reason} }
