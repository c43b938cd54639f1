package events

import (
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// maxMessage is the largest message in bytes that is read or written: the size of
// a PutEvents entry (EventBridge quotas). Nothing that we have a use for comes near,
// and CloudTrail cuts its records to it.
const maxMessage = 256 << 10

// envelope is an EventBridge event.
// https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html
type envelope struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       string          `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

// Decode reads one EventBridge event, as a rule, a schedule or the product
// itself put it into a queue.
//
// The error is *Malformed or *Ignored. Neither repeats more of the message than
// a few words.
func Decode(raw []byte) (Event, error) {
	if len(raw) > maxMessage {
		return nil, malformed("event", "has %d bytes: want at most %d", len(raw), maxMessage)
	}
	if !utf8.Valid(raw) {
		return nil, malformed("event", "is not UTF-8: want one JSON object in UTF-8")
	}
	var env envelope
	if err := unmarshal("event", raw, &env); err != nil {
		return nil, err
	}
	head, err := env.header()
	if err != nil {
		return nil, err
	}
	if len(env.Detail) == 0 || env.Detail[0] != '{' {
		return nil, malformed("detail", "is missing or no object: want the event's own fields")
	}
	switch env.Source {
	case Source:
		return decodeOwn(env, head)
	case sourceEKS:
		return decodeEKS(env, head)
	case sourceKMS:
		return decodeKMS(env, head)
	case sourceHealth:
		return decodeHealth(env, head)
	}
	return nil, malformed("source", "is %s: want %s, %s, %s or %s", quote(env.Source), Source, sourceEKS, sourceKMS, sourceHealth)
}

// maxID leaves room for the id of an incident, which is part of those of its moves.
const maxID = maxIncident + 64

// validID admits the UUIDs of AWS and what we make of them. An id is for
// comparing and for logs, and names nothing.
func validID(where, id string) error {
	if !printable(id, maxID) {
		return malformed(where, "is %s: want 1 to %d printable bytes", quote(id), maxID)
	}
	return nil
}

// header checks what every event must have. Our own schedules do not know the
// account and the region that they are in; AWS always says.
func (e envelope) header() (Header, error) {
	if err := validID("id", e.ID); err != nil {
		return Header{}, err
	}
	at, err := moment("time", e.Time, time.RFC3339)
	if err != nil {
		return Header{}, err
	}
	known := e.Source != Source
	if (known || e.Account != "") && fleet.ValidAccount(e.Account) != nil {
		return Header{}, malformed("account", "is %s: want the 12 digits of an AWS account", quote(e.Account))
	}
	if (known || e.Region != "") && fleet.ValidRegion(e.Region) != nil {
		return Header{}, malformed("region", "is %s: want a region like eu-west-1", quote(e.Region))
	}
	return Header{ID: e.ID, Account: e.Account, Region: e.Region, Time: at}, nil
}
